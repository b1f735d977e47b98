"""What a change has to be asked for that the description leaves optional: a name for what is made, a value to set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nlapi.offline.choose import Candidate
from nlapi.offline.entities import noun_stems
from nlapi.offline.plainly import naming_slot
from nlapi.offline.slots import Slot
from nlapi.openapi.spec import Effect
from nlapi.resources.naming import METHODS, Intent


def unsaid_values(best: Candidate, known: Mapping[str, Any]) -> tuple[Slot, ...]:
    """The fields of a body that make a change one at all, where nothing of the body is said or known."""
    if best.tool.effect is Effect.READ or any(slot.where == "body" for slot in _filled(best, known)):
        return ()
    unnamed = naming_slot(best.scene)
    if unnamed is not None:
        return (unnamed,)
    if not changes_nothing(best):
        return ()
    said = best.scene.sentence.stem_set - set(noun_stems(best.operation))
    body = (slot for slot in best.scene.slots if slot.where == "body")
    return tuple(slot for slot in body if slot.words and said.issuperset(slot.words))


def changes_nothing(best: Candidate) -> bool:
    """Is it an update that says which thing, but not what shall become of it?"""
    updates = best.operation.method in METHODS[Intent.UPDATE] and best.operation.body is not None
    return updates and all(option.slot.where == "path" for option in best.filling.options)


def _filled(best: Candidate, known: Mapping[str, Any]) -> list[Slot]:
    """The slots that the sentence fills, or the user by name."""
    filled = {option.slot for option in best.filling.options}
    given = {name.partition(".")[0] for name in known}
    return [slot for slot in best.scene.slots if slot in filled or slot.path[0] in given]
