"""Counts the tokens and the cost of an LLM's answer, from the usage that it reports or from lengths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from nlapi.gateway.inference import TokenUsage
from nlapi.routing.model import Version

TOKENS_PER_MILLION = 1_000_000
# Bytes of JSON in a token where an upstream reports no usage: about four characters of English are one
# token for the tokenizers of both vendors (their documentation).
BYTES_PER_TOKEN = 4
# A number of tokens above this is no count: it would fill every budget at once.
MAX_TOKENS = 1_000_000_000


@dataclass(slots=True)
class TokenCount:
    """The tokens of one answer so far; None is not reported."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int = 0


def read_count(value: object) -> int | None:
    """Return a reported number of tokens, or None for what is none."""
    # bool is a subclass of int in Python.
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_TOKENS:
        return value
    return None


def member(value: object, name: str) -> Mapping[str, object]:
    """Return the object in a member of a JSON object; empty when there is none."""
    child = value.get(name) if isinstance(value, dict) else None
    return child if isinstance(child, dict) else {}


def estimate_tokens(body: object) -> int:
    """Return the approximate number of tokens of a request; 0 for what is not JSON."""
    try:
        return len(orjson.dumps(body)) // BYTES_PER_TOKEN
    except TypeError:
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Dollars per million tokens."""

    input: float
    output: float
    cached_input: float

    @classmethod
    def of(cls, version: Version) -> Prices:
        """Return the prices of a version; 0 where it has none."""
        input_price = version.input_price or 0.0
        cached = version.cached_input_price
        return cls(
            input=input_price,
            output=version.output_price or 0.0,
            cached_input=input_price if cached is None else cached,
        )

    def cost(self, input_tokens: int, output_tokens: int, cached_tokens: int) -> float:
        """Return the cost in dollars."""
        fresh_tokens = max(0, input_tokens - cached_tokens)
        total = fresh_tokens * self.input + cached_tokens * self.cached_input + output_tokens * self.output
        return total / TOKENS_PER_MILLION


def build_usage(
    count: TokenCount, prices: Prices, *, input_bytes: int, output_tokens_estimate: int, first_token_ms: float = 0.0
) -> TokenUsage:
    """Return the usage of an answer; what was not reported is estimated."""
    estimated = count.input_tokens is None or count.output_tokens is None
    input_tokens = input_bytes // BYTES_PER_TOKEN if count.input_tokens is None else count.input_tokens
    output_tokens = output_tokens_estimate if count.output_tokens is None else count.output_tokens
    cached_tokens = min(count.cached_tokens, input_tokens)
    return TokenUsage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_tokens=cached_tokens,
        cost_usd=prices.cost(input_tokens, output_tokens, cached_tokens),
        first_token_ms=first_token_ms,
        estimated=estimated,
    )
