"""Plans questions for a field of an item that no operation is named after: the serial of X, which account owns X."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from nlapi.english.words import split_words, stem
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import Effect, Operation
from nlapi.planner.language.text import MentionKind, Sentence, ValueMention
from nlapi.planner.operations.candidates import OperationCandidate, build_candidate
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.operations.id_resolution import LOOKUP_PROBABILITY
from nlapi.planner.slots.entities import PendingLookup, is_subject
from nlapi.planner.slots.features import QUERYLIKE
from nlapi.planner.slots.slot import SlotCandidate
from nlapi.resources.answers import answer_words
from nlapi.resources.collection_index import collection_index
from nlapi.resources.naming import STOPWORDS, VERBS
from nlapi.resources.nouns import singular_noun

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
