"""Counts tokens, cost and time to the first token of LLMs, for Prometheus."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate

from nlapi.gateway.inference import TokenUsage
from nlapi.routing.model import VersionRef

FIRST_TOKEN_BOUNDS_S = (0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6)


class LlmMetrics:
    """The counts by objective, version and client; the copies of a shadow have its name for a client."""

    def __init__(self) -> None:
        self._tokens: Counter[tuple[str, VersionRef, str, str]] = Counter()
        self._dollars: dict[tuple[str, VersionRef, str], float] = {}
        self._first_token: dict[tuple[str, VersionRef], list[int]] = {}
        self._first_token_s: dict[tuple[str, VersionRef], float] = {}

    def observe(self, objective: str, version: VersionRef, client: str, usage: TokenUsage) -> None:
        """Count one answer."""
        key = (objective, version, client)
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

    def prometheus_lines(self) -> Iterator[str]:
        """Yield the lines of the Prometheus text format; none before the first answer of an LLM."""
        if not self._tokens:
            return
        yield "# HELP nlapi_llm_tokens_total Tokens of LLMs; cached ones are part of the input."
        yield "# TYPE nlapi_llm_tokens_total counter"
        for (objective, version, client, kind), count in self._tokens.items():
            labels = f'{_labels(objective, version)},client="{_escape(client)}",kind="{kind}"'
            yield f"nlapi_llm_tokens_total{{{labels}}} {count}"
        yield "# HELP nlapi_llm_cost_dollars_total Cost of LLMs by the prices of their versions."
        yield "# TYPE nlapi_llm_cost_dollars_total counter"
        for (objective, version, client), dollars in self._dollars.items():
            labels = f'{_labels(objective, version)},client="{_escape(client)}"'
            yield f"nlapi_llm_cost_dollars_total{{{labels}}} {dollars:.9g}"
        yield "# HELP nlapi_llm_first_token_seconds Time from the request to the first token of a stream."
        yield "# TYPE nlapi_llm_first_token_seconds histogram"
        for (objective, version), buckets in self._first_token.items():
            labels, cumulative = _labels(objective, version), list(accumulate(buckets))
            for bound, count in zip(FIRST_TOKEN_BOUNDS_S, cumulative, strict=False):
                yield f'nlapi_llm_first_token_seconds_bucket{{{labels},le="{bound:g}"}} {count}'
            yield f'nlapi_llm_first_token_seconds_bucket{{{labels},le="+Inf"}} {cumulative[-1]}'
            yield f"nlapi_llm_first_token_seconds_sum{{{labels}}} {self._first_token_s[objective, version]:.6f}"
            yield f"nlapi_llm_first_token_seconds_count{{{labels}}} {cumulative[-1]}"


def _labels(objective: str, version: VersionRef) -> str:
    return f'objective="{_escape(objective)}",model="{_escape(version.model)}",version="{_escape(version.version)}"'


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
