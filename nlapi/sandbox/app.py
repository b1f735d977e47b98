"""The ASGI application of a sandbox."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import TracebackType

from nlapi.openapi.spec import Spec
from nlapi.resources.naming import name_key
from nlapi.sandbox.handlers import handle
from nlapi.sandbox.auth import FieldsByLocation, authenticate
from nlapi.sandbox.check import RawRequest, check_request
from nlapi.sandbox.parameters import percent_decode, split_pairs
from nlapi.sandbox.problem import RequestProblem
from nlapi.sandbox.responses import HttpResponse, problem_response, build_response
from nlapi.sandbox.routes import RouteTable
from nlapi.sandbox.state import SandboxState
from nlapi.serving import Message, Receive, Send, raw_path

# A callback after each request: method, path, status of the answer, and the reason of a refusal or "".
OnRequest = Callable[[str, str, int, str], None]

# Bytes of a request body, all of which is kept in memory.
MAX_BODY = 10 * 2**20

_log = logging.getLogger(__name__)


class Sandbox:
    """A stateful stand-in for the API of a Spec, as an ASGI application; it refuses with problem+json (RFC 9457).

    `seed` selects the sample data; `database` is a file for the items, or ":memory:". Close it after use.
    `nlapi.sandbox.running` and `serve` put a server in front of it.
    """

    def __init__(
        self, spec: Spec, *, seed: int = 0, database: str = ":memory:", on_request: OnRequest | None = None
    ) -> None:
        self.spec = spec
        self.on_request = on_request
        self._routes = RouteTable(spec)
        self._state = SandboxState.of(spec, seed=seed, database=database)
        self._answers_by_key: dict[tuple[str, str], HttpResponse] = {}

    def close(self) -> None:
        self._state.store.close()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _run_lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        path = raw_path(scope)
        reason = ""
        try:
            content = await _body(receive)
            response = self.respond(_raw_request(scope, path, content), _origin(scope))
        except RequestProblem as problem:
            response, reason = problem_response(problem), problem.detail
        except Exception as error:
            # The only place that catches every exception: a client never gets a traceback.
            _log.exception("%s %s", scope["method"], path)
            reason = f"the sandbox failed: {type(error).__name__}"
            response = problem_response(RequestProblem(500, reason))
        await _send(send, response, is_head=scope["method"] == "HEAD")
        if self.on_request is not None:
            self.on_request(scope["method"], path, response.status, reason)

    def respond(self, incoming: RawRequest, origin: str = "") -> HttpResponse:
        """Return the answer to a request. Problem when it is refused, and then nothing has changed.

        Where an Idempotency-Key header is described, a second request with the same key gets the first answer.
        """
        if incoming.method == "OPTIONS" and (allowed := self._options(incoming.path)):
            return allowed
        match = self._routes.match(incoming.method, incoming.path, incoming.query, incoming.headers)
        authenticate(match.operation, _credential_fields(incoming))
        checked = check_request(match.operation, match.raw, incoming, self._state.schemas)
        idempotency_key = next((str(value) for name, value in checked.headers.items() if name_key(name) == "idempotencykey"), "")
        if idempotency_key and (match.operation.id, idempotency_key) in self._answers_by_key:
            return self._answers_by_key[match.operation.id, idempotency_key]
        store = self._state.store
        # One transaction a request: an answer that cannot be made leaves no half of a change.
        store.begin()
        try:
            outcome = handle(self._state, match.operation, checked, origin + incoming.path)
            accept, path = incoming.headers.get("accept", "*/*"), incoming.path
            response = build_response(self._state, match.operation, outcome, accept=accept, path=path, prefix=match.prefix)
        except BaseException:
            store.rollback()
            raise
        store.commit()
        if idempotency_key:
            self._answers_by_key[match.operation.id, idempotency_key] = response
        return response

    def _options(self, path: str) -> HttpResponse | None:
        """Return a 204 with Allow for a known path that describes no OPTIONS, else None."""
        try:
            self._routes.match("OPTIONS", path)
        except RequestProblem as problem:
            if problem.status == 405:
                return HttpResponse(status=204, headers=problem.headers)
        return None


def _raw_request(scope: Message, path: str, content: bytes) -> RawRequest:
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        # Repeated fields are one list (RFC 9110 §5.3), except for cookies (RFC 9113 §8.2.3).
        separator = "; " if key == "cookie" else ", "
        headers[key] = headers[key] + separator + text if key in headers else text
    query = scope.get("query_string", b"").decode("latin-1")
    return RawRequest(method=scope["method"], path=path, query=query, headers=headers, content=content)


def _credential_fields(incoming: RawRequest) -> FieldsByLocation:
    query = {name: percent_decode(raw) for name, raw in split_pairs(incoming.query).pairs}
    return {"header": incoming.headers, "query": query, "cookie": incoming.cookies}


def _origin(scope: Message) -> str:
    host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
    return f"{scope.get('scheme', 'http')}://{host}" if host else ""


async def _body(receive: Receive) -> bytes:
    """Return the whole body. Problem 413 when it is too large."""
    # A body that is too large is still read, up to four times the limit: many clients send all of it before they read
    # the answer, and would see a broken connection instead.
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise RequestProblem(400, "the client went away before the body was complete")
        size += len(message.get("body", b""))
        if size <= MAX_BODY:
            chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            break
        if size > 4 * MAX_BODY:
            break
    if size > MAX_BODY:
        raise RequestProblem(413, f"the body is larger than {MAX_BODY:,} bytes")
    return b"".join(chunks)


async def _send(send: Send, response: HttpResponse, *, is_head: bool) -> None:
    length = [] if response.status in (204, 304) else [("content-length", str(len(response.content)))]
    headers = [
        (name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in (*response.headers, *length)
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if is_head else response.content})


async def _run_lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
