"""Plans look-ups for ids that a sentence does not have: by a name, by a field of another item, by what a list is of."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from nlapi.english import lexicon
from nlapi.openapi.spec import Effect, Operation
from nlapi.planner.operations.candidates import OperationCandidate
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.operations.sentence_coverage import explains_all_words
from nlapi.planner.slots.assignment import Assignment
from nlapi.planner.slots.entities import (
    PendingLookup,
    is_subject,
    location_of,
    named_resource,
    operation_noun_stems,
    takes_id,
)
from nlapi.planner.slots.features import page_size
from nlapi.planner.slots.name_mentions import names_beside
from nlapi.planner.slots.preset_values import complete_arguments
from nlapi.planner.slots.slot import Family, Slot, SlotCandidate
from nlapi.reading.question_intent import IntentKind, read_intent
from nlapi.resources.collection_index import collection_index
from nlapi.resources.id_sources import id_sources

_PEOPLE = lexicon.stems("planner/operations/words", "people")
# The probability of a look-up that follows from the description.
LOOKUP_PROBABILITY = 0.94


def with_lookups(
    best: OperationCandidate, catalogue: Catalogue, known_values: Mapping[str, object], question: str
) -> OperationCandidate:
    """Return the candidate with look-ups for the ids that the sentence does not have, as far as there are any.

    The N of `the top N` is not the size of a page, unless the API itself sorts its list so or requires the number.
    """
    assignment = best.assignment
    if best.tool.effect is Effect.READ and read_intent(question).is_superlative and not _is_sorted(best):
        chosen = (option for option in assignment.candidates if option.slot.required or not page_size(option.slot))
        assignment = replace(assignment, candidates=tuple(chosen))
    _, missing = complete_arguments(best.tool, assignment.values, best.context.slots, known_values)
    for slot in (slot for slot in missing if takes_id(slot)):
        option = _lookup(replace(best, assignment=assignment), slot, catalogue)
        assignment = assignment if option is None else _with_option(assignment, option)
    return replace(best, assignment=assignment)


def _lookup(best: OperationCandidate, slot: Slot, catalogue: Catalogue) -> SlotCandidate | None:
    """Return the look-up of a missing id, or None."""
    option = next(_by_reference(best, slot, catalogue), None)
    if (
        option is None
        and not is_subject(best.operation, slot)
        and (caller := _caller_read(best, slot, catalogue)) is not None
    ):
        option = SlotCandidate(
            slot=slot,
            value=PendingLookup(name="", list_operation=caller.id),
            probability=LOOKUP_PROBABILITY,
            start=0,
            end=0,
        )
    return option


def _with_option(filling: Assignment, option: SlotCandidate) -> Assignment:
    """Return the assignment with one more option, which replaces those of the same words."""
    compatible = (entry for entry in filling.candidates if entry.start == entry.end or not entry.collides(option))
    return replace(
        filling,
        candidates=(*compatible, option),
        missing=tuple(slot for slot in filling.missing if slot is not option.slot),
        unused=tuple(span for span in filling.unused if not (option.start < span.end and span.start < option.end)),
    )


def _is_sorted(best: OperationCandidate) -> bool:
    """Return whether the API itself sorts the list."""
    return any({"sort", "order"} & set(option.slot.words) for option in best.assignment.candidates)


def _by_reference(best: OperationCandidate, slot: Slot, catalogue: Catalogue) -> Iterator[SlotCandidate]:
    """Yield look-ups of the id in a field of another item that the sentence names: campaign of the ad set X."""
    entity = named_resource(slot)
    created = operation_noun_stems(best.operation) if best.operation.method == "POST" else ()
    resources, ids = collection_index(best.operation.spec), id_sources(best.operation.spec)
    place = location_of(best.tool, slot)
    for listing in _same_api(best, catalogue):
        kind = operation_noun_stems(listing)
        is_named = bool(kind) and set(kind) <= best.context.sentence.stem_set
        if not is_named or kind in (entity, created) or not resources.is_list(listing):
            continue
        if f"{{{slot.name}}}" in listing.path:
            continue  # the list requires the same id
        names = sorted(names_beside(best.context, kind, coded=False), key=lambda mention: -mention.score)
        if not names:
            continue
        via, field = "", ids.reference_field(listing, best.operation, place)
        if not field and (item_read := resources.item_read(listing)) is not None:
            via, field = item_read.id, ids.reference_field(item_read, best.operation, place)
        if field:
            pending = PendingLookup(name=names[0].name, list_operation=listing.id, field=field, detail_operation=via)
            yield SlotCandidate(
                slot=slot, value=pending, probability=LOOKUP_PROBABILITY, start=names[0].start, end=names[0].end
            )


def _same_api(best: OperationCandidate, catalogue: Catalogue) -> tuple[Operation, ...]:
    return catalogue.operations_of(best.operation.spec)


def _caller_read(best: OperationCandidate, slot: Slot, catalogue: Catalogue) -> Operation | None:
    """Return the read of the caller's account, where `slot` takes the id of a user; or None.

    In a body it may be that of anybody else, unless the sentence says so: log [my] call.
    """
    entity = named_resource(slot)
    is_said = not _CALLER.isdisjoint(token.lower for token in best.context.sentence.tokens)
    if slot.location == "body" and best.tool.effect is not Effect.READ and not is_said:
        return None
    return catalogue.caller(best.operation.spec) if entity and set(entity) <= _PEOPLE else None


_CALLER = lexicon.words("planner/operations/words", "caller")
_AROUND_ALL = lexicon.stems("planner/operations/words", "around_all")


def with_all_items(best: OperationCandidate) -> Assignment:
    """Return the assignment of a list with its flag for all items set, where conditions are applied to the answer."""
    flag = all_flag(best.context.slots)
    options = best.assignment.candidates
    taken = best.context.preset.union(option.slot for option in options)
    if flag is None or flag in taken or best.tool.effect is not Effect.READ:
        return best.assignment
    counts = read_intent(best.context.sentence.text).kind is IntentKind.COUNT
    if not counts and explains_all_words(best) and all(option.narrows for option in options):
        return best.assignment
    return _with_option(best.assignment, SlotCandidate(slot=flag, value=True, probability=1.0, start=0, end=0))


def all_flag(slots: Iterable[Slot]) -> Slot | None:
    """Return the flag of a list for all items, where it leaves some out by default; None without one."""
    flags = (slot for slot in slots if slot.family is Family.BOOLEAN and slot.location == "query")
    return next((slot for slot in flags if set(slot.words) - _AROUND_ALL == {"all"}), None)
