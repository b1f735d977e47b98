"""Problems of a description or a configuration, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

# Characters of a part of an Issue: it quotes the description, which has names of any length.
MAX_TEXT = 1_000


class Level(StrEnum):
    """The severity of an Issue: ERROR loses an operation or a configuration, WARNING a part of it, INFO nothing."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """A problem of a description or a configuration, located by `where`: `paths./pets.get.parameters[2].schema`."""

    level: Level
    # The field names are the keys of `nlapi check -o json` (`asdict`): they do not change.
    where: str
    message: str
    hint: str = ""
    # The category for programs: "overlay", "refused", or a rule of `nlapi check`.
    rule: str = ""

    def __post_init__(self) -> None:
        for name in ("where", "message", "hint"):
            text = getattr(self, name)
            if len(text) > MAX_TEXT or not text.isprintable():
                object.__setattr__(self, name, _safe(text))

    @classmethod
    def error(cls, where: str, message: str, hint: str = "", rule: str = "") -> Issue:
        return cls(level=Level.ERROR, where=where, message=message, hint=hint, rule=rule)

    @classmethod
    def warning(cls, where: str, message: str, hint: str = "", rule: str = "") -> Issue:
        return cls(level=Level.WARNING, where=where, message=message, hint=hint, rule=rule)

    def __str__(self) -> str:
        text = f"{self.level}: {self.where}: {self.message}" if self.where else f"{self.level}: {self.message}"
        return f"{text} ({self.hint})" if self.hint else text


def _safe(text: str) -> str:
    """Return a text without control and invisible characters, on one line and at most MAX_TEXT long."""
    text = "".join(char if char.isprintable() else " " for char in text[: MAX_TEXT + 1])
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
