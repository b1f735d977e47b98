"""How the versions are doing: shares, rates, latencies and errors over the last minutes."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any

from nlapi.gateway.access import stamp
from nlapi.gateway.metrics import Tally
from nlapi.routing.nouns import VersionRef

Key = tuple[str, VersionRef, str]
"""objective, version, and the canary that chose it or "" """
Counts = Mapping[Key, Tally]
FINE_S = 5.0
FINE = 720
"""An hour of counts, one each 5 seconds."""
COARSE_S = 60.0
COARSE = 1500
"""A day of counts, one a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What one version served of one objective. Shares and errors are in per cent."""

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
class _Sample:
    at: float
    counts: Counts


class Traffic:
    """Keeps the counts that `counts` gives, for a day. `tick` is to be called every few seconds."""

    def __init__(self, counts: Callable[[], Counts], clock: Callable[[], float] = time.time) -> None:
        self._counts = counts
        self._clock = clock
        self._fine: deque[_Sample] = deque(maxlen=FINE)
        self._coarse: deque[_Sample] = deque(maxlen=COARSE)
        self._first = _Sample(at=clock(), counts={})

    def tick(self) -> None:
        """Takes the counts, if it is time to."""
        now = _Sample(at=self._clock(), counts=self._counts())
        if not self._fine or now.at - self._fine[-1].at >= FINE_S:
            self._fine.append(now)
        if not self._coarse or now.at - self._coarse[-1].at >= COARSE_S:
            self._coarse.append(now)

    def rows(self, minutes: float, *, objective: str = "", model: str = "", version: str = "") -> list[Row]:
        """A Row for each objective and version that served in the last minutes, the largest share first."""
        now = self._clock()
        start = self._at(now - 60 * minutes)
        added = _added(start.counts, self._counts())
        seconds = max(now - start.at, 1.0)
        totals = _totals(added)
        rows = [
            _row(name, ref, tally, totals[name], seconds)
            for (name, ref), tally in added.items()
            if tally.requests and objective in ("", name) and model in ("", ref.model) and version in ("", ref.version)
        ]
        return sorted(rows, key=lambda row: (row.objective, -row.share, row.model, row.version))

    def history(self, minutes: float, points: int, *, objective: str = "") -> list[dict[str, Any]]:
        """Requests and shares of each objective that was served, at `points` moments, the oldest first.

        There are fewer when they would lie closer together than counts are taken.
        """
        now = self._clock()
        points = max(1, min(points, int(60 * minutes / FINE_S)))
        width = 60 * minutes / points
        edges = [now - 60 * minutes + width * step for step in range(points)]
        samples = [self._at(edge) for edge in edges] + [_Sample(at=now, counts=self._counts())]
        steps = [_added(before.counts, after.counts) for before, after in pairwise(samples)]
        seen = {name for step in steps for name, total in _totals(step).items() if total and objective in ("", name)}
        return [_point(step, edge, name) for step, edge in zip(steps, edges, strict=True) for name in sorted(seen)]

    def _at(self, moment: float) -> _Sample:
        """The counts as they were at a moment, as nearly as they are known."""
        best = self._first
        for samples in (self._coarse, self._fine):
            for sample in reversed(samples):
                if sample.at <= moment:
                    best = sample if sample.at > best.at else best
                    break
        return best


def _added(before: Counts, after: Counts) -> dict[tuple[str, VersionRef], Tally]:
    found: dict[tuple[str, VersionRef], Tally] = {}
    for key, tally in after.items():
        objective, version, _ = key
        grown = tally.since(before[key]) if key in before else tally
        known = found.get((objective, version))
        found[objective, version] = known.plus(grown) if known else grown
    return found


def _totals(added: Mapping[tuple[str, VersionRef], Tally]) -> dict[str, int]:
    totals: dict[str, int] = {}
    for (objective, _), tally in added.items():
        totals[objective] = totals.get(objective, 0) + tally.requests
    return totals


def _row(objective: str, ref: VersionRef, tally: Tally, total: int, seconds: float) -> Row:
    return Row(
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


def _point(added: Mapping[tuple[str, VersionRef], Tally], at: float, objective: str) -> dict[str, Any]:
    counts = {str(ref): tally.requests for (name, ref), tally in sorted(added.items()) if name == objective}
    total = sum(counts.values())
    shares = {version: round(100 * count / total, 2) for version, count in counts.items() if count}
    return {"at": stamp(datetime.fromtimestamp(at, UTC)), "objective": objective, "requests": total, "shares": shares}
