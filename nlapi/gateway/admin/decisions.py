"""The operations on decisions: serve, resolve, explain, list, simulate, and watch the routing that they come from."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import orjson
from xxhash import xxh3_64_hexdigest

from nlapi.errors import Issue, Level, NlapiError
from nlapi.gateway.admin.api_call import (
    ApiCall,
    ApiResponse,
    day_range,
    is_current,
    not_modified,
    page_response,
    page_start,
)
from nlapi.gateway.admin.revisions import keep_buckets
from nlapi.gateway.admin.watching import answer_when_changed
from nlapi.gateway.control.access import Audience
from nlapi.gateway.control.codec import KINDS, Json, decode_configuration, encode_decision, slug
from nlapi.gateway.http.client_connection import EVENT_STREAM, accepts
from nlapi.gateway.http.problems import GatewayProblem, issue_json, unknown_object, unprocessable
from nlapi.gateway.inference import InferenceRequest, InferenceResponse
from nlapi.gateway.records.records import usage_json
from nlapi.gateway.routing_keys.key_verifier import MAX_CONTEXT_CHARS
from nlapi.gateway.shards.call_headers import ROUTING_KEY_HEADER, VERSION_HEADER, context_json
from nlapi.routing.change import upsert_entity
from nlapi.routing.check import check_context
from nlapi.routing.decisions import deciding_bucket
from nlapi.routing.explain import Explanation, StepStatus
from nlapi.routing.model import Canary, Configuration, Decision, InputForm, Objective, Shard, ShardProtocol
from nlapi.routing.simulate import Simulation
from nlapi.routing.simulate import simulate as replay
from nlapi.routing.table import Table, compile_table

if TYPE_CHECKING:
    from nlapi.gateway.control.publisher import Publisher
    from nlapi.gateway.http.app import Gateway


# User ids are compared as they are; all other columns hold names, which have one stored spelling.
FILTER_COLUMNS = ("objective", "model", "version", "user", "client", "experiment", "canary")
_NAME_COLUMNS = frozenset(FILTER_COLUMNS) - {"user"}


def find_objective(call: ApiCall) -> Objective:
    """Return the objective in the path. GatewayProblem 404 with the nearest name if none exists."""
    objectives = call.gateway.publisher.current.configuration.objectives
    name = call.path["objective"]
    objective = objectives.get(name) or objectives.get(slug(name))
    if objective is None:
        raise unknown_object("objective", slug(name), objectives)
    return objective


def request_context(call: ApiCall, objective: Objective) -> tuple[dict[str, Any], str]:
    """Return the context and the client of a body. GatewayProblem 422 for an undeclared field of the context."""
    body = call.body or {}
    context = body.get("context", {})
    if issues := check_context(objective, context):
        request_issues = [replace(issue, where=f"body.{issue.where}") for issue in issues]
        raise unprocessable(request_issues, code="invalid_context")
    return context, call.caller.client or body.get("client", "")


async def serve_objective(call: ApiCall) -> ApiResponse:
    """Run the version that is decided on for an objective, and return its output."""
    gateway, body = call.gateway, call.body
    # The hot path: the name is normalized only when it is not in its stored spelling.
    name = call.path["objective"]
    if name not in gateway.publisher.current.configuration.objectives:
        name = slug(name)
    if routing_key := call.headers.get(ROUTING_KEY_HEADER.lower()):
        gateway.key_admission.check(routing_key, objective=name, client=call.caller.client)
    connection = call.connection
    body_asks = isinstance(body["input"], dict) and body["input"].get("stream") is True
    # A client that reads both, as one made from the description does, gets what is the same for all versions.
    accept = call.accept
    accepts_events = bool(accept) and accepts(accept, EVENT_STREAM) and not accepts(accept, "application/json")
    request = InferenceRequest(
        input=body["input"],
        context=body.get("context", {}),
        client=call.caller.client,
        key=call.caller.name,
        objective=name,
        request_id=call.headers.get("x-request-id") or gateway.engine.new_request_id(),
        synthetic=call.headers.get("x-synthetic", False),
        traceparent=call.traceparent,
        connection=connection,
    )
    if connection is not None:
        connection.wants_stream, connection.request_id = body_asks or accepts_events, request.request_id
    response = await gateway.engine.serve(name, request)
    document: Json = {
        "output": response.output,
        "request_id": response.request_id,
        "decision": response.decision_document,
        "stages_ms": response.stages,
        "attempts": response.attempts,
        "fallback": response.fallback,
    }
    if response.fallback:
        document["answered_by"] = str(response.version)
    if response.usage is not None:
        document["usage"] = usage_json(response.usage)
    headers = answer_headers(response)
    if response.streamed and connection is not None:
        await connection.finish(_served_event(document))
        return ApiResponse(body=None, headers=headers, streamed=True)
    if accepts_events:  # a version that does not stream: its whole answer is the only event
        return ApiResponse(body=_served_event(document).decode(), headers=headers, media_type=EVENT_STREAM)
    return ApiResponse(body=document, headers=headers)


def answer_headers(response: InferenceResponse) -> dict[str, str]:
    """Return the headers of an answer: its request, the version that answered, and what is left of its budgets."""
    headers = {"X-Request-Id": response.request_id, VERSION_HEADER: str(response.version)}
    if response.age_s is not None:  # RFC 9211, RFC 9111 §5.1
        headers |= {"Cache-Status": "nlapi; hit", "Age": str(int(response.age_s))}
    return headers | ({"RateLimit": response.rate_limit} if response.rate_limit else {})


def _served_event(document: Json) -> bytes:
    """Return the last event of a stream: `Served` in specs/gateway.yaml, whose output is null after a stream."""
    try:
        content = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    except (TypeError, UnicodeEncodeError):
        raise GatewayProblem(502, "the output is not JSON", code="version_failed") from None
    return b"event: served\ndata: " + content + b"\n\n"


async def explain_objective(call: ApiCall) -> ApiResponse:
    """Return the decision on a request with every step that led to it."""
    current = call.gateway.publisher.current
    objective = find_objective(call)
    context, client = request_context(call, objective)
    explanation = current.table.explain(objective.name, context, client)
    decision = encode_decision(explanation.decision)
    return ApiResponse(body={"decision": decision, "steps": _step_rows(explanation), "text": str(explanation)})


def _step_rows(explanation: Explanation) -> list[Json]:
    return [
        {"kind": step.kind, "name": step.name, "fate": str(step.status), "text": step.text}
        for step in explanation.steps
    ]


async def list_decisions(call: ApiCall) -> ApiResponse:
    """Return a page of recorded decisions."""
    await call.gateway.flush()  # a client that was just served expects to find its request
    since, until = day_range(call)
    equal = {
        name: slug(value) if name in _NAME_COLUMNS else value
        for name in FILTER_COLUMNS
        if (value := call.query.get(name)) is not None
    }
    page = await asyncio.to_thread(
        call.gateway.store.decisions,
        equal=equal,
        failed=call.query.get("failed"),
        since=since,
        until=until,
        limit=call.query["limit"],
        before=page_start(call),
    )
    return page_response(page.rows, page)


async def get_decision(call: ApiCall) -> ApiResponse:
    """Return the recorded decision on one request, with its steps. GatewayProblem 404 if none exists."""
    await call.gateway.flush()
    # In a thread, as all reads of the store: it waits for a write that is under way.
    record = await asyncio.to_thread(call.gateway.store.decision, call.path["request_id"])
    if record is None:
        raise GatewayProblem(404, f"nothing is recorded of request {call.path['request_id']!r}", code="unknown_request")
    steps = await asyncio.to_thread(_recorded_steps, call.gateway.publisher, record)
    return ApiResponse(body={**record, "steps": steps} if steps else record)


def _recorded_steps(publisher: Publisher, record: Mapping[str, Any]) -> list[Json]:
    """Return the steps of a recorded decision by the rules of then; none when its revision is not stored any more."""
    # A decision is a function of revision, context and client, which the record has: storing the steps of each would
    # cost every request, for the few that somebody asks about.
    current, number = publisher.current.table, record.get("revision", 0)
    try:
        table = current if current.revision == number else Table(publisher.stored.configuration(number), number)
        explanation = table.explain(record["objective"], record["context"], record.get("client", ""))
    except NlapiError:
        return []
    version = explanation.decision.version
    # Of a store that was restored, the same number may stand for other rules.
    if (version.model, version.version) != (record["model"], record["version"]):
        return []
    return [step for step in _step_rows(explanation) if step["fate"] != StepStatus.NOT_REACHED]


async def simulate(call: ApiCall) -> ApiResponse:
    """Replay recorded decisions through a proposed configuration."""
    await call.gateway.flush()
    return ApiResponse(body=await asyncio.to_thread(_simulation_result, call))


def _simulation_result(call: ApiCall) -> Json:
    current = call.gateway.publisher.current
    proposed = proposed_configuration(call, current.configuration)
    issues = [issue_json(fault) for fault in call.gateway.publisher.check_configuration(proposed)]
    if any(issue["level"] == Level.ERROR for issue in issues):
        return {"decisions": 0, "moved": 0.0, "moves": [], "issues": issues, "text": "it would be refused"}
    return {**simulation_json(_replay(call, current.table, proposed)), "issues": issues}


def _replay(call: ApiCall, current: Table, configuration: Configuration) -> Simulation:
    proposed = compile_table(configuration, current.revision + 1)
    equal = {"objective": slug(call.body["objective"])} if "objective" in call.body else {}
    rows = call.gateway.store.decisions(equal=equal, limit=call.body.get("decisions", 10_000)).rows
    return replay(current, proposed, ((row["objective"], row["context"], row.get("client", "")) for row in rows))


def proposed_configuration(call: ApiCall, current: Configuration) -> Configuration:
    """Return the configuration that a body of `simulate` proposes. GatewayProblem 422 unless it is exactly one."""
    # The schema allows the properties of all three forms; that there is exactly one form is checked here.
    body = call.body
    alternatives = [name for name in ("revision", "configuration", "version") if name in body]
    if len(alternatives) != 1:
        message = "it takes one of: a model and version, a revision, a configuration"
        raise unprocessable([Issue.error("body", message, rule="proposal")])
    if "configuration" in body:
        return keep_buckets(current, decode_configuration(body["configuration"]))
    if "revision" in body:
        return decode_configuration(call.gateway.publisher.stored.revision(body["revision"]).document)
    if missing := [name for name in ("objective", "model") if name not in body]:
        raise unprocessable([Issue.error("body", f"a share needs {' and '.join(missing)} too", rule="proposal")])
    if slug(body["objective"]) not in current.objectives:
        raise unknown_object("objective", slug(body["objective"]), current.objectives)
    canary_keys = ("objective", "model", "version", "when", "unless", "between")
    canary_data = {name: body[name] for name in canary_keys if name in body}
    canary: Canary = KINDS["canary"].decode({**canary_data, "percent": body.get("percent", 100.0)})
    return upsert_entity(current, canary)


def simulation_json(simulation: Simulation) -> Json:
    """Return a Simulation as answers have it."""
    return {
        "decisions": simulation.requests,
        "moved": round(100 * simulation.moved / simulation.requests, 2) if simulation.requests else 0.0,
        "lost": simulation.lost,
        "gained": simulation.gained,
        "moves": sorted(_movement_rows(simulation), key=lambda row: -row["requests"]),
        "slices": [
            {
                "objective": result.objective,
                "field": segment.field,
                "value": segment.value,
                "seen": segment.requests,
                "moved": segment.moved,
            }
            for result in simulation.objectives
            for segment in result.slices
        ],
        "text": str(simulation),
    }


def _movement_rows(simulation: Simulation) -> Iterator[Json]:
    for result in simulation.objectives:
        for movement in result.movements:
            before, after = str(movement.source), str(movement.target)
            share = {"requests": movement.count, "percent": round(movement.percent, 2)}
            yield {"objective": result.objective, "before": before, "after": after, **share}


# Protocols of shards that a data plane can pass a client's body to. LLMs need a key that the gateway alone has.
_DIRECT_PROTOCOLS = (ShardProtocol.JSON, ShardProtocol.OPEN_INFERENCE)
"""the protocols of shards whose addresses any data plane has"""
_CARRIED_PROTOCOLS = (*_DIRECT_PROTOCOLS, ShardProtocol.RAY)
"""those of shards that a data plane of this gateway calls"""
GATEWAY_PROTOCOL = "gateway"
"""The protocol of the gateway's own serving: `{"input", "context"}`, answered with output and decision"""


