"""The operations on the gateway itself: tokens, the audit log, traffic, health, metrics and its description."""

from __future__ import annotations

import asyncio
from dataclasses import asdict

from nlapi.gateway.access import Audience, Role, described
from nlapi.gateway.admin.call import Answer, Call, Handler, cursor, page_answer, page_of, period
from nlapi.gateway.codec import Json, slug
from nlapi.gateway.description import description
from nlapi.gateway.kept import TokenRecord
from nlapi.gateway.metrics import CONTENT_TYPE
from nlapi.gateway.problem import Problem, not_found, unprocessable
from nlapi.issue import Issue


def token_json(token: TokenRecord) -> Json:
    """Return a token as answers have it, without its digest."""
    said = {"name": token.name, "audience": token.audience, "role": token.role, "client": token.client}
    times = {"created_at": token.created_at, "expires_at": token.expires_at}
    return {name: value for name, value in said.items() if value} | times


async def list_tokens(call: Call) -> Answer:
    """Return a page of the tokens, filtered by audience and by a part of the name."""
    audience, part = call.query.get("audience"), call.query.get("name", "").lower()
    tokens = await asyncio.to_thread(call.gateway.store.tokens)
    rows = [token_json(one) for one in tokens if audience in (None, one.audience) and part in one.name.lower()]
    return page_of(rows, call)


async def create_token(call: Call) -> Answer:
    """Create a token; the answer is the only place that has its secret."""
    body, audience = call.body, Audience(call.body["audience"])
    stray = "client" if audience is Audience.ADMIN else "role"
    if stray in body:
        message = f"a token of the {audience} audience has no {stray}"
        raise unprocessable([Issue.error(f"body.{stray}", message, rule="token")])
    role = Role(body["role"]) if "role" in body else None
    client, days = slug(body.get("client", "")), body.get("days", 0)
    make, name = call.gateway.access.make, slug(body["name"])
    # In a thread: a commit waits for the disk (synchronous=FULL).
    record, secret = await asyncio.to_thread(make, name, audience, role=role, client=client, days=days)
    # Only the digest is stored: the secret cannot be shown again.
    return Answer(body={**token_json(record), "token": secret}, status=201, told=described(record))


async def revoke_token(call: Call) -> Answer:
    """Remove a token. Problem 404 when there is none."""
    name = call.name("name")
    found = await asyncio.to_thread(call.gateway.access.revoke, name)
    if found is None:
        raise not_found("token", name, (one.name for one in await asyncio.to_thread(call.gateway.store.tokens)))
    return Answer(body=token_json(found), told=described(found))


async def list_audit(call: Call) -> Answer:
    """Return a page of the audit log."""
    store, limit, before = call.gateway.store, call.query["limit"], cursor(call)
    since, until = period(call)
    who, outcome = call.query.get("author", ""), call.query.get("outcome", "")
    page = await asyncio.to_thread(
        lambda: store.entries(since=since, until=until, who=who, outcome=outcome, limit=limit, before=before)
    )
    return page_answer([asdict(entry) for entry in page.rows], page)


async def list_traffic(call: Call) -> Answer:
    """Return the traffic of each version over the last minutes."""
    gateway, query = call.gateway, call.query
    objective, model, version = (slug(query.get(name, "")) for name in ("objective", "model", "version"))
    rows = gateway.traffic.rows(query["minutes"], objective=objective, model=model, version=version)
    body = {"minutes": query["minutes"], "revision": gateway.publisher.revision}
    return Answer(body={**body, "data": [row.as_dict() for row in rows]})


async def list_history(call: Call) -> Answer:
    """Return the requests and shares over time."""
    objective = slug(call.query.get("objective", ""))
    points = call.gateway.traffic.history(call.query["minutes"], call.query["points"], objective=objective)
    return Answer(body={"data": points})


async def get_health(call: Call) -> Answer:
    """Return 200 while the process works, also before the first revision and while it stops."""
    # Liveness: a 503 here would make an orchestrator kill a gateway that still has requests in flight.
    status = "draining" if call.gateway.engine.draining else "ok"
    return Answer(body={"status": status, "revision": call.gateway.publisher.revision})


async def get_readiness(call: Call) -> Answer:
    """Return 200 when requests can be served. Problem 503 while it stops or before the first revision."""
    gateway = call.gateway
    if gateway.engine.draining:
        raise Problem(503, "the gateway is stopping", code="draining", headers={"Retry-After": "1"})
    if not gateway.publisher.revision:
        raise Problem(
            503, "nothing is published yet", code="unpublished", hint="PUT /v1/configuration makes a revision"
        )
    return Answer(body={"status": "ok", "revision": gateway.publisher.revision})


async def get_metrics(call: Call) -> Answer:
    """Return the metrics as Prometheus text."""
    return Answer(body=call.gateway.engine.metrics.text(), media_type=CONTENT_TYPE)


async def get_description(call: Call) -> Answer:
    """Return the OpenAPI description of the gateway."""
    return Answer(body=description().text, media_type="application/yaml")


HANDLERS: dict[str, Handler] = {
    "listTokens": list_tokens,
    "createToken": create_token,
    "revokeToken": revoke_token,
    "listAuditEntries": list_audit,
    "getTraffic": list_traffic,
    "getTrafficHistory": list_history,
    "getHealth": get_health,
    "getReadiness": get_readiness,
    "getMetrics": get_metrics,
    "getDescription": get_description,
}
