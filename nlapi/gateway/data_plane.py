"""The interface of a data plane that carries payloads beside the embedded engine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from nlapi.gateway.codec import Json
from nlapi.issue import Issue
from nlapi.routing.model import Configuration, Objective, VersionRef


class DataPlane(Protocol):
    """Carries payloads to versions by the routing keys of a gateway. All methods are called in its event loop."""

    @property
    def url(self) -> str:
        """The base URL that clients send payloads to."""

    async def start(self) -> None:
        """Begin to serve. UsageError when it cannot."""

    def begin_drain(self) -> None:
        """Let its readiness probe fail from now on; requests are served as before."""

    async def stop(self) -> None:
        """Finish the requests in flight, and end."""

    def publish(self, configuration: Configuration, revision: int) -> None:
        """Serve by a revision from now on."""

    async def wait_published(self) -> None:
        """Wait, for a second at most, until it serves by the last revision."""

    def renew_keys(self) -> None:
        """Verify keys by the public keys as they are now."""

    def carries(self, configuration: Configuration, objective: Objective, version: VersionRef) -> bool:
        """Return whether it calls the shard of a version by itself; if not, the gateway does behind it."""

    def issues(self) -> list[Issue]:
        """Return what is wrong with it, and what it does not do of the configuration, the worst first."""

    def status(self) -> Json:
        """Return the answer of getDataPlane."""

    def metric_lines(self) -> Iterator[str]:
        """Yield its metrics in the Prometheus text format."""
