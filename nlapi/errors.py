"""The exceptions of nlapi's public interface and their exit codes, and the Issues of a description or a configuration.

    NlapiError                   exit 1   anything below; catch this one
    ├── UsageError               exit 2   asked for something that is not there, or in a form that is not understood
    │   ├── ArgumentError        exit 2   an argument breaks the schema of its operation
    │   └── CredentialError      exit 2   a credential cannot be used, or may not go where it is needed
    │       └── MissingCredentialError   exit 2   the operation requires one that was not given
    ├── DescriptionError         exit 1   an API description cannot be read
    │   └── FetchError           exit 1   its bytes are not available: no such file, refused, too large, too slow
    ├── SendError                exit 1   a request got no complete answer
    │   └── OutcomeUnknownError  exit 1   ... and it was a write that may have been carried out
    ├── PlannerError             exit 1   the planner (a model, or the embedded one) failed
    │   └── UnfinishedError      exit 8   ... as a model's answer broke off, or the conversation is too long for it
    ├── ConsentError             exit 6   a write needed consent and did not get it; nothing was sent
    │   └── DeniedError                  the user's policy denies it
    └── MissingError             exit 7   the planner needs something from the user first

The message states the problem and its location; `hint` states the next step.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from importlib.util import find_spec
from typing import ClassVar

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


class NlapiError(Exception):
    """The base class of nlapi's errors. `str(error)` is the message and the hint on one line."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} ({self.hint})" if self.hint else self.message


class UsageError(NlapiError):
    """A request for something that does not exist, or in a form that is not understood."""

    exit_code = 2


class ArgumentError(UsageError):
    """An argument breaks the schema of its operation; nothing was sent."""


class CredentialError(UsageError):
    """A credential cannot be used, or may not go where it is needed; nothing was sent."""


class MissingCredentialError(CredentialError):
    """The operation requires a credential that was not given; nothing was sent."""


class DescriptionError(NlapiError):
    """An API description cannot be read."""


class FetchError(DescriptionError):
    """The bytes of an API description are not available."""


class SendError(NlapiError):
    """A request got no complete answer."""


class OutcomeUnknownError(SendError):
    """A write got no complete answer: it may or may not have been carried out, and it was not repeated."""


class PlannerError(NlapiError):
    """The planner failed."""


class UnfinishedError(PlannerError):
    """The answer of a model broke off, or the conversation is too long for one; nothing of it was run."""

    # Distinct from 1: changes may have been made before the answer broke off, and a script must not repeat them
    # (docs/design/025-once.md). 3, 4 and 5 are the API's own 3xx, 4xx and 5xx.
    exit_code = 8


class ConsentError(NlapiError):
    """A write needed consent and did not get it; nothing was sent."""

    exit_code = 6


class DeniedError(ConsentError):
    """The user's policy denies a call; nothing was sent."""


class RepetitionError(ConsentError):
    """A change may be one that was sent before, and nobody agreed to sending it again; nothing was sent."""


class RepeatedReadError(NlapiError):
    """A model asks for the same read again and again, with nothing new in the answer; nothing was sent."""


class MissingError(NlapiError):
    """The planner needs something from the user before it can continue."""

    exit_code = 7


MODULES = {
    "claude": "anthropic",
    "console": "jinja2",
    "envoy": "grpc",
    "gateway": "jsonschema_rs",
    "login": "authlib",
    "mcp": "mcp",
    "postgres": "psycopg",
}
"""Extra -> the module that stands for it. `otel` and `models` are looked for where they are used."""


@contextmanager
def file_faults(message: str, kind: type[NlapiError] = NlapiError, *, hint: str = "") -> Iterator[None]:
    """Raise an error of `kind`, with `message` and the reason, where the system refuses an operation of the block."""
    try:
        yield
    except OSError as error:
        raise kind(f"{message}: {error.strerror or error}", hint=hint) from None


def has_extra(extra: str) -> bool:
    """Return whether an extra of MODULES is installed; nothing is imported."""
    # Nothing is imported, as most commands end without it.
    return find_spec(MODULES[extra]) is not None


def require_extra(extra: str, user: str) -> None:
    """UsageError with the command to type when `user`, the beginning of a sentence, needs an extra that is missing."""
    if not has_extra(extra):
        message = f"{user} needs {MODULES[extra].replace('_', '-')}, which is not installed"
        raise UsageError(message, hint=install_hint(extra))


def install_hint(extra: str) -> str:
    """Return the command that adds an extra. pip takes it for the nlapi that is installed, and fetches no other."""
    return f'pip install "nlapi[{extra}]"'
