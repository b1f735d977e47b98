"""The Claude models that nlapi knows by name, with their prices at one date."""

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
class ClaudeModel:
    """A model with its prices in dollars per million tokens; `long` are those of prompts over 100,000 tokens."""

    id: str
    input: float
    output: float
    long: tuple[float, float] | None = None


MODELS: Mapping[str, ClaudeModel] = {
    model.id: model
    for model in (
        ClaudeModel(id="claude-fable-5-2", input=8, output=40),
        ClaudeModel(id="claude-opus-5-5", input=4, output=20),
        ClaudeModel(id="claude-sonnet-5-5", input=2, output=10),
        ClaudeModel(id="claude-haiku-5-5", input=0.10, output=0.50, long=(0.50, 2.50)),
    )
}


def cost(model: str, usage: Mapping[str, Any]) -> float | None:
    """Return the approximate price of one answer in dollars; None for a model that is not in the table.

    `usage` is the Messages API's: input_tokens, output_tokens, cache_creation_input_tokens, cache_read_input_tokens.
    """
    claude_model = MODELS.get(model)
    if claude_model is None:
        return None
    uncached, cache_written, cache_read, output_tokens = (
        int(usage.get(key) or 0)
        for key in ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
    )
    price_in, price_out = claude_model.input, claude_model.output
    if claude_model.long and uncached + cache_written + cache_read > 100_000:
        price_in, price_out = claude_model.long
    return (
        price_in * (uncached + CACHE_WRITE * cache_written + CACHE_READ * cache_read) + price_out * output_tokens
    ) / 1_000_000
