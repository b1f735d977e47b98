"""The limits of each client, over all objectives and versions: a rate, and a number of requests in flight."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nlapi.gateway import refusals
from nlapi.routing.nouns import Client

Clock = Callable[[], float]
"""Returns seconds of a monotonic clock."""


class InFlightCount:
    """The number of calls of one client in flight, shared by the limits before and after a change of the client."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class ClientLimit:
    """The token bucket and the calls in flight of one client; it is replaced when the client's limits change.

    `before` is the limit that it replaces, whose calls are still in flight.
    """

    def __init__(self, client: Client, clock: Clock, previous: ClientLimit | None = None) -> None:
        self.client = client
        self._clock = clock
        self._capacity = float(client.burst or max(1.0, client.rate))
        self._tokens = self._capacity
        self._refilled_at = clock()
        self._in_flight: InFlightCount = previous._in_flight if previous else InFlightCount()
        self.refused = 0

    def check(self) -> None:
        """Check that a call is allowed now. Problem 429 when it is not."""
        client = self.client
        if client.concurrency and self._in_flight.count >= client.concurrency:
            self.refused += 1
            raise refusals.rate_limited(client.name, f"{client.concurrency} calls in flight", 1.0)
        if client.rate:
            self._refill(client.rate)
            if self._tokens < 1.0:
                self.refused += 1
                wait = (1.0 - self._tokens) / client.rate
                raise refusals.rate_limited(client.name, f"{client.rate:g} requests a second", wait)

    def start_call(self) -> None:
        """Count the start of a call. Problem 429, with nothing counted, when it is not allowed."""
        self.check()
        self.charge()
        self._in_flight.count += 1

    def charge(self) -> None:
        """Count a call against the rate alone, for a request that was refused before it was in flight."""
        # A flood of invalid requests has to wait as a flood of valid ones does (docs/design/012-serving-engine.md).
        if self.client.rate:
            self._tokens -= 1.0

    def end_call(self) -> None:
        """Count the end of a call."""
        self._in_flight.count -= 1

    def _refill(self, rate: float) -> None:
        now = self._clock()
        self._tokens = min(self._capacity, self._tokens + (now - self._refilled_at) * rate)
        self._refilled_at = now


def build_limits(clients: Mapping[str, Client], previous: Mapping[str, ClientLimit], clock: Clock) -> dict[str, ClientLimit]:
    """Return a Limit for each client that has limits; unchanged clients keep the Limit of `before`."""
    # A new bucket is full. If every publication made new ones, a client could exceed its rate at each revision.
    limits = {}
    for name, client in clients.items():
        if client.rate or client.concurrency:
            previous_limit = previous.get(name)
            limits[name] = previous_limit if previous_limit is not None and previous_limit.client == client else ClientLimit(client, clock, previous_limit)
    return limits
