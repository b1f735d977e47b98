"""One Request sent and its answer read: one deadline, a size limit, careful redirects, and no write sent twice."""

from __future__ import annotations

import asyncio
import random
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote_plus, urljoin

from nlapi.client.clean import clean
from nlapi.client.decode import BodyError
from nlapi.client.limits import Limits
from nlapi.client.message import Ended, Request, Result
from nlapi.client.redact import redact, redact_body
from nlapi.client.streaming.body import BodyReader, Watch
from nlapi.client.streaming.rule import UNKNOWN, Expectation
from nlapi.errors import OutcomeUnknownError, SendError, UsageError
from nlapi.openapi import address

if TYPE_CHECKING:
    from nlapi.client.wire import Answer, BrokenError, Client, Progress

# The safe methods of RFC 9110 §9.2.1 without TRACE.
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_CHANCE = random.SystemRandom()

# Every other header may hold a credential: httpx2 drops Authorization and Cookie on another origin, and sends X-API-Key
# along (docs/design/003).
_FOREIGN = frozenset({"accept", "accept-language", "user-agent"})


@asynccontextmanager
async def open_client() -> AsyncIterator[Client]:
    """Open connections to share between several calls of `send` in one event loop."""
    from nlapi.client.wire import Client

    async with Client() as client:
        yield client


async def send(
    request: Request,
    *,
    limits: Limits | None = None,
    secrets: Sequence[str] = (),
    repeat: bool = True,
    client: Client | None = None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    expected: Expectation = UNKNOWN,
    watch: Watch | None = None,
) -> Result:
    """Return the answer to `request`, whatever its status.

    `request` has its credentials already; `secrets` are those. A GET, HEAD or OPTIONS is sent again after a network
    error or a 429 or 503 with Retry-After, and its redirects are followed: to another origin without its headers and
    without the secrets. Everything else, and anything with `repeat=False`, is sent once. Secrets that the API echoes
    are masked in the Result.

    The Result of a streaming answer (`expected` says what is known of that) is what has come when the limits end it.
    `watch` is called with each Piece as it comes; nothing is sent again after that.

    Raises SendError when no complete answer came within the limits, OutcomeUnknownError when a write may have been
    carried out, UsageError when HTTP cannot carry the request.
    """
    limits = limits or Limits()
    sending = _Sending(
        limits=limits,
        secrets=tuple(secrets),
        safe=repeat and request.method in SAFE,
        sleep=sleep,
        first=request,
        expected=expected,
        watch=watch,
    )
    if client is not None:
        return await sending.run(client)
    async with open_client() as own:
        return await sending.run(own)


