"""The operations for clients that resolve by themselves: resolve, watch the routing, and the public keys."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from xxhash import xxh3_64_hexdigest

from nlapi.gateway.access import Audience
from nlapi.gateway.admin.api_call import ApiCall, ApiResponse, Handler
from nlapi.gateway.admin.decisions import find_objective, request_context
from nlapi.gateway.call_headers import context_json
from nlapi.gateway.client_connection import run_while_connected
from nlapi.gateway.codec import Json, encode_decision, slug
from nlapi.gateway.conditional import is_current, not_modified
from nlapi.gateway.inference import UpstreamError
from nlapi.gateway.routing_keys.key_verifier import MAX_CONTEXT_CHARS
from nlapi.gateway.shard_checks import is_grpc
from nlapi.routing.decisions import deciding_bucket
from nlapi.routing.model import Configuration, Decision, InputForm, Shard, ShardProtocol

if TYPE_CHECKING:
    from nlapi.gateway.app import Gateway

# Protocols of shards that a data plane can pass a client's body to. LLMs need a key that the gateway alone has.
_DIRECT_PROTOCOLS = (ShardProtocol.JSON, ShardProtocol.OPEN_INFERENCE)
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
        is_hosted = shard.protocol is ShardProtocol.HOST
        endpoints = gateway.engine.hosts.replicas(shard.name) if is_hosted else shard.endpoints
        body |= {"protocol": str(shard.protocol), "endpoints": list(endpoints)}
    return ApiResponse(body=body)


def _may_be_direct(gateway: Gateway, configuration: Configuration) -> bool:
    """Return whether payloads may pass by the gateway."""
    shards = configuration.shards.values()
    return bool(gateway.data_plane_url) and any(shard.protocol in _DIRECT_PROTOCOLS for shard in shards)


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
    destination: Json = {"url": f"{base}{path}/infer", "protocol": str(shard.protocol)}
    if shard.protocol is ShardProtocol.OPEN_INFERENCE:
        version = configuration.versions[decision.version]
        destination |= {
            "input": version.input,
            "output": version.output,
            "form": str(version.form or InputForm.TENSORS),
        }
    return destination


def _needs_gateway(shard: Shard) -> bool:
    """Return whether the gateway alone can call a shard: it has its key, headers and certificate, and speaks gRPC."""
    return bool(shard.key or shard.headers or shard.certificate) or any(map(is_grpc, shard.endpoints))


async def watch_routing(call: ApiCall) -> ApiResponse:
    """Return the numbers of the objectives' states, or wait until they are others than those of the reader's tag."""
    wait_s, if_none_match = call.query["wait"], call.headers.get("if-none-match", "")
    if not wait_s or not if_none_match or call.connection is None:
        return _routing_response(call, if_none_match)
    try:
        return await run_while_connected(call.connection, _changed_routing(call, if_none_match, wait_s))
    except UpstreamError:  # the client has gone away, and nobody reads the answer
        return _routing_response(call, if_none_match)


async def _changed_routing(call: ApiCall, if_none_match: str, wait_s: float) -> ApiResponse:
    """Return the first answer that is not the reader's, or a 304 after `wait_s` seconds."""
    gateway, loop = call.gateway, asyncio.get_running_loop()
    deadline = loop.time() + wait_s
    response = _routing_response(call, if_none_match)
    while response.status == 304 and not gateway.is_draining:
        if not await gateway.routing_state.wait(deadline - loop.time()):
            break
        response = _routing_response(call, if_none_match)
    return response


def _routing_response(call: ApiCall, if_none_match: str) -> ApiResponse:
    gateway = call.gateway
    query = call.query.get("objectives", "")
    names = [slug(name) for name in query.split(",")] if query else gateway.publisher.current.configuration.objectives
    numbers = gateway.routing_state.numbers(names)
    # Of the numbers alone: a revision that changes none of these objectives is no change to this reader.
    text = ";".join(f"{name}={number}" for name, number in sorted(numbers.items()))
    etag = f'"{xxh3_64_hexdigest(text.encode())}"'
    if if_none_match and is_current(if_none_match, etag):
        return not_modified(etag)
    return ApiResponse(body={"revision": gateway.publisher.revision, "objectives": numbers}, headers={"ETag": etag})


async def get_key_set(call: ApiCall) -> ApiResponse:
    """Return the public keys that routing keys are verified by."""
    return ApiResponse(body=call.gateway.keys.public_set())


HANDLERS: dict[str, Handler] = {
    "resolveObjective": resolve_objective,
    "watchRouting": watch_routing,
    "getKeySet": get_key_set,
}
WATCH_OPERATIONS = frozenset(("watchRouting",))
"""The operations that may wait for long, and end when their client goes away"""
