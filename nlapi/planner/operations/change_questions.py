"""Finds values that a change needs though the description leaves them optional: a new name, a value to set."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from nlapi.openapi.spec import Effect
from nlapi.planner.operations.candidates import Candidate
from nlapi.planner.slots.entities import RENAMES, noun_stems
from nlapi.planner.slots.features import NAMELIKE
from nlapi.planner.slots.overrides import naming_slot
from nlapi.planner.slots.slot import Slot
from nlapi.resources.naming import METHODS, Intent, singular, split_words, stem

_OPTIONAL = re.compile(
    r"\b(?:defaults?|optional\w*|random\w*|generated|if (?:not|none|omitted|empty))\b", re.IGNORECASE
)
_NEW = frozenset(map(stem, ("new", "body")))
_VALUE = (stem("value"),)


def unsaid_values(best: Candidate, known: Mapping[str, Any]) -> tuple[Slot, ...]:
    """Return the fields of a body of which a change needs one, where the sentence and `known` have none.

    A created item needs a name too, where the description requires no field of it.
    """
    assigned = _assigned_slots(best, known)
    has_body = any(slot.where == "body" for slot in assigned)
    name_slot = naming_slot(best.scene)
    requires_body = any(slot.required or slot.needed for slot in best.scene.slots if slot.where == "body")
    if best.tool.effect is Effect.READ or (has_body and (requires_body or name_slot is None or name_slot in assigned)):
        return ()
    last = split_words(best.operation.path.rstrip("/").rpartition("/")[2])
    is_collection = bool(last) and singular(last[-1]) != last[-1]
    if name_slot is not None and is_collection and not _OPTIONAL.search(name_slot.description):
        return (name_slot,)
    if not changes_nothing(best):
        return ()
    stems = best.scene.sentence.stem_set
    fields = [slot for slot in best.scene.slots if slot.where == "body" and len(slot.path) == 1 and slot.words]
    if not RENAMES.isdisjoint(stems):
        return tuple(slot for slot in fields if set(slot.words) <= NAMELIKE | _NEW)[:1]
    mentioned = [slot for slot in fields if (stems - set(noun_stems(best.operation))).issuperset(slot.words)]
    return tuple(mentioned or (slot for slot in fields if slot.words == _VALUE))


def changes_nothing(best: Candidate) -> bool:
    """Return whether an update has a target and no new value."""
    updates = best.operation.method in METHODS[Intent.UPDATE] and best.operation.body is not None
    return updates and all(option.slot.where == "path" for option in best.filling.options)


def _assigned_slots(best: Candidate, known: Mapping[str, Any]) -> list[Slot]:
    """Return the slots with a value from the sentence or from `known`."""
    assigned = {option.slot for option in best.filling.options}
    preset = {name.partition(".")[0] for name in known}
    return [slot for slot in best.scene.slots if slot in assigned or slot.path[0] in preset]
