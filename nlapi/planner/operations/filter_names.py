"""Fills id filters of a read by a name beside the noun of its resource (of clinic lisbon), and reads of one field."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nlapi.english.intents import STOPWORDS, VERBS
from nlapi.english.lexicon import words
from nlapi.english.words import singular, split_words, stem
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import Effect, Operation
from nlapi.planner.operations.candidates import OperationCandidate, build_candidate
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.operations.id_resolution import LOOKUP_PROBABILITY, NAME_PROBABILITY
from nlapi.planner.slots.assignment import Assignment
from nlapi.planner.slots.entities import POSITION_WORDS, PendingLookup, is_subject, operation_noun_stems, resource_stems
from nlapi.planner.slots.features import QUERYLIKE
from nlapi.planner.slots.name_mentions import noun_positions
from nlapi.planner.slots.preset_values import argument_name
from nlapi.planner.slots.slot import Slot, SlotCandidate
from nlapi.reading.names import NAME_ENDS, NO_NAMES
from nlapi.reading.text import FILLER_STEMS, MentionKind, Sentence, ValueMention
from nlapi.resources.answers import answer_words
from nlapi.resources.collection_index import collection_index
from nlapi.resources.nouns import singular_noun

_BEFORE = words("planner/operations/words", "before_filter")
_ASKING = words("planner/operations/words", "asking")
_ARTICLES = words("reading/words", "definite")
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


_ASKED = lazy_pattern(
    r"^\W*(?:which|what|how many|whose)\s+(?P<words>[\w ]+?)\s+(?:does|do|did|has|have|is|are|owns?|uses?)\b", re.I
)
_OF = lazy_pattern(r"\b(?P<words>[\w-]+(?:\s[\w-]+)?)\s+(?:of|for|on|in)\s+(?:the\s+)?(?:\w+\s+)?$", re.I)
_READS = lazy_pattern(r"^\W*(?:what|which|who|whose|how|show|get|tell|give|list|find|look)\b", re.I)
# The score of an operation whose answer has the field: that of an operation that the words name.
SCORE = 6.0


def read_of_field(
    sentence: Sentence, catalogue: Catalogue, known_values: Mapping[str, object]
) -> OperationCandidate | None:
    """Return the read that shows the field of the only item that the sentence names, by a code or in quotation marks.

    None where no schema has the field, or an operation is lookup_candidate after it.
    """
    names = [span for span in sentence.mentions if span.kind in (MentionKind.LITERAL, MentionKind.QUOTED)]
    if len(names) != 1 or not _READS.match(sentence.text):
        return None
    (name,) = names
    for field_words in _field_names(sentence, name):
        words = tuple(map(stem, field_words))
        if any(map(catalogue.index.is_entity, (*words, stem("".join(field_words))))):
            return None
        if (listing := _listing(sentence, name, words, catalogue)) is not None:
            return build_candidate(sentence, catalogue, known_values, listing, SCORE)
        for operation, _ in sorted(_reads_with_field(catalogue, words), key=lambda ranked: ranked[1]):
            if (candidate := _read_item(operation, sentence, name, catalogue, known_values)) is not None:
                return candidate
    return None


def _listing(sentence: Sentence, name: ValueMention, words: tuple[str, ...], catalogue: Catalogue) -> Operation | None:
    """Return the list of items with the field, where their noun precedes the name and no read shows one."""
    before = sentence.tokens[name.first - 1].stem if name.first else ""
    for operation in catalogue.operations:
        resources = collection_index(operation.spec)
        is_only_list = resources.is_list(operation) and resources.item_read(operation) is None
        is_of_noun = tuple(map(stem, singular_noun(operation))) == (before,)
        if operation.method == "GET" and is_only_list and is_of_noun and words in answer_words(operation).fields:
            return operation
    return None


def _field_names(sentence: Sentence, name: ValueMention) -> Iterator[tuple[str, ...]]:
    """Yield the words of the fields that may be asked for, the longer names first."""
    text = sentence.text
    for match in (_OF.search(text[: name.start]), _ASKED.match(text[: name.end + 1]) or _ASKED.match(text)):
        words = [word for word in split_words(match["words"]) if word not in STOPWORDS] if match is not None else []
        words = [word for word in words if stem(word) not in VERBS] or words
        for first in range(len(words)):
            yield tuple(words[first:])


def _reads_with_field(catalogue: Catalogue, words: tuple[str, ...]) -> Iterator[tuple[Operation, int]]:
    """Yield the reads with a field of this name: 0 of the item itself, 1 of a search result, 2 of a list in it."""
    for operation in catalogue.operations:
        resources = collection_index(operation.spec)
        if operation.effect is not Effect.READ or operation.method != "GET":
            continue
        is_item = operation.path.rstrip("/").endswith("}")
        search = resources.is_query(operation)
        described = answer_words(operation)
        if (is_item or search) and words in described.fields:
            yield operation, 1 if search else 0
        elif is_item and words in described.inner:
            yield operation, 2


def _has_other_names(sentence: Sentence, name: ValueMention) -> bool:
    return any(mention.kind is MentionKind.NAME and mention is not name for mention in sentence.mentions)


def _read_item(
    operation: Operation,
    sentence: Sentence,
    name: ValueMention,
    catalogue: Catalogue,
    known_values: Mapping[str, object],
) -> OperationCandidate | None:
    """Return the candidate of a read with the name as its item; None where it takes none."""
    candidate = build_candidate(sentence, catalogue, known_values, operation, SCORE)
    if candidate is None:
        return None
    value: Any = name.text
    slot = next((slot for slot in candidate.context.slots if is_subject(operation, slot)), None)
    if operation.path.rstrip("/").endswith("}"):
        listing = candidate.context.list_operations.get(slot) if slot is not None else None
        # The other names in the sentence ask for more than a field: the version of search for a Spanish user.
        is_known = slot is not None and name.text in slot.own_names and not _has_other_names(sentence, name)
        value = PendingLookup(name=name.text, list_operation=listing.id) if listing is not None else None
        value = name.text if is_known else value
    else:
        slot = next((slot for slot in candidate.context.slots if slot.required and QUERYLIKE & set(slot.words)), None)
    if slot is None or value is None:
        return None
    lookup_candidate = SlotCandidate(
        slot=slot,
        value=value,
        start=name.start,
        end=name.end,
        mention=name,
        mentions=(name,),
        probability=LOOKUP_PROBABILITY,
    )
    options = (
        option for option in candidate.assignment.candidates if option.slot is slot and option.start == name.start
    )
    option = next(options, lookup_candidate)
    missing = tuple(slot for slot in candidate.assignment.missing if slot is not option.slot)
    return replace(
        candidate,
        assignment=replace(candidate.assignment, candidates=(option,), missing=missing, unused=()),
        score=SCORE,
    )
