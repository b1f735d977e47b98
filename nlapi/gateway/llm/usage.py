"""Counts the tokens and the cost of an LLM's answers, reported or estimated, and their metrics."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import accumulate

import orjson

from nlapi.gateway.inference import TokenUsage
from nlapi.gateway.records.exposition import ClientLabels, escape_label, header_lines, version_labels
from nlapi.routing.model import Version, VersionRef

TOKENS_PER_MILLION = 1_000_000
# Bytes of JSON in a token where an upstream reports no usage: about four characters of English are one
# token for the tokenizers of both vendors (their documentation).
BYTES_PER_TOKEN = 4
COUNT_TOKENS = "count_tokens"
CALLS_WITHOUT_OUTPUT = frozenset(("embeddings", COUNT_TOKENS))
"""the calls whose answers are not a text of a model; counting tokens costs nothing"""
# A number of tokens above this is not a count: it would fill every budget at once.
MAX_TOKENS = 1_000_000_000


@dataclass(slots=True)
class TokenCount:
    """The tokens of one answer so far; None is not reported."""

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int = 0


def read_count(value: object) -> int | None:
    """Return a reported number of tokens, or None for anything else."""
    # bool is a subclass of int in Python.
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= MAX_TOKENS:
        return value
    return None


def member(value: object, name: str) -> Mapping[str, object]:
    """Return the object in a member of a JSON object; empty if none exists."""
    child = value.get(name) if isinstance(value, dict) else None
    return child if isinstance(child, dict) else {}


def estimate_tokens(body: object) -> int:
    """Return the approximate number of tokens of a request; 0 for what is not JSON."""
    try:
        return len(orjson.dumps(body)) // BYTES_PER_TOKEN
    except TypeError:
        return 0


def add_usage(usage: TokenUsage | None, addend: TokenUsage | None) -> TokenUsage | None:
    """Return the sum of two calls for one answer; the time to the first token is that of `usage`."""
    if usage is None or addend is None:
        return usage or addend
    return replace(
        usage,
        input_tokens=usage.input_tokens + addend.input_tokens,
        output_tokens=usage.output_tokens + addend.output_tokens,
        cached_tokens=usage.cached_tokens + addend.cached_tokens,
        cost_usd=usage.cost_usd + addend.cost_usd,
        estimated=usage.estimated or addend.estimated,
    )


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


FIRST_TOKEN_BOUNDS_S = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6)


class LlmMetrics:
    """The counts by objective, version and client; the copies of a shadow have its name for a client."""

    def __init__(self) -> None:
        self._client_labels = ClientLabels()
        self._tokens: Counter[tuple[str, VersionRef, str, str]] = Counter()
        self._dollars: dict[tuple[str, VersionRef, str], float] = {}
        self._first_token: dict[tuple[str, VersionRef], list[int]] = {}
        self._first_token_s: dict[tuple[str, VersionRef], float] = {}
        self._client_streams: Counter[tuple[str, VersionRef, str]] = Counter()
        self._client_first_token_s: dict[tuple[str, VersionRef, str], float] = {}

    def observe(self, objective: str, version: VersionRef, client: str, usage: TokenUsage) -> None:
        """Count one answer."""
        key = (objective, version, self._client_labels.label(client))
        self._tokens[(*key, "input")] += usage.input_tokens
        self._tokens[(*key, "output")] += usage.output_tokens
        self._tokens[(*key, "cached")] += usage.cached_tokens
        self._dollars[key] = self._dollars.get(key, 0.0) + usage.cost_usd
        if usage.first_token_ms:
            seconds = usage.first_token_ms / 1000
            served = (objective, version)
            buckets = self._first_token.setdefault(served, [0] * (len(FIRST_TOKEN_BOUNDS_S) + 1))
            buckets[bisect_left(FIRST_TOKEN_BOUNDS_S, seconds)] += 1
            self._first_token_s[served] = self._first_token_s.get(served, 0.0) + seconds
            self._client_streams[key] += 1
            self._client_first_token_s[key] = self._client_first_token_s.get(key, 0.0) + seconds

    def prometheus_lines(self) -> Iterator[str]:
        """Yield the lines of the Prometheus text format; none before the first answer of an LLM."""
        if not self._tokens:
            return
        help_text = "Tokens of LLMs; cached ones are part of the input."
        yield from header_lines("nlapi_llm_tokens_total", "counter", help_text)
        for (objective, version, client, kind), count in self._tokens.items():
            labels = f'{version_labels(objective, version)},client="{escape_label(client)}",kind="{kind}"'
            yield f"nlapi_llm_tokens_total{{{labels}}} {count}"
        help_text = "Cost of LLMs by the prices of their versions."
        yield from header_lines("nlapi_llm_cost_dollars_total", "counter", help_text)
        for (objective, version, client), dollars in self._dollars.items():
            labels = f'{version_labels(objective, version)},client="{escape_label(client)}"'
            yield f"nlapi_llm_cost_dollars_total{{{labels}}} {dollars:.9g}"
        help_text = "Time from the request to the first token of a stream."
        yield from header_lines("nlapi_llm_first_token_seconds", "histogram", help_text)
        for (objective, version), buckets in self._first_token.items():
            labels, cumulative = version_labels(objective, version), list(accumulate(buckets))
            for bound, count in zip(FIRST_TOKEN_BOUNDS_S, cumulative, strict=False):
                yield f'nlapi_llm_first_token_seconds_bucket{{{labels},le="{bound:g}"}} {count}'
            yield f'nlapi_llm_first_token_seconds_bucket{{{labels},le="+Inf"}} {cumulative[-1]}'
            yield f"nlapi_llm_first_token_seconds_sum{{{labels}}} {self._first_token_s[objective, version]:.6f}"
            yield f"nlapi_llm_first_token_seconds_count{{{labels}}} {cumulative[-1]}"
        # Without buckets: with 200 clients they would be twelve times as many series.
        help_text = "Time from a client's request to the first token of a stream."
        yield from header_lines("nlapi_llm_client_first_token_seconds", "summary", help_text)
        for key, count in self._client_streams.items():
            labels = f'{version_labels(*key[:2])},client="{escape_label(key[2])}"'
            seconds = self._client_first_token_s[key]
            yield f"nlapi_llm_client_first_token_seconds_sum{{{labels}}} {seconds:.6f}"
            yield f"nlapi_llm_client_first_token_seconds_count{{{labels}}} {count}"
