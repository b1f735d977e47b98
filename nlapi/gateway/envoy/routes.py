"""Envoy's routes: a scope for each objective, and in it an exact map from the cell of a key to its routes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nlapi.gateway.envoy.clusters import (
    GATEWAY_CLUSTER,
    CarriedShadow,
    CarriedVersion,
    cluster_name,
    shadow_cluster_name,
)
from nlapi.gateway.envoy.documents import ADS_SOURCE, Json, JsonObject, duration, extension, header
from nlapi.gateway.shards.call_headers import (
    CELL_HEADER,
    CLIENT_HEADER,
    CONTEXT_HEADER,
    INTERNAL_HEADERS,
    OBJECTIVE_HEADER,
    REVISION_HEADER,
    ROUTING_KEY_HEADER,
    RULE_HEADER,
)
from nlapi.gateway.shards.shards import MAX_ATTEMPTS
from nlapi.routing.model import Objective, Shadow, ShardProtocol

ROUTE_MESSAGE = "envoy.config.route.v3.Route"
KEY_HEADER = ROUTING_KEY_HEADER.lower()
OBJECTIVE_CLAIM, CELL_CLAIM, CLIENT_CLAIM, CONTEXT_CLAIM = "objective", "cell", "client", "context"
RULE_CLAIM, REVISION_CLAIM = "rule", "revision"
SHARD_CLAIMS = (OBJECTIVE_CLAIM, CELL_CLAIM, CLIENT_CLAIM, CONTEXT_CLAIM, RULE_CLAIM, REVISION_CLAIM)
"""the claims that shards get as headers"""
VERSION_HEADER = "x-nlapi-version"
"""the header of an answer with the version that gave it"""

# Bytes of a body that Envoy keeps to send it again; a longer one is sent once. Of 1.3 MB, keeping 1 MiB took 71 % more
# CPU than a plain Envoy, 16 KiB 17 %, and no retries 11 %.
RETRY_BODY_BYTES = 256 * 2**10

# What certainly was not carried out: safe to send elsewhere, whatever the objective does.
_RETRY_UNSENT = "connect-failure,refused-stream,reset-before-request"
_RETRY_IDEMPOTENT = "5xx,reset,connect-failure,refused-stream,retriable-status-codes"


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRoute:
    """A cell of routing keys with its version. `carried` is None when the gateway itself runs it."""

    cell: str
    version: str
    carried: CarriedVersion | None = None
    shadows: tuple[CarriedShadow, ...] = ()


def claim_header(claim: str) -> str:
    """Return the header in which a claim of the verified key stands for the filters after it, for logs and spans."""
    # A name with a colon in front is one that HTTP/1.1 cannot say (RFC 9110 §5.1): a client that sends one gets a 400,
    # and Envoy writes none to an upstream. So there is nothing to strip, and nothing to remove. As metadata, which is
    # all claims of the key and is copied twice, the same took 10 % of a plain Envoy's instructions more.
    return f":nlapi-{claim}"


def infer_path(objective: str) -> str:
    """Return the path of payloads that go to a shard."""
    return f"/v1/objectives/{objective}/infer"


def serve_path(objective: str) -> str:
    """Return the path of payloads that go to the gateway, where it is the same."""
    return f"/v1/objectives/{objective}/serve"


def scope(objective: str) -> JsonObject:
    """Return the scope of an objective: its routes are looked at when the key was signed for it."""
    return {
        "name": objective,
        "route_configuration_name": objective,
        "key": {"fragments": [{"string_key": objective}]},
    }


def route_configuration(objective: Objective, cells: Iterable[CellRoute]) -> JsonObject:
    """Return the routes of one objective.

    Two keys are refused. The path of the gateway's own serving has one route for all cells: the gateway verifies the
    key again, and its cell. The path of payloads has an exact map from the cell to the route of its version.
    """
    entries: dict[str, Json] = {
        entry.cell: {"action": extension("route", ROUTE_MESSAGE, _shard_route(objective, entry, entry.carried))}
        for entry in cells
        if entry.carried is not None
    }
    # Envoy verifies each of two keys and takes the client of one and the route of another. The input of a matcher has
    # the lines of a header joined by commas, which are in no key. As a filter (RBAC) the same took 12 % of a request.
    repeated = _matched(KEY_HEADER, {"contains": ","}, _repeated_key_route(objective))
    gateway = _matched(":path", {"prefix": serve_path(objective.name)}, _gateway_route(objective))
    matcher: JsonObject = {"matcher_list": {"matchers": [repeated, gateway]}}
    if entries:  # a map without an entry is refused
        tree: JsonObject = {"input": _header_input(claim_header(CELL_CLAIM)), "exact_match_map": {"map": entries}}
        matcher["on_no_match"] = {"matcher": {"matcher_tree": tree}}
    host: JsonObject = {
        "name": objective.name,
        "domains": ["*"],
        "matcher": matcher,
        "retry_policy": _retry_policy(objective),
        "request_body_buffer_limit": str(RETRY_BODY_BYTES if objective.idempotent else 0),
    }
    return {"name": objective.name, "validate_clusters": True, "virtual_hosts": [host]}


def _matched(name: str, value: JsonObject, route: JsonObject) -> JsonObject:
    """Return the entry of a matcher that takes a route by the value of a header."""
    return {
        "predicate": {"single_predicate": {"input": _header_input(name), "value_match": value}},
        "on_match": {"action": extension("route", ROUTE_MESSAGE, route)},
    }


def _header_input(name: str) -> JsonObject:
    return extension("header", "envoy.type.matcher.v3.HttpRequestHeaderMatchInput", {"header_name": name})


# Each is left out where the key has no such claim.
_CLAIMED: tuple[JsonObject, ...] = tuple(
    {
        "header": {"key": name.lower(), "value": f"%REQ({claim_header(claim).upper()})%"},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }
    for name, claim in (
        (CONTEXT_HEADER, CONTEXT_CLAIM),
        (OBJECTIVE_HEADER, OBJECTIVE_CLAIM),
        (CLIENT_HEADER, CLIENT_CLAIM),
        (CELL_HEADER, CELL_CLAIM),
        (RULE_HEADER, RULE_CLAIM),
        (REVISION_HEADER, REVISION_CLAIM),
    )
)


def _match(path: str) -> JsonObject:
    return {"path": path, "headers": [{"name": ":method", "string_match": {"exact": "POST"}}]}


def _shard_route(objective: Objective, entry: CellRoute, target: CarriedVersion) -> JsonObject:
    action: JsonObject = {
        "cluster": cluster_name(objective.name, target.place),
        "timeout": duration(objective.timeout_ms / 1000),
        "prefix_rewrite": target.path,
        "auto_host_rewrite": True,
    }
    if target.shard.protocol is ShardProtocol.RAY:
        action["retry_policy"] = _ray_retry_policy(objective)
    if entry.shadows:
        action["request_mirror_policies"] = [_mirror(objective, copied.shadow) for copied in entry.shadows]
    return {
        "name": f"{objective.name}/{entry.cell}",
        "match": _match(infer_path(objective.name)),
        "route": action,
        # Removed first, then added: what a shard believes comes from the verified key, and never from a client. Model
        # servers must see no credential: neither the key nor a token that a client sends by mistake.
        "request_headers_to_remove": [*map(str.lower, INTERNAL_HEADERS), "authorization"],
        "request_headers_to_add": [*target.headers, *_CLAIMED],
        "response_headers_to_add": [header(VERSION_HEADER, entry.version)],
    }


def _repeated_key_route(objective: Objective) -> JsonObject:
    return {
        "name": f"{objective.name}/repeated-key",
        "match": {"prefix": "/"},
        "direct_response": {"status": 403},
    }


def _gateway_route(objective: Objective) -> JsonObject:
    return {
        "name": f"{objective.name}/gateway",
        "match": _match(serve_path(objective.name)),
        "request_headers_to_remove": [name.lower() for name in INTERNAL_HEADERS if name != ROUTING_KEY_HEADER],
        # No time-out: the gateway has those of the objective, and an LLM streams for longer.
        "route": {
            "cluster": GATEWAY_CLUSTER,
            "timeout": "0s",
            "idle_timeout": "600s",
            "auto_host_rewrite": True,
            "retry_policy": {"retry_on": _RETRY_UNSENT, "num_retries": 2},
        },
    }


def _retry_policy(objective: Objective) -> JsonObject:
    policy: JsonObject = {
        "retry_on": _RETRY_IDEMPOTENT if objective.idempotent else _RETRY_UNSENT,
        "num_retries": MAX_ATTEMPTS - 1,
        "retry_host_predicate": [
            extension(
                "envoy.retry_host_predicates.previous_hosts",
                "envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate",
                {},
            )
        ],
        "host_selection_retry_max_attempts": "5",
        "retry_back_off": {"base_interval": "0.005s", "max_interval": "0.05s"},
    }
    if objective.idempotent:
        # A replica that has too much to do did not run the call.
        policy["retriable_status_codes"] = [429]
    return policy


def _ray_retry_policy(objective: Objective) -> JsonObject:
    """Return the policy of a route to Ray: a replica whose port is another version's by now has no such path."""
    usual = _retry_policy(objective)
    codes: list[Json] = [404, *([429] if objective.idempotent else [])]
    retry_on = _RETRY_IDEMPOTENT if objective.idempotent else f"{_RETRY_UNSENT},retriable-status-codes"
    return {**usual, "retry_on": retry_on, "retriable_status_codes": codes}


def _mirror(objective: Objective, shadow: Shadow) -> JsonObject:
    fraction: JsonObject = {"numerator": round(shadow.percent * 100), "denominator": "TEN_THOUSAND"}
    return {
        "cluster": shadow_cluster_name(objective.name, shadow.name),
        "runtime_fraction": {"default_value": fraction},
        "disable_shadow_host_suffix_append": True,
    }


def scoped_routes() -> JsonObject:
    """Return how the listener finds the routes: by the objective that the key was signed for."""
    return {
        "name": "objectives",
        "scope_key_builder": {
            "fragments": [{"header_value_extractor": {"name": claim_header(OBJECTIVE_CLAIM), "index": 0}}]
        },
        "rds_config_source": ADS_SOURCE,
        "scoped_rds": {"scoped_rds_config_source": ADS_SOURCE},
    }
