"""Finds the revision that an undo goes back to, and the revisions that pruning must leave."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from nlapi.gateway.access import format_time
from nlapi.gateway.store import ChangeRecord, GatewayStore
from nlapi.routing.model import CanaryState, Configuration

GATEWAY_AUTHOR = "gateway"
"""the author of a revision that a canary makes by itself"""
# Revisions deleted in one transaction, so that a change waits some milliseconds for it and not for thousands.
PRUNE_BATCH = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPolicy:
    """How many revisions are stored: the newest `revisions`, and all of the last `days`; 0 days: by number only."""

    revisions: int = 1000
    days: float = 30.0

    def oldest_time(self, now: datetime) -> str:
        """Return the time before which a revision may be pruned."""
        return format_time(now - timedelta(days=self.days))


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoPath:
    """The way to the revision before the last change of an objective.

    `target` is its number, 0 when there is none; `visited` are the revisions that lead there. `is_pruned` when the way
    goes through a revision that is not stored any more.
    """

    target: int
    visited: tuple[int, ...]
    is_pruned: bool = False


def find_undo_path(changes: Iterable[ChangeRecord]) -> UndoPath:
    """Return the way back from the changes of one objective, given newest first."""
    # A step of a canary belongs to its start: reverted alone, the canary would only take it again. A revision that
    # restores another is skipped, so that undoing twice goes further back and not forth again.
    visited: list[int] = []
    limit: float = float("inf")
    for change in changes:
        if change.number > limit:
            continue
        if change.pruned:
            return UndoPath(target=0, visited=tuple(visited), is_pruned=True)
        visited.append(change.number)
        if not change.restores and change.who != GATEWAY_AUTHOR:
            return UndoPath(target=change.number - 1, visited=tuple(visited))
        limit = change.restores or change.number - 1
    return UndoPath(target=0, visited=tuple(visited))


def protected_revisions(store: GatewayStore, configuration: Configuration) -> set[int]:
    """Return the revisions that an undo of any objective needs, and those around the start of each active canary."""
    protected: set[int] = set()
    for objective, changes in store.changes_by_objective().items():
        if objective in configuration.objectives:
            path = find_undo_path(changes)
            if path.target:
                protected |= {path.target, *path.visited}
    for canary in configuration.canaries.values():
        if canary.state in (CanaryState.RUNNING, CanaryState.PAUSED):
            start = store.first_number_of("canaries", canary.name)
            protected |= {start - 1, start}
    return protected


def prune_revisions(store: GatewayStore, configuration: Configuration, policy: RetentionPolicy, now: datetime) -> int:
    """Delete the revisions that the policy does not keep and nothing needs; return their number.

    The current revision always stays. A batch is one transaction: a kill leaves the store before or after it.
    """
    before, total = policy.oldest_time(now), 0
    if store.oldest_prunable(newest=policy.revisions, before=before):
        protected = protected_revisions(store, configuration)
        while pruned := store.prune(newest=policy.revisions, before=before, protected=protected, limit=PRUNE_BATCH):
            total += len(pruned)
    return total
