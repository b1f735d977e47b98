"""The part of the serving engine that publishes revisions, as the publisher sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection
from typing import Protocol, TypeAlias

from nlapi.gateway.runner_registry import PreparedRunners, Tolerance, tolerate_none
from nlapi.routing.model import Configuration, VersionRef
from nlapi.routing.table import Table

Commit: TypeAlias = Callable[[], Awaitable[None]]
"""Commits the revision after it was loaded and before the first request that it decides."""


# A Protocol, so that a publisher can be tested without an engine (tests/gateway/test_gateway_kill.py).
class PublishingEngine(Protocol):
    """The part of the engine that the publisher uses."""

    async def publish(
        self,
        table: Table,
        configuration: Configuration,
        commit: Commit | None = None,
        tolerates: Tolerance = tolerate_none,
    ) -> None:
        """Load the new versions, await `commit`, and decide by `table` from the next request on.

        NlapiError, or an error of `commit`, when nothing has changed. A version that cannot be loaded is such an error
        unless `tolerates` accepts it.
        """

    async def preload(self, configuration: Configuration, refs: Collection[VersionRef]) -> PreparedRunners:
        """Load local versions for a later `publish`. NlapiError when one cannot be loaded."""

    async def release(self, preloaded: PreparedRunners) -> None:
        """Close those preloaded versions that no revision serves."""