async def resolve_objective(call: ApiCall) -> ApiResponse:
    """Return the decision on a request without running a version, and for a client the key to send it with."""
    gateway = call.gateway
    # A key for a route that the data plane does not have yet would be a 404 there.
    if call.caller.audience is Audience.SERVE and gateway.data_plane is not None:
        await gateway.data_plane.wait_published()
    current = gateway.publisher.current
    objective = find_objective(call)
    context, client = request_context(call, objective)
    decision = current.table.decide(objective.name, context, client)
    body: Json = {"decision": encode_decision(decision), "version": str(decision.version)}
    if call.caller.audience is Audience.SERVE:
        since = gateway.routing_state.since(objective.name)
        bucket = deciding_bucket(current.configuration, decision, context, client)
        text = context_json(context) if context else ""
        is_short = len(text) <= MAX_CONTEXT_CHARS
        destination = _destination(gateway, decision, current.configuration, is_direct=is_short)
        # A key for the gateway alone opens no route to a shard, which would not see the context.
        key_context = text if is_short and destination["protocol"] != GATEWAY_PROTOCOL else ""
        key = gateway.key_signer.sign(
            decision, client=client, bucket=bucket, since=since, context=key_context, has_route=is_short
        )
        fields = current.table.context_fields(objective.name)
        if _may_be_direct(gateway, current.configuration):  # the key has the whole context in it
            fields = tuple(sorted({*fields, *(field.name for field in objective.context)}))
        body |= {
            "destination": destination,
            "routing_key": key.token,
            "expires_in": gateway.key_signer.seconds_left(key),
            "fields": fields,
            "since": since,
            "objective": gateway.routing_state.document(objective),
        }
    # The addresses of replicas are for operators: a client that goes there by itself passes by its limits.
    elif shard := current.configuration.shards.get(decision.shard):
        is_hosted = shard.protocol is ShardProtocol.RAY
        endpoints = gateway.engine.hosts.replicas(shard.name) if is_hosted else shard.endpoints
        body |= {"protocol": str(shard.protocol), "endpoints": list(endpoints)}
    return ApiResponse(body=body)


