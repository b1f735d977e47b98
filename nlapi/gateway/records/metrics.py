"""Counts served requests by objective and version, for Prometheus and as traffic of the last minutes and hours."""

from __future__ import annotations

import asyncio
import time
from bisect import bisect_left
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import accumulate, pairwise
from typing import Any

import orjson

from nlapi.gateway.control.access import format_time
from nlapi.gateway.inference import InferenceError, InferenceResponse, InferenceResult
from nlapi.gateway.llm.usage import LlmMetrics
from nlapi.gateway.records.exposition import ClientLabels, escape_label, header_lines, version_labels
from nlapi.routing.model import VersionRef
from nlapi.version import __version__

# Seconds between two measurements of the lag. 4 wake-ups a second cost 0.03 % of a core.
LAG_INTERVAL_S = 0.25
LAG_BOUNDS_S = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class ClientMetrics:
    """The requests of each client by outcome: "ok", "error" when no version answered, or "refused"."""

    # No lock: all observations are made in the event loop.
    def __init__(self) -> None:
        self._requests: Counter[tuple[str, str]] = Counter()
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self._labels = ClientLabels()

    def observe(self, client: str, outcome: str, seconds: float = 0.0) -> None:
        """Count a request that took some seconds."""
        label = self._labels.label(client)
        self._requests[label, outcome] += 1
        self._seconds[label] += seconds

    def lines(self) -> Iterator[str]:
        """Yield the lines in the Prometheus text format."""
        yield from header_lines(
            "nlapi_client_requests_total", "counter", "Requests of each client, by what came of them."
        )
        for (client, outcome), count in self._requests.items():
            yield f'nlapi_client_requests_total{{client="{escape_label(client)}",outcome="{outcome}"}} {count}'
        help_text = "Seconds that the requests of each client took."
        yield from header_lines("nlapi_client_request_seconds_total", "counter", help_text)
        for client, seconds in self._seconds.items():
            yield f'nlapi_client_request_seconds_total{{client="{escape_label(client)}"}} {seconds:.6f}'


class EventLoopLag:
    """A histogram of how late the event loop runs what is due: everything that serves waits that long as well."""

    def __init__(self) -> None:
        self._buckets = [0] * (len(LAG_BOUNDS_S) + 1)
        self._sum_s = 0.0

    async def watch(self) -> None:
        """Measure, for ever."""
        while True:
            due = time.perf_counter() + LAG_INTERVAL_S
            await asyncio.sleep(LAG_INTERVAL_S)
            lag = max(0.0, time.perf_counter() - due)
            self._buckets[bisect_left(LAG_BOUNDS_S, lag)] += 1
            self._sum_s += lag

    def lines(self) -> Iterator[str]:
        """Yield the lines in the Prometheus text format."""
        name = "nlapi_event_loop_lag_seconds"
        yield from header_lines(name, "histogram", "How late the event loop runs what is due, sampled.")
        *counts, total = accumulate(self._buckets)
        for bound, count in zip(LAG_BOUNDS_S, counts, strict=True):
            yield f'{name}_bucket{{le="{bound:g}"}} {count}'
        yield f'{name}_bucket{{le="+Inf"}} {total}'
        yield f"{name}_sum {self._sum_s:.6f}"
        yield f"{name}_count {total}"


def process_lines() -> Iterator[str]:
    """Yield the version, and what prometheus_client tells of a process: CPU, memory, files, start, collections."""
    yield from header_lines("nlapi_build_info", "gauge", "The version of nlapi.")
    yield f'nlapi_build_info{{version="{escape_label(__version__)}"}} 1'
    try:
        from prometheus_client import CollectorRegistry, GCCollector, ProcessCollector, generate_latest
    except ImportError:  # `nlapi demo` serves without the extra
        return
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    GCCollector(registry=registry)
    yield from generate_latest(registry).decode().splitlines()


# The upper bounds of the latency buckets, from 50 us to a minute. Each is a quarter above the one before, so that a
# percentile between two bounds is off by a quarter at most.
BUCKET_BOUNDS_MS = tuple(0.05 * 1.25**step for step in range(64))

# Prometheus gets every fourth bucket, as each is a time series for each version; the rest is for our own percentiles.
_PROMETHEUS_BUCKETS = range(3, len(BUCKET_BOUNDS_MS), 4)

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

