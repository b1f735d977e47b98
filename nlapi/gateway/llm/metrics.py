"""Counts tokens, cost and time to the first token of LLMs, for Prometheus."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from itertools import accumulate

from nlapi.gateway.exposition import ClientLabels, escape_label, header_lines
from nlapi.gateway.inference import TokenUsage
from nlapi.routing.model import VersionRef

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
            labels = f'{_labels(objective, version)},client="{escape_label(client)}",kind="{kind}"'
            yield f"nlapi_llm_tokens_total{{{labels}}} {count}"
        help_text = "Cost of LLMs by the prices of their versions."
        yield from header_lines("nlapi_llm_cost_dollars_total", "counter", help_text)
        for (objective, version, client), dollars in self._dollars.items():
            labels = f'{_labels(objective, version)},client="{escape_label(client)}"'
            yield f"nlapi_llm_cost_dollars_total{{{labels}}} {dollars:.9g}"
        help_text = "Time from the request to the first token of a stream."
        yield from header_lines("nlapi_llm_first_token_seconds", "histogram", help_text)
        for (objective, version), buckets in self._first_token.items():
            labels, cumulative = _labels(objective, version), list(accumulate(buckets))
            for bound, count in zip(FIRST_TOKEN_BOUNDS_S, cumulative, strict=False):
                yield f'nlapi_llm_first_token_seconds_bucket{{{labels},le="{bound:g}"}} {count}'
            yield f'nlapi_llm_first_token_seconds_bucket{{{labels},le="+Inf"}} {cumulative[-1]}'
            yield f"nlapi_llm_first_token_seconds_sum{{{labels}}} {self._first_token_s[objective, version]:.6f}"
            yield f"nlapi_llm_first_token_seconds_count{{{labels}}} {cumulative[-1]}"
        # Without buckets: with 200 clients they would be twelve times as many series.
        help_text = "Time from a client's request to the first token of a stream."
        yield from header_lines("nlapi_llm_client_first_token_seconds", "summary", help_text)
        for key, count in self._client_streams.items():
            labels = f'{_labels(*key[:2])},client="{escape_label(key[2])}"'
            seconds = self._client_first_token_s[key]
            yield f"nlapi_llm_client_first_token_seconds_sum{{{labels}}} {seconds:.6f}"
            yield f"nlapi_llm_client_first_token_seconds_count{{{labels}}} {count}"


def _labels(objective: str, version: VersionRef) -> str:
    return (
        f'objective="{escape_label(objective)}",model="{escape_label(version.model)}",'
        f'version="{escape_label(version.version)}"'
    )
