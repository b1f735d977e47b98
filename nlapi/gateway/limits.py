"""How much each client may ask for: a rate and a number in flight, over all objectives and versions."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from nlapi.gateway import refusals
from nlapi.routing.nouns import Client

Clock = Callable[[], float]
"""Seconds that only go up."""


class Flying:
    """How many calls of one client are in flight, whatever its limits have become meanwhile."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Limit:
    """One client's token bucket and calls in flight. It lives as long as the client's limits stay the same.

    `before` is what was so until they changed: the calls that it let in are still in flight.
    """

    def __init__(self, client: Client, clock: Clock, before: Limit | None = None) -> None:
        self.client = client
        self._clock = clock
        self._most = float(client.burst or max(1.0, client.rate))
        self._tokens = self._most
        self._at = clock()
        self._flying: Flying = before._flying if before else Flying()
        self.refused = 0

    def check(self) -> None:
        """Problem 429 when a call now would be one too many."""
        client = self.client
        if client.concurrency and self._flying.count >= client.concurrency:
            self.refused += 1
            raise refusals.too_many(client.name, f"{client.concurrency} calls in flight", 1.0)
        if client.rate:
            self._refill(client.rate)
            if self._tokens < 1.0:
                self.refused += 1
                wait = (1.0 - self._tokens) / client.rate
                raise refusals.too_many(client.name, f"{client.rate:g} requests a second", wait)

    def enter(self) -> None:
        """Count a call in. Problem 429 when it is one too many; then nothing was counted."""
        self.check()
        self.spend()
        self._flying.count += 1

    def spend(self) -> None:
        """Count a call against the rate alone: one that was refused before it was in flight."""
        if self.client.rate:
            self._tokens -= 1.0

    def leave(self) -> None:
        """Count a call out."""
        self._flying.count -= 1

    def _refill(self, rate: float) -> None:
        now = self._clock()
        self._tokens = min(self._most, self._tokens + (now - self._at) * rate)
        self._at = now


def limits_of(clients: Mapping[str, Client], before: Mapping[str, Limit], clock: Clock) -> dict[str, Limit]:
    """A Limit for each client that has limits; those of `before` whose client is the same go on as they are."""
    found = {}
    for name, client in clients.items():
        if client.rate or client.concurrency:
            known = before.get(name)
            found[name] = known if known is not None and known.client == client else Limit(client, clock, known)
    return found
