"""The types of inference: request, result, response, failure, and the interface of a runner."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from msgspec import Struct, field

from nlapi.errors import NlapiError
from nlapi.routing.model import Context, Decision, VersionRef


class ClientConnection(Protocol):
    """The connection of the client that waits for an answer, for answers that are streamed."""

    rate_limit: str
    """the RateLimit header of a stream"""

    @property
    def wants_stream(self) -> bool:
        """Whether the client asked for server-sent events."""

    @property
    def started(self) -> bool:
        """Whether part of the answer was sent, so that no other answer can replace it."""

    async def start(self, version: VersionRef) -> None:
        """Send the head of a stream of events that `version` answers."""

    async def send(self, events: bytes) -> None:
        """Send whole events; wait while the client does not read."""

    async def wait_closed(self) -> None:
        """Wait until the client has gone away."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenUsage:
    """The tokens and the cost of one answer of an LLM."""

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    """input tokens that came from the upstream's prompt cache"""
    cost_usd: float = 0.0
    first_token_ms: float = 0.0
    """milliseconds to the first token of a stream; 0 without one"""
    estimated: bool = False
    """whether the upstream reported no usage, and lengths were counted instead"""


# Structs, as each request creates them: a frozen dataclass of eleven fields takes 2.8 us to create, and a struct 0.2.
class InferenceRequest(Struct, frozen=True, kw_only=True):
    """One request for an objective."""

    input: Any
    context: Context = field(default_factory=dict)
    client: str = ""
    key: str = ""
    """the name of the client's token"""
    objective: str = ""
    """set by the engine"""
    decision: Decision | None = None
    """set by the engine"""
    request_id: str = ""
    """generated when empty"""
    synthetic: bool = False
    """whether it is test traffic: served like any other, and not written to the training log"""
    traceparent: str = ""
    """the caller's W3C `traceparent`"""
    protocol: str = ""
    """the LLM protocol that the input and the answer have to be of; any when empty"""
    call: str = ""
    """the call of the protocol: embeddings, responses or count_tokens; "" is a chat"""
    headers: Mapping[str, str] = field(default_factory=dict)
    """the headers of the client that an LLM's upstream receives too"""
    connection: ClientConnection | None = None
    """the connection to stream to, and whose end cancels a call of an LLM"""


class InferenceResponse(Struct, frozen=True, kw_only=True):
    """The answer to a request, with its decision and its cost."""

    output: Any
    decision: Decision
    decision_document: Mapping[str, object]
    """the decision as answers have it, one object for all requests of its kind"""
    request_id: str
    version: VersionRef
    """the version that answered: the decision's, or the objective's fallback"""
    stages: Mapping[str, float]
    """milliseconds of each stage that ran"""
    attempts: int = 1
    """number of calls, over replicas and versions"""
    fallback: bool = False
    fallback_reason: str = ""
    """the reason that the decided version did not answer, for operators alone; \"\" when it did"""
    usage: TokenUsage | None = None
    failed_usage: TokenUsage | None = None
    """what the decided version took before it failed and the fallback answered"""
    streamed: bool = False
    """whether the output went to the client as events; `output` is None then"""
    rate_limit: str = ""
    """what is left of the budgets of the call, as a RateLimit header; "" without a budget"""
    age_s: float | None = None
    """seconds since the answer was made, where it is given again and nothing ran"""


class InferenceResult(Struct, frozen=True, kw_only=True):
    """The result of one run of a version."""

    output: Any
    stages: Mapping[str, float]
    attempts: int = 1
    endpoint: str = ""
    """the replica that answered; "" for a local version"""
    usage: TokenUsage | None = None
    streamed: bool = False


class FailureKind(StrEnum):
    """The kind of a version's failure."""

    ERROR = "error"
    TIMEOUT = "timeout"
    UNAVAILABLE = "unavailable"
    OVER_SHARE = "over_share"
    """the objective or the client has its share of the calls in flight; the version was not called"""
    INVALID = "invalid"
    """it refused the input, or its output breaks the objective's schema; another replica would do the same"""
    REFUSED = "refused"
    """an LLM's upstream refused the request as the caller's mistake; another version would do the same"""
    CANCELED = "canceled"
    """the caller went away"""


class InferenceError(Exception):
    """A version returned no output.

    `executed` is true when the version may have been executed; then only an idempotent call may be repeated. `status`
    is the HTTP status of a refusal, `hint` the next step of the operator, `usage` what an LLM took all the same.
    `operator_text` is what only operators may read, such as an upstream's text; the recorded decision has both.
    """

    is_public: ClassVar[bool] = False
    """whether the caller may read the message, which else may name addresses and files"""

    # `executed` has no default: forgotten, it would let a call that is not idempotent be executed twice.
    def __init__(
        self,
        kind: FailureKind,
        message: str,
        *,
        executed: bool,
        attempts: int = 1,
        status: int = 0,
        hint: str = "",
        usage: TokenUsage | None = None,
        operator_text: str = "",
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.executed = executed
        self.attempts = attempts
        self.status = status
        self.hint = hint
        self.usage = usage
        self.operator_text = operator_text

    def __str__(self) -> str:
        return f"{self.message}: {self.operator_text}" if self.operator_text else self.message

    # Worker processes send it pickled, and by default an exception is rebuilt from `args`, without keyword arguments.
    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_error, (self.kind, self.message, self.executed, self.attempts)


def _rebuild_error(kind: FailureKind, message: str, executed: bool, attempts: int) -> InferenceError:
    return InferenceError(kind, message, executed=executed, attempts=attempts)


class UpstreamError(InferenceError):
    """A remote server returned no output. Its message is made for the caller: it has no address, no file and no key."""

    is_public = True


class LoadError(NlapiError):
    """A version cannot be loaded: its `reason`, and a message that also names the version."""

    def __init__(self, version: VersionRef, reason: str, *, hint: str = "") -> None:
        super().__init__(f"{version}: {reason}", hint=hint)
        self.version = version
        self.reason = reason


class DecisionTable(Protocol):
    """The part of a compiled revision that the engine uses."""

    # A Protocol and not `nlapi.routing.table.Table`, so that the table of another routing engine can be published.

    @property
    def revision(self) -> int: ...

    def decide(self, objective: str, context: Context, client: str = "") -> Decision: ...


class Runner(Protocol):
    """Runs one version, in this process or on a shard."""

    async def run(self, request: InferenceRequest, timeout_s: float, *, repeatable: bool) -> InferenceResult:
        """Run the version within `timeout_s` seconds. Failed without an output.

        A `repeatable` call may be sent again when it is not known whether it was executed.
        """

    async def close(self) -> None:
        """Release its resources; no call is in flight any more."""
