"""The counts of served requests by objective and version: requests, errors and latencies, as Prometheus text."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from nlapi.gateway.calls import Failed, Ran, Served
from nlapi.routing.nouns import VersionRef

# The upper bounds of the latency buckets, from 50 us to a minute. Each is a quarter above the one before, so that a
# percentile between two bounds is off by a quarter at most.
BOUNDS_MS = tuple(0.05 * 1.25**step for step in range(64))

# Prometheus gets every fourth bucket, as each is a time series for each version; the rest is for our own percentiles.
_SHOWN = range(3, len(BOUNDS_MS), 4)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counts at one time; the difference of two is the traffic between them."""

    requests: int = 0
    errors: int = 0
    buckets: tuple[int, ...] = (0,) * (len(BOUNDS_MS) + 1)
    outputs: Mapping[str, tuple[int, float]] | None = None
    """field of the output -> number of values, and their sum"""

    def since(self, before: Tally) -> Tally:
        """Return the counts after `before`."""
        return self._with(before, -1)

    def plus(self, other: Tally) -> Tally:
        """Return the sum of both counts."""
        return self._with(other, 1)

    def _with(self, other: Tally, sign: int) -> Tally:
        mine, theirs = self.outputs or {}, other.outputs or {}
        outputs = {}
        for name in {**mine, **theirs}:
            (count, total), (more, added) = mine.get(name, (0, 0.0)), theirs.get(name, (0, 0.0))
            outputs[name] = (count + sign * more, total + sign * added)
        return Tally(
            requests=self.requests + sign * other.requests,
            errors=self.errors + sign * other.errors,
            buckets=tuple(one + sign * more for one, more in zip(self.buckets, other.buckets, strict=True)),
            outputs=outputs,
        )

    @property
    def error_rate(self) -> float:
        """Errors per request, 0 to 1."""
        return self.errors / self.requests if self.requests else 0.0

    def percentile(self, share: float) -> float:
        """Return the latency in ms that `share` (0 to 1) of the requests did not exceed; 0.0 without requests."""
        wanted = share * sum(self.buckets)
        if not wanted:
            return 0.0
        seen = 0
        for index, count in enumerate(self.buckets):
            if count and seen + count >= wanted:
                low = BOUNDS_MS[index - 1] if index else 0.0
                high = BOUNDS_MS[min(index, len(BOUNDS_MS) - 1)]
                return low + (high - low) * (wanted - seen) / count
            seen += count
        return BOUNDS_MS[-1]

    def mean(self, field: str) -> float | None:
        """Return the mean of a numeric field of the outputs, or None without values."""
        count, total = (self.outputs or {}).get(field, (0, 0.0))
        return total / count if count else None


class Series:
    """The running counts of one objective, version and canary."""

    __slots__ = ("_buckets", "_errors", "_outputs", "_requests", "sum_ms")

    def __init__(self) -> None:
        self._requests = 0
        self._errors = 0
        self.sum_ms = 0.0
        self._buckets = [0] * (len(BOUNDS_MS) + 1)
        self._outputs: dict[str, list[float]] = {}

    def observe(self, ms: float, *, failed: bool) -> None:
        """Count one request."""
        # No lock: all observations are made in the event loop.
        self._requests += 1
        self.sum_ms += ms
        self._buckets[bisect_left(BOUNDS_MS, ms)] += 1
        if failed:
            self._errors += 1

    def observe_output(self, output: Any, fields: Iterable[str]) -> None:
        """Add the numeric fields of an output to their sums."""
        for field in fields:
            value = output.get(field) if isinstance(output, dict) else None
            if isinstance(value, int | float):
                pair = self._outputs.setdefault(field, [0, 0.0])
                pair[0] += 1
                pair[1] += value

    def tally(self) -> Tally:
        """Return the counts so far."""
        outputs = {name: (int(count), total) for name, (count, total) in self._outputs.items()}
        return Tally(requests=self._requests, errors=self._errors, buckets=tuple(self._buckets), outputs=outputs)


Key = tuple[str, VersionRef, str]
"""objective, version, and the canary that chose it or \"\""""


class Copies:
    """The answers of one shadow, compared with the served ones."""

    def __init__(self, version: VersionRef) -> None:
        self.version = version
        self.series = Series()
        self.compared = 0
        self.same = 0

    def observe(self, result: Ran | Failed, served: Served | None) -> None:
        """Count a copy and compare its output with the served one, if there is one."""
        if isinstance(result, Failed):
            return  # counted in Metrics.shadows
        self.series.observe(sum(result.stages.values()), failed=False)
        if served is not None:
            self.compared += 1
            self.same += _equal(result.output, served.output)


