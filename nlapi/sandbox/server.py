"""Serves a sandbox as an ASGI application, on loopback by default."""

from __future__ import annotations

import asyncio
import base64
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from nlapi.english import lexicon
from nlapi.english.words import name_key
from nlapi.errors import NlapiError
from nlapi.openapi.spec import Media, Operation, Response, Spec, essence, may_be_json
from nlapi.resources.envelope import TOTAL_NAMES
from nlapi.resources.paths import Path, segments
from nlapi.sandbox.fixtures import SAMPLES_BELOW_FIRST
from nlapi.sandbox.handlers import HandlerResult, handle, is_undescribed
from nlapi.sandbox.parameters import percent_decode, split_pairs
from nlapi.sandbox.problem import RequestProblem
from nlapi.sandbox.routes import RouteMatch, RouteTable
from nlapi.sandbox.samples import ABSENT, SampleContext
from nlapi.sandbox.state import SandboxState
from nlapi.sandbox.store import StoredItem
from nlapi.sandbox.validation import (
    FieldsByLocation,
    RawRequest,
    ValidRequest,
    authenticate,
    check_request,
    take_body_credentials,
)
from nlapi.serving import Message, Receive, Send, has_two_lengths, is_same_origin, open_listener, quiet_server, raw_path

# The smallest valid file of each type, since clients decode what they get.
PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
GIF = base64.b64decode("R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==")
PDF = b"%PDF-1.1\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\n"
PDF += b"trailer<</Root 1 0 R>>\n"
PLACEHOLDERS = {"image/png": PNG, "image/gif": GIF, "application/pdf": PDF}
JSON = "application/json"
# The type that is sent for a described range of types, by its first half; JSON for any other.
CONCRETE_TYPES = {"text": "text/plain", "image": "image/png"}

# Headers of the transport, or computed from the answer. A sample of Content-Encoding made every answer unreadable.
COMPUTED_HEADERS = lexicon.words("sandbox/words", "computed_headers")


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpResponse:
    """A response to the client."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes = b""


def problem_response(problem: RequestProblem) -> HttpResponse:
    headers = (("content-type", "application/problem+json"), *problem.headers)
    return HttpResponse(status=problem.status, headers=headers, content=encode_json(problem.as_dict()))


# Statuses whose answers have no body (RFC 9110 §15.3.5, §15.3.6, §15.4.5).
_BODILESS = (204, 205, 304)


def encode_json(value: object) -> bytes:
    import orjson

    return orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)


def build_response(
    state: SandboxState, operation: Operation, result: HandlerResult, *, accept: str, path: str, prefix: str
) -> HttpResponse:
    """Return the response for a HandlerResult, in a media type that the client accepts."""
    status, response = _response(operation, is_created=result.created is not None)
    headers = list(_headers(state, response, result)) if response else []
    if result.created is not None:
        location = _location(state, operation, result.created, path, prefix)
        headers += [("location", location)] if location else []
    media = _media(response, accept) if response else None
    if media is None and result.value is not ABSENT and is_undescribed(operation):
        # Only a status that allows no body cannot stand: 202 with the item is 202.
        if status in _BODILESS:
            status = 201 if result.created is not None else 200
        headers.append(("content-type", JSON))
        return HttpResponse(status=status, headers=tuple(headers), content=encode_json(result.value))
    if media is None or status in _BODILESS:
        return HttpResponse(status=status, headers=tuple(headers))
    content = _content(state, operation, response, media, result)
    content_type = _concrete_type(media.content_type)
    return HttpResponse(status=status, headers=(("content-type", content_type), *headers), content=content)


def _concrete_type(content_type: str) -> str:
    """Return the type of an answer for a described one: a range such as `*/*` is not a type of any answer."""
    return CONCRETE_TYPES.get(essence(content_type).partition("/")[0], JSON) if "*" in content_type else content_type


def _response(operation: Operation, *, is_created: bool) -> tuple[int, Response | None]:
    """Return the described status of success, and its Response: 201 for a created item, else the lowest other 2xx.

    201 without a body beside a 200 with one is what generators write for each POST: the 200 is meant.
    """
    described = {
        (int(response.status) if response.status.isdecimal() else 200): response
        for response in operation.responses
        if response.status.upper().startswith("2")
    }
    if not described:
        # A description with `default` only, or with errors only, still has to be answered.
        default = operation.response()
        return (201 if is_created else 200) if default and default.media else 204, default
    statuses = sorted(status for status in described if is_created or status != 201) or sorted(described)
    has_bare_201 = 201 in described and not described[201].media and 200 in described and described[200].media
    status = 201 if is_created and 201 in described and not has_bare_201 else statuses[0]
    return status, described[status]


def _media(response: Response, accept: str) -> Media | None:
    """Return the media type of the answer: JSON where the client accepts it, else the first that it accepts."""
    if not response.media:
        return None
    ranked = sorted(response.media, key=lambda candidate: not may_be_json(candidate.content_type))
    accepted = [essence(part) for part in accept.split(",") if "q=0" not in part.replace("q=0.", "")]
    for media in ranked:
        kind = essence(media.content_type)
        if any(candidate in (kind, "*/*", kind.partition("/")[0] + "/*") for candidate in accepted):
            return media
    # Nothing fits: an answer in another type is allowed, and more useful than 406 (RFC 9110 §12.5.1).
    return ranked[0]


def _content(
    state: SandboxState, operation: Operation, response: Response | None, media: Media, result: HandlerResult
) -> bytes:
    kind = essence(_concrete_type(media.content_type))
    if may_be_json(kind):
        value = result.value
        if value is ABSENT or response is not operation.response():
            known_values = value if isinstance(value, dict) else ABSENT
            value = state.sampler.sample(media.schema, SampleContext(seed=state.seed, path=operation.id), known_values)
        return encode_json(value)
    if kind in PLACEHOLDERS:
        return PLACEHOLDERS[kind]
    example = next((text for text in media.examples if isinstance(text, str)), None)
    if example is not None:
        return example.encode()
    if kind.endswith(("/xml", "+xml")):
        return b"<?xml version='1.0'?><sandbox/>"
    sampled = state.sampler.sample(media.schema, SampleContext(seed=state.seed, path=operation.id, name="text"))
    return sampled.encode() if isinstance(sampled, str) else encode_json(sampled)


def _headers(state: SandboxState, response: Response, result: HandlerResult) -> list[tuple[str, str]]:
    """Return the described headers of a response, each with a sample of its schema."""
    headers = []
    for name, node in response.headers.items():
        if name.lower() in COMPUTED_HEADERS:
            continue
        described = state.schemas.spec.schema(node)
        schema = described.get("schema", {})
        # X-Total-Count, X-Pagination-Total: the total of a list where its body is a bare array.
        word = name_key(name).removeprefix("x").removeprefix("pagination")
        if result.total is not None and word in TOTAL_NAMES:
            value: Any = result.total
        else:
            value = state.sampler.sample(schema, SampleContext(seed=state.seed, path=f"header/{name}", name=name))
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if not isinstance(value, dict | list) and text.isascii() and text.isprintable():
            headers.append((name.lower(), text))
    return headers


def _location(state: SandboxState, operation: Operation, row: StoredItem, path: str, prefix: str) -> str:
    """Return the path at which a created item can be read, or ""."""
    key = quote(row.key, safe="")
    resource = next((candidate for candidate in state.semantics.resources if candidate.name == row.entity), None)
    current = state.semantics.resource_at(segments(operation.route))
    for collection in resource.collections if resource else ():
        if "GET" not in collection.item_operations:
            continue
        if current is resource and len(collection.path) == len(segments(operation.route)):
            return f"{path.rstrip('/')}/{key}"
        read = collection.item_operations["GET"]
        *parents, item = segments(read.route)
        values = _parent_values(state, tuple(parents), row.scope)
        if values is not None:
            return prefix + read.path.format_map({**values, str(item.parameter): key})
    return ""


def _parent_values(state: SandboxState, path: Path, scope: Mapping[str, str]) -> dict[str, str] | None:
    """Return the path values of an item's parents from its scope; None when one is unknown."""
    values = {parent.parameter: scope.get(parent.name) for parent in state.semantics.parents(path)}
    if None in values.values():
        return None
    return {name: quote(str(value), safe="") for name, value in values.items()}


