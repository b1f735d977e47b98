"""The prices of the Claude models that nlapi knows by name, what requests took, and the caps on what they take."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from nlapi.tools.plan import Plan

# The month of the prices; it is shown with every amount, as prices change without notice.
PRICE_MONTH = "2026-11"
DEFAULT = "claude-sonnet-5-5"

# Prompt caching, as multiples of the input price. Newer models read the cache for less, so this is an upper bound.
CACHE_WRITE = 1.25
CACHE_READ = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPrices:
    """The prices of a model in dollars per million tokens; `long` are those of prompts over 100,000 tokens."""

    input: float
    output: float
    long: tuple[float, float] | None = None


MODELS: Mapping[str, ModelPrices] = {
    "claude-fable-5-2": ModelPrices(input=8, output=40),
    "claude-opus-5-5": ModelPrices(input=4, output=20),
    "claude-sonnet-5-5": ModelPrices(input=2, output=10),
    "claude-haiku-5-5": ModelPrices(input=0.10, output=0.50, long=(0.50, 2.50)),
}
"""The Claude models that nlapi knows by name."""
CLAUDE_VERSIONS: Mapping[str, str] = {id.split("-")[1]: id for id in MODELS}
"""Short name -> Claude model: "haiku", "sonnet", "opus", ..."""


def cost(prices: ModelPrices | None, usage: Mapping[str, Any]) -> float | None:
    """Return the approximate price of one answer in dollars; None without prices.

    `usage` is the Messages API's: input_tokens, output_tokens, cache_creation_input_tokens, cache_read_input_tokens.
    """
    if prices is None:
        return None
    uncached, cache_written, cache_read, output_tokens = (
        int(usage.get(key) or 0)
        for key in ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
    )
    price_in, price_out = prices.input, prices.output
    if prices.long and uncached + cache_written + cache_read > 100_000:
        price_in, price_out = prices.long
    return (
        price_in * (uncached + CACHE_WRITE * cache_written + CACHE_READ * cache_read) + price_out * output_tokens
    ) / 1_000_000


# Bytes of JSON that a token stands for, at least: 3 for code and most languages written in Latin letters, so that the
# estimate is rather too high than too low.
BYTES_A_TOKEN = 3
# Tokens that an answer has at most in most cases; the estimate reserves as many.
EXPECTED_OUTPUT = 500


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
        return self + UsageTotal(**{each.name: -getattr(earlier, each.name) for each in fields(earlier)})

    @property
    def known_usd(self) -> float | None:
        """The dollars; None where no request has a known price."""
        return None if self.requests and self.unpriced == self.requests else self.usd

    def __str__(self) -> str:
        """Return the tokens, and the dollars where the price of each request is known, for a person."""
        dollars = "" if self.unpriced else f", about ${self.usd:.4f} (prices of {PRICE_MONTH})"
        return f"{self.input_tokens:,} tokens in, {self.output_tokens:,} out{dollars}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """The most dollars of a run, and the most calls and seconds for the answer to one question; None: no cap.

    `in_file` are the names of those that models.toml sets.
    """

    usd: float | None = None
    steps: int | None = None
    seconds: float | None = None
    in_file: frozenset[str] = frozenset()

    def or_else(self, file_caps: Caps) -> Caps:
        """Return these caps, with those of models.toml for what these leave out."""
        return Caps(
            usd=file_caps.usd if self.usd is None else self.usd,
            steps=file_caps.steps if self.steps is None else self.steps,
            seconds=file_caps.seconds if self.seconds is None else self.seconds,
            in_file=frozenset(name for name in ("usd", "steps", "seconds") if getattr(self, name) is None),
        )

    def setting(self, name: str) -> str:
        """Return where a cap was set, for a message."""
        return f"max_{name} of models.toml" if name in self.in_file else f"--max-{name}"


NO_CAPS = Caps()


@dataclass(slots=True)
class TurnMeter:
    """Compares the calls and the time of one question with the caps."""

    caps: Caps
    started: float = field(default_factory=time.monotonic)
    steps: int = 0

    @property
    def remaining_s(self) -> float | None:
        """The seconds that are left; None without a cap."""
        return None if self.caps.seconds is None else max(self.caps.seconds - (time.monotonic() - self.started), 0.0)

    def late_plan(self) -> Plan | None:
        """Return the plan that ends the turn because its time is over; None before."""
        if self.caps.seconds is None or self.remaining_s:
            return None
        return capped_plan(f"the {self.caps.seconds:g} seconds of {self.caps.setting('seconds')} are over", "seconds")

    def count_calls(self, count: int) -> Plan | None:
        """Count the calls of a plan; return the plan that ends the turn in their place where they are too many."""
        if self.caps.steps is not None and self.steps + count > self.caps.steps:
            limit = f"{self.caps.steps} is the most by {self.caps.setting('steps')}"
            return capped_plan(f"{self.steps} calls were made, and {limit}", "steps")
        self.steps += count
        return None


@dataclass(slots=True)
class SpendingMeter:
    """Counts all requests of a run to models, and compares their cost with the cap on dollars, set by `setting`."""

    max_usd: float | None = None
    setting: str = "--max-usd"
    spent: float = 0.0
    """dollars, with an estimate for each request whose usage the server does not report"""
    total: UsageTotal = field(default_factory=UsageTotal)
    """what the servers report"""

    def add(self, prices: ModelPrices | None, usage: Mapping[str, object], size: int) -> None:
        """Count the answer to a request of `size` bytes; by an estimate where the server reports no usage."""
        is_reported = usage.get("input_tokens") or usage.get("output_tokens")
        self.spent += cost(prices, usage if is_reported else _expected_usage(size)) or 0.0
        self.total += usage_total(usage, cost(prices, usage))

    def refusal(self, prices: ModelPrices | None, size: int) -> Plan | None:
        """Return the plan that ends the turn in place of a request of `size` bytes; None where it may be sent."""
        if self.max_usd is None:
            return None
        estimate = cost(prices, _expected_usage(size)) or 0.0
        if self.spent + estimate <= self.max_usd:
            return None
        reason = f"${self.spent:.4f} are spent, the next request takes about ${estimate:.4f}"
        return capped_plan(f"{reason}, and ${self.max_usd:g} is the most by {self.setting}", "usd")


def _expected_usage(size: int) -> dict[str, int]:
    return {"input_tokens": size // BYTES_A_TOKEN, "output_tokens": EXPECTED_OUTPUT}


def capped_plan(reason: str, cap: str) -> Plan:
    return Plan(text=f"Stopped: {reason}.", confidence=1.0, ended=cap)


_INPUT_KEYS = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens")


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
