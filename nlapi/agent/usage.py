"""Adds up what models took: requests, tokens and dollars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nlapi.agent.models import PRICE_MONTH

_INPUT_KEYS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageTotal:
    """What requests to models took together.

    `input_tokens` are all of the input, `cached_tokens` those of it that were read from a cache. `usd` leaves out the
    `unpriced` requests, which went to models without a known price.
    """

    requests: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    usd: float = 0.0
    unpriced: int = 0

    def __add__(self, other: UsageTotal) -> UsageTotal:
        return UsageTotal(
            requests=self.requests + other.requests,
            input_tokens=self.input_tokens + other.input_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            usd=self.usd + other.usd,
            unpriced=self.unpriced + other.unpriced,
        )

    def __sub__(self, earlier: UsageTotal) -> UsageTotal:
        """Return what came to an `earlier` total."""
        return UsageTotal(
            requests=self.requests - earlier.requests,
            input_tokens=self.input_tokens - earlier.input_tokens,
            cached_tokens=self.cached_tokens - earlier.cached_tokens,
            output_tokens=self.output_tokens - earlier.output_tokens,
            usd=self.usd - earlier.usd,
            unpriced=self.unpriced - earlier.unpriced,
        )

    @property
    def known_usd(self) -> float | None:
        """The dollars; None where no request has a known price."""
        return None if self.requests and self.unpriced == self.requests else self.usd

    def __str__(self) -> str:
        """Return the tokens, and the dollars where the price of each request is known, for a person."""
        dollars = "" if self.unpriced else f", about ${self.usd:.4f} (prices of {PRICE_MONTH})"
        return f"{self.input_tokens:,} tokens in, {self.output_tokens:,} out{dollars}"


def usage_total(usage: Mapping[str, object], usd: float | None, requests: int = 1) -> UsageTotal:
    """Return the total of `requests` with this usage in the form of the Messages API; `usd` is None without a price."""
    counts = {key: value for key, value in usage.items() if isinstance(value, int)}
    return UsageTotal(
        requests=requests,
        input_tokens=sum(counts.get(key, 0) for key in _INPUT_KEYS),
        cached_tokens=counts.get("cache_read_input_tokens", 0),
        output_tokens=counts.get("output_tokens", 0),
        usd=usd or 0.0,
        unpriced=requests if usd is None else 0,
    )
