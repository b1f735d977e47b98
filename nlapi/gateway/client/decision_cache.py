"""The decisions that a client has resolved, by objective and by the context fields that decide."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from nlapi.gateway.shards.open_inference import OpenInferenceCodec
from nlapi.routing.model import Context, VersionRef

_Key: TypeAlias = tuple[object, ...]

# Seconds: in an hour 60 calls of resolve for each decision in use, and the most that a client without a connection for
# the watch is behind.
DEFAULT_MAX_AGE_S = 60.0
# Decisions of one objective: about 2 KiB each.
DEFAULT_MAX_ENTRIES = 10_000
# Seconds after a failed resolve in which the old decision serves without another attempt.
RETRY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedDecision:
    """A decision of the gateway as a client holds it."""

    objective: str
    version: VersionRef
    revision: int
    reason: str
    names: Mapping[str, str]
    """what decided: `rule`, `experiment`, `cell`, `canary` or `override` by name, as far as they took part"""
    url: str
    """where requests go"""
    protocol: str
    """the form of the body there: gateway, json or oip-v2"""
    routing_key: str
    since: int
    """the number of the objective's routing that decided"""
    objective_configuration: Mapping[str, object]
    codec: OpenInferenceCodec | None = None
    """for oip-v2: the form of the version's tensors"""
    stale: bool = False
    """whether it is older than it should be, as the gateway could not be asked again"""


class _CacheEntry:
    """A decision with its times by the cache's clock."""

    __slots__ = ("decision", "expires_at", "fresh_until", "retry_at")

    def __init__(self, decision: ResolvedDecision, fresh_until: float, expires_at: float) -> None:
        self.decision = decision
        self.fresh_until = fresh_until
        self.expires_at = expires_at
        self.retry_at = 0.0


class _ObjectiveCache:
    """The decisions of one objective, by the values of the fields that decide."""

    __slots__ = ("declared", "entries", "fields", "since", "updated_at")

    def __init__(self, fields: tuple[str, ...], declared: frozenset[str], since: int) -> None:
        self.fields = fields
        self.declared = declared
        self.since = since
        self.updated_at = float("-inf")
        """when `since` was last reported by the gateway"""
        self.entries: dict[_Key, _CacheEntry] = {}

    def key(self, context: Context) -> _Key | None:
        """Return the key of a context; None when the gateway has to look at it."""
        if not self.declared.issuperset(context):
            return None  # to be refused with the reason
        values = tuple(map(context.get, self.fields))
        # With the types: True is equal to 1 in Python, and is not in a context.
        return (*values, *map(type, values))


class DecisionCache:
    """Decisions of bounded number and age. One thread stores, any thread looks up.

    A decision is fresh for `max_age_s` seconds and as long as its objective's number has not changed. After that it
    may serve as a stale one until its key expires. `clock` returns seconds of a monotonic clock, so that a jump of the
    wall clock changes nothing.
    """

    def __init__(
        self,
        *,
        max_age_s: float = DEFAULT_MAX_AGE_S,
        max_entries: int = DEFAULT_MAX_ENTRIES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._max_age_s = max_age_s
        self._max_entries = max_entries
        self._clock = clock
        self._objectives: dict[str, _ObjectiveCache] = {}

    @property
    def objectives(self) -> tuple[str, ...]:
        """The names of the objectives with decisions, in their order."""
        return tuple(sorted(self._objectives))

    def fresh(self, objective: str, context: Context) -> ResolvedDecision | None:
        """Return the decision for a context, a stale one shortly after a failed resolve; None to resolve it."""
        cached = self._objectives.get(objective)
        if cached is None:
            return None
        key = cached.key(context)
        entry = cached.entries.get(key) if key is not None else None
        if entry is None:
            return None
        now = self._clock()
        if now < entry.fresh_until and entry.decision.since == cached.since:
            return entry.decision
        return entry.decision if now < entry.retry_at and now < entry.expires_at else None

    def stale(self, objective: str, context: Context) -> ResolvedDecision | None:
        """Return the last decision for a context while its key is good, marked as stale, or None."""
        cached = self._objectives.get(objective)
        key = cached.key(context) if cached is not None else None
        entry = cached.entries.get(key) if cached is not None and key is not None else None
        now = self._clock()
        if entry is None or now >= entry.expires_at:
            return None
        if not entry.decision.stale:
            entry.decision = replace(entry.decision, stale=True)
        entry.fresh_until, entry.retry_at = 0.0, now + RETRY_S
        return entry.decision

    def store(
        self,
        decision: ResolvedDecision,
        context: Context,
        *,
        fields: tuple[str, ...],
        declared: frozenset[str],
        asked_at: float,
        expires_in_s: float,
    ) -> None:
        """Store a decision that was asked for at `asked_at` by the cache's clock."""
        cached = self._objectives.get(decision.objective)
        # A question that was asked before the last report of a change may have an answer from before the change.
        is_current = cached is None or asked_at >= cached.updated_at
        if cached is None or (cached.fields, cached.declared) != (fields, declared):
            if not is_current:
                return
            # Keys of other fields mean nothing here: the old decisions go.
            cached = self._objectives[decision.objective] = _ObjectiveCache(fields, declared, decision.since)
        if is_current:
            # Not the greatest number: two gateways of one database may number the same routing differently.
            cached.since = decision.since
        key = cached.key(context)
        if key is None:
            return
        expires_at = asked_at + expires_in_s
        cached.entries.pop(key, None)
        if len(cached.entries) >= self._max_entries:
            del cached.entries[next(iter(cached.entries))]
        cached.entries[key] = _CacheEntry(decision, min(asked_at + self._max_age_s, expires_at), expires_at)

    def update(self, numbers: Mapping[str, int]) -> None:
        """Take over the numbers of objectives: decisions of another number are not fresh any more."""
        for objective, number in numbers.items():
            cached = self._objectives.get(objective)
            if cached is not None:
                cached.since, cached.updated_at = number, self._clock()

    def drop(self, decision: ResolvedDecision) -> None:
        """Forget a decision that was refused where it was sent."""
        cached = self._objectives.get(decision.objective)
        if cached is not None:
            for key in [key for key, entry in cached.entries.items() if entry.decision is decision]:
                del cached.entries[key]

    def now(self) -> float:
        """Return the time of the cache's clock."""
        return self._clock()