def _equal(one: Any, other: Any) -> bool:
    try:
        return bool(one == other)
    except ValueError:  # numpy compares arrays element by element, and the result has no truth value
        return False


class Metrics:
    """All series of an engine, with the refused requests and the shadows' copies; `gauges` returns current values."""

    def __init__(self, gauges: Callable[[], Mapping[str, float]] = dict) -> None:
        self._gauges = gauges
        self._series: dict[Key, Series] = {}
        self.refused: Counter[tuple[str, int]] = Counter()
        """(objective, status) of requests that reached no version"""
        self.fallbacks: Counter[str] = Counter()
        self.shadows: Counter[tuple[str, str]] = Counter()
        """(shadow, "ok" | "error" | "dropped") -> number of copies"""
        self.copies: dict[str, Copies] = {}

    def series(self, objective: str, version: VersionRef, canary: str = "") -> Series:
        """Return the series of an objective, version and canary, created at the first call."""
        return self._series.setdefault((objective, version, canary), Series())

    def copy(self, shadow: str, version: VersionRef) -> Copies:
        """Return the comparison of a shadow; it starts again when the shadow's version changes."""
        known = self.copies.get(shadow)
        if known is None or known.version != version:
            known = self.copies[shadow] = Copies(version)
        return known

    def tallies(self) -> dict[Key, Tally]:
        """Return the counts of all series so far."""
        return {key: series.tally() for key, series in self._series.items()}

    def text(self) -> str:
        """Return all metrics in the Prometheus text format 0.0.4."""
        return "\n".join([*self._requests(), *self._latencies(), *self._others(), ""])

    def _requests(self) -> Iterator[str]:
        yield from _head("nlapi_requests_total", "counter", "Requests that reached a version.")
        for key, tally in self.tallies().items():
            labels = _labels(key)
            yield f'nlapi_requests_total{{{labels},outcome="ok"}} {tally.requests - tally.errors}'
            yield f'nlapi_requests_total{{{labels},outcome="error"}} {tally.errors}'

    def _latencies(self) -> Iterator[str]:
        yield from _head("nlapi_request_seconds", "histogram", "Time from the decision to the answer.")
        for key, series in self._series.items():
            labels, tally = _labels(key), series.tally()
            below = list(accumulate(tally.buckets))
            for index in _SHOWN:
                bound = f"{BOUNDS_MS[index] / 1000:.6g}"
                yield f'nlapi_request_seconds_bucket{{{labels},le="{bound}"}} {below[index]}'
            yield f'nlapi_request_seconds_bucket{{{labels},le="+Inf"}} {tally.requests}'
            yield f"nlapi_request_seconds_sum{{{labels}}} {series.sum_ms / 1000:.6f}"
            yield f"nlapi_request_seconds_count{{{labels}}} {tally.requests}"

    def _others(self) -> Iterator[str]:
        yield from _head("nlapi_refused_total", "counter", "Requests that reached no version.")
        for (objective, status), count in self.refused.items():
            yield f'nlapi_refused_total{{objective="{_escape(objective)}",status="{status}"}} {count}'
        yield from _head("nlapi_fallbacks_total", "counter", "Requests that the fallback version answered.")
        for objective, count in self.fallbacks.items():
            yield f'nlapi_fallbacks_total{{objective="{_escape(objective)}"}} {count}'
        yield from _head("nlapi_shadow_copies_total", "counter", "Copies of requests, by what became of them.")
        for (shadow, outcome), count in self.shadows.items():
            yield f'nlapi_shadow_copies_total{{shadow="{_escape(shadow)}",outcome="{outcome}"}} {count}'
        yield from _head("nlapi_shadow_same_total", "counter", "Copies whose answer was the one that was served.")
        for shadow, copies in self.copies.items():
            yield f'nlapi_shadow_same_total{{shadow="{_escape(shadow)}"}} {copies.same}'
        for name, value in self._gauges().items():
            yield from _head(name, "counter" if name.endswith("_total") else "gauge", _GAUGES.get(name, ""))
            yield f"{name} {value:.15g}"


_GAUGES = {
    "nlapi_revision": "The number of the current revision.",
    "nlapi_requests_in_flight": "Requests that are being served.",
    "nlapi_records_dropped_total": "Decisions that were not recorded.",
    "nlapi_replicas": "Replicas of remote shards.",
    "nlapi_replicas_ejected": "Replicas that are not called because they failed.",
}


def _head(name: str, kind: str, help: str) -> Iterator[str]:
    yield f"# HELP {name} {help}"
    yield f"# TYPE {name} {kind}"


def _labels(key: Key) -> str:
    objective, version, canary = key
    return (
        f'objective="{_escape(objective)}",model="{_escape(version.model)}",'
        f'version="{_escape(version.version)}",canary="{_escape(canary)}"'
    )


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
