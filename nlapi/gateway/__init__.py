"""The serving gateway: routing in front of model workflows, operated over HTTP as specs/gateway.yaml describes.

`Client` and `AsyncClient` resolve an objective once, and send payloads straight to where it is served. `LocalRules`
follows the rules, and decides without asking.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nlapi.gateway.client.gateway_client import AsyncClient as AsyncClient
    from nlapi.gateway.client.gateway_client import BlockingClient as Client
    from nlapi.gateway.client.local_rules import LocalRules as LocalRules

__all__ = ["AsyncClient", "Client", "LocalRules"]


def __getattr__(name: str) -> object:
    """Import a client when it is first used, as the gateway itself needs none. AttributeError for any other name."""
    if name == "AsyncClient":
        from nlapi.gateway.client.gateway_client import AsyncClient

        return AsyncClient
    if name == "Client":
        from nlapi.gateway.client.gateway_client import BlockingClient

        return BlockingClient
    if name == "LocalRules":
        from nlapi.gateway.client.local_rules import LocalRules

        return LocalRules
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
