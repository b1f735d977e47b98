"""The HTTP of both protocols of model servers: requests with further attempts, streams of events, reasons of errors."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import orjson

from nlapi.agent.models.endpoints import ModelEndpoint, ModelProtocol
from nlapi.client.auth import secret_parts
from nlapi.client.masking import redact
from nlapi.client.message import parse_retry_after
from nlapi.client.safe_text import single_line
from nlapi.client.streaming.parsers import ServerSentEvents
from nlapi.errors import PlannerError, UnfinishedError
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.egress import explain_connection_error
from nlapi.version import __version__

if TYPE_CHECKING:
    from ssl import SSLContext

    import httpx2


# In seconds: between two pieces of an answer, and until a server is connected. A model on a CPU may read for minutes.
READ_TIMEOUT = 600.0
CONNECT_TIMEOUT = 10.0
# In seconds, of a Retry-After; a longer one ends the attempts, as nobody sees that nlapi waits.
MAX_WAIT = 60.0
# Seconds before the second attempt, doubled for each further one, and the most: those of Anthropic's SDK.
FIRST_BACKOFF = 0.5
MAX_BACKOFF = 8.0
# Bytes of the body of an error; the reason in it is shown with 300 characters.
MAX_ERROR_BODY = 20_000
# In seconds, for that body: the status alone says what went wrong.
ERROR_TIMEOUT = 3.0
# Bytes of an event, or of a whole answer that is not streamed; and of the events of an answer for each token that it
# may have. OpenAI's have 330.
MAX_EVENT = 8_000_000
MAX_TOKEN_EVENT = 500
_RETRIED = (408, 409, 429)
_REDIRECTS = (307, 308)
_JITTER = random.SystemRandom()


class ModelServerError(Exception):
    """An error that a server of models sent: in place of an answer, or with status 200 inside of its stream.

    `kind` is the `type` of the error, and `reason` its message. `retry_after` is the header as it came. `request_id`
    names the request in the server's own records.
    """

    def __init__(self, response: httpx2.Response, error: object) -> None:
        headers = response.headers
        details = error.get("error") or error if isinstance(error, Mapping) else error
        fields: Mapping[str, object] = details if isinstance(details, Mapping) else {"message": details}
        # FastAPI, in which many servers are written, has `detail`.
        kind, message = fields.get("type"), fields.get("message") or fields.get("detail")
        self.status = response.status_code
        self.kind = kind if isinstance(kind, str) else ""
        # Also the token of a profile, which nobody else here knows.
        credential = secret_parts(response.request.headers.get("authorization", ""))
        self.reason = redact(message if isinstance(message, str) else self.kind, credential)
        self.retry_after = headers.get("retry-after", "")
        self.request_id = headers.get("request-id", "")
        super().__init__(f"{self.status} {self.kind}")


class AnswerSizeError(ValueError):
    """A server of models sends more than an answer can be."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"more than {limit // 1_000_000} MB")


def encode_json(value: object) -> bytes:
    """Return compact JSON of a prompt.

    What orjson refuses goes out as well: integers of more than 64 bits, deep nesting, and halves of Unicode
    characters, which are escaped.
    """
    try:
        return orjson.dumps(value)
    except TypeError:
        return json.dumps(value, separators=(",", ":")).encode()


class ModelHttp:
    """Connections to one server of models, for one event loop."""

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        *,
        max_retries: int,
        ssl_context: SSLContext,
        auth: httpx2.Auth | None = None,
    ) -> None:
        """`url` is that of the requests, `auth` a credential that is renewed.

        httpx2.InvalidURL for no URL, PlannerError for an unusable proxy.
        """
        import httpx2

        self._url = httpx2.URL(url)
        self._headers = {
            "accept": "application/json",
            "user-agent": f"nlapi/{__version__}",
            "content-type": "application/json",
            **headers,
        }
        self._max_retries = max_retries
        timeout = httpx2.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT)
        try:
            self._client = httpx2.AsyncClient(timeout=timeout, verify=ssl_context, auth=auth)
        # Not with the text of the error, which may have the proxy's password.
        except (httpx2.InvalidURL, ValueError, ImportError):
            hint = "HTTP_PROXY, HTTPS_PROXY and ALL_PROXY take http:// addresses; NO_PROXY names hosts without one"
            raise PlannerError("the environment names a proxy that nlapi cannot use", hint=hint) from None

    async def close(self) -> None:
        await self._client.aclose()

    @asynccontextmanager
    async def post(self, body: Mapping[str, Any]) -> AsyncIterator[httpx2.Response]:
        """Send a request and yield its response, whose body is still to be read.

        A request that got no response, or one of a server that is busy, is sent again: a model changes nothing.
        ModelServerError for a response that is not a success, httpx2.HTTPError where none comes.
        """
        import httpx2

        content = encode_json(body)
        for attempt in range(self._max_retries + 1):
            is_last = attempt == self._max_retries
            try:
                response = await self._send(content)
            except httpx2.TransportError:
                if is_last:
                    raise
                wait = _backoff(attempt)
            else:
                if response.is_success:
                    break
                wait = _wait_seconds(response.headers, attempt)
                if is_last or not _is_retried(response) or wait > MAX_WAIT:
                    raise await _server_error(response)
                await response.aclose()
            await asyncio.sleep(wait)
        try:
            yield response
        finally:
            await response.aclose()

    async def _send(self, content: bytes) -> httpx2.Response:
        """Send the request once, and once more where the same host has moved it."""
        request = self._client.build_request("POST", self._url, content=content, headers=self._headers)
        response = await self._client.send(request, stream=True)
        moved = response.next_request if response.status_code in _REDIRECTS else None
        # Any other server would get the conversation, and the headers that the user set for this one.
        is_same_server = moved is not None and moved.url.netloc == request.url.netloc
        if moved is None or not is_same_server or moved.url.scheme not in ("https", request.url.scheme):
            return response
        await response.aclose()
        return await self._client.send(moved, stream=True)


