"""The prices of models: of the Claude models that nlapi knows by name, at one date."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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
