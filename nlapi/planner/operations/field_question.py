"""Questions for a field of a thing after which no operation is called: the serial of X, which account owns X."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from nlapi.openapi.spec import Effect, Operation
from nlapi.planner.language.text import Kind, Sentence, Span
from nlapi.planner.operations.candidates import Candidate, candidate_of
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.operations.id_resolution import SOLID
from nlapi.planner.slots.entities import Wanted, is_subject
from nlapi.planner.slots.features import QUERYLIKE
from nlapi.planner.slots.slot import Option
from nlapi.resources.answers import answer_words
from nlapi.resources.collection_index import collection_index
from nlapi.resources.naming import STOPWORDS, VERBS, split_words, stem
from nlapi.resources.nouns import singular_noun

_ASKED = re.compile(
    r"^\W*(?:which|what|how many|whose)\s+(?P<words>[\w ]+?)\s+(?:does|do|did|has|have|is|are|owns?|uses?)\b", re.I
)
_OF = re.compile(r"\b(?P<words>[\w-]+(?:\s[\w-]+)?)\s+(?:of|for|on|in)\s+(?:the\s+)?(?:\w+\s+)?$", re.I)
_READS = re.compile(r"^\W*(?:what|which|who|whose|how|show|get|tell|give|list|find|look)\b", re.I)
SCORE = 6.0
"""How well an operation fits that answers with the very field of the very thing: as one that the words name."""


def field_read(sentence: Sentence, catalogue: Catalogue, known: Mapping[str, Any]) -> Candidate | None:
    """The read that shows the field asked for of the one thing that the sentence names by a code or in quotation marks.

    None where no description has the field, or an operation is called after it.
    """
    names = [span for span in sentence.spans if span.kind in (Kind.LITERAL, Kind.QUOTED)]
    if len(names) != 1 or not _READS.match(sentence.text):
        return None
    (name,) = names
    for asked in _asked_for(sentence, name):
        words = tuple(map(stem, asked))
        if any(map(catalogue.index.is_entity, (*words, stem("".join(asked))))):
            return None
        if (listing := _listing(sentence, name, words, catalogue)) is not None:
            return candidate_of(sentence, catalogue, known, listing, SCORE)
        for operation, _ in sorted(_showing(catalogue, words), key=lambda one: one[1]):
            if (found := _read(operation, sentence, name, catalogue, known)) is not None:
                return found
    return None


def _listing(sentence: Sentence, name: Span, words: tuple[str, ...], catalogue: Catalogue) -> Operation | None:
    """What lists things with the field, where the noun of one stands right before the name and nothing shows one."""
    before = sentence.tokens[name.first - 1].stem if name.first else ""
    for operation in catalogue.operations:
        resources = collection_index(operation.spec)
        bare = resources.is_list(operation) and resources.item_read(operation) is None and operation.method == "GET"
        named = tuple(map(stem, singular_noun(operation))) == (before,) and words in answer_words(operation).fields
        if bare and named:
            return operation
    return None


def _asked_for(sentence: Sentence, name: Span) -> Iterator[tuple[str, ...]]:
    """The words of what may be asked for, the longer names first."""
    text = sentence.text
    for match in (_OF.search(text[: name.start]), _ASKED.match(text[: name.end + 1]) or _ASKED.match(text)):
        words = [word for word in split_words(match["words"]) if word not in STOPWORDS] if match is not None else []
        words = [word for word in words if stem(word) not in VERBS] or words
        for first in range(len(words)):
            yield tuple(words[first:])


def _showing(catalogue: Catalogue, words: tuple[str, ...]) -> Iterator[tuple[Operation, int]]:
    """The reads whose things have a field of this name: 0 of the thing itself, 1 of what is found, 2 of its lists."""
    for operation in catalogue.operations:
        resources = collection_index(operation.spec)
        if operation.effect is not Effect.READ or operation.method != "GET":
            continue
        one = operation.path.rstrip("/").endswith("}")
        search = resources.is_query(operation)
        described = answer_words(operation)
        if (one or search) and words in described.fields:
            yield operation, 1 if search else 0
        elif one and words in described.inner:
            yield operation, 2


def _read(
    operation: Operation, sentence: Sentence, name: Span, catalogue: Catalogue, known: Mapping[str, Any]
) -> Candidate | None:
    one = candidate_of(sentence, catalogue, known, operation, SCORE)
    if one is None:
        return None
    value: Any = name.text
    slot = next((slot for slot in one.scene.slots if is_subject(operation, slot)), None)
    if operation.path.rstrip("/").endswith("}"):
        listing = one.scene.listers.get(slot) if slot is not None else None
        value = Wanted(name=name.text, lister=listing.id) if listing is not None else None
    else:
        slot = next((slot for slot in one.scene.slots if slot.required and QUERYLIKE & set(slot.words)), None)
    if slot is None or value is None:
        return None
    found = Option(slot=slot, value=value, start=name.start, end=name.end, span=name, spans=(name,), sure=SOLID)
    own = (option for option in one.filling.options if option.slot is slot and option.start == name.start)
    option = next(own, found)
    rest = tuple(slot for slot in one.filling.missing if slot is not option.slot)
    return replace(one, filling=replace(one.filling, options=(option,), missing=rest, unused=()), score=SCORE)
