"""Items that a sentence names by a description or by a plain word: the silence created by priya, the logs of web."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from typing import Any

from nlapi.changes.sentences import opening_length
from nlapi.openapi.spec import Operation
from nlapi.planner.answering.client_filter import Filtered, filter_things
from nlapi.planner.answering.row_fields import RowFields
from nlapi.planner.language.commands import own_verbs
from nlapi.planner.language.names import NO_NAMES
from nlapi.planner.language.question_intent import wish_of
from nlapi.planner.language.text import Kind
from nlapi.planner.operations.candidates import Candidate
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.slots.assignment import Filling
from nlapi.planner.slots.context import Scene
from nlapi.planner.slots.entities import DESCRIBED, Wanted, is_subject, kind_of, last_parameter, noun_stems
from nlapi.planner.slots.known_values import complete
from nlapi.planner.slots.slot import Option, Slot
from nlapi.resources.identity import Item
from nlapi.resources.naming import STOPWORDS, singular
from nlapi.tools.tool import Call

_PROBABILITY = 0.6
# Words of a name in plain letters.
_MAX_WORDS = 3
_DESCRIBING = frozenset("with whose that which where having".split())
_PREPOSITIONS = frozenset("of from in inside within for to on by".split())
_ARTICLES = frozenset("the my our your this that".split())
_CONJUNCTIONS = frozenset((",", "and", "or", "&", "but"))
_COPULAS = frozenset("is was does did has".split())
_ADVERBS = frozenset("still now again already currently immediately gracefully please today once together".split())
_NOT_NAMES = STOPWORDS | _PREPOSITIONS | _ADVERBS | NO_NAMES


def filter_described(text: str, items: Sequence[Item], call: Call, today: date) -> Filtered:
    """Return the items that a description fits; none where a part of it cannot be applied."""
    fields = RowFields(things=tuple(items), operation=call.tool.operation)
    matches = filter_things(text, wish_of(text), fields, call, applied=(), taken=(), today=today)
    return matches if matches.conditions and not matches.unapplied else replace(matches, things=())


def with_leftover_name(best: Candidate, catalogue: Catalogue, known_values: Mapping[str, Any]) -> Filling:
    """Return the assignment with a look-up of the item that the rest of a sentence names, where only its id lacks.

    The look-up tells whether there is such an item; a word that is no name of one leads to a question.
    """
    filling = best.filling
    _, missing = complete(
        {option.slot.path: option.value for option in filling.options}, best.scene.slots, known_values
    )
    ids = [slot for slot in missing if slot.where == "path" and not slot.many]
    listing = catalogue.lister(best.tool, ids[0]) if len(ids) == 1 else None
    if listing is None or last_parameter(best.operation) != ids[0].name:
        return filling
    if (described := _with_description(best.scene, filling, ids[0], listing)) is not None:
        return described
    return _NameSearch(best=best, slot=ids[0], listing=listing).assignment() or filling


def _with_description(scene: Scene, filling: Filling, slot: Slot, listing: Operation) -> Filling | None:
    """Return the assignment with a look-up of what the sentence describes from the item's noun on; None for nothing."""
    tokens, kind = scene.sentence.tokens, kind_of(scene.tool, slot)
    for first in range(len(tokens) - len(kind) - 1 if kind else 0):
        after = first + len(kind)
        is_singular = singular(tokens[after - 1].lower) == tokens[after - 1].lower
        if not is_singular or scene.sentence.stems[first:after] != kind:
            continue
        is_participle = tokens[after].lower.endswith("ed") and after + 2 < len(tokens)
        start, end = tokens[first].start, tokens[-1].end
        is_free = not any(option.start < end and start < option.end for option in filling.options)
        if is_free and (is_participle or tokens[after].lower in _DESCRIBING):
            target = Wanted(name=scene.sentence.text[start:end], lister=listing.id, place=DESCRIBED)
            return _with_lookup(filling, slot, target, start, end)
    return None


def _with_lookup(filling: Filling, slot: Slot, target: Wanted, start: int, end: int) -> Filling:
    option = Option(slot=slot, value=target, sure=_PROBABILITY, start=start, end=end)
    return replace(
        filling,
        options=(*filling.options, option),
        missing=tuple(other for other in filling.missing if other is not slot),
        unused=tuple(span for span in filling.unused if span.end <= start or end <= span.start),
    )


@dataclass(frozen=True, kw_only=True)
class _NameSearch:
    """The search of a sentence for the plain words that may name the item of `slot`."""

    best: Candidate
    slot: Slot
    listing: Operation

    def assignment(self) -> Filling | None:
        """Return the assignment with a look-up of the name; None where there is no name, or several."""
        runs = list(self._runs())
        if len(runs) != 1:
            return None
        ((first, last),) = runs
        sentence = self.best.scene.sentence
        # The item that an operation is below is named by one word behind a preposition: the logs of web.
        is_behind_preposition = last - first == 1 and sentence.tokens[first - 1].lower in _PREPOSITIONS
        if not is_subject(self.best.operation, self.slot) and not is_behind_preposition:
            return None
        start, end = sentence.tokens[first].start, sentence.tokens[last - 1].end
        # A literal (web-2.log) is several tokens.
        literals = [span for span in sentence.spans if span.kind is Kind.LITERAL and span.start <= start < span.end]
        start = min([start, *(span.start for span in literals)])
        end = max([end, *(span.end for span in literals)])
        name = sentence.text[start:end].removesuffix("'s").removesuffix("’s")
        target = Wanted(name=name, lister=self.listing.id, exact=True)
        return _with_lookup(self.best.filling, self.slot, target, start, end)

    def _runs(self) -> Iterator[tuple[int, int]]:
        """Yield the runs of tokens that may be a name, as (first, after the last)."""
        tokens = self.best.scene.sentence.tokens
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
        sentence = self.best.scene.sentence
        begin = opening_length(sentence.text)
        return next((index for index, token in enumerate(sentence.tokens) if token.start >= begin and token.word), 0)

    @cached_property
    def _nouns(self) -> set[str]:
        return {*kind_of(self.best.tool, self.slot), *noun_stems(self.best.operation)}

    def _is_free(self, index: int) -> bool:
        """Return whether a word is no value of an argument, no function word and none of the operation's."""
        scene = self.best.scene
        token = scene.sentence.tokens[index]
        if not token.word or token.lower in _NOT_NAMES:
            return False
        values = [span for span in scene.sentence.spans if span.kind in (Kind.NUMBER, Kind.DATE)]
        used = [(option.start, option.end) for option in self.best.filling.options]
        used += [(span.start, span.end) for span in values]
        return token.stem not in scene.common and not any(start <= token.start < end for start, end in used)

    def _is_led(self, first: int) -> bool:
        """Return whether a run stands behind the noun, the command, a copula or a preposition."""
        tokens = self.best.scene.sentence.tokens
        before = first - 1
        while before > self._verb and tokens[before].lower in _ARTICLES:
            before -= 1
        if before < 0:
            return False
        token = tokens[before]
        if token.stem in self._nouns and singular(token.lower) == token.lower:
            return True
        if before == self._verb:
            return token.stem in own_verbs(self.best.operation) or token.lower in _COPULAS
        return token.lower in _PREPOSITIONS | _COPULAS