# A callback after each request: method, path, status of the answer, and the reason of a refusal or "".
OnRequest = Callable[[str, str, int, str], None]

# Bytes of a request body, all of which is kept in memory.
MAX_BODY = 10 * 2**20

_log = logging.getLogger(__name__)

# Seconds to start or stop. It takes a fraction of one; the rest is for a machine with all of its cores busy.
START_TIMEOUT_S = 20.0


class Sandbox:
    """A stateful stand-in for the API of a Spec, as an ASGI application; it refuses with problem+json (RFC 9457).

    `seed` selects the sample data; `database` is a file for the items, or ":memory:". Close it after use.
    `nlapi.sandbox.running` and `serve` put a server in front of it. `samples` is the most of each kind below a parent.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        seed: int = 0,
        database: str = ":memory:",
        on_request: OnRequest | None = None,
        samples: int = SAMPLES_BELOW_FIRST,
    ) -> None:
        self.spec = spec
        self.on_request = on_request
        self._routes = RouteTable(spec)
        self._state = SandboxState.of(spec, seed=seed, database=database, samples=samples)
        self._answers_by_key: dict[tuple[str, str], HttpResponse] = {}

    def close(self) -> None:
        self._state.store.close()

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
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
            if has_two_lengths(name for name, _ in scope["headers"]):
                raise RequestProblem(400, "the body has two lengths", headers=[("connection", "close")])
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

    def respond(self, incoming: RawRequest, origin: str = "", *, is_trial: bool = False) -> HttpResponse:
        """Return the answer to a request. RequestProblem when it is refused, and then nothing has changed.

        Where an Idempotency-Key header is described, a second request with the same key gets the first answer. What a
        trial has changed is taken back.
        """
        if incoming.method == "OPTIONS" and (allowed := self._options(incoming.path)):
            return allowed
        matches = self._routes.matches(incoming.method, incoming.path, incoming.query, incoming.headers)
        match, checked = self._check(matches, incoming)
        _refuse_pages(match, incoming)
        idempotency_key = next(
            (str(value) for name, value in checked.headers.items() if name_key(name) == "idempotencykey"), ""
        )
        if idempotency_key and (match.operation.id, idempotency_key) in self._answers_by_key:
            return self._answers_by_key[match.operation.id, idempotency_key]
        store = self._state.store
        # One transaction a request: an answer that cannot be made leaves no half of a change. Samples made for it stay,
        # as the next request would make the same.
        store.begin()
        try:
            outcome = handle(self._state, match.operation, checked, origin + incoming.path)
            self._state.remember_references(match.operation, outcome.value)
            accept, path = incoming.headers.get("accept", "*/*"), incoming.path
            response = build_response(
                self._state, match.operation, outcome, accept=accept, path=path, prefix=match.prefix
            )
        except RequestProblem:
            if store.is_changed:
                self._roll_back()
            else:
                store.commit()
            raise
        except BaseException:
            self._roll_back()
            raise
        if is_trial and store.is_changed:
            self._roll_back()
            return response
        store.commit()
        if idempotency_key:
            self._answers_by_key[match.operation.id, idempotency_key] = response
        return response

    def stored_id(self, operation: Operation, parameter: str) -> Any:
        """Return the id of an item that a parameter of a path may name; None where no item is known for it."""
        state = self._state
        role, scope = state.semantics.classify(operation), dict[str, str]()
        own = [(role.resource, role.key, "")] if role.key else []
        parents = [(parent.resource, parent.parameter, parent.name) for parent in role.parents]
        for resource, name, kind in (*parents, *own):
            rows = state.fixtures.rows(resource, scope) if resource is not None else []
            if name == parameter:
                return state.ids.typed_id(resource, rows[0].key) if resource is not None and rows else None
            if rows:
                scope[kind] = rows[0].key
        return None

    def _roll_back(self) -> None:
        self._state.store.rollback()
        self._state.fixtures.forget_filled()

    def _check(self, matches: list[RouteMatch], incoming: RawRequest) -> tuple[RouteMatch, ValidRequest]:
        """Return the first operation whose description allows the request, with the values of the request."""
        refusal: RequestProblem | None = None
        for match in matches:
            try:
                fields, own = take_body_credentials(match.operation, incoming)
                authenticate(match.operation, {**_credential_fields(incoming), "body": fields})
                return match, check_request(match.operation, match.raw, own, self._state.schemas)
            except RequestProblem as problem:
                refusal = refusal or problem
        raise refusal or RequestProblem(404, f"{incoming.path} is not a path of this API")

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


def _refuse_pages(match: RouteMatch, incoming: RawRequest) -> None:
    """RequestProblem 403 for a request of a web page of another origin, but where an operation describes the header."""
    origin = incoming.headers.get("origin")
    if origin is None or is_same_origin(origin, "http", incoming.headers.get("host", "")):
        return
    if not any(entry.location == "header" and name_key(entry.name) == "origin" for entry in match.operation.parameters):
        raise RequestProblem(403, f"pages of {origin[:80]!r} may not call this server")


def _origin(scope: Message) -> str:
    host = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
    return f"{scope.get('scheme', 'http')}://{host}" if host else ""


async def _body(receive: Receive) -> bytes:
    """Return the whole body. RequestProblem 413 when it is too large."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A sandbox that answers at `url`."""

    url: str
    sandbox: Sandbox


