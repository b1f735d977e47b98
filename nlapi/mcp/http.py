"""MCP over streamable HTTP, for programs on this machine unless the user chose another address."""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import anyio.to_thread
import uvicorn
from mcp.server.lowlevel.server import Server
from mcp.server.transport_security import TransportSecuritySettings
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nlapi.errors import UsageError
from nlapi.mcp.access import SCOPE_KEY, ResourceServer, TeamCaller, TokenTable
from nlapi.mcp.server_state import SESSION_HEADER
from nlapi.mcp.stdio import on_signal, repeated_key_error
from nlapi.serving import LOOPBACK_HOSTS, has_two_lengths, host_of, is_same_origin, open_listener

PATH = "/mcp"
METRICS_PATH = "/metrics"
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
MAX_SESSIONS = 10_000
MAX_BODY = 16 * 1024 * 1024
WILDCARD_HOSTS = ("0.0.0.0", "::")  # noqa: S104 - compared with, never listened on unless the user says so


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenAddress:
    """The address on which a server listens, and the token that its clients send ("" for none)."""

    host: str
    port: int
    token: str = field(default="", repr=False)

    @property
    def is_loopback(self) -> bool:
        return self.host in LOOPBACK_HOSTS or _is_loopback(self.host)


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions:
    """The choices of a server over HTTP: who may call, and what there is beside the protocol.

    `callers` are the clients by their tokens; without them the token of the address is everybody's. With `metrics`,
    which returns them, `metrics_token` is what Prometheus has to send. A stateless server has no sessions. Callers may
    also have an access token for the `resource_server`.
    """

    callers: TokenTable | None = None
    metrics: Callable[[], bytes] | None = None
    metrics_token: str = field(default="", repr=False)
    stateless: bool = False
    resource_server: ResourceServer | None = None


def parse_listen_address(text: str, token: str = "") -> ListenAddress:
    """Return the address for `HOST:PORT` or a port alone.

    UsageError if it is neither, or open to other machines without a token.
    """
    host, _, port = text.rpartition(":")
    host = host.strip("[]").lower() or "127.0.0.1"
    if not (port.isascii() and port.isdigit() and int(port) < 65536) or "/" in host:
        raise UsageError(f"--http {text!r} is not HOST:PORT", hint="such as --http 127.0.0.1:8000")
    address = ListenAddress(host=host, port=int(port), token=token)
    if not (address.is_loopback or token):
        raise UsageError(
            f"{host} can be reached from other machines, and anyone there could use your credentials",
            hint="give --token env:NAME, a token that clients have to send, or --http 127.0.0.1:8000",
        )
    return address


async def serve(
    server: Server[Any],
    address: ListenAddress,
    on_ready: Callable[[str], None],
    on_session_end: Callable[[str], None] = lambda _: None,
    options: HttpOptions = HttpOptions(),
) -> None:
    """Serve clients until SIGINT or SIGTERM.

    `on_ready` is called with the URL once it answers, `on_session_end` with the id of a session that its client ended.
    """
    app = server.streamable_http_app(
        streamable_http_path=PATH,
        stateless_http=options.stateless,
        max_request_body_size=MAX_BODY,
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),  # Guard does it
    )
    with open_listener(address.host, address.port) as (listener, url):
        if options.resource_server is not None and not options.resource_server.resource:
            options = replace(options, resource_server=replace(options.resource_server, resource=f"{url}{PATH}"))
        web = _HttpServer(HttpGuard(app, address, on_session_end, options), lambda: on_ready(f"{url}{PATH}"))
        with on_signal(web.stop):
            await web.serve([listener])


class _HttpServer(uvicorn.Server):
    """A quiet uvicorn that leaves signals to `on_signal` and calls back when it is ready."""

    def __init__(self, app: ASGIApp, on_ready: Callable[[], None]) -> None:
        quiet: dict[str, Any] = {"log_config": None, "log_level": "critical", "access_log": False}
        # httptools, which uvicorn takes where it is installed, has no limit on a head, makes headers of trailers, and
        # reads the body of a request that offers another protocol as the next request.
        config = uvicorn.Config(app, http="h11", ws="none", server_header=False, timeout_graceful_shutdown=1, **quiet)
        super().__init__(config)
        self._on_ready = on_ready

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            self._on_ready()

    def stop(self) -> None:
        self.should_exit = True