@dataclass(slots=True, kw_only=True)
class _Sending:
    """The state of one call of `send`."""

    limits: Limits
    secrets: tuple[str, ...]
    safe: bool
    sleep: Callable[[float], Awaitable[None]]
    first: Request
    expected: Expectation
    watch: Watch | None
    body: BodyReader | None = None
    timer: asyncio.Timeout = field(init=False)
    started: float = field(default_factory=time.monotonic)
    tries: int = 0
    progress: Progress = field(init=False)

    async def run(self, client: Client) -> Result:
        from nlapi.client.wire import Progress

        self.progress = Progress()
        self.timer = asyncio.timeout(self.limits.deadline)
        try:
            async with self.timer:
                return self._masked(await self._through_redirects(client))
        except TimeoutError:
            if self.body is not None and self.body.can_end(Ended.DEADLINE) and (self.safe or self.body.items):
                return self._masked(self.body.cut(Ended.DEADLINE, self._elapsed()))
            endless = self.body is not None and self.body.may_be_endless
            hint = "it had begun; if it never ends, --events N takes what comes of it" if endless else ""
            raise self._failed(f"timed out after {self.limits.deadline:g} s", self.first, hint) from None

    async def _through_redirects(self, client: Client) -> Result:
        request = self.first
        for _ in range(self.limits.max_redirects + 1):
            result = await self._answered(client, request)
            location = result.header("location")
            if not (self.safe and location and result.status in _REDIRECTS):
                return result
            request = self._next(request, location)
        raise self._failed(f"more than {self.limits.max_redirects} redirects", self.first)

    async def _answered(self, client: Client, request: Request) -> Result:
        """Return the answer to one request, sent again where that is allowed and may help."""
        from nlapi.client.wire import BrokenError

        while True:
            may_retry = self.safe and self.tries < self.limits.retries
            self.body = None
            try:
                result = await self._once(client, request)
            except BodyError as error:
                raise self._failed(str(error), request) from None
            except BrokenError as error:
                if self.body is not None and self.body.can_end(Ended.BROKEN):
                    return self.body.cut(Ended.BROKEN, self._elapsed(), error.reason)
                if not (may_retry and error.again) or (self.body is not None and self.body.has_shown):
                    raise self._unanswered(error, request) from None
                # Jitter, so that clients which lost a server at one moment do not all return at one moment.
                wait = 0.1 * 2**self.tries * _CHANCE.uniform(0.5, 1.5)
            else:
                asked = _retry_after(result)
                if asked is None or not may_retry or not self._worth_waiting(asked):
                    return result
                wait = asked
            self.tries += 1
            await self.sleep(wait)

    async def _once(self, client: Client, request: Request) -> Result:
        self.progress.sent = False
        there = address.parse(request.url)
        # The user chose the first origin, private or not. A redirect from it could reach what only this machine can,
        # such as a cloud's metadata server.
        foreign = there.origin != address.origin(self.first.url)
        guarded = foreign and not self.limits.private_redirects
        async with client.exchange(request, there, self.progress, public_only=guarded) as answer:
            head = Result(
                status=answer.status,
                headers=answer.headers,
                url=request.url,
                method=request.method,
                elapsed=self._elapsed(),
            )
            if self.safe and answer.status in _REDIRECTS and answer.header("location"):
                return head
            return await self._read(answer, head)

    async def _read(self, answer: Answer, head: Result) -> Result:
        """Return the answer with its body, or with as much of it as the number of items allows."""
        self.body = body = BodyReader(
            head=head,
            shown_head=self._masked(head),
            expected=self.expected,
            limits=self.limits,
            secrets=self.secrets,
            watch=self.watch,
            on_stream=self._bound,
        )
        async with aclosing(answer.chunks()) as chunks:
            async for chunk in chunks:
                body.feed(chunk)
                if body.is_over:
                    break
        result = body.finish(self._elapsed())
        self.body = None
        return result

    def _bound(self, is_stream: bool) -> None:
        """Set the deadline of an answer that turns out to stream, or restore it when the answer does not after all."""
        left = self.limits.deadline - self._elapsed()
        if is_stream and self.limits.stream_seconds is not None:
            left = min(left, self.limits.stream_seconds)
        self.timer.reschedule(asyncio.get_running_loop().time() + left)

    def _elapsed(self) -> float:
        return time.monotonic() - self.started

    def _worth_waiting(self, seconds: float) -> bool:
        left = self.limits.deadline - self._elapsed()
        return seconds <= self.limits.max_retry_wait and seconds < left

    def _next(self, request: Request, location: str) -> Request:
        """Return the request that a redirect asks for. Another origin gets only headers that identify nobody."""
        here = address.parse(request.url)
        try:
            url = urljoin(request.url, location.strip().replace(" ", "%20")).partition("#")[0]
            there = address.parse(url)
        except (UsageError, ValueError):
            reason = f"was redirected to {clean(location)[:200]!r}, which nlapi does not follow"
            raise self._failed(reason, request) from None
        if there.origin == here.origin:
            return replace(request, url=url)
        # Credentials in the URL, protected by TLS so far, would go out in the clear.
        if here.scheme == "https" and there.scheme == "http" and self.secrets:
            raise self._failed(f"was redirected from https to {there.site}; nlapi did not follow", request)
        url = _without(url, self.secrets)
        if redact(url, self.secrets) != url:
            raise self._failed(f"was redirected to {there.site} with a credential in the path", request)
        headers = tuple((name, value) for name, value in request.headers if name.lower() in _FOREIGN)
        return Request(method=request.method, url=url, headers=headers)

    def _unanswered(self, error: BrokenError, request: Request) -> SendError:
        there = address.parse(request.url)
        if self.progress.sent:
            # A server that speaks TLS hangs up on plain HTTP.
            hint = f"does it speak https? --base-url https://{there.authority} then" if there.scheme == "http" else ""
            return self._failed(error.reason, request, hint=hint if error.is_hangup else "")
        return SendError(
            redact(f"cannot connect to {there.site}: {error.reason}", self.secrets),
            hint=error.hint or "is it running and reachable from here? --base-url URL sends to another place",
        )

    def _failed(self, reason: str, request: Request, hint: str = "") -> SendError:
        """Return the error for a request that was sent, or may have been: the outcome of a write is unknown then."""
        there = address.parse(request.url)
        message = redact(clean(f"{request.method} {there.site}{there.path[:200]}: {reason}")[:600], self.secrets)
        if self.safe or not self.progress.sent:
            return SendError(message, hint=hint)
        return OutcomeUnknownError(
            f"{message}; it may or may not have been carried out",
            hint="nlapi did not repeat it; check before you try again",
        )

    def _masked(self, result: Result) -> Result:
        if not self.secrets:
            return result
        return replace(
            result,
            url=redact(result.url, self.secrets),
            headers=tuple((name, redact(value, self.secrets)) for name, value in result.headers),
            content=redact_body(result.content, self.secrets),
        )


def _retry_after(result: Result) -> float | None:
    """Return the seconds that a 429 or 503 asks to wait (RFC 9110 §10.2.3), None without a valid Retry-After."""
    value = (result.header("retry-after") or "").strip()
    if result.status not in (429, 503) or not value:
        return None
    if re.fullmatch(r"\d{1,12}", value):
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def _without(url: str, secrets: Sequence[str]) -> str:
    """Return `url` without the pairs of its query that hold a secret."""
    base, mark, query = url.partition("?")
    pairs = [pair for pair in query.split("&") if not any(secret in unquote_plus(pair) for secret in secrets if secret)]
    return base + mark + "&".join(pairs)
