"""The API that a server stands for, as it is at this moment, and what it knows of each client."""

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
    """What the handlers of a server share. `say` tells the person who started it something."""

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
        """Serve another reading of the description from now on; calls that are under way end as they began."""
        self.catalogue = catalogue
        self.target = replace(self.target, spec=catalogue.spec)

    def target_for(self, context: Context) -> Target:
        """The API as this request of a client may call it: with the headers that it passes on."""
        passed = passed_headers(context, self.settings)
        if not passed:
            return self.target
        credentials = dict(self.target.credentials)
        for name, value in passed.items():
            schemes = self.spec.security_schemes.values()
            credentials |= dict.fromkeys((one.id for one in schemes if _satisfies(name, value, one)), value)
        return replace(self.target, credentials=credentials, headers=passed)

    def remember(self, context: Context) -> None:
        """A client that has connected, so that it can be told of changes."""
        self.sessions[session_of(context)] = context.session
        if len(self.sessions) > MAX_SESSIONS:
            self.sessions.popitem(last=False)

    def doubt(self, context: Context, prepared: Prepared) -> None:
        """A change was cancelled on its way. A cancelled call is not answered, so the next answer says it."""
        request = prepared.request
        told = f"{prepared.call.operation_id} was cancelled on its way ({request.method} {one_line(request.url)[:300]})"
        told += ": it may or may not have been carried out. Check before it is called again."
        self.say(told)
        if is_private(context):
            self.doubts.setdefault(session_of(context), []).append(told)
            if len(self.doubts) > MAX_SESSIONS:
                self.doubts.popitem(last=False)

    def doubts_of(self, context: Context) -> list[str]:
        """What a client has to be told before anything else, once."""
        return self.doubts.pop(session_of(context), []) if is_private(context) else []


def passed_headers(context: Context, settings: Settings) -> dict[str, str]:
    """The headers of a client's HTTP request that are for the API."""
    given = {name: context.request.headers.get(name) for name in settings.pass_headers} if context.request else {}
    return {name: value for name, value in given.items() if value}


def session_of(context: Context) -> str:
    """What tells one client from another: "" over stdio, where there is one, and where clients have no sessions."""
    return (context.request.headers.get(SESSION) or "") if context.request else ""


def is_private(context: Context) -> bool:
    """Is what `session_of` says of one client alone?"""
    return context.request is None or bool(session_of(context))


def owner_of(context: Context, settings: Settings) -> str:
    """Who may read again what was answered: this session, and with the same credentials."""
    passed = repr(sorted(passed_headers(context, settings).items()))
    return f"{session_of(context)} {hashlib.sha256(passed.encode('utf-8', 'surrogatepass')).hexdigest()}"


def _satisfies(name: str, value: str, scheme: SecurityScheme) -> bool:
    """Is a header what a security scheme asks for?"""
    if scheme.fault:
        return False
    location = location_of(scheme)
    return location.field == ("header", name) and value.lower().startswith(location.prefix.lower())
