"""A server on loopback that records every request, and answers as an API does in which what is said exists."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

from benchmarks.changes.cases import Case
from benchmarks.changes.wire import Wire, read
from nlapi.openapi.spec import READ_METHODS, Effect, Operation, Spec
from nlapi.resources.answers import answer_schemas, json_media
from nlapi.sandbox.problem import RequestProblem
from nlapi.sandbox.routes import RouteTable
from nlapi.sandbox.samples import SampleContext, Sampler
from nlapi.sandbox.schemas import Schemas

_IDENTITY = frozenset("id name names key slug uuid gid login username number iid index title label domain".split())
_VERSION = re.compile(r"v\d+(?:\.\d+)?")


class Recorder:
    """What was received of one command, and what is answered to it.

    `answers` are those of the command. Else a list has the things that the paths of the command name, and another one;
    an item is a sample of its schema; a change is done.
    """

    def __init__(self, spec: Spec) -> None:
        self.routes = RouteTable(spec)
        self.lists = answer_schemas(spec)
        self.sampler = Sampler(Schemas(spec))
        self.received: list[Wire] = []
        self.answers: Mapping[str, Any] = {}
        self.paths: tuple[tuple[str, ...], ...] = ()
        self.base_url = ""

    def begin(self, case: Case) -> None:
        """Forget what was received, and answer as the command has it from now on."""
        self.received, self.answers = [], case.answers
        self.paths = tuple(map(_segments, case.paths))

    def reply(self, method: str, target: str) -> tuple[int, Any]:
        """The status and the JSON value that are answered to a request."""
        path = urlsplit(target).path
        for key in (f"{method} {unquote(target)}", f"{method} {unquote(path)}"):
            if key in self.answers:
                return 200, self.answers[key]
        try:
            operation = self.routes.match(method, path, urlsplit(target).query).operation
        except RequestProblem as problem:
            return problem.status, {"error": problem.detail}
        if method not in READ_METHODS and operation.effect is not Effect.READ:
            return (201 if method == "POST" else 200), {}
        return 200, self._read(operation, _segments(path))

    def _read(self, operation: Operation, path: tuple[str, ...]) -> Any:
        part = self.lists.list_part(operation)
        if part is not None:
            ids = list(dict.fromkeys(self._listed(path)))
            entries = [_identified(self._sample(part.schema, operation, at), id) for at, id in enumerate((*ids, ""))]
            value: Any = dict(zip((*ids, "other"), entries, strict=True)) if part.is_map else entries
            value = value if ids else type(value)()
            for key in reversed(part.keys):
                value = {key: value}
            return value
        media = json_media(operation)
        if media is None:
            return {}
        last = next((known[len(path) - 1] for known in self.paths if known[: len(path)] == path), "")
        return _identified(self._sample(media.schema, operation, 0), last)

    def _sample(self, schema: Any, operation: Operation, index: int) -> Any:
        return self.sampler.sample(schema, SampleContext(seed=0, path=operation.id, index=index))

    def _listed(self, path: tuple[str, ...]) -> Iterator[str]:
        """What the paths of the command name below a list, also below one such as /containers/json."""
        for known in self.paths:
            for base in (path, path[:-1]):
                if len(known) > len(base) and known[: len(base)] == base:
                    yield known[len(base)]
                    break


def _segments(path: str) -> tuple[str, ...]:
    """The segments of a path, decoded, without those that are a version."""
    parts = map(unquote, urlsplit(path).path.strip("/").split("/"))
    return tuple(part for part in parts if not _VERSION.fullmatch(part))


def _identified(thing: Any, id: str) -> Any:
    """A sample of a thing with `id` as its id and its name, where these are texts or it is a number."""
    if not isinstance(thing, dict) or not id:
        return thing
    named = {name: value for name, value in thing.items() if name.lower().strip("_") in _IDENTITY}
    if not named and len(thing) == 1 and isinstance(inner := next(iter(thing.values())), dict):
        return {next(iter(thing)): _identified(inner, id)}
    changed = {name: new for name, value in named.items() if (new := _as(value, id)) is not None}
    return {**thing, **(changed or {"id": id, "name": id})}


def _as(value: Any, id: str) -> Any:
    if isinstance(value, str):
        return id
    if isinstance(value, list):
        return [id]
    return int(id) if id.isdecimal() and isinstance(value, int) else None


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