# An hour of samples every 5 s and 25 hours every minute: enough for the last minutes and for a day, in 2,220 samples.
FINE_INTERVAL_S = 5.0
FINE_SAMPLES = 720
COARSE_INTERVAL_S = 60.0
COARSE_SAMPLES = 1500


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counts at one time; the difference of two is the traffic between them."""

    requests: int = 0
    errors: int = 0
    """requests that the version failed, also those that the fallback answered"""
    fallbacks: int = 0
    """errors whose client got the answer of the fallback"""
    canceled: int = 0
    """requests whose client went away before anything was sent; they are not errors, and their time counts"""
    buckets: tuple[int, ...] = (0,) * (len(BUCKET_BOUNDS_MS) + 1)
    outputs: Mapping[str, tuple[int, float]] | None = None
    """field of the output -> number of values, and their sum"""

    def since(self, before: Tally) -> Tally:
        """Return the counts after `before`."""
        return self._combine(before, -1)

    def plus(self, addend: Tally) -> Tally:
        """Return the sum of both counts."""
        return self._combine(addend, 1)

    def _combine(self, operand: Tally, sign: int) -> Tally:
        left, right = self.outputs or {}, operand.outputs or {}
        outputs = {}
        for name in {**left, **right}:
            (count, total), (more, added) = left.get(name, (0, 0.0)), right.get(name, (0, 0.0))
            outputs[name] = (count + sign * more, total + sign * added)
        return Tally(
            requests=self.requests + sign * operand.requests,
            errors=self.errors + sign * operand.errors,
            fallbacks=self.fallbacks + sign * operand.fallbacks,
            canceled=self.canceled + sign * operand.canceled,
            buckets=tuple(bucket + sign * more for bucket, more in zip(self.buckets, operand.buckets, strict=True)),
            outputs=outputs,
        )

    @property
    def error_rate(self) -> float:
        """Errors per request, 0 to 1."""
        return self.errors / self.requests if self.requests else 0.0

    def percentile(self, share: float) -> float:
        """Return the latency in ms that `share` (0 to 1) of the requests did not exceed; 0.0 without requests."""
        rank = share * sum(self.buckets)
        if not rank:
            return 0.0
        cumulative = 0
        for index, count in enumerate(self.buckets):
            if count and cumulative + count >= rank:
                low = BUCKET_BOUNDS_MS[index - 1] if index else 0.0
                high = BUCKET_BOUNDS_MS[min(index, len(BUCKET_BOUNDS_MS) - 1)]
                return low + (high - low) * (rank - cumulative) / count
            cumulative += count
        return BUCKET_BOUNDS_MS[-1]

    def count_above(self, ms: float) -> float:
        """Return about how many requests took longer than `ms`."""
        index = bisect_left(BUCKET_BOUNDS_MS, ms)
        above = float(sum(self.buckets[index + 1 :]))
        if index == len(BUCKET_BOUNDS_MS):
            return above
        low, high = BUCKET_BOUNDS_MS[index - 1] if index else 0.0, BUCKET_BOUNDS_MS[index]
        return above + self.buckets[index] * (high - ms) / (high - low)

    def mean_output(self, field: str) -> float | None:
        """Return the mean of a numeric field of the outputs, or None without values."""
        count, total = (self.outputs or {}).get(field, (0, 0.0))
        return total / count if count else None


class Series:
    """The running counts of one objective, version and canary."""

    __slots__ = ("_buckets", "_canceled", "_errors", "_fallbacks", "_outputs", "_requests", "sum_ms")

    def __init__(self) -> None:
        self._requests = 0
        self._errors = 0
        self._fallbacks = 0
        self._canceled = 0
        self.sum_ms = 0.0
        self._buckets = [0] * (len(BUCKET_BOUNDS_MS) + 1)
        self._outputs: dict[str, list[float]] = {}

    def observe(self, ms: float, *, failed: bool) -> None:
        """Count one request."""
        # No lock: all observations are made in the event loop.
        self._requests += 1
        self.sum_ms += ms
        self._buckets[bisect_left(BUCKET_BOUNDS_MS, ms)] += 1
        if failed:
            self._errors += 1

    def observe_fallback(self, ms: float) -> None:
        """Count a request that the version failed and the fallback answered."""
        self.observe(ms, failed=True)
        self._fallbacks += 1

    def observe_canceled(self, ms: float) -> None:
        """Count a request whose client went away before anything was sent."""
        # A version that hangs until its clients give up must not look faster than the one it is compared with.
        self.observe(ms, failed=False)
        self._canceled += 1

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
        return Tally(
            requests=self._requests,
            errors=self._errors,
            fallbacks=self._fallbacks,
            canceled=self._canceled,
            buckets=tuple(self._buckets),
            outputs=outputs,
        )


SeriesKey = tuple[str, VersionRef, str]
"""objective, version, and the canary that chose it or \"\""""


