"""The Claude models that nlapi knows by name, with their prices at one date."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# The month of the prices; it is shown with every amount, as prices change without notice.
AS_OF = "2026-11"
DEFAULT = "claude-sonnet-5-5"

# Prompt caching, as multiples of the input price. Newer models read the cache for less, so this is an upper bound.
CACHE_WRITE = 1.25
CACHE_READ = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model with its prices in dollars per million tokens; `long` are those of prompts over 100,000 tokens."""

    id: str
    input: float
    output: float
    long: tuple[float, float] | None = None


MODELS: Mapping[str, Model] = {
    model.id: model
    for model in (
        Model(id="claude-fable-5-2", input=8, output=40),
        Model(id="claude-opus-5-5", input=4, output=20),
        Model(id="claude-sonnet-5-5", input=2, output=10),
        Model(id="claude-haiku-5-5", input=0.10, output=0.50, long=(0.50, 2.50)),
    )
}


def cost(model: str, usage: Mapping[str, Any]) -> float | None:
    """Return the approximate price of one answer in dollars; None for a model that is not in the table.

    `usage` is the Messages API's: input_tokens, output_tokens, cache_creation_input_tokens, cache_read_input_tokens.
    """
    known = MODELS.get(model)
    if known is None:
        return None
    fresh, written, read, out = (
        int(usage.get(key) or 0)
        for key in ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
    )
    price_in, price_out = known.input, known.output
    if known.long and fresh + written + read > 100_000:
        price_in, price_out = known.long
    return (price_in * (fresh + CACHE_WRITE * written + CACHE_READ * read) + price_out * out) / 1_000_000
