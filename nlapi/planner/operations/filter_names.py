"""Fills optional id filters of a read by a name beside the noun of its resource: of clinic lisbon."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from nlapi.english.lexicon import words
from nlapi.english.words import singular, split_words, stem
from nlapi.openapi.spec import Effect, Operation
from nlapi.planner.language.names import NAME_ENDS, NO_NAMES
from nlapi.planner.language.text import FILLER_STEMS
from nlapi.planner.operations.candidates import OperationCandidate
from nlapi.planner.operations.id_resolution import NAME_PROBABILITY
from nlapi.planner.slots.assignment import Assignment
from nlapi.planner.slots.entities import POSITION_WORDS, PendingLookup, operation_noun_stems, resource_stems
from nlapi.planner.slots.name_mentions import noun_positions
from nlapi.planner.slots.preset_values import argument_name
from nlapi.planner.slots.slot import Slot, SlotCandidate
from nlapi.resources.answers import answer_words
from nlapi.resources.naming import STOPWORDS, VERBS

_BEFORE = words("planner/operations/words", "before_filter")
_ASKING = words("planner/operations/words", "asking")
_ARTICLES = words("planner/language/words", "definite")
# Words of a name in small letters.
_MAX_WORDS = 3


def with_filter_names(best: OperationCandidate, known_values: Mapping[str, object]) -> OperationCandidate:
    """Return a read with look-ups for the optional id filters whose item the sentence names in small letters.

    The forests choose an operation and its values without such names, as a plain word is a name only beside the noun
    of another resource, and only where the operation takes the id of that.
    """
    if best.tool.effect is not Effect.READ:
        return best
    assigned = {option.slot for option in best.assignment.candidates}
    options: dict[tuple[int, int], list[SlotCandidate]] = {}
    for slot, listing in best.context.list_operations.items():
        is_filter = not slot.required and slot.location == "query" and len(slot.path) == 1
        if not is_filter or slot in assigned or argument_name(slot) in known_values:
            continue
        for option in _FilterName(best=best, slot=slot, listing=listing).options():
            options.setdefault((option.start, option.end), []).append(option)
    # A name that two filters take is of neither: from account savings, to account savings.
    clear = [candidates[0] for candidates in options.values() if len(candidates) == 1]
    slots = [option.slot for option in clear]
    return replace(best, assignment=_with_options(best.assignment, [o for o in clear if slots.count(o.slot) == 1]))


def _with_options(assignment: Assignment, options: Sequence[SlotCandidate]) -> Assignment:
    return replace(assignment, candidates=(*assignment.candidates, *options))


@dataclass(frozen=True, slots=True, kw_only=True)
class _FilterName:
    """The search of a sentence for the name of the item whose id an optional filter takes."""

    best: OperationCandidate
    slot: Slot
    listing: Operation

    def options(self) -> Iterator[SlotCandidate]:
        """Yield the look-ups of the names behind or before the noun of the filter."""
        context = self.best.context
        noun = self._noun()
        if not noun or noun == context.noun:
            return
        tokens = context.sentence.tokens
        for first, last in noun_positions(context, noun):
            is_singular = singular(tokens[last - 1].lower) == tokens[last - 1].lower
            if not is_singular or not first:
                continue
            run = self._behind(first, last) or self._before(first)
            if run is not None:
                yield self._option(*run)

    def _noun(self) -> tuple[str, ...]:
        """Return the stems of the noun of the filter, without words of the title of the API: VerifyServiceSid."""
        noun, listed = resource_stems(self.best.tool, self.slot), operation_noun_stems(self.listing)
        title = set(map(stem, split_words(self.best.operation.spec.title)))
        is_same = bool(listed) and noun[-len(listed) :] == listed and title.issuperset(noun[: -len(listed)])
        return listed if is_same or not noun else noun

    def _behind(self, first: int, last: int) -> tuple[int, int] | None:
        """Return the tokens of the name behind a noun: of clinic [green valley]."""
        tokens = self.best.context.sentence.tokens
        if tokens[first - 1].lower not in _BEFORE:
            return None
        end = last
        while end < len(tokens) and self._may_name(end):
            end += 1
        # In `does clinic lisbon treat dogs` the word behind the name is a verb.
        at = first - 1
        while at > 0 and tokens[at].lower in _ARTICLES:
            at -= 1
        is_verb = tokens[at].lower in _ASKING and not (end < len(tokens) and tokens[end].lower in NAME_ENDS)
        if is_verb:
            end = last + 1 if end > last + 1 else last
        is_end = is_verb or end == len(tokens) or not tokens[end].word or tokens[end].lower in NAME_ENDS
        return (last, end) if is_end and last < end <= last + _MAX_WORDS else None

    def _before(self, first: int) -> tuple[int, int] | None:
        """Return the tokens of the name between an article and a noun: at the [lisbon] clinic."""
        tokens = self.best.context.sentence.tokens
        start = first
        while start > 0 and self._may_name(start - 1) and not _is_participle(tokens[start - 1].lower):
            start -= 1
        is_led = start > 1 and tokens[start - 1].lower in _ARTICLES and tokens[start - 2].lower in _BEFORE
        return (start, first) if is_led and start < first <= start + _MAX_WORDS else None

    def _may_name(self, at: int) -> bool:
        """Return whether a token may be a word of a name: in small letters, and nothing that the API explains."""
        context, token = self.best.context, self.best.context.sentence.tokens[at]
        lower = token.lower
        if not token.word or token.text != lower or lower.isdigit() or at in context.sentence.date_positions:
            return False
        if lower in STOPWORDS or lower in NO_NAMES or lower in NAME_ENDS or lower in POSITION_WORDS:
            return False
        if token.stem in FILLER_STEMS or (token.stem in VERBS and _is_participle(lower)):
            return False
        if token.stem in context.operation_stems or context.is_api_noun(token.stem):
            return False
        answers = (answer_words(self.best.operation), answer_words(self.listing))
        if any(token.stem in answer.all for answer in answers):
            return False
        return not any(option.start <= token.start < option.end for option in self.best.assignment.candidates)

    def _option(self, first: int, last: int) -> SlotCandidate:
        sentence = self.best.context.sentence
        start, end = sentence.tokens[first].start, sentence.tokens[last - 1].end
        name = sentence.text[start:end]
        for suffix in ("'s", "’s"):
            name = name.removesuffix(suffix)
        pending = PendingLookup(name=name, list_operation=self.listing.id)
        value = [pending] if self.slot.is_array else pending
        return SlotCandidate(slot=self.slot, value=value, probability=NAME_PROBABILITY, start=start, end=end)


def _is_participle(word: str) -> bool:
    return word.endswith(("ed", "ing"))