def _is_retried(response: httpx2.Response) -> bool:
    """Return whether another attempt may succeed; the server's own word on that counts first."""
    if (decision := response.headers.get("x-should-retry")) in ("true", "false"):
        return bool(decision == "true")
    return response.status_code in _RETRIED or response.status_code >= 500


def _backoff(attempt: int) -> float:
    # Jitter, so that clients which lost a server at one moment do not all return at one moment.
    return min(FIRST_BACKOFF * 2.0**attempt, MAX_BACKOFF) * _JITTER.uniform(0.75, 1)


def _wait_seconds(headers: Mapping[str, str], attempt: int) -> float:
    """Return the seconds that the server asks to wait, in milliseconds, seconds or as a date, or else the back-off."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        if (seconds := parse_retry_after(headers.get(name, ""))) is not None:
            return seconds * unit
    return _backoff(attempt)


async def _server_error(response: httpx2.Response) -> ModelServerError:
    """Return the error that a response is, and close that."""
    import httpx2

    content = b""
    with suppress(httpx2.HTTPError, TimeoutError):
        async with asyncio.timeout(ERROR_TIMEOUT):
            async for piece in response.aiter_bytes():
                content += piece
                if len(content) > MAX_ERROR_BODY:
                    break
    await response.aclose()
    text = content[:MAX_ERROR_BODY].decode("utf-8", "replace").strip()
    error: object = "" if text.startswith("<") else text
    with suppress(ValueError, RecursionError):
        error = json.loads(text)
    return ModelServerError(response, error)


async def read_events(response: httpx2.Response, max_tokens: int) -> AsyncGenerator[dict[str, Any], None]:
    """Yield the JSON objects of the events of a stream; of an answer that is not streamed, the whole.

    ValueError for what is neither, AnswerSizeError (one of those) for more than `max_tokens` can take, ModelServerError
    for an error among the events. An event that the end of the stream cuts is dropped.
    """
    if "text/event-stream" not in response.headers.get("content-type", ""):
        pieces = [piece async for piece in _bounded(response, MAX_EVENT)]
        yield _check_event({"data": json.loads(b"".join(pieces))}, response)
        return
    # Strict: a call with a character that could not be read is not the call that the model made.
    parser = ServerSentEvents(errors="strict")
    event_size = 0
    async for piece in _bounded(response, MAX_EVENT + max_tokens * MAX_TOKEN_EVENT):
        event_size += len(piece)
        for event in parser.feed(piece):
            event_size = 0
            yield _check_event(event, response)
        if parser.is_over:
            return
        if event_size > MAX_EVENT:
            raise AnswerSizeError(MAX_EVENT)


async def _bounded(response: httpx2.Response, limit: int) -> AsyncIterator[bytes]:
    """Yield the body in pieces. AnswerSizeError once it has more bytes than the limit."""
    size = 0
    async for piece in response.aiter_bytes():
        size += len(piece)
        if size > limit:
            raise AnswerSizeError(limit)
        yield piece


def _check_event(event: Mapping[str, Any], response: httpx2.Response) -> dict[str, Any]:
    """Return the data of an event, if it is an object and no error."""
    data = event["data"]
    is_object = isinstance(data, dict)
    # The Messages API has a type for it, others an `error`, and vLLM its own object.
    is_error = is_object and (data.get("error") or "error" in (data.get("type"), data.get("object")))
    if is_error or event.get("event") == "error":
        raise ModelServerError(response, data)
    if not isinstance(data, dict):
        raise ValueError("an event is not a JSON object")
    return data


# Texts of Anthropic, OpenAI, llama.cpp, Ollama and vLLM.
_TOO_LONG = lazy_pattern(
    r"context.{0,20}(length|window|size|limit)|too long|too many tokens|exceeds? the (limit|available)", re.I
)


class PromptTooLongError(UnfinishedError):
    """The conversation does not fit into the window of the model."""


def explain_error(error: Exception, endpoint: ModelEndpoint) -> PlannerError:
    """Return a PlannerError with the cause and the next step; no part of it has the key.

    `error` is a ModelServerError, an error of httpx2, or one of reading what should be an answer.
    """
    import httpx2

    if isinstance(error, ModelServerError):
        return _explain_refusal(error, endpoint)
    if isinstance(error, httpx2.TimeoutException):
        hint = "try again, or use --planner offline"
        return PlannerError(f"{endpoint.address} did not answer in time", hint=hint)
    if isinstance(error, httpx2.HTTPError):
        failure = explain_connection_error(error)
        outcome = f"failed: {single_line(failure.reason)}" if failure else "failed or broke off"
        hint = f"is the server running? {endpoint.address_setting} has its address; --planner offline does without"
        if endpoint.variable == "ANTHROPIC_API_KEY":
            hint = f"check the network and {endpoint.address_setting}, or use --planner offline"
        hint = failure.hint if failure and failure.hint else hint
        return PlannerError(f"the connection to {endpoint.address} {outcome}", hint=hint)
    if isinstance(error, AnswerSizeError):
        message = f"{endpoint.address} sent {error} as one answer; nothing of it was run"
        return PlannerError(message, hint="is it a server of models? ask again, or use --planner offline")
    reason = (
        f"{endpoint.address} sent something other than an answer of {endpoint.protocol_name}; nothing of it was run"
    )
    is_chat = endpoint.protocol is ModelProtocol.CHAT
    hint = "does it serve /chat/completions? models.toml sets the protocol" if is_chat else "ask again"
    return PlannerError(reason, hint=hint)


# The kinds of errors that a status alone tells.
_KINDS = {401: "authentication_error", 404: "not_found_error", 405: "not_found_error", 429: "rate_limit_error"}
_KINDS |= {529: "overloaded_error"}


def _explain_refusal(error: ModelServerError, endpoint: ModelEndpoint) -> PlannerError:
    status, kind, server = error.status, error.kind, endpoint.server_name
    # Masked before it is cut, or a part of the key would stay.
    reason = endpoint.mask(single_line(error.reason))[:300]
    because = f": {reason}" if reason else ""
    kind = _KINDS.get(status, kind)
    if kind == "authentication_error":
        return PlannerError(f"{server} does not accept the key{because}", hint=endpoint.key_hint)
    if kind == "not_found_error":
        return PlannerError(f"{server} has no model {endpoint.model!r}{because}", hint=endpoint.model_hint)
    if kind == "rate_limit_error":
        wait = error.retry_after
        hint = f"try again in {wait} s" if wait.isdecimal() and wait != "0" else "try again in a minute"
        return PlannerError(f"the rate limit of {server} is reached{because}", hint=hint)
    if kind == "overloaded_error":
        return PlannerError(f"{server} is overloaded", hint="try again in a minute, or use --planner offline")
    if status == 413 or (status == 400 and _TOO_LONG.search(reason)):
        message = f"the conversation is too long for {endpoint.model}{because}"
        return PromptTooLongError(message, hint="start a new one")
    if status in (402, 403):
        return PlannerError(f"{server} refused{because}", hint="check the rights and the credit of the key")
    outcome = "failed" if status == 200 else f"answered {status}"
    request = f", request {endpoint.mask(single_line(error.request_id))[:80]}" if error.request_id else ""
    hint = "try again, or use --planner offline"
    return PlannerError(f"{server} {outcome}: {reason or 'no reason given'}{request}", hint=hint)
