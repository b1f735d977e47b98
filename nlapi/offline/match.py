"""How well a Span fits a Slot: a row of features and the table of their weights."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from nlapi.offline.scene import LEADING, ROLES, Scene
from nlapi.offline.sentence import Kind, Span
from nlapi.offline.slots import Family, Slot
from nlapi.tools.words import STOPWORDS, VERBS, pieces, singular, stem

WEIGHTS: dict[str, float] = {
    "named": 1.6,
    "told": 0.7,
    "role": 0.8,
    "against": -0.9,
    "example": 1.3,
    "money": 0.7,
    "order": 0.35,
    "common": -0.8,
    "verb": -0.5,
    "whole": 0.12,
    "last": -0.2,
    "required": 0.3,
    "place": 0.25,
    "nested": -0.3,
    "loose": -0.35,
    "object": 0.25,
    "spelt": -0.25,
    "counts": -0.7,
    "renamed": 1.4,
    "sought": 0.4,
    "paged": 1.4,
}
"""Feature -> what it is worth. A learned scorer takes the place of this table and of BASE; the features stay."""
BASE: dict[tuple[Kind, Family], float] = {
    (Kind.NUMBER, Family.NUMBER): 0.85,
    (Kind.NUMBER, Family.ID): 0.6,
    (Kind.NUMBER, Family.TEXT): -0.25,
    (Kind.DATE, Family.NUMBER): 1.0,
    (Kind.DATE, Family.DATE): 1.2,
    (Kind.DATE, Family.TIME): 1.2,
    (Kind.DATE, Family.TEXT): 0.1,
    (Kind.LITERAL, Family.EMAIL): 2.0,
    (Kind.LITERAL, Family.URL): 2.0,
    (Kind.LITERAL, Family.ID): 1.2,
    (Kind.LITERAL, Family.TEXT): 0.6,
    (Kind.QUOTED, Family.TEXT): 1.1,
    (Kind.QUOTED, Family.URL): 0.8,
    (Kind.QUOTED, Family.ID): 0.8,
    (Kind.QUOTED, Family.DATE): 0.2,
    (Kind.QUOTED, Family.NUMBER): 0.6,
    (Kind.NAME, Family.TEXT): 0.75,
    (Kind.NAME, Family.ID): -0.2,
    (Kind.PHRASE, Family.ID): -0.9,
    (Kind.CALLED, Family.TEXT): 0.8,
    (Kind.PHRASE, Family.TEXT): 0.3,
    (Kind.JSON, Family.NUMBER): 1.4,
    (Kind.JSON, Family.TEXT): 1.4,
    (Kind.JSON, Family.OPEN): 1.4,
}
"""How readily a kind of span is a kind of value; what is not here is worth 0."""
_SIZES = frozenset(map(stem, "limit size per count max maximum take results rows".split()))
_PAIRED = frozenset().union(*(ROLES[word] for word in ("from", "to", "over", "under")))
_RENAMES = frozenset(map(stem, ("rename", "renamed")))
_NAMELIKE = frozenset(map(stem, "name title label subject headline username".split()))
_QUERYLIKE = frozenset(map(stem, "q query search keyword term text filter".split()))
_MONEYLIKE = frozenset(
    map(
        stem, "price budget amount cost fee salary bid spend money payment balance value income loan fund total".split()
    )
)
_CITY = re.compile(r"\b(?:city|town|address)\b(?: and|,)\s*(?:the )?(?:state|country|province|region)", re.IGNORECASE)
_PLACELIKE = frozenset(
    map(stem, "city location place address town area region destination origin venue country state".split())
)


def features(scene: Scene, span: Span, slot: Slot, value: Any) -> dict[str, float]:
    """What speaks for and against `span` being the value of `slot`; each about 0 to 1."""
    left, right, leader = scene.around(span)
    row = {"named": _named(scene, slot, left, right), "told": _told(scene, slot, left, right)}
    row |= _role(slot, leader)
    lower = span.text.lower()
    if lower in slot.examples:
        row["example"] = 1.0
    if slot.required:
        row["required"] = 1.0
    if len(slot.path) > 1:
        row["nested"] = float(len(slot.path) - 1)
    if span.kind is Kind.NUMBER and (span.form == "money" or slot.unit):
        row["money"] = 1.0 if (span.form == "money") == bool(slot.unit or _MONEYLIKE & set(slot.words)) else -0.5
    if span.kind is Kind.NAME and _PLACELIKE & set(slot.words):
        row["place"] = 1.0
    row |= _wording(scene, span, slot)
    if leader in LEADING and span.kind in (Kind.PHRASE, Kind.NAME):
        row["object"] = 1.0
    if _NAMELIKE & set(slot.words) and leader == "to" and _RENAMES & scene.sentence.stem_set:
        row["renamed"] = 1.0
    if span.kind in (Kind.QUOTED, Kind.NAME) and _QUERYLIKE & set(slot.words) and scene.operation.method == "GET":
        row["sought"] = 1.0
    if span.kind is Kind.NUMBER:
        row["paged"] = _paged(scene, span, slot)
        row["spelt"] = float(span.form == "spelt")
        row["order"] = scene.order(span, slot)
        row["counts"] = float(slot.family is Family.ID and bool(right) and right[0][0] not in slot.words)
    return row


def score(scene: Scene, span: Span, slot: Slot, value: Any) -> float:
    """One figure for a pair: above about 1 it is likely, below 0.5 it is not."""
    base = BASE.get((span.kind, slot.family), 0.0)
    if span.kind is Kind.CALLED:
        base += 1.2 if _NAMELIKE & set(slot.words) else 0.9 if _QUERYLIKE & set(slot.words) else -0.6
    if span.kind is Kind.LITERAL and span.form == "uuid":
        base += 0.3
    if slot.family is Family.ID and " " in span.text:
        base -= 0.9
    row = features(scene, span, slot, value)
    return base + sum(WEIGHTS[name] * amount for name, amount in row.items())


def page_number(slot: Slot) -> bool:
    """Is `slot` which page is wanted, rather than how long a page is?"""
    return slot.family is Family.NUMBER and stem("page") in slot.words and not page_size(slot)


def page_size(slot: Slot) -> bool:
    """Is `slot` how many things are wanted at most?"""
    words = set(slot.words)
    return slot.family is Family.NUMBER and bool(words & _SIZES or slot.words == ("first",) or slot.words == ("top",))


def _paged(scene: Scene, span: Span, slot: Slot) -> float:
    """1 for a page that is numbered (page 2) or counted (2 per page, list 2 books), -1 for the other of the two."""
    number, size = page_number(slot), scene.operation.method == "GET" and page_size(slot)
    if not number and not size:
        return 0.0
    tokens = scene.sentence.tokens
    before = [token.lower for token in tokens[max(0, span.first - 2) : span.first]]
    after = tokens[span.last : span.last + 2]
    words = [token.lower for token in after]
    counted = words[:1] == ["per"] or words in (["a", "page"], ["each", "page"]) or _counts(scene, span)
    numbered = not counted and ("page" in before or words[:1] == ["page"])
    if not counted and not numbered:
        return -1.0 if number else 0.0
    return 1.0 if counted is bool(size) and numbered is number else -1.0


def _counts(scene: Scene, span: Span) -> bool:
    """Does a number stand in front of what is listed: 3 books?"""
    literal = [segment for segment in scene.operation.path.split("/") if segment and "{" not in segment]
    thing = singular((pieces(literal[-1]) or [""])[-1]) if literal else ""
    after = (token.lower for token in scene.sentence.tokens[span.last : span.last + 2])
    return any(singular(word) == thing != word for word in after)


def _named(scene: Scene, slot: Slot, left: Sequence[tuple[str, float]], right: Sequence[tuple[str, float]]) -> float:
    own = scene.own[slot]
    total = sum(own.values()) or 1.0
    near: dict[str, float] = {}
    for word, nearness in (*left, *right):
        if word in own:
            near[word] = max(near.get(word, 0.0), nearness)
    return sum(own[word] * nearness for word, nearness in near.items()) / max(total, 0.5)


def _told(scene: Scene, slot: Slot, left: Sequence[tuple[str, float]], right: Sequence[tuple[str, float]]) -> float:
    words = {word: near for word, near in (*left, *right) if word in slot.prose and word not in slot.words}
    return min(1.0, sum(near * scene.told(word) for word, near in words.items() if word not in STOPWORDS))


def _role(slot: Slot, leader: str) -> dict[str, float]:
    roles = ROLES.get(leader)
    if not roles:
        return {}
    words = set(slot.words)
    if words & roles:
        return {"role": 1.0}
    return {"against": 1.0} if words & _PAIRED and roles & _PAIRED else {}


def _wording(scene: Scene, span: Span, slot: Slot) -> dict[str, float]:
    """What the words of the span themselves say."""
    row: dict[str, float] = {}
    words = [token.stem for token in scene.sentence.tokens[span.first : span.last] if token.word]
    if span.kind is Kind.PHRASE and words:
        row["common"] = sum(1.0 if word in scene.common else 0.5 * (word in scene.talked) for word in words) / len(
            words
        )
        row["verb"] = float(words[0] in VERBS)
        row["whole"] = 1.0 if span.form == "whole" else 0.0
        row["last"] = len(words) - 1.0 - (span.form == "whole") if len(words) > 2 else 0.0
    elif span.kind is Kind.NAME:
        row["common"] = 0.6 * float(all(word in scene.common for word in words)) if words else 0.0
        if span.form == "joined":
            row["loose"] = 1.0
        if span.form == "place":
            row["place"] = (
                2.0
                if any("," in one for one in slot.examples) or _CITY.search(slot.description)
                else _alone(scene, slot)
            )
    return row


def _alone(scene: Scene, slot: Slot) -> float:
    """Rome, Italy is one value for a location, unless a country or a state is asked for beside it."""
    parts = {"countri", "state", "region", "provinc", "city", "citi"}
    others = any(parts & set(one.words) for one in scene.slots if one is not slot)
    return 1.0 if not others and not parts & set(slot.words) else -1.5
