"""Runs a version that is an LLM: sends the request to its upstream, and streams or returns the answer."""

from __future__ import annotations

import asyncio
import logging
import re
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import orjson

from nlapi.errors import NlapiError
from nlapi.gateway.inference import (
    ClientConnection,
    FailureKind,
    InferenceError,
    InferenceRequest,
    InferenceResult,
    TokenUsage,
    UpstreamError,
)
from nlapi.gateway.llm.protocols import PROTOCOLS, LlmProtocol
from nlapi.gateway.llm.usage import BYTES_PER_TOKEN, CALLS_WITHOUT_OUTPUT, COUNT_TOKENS, Prices, TokenCount, build_usage
from nlapi.gateway.shards.bulkhead import Bulkhead
from nlapi.gateway.shards.http_client import (
    AnswerBrokenError,
    AnswerTooLargeError,
    EndpointClient,
    NoAnswerError,
    NotSentError,
)
from nlapi.gateway.shards.secret_references import AllowedReferences, ShardAccess, secret_texts
from nlapi.gateway.shards.server_errors import clean_text, error_text
from nlapi.routing.model import Shard, Version

if TYPE_CHECKING:
    from nlapi.gateway.shards.http_session import HttpAnswer


# Bytes of one event. The largest that upstreams send are deltas of a few hundred bytes, or a whole call of a tool; the
# bound keeps an upstream that never ends an event from filling the memory.
MAX_EVENT_BYTES = 2 * 2**20

_EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_ENDINGS = (b"\n\n", b"\r\n\r\n", b"\r\r")


class EventTooLargeError(ValueError):
    """An event is larger than MAX_EVENT_BYTES."""


class EventScanner:
    """The events of one stream. Only those that may hold usage or the first token are parsed."""

    # 100 streams of 50 tokens a second are 5,000 events a second: parsing each costs 3 us, this scan 0.6.
    def __init__(self, protocol: LlmProtocol, *, hides_usage: bool = False) -> None:
        self._protocol = protocol
        self._hides_usage = hides_usage
        self._rest = b""
        self._last_events = b""
        self.count = TokenCount()
        self.event_count = 0
        self.has_token = False

    def feed(self, chunk: bytes) -> bytes:
        """Return the whole events that end in `chunk`; b"" when none does. EventTooLargeError."""
        data = self._rest + chunk if self._rest else chunk
        if data.endswith(_ENDINGS):
            self._rest = b""
        else:
            end = max(data.rfind(ending) + len(ending) if ending in data else 0 for ending in _ENDINGS)
            data, self._rest = data[:end], data[end:]
            if len(self._rest) > MAX_EVENT_BYTES:
                raise EventTooLargeError
        if not data:
            return b""
        self.event_count += data.count(b"data:")
        # OpenAI sends `"usage":null` in every event but the last once usage is asked for.
        if not self.has_token or data.count(b'"usage"') > data.count(b'"usage":null'):
            data = self._inspect(data)
        if data:
            self._last_events = data
        return data

    def finish(self) -> bytes:
        """Return the last event when the stream ends without an empty line after it."""
        rest = self._rest.strip(b"\r\n")
        return self.feed(b"\n\n") if rest else b""

    @property
    def is_complete(self) -> bool:
        """Whether the last event was one that ends a stream."""
        return self._protocol.is_complete(self._last_events)

    def _inspect(self, data: bytes) -> bytes:
        """Count the tokens of events, and return those that the client receives."""
        passed = []
        start = 0
        for match in _EVENT_END.finditer(data):
            event, start = data[start : match.end()], match.end()
            message = _parse_event(event)
            if message is not None:
                self.has_token = self.has_token or self._protocol.is_token(message)
                if b'"usage"' in event:
                    self._protocol.add_usage(message, self.count)
                    if self._hides_usage and self._protocol.is_usage_alone(message):
                        continue
            passed.append(event)
        return b"".join(passed)


def _parse_event(event: bytes) -> dict[str, object] | None:
    """Return the JSON object in an event, or None when it holds none."""
    lines = [line[5:] for line in event.splitlines() if line.startswith(b"data:")]
    try:
        message = orjson.loads(b"\n".join(lines))
    except orjson.JSONDecodeError:
        return None
    return message if isinstance(message, dict) else None


CONNECT_TIMEOUT_S = 10.0
# Seconds that an idle connection is kept: below the 60 s after which load balancers commonly close it.
IDLE_CONNECTION_S = 50.0
MAX_ENDPOINTS_TRIED = 3
# Seconds for which an endpoint that could not be reached is tried last.
UNREACHABLE_PAUSE_S = 5.0


