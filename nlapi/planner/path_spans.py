"""Which placeholder of a path a part of a sentence may stand for, by what is beside it."""

from __future__ import annotations

import re
from collections.abc import Sequence

from nlapi.planner.slots.entities import ID_WORDS, is_subject, kind_of, last_parameter
from nlapi.planner.slots.exclusions import BEFORE_ID
from nlapi.planner.slots.context import Scene
from nlapi.planner.language.english.text import Kind, Span, Token
from nlapi.planner.slots import Slot
from nlapi.planner.thing_names import is_owner
from nlapi.resources.naming import STOPWORDS, VERBS, stem
from nlapi.resources.paths import segments

IP = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}(?:/\d+)?")
ADDRESSES = frozenset(map(stem, "ip address host".split()))
_BESIDE_NOUN = BEFORE_ID | {"id", "ids", "called", "named", "the", "number", "no", "nr", "'", '"'}
_OF = frozenset("of in from for on under within to at by".split())


def is_meant_in_path(scene: Scene, slot: Slot, span: Span) -> bool:
    """May a span be what a placeholder stands for, by what is beside it? Of other slots nothing is asked."""
    if _is_parent(scene, slot, span) and not _is_addressed(scene, slot, span):
        return False
    owner = is_subject(scene.operation, slot) and is_owner(scene, slot, span.first)
    return not owner and not _is_of_another(scene, slot, span)


def _is_parent(scene: Scene, slot: Slot, span: Span) -> bool:
    """Does a slot say which thing that of the operation is below, so that what is said has to be said of that?"""
    if slot.where != "path" or is_subject(scene.operation, slot):
        return False
    return slot in scene.listers or last_parameter(scene.operation) != slot.name or span.kind is Kind.PHRASE


def _is_addressed(scene: Scene, slot: Slot, span: Span) -> bool:
    """May a span say which of the things in the path is meant that the operation is below?

    What it is about itself, or what there is one of in the path, may be said anywhere. What that is below has its noun
    beside it (in the database archive), or it is what the last of them is of: the zones of X, X's zones.
    """
    names = [segment.parameter for segment in segments(scene.operation.route) if segment.parameter]
    tokens, nouns = scene.sentence.tokens, {*kind_of(scene.tool, slot), *slot.words} - ID_WORDS
    if slot.name not in names:
        return True
    if _is_opaque(span, slot) and not _noun_before(scene, span) and _may_be_code(scene, slot, span, names):
        return True
    before = span.first - 1
    while before >= 0 and tokens[before].lower in _BESIDE_NOUN:
        before -= 1
    after = tokens[span.last].stem if span.last < len(tokens) else ""
    inside = {token.stem for token in tokens[span.first : span.last]}
    if (before >= 0 and tokens[before].stem in nouns) or after in nouns or inside & nouns:
        return True
    before = span.first - 1
    while before >= 0 and tokens[before].lower in ("the", "a", "an", "my", "our"):
        before -= 1
    led = before >= 0 and tokens[before].lower in _OF
    owns = span.last < len(tokens) and tokens[span.last].text in ("'", "’", "'s", "’s")
    return slot.name == names[-1] and (led or owns) and tokens[span.first].stem not in scene.common


def _is_of_another(scene: Scene, slot: Slot, span: Span) -> bool:
    """Does an id stand behind a noun that the operation says nothing of: the record [sku-2] where a base is deleted?"""
    if slot.where != "path" or span.form != "id":
        return False
    before = _noun_before(scene, span)
    if before is None:
        return False
    own = {*kind_of(scene.tool, slot), *slot.words, *ID_WORDS, *scene.noun}
    return before.lower not in _BESIDE_NOUN and before.stem not in own | scene.common | scene.talked


def _noun_before(scene: Scene, span: Span) -> Token | None:
    """The word right before a span, where it may be the noun of what the span names."""
    before = scene.sentence.tokens[span.first - 1] if span.first else None
    noun = before is not None and before.word and before.lower not in STOPWORDS and before.stem not in VERBS
    return before if noun else None


def _may_be_code(scene: Scene, slot: Slot, span: Span, names: Sequence[str | None]) -> bool:
    """May a code be the id of a thing in the path? What others are below is told by none that may be a name: sha-2."""
    if span.form != "id":
        return True
    plain = slot in scene.opaque and not is_subject(scene.operation, slot) and "_" not in span.text
    return slot.name == names[-1] and not plain


def _is_opaque(span: Span, slot: Slot) -> bool:
    """Is a span an id that nobody would take for a word, nor for an address?"""
    if span.kind is Kind.LITERAL and IP.fullmatch(span.text):
        return not ADDRESSES.isdisjoint(slot.words)
    return span.kind in (Kind.LITERAL, Kind.NUMBER) and span.form not in ("host", "url", "email", "path")
