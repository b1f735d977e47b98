"""What a change has to be asked for that the description leaves optional: a name for what is made, a value to set."""

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
    """The fields of a body that make a change one at all, where nothing of the body is said or known.

    A name for what is made is needed too where the description requires no field of it.
    """
    filled = _filled(best, known)
    told = [slot for slot in filled if slot.where == "body"]
    unnamed = naming_slot(best.scene)
    explicit = any(slot.required or slot.needed for slot in best.scene.slots if slot.where == "body")
    if best.tool.effect is Effect.READ or (told and (explicit or unnamed is None or unnamed in filled)):
        return ()
    last = split_words(best.operation.path.rstrip("/").rpartition("/")[2])
    collection = bool(last) and singular(last[-1]) != last[-1]
    if unnamed is not None and collection and not _OPTIONAL.search(unnamed.description):
        return (unnamed,)
    if not changes_nothing(best):
        return ()
    stems = best.scene.sentence.stem_set
    fields = [slot for slot in best.scene.slots if slot.where == "body" and len(slot.path) == 1 and slot.words]
    if not RENAMES.isdisjoint(stems):
        return tuple(slot for slot in fields if set(slot.words) <= NAMELIKE | _NEW)[:1]
    said = [slot for slot in fields if (stems - set(noun_stems(best.operation))).issuperset(slot.words)]
    return tuple(said or (slot for slot in fields if slot.words == _VALUE))


def changes_nothing(best: Candidate) -> bool:
    """Is it an update that says which thing, but not what shall become of it?"""
    updates = best.operation.method in METHODS[Intent.UPDATE] and best.operation.body is not None
    return updates and all(option.slot.where == "path" for option in best.filling.options)


def _filled(best: Candidate, known: Mapping[str, Any]) -> list[Slot]:
    """The slots that the sentence fills, or the user by name."""
    filled = {option.slot for option in best.filling.options}
    given = {name.partition(".")[0] for name in known}
    return [slot for slot in best.scene.slots if slot in filled or slot.path[0] in given]
