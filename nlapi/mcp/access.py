"""Who calls a server over HTTP, and how often they may: tokens, roles, rates and calls at the same time."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from nlapi.errors import UsageError

SCOPE_KEY = "nlapi.caller"
"""Where the guard of a server puts the TeamCaller of an HTTP request (ASGI scope)."""

MINUTE = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamCaller:
    """Who makes a request: the name of a client, "" where there is none, and its role."""

    name: str = ""
    role: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTable:
    """The callers by the SHA-256 of their tokens, and by their subjects at the issuer of access tokens.

    `anonymous` is the caller without a token, where there may be one.
    """

    callers: Mapping[bytes, TeamCaller] = field(repr=False)
    anonymous: TeamCaller | None = None
    subjects: Mapping[str, TeamCaller] = field(default_factory=dict)

    @classmethod
    def of(cls, tokens: Mapping[str, TeamCaller], anonymous: TeamCaller | None = None) -> TokenTable:
        """Return the table of tokens -> their callers."""
        return cls(callers={_digest(token): caller for token, caller in tokens.items()}, anonymous=anonymous)

    def of_subject(self, verified: TeamCaller | None) -> TeamCaller | None:
        """Return the caller whose access token the issuer has signed; None for a subject that is not listed."""
        return self.subjects.get(verified.name) if verified is not None else None

    def caller(self, authorization: str) -> TeamCaller | None:
        """Return who sends this Authorization header; None for a token that is missing or wrong."""
        if not authorization and self.anonymous is not None:
            return self.anonymous
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer":
            return None
        # Hashed, and compared with every one, so that the time tells nothing of a token.
        sent, caller = _digest(token.strip()), None
        for digest, candidate in self.callers.items():
            if hmac.compare_digest(sent, digest):
                caller = candidate
        return caller


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


@dataclass(slots=True)
class _Usage:
    """What a client has left: calls of its minute, and those under way."""

    tokens: float
    at: float
    running: int = 0


class CallLimiter:
    """The limits of each client: `calls_per_minute`, as many of which may come at once, and `concurrency`; 0 is none.

    `clock` returns seconds that never go back.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._usage: dict[TeamCaller, _Usage] = {}

    @contextmanager
    def admit(self, caller: TeamCaller, calls_per_minute: int, concurrency: int) -> Iterator[None]:
        """Count a call while the block runs. UsageError, with the time to wait, for one too many."""
        usage = self._usage.setdefault(caller, _Usage(float(calls_per_minute), self._clock()))
        if concurrency and usage.running >= concurrency:
            raise UsageError(
                f"{usage.running} calls of this client are under way, and {concurrency} may be",
                hint="wait for one of them to end",
            )
        if calls_per_minute:
            self._take(usage, calls_per_minute)
        usage.running += 1
        try:
            yield
        finally:
            usage.running -= 1

    def _take(self, usage: _Usage, calls_per_minute: int) -> None:
        now, rate = self._clock(), calls_per_minute / MINUTE
        usage.tokens = min(float(calls_per_minute), usage.tokens + (now - usage.at) * rate)
        usage.at = now
        if usage.tokens < 1:
            seconds = max(1, round((1 - usage.tokens) / rate + 0.5))
            raise UsageError(
                f"this client makes more than {calls_per_minute} calls a minute; nothing was sent",
                hint=f"the next may be in {seconds} s",
            )
        usage.tokens -= 1
