"""Bulkheads: a part of the slots of a shard that each objective and each client may hold at once."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from nlapi.gateway.inference import FailureKind, InferenceError, InferenceRequest
from nlapi.routing.model import Shard


def share_limit(slots: int, percent: float) -> int:
    """Return the number of `slots` that a share may hold; below 100 per cent at least one slot is left to others."""
    if percent >= 100:
        return slots
    return max(1, min(slots - 1, math.ceil(slots * percent / 100)))


class Bulkhead:
    """The calls in flight to one shard or version, by objective and by client.

    Calls without an objective or a client are not limited. A limit is a number of calls.
    """

    def __init__(self, place: str, objective_limit: int, client_limit: int) -> None:
        self._place = place
        self._objective_limit = objective_limit
        self._client_limit = client_limit
        self._by_objective: Counter[str] = Counter()
        self._by_client: Counter[str] = Counter()

    @classmethod
    def of_shard(cls, shard: Shard) -> Bulkhead:
        """Return the bulkhead of all slots of a shard."""
        bulkhead = cls(f"shard {shard.name}", 1, 1)
        bulkhead.resize(shard, len(shard.endpoints))
        return bulkhead

    def resize(self, shard: Shard, replicas: int) -> None:
        """Take the limits of a shard that has this number of replicas now."""
        slots = shard.concurrency * max(1, replicas)
        self._objective_limit = share_limit(slots, shard.objective_percent)
        self._client_limit = share_limit(slots, shard.client_percent)

    @contextmanager
    def hold(self, request: InferenceRequest) -> Iterator[None]:
        """Count a call while the block runs. InferenceError OVER_SHARE when its objective or client has its share."""
        objective, client = request.objective, request.client
        if objective and self._by_objective[objective] >= self._objective_limit:
            raise self._over_share("objective", objective, self._objective_limit)
        if client and self._by_client[client] >= self._client_limit:
            raise self._over_share("client", client, self._client_limit)
        self._by_objective[objective] += 1
        self._by_client[client] += 1
        try:
            yield
        finally:
            for counts, name in ((self._by_objective, objective), (self._by_client, client)):
                counts[name] -= 1
                if not counts[name]:  # clients come and go
                    del counts[name]

    def _over_share(self, kind: str, name: str, limit: int) -> InferenceError:
        text = f"{kind} {name!r} has {limit} calls at {self._place}, its share"
        return InferenceError(FailureKind.OVER_SHARE, text, executed=False)
