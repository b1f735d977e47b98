"""The types of inference: request, result, response, failure, and the interface of a runner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

from nlapi.errors import NlapiError
from nlapi.routing.model import Context, Decision, VersionRef


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceRequest:
    """One request for an objective."""

    input: Any
    context: Context = field(default_factory=dict)
    client: str = ""
    objective: str = ""
    """set by the engine"""
    request_id: str = ""
    """generated when empty"""
    synthetic: bool = False
    """whether it is test traffic: served like any other, and not written to the training log"""
    traceparent: str = ""
    """the caller's W3C `traceparent`"""


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceResponse:
    """The answer to a request, with its decision and its cost."""

    output: Any
    decision: Decision
    request_id: str
    version: VersionRef
    """the version that answered: the decision's, or the objective's fallback"""
    stages: Mapping[str, float]
    """milliseconds of each stage that ran"""
    attempts: int = 1
    """number of calls, over replicas and versions"""
    fallback: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceResult:
    """The result of one run of a version."""

    output: Any
    stages: Mapping[str, float]
    attempts: int = 1
    endpoint: str = ""
    """the replica that answered; "" for a local version"""


class FailureKind(StrEnum):
    """The kind of a version's failure."""

    ERROR = "error"
    TIMEOUT = "timeout"
    UNAVAILABLE = "unavailable"
    OVER_SHARE = "over_share"
    """the objective or the client has its share of the calls in flight; the version was not called"""
    INVALID = "invalid"
    """it refused the input, or its output breaks the objective's schema; another replica would do the same"""


class InferenceError(Exception):
    """A version returned no output.

    `executed` is true when the version may have been executed; then only an idempotent call may be repeated.
    """

    # `executed` has no default: forgotten, it would let a call that is not idempotent be executed twice.
    def __init__(self, kind: FailureKind, message: str, *, executed: bool, attempts: int = 1) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.executed = executed
        self.attempts = attempts

    # Worker processes send it pickled, and by default an exception is rebuilt from `args`, without keyword arguments.
    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_error, (self.kind, self.message, self.executed, self.attempts)


def _rebuild_error(kind: FailureKind, message: str, executed: bool, attempts: int) -> InferenceError:
    return InferenceError(kind, message, executed=executed, attempts=attempts)


class LoadError(NlapiError):
    """A version cannot be loaded; nothing was published, and the previous revision goes on serving."""

    def __init__(self, version: VersionRef, message: str, *, hint: str = "") -> None:
        super().__init__(f"{version}: {message}", hint=hint)
        self.version = version


class DecisionTable(Protocol):
    """The part of a compiled revision that the engine uses."""

    # A Protocol and not `nlapi.routing.table.Table`, so that the table of another routing engine can be published.

    @property
    def revision(self) -> int: ...

    def decide(self, objective: str, context: Context, client: str = "") -> Decision: ...


class Runner(Protocol):
    """Runs one version, in this process or on a shard."""

    async def run(self, request: InferenceRequest, timeout_s: float, *, repeatable: bool) -> InferenceResult:
        """Run the version within `timeout_s` seconds. Failed when there is no output.

        A `repeatable` call may be sent again when it is not known whether it was executed.
        """

    async def close(self) -> None:
        """Release its resources; no call is in flight any more."""
