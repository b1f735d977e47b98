"""One Request sent and its answer read: one deadline, a size limit, careful redirects, and no write sent twice."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus, urljoin

from nlapi.client.masking import SecretMask, places_of, secret_mask
from nlapi.client.message import EndReason, Limits, Request, Result, named_charset, parse_retry_after
from nlapi.client.safe_text import strip_control
from nlapi.client.server import BASE_URL_HINT
from nlapi.client.streaming.body import BodyDecodeError, BodyReader, PieceListener
from nlapi.client.streaming.rule import UNKNOWN, Expectation
from nlapi.errors import OutcomeUnknownError, SendError, UsageError
from nlapi.openapi import urls
from nlapi.openapi.egress import ForbiddenAddressError, NetworkScope

if TYPE_CHECKING:
    from nlapi.client.transport import HttpClient, RawResponse, SendProgress, TlsFiles, TransportError

# The safe methods of RFC 9110 §9.2.1 without TRACE.
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})

# Characters of an error about an answer, which may quote all of a header.
MAX_REASON = 600

_REDIRECT_STATUSES = frozenset({301, 302, 303, 307, 308})
_TOO_MANY, _UNAVAILABLE = 429, 503
_RESET_HEADERS = ("ratelimit-reset", "x-ratelimit-reset", "x-rate-limit-reset")
# Seconds; a larger number is a time since 1970.
_EPOCH_FROM = 1e9
# What a wait counts at least: a server that asks for none would be asked for ever.
_LEAST_WAIT = 1.0
_JITTER = random.SystemRandom()

# Every other header may hold a credential: httpx2 drops Authorization and Cookie on another origin, and sends X-API-Key
# along (docs/design/003).
_CROSS_ORIGIN_HEADERS = frozenset({"accept", "accept-language", "user-agent"})


@asynccontextmanager
async def open_client() -> AsyncIterator[HttpClient]:
    """Open connections to share between several calls of `send` in one event loop."""
    from nlapi.client.transport import HttpClient

    async with HttpClient() as client:
        yield client


async def send(
    request: Request,
    *,
    limits: Limits | None = None,
    secrets: Sequence[str] = (),
    repeat: bool = True,
    client: HttpClient | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    expected: Expectation = UNKNOWN,
    watch: PieceListener | None = None,
    tls: TlsFiles | None = None,
    scope: NetworkScope = NetworkScope.ANY,
) -> Result:
    """Return the answer to `request`, whatever its status.

    `request` has its credentials already; `secrets` are those. A GET, HEAD or OPTIONS is sent again after a network
    error or a 429 or 503 with Retry-After, and its redirects are followed: to another origin without its headers and
    without the secrets. Everything else, and anything with `repeat=False`, is sent once. Secrets that the API echoes
    are masked in the Result.

    The Result of a streaming answer (`expected` says what is known of that) is what has come when the limits end it.
    `watch` is called with each Piece as it comes; nothing is sent again after that. `tls` is for the origin of
    `request`, and for none that it redirects to. `scope` are the networks that its host may be in: ANY where the user
    named it.

    Raises SendError when no complete answer came within the limits, OutcomeUnknownError when a write may have been
    carried out, UsageError when HTTP cannot carry the request.
    """
    limits = limits or Limits()
    call = _SendCall(
        limits=limits,
        secrets=tuple(secrets),
        is_safe=repeat and request.method in SAFE_METHODS,
        sleep=sleep,
        first_request=request,
        expected=expected,
        watch=watch,
        tls=tls,
        scope=scope,
    )
    if client is not None:
        return await call.run(client)
    async with open_client() as new_client:
        return await call.run(new_client)


@dataclass(slots=True, kw_only=True)
class _SendCall:
    """The state of one call of `send`."""

    limits: Limits
    secrets: tuple[str, ...]
    is_safe: bool
    sleep: Callable[[float], Awaitable[None]]
    first_request: Request
    expected: Expectation
    watch: PieceListener | None
    tls: TlsFiles | None
    scope: NetworkScope
    body: BodyReader | None = None
    timer: asyncio.Timeout = field(init=False)
    start_time: float = field(default_factory=time.monotonic)
    retry_count: int = 0
    waited: float = 0.0
    progress: SendProgress = field(init=False)

    async def run(self, client: HttpClient) -> Result:
        from nlapi.client.transport import SendProgress

        self.progress = SendProgress()
        self.timer = asyncio.timeout(self.limits.deadline)
        try:
            async with self.timer:
                return self._mask_secrets(await self._through_redirects(client))
        except TimeoutError:
            if self.body is not None and self.body.can_end(EndReason.DEADLINE) and (self.is_safe or self.body.items):
                return self._mask_secrets(self.body.cut(EndReason.DEADLINE, self._elapsed()))
            is_endless = self.body is not None and self.body.may_be_endless
            hint = "it had begun; if it never ends, --events N takes its first N items" if is_endless else ""
            raise self._send_error(f"timed out after {self.limits.deadline:g} s", self.first_request, hint) from None

    async def _through_redirects(self, client: HttpClient) -> Result:
        request = self.first_request
        for _ in range(self.limits.max_redirects + 1):
            result = await self._exchange_with_retries(client, request)
            location = result.header("location")
            if not (self.is_safe and location and result.status in _REDIRECT_STATUSES):
                return result
            request = self._redirect_request(request, location)
        raise self._send_error(f"more than {self.limits.max_redirects} redirects", self.first_request)

    async def _exchange_with_retries(self, client: HttpClient, request: Request) -> Result:
        """Return the answer to one request, sent again where that is allowed and may help."""
        from nlapi.client.transport import TransportError

        while True:
            may_retry = self.is_safe and self.retry_count < self.limits.retries
            self.body = None
            try:
                result = await self._exchange(client, request)
            except BodyDecodeError as error:
                raise self._send_error(str(error), request) from None
            except TransportError as error:
                if self.body is not None and self.body.can_end(EndReason.BROKEN):
                    return self.body.cut(EndReason.BROKEN, self._elapsed(), error.reason)
                if not (may_retry and error.is_retryable) or (self.body is not None and self.body.has_emitted):
                    raise self._unanswered_error(error, request) from None
                # Jitter, so that clients which lost a server at one moment do not all return at one moment.
                wait = 0.1 * 2**self.retry_count * _JITTER.uniform(0.5, 1.5)
            else:
                delay = retry_delay(result)
                if delay is not None and self._is_patient(result.status, delay):
                    await self._wait_patiently(delay, result.status)
                    continue
                if delay is None or not may_retry or not self._can_wait(delay):
                    return result
                wait = delay
            self.retry_count += 1
            await self.sleep(wait)

    async def _exchange(self, client: HttpClient, request: Request) -> Result:
        self.progress.has_started = False
        target = urls.parse_url(request.url)
        is_foreign = target.origin != urls.origin(self.first_request.url)
        tls = None if is_foreign else self.tls
        # A redirect could reach what only this machine can, such as a cloud's metadata server.
        scope = NetworkScope.PUBLIC if is_foreign and not self.limits.private_redirects else self.scope
        try:
            return await self._exchange_in_scope(client, request, target, scope, tls)
        except ForbiddenAddressError as error:
            raise _forbidden_error(target, error, is_redirect=is_foreign) from None

    async def _exchange_in_scope(
        self, client: HttpClient, request: Request, target: urls.HttpUrl, scope: NetworkScope, tls: TlsFiles | None
    ) -> Result:
        async with client.exchange(request, target, self.progress, scope=scope, tls=tls) as answer:
            head = Result(
                status=answer.status,
                headers=answer.headers,
                url=request.url,
                method=request.method,
                elapsed=self._elapsed(),
            )
            if self.is_safe and answer.status in _REDIRECT_STATUSES and answer.header("location"):
                return head
            return await self._read_body(answer, head)

    async def _read_body(self, answer: RawResponse, head: Result) -> Result:
        """Return the answer with its body, or with as much of it as the number of items allows."""
        self.body = body = BodyReader(
            head=head,
            masked_head=self._mask_secrets(head),
            expected=self.expected,
            limits=self.limits,
            mask=self._mask,
            watch=self.watch,
            on_stream=self._set_stream_deadline,
        )
        async with aclosing(answer.chunks()) as chunks:
            async for chunk in chunks:
                body.feed(chunk)
                if body.is_over:
                    break
        result = body.finish(self._elapsed())
        self.body = None
        return result

    def _set_stream_deadline(self, is_stream: bool) -> None:
        """Set the deadline of an answer that turns out to stream, or restore it when the answer does not after all."""
        remaining = self.limits.deadline - self._elapsed()
        if is_stream and self.limits.stream_seconds is not None:
            remaining = min(remaining, self.limits.stream_seconds)
        self.timer.reschedule(asyncio.get_running_loop().time() + remaining)

    def _elapsed(self) -> float:
        return time.monotonic() - self.start_time

    def _can_wait(self, seconds: float) -> bool:
        remaining = self.limits.deadline - self._elapsed()
        return seconds <= self.limits.max_retry_wait and seconds < remaining

    def _is_patient(self, status: int, seconds: float) -> bool:
        may_repeat = status == _TOO_MANY or self.is_safe
        return may_repeat and self.waited + max(seconds, _LEAST_WAIT) <= self.limits.patience

    async def _wait_patiently(self, seconds: float, status: int) -> None:
        """Wait as long as a server asks; the deadline is for each exchange, and begins again."""
        if self.limits.on_wait is not None:
            self.limits.on_wait(f"the API asks to wait {seconds:.0f} s ({status}); it goes on then")
        self.timer.reschedule(None)
        await self.sleep(seconds)
        self.waited += max(seconds, _LEAST_WAIT)
        self.start_time = time.monotonic()
        self.timer.reschedule(asyncio.get_running_loop().time() + self.limits.deadline)

    def _redirect_request(self, request: Request, location: str) -> Request:
        """Return the request that a redirect asks for. Another origin gets only headers that identify nobody."""
        current = urls.parse_url(request.url)
        try:
            url = urljoin(request.url, location.strip().replace(" ", "%20")).partition("#")[0]
            target = urls.parse_url(url)
        except (UsageError, ValueError):
            reason = f"was redirected to {strip_control(location)!r}, which nlapi does not follow"
            raise self._send_error(reason, request) from None
        if target.origin == current.origin:
            return replace(request, url=url)
        # Credentials in the URL, protected by TLS so far, would go out in the clear.
        if current.scheme == "https" and target.scheme == "http" and self.secrets:
            raise self._send_error(f"was redirected from https to {target.site}; nlapi did not follow", request)
        url = _without_secrets(url, self.secrets)
        if self._mask.text(url) != url:
            raise self._send_error(f"was redirected to {target.site} with a credential in the path", request)
        headers = tuple((name, value) for name, value in request.headers if name.lower() in _CROSS_ORIGIN_HEADERS)
        return Request(method=request.method, url=url, headers=headers)

    def _unanswered_error(self, error: TransportError, request: Request) -> SendError:
        target = urls.parse_url(request.url)
        if self.progress.has_started:
            # A server that speaks TLS hangs up on plain HTTP.
            hint = f"does it speak https? --base-url https://{target.authority} then" if target.scheme == "http" else ""
            return self._send_error(error.reason, request, hint=hint if error.is_hangup else "")
        return SendError(
            self._mask.text(f"cannot connect to {target.site}: {error.reason}"),
            hint=error.hint or "is it running and reachable from here? --base-url URL sets another address",
        )

    def _send_error(self, reason: str, request: Request, hint: str = "") -> SendError:
        """Return the error for a request that was sent, or may have been: the outcome of a write is unknown then."""
        target = urls.parse_url(request.url)
        # Masked before it is cut: a cut secret is found no more, and is most of it.
        text = self._mask.text(strip_control(f"{request.method} {target.site}{target.path[:200]}: {reason}"))
        message = text if len(text) <= MAX_REASON else f"{text[:MAX_REASON]}…"
        if self.is_safe or not self.progress.has_started:
            return SendError(message, hint=hint)
        return OutcomeUnknownError(
            f"{message}; it may or may not have been carried out",
            hint="nlapi did not repeat it; check before you try again",
        )

    @property
    def _mask(self) -> SecretMask:
        request = self.first_request
        return secret_mask(self.secrets, places_of(request.url, request.headers, self.secrets))

    def _mask_secrets(self, result: Result) -> Result:
        if not self.secrets:
            return result
        return replace(
            result,
            url=self._mask.text(result.url),
            headers=tuple(
                (self._mask.text(name), str(self._mask.named_value(name, value))) for name, value in result.headers
            ),
            content=self._mask.body(result.content, named_charset(result.header("content-type") or "")),
        )


def _forbidden_error(target: urls.HttpUrl, error: ForbiddenAddressError, *, is_redirect: bool) -> SendError:
    """Return the error for a host in a network that whoever named it may not send to; nothing was sent."""
    if is_redirect:
        return SendError(
            f"redirected to {target.site}, which {error.reason}; nlapi did not follow",
            hint="if you trust that place, send the request there yourself with --base-url",
        )
    return SendError(
        f"{target.site}, which the description names, {error.reason}, and the description does not come from there; "
        "nothing was sent",
        hint=BASE_URL_HINT,
    )


def retry_delay(result: Result) -> float | None:
    """Return the seconds that a 429 or 503 asks to wait (RFC 9110 §10.2.3), None where it does not say.

    Some servers only say when their limit is reset, in seconds or as a time since 1970.
    """
    if result.status not in (_TOO_MANY, _UNAVAILABLE):
        return None
    if not (result.header("retry-after") or "").strip():
        resets = (result.header(name) or "" for name in _RESET_HEADERS) if result.status == _TOO_MANY else ()
        reset = next((float(text) for text in resets if re.fullmatch(r"\d{1,12}", text)), None)
        return None if reset is None else max(0.0, reset - time.time()) if reset > _EPOCH_FROM else reset
    return parse_retry_after(result.header("retry-after") or "")


def _without_secrets(url: str, secrets: Sequence[str]) -> str:
    """Return `url` without the pairs of its query that hold a secret."""
    base, mark, query = url.partition("?")
    pairs = [pair for pair in query.split("&") if not any(secret in unquote_plus(pair) for secret in secrets if secret)]
    return base + mark + "&".join(pairs)
