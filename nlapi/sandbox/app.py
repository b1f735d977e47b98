"""The ASGI application of a sandbox."""

from __future__ import annotations

import logging
from collections.abc import Callable
from types import TracebackType

from nlapi.openapi.spec import Spec
from nlapi.resources.naming import name_key
from nlapi.sandbox.answers import answer
from nlapi.sandbox.auth import Fields, authenticate
from nlapi.sandbox.check import Incoming, check
from nlapi.sandbox.parameters import decoded, split_pairs
from nlapi.sandbox.problem import Problem
from nlapi.sandbox.replies import Reply, refusal, reply
from nlapi.sandbox.routes import Routes
from nlapi.sandbox.stage import Stage
from nlapi.serving import Message, Receive, Send, raw_path

# A callback after each request: method, path, status of the answer, and the reason of a refusal or "".
OnRequest = Callable[[str, str, int, str], None]

# Bytes of a request body, all of which is kept in memory.
LARGEST_BODY = 10 * 2**20

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
        self._routes = Routes(spec)
        self._stage = Stage.of(spec, seed=seed, database=database)
        self._repeated: dict[tuple[str, str], Reply] = {}

    def close(self) -> None:
        self._stage.store.close()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        if scope["type"] != "http":
            return
        path = raw_path(scope)
        why = ""
        try:
            content = await _body(receive)
            answered = self.respond(_incoming(scope, path, content), _origin(scope))
        except Problem as problem:
            answered, why = refusal(problem), problem.detail
        except Exception as error:
            # The only place that catches every exception: a client never gets a traceback.
            _log.exception("%s %s", scope["method"], path)
            why = f"the sandbox failed: {type(error).__name__}"
            answered = refusal(Problem(500, why))
        await _send(send, answered, head=scope["method"] == "HEAD")
        if self.on_request is not None:
            self.on_request(scope["method"], path, answered.status, why)

    def respond(self, incoming: Incoming, origin: str = "") -> Reply:
        """Return the answer to a request. Problem when it is refused, and then nothing has changed.

        Where an Idempotency-Key header is described, a second request with the same key gets the first answer.
        """
        if incoming.method == "OPTIONS" and (allowed := self._options(incoming.path)):
            return allowed
        match = self._routes.match(incoming.method, incoming.path, incoming.query, incoming.headers)
        authenticate(match.operation, _carried(incoming))
        checked = check(match.operation, match.raw, incoming, self._stage.schemas)
        again = next((str(value) for name, value in checked.headers.items() if name_key(name) == "idempotencykey"), "")
        if again and (match.operation.id, again) in self._repeated:
            return self._repeated[match.operation.id, again]
        store = self._stage.store
        # One transaction a request: an answer that cannot be made leaves no half of a change.
        store.begin()
        try:
            outcome = answer(self._stage, match.operation, checked, origin + incoming.path)
            accept, path = incoming.headers.get("accept", "*/*"), incoming.path
            made = reply(self._stage, match.operation, outcome, accept=accept, path=path, prefix=match.prefix)
        except BaseException:
            store.rollback()
            raise
        store.commit()
        if again:
            self._repeated[match.operation.id, again] = made
        return made

    def _options(self, path: str) -> Reply | None:
        """Return a 204 with Allow for a known path that describes no OPTIONS, else None."""
        try:
            self._routes.match("OPTIONS", path)
        except Problem as problem:
            if problem.status == 405:
                return Reply(status=204, headers=problem.headers)
        return None


def _incoming(scope: Message, path: str, content: bytes) -> Incoming:
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        key, text = name.decode("latin-1").lower(), value.decode("latin-1")
        # Repeated fields are one list (RFC 9110 §5.3), except for cookies (RFC 9113 §8.2.3).
        joint = "; " if key == "cookie" else ", "
        headers[key] = headers[key] + joint + text if key in headers else text
    query = scope.get("query_string", b"").decode("latin-1")
    return Incoming(method=scope["method"], path=path, query=query, headers=headers, content=content)


def _carried(incoming: Incoming) -> Fields:
    query = {name: decoded(raw) for name, raw in split_pairs(incoming.query).pairs}
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
            raise Problem(400, "the client went away before the body was complete")
        size += len(message.get("body", b""))
        if size <= LARGEST_BODY:
            chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            break
        if size > 4 * LARGEST_BODY:
            break
    if size > LARGEST_BODY:
        raise Problem(413, f"the body is larger than {LARGEST_BODY:,} bytes")
    return b"".join(chunks)


async def _send(send: Send, answered: Reply, *, head: bool) -> None:
    length = [] if answered.status in (204, 304) else [("content-length", str(len(answered.content)))]
    headers = [
        (name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in (*answered.headers, *length)
    ]
    await send({"type": "http.response.start", "status": answered.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if head else answered.content})


async def _live(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