class ShadowComparison:
    """The answers of one shadow, compared with the served ones."""

    def __init__(self, version: VersionRef) -> None:
        self.version = version
        self.series = Series()
        self.compared_count = 0
        self.same_count = 0

    def observe(self, result: InferenceResult | InferenceError, served: InferenceResponse | None) -> None:
        """Count a copy and compare its output with the served one, if there is one."""
        if isinstance(result, InferenceError):
            return  # counted in Metrics.shadow_outcomes
        self.series.observe(sum(result.stages.values()), failed=False)
        if served is not None:
            self.compared_count += 1
            self.same_count += _is_equal(result.output, served.output)


def _is_equal(left: Any, right: Any) -> bool:
    try:
        if left == right:
            return True
    except ValueError:  # numpy compares arrays element by element, and the result has no truth value
        pass
    # An output from a worker process is JSON already; one of an inline version may be a tuple, or of numpy.
    try:
        option = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_SORT_KEYS
        return orjson.dumps(left, option=option) == orjson.dumps(right, option=option)
    except (TypeError, UnicodeEncodeError):
        return False


_NO_RATINGS: Mapping[tuple[str, str], int] = {}


class Metrics:
    """All series of an engine, with the refused requests and the shadows' copies; `gauges` returns current values.

    `ratings` are those of the engine's judge.
    """

    def __init__(
        self, gauges: Callable[[], Mapping[str, float]] = dict, ratings: Mapping[tuple[str, str], int] = _NO_RATINGS
    ) -> None:
        self._gauges = gauges
        self._ratings = ratings
        self._series: dict[SeriesKey, Series] = {}
        self.refused: Counter[tuple[str, int]] = Counter()
        """(objective, status) of requests that reached no version"""
        self.fallbacks: Counter[tuple[str, VersionRef]] = Counter()
        """(objective, the version that answered) of requests that the decided version failed"""
        self.given_again: Counter[str] = Counter()
        """objective -> requests whose answer was that of an earlier one"""
        self.shadow_outcomes: Counter[tuple[str, str]] = Counter()
        """(shadow, "ok" | "error" | "dropped") -> number of copies"""
        self.shadow_comparisons: dict[str, ShadowComparison] = {}
        self.llm = LlmMetrics()
        self.clients = ClientMetrics()

    def series(self, objective: str, version: VersionRef, canary: str = "") -> Series:
        """Return the series of an objective, version and canary, created at the first call."""
        return self._series.setdefault((objective, version, canary), Series())

    def shadow_comparison(self, shadow: str, version: VersionRef) -> ShadowComparison:
        """Return the comparison of a shadow; it starts again when the shadow's version changes."""
        comparison = self.shadow_comparisons.get(shadow)
        if comparison is None or comparison.version != version:
            comparison = self.shadow_comparisons[shadow] = ShadowComparison(version)
        return comparison

    def tallies(self) -> dict[SeriesKey, Tally]:
        """Return the counts of all series so far."""
        return {key: series.tally() for key, series in self._series.items()}

    def prometheus_text(self) -> str:
        """Return all metrics in the Prometheus text format 0.0.4."""
        lines = [*self._request_lines(), *self._latency_lines(), *self._counter_lines(), *self.clients.lines()]
        return "\n".join([*lines, *self.llm.prometheus_lines(), ""])

    def _request_lines(self) -> Iterator[str]:
        yield from header_lines("nlapi_requests_total", "counter", "Requests that reached a version.")
        for key, tally in self.tallies().items():
            labels = _format_labels(key)
            yield f'nlapi_requests_total{{{labels},outcome="ok"}} {tally.requests - tally.errors - tally.canceled}'
            yield f'nlapi_requests_total{{{labels},outcome="error"}} {tally.errors - tally.fallbacks}'
            if tally.fallbacks:
                yield f'nlapi_requests_total{{{labels},outcome="fallback"}} {tally.fallbacks}'
            if tally.canceled:
                yield f'nlapi_requests_total{{{labels},outcome="canceled"}} {tally.canceled}'

    def _latency_lines(self) -> Iterator[str]:
        yield from header_lines("nlapi_request_seconds", "histogram", "Time from the decision to the answer.")
        for key, series in self._series.items():
            labels, tally = _format_labels(key), series.tally()
            cumulative = list(accumulate(tally.buckets))
            for index in _PROMETHEUS_BUCKETS:
                bound = f"{BUCKET_BOUNDS_MS[index] / 1000:.6g}"
                yield f'nlapi_request_seconds_bucket{{{labels},le="{bound}"}} {cumulative[index]}'
            yield f'nlapi_request_seconds_bucket{{{labels},le="+Inf"}} {tally.requests}'
            yield f"nlapi_request_seconds_sum{{{labels}}} {series.sum_ms / 1000:.6f}"
            yield f"nlapi_request_seconds_count{{{labels}}} {tally.requests}"

    def _counter_lines(self) -> Iterator[str]:
        yield from header_lines("nlapi_refused_total", "counter", "Requests that reached no version.")
        for (objective, status), count in self.refused.items():
            yield f'nlapi_refused_total{{objective="{escape_label(objective)}",status="{status}"}} {count}'
        yield from header_lines("nlapi_answers_given_again_total", "counter", "Requests answered without a run.")
        for name, count in self.given_again.items():
            yield f'nlapi_answers_given_again_total{{objective="{escape_label(name)}"}} {count}'
        yield from header_lines("nlapi_ratings_total", "counter", "Answers that a judge rated, by what became of it.")
        for (name, outcome), count in self._ratings.items():
            yield f'nlapi_ratings_total{{objective="{escape_label(name)}",outcome="{outcome}"}} {count}'
        yield from header_lines("nlapi_fallbacks_total", "counter", "Requests that the fallback version answered.")
        for (objective, version), count in self.fallbacks.items():
            yield f"nlapi_fallbacks_total{{{version_labels(objective, version)}}} {count}"
        yield from header_lines("nlapi_shadow_copies_total", "counter", "Copies of requests, by what became of them.")
        for (shadow, outcome), count in self.shadow_outcomes.items():
            yield f'nlapi_shadow_copies_total{{shadow="{escape_label(shadow)}",outcome="{outcome}"}} {count}'
        yield from header_lines(
            "nlapi_shadow_same_total", "counter", "Copies whose answer was the one that was served."
        )
        for shadow, comparison in self.shadow_comparisons.items():
            yield f'nlapi_shadow_same_total{{shadow="{escape_label(shadow)}"}} {comparison.same_count}'
        for name, value in self._gauges().items():
            yield from header_lines(name, "counter" if name.endswith("_total") else "gauge", _GAUGE_HELP.get(name, ""))
            yield f"{name} {value:.15g}"


