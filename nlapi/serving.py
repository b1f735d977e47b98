"""The listening socket, its URL, the names of hosts and the ASGI types that sandbox, gateway and MCP server share."""

from __future__ import annotations

import re
import socket
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from contextlib import contextmanager, suppress
from typing import Any

from nlapi.errors import UsageError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

LOOPBACK_HOSTS = frozenset(("localhost", "127.0.0.1", "::1"))
_AUTHORITY = re.compile(r"(?P<host>\[[0-9a-f:.]+\]|[^\s\[\]:@/\\?#,]+)(?::(?P<port>[0-9]{0,5}))?", re.IGNORECASE)
_PORTS = {"http": 80, "https": 443}


def host_of(authority: str) -> str:
    """Return the host of a Host header in lower case, IPv6 without brackets; "" for anything else (RFC 9112 §3.2)."""
    match = _AUTHORITY.fullmatch(authority)
    return match["host"].strip("[]").lower() if match else ""


def is_same_origin(origin: str, scheme: str, authority: str) -> bool:
    """Return whether an Origin header is that of the server that a request names (RFC 6454 §5, §6.2).

    `scheme` is that of the connection, `authority` the Host header. A page of another port is another program's.
    """
    page_scheme, _, page = origin.lower().partition("://")
    match, server = _AUTHORITY.fullmatch(page), _AUTHORITY.fullmatch(authority)
    if page_scheme not in _PORTS or match is None or server is None or host_of(page) != host_of(authority):
        return False
    # In front of a name that is not of this machine a proxy may end TLS.
    if page_scheme != scheme and (page_scheme == "http" or host_of(page) in LOOPBACK_HOSTS):
        return False
    default = _PORTS[page_scheme]
    return int(match["port"] or default) == int(server["port"] or default)


def has_two_lengths(names: Iterable[bytes]) -> bool:
    """Return whether a request with headers of these lower-case names has a length and chunks (RFC 9112 §6.1).

    One server ends its body by the length and another by the chunks; the rest is a new request to one of them.
    """
    return {b"content-length", b"transfer-encoding"}.issubset(names)


@contextmanager
def open_listener(host: str, port: int, *, scheme: str = "http") -> Iterator[tuple[socket.socket, str]]:
    """Yield a socket that listens on an address, and its URL. Port 0 is any free port. UsageError when it is in use."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # IPPROTO_TCP is explicit because asyncio sets TCP_NODELAY only then; without it each answer waits 40 ms for an
    # acknowledgement.
    with socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except (OSError, OverflowError) as error:
            raise UsageError(f"cannot listen on {host}:{port}: {error}", hint="port 0 takes a free one") from None
        yield listener, f"{scheme}://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"


async def send_content(
    send: Send, status: int, content: bytes, media_type: str, *headers: tuple[bytes, bytes], is_head: bool = False
) -> None:
    """Send a whole answer; one to HEAD has the headers of the content, and no content."""
    described = [(b"content-type", media_type.encode("latin-1")), (b"content-length", b"%d" % len(content)), *headers]
    await send({"type": "http.response.start", "status": status, "headers": described})
    await send({"type": "http.response.body", "body": b"" if is_head else content})


def raw_path(scope: Message) -> str:
    """Return the path of a request, still percent-encoded."""
    raw = scope.get("raw_path")
    return raw.decode("latin-1").partition("?")[0] if raw else str(scope["path"])


def quiet_server(app: Application, on_ready: Callable[[], object]) -> Any:
    """Return a uvicorn server without logs that calls `on_ready`, and stops at once when any thread calls `stop`."""
    import asyncio

    import uvicorn

    class StoppableServer(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            self.loop = asyncio.get_running_loop()
            self.woken = asyncio.Event()
            on_ready()

        def stop(self) -> None:
            self.should_exit = True
            # The loop looks every 0.1 s by itself, and may have ended since the line above.
            with suppress(RuntimeError):
                self.loop.call_soon_threadsafe(self.woken.set)

        async def main_loop(self) -> None:
            await self.on_tick(0)
            # uvicorn's own loop sleeps 0.1 s between two looks at should_exit, for which every test would wait. The
            # time-out is for a signal, which sets should_exit without waking this loop.
            while not self.should_exit:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self.woken.wait(), 0.1)

        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            """Close connections as uvicorn does, without its pauses; running requests have a second to finish."""
            for server in self.servers:
                server.close()
            for connection in list(self.server_state.connections):
                connection.shutdown()
            for _ in range(200):
                if not self.server_state.connections and not self.server_state.tasks:
                    break
                await asyncio.sleep(0.005)

    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level="critical",
        access_log=False,
        server_header=False,
        date_header=False,
    )
    return StoppableServer(config)
