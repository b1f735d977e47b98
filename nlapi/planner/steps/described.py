"""What a sentence says of an item whose id is due: the rest of its words as a name, or as a description."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING

from nlapi.english import lexicon
from nlapi.english.intents import STOPWORDS
from nlapi.english.words import singular
from nlapi.openapi.spec import Operation
from nlapi.planner.commands import operation_verbs
from nlapi.planner.operations.candidates import OperationCandidate
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.slots.assignment import Assignment, assign_slots
from nlapi.planner.slots.context import SlotContext
from nlapi.planner.slots.entities import (
    DESCRIBED_RESOURCE,
    PendingLookup,
    is_subject,
    last_parameter,
    operation_noun_stems,
    resource_stems,
)
from nlapi.planner.slots.preset_values import complete_values
from nlapi.planner.slots.slot import Slot, SlotCandidate
from nlapi.reading.clauses import opening_length
from nlapi.reading.names import NO_NAMES
from nlapi.reading.question_intent import read_intent
from nlapi.reading.text import MentionKind
from nlapi.resources.identity import Item
from nlapi.tools.tool import Call

if TYPE_CHECKING:
    from nlapi.planner.answering.client_filter import FilteredItems
    from nlapi.resources.identity import Item

_PROBABILITY = 0.6
# The least probability of a word for what an item is in, where that may be the only one of its kind.
_SURE_PARENT = 0.5
# Words of a name in plain letters.
_MAX_WORDS = 3
_DESCRIBING = lexicon.words("planner/steps/words", "describing")
_PREPOSITIONS = lexicon.words("planner/steps/words", "prepositions")
_ARTICLES = lexicon.words("planner/steps/words", "articles")
_CONJUNCTIONS = lexicon.words("planner/steps/words", "conjunctions")
_COPULAS = lexicon.words("planner/steps/words", "copulas")
_ADVERBS = lexicon.words("planner/steps/words", "adverbs")
_NOT_NAMES = STOPWORDS | _PREPOSITIONS | _ADVERBS | NO_NAMES


def filter_described(text: str, items: Sequence[Item], call: Call, today: date) -> FilteredItems:
    """Return the items that a description fits; none where a part of it cannot be applied."""
    from nlapi.planner.answering.client_filter import filter_items
    from nlapi.planner.answering.row_fields import RowFields

    fields = RowFields(items=tuple(items), operation=call.tool.operation)
    matches = filter_items(text, read_intent(text), fields, call, applied=(), structural=(), today=today)
    return matches if matches.conditions and not matches.unapplied else replace(matches, items=())


def without_stray_parents(best: OperationCandidate, catalogue: Catalogue) -> OperationCandidate:
    """Return the candidate without plain words for what its item is in, where the API tells that by itself.

    The tenant of the caller is none that is called `documents`, unless the sentence has the word tenant.
    """
    while strays := {option.slot for option in best.assignment.candidates if _is_stray_parent(best, option, catalogue)}:
        context = replace(best.context, preset=best.context.preset | strays)
        best = replace(best, context=context, assignment=assign_slots(context))
    return best


def _is_stray_parent(best: OperationCandidate, option: SlotCandidate, catalogue: Catalogue) -> bool:
    slot, text = option.slot, option.mention.text if option.mention is not None else "/"
    if slot.location != "path" or is_subject(best.operation, slot) or not isinstance(option.value, str) or "/" in text:
        return False
    sources = catalogue.sources(best.tool, slot)
    return best.context.sentence.stem_set.isdisjoint(resource_stems(best.tool, slot)) and any(
        not any(parameter.required for parameter in source.operation.parameters)
        and (not source.is_listed or option.probability < _SURE_PARENT)
        for source in sources
    )


def with_leftover_name(
    best: OperationCandidate, catalogue: Catalogue, known_values: Mapping[str, object]
) -> Assignment:
    """Return the assignment with a look-up of the item that the rest of a sentence names, where only its id lacks.

    The look-up tells whether there is such an item; a word that is not a name of one leads to a question.
    """
    filling = best.assignment
    _, missing = complete_values(
        {option.slot.path: option.value for option in filling.candidates}, best.context.slots, known_values
    )
    ids = [slot for slot in missing if slot.location == "path" and not slot.is_array]
    listing = catalogue.list_operation(best.tool, ids[0]) if len(ids) == 1 else None
    if listing is None or last_parameter(best.operation) != ids[0].name:
        return filling
    if (described := _with_description(best.context, filling, ids[0], listing)) is not None:
        return described
    return _NameSearch(best=best, slot=ids[0], listing=listing).assignment() or filling


def _with_description(scene: SlotContext, filling: Assignment, slot: Slot, listing: Operation) -> Assignment | None:
    """Return the assignment with a look-up of what the sentence describes from the item's noun on; None for nothing."""
    tokens, kind = scene.sentence.tokens, resource_stems(scene.tool, slot)
    for first in range(len(tokens) - len(kind) - 1 if kind else 0):
        after = first + len(kind)
        is_singular = singular(tokens[after - 1].lower) == tokens[after - 1].lower
        if not is_singular or scene.sentence.stems[first:after] != kind:
            continue
        is_participle = tokens[after].lower.endswith("ed") and after + 2 < len(tokens)
        start, end = tokens[first].start, tokens[-1].end
        is_free = not any(option.start < end and start < option.end for option in filling.candidates)
        if is_free and (is_participle or tokens[after].lower in _DESCRIBING):
            target = PendingLookup(
                name=scene.sentence.text[start:end], list_operation=listing.id, ordinal=DESCRIBED_RESOURCE
            )
            return _with_lookup(filling, slot, target, start, end)
    return None


