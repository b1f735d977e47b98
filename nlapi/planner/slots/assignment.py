"""The assignment of values to the slots of one Tool: of the candidates for all slots, the best that go together."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nlapi.openapi.spec import Effect
from nlapi.planner.slots.bounds import with_directions
from nlapi.planner.slots.candidates import slot_candidates, without_astray_credentials
from nlapi.planner.slots.context import SlotContext
from nlapi.planner.slots.features import is_counted_by_answer
from nlapi.planner.slots.overrides import (
    OVERRIDE_PROBABILITY,
    apply_overrides,
    is_address_of_other,
    is_code_of_other,
    is_count_of_items,
    is_counted_item,
    is_elsewhere_in_reason,
    is_id_of_item_before,
    is_in_other_direction,
    is_name_as_number,
    is_relation_of_item,
    is_topic,
    is_unspoken_parameter,
    is_value_before,
)
from nlapi.planner.slots.preset_values import is_begun
from nlapi.planner.slots.scoring import rerank_candidates, score_candidates
from nlapi.planner.slots.slot import Slot, SlotCandidate
from nlapi.reading.text import ALTERNATIVE_FORMS, MentionKind, ValueMention

# Least probability of the value of a required slot. On the public questions, out of fold, 0.12 had 0.003 fewer exact;
# 0.04 had 0.01 more, but made values up where the user should be asked (docs/design/008-learned-slots.md).
REQUIRED_FLOOR = 0.08
# The same of an optional slot. A lower floor was not more exact, and made values up (docs/design/008-learned-slots.md).
OPTIONAL_FLOOR = 0.5
# Probability that an optional slot stays empty where its only candidate is a name to look up, which has no row for the
# second forest to rate.
EMPTY_PROBABILITY = 0.4
# Log-odds added to a candidate made of a quotation, an id or JSON: nobody writes those for nothing.
LITERAL_BONUS = 0.3
# A value that the user answered earlier is replaced by none less probable than this.
REMEMBERED_FLOOR = 0.88
# Partial assignments, and candidates of a slot, that the search keeps.
BEAM_WIDTH = 24
# Rejected readings that an assignment keeps. One of them at most is tried.
MAX_RIVALS = 4
CANDIDATES_PER_SLOT = 6


# Kinds of mentions that nobody writes for nothing.
_LITERALS = frozenset((MentionKind.QUOTED, MentionKind.LITERAL, MentionKind.JSON))
# Words that are not values of a slot, whatever they look like.
_BARRED = (
    is_address_of_other,
    is_elsewhere_in_reason,
    is_code_of_other,
    is_count_of_items,
    is_counted_item,
    is_id_of_item_before,
    is_in_other_direction,
    is_name_as_number,
    is_relation_of_item,
    is_topic,
    is_unspoken_parameter,
    is_value_before,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Candidates for the slots of a tool, one a slot at most, with the required slots and the mentions without one.

    `rivals` are other readings of the words of a candidate, the likeliest first: another slot, or another value.
    """

    candidates: tuple[SlotCandidate, ...]
    missing: tuple[Slot, ...]
    unused: tuple[ValueMention, ...]
    rivals: tuple[SlotCandidate, ...] = ()

    @property
    def arguments(self) -> dict[str, object]:
        """The arguments of a Call."""
        return nest_values(self.values)

    @property
    def values(self) -> dict[tuple[str, ...], object]:
        """The values by the paths of their slots."""
        return {candidate.slot.path: candidate.value for candidate in self.candidates}


def nest_values(values: Mapping[tuple[str, ...], object]) -> dict[str, object]:
    """Return values by path as nested objects: {("budget", "amount"): 5} -> {"budget": {"amount": 5}}."""
    root: dict[str, Any] = {}
    for path, value in values.items():
        parent = root
        for step in path[:-1]:
            parent = parent.setdefault(step, {})
        parent[path[-1]] = value
    return root


def assign_slots(context: SlotContext) -> Assignment:
    """Return the likeliest value of each slot, with no word of the sentence used twice."""
    plain = without_astray_credentials(context, slot_candidates(context))
    offered = [candidate for candidate in plain if not any(is_barred(context, candidate) for is_barred in _BARRED)]
    offered = list(with_directions(context, offered))
    rated = rerank_candidates(context, score_candidates(context, offered))
    ranked = sorted(apply_overrides(context, rated.candidates, offered), key=lambda candidate: -candidate.probability)
    certain = {candidate.slot for candidate in ranked if candidate.probability >= OVERRIDE_PROBABILITY}
    needed = _needed(context, ranked)
    empty = {
        slot: 1.0 - OVERRIDE_PROBABILITY if slot in certain else _empty_probability(slot, needed, rated.empty)
        for slot in context.slots
    }
    assigned = _best_set(
        [
            candidate
            for candidate in _open(context, ranked)
            if candidate.probability >= _floor(context, candidate, candidate.slot in needed)
        ],
        empty,
    )
    filled = {candidate.slot for candidate in assigned}
    remainders = dict.fromkeys(rest for candidate in assigned for rest in candidate.remainder)
    stems = context.sentence.stems
    beside = {mention for candidate in assigned for mention in candidate.beside}
    missing = tuple(slot for slot in context.slots if slot.required and slot not in filled)
    mentions = (
        mention
        for mention in context.sentence.mentions
        if mention.kind not in (MentionKind.TITLE, MentionKind.PHRASE)
        and mention.form not in ALTERNATIVE_FORMS
        and not is_counted_by_answer(context, mention)
        and not (mention.form == "spelt" and context.operation_stems.issuperset(stems[mention.first : mention.last]))
        and not _is_of_change_reason(context, mention)
    )
    unused = tuple(
        mention
        for mention in (*mentions, *remainders)
        if mention not in beside
        and not any(candidate.start < mention.end and mention.start < candidate.end for candidate in assigned)
    )
    assigned.sort(key=lambda candidate: context.ranks[candidate.slot][0])
    rivals = tuple(_rivals(context, ranked, assigned))
    return Assignment(candidates=tuple(assigned), missing=missing, unused=unused, rivals=rivals)


