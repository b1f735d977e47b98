"""The rate limits of clients in Envoy, by the client that a routing key was signed for."""

from __future__ import annotations

from collections.abc import Iterable

from nlapi.gateway.envoy.documents import ADS_SOURCE, TYPE_PREFIX, Json, JsonObject, duration, header, typed
from nlapi.gateway.envoy.routes import CLIENT_CLAIM, claim_header
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
    content: JsonObject = {
        "stat_prefix": "client_limits",
        "filter_enabled": {"default_value": full},
        "filter_enforced": {"default_value": full},
        "response_headers_to_add": RETRY_HEADERS,
        # The bucket of requests without a descriptor: so large that it limits nobody.
        "token_bucket": {"max_tokens": 2**31, "tokens_per_fill": 2**31, "fill_interval": "1s"},
        "rate_limits": [{"actions": [_client_action()]}],
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


def _client_action() -> JsonObject:
    return {"request_headers": {"descriptor_key": "client", "header_name": claim_header(CLIENT_CLAIM)}}
