"""Runs a version that is an LLM: sends the request to its upstream, and streams or returns the answer."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING

import orjson

from nlapi.errors import NlapiError
from nlapi.gateway.http_client import AnswerBrokenError, AnswerTooLargeError
from nlapi.gateway.inference import (
    ClientConnection,
    FailureKind,
    InferenceError,
    InferenceRequest,
    InferenceResult,
    TokenUsage,
    UpstreamError,
)
from nlapi.gateway.llm.event_stream import EventScanner, EventTooLargeError
from nlapi.gateway.llm.protocols import PROTOCOLS
from nlapi.gateway.llm.upstream import LlmUpstream
from nlapi.gateway.llm.usage import BYTES_PER_TOKEN, Prices, build_usage
from nlapi.gateway.server_errors import clean_text, error_text
from nlapi.gateway.shard_access import secret_texts
from nlapi.routing.model import Version

if TYPE_CHECKING:
    from nlapi.gateway.http_session import HttpAnswer

# Seconds without an event after which a stream is cut. Upstreams send keep-alive events or tokens far more often;
# reasoning models have been silent for half a minute.
MAX_SILENCE_S = 120.0
MAX_STREAM_S = 3600.0
MAX_ANSWER_BYTES = 64 * 2**20
MAX_ERROR_BYTES = 64 * 2**10
# Seconds between two renewals of the limit on silence: a renewal for each event would cost 1 us each.
RENEWAL_INTERVAL_S = 1.0

_log = logging.getLogger(__name__)

# Statuses for mistakes of the caller, whose text the caller has to see: invalid, too large, unsupported, not
# processable. 401, 403 and 404 are mistakes in the configuration of the version.
_CALLER_STATUSES = (400, 413, 415, 422)
_KEY_STATUSES = (401, 403)


@dataclass(slots=True)
class _Call:
    """One call in progress: its body, and what arrived of its stream."""

    headers: dict[str, str]
    body: bytes
    secrets: tuple[str, ...]
    scanner: EventScanner
    streams: bool
    attempts: int = 0
    answer_bytes: int = 0
    first_token_at: float = 0.0
    started_at: float = 0.0
    answered: bool = False
    """whether the upstream accepted the request, so that tokens were spent"""
    is_sending: bool = False
    """whether it waits for the client to read"""


class LlmRunner:
    """The runner of one version on a shard with an LLM protocol."""

    def __init__(self, version: Version, upstream: LlmUpstream, *, owns_upstream: bool = False) -> None:
        self.upstream = upstream
        self.llm = PROTOCOLS[upstream.shard.protocol]
        self._version = version
        self._model = version.upstream_model or version.name
        self._prices = Prices.of(version)
        self._owns_upstream = owns_upstream

    @property
    def protocol(self) -> str:
        """The name of its LLM protocol."""
        return str(self.llm.name)

    async def run(self, request: InferenceRequest, timeout_s: float, *, repeatable: bool) -> InferenceResult:
        """Return the answer, or stream it to the request's connection.

        `timeout_s` is for the whole answer, and for a stream until its first event. Failed when there is no answer,
        or a stream breaks.
        """
        self.upstream.bulkhead.enter(request)
        try:
            return await self._call(request, timeout_s, repeatable=repeatable)
        finally:
            self.upstream.bulkhead.leave(request)

    async def _call(self, request: InferenceRequest, timeout_s: float, *, repeatable: bool) -> InferenceResult:
        connection = request.connection
        call = self._build_call(request)
        deadline = asyncio.timeout(timeout_s)
        try:
            async with deadline, self._open(call, repeatable=repeatable) as answer:
                if call.streams and connection is not None:
                    await self._stream(call, answer, connection, deadline)
                    output = None
                else:
                    output = await self._read_output(call, answer)
        except TimeoutError:
            if call.is_sending:  # the upstream is not to blame
                raise self._failure(call, FailureKind.CANCELED, "the client did not read its stream") from None
            silence = connection is not None and connection.started
            text = "its stream was silent for too long" if silence else f"no answer within {timeout_s * 1000:.0f} ms"
            raise self._failure(call, FailureKind.TIMEOUT, text) from None
        except AnswerTooLargeError as error:
            raise self._failure(call, FailureKind.INVALID, f"its answer is too large ({error})") from error
        except AnswerBrokenError as error:
            raise self._failure(call, FailureKind.ERROR, f"its answer broke off ({error})") from error
        except EventTooLargeError as error:
            raise self._failure(call, FailureKind.INVALID, "an event of its stream is too large") from error
        except asyncio.CancelledError:
            # What was spent is charged although nobody reads it: or clients would go away before the usage arrives.
            raise self._failure(call, FailureKind.CANCELED, "the client went away") from None
        ms = (perf_counter() - call.started_at) * 1000
        return InferenceResult(
            output=output,
            stages={"upstream": ms},
            attempts=call.attempts,
            usage=self._usage(call),
            streamed=call.streams,
        )

    async def close(self) -> None:
        if self._owns_upstream:
            await self.upstream.close()

    def _build_call(self, request: InferenceRequest) -> _Call:
        if not isinstance(request.input, dict):
            text = f"the input is no request of the protocol {self.protocol}, which is a JSON object"
            raise UpstreamError(FailureKind.REFUSED, text, executed=False, status=422)
        streams = request.connection is not None and request.connection.wants_stream
        body = {**request.input, "model": self._model}
        body.pop("stream", None)
        hides_usage = False
        if streams:
            options, hides_usage = self.llm.stream_options(request.input)
            body |= options
        else:
            body.pop("stream_options", None)
        try:
            key, extra = self.upstream.access.read_key(), self.upstream.access.read_headers()
        except NlapiError as error:
            # The client sees neither the path of a file nor the name of a variable.
            _log.warning("%s: %s", self._version.ref, error.message)
            text, hint = "its key cannot be read", f"check the key of shard {self.upstream.shard.name}"
            raise UpstreamError(FailureKind.ERROR, text, executed=False, operator_text=hint) from None
        headers = {
            **self.llm.default_headers(),
            **request.headers,
            "content-type": "application/json",
            "accept": "text/event-stream" if streams else "application/json",
            **(self.llm.auth_headers(key) if key else {}),
            **extra,
        }
        return _Call(
            headers=headers,
            body=orjson.dumps(body),
            secrets=secret_texts({"key": key, **extra}),
            scanner=EventScanner(self.llm, hides_usage=hides_usage),
            streams=streams,
            started_at=perf_counter(),
        )

    @asynccontextmanager
    async def _open(self, call: _Call, *, repeatable: bool) -> AsyncIterator[HttpAnswer]:
        """Give the first answer with status 200 of the endpoints. Failed when there is none."""
        text = f"every endpoint of shard {self.upstream.shard.name} has too many calls in flight"
        failure: InferenceError = UpstreamError(FailureKind.UNAVAILABLE, text, executed=False)
        for endpoint in self.upstream.endpoints():
            call.attempts += 1
            try:
                path = self.llm.path(endpoint.path)
                post = self.upstream.post(endpoint, path, call.headers, call.body, repeatable=repeatable)
                async with post as answer:
                    if answer.status == 200:
                        answer.check_codings()
                        endpoint.answered += 1
                        call.answered = True
                        yield answer
                        return
                    endpoint.failed += answer.status not in _CALLER_STATUSES
                    failure = await self._read_failure(call, answer)
            except InferenceError as error:
                if call.answered:
                    raise
                failure = error
            if failure.kind is FailureKind.REFUSED or (failure.executed and not repeatable):
                break
        failure.attempts = max(call.attempts, 1)
        raise failure

    async def _stream(
        self, call: _Call, answer: HttpAnswer, connection: ClientConnection, deadline: asyncio.Timeout
    ) -> None:
        """Send the events of an answer to the client as they arrive."""
        if answer.media_type != "text/event-stream":
            text = f"it answered {answer.media_type[:80] or 'without a type'} where a stream was asked for"
            raise self._failure(call, FailureKind.INVALID, text)
        scanner, loop = call.scanner, asyncio.get_running_loop()
        end = loop.time() + MAX_STREAM_S
        renewal_at = size = 0.0
        while chunk := await answer.read():
            size += len(chunk)
            events = scanner.feed(chunk)
            now = loop.time()
            if size > MAX_ANSWER_BYTES or now > end:
                raise self._failure(call, FailureKind.INVALID, "its stream does not end")
            if not events:
                continue
            if not call.first_token_at and scanner.has_token:
                call.first_token_at = perf_counter()
            if now >= renewal_at:
                # Only events renew it: a stream of bytes that never makes an event is silence.
                deadline.reschedule(now + MAX_SILENCE_S)
                renewal_at = now + RENEWAL_INTERVAL_S
            await self._send(call, connection, events)
        if rest := scanner.finish():
            await self._send(call, connection, rest)
        if not scanner.is_complete:
            raise self._failure(call, FailureKind.ERROR, "its stream ended before its last event")

    async def _send(self, call: _Call, connection: ClientConnection, events: bytes) -> None:
        call.is_sending = True
        if not connection.started:
            await connection.start(self._version.ref)
        await connection.send(events)
        call.is_sending = False

    async def _read_output(self, call: _Call, answer: HttpAnswer) -> dict[str, object]:
        content = await answer.read_all(MAX_ANSWER_BYTES)
        call.answer_bytes = len(content)
        try:
            output = orjson.loads(content)
        except orjson.JSONDecodeError:
            output = None
        if not isinstance(output, dict):
            raise self._failure(call, FailureKind.INVALID, "its answer is no JSON object")
        self.llm.add_usage(output, call.scanner.count)
        return output

    async def _read_failure(self, call: _Call, answer: HttpAnswer) -> InferenceError:
        """Return the failure that an answer with another status than 200 stands for."""
        status = answer.status
        if status in _KEY_STATUSES:
            text = f"the upstream refuses its key ({status})"
            hint = f"check the key of shard {self.upstream.shard.name}"
            _log.warning("%s: %s; %s", self._version.ref, text, hint)
            return UpstreamError(FailureKind.ERROR, text, executed=False, operator_text=hint)
        try:
            content = await answer.read_all(MAX_ERROR_BYTES)
        except AnswerBrokenError:
            content = b""
        detail = clean_text(error_text(content), call.secrets, hides_addresses=False)
        text = f"the upstream answered {status}"
        if status in _CALLER_STATUSES:
            text += f": {detail}" if detail else ""
            hint = "change the request: sent again as it is, it is refused again"
            return UpstreamError(FailureKind.REFUSED, text, executed=False, status=status, hint=hint)
        if status == 404:
            hint = f"check the shard's endpoints and the version's upstream_model, {self._model!r}"
            operator_text = f"{detail}; {hint}" if detail else hint
            return UpstreamError(FailureKind.ERROR, text, executed=False, operator_text=operator_text)
        if status == 429:
            return UpstreamError(FailureKind.UNAVAILABLE, "the upstream has too much to do (429)", executed=False)
        # Any other text may name the upstream's hosts, accounts and models, which are no business of the caller.
        return UpstreamError(FailureKind.ERROR, text, executed=status >= 500, operator_text=detail)

    def _failure(self, call: _Call, kind: FailureKind, message: str) -> InferenceError:
        # A call that was given up before its head may have spent tokens too: an answer that is not streamed has its
        # head when all of it is there.
        is_given_up = kind in (FailureKind.TIMEOUT, FailureKind.CANCELED) and call.attempts
        if call.streams and not call.scanner.is_complete:
            # Anthropic's first event reports one token of output; the events that came after it are more.
            call.scanner.count.output_tokens = None
        usage = self._usage(call) if call.answered or is_given_up else None
        return UpstreamError(kind, message, executed=True, attempts=max(call.attempts, 1), usage=usage)

    def _usage(self, call: _Call) -> TokenUsage:
        first_token_ms = (call.first_token_at - call.started_at) * 1000 if call.first_token_at else 0.0
        return build_usage(
            call.scanner.count,
            self._prices,
            input_bytes=len(call.body),
            output_tokens_estimate=call.answer_bytes // BYTES_PER_TOKEN or call.scanner.event_count,
            first_token_ms=first_token_ms,
        )
