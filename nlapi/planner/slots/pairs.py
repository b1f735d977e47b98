"""Candidates from written forms: paths (octo/hello), codes with a label (ISBN 3-16), key=value, names to filter by."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from nlapi.english.lexicon import stems as stem_set
from nlapi.english.lexicon import words as word_set
from nlapi.english.words import name_words, singular, stem
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import Effect
from nlapi.planner.language.names import PlainName, is_code, names_behind_noun, names_behind_preposition, noun_before
from nlapi.planner.language.text import MentionKind, ValueMention
from nlapi.planner.slots.context import SlotContext
from nlapi.planner.slots.entities import ID_WORDS, RENAMES, resource_stems
from nlapi.planner.slots.name_mentions import may_be_name
from nlapi.planner.slots.slot import Family, Slot, SlotCandidate, schema_type

# Probability of the parts of a path for parameters in a row, and for others that are only as many.
PAIR_CONFIDENCE = 0.97
PART_CONFIDENCE = 0.9
_IN_A_ROW = lazy_pattern(r"\{[^/{}]+\}(?:/\{[^/{}]+\})+")
# An absolute path, or a network (10.0.0.0/8).
_NO_PAIR = lazy_pattern(r"/|\d+(?:\.\d+){3}/\d+$")
_PARTS = lazy_pattern(r"[/:]")
# The kind of a code: ISBN, ICAO, VIN.
LABEL_CONFIDENCE = 0.95
_LABEL = lazy_pattern("[A-Z]{3,6}")
_CODE = lazy_pattern(r"(?=.*\d|[A-Z]+$)[A-Za-z0-9][A-Za-z0-9-]+")
_BEFORE_CODE = frozenset((":", "=", "is", "of", "identifier", "id", "code", "number"))
# Operators of filters by which a field equals one of some values, and fields that have a name.
_EQUALITY = word_set("planner/slots/words", "equality")
_NAMES = frozenset(("name", "names", "slug", "title"))
_NEW_NAME = stem_set("planner/slots/words", "new_name")
_PAIR = lazy_pattern(r"(?<![\w=])(?P<name>[A-Za-z_][\w.-]*)=(?P<value>\"[^\"]*\"|'[^']*'|[^\s,;=]+)")
# Probability of a value by its form, of a name behind its noun, and of a name behind no more than `of`.
FORM_CONFIDENCE = 0.95
NOUN_CONFIDENCE, PREPOSITION_CONFIDENCE = 0.85, 0.7


def path_candidates(context: SlotContext) -> Iterator[SlotCandidate]:
    """Return a candidate for each of several path parameters, from a path of as many parts: octo/hello is the owner and
    the repository of /{owner}/{repo}.

    Parameters in a row go together; the first of those, or the first of all, may.
    """
    mentions = [
        mention
        for mention in context.sentence.mentions
        if mention.kind is MentionKind.LITERAL and mention.form == "path" and not _NO_PAIR.match(mention.text)
    ]
    if not mentions:
        return
    parameters = {slot.name: slot for slot in context.slots if slot.location == "path" and slot not in context.preset}
    rows = [(row, PAIR_CONFIDENCE) for row in _rows(context, parameters)]
    first = max((row for row, _ in rows), key=len, default=None)
    if first is None:
        first = tuple(
            slot for slot in parameters.values() if slot.family in (Family.TEXT, Family.ID) and not slot.is_integer
        )
    rows += [(first[:count], PART_CONFIDENCE) for count in range(2, len(first) + (not rows))]
    for mention in mentions:
        for row, sure in rows:
            yield from _part_candidates(mention, row, sure)


def _part_candidates(mention: ValueMention, row: Sequence[Slot], sure: float) -> Iterator[SlotCandidate]:
    parts = _PARTS.split(mention.text)
    if len(row) != len(parts) or not all(parts):
        return
    start = mention.start
    for slot, part in zip(row, parts, strict=True):
        yield SlotCandidate(slot=slot, value=part, probability=sure, start=start, end=start + len(part))
        start += len(part) + 1


def _rows(context: SlotContext, parameters: Mapping[str, Slot]) -> Iterator[tuple[Slot, ...]]:
    for match in _IN_A_ROW.finditer(context.operation.path):
        names = match.group()[1:-1].split("}/{")
        if all(name in parameters for name in names):
            yield tuple(parameters[name] for name in names)


def labelled_code_candidates(context: SlotContext) -> Iterator[SlotCandidate]:
    """Return a candidate for each code behind its label (ISBN 3-16), where one slot alone is described by the label."""
    tokens = context.sentence.tokens
    for at, token in enumerate(tokens):
        before = at - 1
        while before > 0 and tokens[before].lower in _BEFORE_CODE | {","}:
            before -= 1
        announced = before >= 0 and any(between.lower in _BEFORE_CODE for between in tokens[before + 1 : at])
        if not announced or not _LABEL.fullmatch(tokens[before].text) or not _CODE.fullmatch(token.text):
            continue
        word = re.compile(rf"\b{tokens[before].text}\b")
        slots = [slot for slot in context.slots if word.search(slot.description)]
        if len(slots) == 1 and slots[0].family in (Family.TEXT, Family.ID):
            value = [token.text] if slots[0].is_array else token.text
            yield SlotCandidate(
                slot=slots[0], value=value, probability=LABEL_CONFIDENCE, start=token.start, end=token.end
            )


def body_candidates(context: SlotContext) -> Iterator[SlotCandidate]:
    """Return candidates for ids, new names and pairs in a body, and for names in the filters of a search by POST."""
    yield from _ids(context)
    yield from _new_name(context)
    yield from _pairs(context)
    if context.operation.effect is not Effect.READ or context.operation.body is None:
        return
    for slot in context.slots:
        noun = _filtered_noun(slot)
        if not noun or noun == context.noun:
            continue
        for name in names_behind_noun(context.sentence, noun):
            if name.is_certain and may_be_name(context, name):
                yield _name_candidate(context, slot, name, NOUN_CONFIDENCE)
        if noun == context.noun[: len(noun)]:
            yield from (
                _name_candidate(context, slot, name, PREPOSITION_CONFIDENCE)
                for name in names_behind_preposition(context.sentence)
                if name.is_certain
            )


def _new_name(context: SlotContext) -> Iterator[SlotCandidate]:
    """Return a candidate for the new name of a resource, whatever word it is: rename faq to [help]."""
    tokens = context.sentence.tokens
    words = [at for at, token in enumerate(tokens) if token.word]
    if len(words) < 3 or RENAMES.isdisjoint(context.sentence.stem_set) or tokens[words[-2]].lower not in ("to", "as"):
        return
    fields = (slot for slot in context.slots if slot.location == "body" and len(slot.path) == 1 and not slot.is_array)
    slot = next((slot for slot in fields if slot.words and set(slot.words) <= _NEW_NAME), None)
    if slot is not None:
        token = tokens[words[-1]]
        yield SlotCandidate(slot=slot, value=token.text, probability=FORM_CONFIDENCE, start=token.start, end=token.end)


def _pairs(context: SlotContext) -> Iterator[SlotCandidate]:
    """Return candidates for objects of any properties, from pairs in the sentence: set the metadata to [team=shop]."""
    pairs = list(_PAIR.finditer(context.sentence.text))
    if not pairs:
        return
    value = {match["name"]: match["value"].strip("\"'") for match in pairs}
    for slot in context.slots:
        open_object = slot.location == "body" and slot.family is Family.OPEN and schema_type(slot.schema) == "object"
        if open_object and slot.words[-1] in context.sentence.stem_set:
            yield SlotCandidate(
                slot=slot, value=value, probability=FORM_CONFIDENCE, start=pairs[0].start(), end=pairs[-1].end()
            )


def _ids(context: SlotContext) -> Iterator[SlotCandidate]:
    """Return a candidate for the ids behind a noun that is not in the path: delete the record [sku-2] of x."""
    operation = context.operation
    slot = next(
        (slot for slot in context.slots if slot.is_array and slot.location == "body" and set(slot.words) <= ID_WORDS),
        None,
    )
    if slot is None or len(slot.path) > 1 or operation.path.endswith("}") or "{" not in operation.path:
        return
    parents = [slot for slot in context.slots if slot.location == "path"]
    kinds = {word for parent in parents for word in (*resource_stems(context.tool, parent), *parent.words)}
    tokens = context.sentence.tokens
    codes = [
        token
        for at, token in enumerate(tokens)
        if is_code(token.text) and (noun := noun_before(context.sentence, at)) and noun.stem not in kinds
    ]
    if codes:
        value = [token.text for token in codes]
        yield SlotCandidate(
            slot=slot, value=value, probability=NOUN_CONFIDENCE, start=codes[0].start, end=codes[-1].end
        )


def _filtered_noun(slot: Slot) -> tuple[str, ...]:
    """Return the stems of the resource whose name a filter takes; () for any other slot."""
    if slot.location != "body" or len(slot.path) < 3 or slot.family is not Family.TEXT:
        return ()
    *_, resource, field, operator = slot.path
    words = name_words(resource)
    if field not in _NAMES or not set(name_words(operator)) <= _EQUALITY or not words:
        return ()
    return tuple(map(stem, (*words[:-1], singular(words[-1]))))


def _name_candidate(context: SlotContext, slot: Slot, name: PlainName, sure: float) -> SlotCandidate:
    token = context.sentence.tokens[name.at]
    value = [token.text] if slot.is_array else token.text
    return SlotCandidate(slot=slot, value=value, probability=sure, start=token.start, end=token.end)
