"""The page of what language models cost, by day, objective, version or client, and of the budgets."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from nlapi.console.web import PageAnswer, PageRequest, render

GROUPINGS = ("day", "objective", "version", "client")
WEEK = 7


async def show_spend(request: PageRequest) -> PageAnswer:
    """Show what was spent since a day, a week ago unless another is asked for, beside the budgets."""
    api, query = request.session.api, request.query
    by = query.get("by") if query.get("by") in GROUPINGS else GROUPINGS[0]
    since = query.get("since", "").strip() or f"{datetime.now(UTC) - timedelta(days=WEEK - 1):%Y-%m-%d}"
    spending, objectives, clients = await asyncio.gather(
        api.get("v1", "spending", by=by, since=since, until=query.get("until", "").strip()),
        api.get("v1", "objectives", limit=200),
        api.get("v1", "clients", limit=200),
    )
    limits = [
        (kind, row) for kind, listing in (("objective", objectives), ("client", clients)) for row in listing["data"]
    ]
    budgets = [(kind, row) for kind, row in limits if any("_per_" in name and row[name] for name in row)]
    filters = {"by": by, "since": since, "until": query.get("until", "").strip()}
    return render(request, "gateway/spend.html", **spending, budgets=budgets, filters=filters, groupings=GROUPINGS)
