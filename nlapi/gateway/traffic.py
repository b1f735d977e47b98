"""The traffic of versions over the last minutes and hours: shares, rates, latencies and errors."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from nlapi.gateway.access import format_time
from nlapi.gateway.metrics import SeriesKey, Tally
from nlapi.routing.nouns import VersionRef

Counts = Mapping[SeriesKey, Tally]
# An hour of samples every 5 s and 25 hours every minute: enough for the last minutes and for a day, in 2,220 samples.
FINE_INTERVAL_S = 5.0
FINE_SAMPLES = 720
COARSE_INTERVAL_S = 60.0
COARSE_SAMPLES = 1500


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
        """Return a Row for each objective and version with requests in the last minutes, largest share first."""
        now = self._clock()
        start = self._sample_at(now - 60 * minutes)
        added = _version_tallies(start.counts, self._counts())
        seconds = max(now - start.at, 1.0)  # just after the start a rate over milliseconds would be absurd
        totals = _objective_totals(added)
        rows = [
            _build_row(name, ref, tally, totals[name], seconds)
            for (name, ref), tally in added.items()
            if tally.requests and objective in ("", name) and model in ("", ref.model) and version in ("", ref.version)
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
        steps = [_version_tallies(before.counts, after.counts) for before, after in pairwise(samples)]
        names = {name for step in steps for name, total in _objective_totals(step).items() if total and objective in ("", name)}
        return [_build_point(step, edge, name) for step, edge in zip(steps, edges, strict=True) for name in sorted(names)]

    def _sample_at(self, moment: float) -> _CountSample:
        """Return the last sample at or before a time, or the first sample."""
        best = self._first
        for samples in (self._coarse, self._fine):
            for sample in reversed(samples):
                if sample.at <= moment:
                    best = sample if sample.at > best.at else best
                    break
        return best


def _version_tallies(before: Counts, after: Counts) -> dict[tuple[str, VersionRef], Tally]:
    tallies: dict[tuple[str, VersionRef], Tally] = {}
    for key, tally in after.items():
        objective, version, _ = key
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
        error_percent=round(100 * tally.errors / tally.requests, 3),
    )


def _build_point(added: Mapping[tuple[str, VersionRef], Tally], at: float, objective: str) -> dict[str, Any]:
    counts = {str(ref): tally.requests for (name, ref), tally in sorted(added.items()) if name == objective}
    total = sum(counts.values())
    shares = {version: round(100 * count / total, 2) for version, count in counts.items() if count}
    return {"at": format_time(datetime.fromtimestamp(at, UTC)), "objective": objective, "requests": total, "shares": shares}