@contextmanager
def running(
    spec: Spec,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    seed: int = 0,
    database: str = ":memory:",
    on_request: OnRequest | None = None,
) -> Iterator[Running]:
    """Run a sandbox in a thread while the `with` block lasts; it answers when the block is entered.

    Port 0 is any free port. UsageError when the address is in use.
    """
    with (
        Sandbox(spec, seed=seed, database=database, on_request=on_request) as sandbox,
        open_listener(host, port) as (listener, url),
    ):
        ready = threading.Event()
        server = quiet_server(sandbox, ready.set)
        thread = threading.Thread(target=lambda: asyncio.run(server.serve([listener])), name="sandbox", daemon=True)
        thread.start()
        try:
            if not ready.wait(START_TIMEOUT_S):
                raise NlapiError("the sandbox did not start", hint="try again, or another port")
            yield Running(url=url, sandbox=sandbox)
        finally:
            if ready.is_set():
                server.stop()
            thread.join(START_TIMEOUT_S)


def serve(
    spec: Spec,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    seed: int = 0,
    database: str = ":memory:",
    on_ready: Callable[[str], None] | None = None,
    on_request: OnRequest | None = None,
) -> None:
    """Serve until KeyboardInterrupt, which is passed on. `on_ready` is called with the URL when it answers."""
    with (
        Sandbox(spec, seed=seed, database=database, on_request=on_request) as sandbox,
        open_listener(host, port) as (listener, url),
    ):
        server = quiet_server(sandbox, lambda: on_ready(url) if on_ready else None)
        asyncio.run(server.serve([listener]))
