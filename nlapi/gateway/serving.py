"""The HTTP face of serving: `POST /v1/objectives/{objective}/serve` as an ASGI endpoint, with nothing on its way."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import orjson

from nlapi.gateway import metrics
from nlapi.gateway.calls import NO_CONTEXT, Ask, Served
from nlapi.gateway.codec import encode_decision, slug
from nlapi.gateway.engine import Engine
from nlapi.gateway.problem import Problem
from nlapi.gateway.refusals import invalid
from nlapi.routing.nouns import Decision

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Authorize = Callable[[Message], str]
"""The name of the client that sent the request with this ASGI scope. Problem 401 or 403 when it may not serve."""

LARGEST_BODY = 2**20
LONGEST_ID = 128
MOST_RENDERED = 8192

_JSON = (b"content-type", b"application/json")
_PROBLEM = (b"content-type", b"application/problem+json")
_MEMBERS = frozenset(("input", "context"))

_log = logging.getLogger(__name__)


def anybody(scope: Message) -> str:
    """Authorizes every request, as nobody in particular."""
    return ""


class ServeEndpoint:
    """Serves an objective. Mount it as it is: `Route(PATH, ServeEndpoint(engine, authorize=...), methods=["POST"])`.

    It answers its Problems by itself, so that no middleware has to be on its way.
    """

    PATH = "/v1/objectives/{objective}/serve"

    def __init__(self, engine: Engine, *, authorize: Authorize = anybody, largest_body: int = LARGEST_BODY) -> None:
        self._engine = engine
        self._authorize = authorize
        self._largest = largest_body
        self._rendered: dict[int, tuple[Decision, orjson.Fragment]] = {}

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        try:
            status, headers, body = 200, [_JSON], await self._answer(scope, receive)
        except Problem as problem:
            status, headers, body = _refusal(problem)
        except Exception:
            # The one place that catches everything: a client is never shown a traceback.
            _log.exception("serve %s", scope["path_params"])
            status, headers, body = _refusal(Problem(500, "the gateway failed", code="internal"))
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Message, receive: Receive) -> bytes:
        client = self._authorize(scope)
        request_id, synthetic, trace, media_type = _headers(scope)
        if not media_type.startswith(b"application/json"):
            raise Problem(
                415, "the body is not application/json", code="unsupported_media_type", path="header.content-type"
            )
        given, context = _read(await self._body(receive))
        name = scope["path_params"]["objective"]
        objective = name if name in self._engine.configuration.objectives else slug(name)
        ask = Ask(
            input=given,
            context=context,
            client=client,
            request_id=request_id or self._engine.new_request_id(),
            synthetic=synthetic,
            trace=trace,
        )
        return self._render(await self._engine.serve(objective, ask))

    async def _body(self, receive: Receive) -> bytes:
        message = await receive()
        body: bytes = message.get("body", b"")
        while message.get("more_body"):
            if len(body) > self._largest:
                break
            message = await receive()
            body += message.get("body", b"")
        if len(body) > self._largest:
            raise Problem(413, f"the body is larger than {self._largest} bytes", code="too_large", path="body")
        return body

    def _render(self, served: Served) -> bytes:
        answer = {
            "output": served.output,
            "request_id": served.request_id,
            "decision": self._fragment(served.decision),
            "stages_ms": served.stages,
            "attempts": served.attempts,
            "fallback": served.fallback,
        }
        try:
            return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
        except TypeError as error:
            why = f"{served.version} gave an output that JSON cannot say"
            raise Problem(502, why, code="version_failed", hint="its last stage has to give plain values") from error

    def _fragment(self, decision: Decision) -> orjson.Fragment:
        """A decision's JSON. One Decision is shared by all requests that get it, so that it is written once."""
        known = self._rendered.get(id(decision))
        if known is None:
            if len(self._rendered) >= MOST_RENDERED:
                self._rendered.clear()
            fragment = orjson.Fragment(orjson.dumps(encode_decision(decision)))
            known = self._rendered[id(decision)] = (decision, fragment)
        return known[1]


class MetricsEndpoint:
    """Everything that was counted, for Prometheus."""

    PATH = "/metrics"

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        body = self._engine.metrics.text().encode()
        headers = [(b"content-type", metrics.CONTENT_TYPE.encode()), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def serve_endpoint(engine: Engine, *, authorize: Authorize = anybody) -> ServeEndpoint:
    """The endpoint that an application mounts at `ServeEndpoint.PATH`."""
    return ServeEndpoint(engine, authorize=authorize)


def _headers(scope: Message) -> tuple[str, bool, str, bytes]:
    request_id, synthetic, trace, media_type = "", False, "", b""
    for name, value in scope["headers"]:
        if name == b"content-type":
            media_type = value
        elif name == b"x-request-id":
            request_id = _id(value)
        elif name == b"x-synthetic":
            synthetic = _flag(value)
        elif name == b"traceparent":
            trace = value.decode("latin-1")[:LONGEST_ID]
    return request_id, synthetic, trace, media_type


def _id(value: bytes) -> str:
    text = value.decode("latin-1")
    if not (0 < len(text) <= LONGEST_ID and text.isascii() and text.isprintable()):
        raise invalid(f"an id has 1 to {LONGEST_ID} printable characters", "header.x-request-id")
    return text


def _flag(value: bytes) -> bool:
    if value not in (b"true", b"false"):
        raise invalid("it is neither true nor false", "header.x-synthetic")
    return value == b"true"


def _read(body: bytes) -> tuple[Any, Any]:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem(400, f"the body is not JSON: {error}", code="malformed_json", path="body") from None
    if type(document) is not dict:
        raise invalid("it is not an object", "body", 'such as {"input": ..., "context": {...}}')
    if "input" not in document:
        raise invalid("it has no input", "body.input", 'such as {"input": ..., "context": {...}}')
    if not document.keys() <= _MEMBERS:
        unknown = sorted(document.keys() - _MEMBERS)[0]
        raise invalid("there is no such member", f"body.{unknown[:80]}", "the members are input and context")
    context = document.get("context", NO_CONTEXT)
    if not isinstance(context, dict):
        raise invalid("it is not an object", "body.context")
    return document["input"], context


def _refusal(problem: Problem) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    headers = [_PROBLEM, *((name.lower().encode(), value.encode()) for name, value in problem.headers.items())]
    return problem.status, headers, orjson.dumps(problem.as_dict())
