"""Candidates from written forms: paths (octo/hello), codes with a label (ISBN 3-16), key=value, names to filter by."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from nlapi.openapi.spec import Effect
from nlapi.planner.language.names import PlainName, behind_noun, behind_preposition, is_code, noun_before
from nlapi.planner.language.text import Kind, Span
from nlapi.planner.language.words import stems as stem_set
from nlapi.planner.language.words import words as word_set
from nlapi.planner.slots.context import Scene
from nlapi.planner.slots.entities import ID_WORDS, RENAMES, kind_of
from nlapi.planner.slots.slot import Family, Option, Slot, type_of
from nlapi.planner.slots.thing_names import is_free
from nlapi.resources.naming import name_words, singular, stem

# Probability of the parts of a path for parameters in a row, and for others that are only as many.
PAIR_CONFIDENCE = 0.97
LIKELY = 0.9
_IN_A_ROW = re.compile(r"\{[^/{}]+\}(?:/\{[^/{}]+\})+")
# An absolute path, or a network (10.0.0.0/8).
_NO_PAIR = re.compile(r"/|\d+(?:\.\d+){3}/\d+$")
_PARTS = re.compile(r"[/:]")
# The kind of a code: ISBN, ICAO, VIN.
LABEL_CONFIDENCE = 0.95
_LABEL = re.compile("[A-Z]{3,6}")
_CODE = re.compile(r"(?=.*\d|[A-Z]+$)[A-Za-z0-9][A-Za-z0-9-]+")
_BEFORE_CODE = frozenset((":", "=", "is", "of", "identifier", "id", "code", "number"))
# Operators of filters by which a field equals one of some values, and fields that have a name.
_EQUALITY = word_set("slots", "equality")
_NAMES = frozenset(("name", "names", "slug", "title"))
_NEW_NAME = stem_set("slots", "new_name")
_PAIR = re.compile(r"(?<![\w=])(?P<name>[A-Za-z_][\w.-]*)=(?P<value>\"[^\"]*\"|'[^']*'|[^\s,;=]+)")
# Probability of a value by its form, of a name behind its noun, and of a name behind no more than `of`.
NAMED = 0.95
SAID, LED = 0.85, 0.7


def paired(scene: Scene) -> Iterator[Option]:
    """Return a candidate for each of several path parameters, from a path of as many parts: octo/hello is the owner and
    the repository of /{owner}/{repo}.

    Parameters in a row go together; the first of those, or the first of all, may.
    """
    spans = [
        span
        for span in scene.sentence.spans
        if span.kind is Kind.LITERAL and span.form == "path" and not _NO_PAIR.match(span.text)
    ]
    if not spans:
        return
    parameters = {slot.name: slot for slot in scene.slots if slot.where == "path" and slot not in scene.given}
    rows = [(row, PAIR_CONFIDENCE) for row in _rows(scene, parameters)]
    first = max((row for row, _ in rows), key=len, default=None)
    if first is None:
        first = tuple(
            slot for slot in parameters.values() if slot.family in (Family.TEXT, Family.ID) and not slot.integer
        )
    rows += [(first[:count], LIKELY) for count in range(2, len(first) + (not rows))]
    for span in spans:
        for row, sure in rows:
            yield from _options(span, row, sure)


def _options(span: Span, row: Sequence[Slot], sure: float) -> Iterator[Option]:
    parts = _PARTS.split(span.text)
    if len(row) != len(parts) or not all(parts):
        return
    start = span.start
    for slot, part in zip(row, parts, strict=True):
        yield Option(slot=slot, value=part, sure=sure, start=start, end=start + len(part))
        start += len(part) + 1


def _rows(scene: Scene, parameters: Mapping[str, Slot]) -> Iterator[tuple[Slot, ...]]:
    for match in _IN_A_ROW.finditer(scene.operation.path):
        names = match.group()[1:-1].split("}/{")
        if all(name in parameters for name in names):
            yield tuple(parameters[name] for name in names)


def labelled(scene: Scene) -> Iterator[Option]:
    """Return a candidate for each code behind its label (ISBN 3-16), where one slot alone is described by the label."""
    tokens = scene.sentence.tokens
    for at, token in enumerate(tokens):
        before = at - 1
        while before > 0 and tokens[before].lower in _BEFORE_CODE | {","}:
            before -= 1
        announced = before >= 0 and any(between.lower in _BEFORE_CODE for between in tokens[before + 1 : at])
        if not announced or not _LABEL.fullmatch(tokens[before].text) or not _CODE.fullmatch(token.text):
            continue
        word = re.compile(rf"\b{tokens[before].text}\b")
        slots = [slot for slot in scene.slots if word.search(slot.description)]
        if len(slots) == 1 and slots[0].family in (Family.TEXT, Family.ID):
            value = [token.text] if slots[0].many else token.text
            yield Option(slot=slots[0], value=value, sure=LABEL_CONFIDENCE, start=token.start, end=token.end)


def filters(scene: Scene) -> Iterator[Option]:
    """Return candidates for ids, new names and pairs in a body, and for names in the filters of a search by POST."""
    yield from _ids(scene)
    yield from _new_name(scene)
    yield from _pairs(scene)
    if scene.operation.effect is not Effect.READ or scene.operation.body is None:
        return
    for slot in scene.slots:
        noun = _filtered_noun(slot)
        if not noun or noun == scene.noun:
            continue
        for name in behind_noun(scene.sentence, noun):
            if name.clear and is_free(scene, name):
                yield _option(scene, slot, name, SAID)
        if noun == scene.noun[: len(noun)]:
            yield from (_option(scene, slot, name, LED) for name in behind_preposition(scene.sentence) if name.clear)


def _new_name(scene: Scene) -> Iterator[Option]:
    """Return a candidate for the new name of a resource, whatever word it is: rename faq to [help]."""
    tokens = scene.sentence.tokens
    words = [at for at, token in enumerate(tokens) if token.word]
    if len(words) < 3 or RENAMES.isdisjoint(scene.sentence.stem_set) or tokens[words[-2]].lower not in ("to", "as"):
        return
    fields = (slot for slot in scene.slots if slot.where == "body" and len(slot.path) == 1 and not slot.many)
    slot = next((slot for slot in fields if slot.words and set(slot.words) <= _NEW_NAME), None)
    if slot is not None:
        token = tokens[words[-1]]
        yield Option(slot=slot, value=token.text, sure=NAMED, start=token.start, end=token.end)


def _pairs(scene: Scene) -> Iterator[Option]:
    """Return candidates for objects of any properties, from pairs in the sentence: set the metadata to [team=shop]."""
    pairs = list(_PAIR.finditer(scene.sentence.text))
    if not pairs:
        return
    value = {match["name"]: match["value"].strip("\"'") for match in pairs}
    for slot in scene.slots:
        open_object = slot.where == "body" and slot.family is Family.OPEN and type_of(slot.schema) == "object"
        if open_object and slot.words[-1] in scene.sentence.stem_set:
            yield Option(slot=slot, value=value, sure=NAMED, start=pairs[0].start(), end=pairs[-1].end())


def _ids(scene: Scene) -> Iterator[Option]:
    """Return a candidate for the ids behind a noun that is not in the path: delete the record [sku-2] of x."""
    operation = scene.operation
    slot = next(
        (slot for slot in scene.slots if slot.many and slot.where == "body" and set(slot.words) <= ID_WORDS), None
    )
    if slot is None or len(slot.path) > 1 or operation.path.endswith("}") or "{" not in operation.path:
        return
    parents = [slot for slot in scene.slots if slot.where == "path"]
    kinds = {word for parent in parents for word in (*kind_of(scene.tool, parent), *parent.words)}
    tokens = scene.sentence.tokens
    codes = [
        token
        for at, token in enumerate(tokens)
        if is_code(token.text) and (noun := noun_before(scene.sentence, at)) and noun.stem not in kinds
    ]
    if codes:
        value = [token.text for token in codes]
        yield Option(slot=slot, value=value, sure=SAID, start=codes[0].start, end=codes[-1].end)


def _filtered_noun(slot: Slot) -> tuple[str, ...]:
    """Return the stems of the resource whose name a filter takes; () for any other slot."""
    if slot.where != "body" or len(slot.path) < 3 or slot.family is not Family.TEXT:
        return ()
    *_, resource, field, operator = slot.path
    words = name_words(resource)
    if field not in _NAMES or not set(name_words(operator)) <= _EQUALITY or not words:
        return ()
    return tuple(map(stem, (*words[:-1], singular(words[-1]))))


def _option(scene: Scene, slot: Slot, name: PlainName, sure: float) -> Option:
    token = scene.sentence.tokens[name.at]
    value = [token.text] if slot.many else token.text
    return Option(slot=slot, value=value, sure=sure, start=token.start, end=token.end)