def _may_be_direct(gateway: Gateway, configuration: Configuration) -> bool:
    """Return whether payloads may pass by the gateway."""
    protocols = _DIRECT_PROTOCOLS if gateway.data_plane is None else _CARRIED_PROTOCOLS
    shards = configuration.shards.values()
    return bool(gateway.data_plane_url) and any(shard.protocol in protocols for shard in shards)


def _destination(gateway: Gateway, decision: Decision, configuration: Configuration, *, is_direct: bool) -> Json:
    """Return where a client sends the payload, and in which form; a URL that begins with "/" is the gateway's own."""
    base, path = gateway.data_plane_url.rstrip("/"), f"/v1/objectives/{decision.objective}"
    shard = configuration.shards.get(decision.shard)
    plane, objective = gateway.data_plane, configuration.objectives[decision.objective]
    is_carried = shard is not None and shard.protocol in _DIRECT_PROTOCOLS and not _needs_gateway(shard)
    if plane is not None:
        is_carried = plane.carries(configuration, objective, decision.version)
    # A version gets the context that was decided on: in the signed key, or, if it is long, from the gateway itself.
    if not base or shard is None or not (is_carried and is_direct):
        return {"url": f"{base}{path}/serve", "protocol": GATEWAY_PROTOCOL}
    # Replicas on Ray take the input as it is, as servers that speak JSON do.
    protocol = ShardProtocol.JSON if shard.protocol is ShardProtocol.RAY else shard.protocol
    destination: Json = {"url": f"{base}{path}/infer", "protocol": str(protocol)}
    if shard.protocol is ShardProtocol.OPEN_INFERENCE:
        version = configuration.versions[decision.version]
        destination |= {
            "input": version.input,
            "output": version.output,
            "form": str(version.form or InputForm.TENSORS),
        }
    return destination


