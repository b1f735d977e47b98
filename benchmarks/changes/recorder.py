"""A server on loopback that records every request, and answers as an API does that has nothing in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

from benchmarks.changes.wire import Wire, read
from nlapi.openapi.spec import Operation, Spec
from nlapi.resources.answers import answer_schemas, json_media
from nlapi.sandbox.at import At
from nlapi.sandbox.problem import Problem
from nlapi.sandbox.routes import Routes
from nlapi.sandbox.samples import Sampler
from nlapi.sandbox.schemas import Schemas


class Recorder:
    """What was received of one command, and what is answered to it.

    `answers` are those of the command; else a list is empty, an item is a sample of its schema, and a change is done.
    """

    def __init__(self, spec: Spec) -> None:
        self.routes = Routes(spec)
        self.lists = answer_schemas(spec)
        self.sampler = Sampler(Schemas(spec))
        self.received: list[Wire] = []
        self.answers: Mapping[str, Any] = {}
        self.base_url = ""

    def begin(self, answers: Mapping[str, Any]) -> None:
        """Forget what was received, and answer so from now on."""
        self.received, self.answers = [], answers

    def reply(self, method: str, target: str) -> tuple[int, Any]:
        """The status and the JSON value that are answered to a request."""
        path = urlsplit(target).path
        for key in (f"{method} {unquote(target)}", f"{method} {unquote(path)}"):
            if key in self.answers:
                return 200, self.answers[key]
        try:
            operation = self.routes.match(method, path, urlsplit(target).query).operation
        except Problem as problem:
            return problem.status, {"error": problem.detail}
        if method not in ("GET", "HEAD"):
            return (201 if method == "POST" else 200), {}
        return 200, self._read(operation)

    def _read(self, operation: Operation) -> Any:
        listed = self.lists.list_of(operation)
        if listed is not None:
            value: Any = {} if listed.is_map else []
            for key in reversed(listed.keys):
                value = {key: value}
            return value
        media = json_media(operation)
        return self.sampler.sample(media.schema, At(seed=0, path=operation.id)) if media is not None else {}


@contextmanager
def recording(spec: Spec) -> Iterator[Recorder]:
    """A Recorder for an API that serves on a free port of 127.0.0.1, until it is left."""
    recorder = Recorder(spec)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            content = self.rfile.read(int(self.headers.get("content-length") or 0))
            recorder.received.append(read(self.command, self.path, self.headers.get("content-type") or "", content))
            status, value = recorder.reply(self.command, self.path)
            body = b"" if self.command == "HEAD" else json.dumps(value, default=str).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _serve  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    recorder.base_url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield recorder
    finally:
        server.shutdown()
        server.server_close()
