"""Shares over time as stacked areas: the paths of an SVG, with gaps where nothing was asked and marks of revisions."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

WIDTH = 560
HEIGHT = 96
COLORS = 6
"""the classes s0, s1, ... of console.css"""

# Points before the first request that a plot begins with, so that its start is seen.
_LEAD = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareArea:
    """The area of one version: the `d` of its path, and its share at the end in percent."""

    version: str
    path: str
    share: float
    color: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionMark:
    """Where on the time axis a revision began."""

    x: float
    number: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SharePlot:
    """All that the plot of one objective shows; `start` and `end` are times of the day in UTC."""

    areas: tuple[ShareArea, ...]
    marks: tuple[RevisionMark, ...]
    start: str
    end: str

    @property
    def text(self) -> str:
        """What the plot shows, for those who do not see it."""
        if not self.areas:
            return "nothing was asked"
        return ", ".join(f"{area.version} {area.share:.0f} %" for area in self.areas)


def share_plot(points: Sequence[Mapping[str, Any]], revisions: Sequence[Mapping[str, Any]]) -> SharePlot:
    """Return the plot of the points of one objective, with a mark for each of its revisions, given in any order."""
    begin = next((index for index, point in enumerate(points) if point["requests"]), 0)
    points = points[max(0, begin - _LEAD) :]
    if not points:
        return SharePlot(areas=(), marks=(), start="", end="")
    times = [point["at"] for point in points]
    marks = [
        RevisionMark(
            x=round((bisect_right(times, revision["at"]) - 0.5) * WIDTH / len(points), 1),
            number=revision["revision"],
            text=revision["why"] or revision.get("summary", ""),
        )
        for revision in revisions
        if revision["at"] >= times[0]
    ]
    return SharePlot(areas=tuple(_areas(points)), marks=tuple(marks), start=times[0][11:16], end=times[-1][11:16])


def _areas(points: Sequence[Mapping[str, Any]]) -> Iterator[ShareArea]:
    versions = sorted({version for point in points for version in point["shares"]})
    runs = list(_runs(points))
    bottom = [0.0] * len(points)
    for position, version in enumerate(versions):
        shares = [point["shares"].get(version, 0.0) for point in points]
        top = [low + share for low, share in zip(bottom, shares, strict=True)]
        path = "".join(_outline(run, bottom, top, WIDTH / len(points)) for run in runs)
        last = next((shares[run[-1]] for run in reversed(runs)), 0.0)
        yield ShareArea(version=version, path=path, share=last, color=f"s{position % COLORS}")
        bottom = top


def _runs(points: Sequence[Mapping[str, Any]]) -> Iterator[list[int]]:
    """Yield the indexes of each stretch of points with requests."""
    for has_requests, run in groupby(enumerate(points), lambda pair: bool(pair[1]["requests"])):
        if has_requests:
            yield [index for index, _ in run]


def _outline(run: Sequence[int], bottom: Sequence[float], top: Sequence[float], step: float) -> str:
    """Return the closed path of one stretch with traffic, which ends where its first and last points do."""
    edges = [run[0], *(index + 0.5 for index in run), run[-1] + 1]
    indexes = [run[0], *run, run[-1]]
    upper = [_point(x * step, top[index]) for x, index in zip(edges, indexes, strict=True)]
    lower = [_point(x * step, bottom[index]) for x, index in zip(edges, indexes, strict=True)]
    return f"M{'L'.join([*upper, *reversed(lower)])}Z"


def _point(x: float, percent: float) -> str:
    return f"{x:.1f},{HEIGHT - percent * HEIGHT / 100:.1f}"
