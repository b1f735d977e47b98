"""What a sentence says of an item whose id is due: the rest of its words as a name, or as a description."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from nlapi.english import lexicon
from nlapi.english.intents import STOPWORDS
from nlapi.english.words import singular
from nlapi.openapi.spec import Operation
from nlapi.planner.commands import command_words, operation_verbs
from nlapi.planner.operations.candidates import OperationCandidate
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.slots.assignment import Assignment
from nlapi.planner.slots.entities import PendingLookup, is_subject, last_parameter, operation_noun_stems, resource_stems
from nlapi.planner.slots.preset_values import complete_values
from nlapi.planner.slots.slot import Slot, SlotCandidate
from nlapi.reading.names import NO_NAMES
from nlapi.reading.text import MentionKind

if TYPE_CHECKING:
    pass

_PROBABILITY = 0.6
# Words of a name in plain letters.
_MAX_WORDS = 3
_PREPOSITIONS = lexicon.words("planner/steps/words", "prepositions")
_ARTICLES = lexicon.words("planner/steps/words", "articles")
_CONJUNCTIONS = lexicon.words("planner/steps/words", "conjunctions")
_COPULAS = lexicon.words("planner/steps/words", "copulas")
_ADVERBS = lexicon.words("planner/steps/words", "adverbs")
_NOT_NAMES = STOPWORDS | _PREPOSITIONS | _ADVERBS | NO_NAMES


def with_leftover_name(
    best: OperationCandidate, catalogue: Catalogue, known_values: Mapping[str, object]
) -> Assignment:
    """Return the assignment with a look-up of the item that the rest of a sentence names, where only its id lacks.

    The look-up tells whether there is such an item; a word that is not a name of one leads to a question.
    """
    filling = best.assignment
    _, missing = complete_values(filling.values, best.context.slots, known_values)
    ids = [slot for slot in missing if slot.location == "path" and not slot.is_array]
    listing = catalogue.list_operation(best.tool, ids[0]) if len(ids) == 1 else None
    if listing is None or last_parameter(best.operation) != ids[0].name:
        return filling
    return _NameSearch(best=best, slot=ids[0], listing=listing).assignment() or filling


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
        if not is_subject(self.best.operation, self.slot):
            return None
        # A literal (web-2.log) is several tokens.
        literals = [span for span in sentence.of_kind(MentionKind.LITERAL) if span.start <= start < span.end]
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
        return next((sentence.tokens.index(token) for token in command_words(sentence)), 0)

    @cached_property
    def _nouns(self) -> set[str]:
        return {*resource_stems(self.best.tool, self.slot), *operation_noun_stems(self.best.operation)}

    def _is_free(self, index: int) -> bool:
        """Return whether a word is neither a value of an argument nor a function word nor one of the operation's."""
        scene = self.best.context
        token = scene.sentence.tokens[index]
        if not token.word or token.lower in _NOT_NAMES:
            return False
        values = scene.sentence.of_kind(MentionKind.NUMBER, MentionKind.DATE)
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
