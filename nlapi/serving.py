"""The listening socket, its URL and the ASGI types that the sandbox, the gateway and the MCP server share."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from contextlib import contextmanager
from typing import Any

from nlapi.errors import UsageError

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


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


def raw_path(scope: Message) -> str:
    """Return the path of a request, still percent-encoded."""
    raw = scope.get("raw_path")
    return raw.decode("latin-1").partition("?")[0] if raw else str(scope["path"])
