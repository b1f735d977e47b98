"""A client that stops reading is not waited for at the end of its stream: its connection is aborted."""

from __future__ import annotations

import socket
import threading

from nlapi.gateway.http.client_connection import ABORT_EXTENSION, AsgiConnection
from nlapi.gateway.http.server import run_in_thread
from nlapi.routing.model import VersionRef
from nlapi.serving import Message, Receive, Send

PATIENCE_S = 120.0
# More than the buffers of both sockets hold.
LARGE = b"x" * 64 * 2**20


class Streaming:
    """An application that ends a stream with a large event; `ended` is set when it has returned."""

    def __init__(self, last_send_timeout_s: float) -> None:
        self.ended = threading.Event()
        self._last_send_timeout_s = last_send_timeout_s

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for name in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{name}.complete"})
            return
        abort = scope["extensions"][ABORT_EXTENSION]["abort"]
        connection = AsgiConnection(receive, send, [], abort=abort, last_send_timeout_s=self._last_send_timeout_s)
        await connection.start(VersionRef(model="writer", version="v1"))
        await connection.finish(LARGE)
        await connection.finish(LARGE)  # the second end of a stream is none
        self.ended.set()


def request(url: str) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", int(url.rpartition(":")[2])), timeout=PATIENCE_S)
    sock.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
    return sock


def test_the_connection_of_a_client_that_does_not_read_is_aborted() -> None:
    app = Streaming(0.01)
    with run_in_thread(app) as url, request(url) as sock:
        assert app.ended.wait(PATIENCE_S)
        received = 0
        try:
            while content := sock.recv(2**20):
                received += len(content)
        except ConnectionResetError:
            pass
        assert received < len(LARGE)


def test_a_client_that_reads_gets_all() -> None:
    app = Streaming(PATIENCE_S)
    with run_in_thread(app) as url, request(url) as sock:
        content = b"".join(iter(lambda: sock.recv(2**20), b""))
        assert content.count(b"x") >= len(LARGE)
        assert content.endswith(b"0\r\n\r\n")
        assert app.ended.wait(PATIENCE_S)
