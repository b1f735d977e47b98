"""The operations on the gateway itself: tokens, the audit log, traffic, health, metrics and its description."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import asdict

from nlapi.errors import Issue
from nlapi.gateway.admin.api_call import ApiCall, ApiResponse, day_range, list_page, page_response, page_start
from nlapi.gateway.control.access import Audience, Role, describe_token
from nlapi.gateway.control.codec import Json, slug
from nlapi.gateway.http.description import load_description
from nlapi.gateway.http.probes import LIVE_PATH, READY_PATH, probe_response, readiness
from nlapi.gateway.http.problems import draining_problem, unknown_object, unprocessable, unpublished_problem
from nlapi.gateway.records.exposition import header_lines
from nlapi.gateway.records.metrics import CONTENT_TYPE, process_lines
from nlapi.gateway.store.store import GatewayStore, TokenRecord


def token_json(token: TokenRecord) -> Json:
    """Return a token as answers have it, without its digest."""
    texts = {"name": token.name, "audience": token.audience, "role": token.role, "client": token.client}
    times = {"created_at": token.created_at, "expires_at": token.expires_at}
    return {name: value for name, value in texts.items() if value} | times


async def list_tokens(call: ApiCall) -> ApiResponse:
    """Return a page of the tokens, filtered by audience and by a part of the name."""
    audience, name_part = call.query.get("audience"), call.query.get("name", "").lower()
    tokens = await asyncio.to_thread(call.gateway.store.tokens)
    rows = [
        token_json(token) for token in tokens if audience in (None, token.audience) and name_part in token.name.lower()
    ]
    return list_page(rows, call)


async def create_token(call: ApiCall) -> ApiResponse:
    """Create a token; the answer is the only place that has its secret."""
    body, audience = call.body, Audience(call.body["audience"])
    own_field = {Audience.ADMIN: "role", Audience.SERVE: "client"}.get(audience, "")
    for foreign_field in {"role", "client"}.intersection(body) - {own_field}:
        message = f"a token of the {audience} audience has no {foreign_field}"
        raise unprocessable([Issue.error(f"body.{foreign_field}", message, rule="token")])
    role = Role(body["role"]) if "role" in body else None
    client, days = slug(body.get("client", "")), body.get("days", 0)
    create, name = call.gateway.access.create_token, slug(body["name"])
    # In a thread: a commit waits for the disk (synchronous=FULL).
    record, secret = await asyncio.to_thread(create, name, audience, role=role, client=client, days=days)
    # Only the digest is stored: the secret cannot be shown again.
    return ApiResponse(body={**token_json(record), "token": secret}, status=201, audit_detail=describe_token(record))


async def revoke_token(call: ApiCall) -> ApiResponse:
    """Remove a token. GatewayProblem 404 if none exists."""
    name = call.stored_name("name")
    token = await asyncio.to_thread(call.gateway.access.revoke_token, name)
    if token is None:
        raise unknown_object(
            "token", name, (record.name for record in await asyncio.to_thread(call.gateway.store.tokens))
        )
    return ApiResponse(body=token_json(token), audit_detail=describe_token(token))


async def list_audit_entries(call: ApiCall) -> ApiResponse:
    """Return a page of the audit log."""
    store, limit, before = call.gateway.store, call.query["limit"], page_start(call)
    since, until = day_range(call)
    author, outcome = call.query.get("author", ""), call.query.get("outcome", "")
    page = await asyncio.to_thread(
        lambda: store.audit_entries(
            since=since, until=until, author=author, outcome=outcome, limit=limit, before=before
        )
    )
    return page_response([asdict(entry) for entry in page.rows], page)


async def get_traffic(call: ApiCall) -> ApiResponse:
    """Return the traffic of each version over the last minutes."""
    gateway, query = call.gateway, call.query
    objective, model, version = (slug(query.get(name, "")) for name in ("objective", "model", "version"))
    versions = gateway.publisher.current.configuration.versions
    rows = [
        row.as_dict() | ({"digest": entry.digest} if (entry := versions.get(row.ref)) and entry.digest else {})
        for row in gateway.traffic.rows(query["minutes"], objective=objective, model=model, version=version)
    ]
    body = {"minutes": query["minutes"], "revision": gateway.publisher.revision}
    return ApiResponse(body={**body, "data": rows})


async def get_traffic_history(call: ApiCall) -> ApiResponse:
    """Return the requests and shares over time."""
    objective = slug(call.query.get("objective", ""))
    points = call.gateway.traffic.history(call.query["minutes"], call.query["points"], objective=objective)
    return ApiResponse(body={"data": points})


async def get_health(call: ApiCall) -> ApiResponse:
    """Return 200 while the process works, also before the first revision and while it stops."""
    # Liveness: a 503 here would make an orchestrator kill a gateway that still has requests in flight.
    return ApiResponse(body=_health(call))


def _health(call: ApiCall) -> Json:
    """Return how the gateway stands: degraded while a version is not loaded."""
    # The names of the versions are for operators (GET /v1/issues): anybody may ask for the health.
    gateway = call.gateway
    count = len(gateway.engine.runners.load_errors())
    status = "draining" if gateway.is_draining or gateway.engine.draining else "degraded" if count else "ok"
    return {"status": status, "revision": gateway.publisher.revision} | (
        {"versions_not_loaded": count} if count else {}
    )


async def get_readiness(call: ApiCall) -> ApiResponse:
    """Return 200 when requests can be served. GatewayProblem 503 while it stops or before the first revision."""
    gateway = call.gateway
    status = readiness(gateway)
    if status == "draining":
        raise draining_problem()
    if status != "ok":
        raise unpublished_problem()
    return ApiResponse(body=_health(call))


async def probe_liveness(call: ApiCall) -> ApiResponse:
    """Return 200 while the process works, for an orchestrator."""
    return probe_response(call.gateway, LIVE_PATH)


async def probe_readiness(call: ApiCall) -> ApiResponse:
    """Return 200 when requests can be served, else 503, for an orchestrator."""
    return probe_response(call.gateway, READY_PATH)


async def get_metrics(call: ApiCall) -> ApiResponse:
    """Return the metrics as Prometheus text."""
    gateway = call.gateway
    text = gateway.engine.metrics.prometheus_text()
    lines = [*_database_lines(gateway.store), *gateway.loop_lag.lines(), *process_lines()]
    if gateway.data_plane is not None:
        lines += gateway.data_plane.metric_lines()
    return ApiResponse(body=text + "\n".join([*lines, ""]), media_type=CONTENT_TYPE)


async def get_data_plane(call: ApiCall) -> ApiResponse:
    """Return what carries the payloads, and which objectives it carries."""
    gateway = call.gateway
    if gateway.data_plane is not None:
        return ApiResponse(body=gateway.data_plane.status())
    names = sorted(gateway.publisher.current.configuration.objectives)
    objectives = [{"name": name, "plane": "gateway"} for name in names]
    state = {"kind": "embedded", "revision": gateway.publisher.revision}
    return ApiResponse(body={**state, "envoys": [], "objectives": objectives})


def _database_lines(store: GatewayStore) -> Iterator[str]:
    """Yield the gauges of the gateway's database in the Prometheus text format."""
    yield from header_lines("nlapi_database_reachable", "gauge", "Whether the database can be reached.")
    yield f"nlapi_database_reachable {int(store.database.is_reachable)}"
    yield from header_lines("nlapi_canary_leader", "gauge", "Whether this gateway takes the steps of canaries.")
    yield f"nlapi_canary_leader {int(store.database.is_leader)}"


async def get_description(call: ApiCall) -> ApiResponse:
    """Return the OpenAPI description of the gateway."""
    return ApiResponse(body=load_description().text, media_type="application/yaml")
