"""What is wrong with a description or a configuration, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """What an Issue costs: ERROR loses an operation or refuses a configuration, WARNING some of it, INFO nothing."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One thing that is wrong with a description or a configuration.

    `where` is the place as a person writes it: `paths./pets.get.parameters[2].schema`.
    """

    level: Level
    where: str
    message: str
    hint: str = ""
    rule: str = ""
    """What kind of thing it is, for programs: "overlay", "refused", or a rule of `nlapi check`; else ""."""

    @classmethod
    def error(cls, where: str, message: str, hint: str = "", rule: str = "") -> Issue:
        return cls(level=Level.ERROR, where=where, message=message, hint=hint, rule=rule)

    @classmethod
    def warning(cls, where: str, message: str, hint: str = "", rule: str = "") -> Issue:
        return cls(level=Level.WARNING, where=where, message=message, hint=hint, rule=rule)

    def __str__(self) -> str:
        text = f"{self.level}: {self.where}: {self.message}" if self.where else f"{self.level}: {self.message}"
        return f"{text} ({self.hint})" if self.hint else text
