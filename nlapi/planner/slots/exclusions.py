"""The exclusion of mentions that are no value of a slot: the call itself, another field, a number of another sort."""

from __future__ import annotations

import re

from nlapi.planner.language.numbers import is_bound
from nlapi.planner.language.text import Kind, Span
from nlapi.planner.language.words import stems as stem_set
from nlapi.planner.slots.context import Scene
from nlapi.planner.slots.entities import ID_WORDS, takes_id
from nlapi.planner.slots.features import MONEYLIKE, QUERYLIKE, counts_things, page_number, page_size, page_token
from nlapi.planner.slots.slot import Family, Slot
from nlapi.resources.answers import answer_words
from nlapi.resources.naming import stem
from nlapi.resources.nouns import noun_of

_UNIX = re.compile(r"\bunix\b|\bepoch\b|\btimestamp\b", re.IGNORECASE)
_WHEN = stem_set("slots", "time_names")
# The least number that is a moment in seconds: in 1973.
_EARLIEST = 100_000_000
BEFORE_ID = frozenset(("#", ".", ":", "=", "is", "equal", "equals", "to", "of"))
# Words that announce an id, and are none.
_NO_IDS = ID_WORDS | {"name", "number"}
_PARTLY = stem_set("slots", "contains")
_SORTS = stem_set("slots", "kind_names")
# The largest length and number of a page.
LARGEST_PAGE = 10_000
_SIZES = stem_set("slots", "limits") - stem_set("slots", "bounds")
_SKIPS = stem_set("slots", "skips")
_CODED_FORMS = frozenset(("email", "url", "uuid", "host"))


def is_out_of_place(scene: Scene, slot: Slot, span: Span) -> bool:
    """Return whether a mention is of a sort that a slot does not take.

    A date is no id, a sum of money or the number of a resource (task 771220) no length of a page, a name no cursor, a
    bound (more than 20) no id, the field of an order or of groups (by repo count) no value.
    """
    if span.kind is Kind.NUMBER and _is_other_number(scene, slot, span):
        return True
    if span.kind is Kind.DATE:
        return takes_id(slot) and slot.family is not Family.DATE and (slot.family is Family.ID or slot.where == "path")
    if span.form == "money" and slot.family in (Family.TEXT, Family.ID) and slot.words[-1] not in MONEYLIKE:
        return True
    if slot.words and slot.words[-1] in _SORTS and span.form in _CODED_FORMS:
        return True
    if slot.family in (Family.DATE, Family.TIME) and span.form in (*_CODED_FORMS, "path", "tag"):
        return True
    if page_token(slot):
        return not set(slot.words) & scene.sentence.stem_set
    if slot.name.lower().startswith("page") and slot.where == "query" and span.kind is not Kind.NUMBER:
        return True
    if slot.name.lower() in ("offset", "skip") and slot.where == "query":
        return not ({*slot.words, *_SKIPS} & scene.sentence.stem_set)
    if span.kind is not Kind.NUMBER or not (page_number(slot) or (page_size(slot) and set(slot.words) & _SIZES)):
        return False
    if page_number(slot) and stem("page") not in scene.sentence.stem_set:
        return True
    return span.form in ("money", "percent") or span.value > LARGEST_PAGE


def is_about_the_call(scene: Scene, slot: Slot, span: Span) -> bool:
    """Return whether a mention is about the call: the words of the operation, or the number of items to list."""
    makes = scene.operation.method == "POST" and slot.required and not slot.choices
    if makes and span.kind is Kind.PHRASE and scene.sentence.stems[span.first : span.last] == scene.noun:
        return True  # create a silence
    if span.kind is Kind.LITERAL and takes_id(slot) and span.text.lower() == "".join(noun_of(scene.operation)):
        return True  # decode the [base64] text
    if span.kind in (Kind.PHRASE, Kind.NAME) and takes_id(slot):
        words = {token.stem for token in scene.sentence.tokens[span.first : span.last] if token.word}
        return words <= _NO_IDS or (span.kind is Kind.NAME and words <= scene.common)
    if span.kind is Kind.PHRASE and slot.where == "query" and scene.operation.method != "GET":
        return all(word in scene.common for word in scene.sentence.stems[span.first : span.last])  # flush the [cache]
    filters = (
        slot.where == "query" and slot.family is Family.TEXT and (not slot.required or QUERYLIKE & set(slot.words))
    )
    if filters and _is_of_field(scene, slot, span):
        return True
    counted = span.kind is Kind.NUMBER and not slot.required and counts_things(scene, span)
    return counted and not page_size(slot) and any(map(page_size, scene.slots))


def _is_other_number(scene: Scene, slot: Slot, span: Span) -> bool:
    """Return whether a number is a bound where an id is taken, or too small for the seconds since 1970."""
    if takes_id(slot) and is_bound(scene.sentence.text, span.start, span.end):
        return True
    moment = not _WHEN.isdisjoint(slot.words) and _UNIX.search(slot.description) is not None
    return moment and slot.family is Family.NUMBER and span.value < _EARLIEST


def _is_of_field(scene: Scene, slot: Slot, span: Span) -> bool:
    """Return whether a mention is about a field of the answer that the slot is not: [kind], account [acme], [Slave]."""
    words, stems = answer_words(scene.operation), scene.sentence.stems
    slot_stems = slot.prose | set(slot.words)
    first = span.first
    while first < span.last - 1 and scene.sentence.tokens[first].lower in ("the", "a", "an", "all", "our"):
        first += 1
    inside = stems[first : span.last]
    if QUERYLIKE & set(slot.words) and span.kind is Kind.PHRASE and len(inside) > 1 and inside[0] in _PARTLY:
        return True  # the text behind `containing` is the query, not the word itself
    runs = [inside[:count] for count in range(1, len(inside) + 1)] if span.kind is Kind.PHRASE else []
    if not QUERYLIKE & set(slot.words):
        at = span.first
        while at > 0 and scene.sentence.tokens[at - 1].lower in BEFORE_ID:
            at -= 1
        runs += [stems[first:at] for first in range(max(0, at - 3), at)]
        nouns = {*slot.words, *scene.noun}
        bare = tuple(word for word in inside if word not in nouns)
        if span.kind in (Kind.NAME, Kind.PHRASE) and bare in words.values:
            return True
    return any(words.names_field(run) for run in runs if not set(run) <= slot_stems)