_GAUGE_HELP = {
    "nlapi_revision": "The number of the current revision.",
    "nlapi_hosts": "Ray clusters whose heartbeats are heard.",
    "nlapi_versions": "Versions of the current revision.",
    "nlapi_versions_not_loaded": "Versions of the current revision that could not be loaded.",
    "nlapi_requests_in_flight": "Requests that are being served.",
    "nlapi_records_dropped_total": "Decisions that were not recorded.",
    "nlapi_replicas": "Replicas of remote shards.",
    "nlapi_replicas_ejected": "Replicas that are not called because they failed.",
}


def _format_labels(key: SeriesKey) -> str:
    objective, version, canary = key
    return f'{version_labels(objective, version)},canary="{escape_label(canary)}"'


Counts = Mapping[SeriesKey, Tally]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficRow:
    """The traffic of one version of one objective; shares and errors are in per cent."""

    # The fields are the keys of an answer, by asdict().

    objective: str
    model: str
    version: str
    share: float
    requests: int
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    error_percent: float
    """without those that the fallback answered"""
    fallback_percent: float

    @property
    def ref(self) -> VersionRef:
        return VersionRef(model=self.model, version=self.version)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class _CountSample:
    at: float
    counts: Counts


class TrafficHistory:
    """The samples of `counts` over a day; `tick` has to be called every few seconds."""

    def __init__(self, counts: Callable[[], Counts], clock: Callable[[], float] = time.time) -> None:
        self._counts = counts
        self._clock = clock
        self._fine: deque[_CountSample] = deque(maxlen=FINE_SAMPLES)
        self._coarse: deque[_CountSample] = deque(maxlen=COARSE_SAMPLES)
        self._first = _CountSample(at=clock(), counts={})

    def tick(self) -> None:
        """Sample the counts when the next sample is due."""
        now = _CountSample(at=self._clock(), counts=self._counts())
        if not self._fine or now.at - self._fine[-1].at >= FINE_INTERVAL_S:
            self._fine.append(now)
        if not self._coarse or now.at - self._coarse[-1].at >= COARSE_INTERVAL_S:
            self._coarse.append(now)

    def rows(self, minutes: float, *, objective: str = "", model: str = "", version: str = "") -> list[TrafficRow]:
        """Return a TrafficRow for each objective and version with requests in the last minutes, largest share first."""
        now = self._clock()
        start = self._sample_at(now - 60 * minutes)
        added = _version_tallies(start.counts, self._counts(), objective)
        seconds = max(now - start.at, 1.0)  # just after the start a rate over milliseconds would be absurd
        totals = _objective_totals(added)
        rows = [
            _build_row(name, ref, tally, totals[name], seconds)
            for (name, ref), tally in added.items()
            if tally.requests and model in ("", ref.model) and version in ("", ref.version)
        ]
        return sorted(rows, key=lambda row: (row.objective, -row.share, row.model, row.version))

    def history(self, minutes: float, points: int, *, objective: str = "") -> list[dict[str, Any]]:
        """Return the requests and shares of each objective at `points` times, oldest first.

        There are fewer points when they would be closer together than the samples.
        """
        now = self._clock()
        points = max(1, min(points, int(60 * minutes / FINE_INTERVAL_S)))
        width = 60 * minutes / points
        edges = [now - 60 * minutes + width * step for step in range(points)]
        samples = [self._sample_at(edge) for edge in edges] + [_CountSample(at=now, counts=self._counts())]
        steps = [_version_requests(before.counts, after.counts, objective) for before, after in pairwise(samples)]
        names = sorted({name for step in steps for name, counts in step.items() if any(counts.values())})
        return [
            _build_point(step.get(name, {}), edge, name)
            for step, edge in zip(steps, edges, strict=True)
            for name in names
        ]

    def _sample_at(self, moment: float) -> _CountSample:
        """Return the last sample at or before a time, or the first sample."""
        best = self._first
        for samples in (self._coarse, self._fine):
            for sample in reversed(samples):
                if sample.at <= moment:
                    best = sample if sample.at > best.at else best
                    break
        return best


