"""Runs the sandbox of an API on loopback, and records each request with what the description says about it."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, unquote, unquote_plus

import uvicorn

from benchmarks.workflows.collection import leaves
from nlapi.openapi.spec import Spec
from nlapi.sandbox import Sandbox
from nlapi.sandbox.problem import RequestProblem
from nlapi.sandbox.routes import RouteTable
from nlapi.sandbox.schemas import Schemas
from nlapi.sandbox.server import HttpResponse, problem_response
from nlapi.sandbox.validation import RawRequest, check_request
from nlapi.serving import Message, Receive, Send, open_listener, raw_path

# A text that a runner puts in the place of a value that it does not have, or an expression that it did not evaluate.
_EXPRESSION = re.compile(r"\$\{?(?:steps|inputs|response|request|outputs|statusCode)\b|\{\$")
_NOTHING = frozenset(("None", "null", "undefined", "NaN", "[object Object]"))
_PLACEHOLDER = re.compile(r"\{[\w.\-]+\}")


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """A request as it came, and its answer.

    `operation` is (method, path template), None where the description has none. `values` has the path parameters.
    `refusal` is why the description forbids the request; "" where it allows it.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    content: bytes
    status: int
    answer: bytes
    answer_headers: Mapping[str, str]
    operation: tuple[str, str] | None = None
    values: Mapping[str, str] = field(default_factory=dict)
    refusal: str = ""

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def body(self) -> Any:
        """The body as JSON: a form as an object of texts, other bodies as one text, None without a body."""
        content_type = self.headers.get("content-type", "")
        if "form-urlencoded" in content_type:
            return dict(parse_qsl(self.content.decode("utf-8", "replace"), keep_blank_values=True))
        return _json(self.content)

    @property
    def answer_body(self) -> Any:
        return _json(self.answer)

    @property
    def stray_text(self) -> str:
        """The first text in the request that stands for a value that the runner does not have, else ""."""
        segments = [unquote(segment) for segment in self.path.split("/")]
        texts = [*segments, *(value for _, value in parse_qsl(self.query, keep_blank_values=True))]
        texts += [value for _, value in leaves(self.body) if isinstance(value, str)]
        if text := next((text for text in texts if text in _NOTHING), ""):
            return text
        texts += [value for name, value in self.headers.items() if name not in ("user-agent", "host")]
        matches = (text for text in texts if _EXPRESSION.search(text))
        return next(matches, next((segment for segment in segments if _PLACEHOLDER.fullmatch(segment)), ""))

    @property
    def fault(self) -> str:
        """Why the request is wrong by what a client can know beforehand, else ""."""
        if text := self.stray_text:
            return f"sends {text!r}"
        return f"{self.status} {self.refusal}" if self.refusal else ""

    def __str__(self) -> str:
        query = f"?{unquote_plus(self.query)}" if self.query else ""
        return f"{self.status} {self.method} {unquote(self.path)}{query}"


def _json(content: bytes) -> Any:
    if not content:
        return None
    try:
        return json.loads(content)
    except ValueError:
        return content.decode("utf-8", "replace")


class Stage:
    """An ASGI application: a sandbox that can begin anew, and `log`, its requests since then."""

    def __init__(self, spec: Spec, *, seed: int = 0) -> None:
        self.spec = spec
        self.seed = seed
        self.url = ""
        self.log: list[Exchange] = []
        self._routes = RouteTable(spec)
        self._schemas = Schemas(spec)
        self._sandbox = Sandbox(spec, seed=seed)

    def reset(self) -> None:
        """Begin anew: the sample data of the seed, an empty log."""
        self._sandbox.close()
        self._sandbox = Sandbox(self.spec, seed=self.seed)
        self.log = []

    def close(self) -> None:
        self._sandbox.close()

    def send(self, incoming: RawRequest) -> HttpResponse:
        """Return the sandbox's answer to a request, and record both."""
        try:
            response = self._sandbox.respond(incoming, self.url)
        except RequestProblem as problem:
            response = problem_response(problem)
        except Exception as error:  # as the sandbox's own server answers
            response = problem_response(RequestProblem(500, f"the sandbox failed: {type(error).__name__}: {error}"))
        self.log.append(self._exchange(incoming, response))
        return response

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        content, is_more = b"", True
        while is_more:
            message = await receive()
            content += message.get("body", b"")
            is_more = bool(message.get("more_body"))
        incoming = RawRequest(
            method=scope["method"],
            path=raw_path(scope),
            query=scope.get("query_string", b"").decode("latin-1"),
            headers={name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]},
            content=content,
        )
        response = self.send(incoming)
        length = [] if response.status in (204, 304) else [("content-length", str(len(response.content)))]
        headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in (*response.headers, *length)]
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        body = b"" if incoming.method == "HEAD" else response.content
        await send({"type": "http.response.body", "body": body})

    def _exchange(self, incoming: RawRequest, response: HttpResponse) -> Exchange:
        operation, values, refusal = None, {}, ""
        try:
            match = self._routes.match(incoming.method, incoming.path, incoming.query, incoming.headers)
            operation = (match.operation.method, match.operation.path)
            values = {name: unquote(text) for name, text in match.raw.items()}
            check_request(match.operation, match.raw, incoming, self._schemas)
        except RequestProblem as problem:
            refusal = problem.detail
        return Exchange(
            method=incoming.method,
            path=incoming.path,
            query=incoming.query,
            headers=incoming.headers,
            content=incoming.content,
            status=response.status,
            answer=response.content,
            answer_headers={name.lower(): value for name, value in response.headers},
            operation=operation,
            values=values,
            refusal=refusal if response.status >= 400 else "",
        )


def credentials_of(spec: Spec) -> dict[str, str]:
    """Return a credential for each security scheme: a sandbox accepts any."""
    schemes = spec.security_schemes.items()
    return {id: "any:any" if (one.kind, one.scheme) == ("http", "basic") else "any" for id, one in schemes}


@contextmanager
def open_stage(spec: Spec, *, seed: int = 0) -> Iterator[Stage]:
    """Run a stage on a free port of loopback while the `with` block lasts."""
    stage = Stage(spec, seed=seed)
    started = threading.Event()

    class Server(uvicorn.Server):
        async def startup(self, sockets: Any = None) -> None:
            await super().startup(sockets)
            started.set()

    config = uvicorn.Config(
        stage, http="h11", ws="none", loop="asyncio", lifespan="off", log_config=None, access_log=False
    )
    server = Server(config)
    with open_listener("127.0.0.1", 0) as (listener, url):
        stage.url = url
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), daemon=True)
        thread.start()
        if not started.wait(20):
            raise RuntimeError("the stage did not start")
        try:
            yield stage
        finally:
            server.should_exit = server.force_exit = True
            thread.join(20)
            stage.close()
