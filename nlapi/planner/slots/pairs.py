"""Values that are written in one piece as paths are: octo/hello is the owner and the repository of /{owner}/{repo}."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from nlapi.openapi.spec import Effect
from nlapi.planner.language.names import PlainName, behind_noun, behind_preposition, is_code, noun_before
from nlapi.planner.language.text import Kind, Span
from nlapi.planner.slots.context import Scene
from nlapi.planner.slots.entities import ID_WORDS, RENAMES, kind_of
from nlapi.planner.slots.slot import Family, Option, Slot, type_of
from nlapi.planner.slots.thing_names import is_free
from nlapi.resources.naming import name_words, singular, stem

PAIR_CONFIDENCE = 0.97
LIKELY = 0.9
_IN_A_ROW = re.compile(r"\{[^/{}]+\}(?:/\{[^/{}]+\})+")
_NO_PAIR = re.compile(r"/|\d+(?:\.\d+){3}/\d+$")
"""An absolute path, or a network (10.0.0.0/8)."""
_PARTS = re.compile(r"[/:]")


def paired(scene: Scene) -> Iterator[Option]:
    """An option for each of several path parameters, from a span of as many parts: owner/name, or project/image:tag.

    Parameters that stand in a row surely go together; the first of them, or those that a path begins with, may.
    """
    spans = [
        span
        for span in scene.sentence.spans
        if span.kind is Kind.LITERAL and span.form == "path" and not _NO_PAIR.match(span.text)
    ]
    if not spans:
        return
    every = {slot.name: slot for slot in scene.slots if slot.where == "path" and slot not in scene.given}
    rows = [(row, PAIR_CONFIDENCE) for row in _rows(scene, every)]
    first = max((row for row, _ in rows), key=len, default=None)
    if first is None:
        first = tuple(slot for slot in every.values() if slot.family in (Family.TEXT, Family.ID) and not slot.integer)
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


def _rows(scene: Scene, every: Mapping[str, Slot]) -> Iterator[tuple[Slot, ...]]:
    for found in _IN_A_ROW.finditer(scene.operation.path):
        names = found.group()[1:-1].split("}/{")
        if all(name in every for name in names):
            yield tuple(every[name] for name in names)


LABEL_CONFIDENCE = 0.95
_LABEL = re.compile("[A-Z]{3,6}")
"""What a kind of code is called: ISBN, ICAO, VIN."""
_CODE = re.compile(r"(?=.*\d|[A-Z]+$)[A-Za-z0-9][A-Za-z0-9-]+")
_NOUNS = frozenset("identifier id code number".split())
_SAYS = frozenset((":", "=", "is", "of")) | _NOUNS


def labelled(scene: Scene) -> Iterator[Option]:
    """An option for each code that has such a name before it, where one slot alone is described by that name."""
    tokens = scene.sentence.tokens
    for at, token in enumerate(tokens):
        before = at - 1
        while before > 0 and tokens[before].lower in _SAYS | {","}:
            before -= 1
        said = {one.lower for one in tokens[before + 1 : at]} & _SAYS if before >= 0 else set()
        if not said or not _LABEL.fullmatch(tokens[before].text) or not _CODE.fullmatch(token.text):
            continue
        word = re.compile(rf"\b{tokens[before].text}\b")
        slots = [slot for slot in scene.slots if word.search(slot.description)]
        if len(slots) == 1 and slots[0].family in (Family.TEXT, Family.ID):
            value = [token.text] if slots[0].many else token.text
            yield Option(slot=slots[0], value=value, sure=LABEL_CONFIDENCE, start=token.start, end=token.end)


_ONE_OF = frozenset(("any", "in", "eq", "equals", "is", "one", "of"))
"""Words of the operators of filters by which a field is one of some values."""
_NAMES = frozenset(("name", "names", "slug", "title"))
_NEW_NAME = frozenset(map(stem, ("name", "new", "title", "label", "body")))
_PAIR = re.compile(r"(?<![\w=])(?P<name>[A-Za-z_][\w.-]*)=(?P<value>\"[^\"]*\"|'[^']*'|[^\s,;=]+)")
NAMED = 0.95
"""How sure what is said plainly is."""
SAID, LED = 0.85, 0.7
"""How sure a name is whose noun is said, and one of which only `of` tells whose it is."""


def filters(scene: Scene) -> Iterator[Option]:
    """Options for the ids of what is in a thing, and for the names of things that those of a list belong to."""
    yield from _ids(scene)
    yield from _new_name(scene)
    yield from _pairs(scene)
    if scene.operation.effect is not Effect.READ or scene.operation.body is None:
        return
    own = scene.noun
    for slot in scene.slots:
        noun = _filtered_noun(slot)
        if not noun or noun == own:
            continue
        for one in behind_noun(scene.sentence, noun):
            if one.clear and is_free(scene, one):
                yield _option(scene, slot, one, SAID)
        if noun == own[: len(noun)]:
            yield from (_option(scene, slot, one, LED) for one in behind_preposition(scene.sentence) if one.clear)


def _new_name(scene: Scene) -> Iterator[Option]:
    """An option for the word that a thing is renamed to, whatever word it is: rename faq to [help]."""
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
    """Options for what takes any properties from pairs in the sentence: set the metadata to [team=shop]."""
    found = list(_PAIR.finditer(scene.sentence.text))
    if not found:
        return
    value = {match["name"]: match["value"].strip("\"'") for match in found}
    for slot in scene.slots:
        open_object = slot.where == "body" and slot.family is Family.OPEN and type_of(slot.schema) == "object"
        if open_object and slot.words[-1] in scene.sentence.stem_set:
            yield Option(slot=slot, value=value, sure=NAMED, start=found[0].start(), end=found[-1].end())


def _ids(scene: Scene) -> Iterator[Option]:
    """An option for the ids that stand behind a noun which is none of the path: delete the record [sku-2] of x."""
    operation = scene.operation
    slot = next(
        (slot for slot in scene.slots if slot.many and slot.where == "body" and set(slot.words) <= ID_WORDS), None
    )
    if slot is None or len(slot.path) > 1 or operation.path.endswith("}") or "{" not in operation.path:
        return
    kinds = {word for one in scene.slots if one.where == "path" for word in (*kind_of(scene.tool, one), *one.words)}
    tokens = scene.sentence.tokens
    named = [at for at, token in enumerate(tokens) if is_code(token.text)]
    found = [tokens[at] for at in named if (noun := noun_before(scene.sentence, at)) and noun.stem not in kinds]
    if found:
        value = [token.text for token in found]
        yield Option(slot=slot, value=value, sure=SAID, start=found[0].start, end=found[-1].end)


def _filtered_noun(slot: Slot) -> tuple[str, ...]:
    """The stems of the things whose name a filter is told; () where it is no such filter."""
    if slot.where != "body" or len(slot.path) < 3 or slot.family is not Family.TEXT:
        return ()
    *_, things, field, operator = slot.path
    words = name_words(things)
    if field not in _NAMES or not set(name_words(operator)) <= _ONE_OF or not words:
        return ()
    return tuple(map(stem, (*words[:-1], singular(words[-1]))))


def _option(scene: Scene, slot: Slot, one: PlainName, sure: float) -> Option:
    token = scene.sentence.tokens[one.at]
    value = [token.text] if slot.many else token.text
    return Option(slot=slot, value=value, sure=sure, start=token.start, end=token.end)
