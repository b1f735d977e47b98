"""The pages of objectives: how their traffic is shared over time, and how their canaries do."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nlapi.console.gateway.api import GatewayApi
from nlapi.console.gateway.changes import current_share
from nlapi.console.gateway.plots import SharePlot, share_plot
from nlapi.console.web import PageAnswer, PageRequest, render

# Objectives on a page: more are slow to draw, and nobody looks at as many plots.
PAGE_SIZE = 8
POINTS = 60
SPANS = {15: "15 minutes", 60: "1 hour", 360: "6 hours", 1440: "24 hours"}
"""minutes that a plot can show"""

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionLine:
    """A row of the table of versions, with its share of the last minutes; None where nothing was asked of any."""

    version: str
    color: str
    share: float | None
    traffic: Row | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveView:
    """An objective with its plot, its versions and its canaries."""

    item: Row
    plot: SharePlot
    versions: tuple[VersionLine, ...]
    rate: float
    canaries: tuple[Row, ...]


async def list_objectives(request: PageRequest) -> PageAnswer:
    """Show a page of the objectives, with their canaries and the newest revisions."""
    api, query = request.session.api, request.query
    cursor, name = query.get("cursor", ""), query.get("name", "").strip()
    minutes = _minutes(request)
    listing, revisions = await asyncio.gather(
        api.get("v1", "objectives", limit=PAGE_SIZE, cursor=cursor, name=name), api.get("v1", "revisions", limit=100)
    )
    views = await asyncio.gather(*(_view(api, item, minutes, revisions["data"]) for item in listing["data"]))
    return render(
        request,
        "gateway/objectives.html",
        views=views,
        page=listing["page"],
        name=name,
        minutes=minutes,
        spans=SPANS,
        revisions=revisions["data"][:6],
        share=current_share,
        guard_text=guard_text,
        ids=figure_ids,
    )


async def show_objective(request: PageRequest) -> PageAnswer:
    """Show one objective, with the form that starts a canary."""
    api, minutes = request.session.api, _minutes(request)
    item = await api.get("v1", "objectives", request.values["objective"])
    revisions, versions, decisions = await asyncio.gather(
        api.get("v1", "revisions", objective=item["name"], limit=20),
        api.get("v1", "models", item["model"], "versions", limit=200),
        api.get("v1", "decisions", objective=item["name"], limit=5),
    )
    view = await _view(api, item, minutes, revisions["data"])
    return render(
        request,
        "gateway/objective.html",
        view=view,
        minutes=minutes,
        spans=SPANS,
        versions=[row["version"] for row in versions["data"] if row["version"] != item["version"]],
        revisions=revisions["data"],
        decisions=decisions["data"],
        share=current_share,
        guard_text=guard_text,
        ids=figure_ids,
    )


def guard_text(guard: Row) -> str:
    """Return what a guard demands, in words."""
    bounds = {
        "limit": "at most {:g}",
        "ratio": "at most {:g} × the base's",
        "floor": "at least {:g}",
        "floor_ratio": "at least {:g} × the base's",
    }
    return f"{guard['metric']} {', '.join(text.format(guard[name]) for name, text in bounds.items() if name in guard)}"


def figure_ids(views: Sequence[ObjectiveView]) -> str:
    """Return the ids of the figures of all canaries, which a script refreshes without their forms."""
    pairs = [(outer, inner) for outer, view in enumerate(views, 1) for inner, _ in enumerate(view.canaries, 1)]
    return ",".join(f"#figures-{outer}-{inner}" for outer, inner in pairs)


def _minutes(request: PageRequest) -> int:
    text = request.query.get("minutes", "")
    return int(text) if text in map(str, SPANS) else min(SPANS)


async def _view(api: GatewayApi, item: Row, minutes: int, revisions: Sequence[Row]) -> ObjectiveView:
    name = item["name"]
    history, traffic, canaries = await asyncio.gather(
        api.get("v1", "traffic", "history", objective=name, minutes=minutes, points=POINTS),
        api.get("v1", "traffic", objective=name),
        api.get("v1", "canaries", objective=name, limit=50),
    )
    plot = share_plot(history["data"], [row for row in revisions if name in row["objectives"]])
    rows = {f"{row['model']}@{row['version']}": row for row in traffic["data"]}
    areas = {area.version: area for area in plot.areas}
    rates = {version: row["requests_per_second"] for version, row in rows.items()}
    rate = sum(rates.values())
    versions = tuple(
        VersionLine(
            version=version,
            color=areas[version].color if version in areas else "",
            share=100 * rates.get(version, 0.0) / rate if rate else None,
            traffic=rows.get(version),
        )
        for version in sorted({f"{item['model']}@{item['version']}", *areas, *rows})
    )
    return ObjectiveView(item=item, plot=plot, versions=versions, rate=rate, canaries=tuple(canaries["data"]))
