"""The pages of what is recorded: decisions, revisions, the audit log, costs, and how the shards stand."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from nlapi.console.gateway.api import GatewayApi, api_target
from nlapi.console.gateway.changes import field_changes
from nlapi.console.web import PageAnswer, PageRequest, redirect, render
from nlapi.errors import NlapiError

PAGE_SIZE = 50
DECISION_FILTERS = ("objective", "user", "client", "version", "day")


async def list_decisions(request: PageRequest) -> PageAnswer:
    """Show the newest decisions that fit the filters; an id of a request leads to its decision."""
    query = request.query
    if request_id := query.get("request_id", "").strip():
        return redirect(request, f"/decisions/{request_id}")
    filters = {name: query.get(name, "").strip() for name in DECISION_FILTERS}
    failed = "true" if query.get("failed") else ""
    listing = await request.session.api.get(
        "v1", "decisions", **filters, failed=failed, limit=PAGE_SIZE, cursor=query.get("cursor", "")
    )
    filters |= {"failed": failed} if failed else {}
    return render(request, "gateway/decisions.html", decisions=listing["data"], page=listing["page"], filters=filters)


async def show_decision(request: PageRequest) -> PageAnswer:
    """Show one decision with the steps that led to it by the rules of then, and what it would be now."""
    api = request.session.api
    decision = await api.get("v1", "decisions", request.values["request_id"])
    current, present = await asyncio.gather(api.get("health"), _decision_now(api, decision))
    return render(request, "gateway/decision.html", decision=decision, current=current["revision"], present=present)


async def _decision_now(api: GatewayApi, decision: dict[str, Any]) -> dict[str, Any] | None:
    """Return what would be decided for the same request now; None when its objective or its context is gone."""
    client = {"client": decision["client"]} if decision.get("client") else {}
    body = orjson.dumps({"context": decision["context"], **client})
    try:
        explanation = await api.call("POST", api_target("v1", "objectives", decision["objective"], "explain"), body)
    except NlapiError:
        return None
    return dict(explanation.body["decision"])


async def list_revisions(request: PageRequest) -> PageAnswer:
    """Show who changed what, when and why, the newest first."""
    query = request.query
    filters = {name: query.get(name, "").strip() for name in ("objective", "author", "day")}
    listing = await request.session.api.get(
        "v1", "revisions", **filters, limit=PAGE_SIZE, cursor=query.get("cursor", "")
    )
    return render(request, "gateway/revisions.html", revisions=listing["data"], page=listing["page"], filters=filters)


async def show_revision(request: PageRequest) -> PageAnswer:
    """Show what one revision changed, value by value."""
    api, number = request.session.api, request.values["revision"]
    diff = await api.get("v1", "revisions", number, "changes", **{"from": request.query.get("from", "")})
    listing = await api.get("v1", "revisions", limit=1, cursor=diff["to"] + 1)
    return render(
        request,
        "gateway/revision.html",
        revision=listing["data"][0],
        start=diff["from"],
        rows=field_changes(diff["differences"]),
        differences=diff["differences"],
    )


async def list_audit_entries(request: PageRequest) -> PageAnswer:
    """Show the attempts to change something, or to sign in, that the audit log holds."""
    query = request.query
    filters = {name: query.get(name, "").strip() for name in ("author", "outcome", "day")}
    listing = await request.session.api.get("v1", "audit", **filters, limit=PAGE_SIZE, cursor=query.get("cursor", ""))
    return render(request, "gateway/audit.html", entries=listing["data"], page=listing["page"], filters=filters)


async def list_shards(request: PageRequest) -> PageAnswer:
    """Show the shards with their replicas, what carries the payloads, and what is wrong."""
    api = request.session.api
    health, shards, plane, issues = await asyncio.gather(
        api.get("health"), api.get("v1", "shards", limit=200), api.get("v1", "data-plane"), api.get("v1", "issues")
    )
    return render(
        request, "gateway/shards.html", health=health, shards=shards["data"], plane=plane, issues=issues["issues"]
    )


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