def _rivals(
    context: SlotContext, ranked: Sequence[SlotCandidate], assigned: Sequence[SlotCandidate]
) -> Iterator[SlotCandidate]:
    """Yield the best rejected readings of the words of the assigned candidates: one a slot that they leave free."""
    by_words = {(candidate.start, candidate.end): candidate for candidate in assigned}
    taken = {candidate.slot for candidate in assigned} | context.preset
    offered: set[tuple[int, int, Slot]] = set()
    for candidate in ranked:
        words = candidate.start, candidate.end
        chosen = by_words.get(words)
        if chosen is None or candidate.end <= candidate.start or (*words, candidate.slot) in offered:
            continue
        is_other_value = candidate.slot is chosen.slot and candidate.value != chosen.value
        if _is_day_as_text(candidate):
            continue
        if is_other_value or candidate.slot not in taken:
            offered.add((*words, candidate.slot))
            yield candidate
        if len(offered) == MAX_RIVALS:
            return


def _is_day_as_text(candidate: SlotCandidate) -> bool:
    """Return whether a day is the literal value of a text: a vet called `tomorrow`."""
    mention = candidate.mention
    return mention is not None and mention.kind is MentionKind.DATE and candidate.value == mention.text


def _open(context: SlotContext, ranked: Sequence[SlotCandidate]) -> list[SlotCandidate]:
    """Return the candidates of slots whose value is not preset, without words that fit a preset slot better."""
    preset = [candidate for candidate in ranked if candidate.slot in context.preset]

    def is_preset(candidate: SlotCandidate) -> bool:
        words = candidate.start, candidate.end, candidate.value
        return any(
            rival.probability >= candidate.probability and (rival.start, rival.end, rival.value) == words
            for rival in preset
        )

    return [
        candidate
        for candidate in ranked
        if candidate.slot in context.remembered or (candidate.slot not in context.preset and not is_preset(candidate))
    ]


def _needed(context: SlotContext, ranked: Sequence[SlotCandidate]) -> frozenset[Slot]:
    """Return the required slots; of the operation that is planned also those of an object that has a likely value."""
    if not context.is_chosen:
        return frozenset(slot for slot in context.slots if slot.required)
    begun = {candidate.slot.path for candidate in ranked if candidate.probability >= OPTIONAL_FLOOR}
    return frozenset(
        slot
        for slot in context.slots
        if slot.required or (slot.required_by_object and is_begun(slot, context.slots, begun))
    )


def _floor(context: SlotContext, candidate: SlotCandidate, needed: bool) -> float:
    """Return the least probability of a candidate; of what only its object requires, the lower one is for codes."""
    if candidate.slot in context.remembered:
        return REMEMBERED_FLOOR
    return REQUIRED_FLOOR if candidate.slot.required or (needed and _is_code(candidate)) else OPTIONAL_FLOOR


def _is_code(candidate: SlotCandidate) -> bool:
    """Return whether a value is quoted, a path or a code: IRON_ORE, FUEL."""
    mention = candidate.mention
    if mention is None or mention.form in ("email", "url"):
        return False
    return mention.kind in _LITERALS or (mention.kind is MentionKind.NAME and mention.text.isupper())


def _empty_probability(slot: Slot, needed: frozenset[Slot], none: Mapping[Slot, float]) -> float:
    """Return how likely a slot is to stay empty; for a needed one half of the floor, so that any candidate wins."""
    return REQUIRED_FLOOR / 2 if slot in needed else none.get(slot, EMPTY_PROBABILITY)


def _best_set(candidates: Sequence[SlotCandidate], empty: Mapping[Slot, float]) -> list[SlotCandidate]:
    """Return the candidates that gain most together, one a slot and no word used twice, by a beam over the slots."""
    by_slot: dict[Slot, list[SlotCandidate]] = {}
    for candidate in candidates:
        by_slot.setdefault(candidate.slot, []).append(candidate)
    beam: list[tuple[float, list[SlotCandidate]]] = [(0.0, [])]
    for slot, ranked in by_slot.items():
        extended = list(beam)
        for gain, assigned in beam:
            free = (
                candidate for candidate in ranked[:CANDIDATES_PER_SLOT] if not any(map(candidate.collides, assigned))
            )
            extended.extend((gain + _gain(candidate, empty[slot]), [*assigned, candidate]) for candidate in free)
        extended.sort(key=lambda state: -state[0])
        beam = extended[:BEAM_WIDTH]
    return beam[0][1]


def _gain(candidate: SlotCandidate, empty: float) -> float:
    """Return by how much a value is likelier than an empty slot, in log-odds."""
    used = LITERAL_BONUS * sum(mention.kind in _LITERALS for mention in candidate.mentions[:1])
    return used + math.log(max(0.001, candidate.probability)) - math.log(max(0.001, empty))


def _is_of_change_reason(context: SlotContext, mention: ValueMention) -> bool:
    """Return whether a mention is of the reason for a change, which is made all the same."""
    reason, is_read = context.sentence.reason, context.operation.effect is Effect.READ
    return reason is not None and not is_read and reason.holds(mention.start, mention.end)