def _version_requests(before: Counts, after: Counts, name: str) -> dict[str, dict[VersionRef, int]]:
    """Return how many requests each version of an objective had between two samples; of all objectives for ""."""
    requests: dict[str, dict[VersionRef, int]] = {}
    for key, tally in after.items():
        objective, version, _ = key
        if name in ("", objective):
            counts = requests.setdefault(objective, {})
            growth = tally.requests - (before[key].requests if key in before else 0)
            counts[version] = counts.get(version, 0) + growth
    return requests


def _version_tallies(before: Counts, after: Counts, name: str) -> dict[tuple[str, VersionRef], Tally]:
    tallies: dict[tuple[str, VersionRef], Tally] = {}
    for key, tally in after.items():
        objective, version, _ = key
        if name not in ("", objective):
            continue
        growth = tally.since(before[key]) if key in before else tally
        previous = tallies.get((objective, version))
        tallies[objective, version] = previous.plus(growth) if previous else growth
    return tallies


def _objective_totals(added: Mapping[tuple[str, VersionRef], Tally]) -> dict[str, int]:
    totals: Counter[str] = Counter()
    for (objective, _), tally in added.items():
        totals[objective] += tally.requests
    return totals


def _build_row(objective: str, ref: VersionRef, tally: Tally, total: int, seconds: float) -> TrafficRow:
    return TrafficRow(
        objective=objective,
        model=ref.model,
        version=ref.version,
        share=round(100 * tally.requests / total, 2),
        requests=tally.requests,
        requests_per_second=round(tally.requests / seconds, 3),
        p50_ms=round(tally.percentile(0.5), 3),
        p99_ms=round(tally.percentile(0.99), 3),
        error_percent=round(100 * (tally.errors - tally.fallbacks) / tally.requests, 3),
        fallback_percent=round(100 * tally.fallbacks / tally.requests, 3),
    )


def _build_point(counts: Mapping[VersionRef, int], at: float, objective: str) -> dict[str, Any]:
    total = sum(counts.values())
    shares = {str(version): round(100 * count / total, 2) for version, count in sorted(counts.items()) if count}
    return {
        "at": format_time(datetime.fromtimestamp(at, UTC)),
        "objective": objective,
        "requests": total,
        "shares": shares,
    }
