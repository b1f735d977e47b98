"""The nouns of serving: what is asked, what is served, and what runs a version."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from nlapi.errors import NlapiError
from nlapi.routing.nouns import Context, Decision, VersionRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One request for an objective."""

    input: Any
    context: Context = field(default_factory=dict)
    client: str = ""
    request_id: str = ""
    """made when empty"""
    synthetic: bool = False
    """made-up traffic: served like any other, and kept out of what training reads"""
    trace: str = ""
    """the caller's W3C `traceparent`"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """An answer, and how it came about."""

    output: Any
    decision: Decision
    request_id: str
    version: VersionRef
    """the version that answered: the decision's, or the objective's fallback"""
    stages: Mapping[str, float]
    """milliseconds of each stage that ran"""
    attempts: int = 1
    """calls made, over replicas and versions"""
    fallback: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """What one run of a version gave."""

    output: Any
    stages: Mapping[str, float]
    attempts: int = 1
    endpoint: str = ""
    """the replica that answered; "" for a local version"""


class FailureKind(StrEnum):
    """How a version failed."""

    ERROR = "error"
    TIMEOUT = "timeout"
    UNAVAILABLE = "unavailable"
    INVALID = "invalid"
    """it refused the input, or its output breaks the objective's schema: others of its kind would do the same"""


class Failed(Exception):  # noqa: N818 - it is also a value: what became of a copy
    """A version gave no output. `ran` says that it may have done its work, so that only idempotent calls go on."""

    def __init__(self, kind: FailureKind, message: str, *, ran: bool, attempts: int = 1) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.ran = ran
        self.attempts = attempts

    def __reduce__(self) -> tuple[Any, ...]:  # it comes back from worker processes
        return _failed, (self.kind, self.message, self.ran, self.attempts)


def _failed(kind: FailureKind, message: str, ran: bool, attempts: int) -> Failed:
    return Failed(kind, message, ran=ran, attempts=attempts)


class LoadError(NlapiError):
    """A version cannot be loaded; nothing was published and the revision before goes on serving."""

    def __init__(self, version: VersionRef, message: str, *, hint: str = "") -> None:
        super().__init__(f"{version}: {message}", hint=hint)
        self.version = version


class Router(Protocol):
    """What the engine needs of a compiled revision: `nlapi.routing.table.Table`, or another engine's."""

    @property
    def revision(self) -> int: ...

    def decide(self, objective: str, context: Context, client: str = "") -> Decision: ...


class Runner(Protocol):
    """Runs one version, in this process or on a shard."""

    async def run(self, ask: Ask, timeout_s: float, *, repeatable: bool) -> Ran:
        """The version's output within `timeout_s`. Failed when there is none.

        `repeatable` calls may be sent again when it is not known whether they were carried out.
        """

    async def close(self) -> None:
        """Give back what it holds. Nothing is in flight any more."""
