"""The rate limits of clients in Envoy: of each Envoy for itself, and of all, which the control plane counts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import grpc

from nlapi.gateway.control.snapshot import ClientLimit, build_limits
from nlapi.gateway.envoy.documents import ADS_SOURCE, TYPE_PREFIX, Json, JsonObject, duration, header, typed
from nlapi.gateway.envoy.envoy_process import CONTROL_CLUSTER
from nlapi.gateway.envoy.messages import message_class
from nlapi.gateway.envoy.routes import CLIENT_CLAIM, claim_header
from nlapi.gateway.http.problems import GatewayProblem
from nlapi.gateway.records.exposition import header_lines
from nlapi.routing.model import Client

IDLE_MESSAGE = "envoy.extensions.filters.http.header_mutation.v3.HeaderMutation"


def filter_slot(name: str, *messages: str) -> JsonObject:
    """Return the place of a filter of one of some types. Requests fail closed until its content is there."""
    discovery: JsonObject = {
        "config_source": ADS_SOURCE,
        "type_urls": [TYPE_PREFIX + message for message in messages],
        "apply_default_config_without_warming": False,
    }
    return {"name": name, "config_discovery": discovery}


def idle_filter(name: str) -> JsonObject:
    """Return the content of a slot that does nothing."""
    # A filter that limits nobody, or that is disabled, costs 3 to 5 % of a request; this one 1 %.
    return {"name": name, "typed_config": typed(IDLE_MESSAGE, {})}


LIMITS_MESSAGE = "envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit"
LIMITS_FILTER = "client-limits"

RETRY_HEADERS: list[Json] = [header("retry-after", "1")]
"""the headers of an answer to a client that is over its limit"""

# Requests a second above which tokens come ten times a second, and not one by one: Envoy takes 50 ms and more.
_BATCH_RATE = 20.0


def locally_limited(clients: Iterable[Client]) -> list[Client]:
    """Return the clients with a rate for each Envoy, by name."""
    limited = (client for client in clients if client.rate and not client.global_rate)
    return sorted(limited, key=lambda client: client.name)


def limits_filter(clients: Iterable[Client]) -> JsonObject:
    """Return the ECDS resource with the limits of all clients that have a rate for each Envoy."""
    limited = locally_limited(clients)
    if not limited:
        return idle_filter(LIMITS_FILTER)
    full: JsonObject = {"numerator": 100}
    header: JsonObject = {"descriptor_key": "client", "header_name": claim_header(CLIENT_CLAIM)}
    content: JsonObject = {
        "stat_prefix": "client_limits",
        "filter_enabled": {"default_value": full},
        "filter_enforced": {"default_value": full},
        "response_headers_to_add": RETRY_HEADERS,
        # The bucket of requests without a descriptor: so large that it limits nobody.
        "token_bucket": {"max_tokens": 2**31, "tokens_per_fill": 2**31, "fill_interval": "1s"},
        "rate_limits": [{"actions": [{"request_headers": header}]}],
        "descriptors": [
            {"entries": [{"key": "client", "value": client.name}], "token_bucket": token_bucket(client)}
            for client in limited
        ],
    }
    return {"name": LIMITS_FILTER, "typed_config": typed(LIMITS_MESSAGE, content)}


def token_bucket(client: Client) -> JsonObject:
    """Return the bucket of a client with a rate, the same as in the embedded engine."""
    tokens = 1 if client.rate <= _BATCH_RATE else round(client.rate / 10)
    return {
        "max_tokens": max(tokens, client.burst or int(max(1.0, client.rate))),
        "tokens_per_fill": tokens,
        "fill_interval": duration(tokens / client.rate),
    }


GLOBAL_LIMITS_MESSAGE = "envoy.extensions.filters.http.ratelimit.v3.RateLimit"
GLOBAL_LIMITS_FILTER = "global-limits"
DOMAIN = "nlapi"
DESCRIPTOR = "client"

# Seconds after which a request passes without an answer of the control plane, which takes 1 ms of an idle one.
ANSWER_TIMEOUT_S = 0.05

_SERVICE = "envoy.service.ratelimit.v3.RateLimitService"
_REQUEST = "envoy.service.ratelimit.v3.RateLimitRequest"
_RESPONSE = "envoy.service.ratelimit.v3.RateLimitResponse"
_OK, _OVER_LIMIT = 1, 2


def globally_limited(clients: Iterable[Client]) -> list[Client]:
    """Return the clients whose rate holds over all Envoys, by name."""
    return sorted((client for client in clients if client.rate and client.global_rate), key=lambda client: client.name)


def global_limits_filter(clients: Iterable[Client]) -> JsonObject:
    """Return the ECDS resource that asks the control plane for the clients with a global rate, and for no other."""
    limited = globally_limited(clients)
    if not limited:
        return idle_filter(GLOBAL_LIMITS_FILTER)
    rate_limits: list[Json] = [{"actions": [_client_action(client)]} for client in limited]
    content: JsonObject = {
        "domain": DOMAIN,
        "stat_prefix": "global_limits",
        "timeout": duration(ANSWER_TIMEOUT_S),
        # A control plane that is gone must not stop what Envoy carries.
        "failure_mode_deny": False,
        "disable_x_envoy_ratelimited_header": True,
        "response_headers_to_add": RETRY_HEADERS,
        "rate_limit_service": {
            "grpc_service": {"envoy_grpc": {"cluster_name": CONTROL_CLUSTER}},
            "transport_api_version": "V3",
        },
        "rate_limits": rate_limits,
    }
    return {"name": GLOBAL_LIMITS_FILTER, "typed_config": typed(GLOBAL_LIMITS_MESSAGE, content)}


def _client_action(client: Client) -> JsonObject:
    # A descriptor for this client alone. One with any value of the header would be made for every client, and each
    # would wait for the control plane.
    header: JsonObject = {"name": claim_header(CLIENT_CLAIM), "string_match": {"exact": client.name}}
    match: JsonObject = {"descriptor_key": DESCRIPTOR, "descriptor_value": client.name, "headers": [header]}
    return {"header_value_match": match}


class GlobalLimits:
    """The token buckets of clients with a global rate, the same as in the embedded engine."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._limits: dict[str, ClientLimit] = {}
        self.admitted = 0
        self.refused = 0

    def update(self, clients: Iterable[Client]) -> None:
        """Take the limits of a revision; a client whose limit is the same keeps its bucket."""
        limited = {client.name: client for client in globally_limited(clients)}
        self._limits = build_limits(limited, self._limits, self._clock)

    def admit(self, client: str) -> bool:
        """Count a request of a client, and return whether it is within its limit."""
        limit = self._limits.get(client)
        if limit is None:  # a revision that Envoy has not taken yet
            return True
        try:
            limit.check()
        except GatewayProblem:
            self.refused += 1
            return False
        limit.charge()
        self.admitted += 1
        return True

    def handler(self) -> grpc.GenericRpcHandler:
        """Return Envoy's rate-limit service (envoy.service.ratelimit.v3) for a server of grpc.aio."""
        method = grpc.unary_unary_rpc_method_handler(
            self._should_rate_limit,
            request_deserializer=message_class(_REQUEST).FromString,
            response_serializer=message_class(_RESPONSE).SerializeToString,
        )
        return grpc.method_handlers_generic_handler(_SERVICE, {"ShouldRateLimit": method})

    async def _should_rate_limit(self, request: Any, _: grpc.aio.ServicerContext[Any, Any]) -> Any:
        codes = [_OK if self._is_admitted(request.domain, entry) else _OVER_LIMIT for entry in request.descriptors]
        response = message_class(_RESPONSE)(overall_code=max(codes, default=_OK))
        for code in codes:
            response.statuses.add(code=code)
        return response

    def _is_admitted(self, domain: str, descriptor: Any) -> bool:
        if domain != DOMAIN:
            return True
        return all(self.admit(entry.value) for entry in descriptor.entries if entry.key == DESCRIPTOR)

    def metric_lines(self) -> Iterator[str]:
        """Yield the metrics of the service in the Prometheus text format."""
        name = "nlapi_envoy_global_limit_requests_total"
        yield from header_lines(name, "counter", "Requests that Envoys asked the global limits for.")
        yield f'{name}{{result="admitted"}} {self.admitted}'
        yield f'{name}{{result="refused"}} {self.refused}'
