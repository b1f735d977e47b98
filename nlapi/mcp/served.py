"""The state of a running server: the API as it is at this moment, and what concerns each client."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mcp.server.session import ServerSession

from nlapi.client.clean import one_line
from nlapi.client.credentials import location_of
from nlapi.mcp.catalogue import Catalogue
from nlapi.mcp.consent import Context, Waiting
from nlapi.mcp.kept import Kept
from nlapi.mcp.settings import Settings
from nlapi.openapi.parts import SecurityScheme
from nlapi.openapi.spec import Spec
from nlapi.tools.run import Prepared, Target

if TYPE_CHECKING:
    from nlapi.client.wire import Client

SESSION = "mcp-session-id"
MAX_SESSIONS = 1_000


@dataclass(slots=True, kw_only=True, eq=False)
class Served:
    """The state that the handlers of a server share. `say` reports to the person who started it."""

    target: Target
    catalogue: Catalogue
    settings: Settings
    say: Callable[[str], None]
    client: Client | None = None
    kept: Kept = field(default_factory=Kept)
    waiting: Waiting = field(default_factory=Waiting)
    sessions: OrderedDict[str, ServerSession] = field(default_factory=OrderedDict)
    doubts: OrderedDict[str, list[str]] = field(default_factory=OrderedDict)

    @property
    def spec(self) -> Spec:
        return self.catalogue.spec

    def change(self, catalogue: Catalogue) -> None:
        """Replace the description; calls that are under way end as they began."""
        self.catalogue = catalogue
        self.target = replace(self.target, spec=catalogue.spec)

    def target_for(self, context: Context) -> Target:
        """Return the API as this request of a client may call it: with the headers that it passes on."""
        passed = passed_headers(context, self.settings)
        if not passed:
            return self.target
        # A header that a scheme asks for is its credential, so that the client's own token replaces the registered one.
        credentials = dict(self.target.credentials)
        for name, value in passed.items():
            schemes = self.spec.security_schemes.values()
            credentials |= dict.fromkeys((one.id for one in schemes if _satisfies(name, value, one)), value)
        return replace(self.target, credentials=credentials, headers=passed)

    def remember(self, context: Context) -> None:
        """Store the session of a client that has connected, to notify it of changes."""
        self.sessions[session_of(context)] = context.session
        if len(self.sessions) > MAX_SESSIONS:
            self.sessions.popitem(last=False)

    def doubt(self, context: Context, prepared: Prepared) -> None:
        """Record that a change was cancelled on its way."""
        # A cancelled call is not answered, so the next answer of the session reports it.
        request = prepared.request
        told = f"{prepared.call.operation_id} was cancelled on its way ({request.method} {one_line(request.url)[:300]})"
        told += ": it may or may not have been carried out. Check before it is called again."
        self.say(told)
        if is_private(context):
            self.doubts.setdefault(session_of(context), []).append(told)
            if len(self.doubts) > MAX_SESSIONS:
                self.doubts.popitem(last=False)

    def doubts_of(self, context: Context) -> list[str]:
        """Return the messages that a client has to get before any answer, once."""
        return self.doubts.pop(session_of(context), []) if is_private(context) else []


def passed_headers(context: Context, settings: Settings) -> dict[str, str]:
    """Return the headers of a client's HTTP request that are passed on to the API."""
    given = {name: context.request.headers.get(name) for name in settings.pass_headers} if context.request else {}
    return {name: value for name, value in given.items() if value}


def session_of(context: Context) -> str:
    """Return the id of the client's session: "" over stdio, which has one client, and for clients without sessions."""
    return (context.request.headers.get(SESSION) or "") if context.request else ""


def is_private(context: Context) -> bool:
    """Return whether `session_of` identifies one client alone."""
    # MCP 2026-07-28 over HTTP has no sessions: two users behind one server would read each other's messages.
    return context.request is None or bool(session_of(context))


def owner_of(context: Context, settings: Settings) -> str:
    """Return a key for who may read an answer again: the same session, with the same credentials."""
    passed = repr(sorted(passed_headers(context, settings).items()))
    return f"{session_of(context)} {hashlib.sha256(passed.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _satisfies(name: str, value: str, scheme: SecurityScheme) -> bool:
    """Return whether a header is the credential of a security scheme."""
    if scheme.fault:
        return False
    location = location_of(scheme)
    return location.field == ("header", name) and value.lower().startswith(location.prefix.lower())