def _with_lookup(filling: Assignment, slot: Slot, target: PendingLookup, start: int, end: int) -> Assignment:
    option = SlotCandidate(slot=slot, value=target, probability=_PROBABILITY, start=start, end=end)
    return replace(
        filling,
        candidates=(*filling.candidates, option),
        missing=tuple(other for other in filling.missing if other is not slot),
        unused=tuple(span for span in filling.unused if span.end <= start or end <= span.start),
    )


@dataclass(frozen=True, kw_only=True)
class _NameSearch:
    """The search of a sentence for the plain words that may name the item of `slot`."""

    best: OperationCandidate
    slot: Slot
    listing: Operation

    def assignment(self) -> Assignment | None:
        """Return the assignment with a look-up of the name; None without a name, or several."""
        runs = list(self._runs())
        if len(runs) != 1:
            return None
        ((first, last),) = runs
        sentence = self.best.context.sentence
        start, end = sentence.tokens[first].start, sentence.tokens[last - 1].end
        # The item that an operation is below is named by one word behind a preposition (the logs of web), or by a name
        # in capitals: does Thumper have any prescriptions?
        is_behind_preposition = last - first == 1 and sentence.tokens[first - 1].lower in _PREPOSITIONS
        is_name = any((span.kind, span.start) == (MentionKind.NAME, start) for span in self.best.assignment.unused)
        if not (is_subject(self.best.operation, self.slot) or is_behind_preposition or is_name):
            return None
        # A literal (web-2.log) is several tokens.
        literals = [
            span for span in sentence.mentions if span.kind is MentionKind.LITERAL and span.start <= start < span.end
        ]
        start = min([start, *(span.start for span in literals)])
        end = max([end, *(span.end for span in literals)])
        name = sentence.text[start:end].removesuffix("'s").removesuffix("’s")
        target = PendingLookup(name=name, list_operation=self.listing.id, exact=True)
        return _with_lookup(self.best.assignment, self.slot, target, start, end)

    def _runs(self) -> Iterator[tuple[int, int]]:
        """Yield the runs of tokens that may be a name, as (first, after the last)."""
        tokens = self.best.context.sentence.tokens
        first = 0
        while first < len(tokens):
            last = first
            while last < len(tokens) and last != self._verb and self._is_free(last):
                last += 1
            if first < last < len(tokens) - 1 and tokens[last].lower in _CONJUNCTIONS and self._is_free(last + 1):
                # Two names in a row are two items, and the slot takes one.
                return
            if first < last <= first + _MAX_WORDS and self._is_led(first):
                yield first, last
            first = max(last, first + 1)

    @cached_property
    def _verb(self) -> int:
        """The index of the token that commands."""
        sentence = self.best.context.sentence
        begin = opening_length(sentence.text)
        return next((index for index, token in enumerate(sentence.tokens) if token.start >= begin and token.word), 0)

    @cached_property
    def _nouns(self) -> set[str]:
        return {*resource_stems(self.best.tool, self.slot), *operation_noun_stems(self.best.operation)}

    def _is_free(self, index: int) -> bool:
        """Return whether a word is neither a value of an argument nor a function word nor one of the operation's."""
        scene = self.best.context
        token = scene.sentence.tokens[index]
        if not token.word or token.lower in _NOT_NAMES:
            return False
        values = [span for span in scene.sentence.mentions if span.kind in (MentionKind.NUMBER, MentionKind.DATE)]
        used = [(option.start, option.end) for option in self.best.assignment.candidates]
        used += [(span.start, span.end) for span in values]
        return token.stem not in scene.operation_stems and not any(start <= token.start < end for start, end in used)

    def _is_led(self, first: int) -> bool:
        """Return whether a run stands behind the noun, the command, a copula or a preposition."""
        tokens = self.best.context.sentence.tokens
        before = first - 1
        while before > self._verb and tokens[before].lower in _ARTICLES:
            before -= 1
        if before < 0:
            return False
        token = tokens[before]
        if token.stem in self._nouns and singular(token.lower) == token.lower:
            return True
        if before == self._verb:
            return token.stem in operation_verbs(self.best.operation) or token.lower in _COPULAS
        return token.lower in _PREPOSITIONS | _COPULAS
