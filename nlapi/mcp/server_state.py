"""Holds the state of a running server: the API as it is at this moment, and the state of each client."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mcp.server.session import ServerSession

from nlapi.mcp.access import SCOPE_KEY, CallLimiter, TeamCaller
from nlapi.mcp.answers import AnswerOwner, ClientAnswers
from nlapi.mcp.consent import Context
from nlapi.mcp.settings import Settings
from nlapi.mcp.tickets import Tickets
from nlapi.mcp.tool_listing import ToolCatalogue
from nlapi.openapi.spec import Effect, Spec
from nlapi.tools.repetition.ledger import LONG_LIVED_S, Ledger
from nlapi.tools.sending.request_changes import split_headers
from nlapi.tools.sending.run import Target

if TYPE_CHECKING:
    from nlapi.client.transport import HttpClient
    from nlapi.mcp.audit import AuditTrail, CallMetrics

SESSION_HEADER = "mcp-session-id"
MAX_SESSIONS = 1_000
# A client that sends its own headers (--pass-header) is one of many.
MAX_LEDGERS = 10_000


@dataclass(slots=True, kw_only=True, eq=False)
class Oversight:
    """What watches the calls of a server: the log, the metrics, and the limits of one role (0 means unlimited).

    `role` is the role in the log of a caller that its token gives none.
    """

    audit: AuditTrail | None = None
    metrics: CallMetrics | None = None
    limiter: CallLimiter = field(default_factory=CallLimiter)
    calls_per_minute: int = 0
    concurrency: int = 0
    role: str = ""


@dataclass(slots=True, kw_only=True, eq=False)
class ServerState:
    """The state that the handlers of a server share for one API. `report` reaches the person who started it.

    `change_credentials` replace those of the target for what changes something; None without others.
    `api_name` is the name of the API in the log.
    """

    target: Target
    catalogue: ToolCatalogue
    settings: Settings
    report: Callable[[str], None]
    client: HttpClient | None = None
    change_credentials: Mapping[str, str] | None = field(default=None, repr=False)
    api_name: str = ""
    oversight: Oversight = field(default_factory=Oversight)
    answers: ClientAnswers = field(default_factory=ClientAnswers)
    tickets: Tickets = field(default_factory=Tickets)
    sessions: OrderedDict[str, ServerSession] = field(default_factory=OrderedDict)
    unknown_outcomes: OrderedDict[str, list[str]] = field(default_factory=OrderedDict)
    ledgers: OrderedDict[str, Ledger] = field(default_factory=OrderedDict)

    def __post_init__(self) -> None:
        self.tickets.report = self.report

    @property
    def spec(self) -> Spec:
        return self.catalogue.spec

    def replace_catalogue(self, catalogue: ToolCatalogue) -> None:
        """Replace the description; calls that are under way end as they began."""
        self.catalogue = catalogue
        self.target = replace(self.target, spec=catalogue.spec)

    @property
    def secrets(self) -> tuple[str, ...]:
        """All credentials of the API that the server has."""
        return (*self.target.credentials.values(), *(self.change_credentials or {}).values())

    def target_for(self, context: Context, effect: Effect = Effect.READ) -> Target:
        """Return the API as this request of a client may call it: with the headers that it passes on."""
        forwarded = _forwarded_headers(context, self.settings)
        is_change = effect is not Effect.READ and self.change_credentials is not None
        target = replace(self.target, ledger=self.ledger(context))
        target = replace(target, credentials=dict(self.change_credentials or {})) if is_change else target
        if not forwarded:
            return target
        # The client's own token stands in place of the registered one.
        secret, plain = split_headers(self.spec, tuple(forwarded.items()))
        credentials = {**target.credentials, **{f"header:{name}": value for name, value in secret}}
        return replace(target, credentials=credentials, headers=(*target.headers, *plain))

    def ledger(self, context: Context) -> Ledger:
        """Return the changes of a client: over HTTP of all its sessions, as one that reconnects has a new one."""
        client = answer_owner(context, self.settings).credentials
        if client not in self.ledgers:
            self.ledgers[client] = Ledger(lifetime_s=LONG_LIVED_S if context.request is not None else 0.0)
            if len(self.ledgers) > MAX_LEDGERS:
                self.ledgers.popitem(last=False)
        self.ledgers.move_to_end(client)
        return self.ledgers[client]

    def remember_session(self, context: Context) -> None:
        """Store the session of a client that has connected, to notify it of changes."""
        self.sessions[session_id(context)] = context.session
        if len(self.sessions) > MAX_SESSIONS:
            self.sessions.popitem(last=False)

    def forget_session(self, id: str) -> None:
        """Forget the session that its client has ended, with its answers."""
        self.sessions.pop(id, None)
        self.unknown_outcomes.pop(id, None)
        self.answers.forget_session(id)

    def targets_for(self, context: Context) -> dict[Spec, Target]:
        """Return all APIs that the workflows call: the API itself as `target_for` has it, and others."""
        return {**self.catalogue.workflows.targets, self.spec: self.target_for(context)}

    def record_unknown_outcome(self, context: Context, what: str) -> None:
        """Record that a change was cancelled on its way; `what` says which."""
        # A cancelled call is not answered, so the next answer of the session reports it.
        message = f"{what}: it may or may not have been carried out. Check before it is called again."
        self.report(message)
        if has_own_session(context):
            self.unknown_outcomes.setdefault(session_id(context), []).append(message)
            if len(self.unknown_outcomes) > MAX_SESSIONS:
                self.unknown_outcomes.popitem(last=False)

    def take_unknown_outcomes(self, context: Context) -> list[str]:
        """Return the messages that a client has to get before any answer, once."""
        return self.unknown_outcomes.pop(session_id(context), []) if has_own_session(context) else []


def _forwarded_headers(context: Context, settings: Settings) -> dict[str, str]:
    """Return the headers of a client's HTTP request that are passed on to the API."""
    values = {name: context.request.headers.get(name) for name in settings.pass_headers} if context.request else {}
    return {name: value for name, value in values.items() if value}


def session_id(context: Context) -> str:
    """Return the id of the client's session: "" over stdio, which has one client, and for clients without sessions."""
    return (context.request.headers.get(SESSION_HEADER) or "") if context.request else ""


def has_own_session(context: Context) -> bool:
    """Return whether `session_id` identifies one client alone."""
    # MCP 2026-07-28 over HTTP has no sessions: two users behind one server would read each other's messages.
    return context.request is None or bool(session_id(context))


def caller_of(context: Context) -> TeamCaller:
    """Return who makes a request: over HTTP whom its token names, else nobody by name."""
    caller = context.request.scope.get(SCOPE_KEY) if context.request else None
    return caller if isinstance(caller, TeamCaller) else TeamCaller()


def answer_owner(context: Context, settings: Settings) -> AnswerOwner:
    """Return who may read an answer again: the same session, with the same credentials."""
    # The caller too: another client that knows the id of a session must not read its answers.
    forwarded = repr((sorted(_forwarded_headers(context, settings).items()), caller_of(context)))
    return AnswerOwner(
        session=session_id(context),
        credentials=hashlib.sha256(forwarded.encode("utf-8", "surrogatepass")).hexdigest(),
        is_shared=not has_own_session(context),
    )