def _needs_gateway(shard: Shard) -> bool:
    """Return whether the gateway alone can call a shard: it has its key, headers and certificate."""
    return bool(shard.key or shard.headers or shard.certificate)


async def watch_routing(call: ApiCall) -> ApiResponse:
    """Return the numbers of the objectives' states, or wait until they are others than those of the reader's tag."""
    return await answer_when_changed(call, _routing_response)


async def _routing_response(call: ApiCall, if_none_match: str) -> ApiResponse:
    gateway = call.gateway
    query = call.query.get("objectives", "")
    names = [slug(name) for name in query.split(",")] if query else gateway.publisher.current.configuration.objectives
    numbers = gateway.routing_state.numbers(names)
    # Of the numbers alone: a revision that changes none of these objectives is not a change to this reader.
    text = ";".join(f"{name}={number}" for name, number in sorted(numbers.items()))
    etag = f'"{xxh3_64_hexdigest(text.encode())}"'
    if if_none_match and is_current(if_none_match, etag):
        return not_modified(etag)
    return ApiResponse(body={"revision": gateway.publisher.revision, "objectives": numbers}, headers={"ETag": etag})


async def get_key_set(call: ApiCall) -> ApiResponse:
    """Return the public keys that routing keys are verified by."""
    return ApiResponse(body=call.gateway.keys.public_set())