class HttpGuard:
    """An ASGI filter for requests of the user's own programs, by Host, Origin and token; it notices ended sessions."""

    def __init__(
        self,
        app: ASGIApp,
        address: ListenAddress,
        on_session_end: Callable[[str], None],
        options: HttpOptions = HttpOptions(),
    ) -> None:
        self._app = app
        self._address = address
        self._on_session_end = on_session_end
        self._options = options
        self._owners: OrderedDict[str, TeamCaller] = OrderedDict()
        """the callers that opened the sessions, oldest first"""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        answer = (
            self._refusal(headers)
            or self._metrics_answer(scope["path"], headers)
            or self._resource_answer(scope["method"], scope["path"])
        )
        caller = None if answer else await self._caller(headers)
        if answer is None and caller is None:
            answer = _unauthorized(self._options.resource_server, has_token="authorization" in headers)
        # The id of a session is not a credential: another client that knows it is not let in. Nor is one whose owner is
        # forgotten, as many sessions of one client would make it everybody's.
        session = "" if self._options.stateless else headers.get(SESSION_HEADER, "")
        if answer is None and session and self._owners.get(session) != caller:
            answer = PlainTextResponse("There is no such session.", 404)
        scope = {**scope, SCOPE_KEY: caller}

        async def send_and_notice(message: Message) -> None:
            # The SDK says of a session that its client has deleted nothing but this answer.
            if scope["method"] == "DELETE" and message["type"] == "http.response.start" and message["status"] < 300:
                self._on_session_end(session)
                self._owners.pop(session, None)
            elif message["type"] == "http.response.start" and caller is not None:
                self._remember_session(Headers(raw=message["headers"]).get(SESSION_HEADER, ""), caller)
            await send(message)

        if answer is None and scope["method"] == "POST":
            body, receive = await _read_body(receive)
            error = repeated_key_error(body)
            answer = JSONResponse(error, 400) if error is not None else None
        await (answer or self._app)(scope, receive, send_and_notice)

    def _remember_session(self, session: str, caller: TeamCaller) -> None:
        """Store who opened a session, which its first answer names."""
        if session and session not in self._owners:
            self._owners[session] = caller
            if len(self._owners) > MAX_SESSIONS:
                self._owners.popitem(last=False)

    async def _caller(self, headers: Headers) -> TeamCaller | None:
        """Return who makes a request; None without a token that is good."""
        authorization, issuer = headers.get("authorization", ""), self._options.resource_server
        if self._options.callers is not None:
            caller = self._options.callers.caller(authorization)
        elif self._address.token:
            caller = TeamCaller() if _has_token(authorization, self._address.token) else None
        else:
            caller = TeamCaller() if issuer is None else None
        if caller is None and issuer is not None and authorization:
            # In a thread, as the keys of the issuer may have to be asked for.
            verified = await anyio.to_thread.run_sync(issuer.caller, authorization)
            caller = verified if self._options.callers is None else self._options.callers.of_subject(verified)
        return caller

    def _resource_answer(self, method: str, path: str) -> Response | None:
        """Return the metadata of the resource server, which is for everybody; None for any other request."""
        resource_server = self._options.resource_server
        if resource_server is None or method != "GET" or path not in resource_server.metadata_paths:
            return None
        return JSONResponse(resource_server.metadata())

    def _metrics_answer(self, path: str, headers: Headers) -> Response | None:
        """Return the answer to a request for metrics; None for any other, or if none exists."""
        if path != METRICS_PATH or self._options.metrics is None:
            return None
        if not _has_token(headers.get("authorization", ""), self._options.metrics_token):
            return _unauthorized()
        return Response(self._options.metrics(), media_type=METRICS_TYPE)

    # A web page can make a browser send requests to loopback, also under the page's name that resolves there (DNS
    # rebinding); the browser says so in Origin and Host. The SDK's own check knows no names for a server that listens
    # on every address.
    def _refusal(self, headers: Headers) -> PlainTextResponse | None:
        if has_two_lengths(name for name, _ in headers.raw):
            return PlainTextResponse("The body has two lengths.", 400, {"connection": "close"})
        host = host_of(headers.get("host", ""))
        if not self._is_allowed_host(host):
            return PlainTextResponse("This server is not known by that Host.", 421)
        origin = headers.get("origin")
        if origin is not None and not is_same_origin(origin, "http", headers.get("host", "")):
            return PlainTextResponse("Pages of that Origin may not call this server.", 403)
        return None

    def _is_allowed_host(self, name: str) -> bool:
        """Return whether `name` is a name of this machine, or the one that the server listens on."""
        if self._address.host in WILDCARD_HOSTS:  # its names are not known; there is a token then
            return bool(name)
        return name == self._address.host or (self._address.is_loopback and name in LOOPBACK_HOSTS)


async def _read_body(receive: Receive) -> tuple[bytes, Receive]:
    """Return the body of a request, or as much of it as is more than the limit, and a Receive that has it once more."""
    messages: list[Message] = []
    size = 0
    while size <= MAX_BODY:
        message = await receive()
        messages.append(message)
        size += len(message.get("body", b""))
        if not message.get("more_body"):
            break
    body = b"".join(message.get("body", b"") for message in messages)

    async def replay() -> Message:
        return messages.pop(0) if messages else await receive()

    return body, replay


def _unauthorized(resource_server: ResourceServer | None = None, *, has_token: bool = False) -> Response:
    challenge = "Bearer" if resource_server is None else resource_server.challenge(has_token=has_token)
    return PlainTextResponse("The token is missing or wrong.", 401, {"www-authenticate": challenge})


def _has_token(authorization: str, token: str) -> bool:
    """Return whether a header has a bearer token; an empty token does not count."""
    scheme, _, sent = authorization.partition(" ")
    # Compared in constant time; as bytes, since compare_digest refuses text outside ASCII.
    return bool(token) and scheme.lower() == "bearer" and hmac.compare_digest(sent.strip().encode(), token.encode())


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
