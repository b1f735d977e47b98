"""Finds values that a change needs though the description leaves them optional: a new name, a value to set."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from nlapi.english.words import singular, split_words, stem
from nlapi.openapi.spec import Effect
from nlapi.planner.operations.candidates import OperationCandidate
from nlapi.planner.slots.entities import RENAMES, operation_noun_stems
from nlapi.planner.slots.features import MONEYLIKE, NAMELIKE
from nlapi.planner.slots.overrides import naming_slot
from nlapi.planner.slots.slot import Slot
from nlapi.resources.naming import METHODS, STOPWORDS, VERBS, Intent

_OPTIONAL = re.compile(
    r"\b(?:defaults?|optional\w*|random\w*|generated|if (?:not|none|omitted|empty))\b", re.IGNORECASE
)
_MONEY = frozenset(map(stem, ("dollar", "euro", "usd", "eur", "currency", "cents", "micros")))
_NEW = frozenset(map(stem, ("new", "body")))
_VALUE = (stem("value"),)


def missing_values(best: OperationCandidate, known_values: Mapping[str, object]) -> tuple[Slot, ...]:
    """Return the fields of a body of which a change needs one, where the sentence and `known` have none.

    A created item needs a name too, where the description requires no field of it.
    """
    assigned = _assigned_slots(best, known_values)
    has_body = any(slot.location == "body" for slot in assigned)
    name_slot = naming_slot(best.context)
    requires_body = any(
        slot.required or slot.required_by_object for slot in best.context.slots if slot.location == "body"
    )
    if best.tool.effect is Effect.READ or (has_body and (requires_body or name_slot is None or name_slot in assigned)):
        return ()
    last = split_words(best.operation.path.rstrip("/").rpartition("/")[2])
    is_collection = bool(last) and singular(last[-1]) != last[-1]
    if name_slot is not None and is_collection and not _OPTIONAL.search(name_slot.description):
        return (name_slot,)
    if not lacks_new_value(best):
        return ()
    stems = best.context.sentence.stem_set
    fields = [slot for slot in best.context.slots if slot.location == "body" and len(slot.path) == 1 and slot.words]
    if not RENAMES.isdisjoint(stems):
        return tuple(slot for slot in fields if set(slot.words) <= NAMELIKE | _NEW)[:1]
    free = stems - set(operation_noun_stems(best.operation))
    mentioned = [slot for slot in fields if free.issuperset(slot.words)] or _nearest_field(best, fields)
    return tuple(mentioned or (slot for slot in fields if slot.words == _VALUE))


def _nearest_field(best: OperationCandidate, fields: Sequence[Slot]) -> list[Slot]:
    """Return the field that most words of the sentence describe which are in no value: the daily budget of X.

    The words are those of its name without the unit, or of its description.
    """
    sentence, options = best.context.sentence, best.assignment.candidates
    spoken = {
        token.stem
        for token in sentence.tokens
        if token.word
        and token.lower not in STOPWORDS
        and token.stem not in VERBS
        and not any(option.start <= token.start < option.end for option in options)
    } - set(operation_noun_stems(best.operation))
    if not spoken:
        return []
    described = [slot for slot in fields if spoken <= {*slot.words, *slot.prose}]
    # Of two fields that are described so, the name of one says more of it, or its description speaks of little else.
    # A budget is of money where nothing else is said.
    is_money = not spoken.isdisjoint(MONEYLIKE)

    def rank(slot: Slot) -> tuple[int, bool, int]:
        spoken_count = len(spoken.intersection(slot.words))
        return -spoken_count, is_money and _MONEY.isdisjoint({*slot.words, *slot.prose}), len(slot.prose - spoken)

    return sorted(described, key=rank)[:1]


def lacks_every_value(best: OperationCandidate, known_values: Mapping[str, object]) -> bool:
    """Return whether a change has a body that may not be empty, and no value for it."""
    assigned = _assigned_slots(best, known_values)
    rules = best.tool.body_rules
    is_refused = best.operation.body is not None and best.operation.body.required and bool(rules.get("minProperties"))
    return is_refused and best.tool.effect is not Effect.READ and all(slot.location != "body" for slot in assigned)


def lacks_new_value(best: OperationCandidate) -> bool:
    """Return whether an update has a target and no new value."""
    updates = best.operation.method in METHODS[Intent.UPDATE] and best.operation.body is not None
    return updates and all(option.slot.location == "path" for option in best.assignment.candidates)


def _assigned_slots(best: OperationCandidate, known_values: Mapping[str, object]) -> list[Slot]:
    """Return the slots with a value from the sentence or from `known`."""
    assigned = {option.slot for option in best.assignment.candidates}
    preset = {name.partition(".")[0] for name in known_values}
    return [slot for slot in best.context.slots if slot in assigned or slot.path[0] in preset]
