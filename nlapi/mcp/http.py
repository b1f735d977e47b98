"""MCP over streamable HTTP, for programs on this machine unless the user chose another address."""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import uvicorn
from mcp.server.lowlevel.server import Server
from mcp.server.transport_security import TransportSecuritySettings
from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from nlapi.errors import UsageError
from nlapi.mcp.server_state import SESSION_HEADER
from nlapi.mcp.stdio import on_signal
from nlapi.serving import open_listener

PATH = "/mcp"
MAX_BODY = 16 * 1024 * 1024
LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")
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


def parse_listen_address(text: str, token: str = "") -> ListenAddress:
    """Return the address for `HOST:PORT` or a port alone.

    UsageError if it is neither, or open to other machines without a token.
    """
    host, _, port = text.rpartition(":")
    host = host.strip("[]").lower() or LOOPBACK_HOSTS[1]
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
) -> None:
    """Serve clients until SIGINT or SIGTERM.

    `on_ready` is called with the URL once it answers, `on_session_end` with the id of a session that its client ended.
    """
    app = server.streamable_http_app(
        streamable_http_path=PATH,
        max_request_body_size=MAX_BODY,
        transport_security=TransportSecuritySettings(enable_dns_rebinding_protection=False),  # Guard does it
    )
    with open_listener(address.host, address.port) as (listener, url):
        web = _HttpServer(HttpGuard(app, address, on_session_end), lambda: on_ready(f"{url}{PATH}"))
        with on_signal(web.stop):
            await web.serve([listener])


class _HttpServer(uvicorn.Server):
    """A quiet uvicorn that leaves signals to `on_signal` and calls back when it is ready."""

    def __init__(self, app: ASGIApp, on_ready: Callable[[], None]) -> None:
        quiet: dict[str, Any] = {"log_config": None, "log_level": "critical", "access_log": False}
        config = uvicorn.Config(app, ws="none", server_header=False, timeout_graceful_shutdown=1, **quiet)
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

    def __init__(self, app: ASGIApp, address: ListenAddress, on_session_end: Callable[[str], None]) -> None:
        self._app = app
        self._address = address
        self._on_session_end = on_session_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)

        async def send_and_notice(message: Message) -> None:
            # The SDK says of a session that its client has deleted nothing but this answer.
            if scope["method"] == "DELETE" and message["type"] == "http.response.start" and message["status"] < 300:
                self._on_session_end(headers.get(SESSION_HEADER, ""))
            await send(message)

        await (self._refusal(headers) or self._app)(scope, receive, send_and_notice)

    # A web page can make a browser send requests to loopback, also under a name of its own that resolves there (DNS
    # rebinding); the browser says so in Origin and Host. The SDK's own check knows no names for a server that listens
    # on every address.
    def _refusal(self, headers: Headers) -> PlainTextResponse | None:
        host = _host_name(f"//{headers.get('host', '')}")
        if not self._is_allowed_host(host):
            return PlainTextResponse("This server is not known by that Host.", 421)
        origin = headers.get("origin")
        if origin is not None and not self._is_allowed_host(_host_name(origin), page_host=host):
            return PlainTextResponse("Pages of that Origin may not call this server.", 403)
        if self._address.token:
            scheme, _, token = headers.get("authorization", "").partition(" ")
            expected_token = self._address.token.encode()
            # Compared in constant time; as bytes, since compare_digest refuses text outside ASCII.
            if scheme.lower() != "bearer" or not hmac.compare_digest(token.strip().encode(), expected_token):
                return PlainTextResponse("The token is missing or wrong.", 401, {"www-authenticate": "Bearer"})
        return None

    def _is_allowed_host(self, name: str, page_host: str = "") -> bool:
        """Return whether `name` is a name of this machine, or the one that the server listens on."""
        if self._address.host in WILDCARD_HOSTS:  # its names are not known; there is a token then
            return bool(name) and (not page_host or name == page_host)
        return name == self._address.host or (self._address.is_loopback and name in LOOPBACK_HOSTS)


def _host_name(url: str) -> str:
    """Return the host of a Host or Origin header; "" for anything else, such as the page of a browser extension."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return (parts.hostname or "") if parts.scheme in ("", "http", "https") and "@" not in parts.netloc else ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