class UpstreamEndpoint:
    """One endpoint with its calls in flight and its counts."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self.path = urlsplit(self.url).path
        self.in_flight = 0
        self.answered = 0
        self.failed = 0
        self.unreachable_until = 0.0


class LlmUpstream:
    """The endpoints of an LLM's shard, with its key and headers. UsageError when a reference leads to no key."""

    def __init__(self, shard: Shard, environment: Mapping[str, str], allowed: AllowedReferences) -> None:
        self.shard = shard
        self._allowed = allowed
        self._environment = environment
        self.access = ShardAccess(shard, environment, allowed)
        self._endpoints = [UpstreamEndpoint(url) for url in shard.endpoints]
        self._http = EndpointClient(IDLE_CONNECTION_S, self.access.tls)
        self.bulkhead = Bulkhead.of_shard(shard)
        self._turn = 0

    def prepare(self) -> None:
        """Import the HTTP client and read every key once. UsageError for what is missing."""
        self._http.prepare()
        self.access.prepare()

    def separate_copy(self) -> LlmUpstream:
        """Return the same upstream with separate connections and counts."""
        return LlmUpstream(self.shard, self._environment, self._allowed)

    def replica_health(self) -> list[dict[str, object]]:
        """Return endpoint, state and the numbers of calls in flight, answered and failed of each endpoint."""
        now = time.monotonic()
        return [
            {
                "endpoint": endpoint.url,
                "breaker": "half_open" if endpoint.unreachable_until > now else "closed",
                "in_flight": endpoint.in_flight,
                "answered": endpoint.answered,
                "failed": endpoint.failed,
            }
            for endpoint in self._endpoints
        ]

    def endpoints(self) -> Iterator[UpstreamEndpoint]:
        """Yield the endpoints with room for a call, the least loaded first; equal ones take turns."""
        self._turn += 1
        count = len(self._endpoints)
        now = time.monotonic()
        rotated = [self._endpoints[(self._turn + step) % count] for step in range(count)]
        ready = [endpoint for endpoint in rotated if endpoint.in_flight < self.shard.concurrency]
        ready.sort(key=lambda endpoint: (endpoint.unreachable_until > now, endpoint.in_flight))
        yield from ready[:MAX_ENDPOINTS_TRIED]

    @asynccontextmanager
    async def post(
        self, endpoint: UpstreamEndpoint, path: str, headers: Mapping[str, str], body: bytes, *, repeatable: bool
    ) -> AsyncIterator[HttpAnswer]:
        """Send a POST and give its answer; the end of the block closes an answer that was not read whole.

        InferenceError without an answer.
        """
        url = f"{endpoint.url.removesuffix(endpoint.path) if endpoint.path else endpoint.url}{path}"
        endpoint.in_flight += 1
        try:
            answer = await self._send(endpoint, url, headers, body, repeatable=repeatable)
            try:
                yield answer
            finally:
                answer.close()
        finally:
            endpoint.in_flight -= 1

    async def close(self) -> None:
        await self._http.close()

    async def _send(
        self, endpoint: UpstreamEndpoint, url: str, headers: Mapping[str, str], body: bytes, *, repeatable: bool
    ) -> HttpAnswer:
        """Return the head of the answer. InferenceError if none exists."""
        try:
            answer = await self._http.post(url, headers, body, connect_s=CONNECT_TIMEOUT_S, repeatable=repeatable)
        except NotSentError as error:
            endpoint.failed += 1
            endpoint.unreachable_until = time.monotonic() + UNREACHABLE_PAUSE_S
            text = f"shard {self.shard.name} cannot be reached"
            raise UpstreamError(FailureKind.UNAVAILABLE, text, executed=False) from error
        except NoAnswerError as error:
            endpoint.failed += 1
            text = f"shard {self.shard.name} closed the connection without an answer"
            raise UpstreamError(FailureKind.ERROR, text, executed=True) from error
        except AnswerBrokenError as error:
            endpoint.failed += 1
            text = f"shard {self.shard.name} gave an answer that is not HTTP"
            raise UpstreamError(FailureKind.ERROR, text, executed=True, operator_text=str(error)) from error
        endpoint.unreachable_until = 0.0
        return answer


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
    name: str
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

        `timeout_s` is for the whole answer, and for a stream until its first event. Failed without an answer,
        or a stream breaks.
        """
        with self.upstream.bulkhead.hold(request):
            return await self._call(request, timeout_s, repeatable=repeatable)

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
            text = f"the input is not a request of the protocol {self.protocol}, which is a JSON object"
            raise UpstreamError(FailureKind.REFUSED, text, executed=False, status=422)
        streams = request.connection is not None and request.connection.wants_stream
        body = {**request.input, "model": self._model}
        body.pop("stream", None)
        hides_usage = False
        if streams:
            options, hides_usage = self.llm.stream_options(request.input, request.call)
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
        scanner = EventScanner(self.llm, hides_usage=hides_usage)
        if request.call in CALLS_WITHOUT_OUTPUT:
            scanner.count.output_tokens = 0
            scanner.count.input_tokens = 0 if request.call == COUNT_TOKENS else None
        return _Call(
            headers=headers,
            body=orjson.dumps(body),
            secrets=secret_texts({"key": key, **extra}),
            scanner=scanner,
            streams=streams,
            name=request.call,
            started_at=perf_counter(),
        )

    @asynccontextmanager
    async def _open(self, call: _Call, *, repeatable: bool) -> AsyncIterator[HttpAnswer]:
        """Give the first answer with status 200 of the endpoints. Failed if none exists."""
        text = f"every endpoint of shard {self.upstream.shard.name} has too many calls in flight"
        failure: InferenceError = UpstreamError(FailureKind.UNAVAILABLE, text, executed=False)
        for endpoint in self.upstream.endpoints():
            call.attempts += 1
            try:
                path = self.llm.path(endpoint.path, call.name)
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
            raise self._failure(call, FailureKind.INVALID, "its answer is not a JSON object")
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
        # Any other text may name the upstream's hosts, accounts and models, which do not concern the caller.
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
