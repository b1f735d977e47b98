"""Groups the entities of a configuration by the objective that they decide for."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nlapi.routing.change import DECIDING_KINDS, ConfigurationChanges
from nlapi.routing.model import CanaryState, Configuration, ObjectiveParts

# Entities that are put into a sorted list one by one; for more the list is sorted anew.
MAX_INSERTED = 32


def by_position(rule: Any) -> Any:
    # By name where positions are equal: the order never depends on when an entity was made.
    return rule.position, rule.name


def _by_state(canary: Any) -> Any:
    # Canaries that are done go before those that build on them.
    return canary.state is not CanaryState.DONE, canary.name


_ORDERS: Mapping[str, Callable[[Any], Any]] = {"rules": by_position, "canaries": _by_state}
"""Kind -> its order in a decision; the other kinds are in the order of their names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Regrouped:
    """The entities by objective after changes."""

    changes: ConfigurationChanges
    grouped: Mapping[str, ObjectiveParts]

    def leads(self, before: Configuration, after: Configuration) -> bool:
        """Return whether the changes are those from `before` to `after`."""
        return self.changes.before is before and self.changes.after is after


def entity_order(kind: str) -> Callable[[Any], Any]:
    """Return the sort key of a kind's order in a decision."""
    return _ORDERS.get(kind, lambda entity: entity.name)


def group_by_objective(configuration: Configuration) -> dict[str, ObjectiveParts]:
    """Return the entities that take part in decisions, for each objective, each kind in its order."""
    return regroup({}, ConfigurationChanges(Configuration(), configuration))


def regroup(grouped: Mapping[str, ObjectiveParts], changes: ConfigurationChanges) -> dict[str, ObjectiveParts]:
    """Return `grouped`, which is that of the configuration before the changes, for the configuration after them.

    An objective whose entities did not change has the very same ObjectiveParts.
    """
    removed: dict[tuple[str, str], list[Any]] = {}
    added: dict[tuple[str, str], list[Any]] = {}
    for kind in DECIDING_KINDS:
        for _, old, new in changes.entities(kind):
            if old is not None and takes_part(kind, old):
                removed.setdefault((old.objective, kind), []).append(old)
            if new is not None and takes_part(kind, new):
                added.setdefault((new.objective, kind), []).append(new)
    # A faulty configuration may have had the entities of an objective before the objective itself.
    new_objectives = set(changes.added("objectives"))
    for kind in DECIDING_KINDS if new_objectives else ():
        changed = set(changes.keys(kind))
        for key, entity in getattr(changes.after, kind).items():
            if entity.objective in new_objectives and key not in changed and takes_part(kind, entity):
                added.setdefault((entity.objective, kind), []).append(entity)
    changed_names = {name for name, _ in (*removed, *added)}
    result = {}
    for name in changes.after.objectives:
        parts = grouped.get(name)
        if parts is None or name in changed_names:
            kinds = {
                kind: _reorder(kind, getattr(parts, kind, ()), removed.get((name, kind)), added.get((name, kind)))
                for kind in DECIDING_KINDS
            }
            parts = ObjectiveParts(**kinds)
        result[name] = parts
    return result


def takes_part(kind: str, entity: Any) -> bool:
    """Return whether an entity takes part in decisions: a running experiment, a canary that moves its share."""
    if kind == "experiments":
        return bool(entity.running)
    return bool(entity.moves) if kind == "canaries" else True


def _reorder(kind: str, entities: Any, removed: list[Any] | None, added: list[Any] | None) -> Any:
    """Return the list without and with some entities, in the order of a decision; itself when nothing changes."""
    if not removed and not added:
        return entities or []
    order = entity_order(kind)
    result = _without(entities, removed, order) if removed else list(entities)
    if added and len(added) <= MAX_INSERTED:
        for entity in added:
            insort(result, entity, key=order)
    elif added:
        result += added
        result.sort(key=order)
    return result


def _without(entities: Any, removed: list[Any], order: Callable[[Any], Any]) -> list[Any]:
    result = list(entities)
    if len(removed) <= MAX_INSERTED:
        for entity in removed:
            place = bisect_left(result, order(entity), key=order)
            if place < len(result) and result[place] is entity:
                del result[place]
    if len(result) == len(entities) - len(removed):
        return result
    # Many, or two entities of one name, which is a fault: their identities distinguish them.
    identities = set(map(id, removed))
    return [entity for entity in entities if id(entity) not in identities]
