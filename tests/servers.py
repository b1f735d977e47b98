"""Real servers on loopback for tests: `Echo` records requests and gives programmed answers, `Script` plays bytes."""

from __future__ import annotations

import json
import socket
import socketserver
import ssl
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


class QuietHTTPServer(ThreadingHTTPServer):
    """A server that does not report a client which leaves: that is no fault, and would stand in a test's stderr."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A request as it came: `target` is the raw request target, `headers` are in order and in their own case."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def query(self) -> list[tuple[str, str]]:
        return parse_qsl(self.target.partition("?")[2], keep_blank_values=True)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer. A `body` that is not bytes is sent as JSON; Content-Length is added."""

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def raw(self) -> bytes:
        given = isinstance(self.body, bytes)
        content = self.body if given else json.dumps(self.body).encode()
        kind = {} if given else {"Content-Type": "application/json"}
        headers = {**kind, "Content-Length": str(len(content)), **self.headers}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"HTTP/1.1 {self.status} Something\r\n{lines}\r\n".encode() + content


Answer = Callable[[Received], Reply] | Iterable[Reply] | Reply | None


class _Loopback:
    """A threaded TCP server on a free port of 127.0.0.1, for as long as its `with` block lasts."""

    def __init__(self) -> None:
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            disable_nagle_algorithm = True

            def handle(self) -> None:
                with suppress(OSError):  # the client hung up, which is what many tests are about
                    outer.talk(self)

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.stopping = threading.Event()
        self.port: int = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def use_tls(self, context: ssl.SSLContext) -> None:
        """Speak TLS from now on; called before the server begins."""
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = self.url.replace("http:", "https:")

    def talk(self, connection: socketserver.StreamRequestHandler) -> None:
        raise NotImplementedError

    def __enter__(self) -> Any:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Echo(_Loopback):
    """Records every request in `received`.

    Without an `answer` it gives back what it got, as JSON: method, target, headers (names in lower case) and body.
    `answer` is a Reply for every request, Replies in turn (the last one again and again), or a function of the request.
    """

    def __init__(self, answer: Answer = None) -> None:
        super().__init__()
        self.received: list[Received] = []
        self._answer = answer
        self._turns: Iterator[Reply] | None = None
        if isinstance(answer, Reply):
            self._turns = iter((answer,))
        elif answer is not None and not callable(answer):
            self._turns = iter(answer)
        self._last = Reply()
        self._lock = threading.Lock()

    @property
    def only(self) -> Received:
        """The one request that came; AssertionError when there were none or more."""
        assert len(self.received) == 1, f"{len(self.received)} requests came"
        return self.received[0]

    @property
    def changes(self) -> list[Received]:
        """What came and is no GET."""
        return [request for request in self.received if request.method != "GET"]

    def reply(self, request: Received) -> Reply:
        if callable(self._answer):
            return self._answer(request)
        if self._turns is not None:
            self._last = next(self._turns, self._last)
            return self._last
        headers = {name.lower(): value for name, value in request.headers}
        body = request.body.decode("utf-8", "replace")
        return Reply(200, {"method": request.method, "target": request.target, "headers": headers, "body": body})

    def talk(self, connection: socketserver.StreamRequestHandler) -> None:
        while request := read_request(connection.rfile):
            with self._lock:
                self.received.append(request)
                raw = self.reply(request).raw()
            connection.wfile.write(raw if request.method != "HEAD" else raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")


class Script(_Loopback):
    """Reads a request, plays a script of bytes and hangs up; for answers that no proper server gives.

    Each item of the script is bytes to send, `Script.SILENCE` (say nothing more, but stay connected until the end of
    the test), `Script.RESET` (drop the connection hard), `Script.PARTING` (say nothing more until the client hangs up,
    which sets `parted`), a threading.Event to wait for, or an iterable of bytes, sent piece by piece.
    With `reads=False` it speaks first.
    """

    SILENCE = object()
    RESET = object()
    PARTING = object()

    def __init__(self, *script: Any, reads: bool = True) -> None:
        super().__init__()
        self.received: list[Received] = []
        self.parted = threading.Event()
        self._script = script
        self._reads = reads

    def talk(self, connection: socketserver.StreamRequestHandler) -> None:
        if self._reads:
            request = read_request(connection.rfile)
            if request is None:
                return
            self.received.append(request)
        for item in self._script:
            if item is self.SILENCE:
                self.stopping.wait(30)
            elif item is self.PARTING:
                with suppress(OSError):
                    connection.rfile.read(1)
                self.parted.set()
            elif isinstance(item, threading.Event):
                item.wait(30)
            elif item is self.RESET:
                linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
                connection.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                connection.request.close()
            elif isinstance(item, bytes):
                connection.wfile.write(item)
            else:
                for piece in item:
                    connection.wfile.write(piece)


def head(content_type: str = "", *, status: str = "200 OK", **headers: str) -> bytes:
    """The head of an answer whose body comes in chunks, without a Content-Length."""
    kind = {"Content-Type": content_type} if content_type else {}
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    lines = {**kind, **given, "Transfer-Encoding": "chunked"}
    lines_text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {status}\r\n{lines_text}\r\n".encode()


def chunk(data: bytes) -> bytes:
    """A piece of such a body (RFC 9112 §7.1)."""
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


END = chunk(b"")
"""What such a body ends with."""


def read_request(stream: Any) -> Received | None:
    """The next request from a connection; None when there is none."""
    line = stream.readline()
    if not line.strip():
        return None
    method, target, _ = line.decode("latin-1").split(" ", 2)
    headers = []
    while (line := stream.readline()).strip():
        name, _, value = line.decode("utf-8", "surrogateescape").partition(":")
        headers.append((name, value.strip()))
    known = {name.lower(): value for name, value in headers}
    if known.get("transfer-encoding", "").lower() == "chunked":
        body = b"".join(_chunks(stream))
    else:
        body = stream.read(int(known.get("content-length", 0)))
    return Received(method=method, target=target, headers=tuple(headers), body=body)


def _chunks(stream: Any) -> Iterator[bytes]:
    while size := int(stream.readline().partition(b";")[0], 16):
        yield stream.read(size)
        stream.readline()
    stream.readline()


@contextmanager
def closed_port() -> Iterator[str]:
    """The URL of a port of 127.0.0.1 where nobody listens: bound, so that nobody else takes it, and not listening."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{sock.getsockname()[1]}"


def raw_statuses(url: str, *parts: bytes) -> list[int]:
    """The statuses of all answers to bytes that are sent one after the other, until the server at `url` closes."""
    with socket.create_connection((urlsplit(url).hostname, urlsplit(url).port), timeout=60) as connection:
        for part in parts:
            connection.sendall(part)
        answers = b"".join(iter(lambda: connection.recv(65536), b""))
    return [int(answer[:3]) for answer in answers.split(b"HTTP/1.1 ")[1:]]


TWO_LENGTHS = (
    b"POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"0\r\n\r\nGET / HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
)
"""A request with a length and chunks, and what is a second request for a server that goes by the chunks."""
