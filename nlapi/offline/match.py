"""How well a Span fits a Slot: a row of features and the table of their weights."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from nlapi.offline.sentence import Kind, Sentence, Span
from nlapi.offline.slots import Family, Slot
from nlapi.openapi.spec import Operation
from nlapi.tools.words import STOPWORDS, VERBS, pieces, stem

WEIGHTS: dict[str, float] = {
    "named": 1.6,
    "told": 0.7,
    "role": 0.8,
    "against": -0.9,
    "example": 1.3,
    "money": 0.7,
    "order": 0.15,
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
    "renamed": 1.4,
    "sought": 0.4,
}
"""Feature -> what it is worth. A learned scorer takes the place of this table and of BASE; the features stay."""

BASE: dict[tuple[Kind, Family], float] = {
    (Kind.NUMBER, Family.NUMBER): 0.85,
    (Kind.NUMBER, Family.ID): 0.6,
    (Kind.NUMBER, Family.TEXT): 0.0,
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

_ROLES: dict[str, str] = {
    "from": "from origin depart departure source start begin since sender base after pickup",
    "to": "to destination arrive arrival target end until recipient receiver before dropoff",
    "between": "start from min begin",
    "until": "end to until before",
    "till": "end to until before",
    "through": "end to until",
    "since": "start from since after",
    "after": "start from since after",
    "before": "end to until before",
    "by": "by author artist creator actor director writer user",
    "in": "city location country place region state language area currency town year month county",
    "at": "location place time venue address theater hour",
    "on": "date day",
    "near": "location city place address",
    "around": "location city place address time",
    "over": "min minimum",
    "above": "min minimum",
    "least": "min minimum",
    "under": "max maximum",
    "below": "max maximum",
    "most": "max maximum",
    "within": "radius distance",
}
ROLES = {word: frozenset(map(stem, roles.split())) for word, roles in _ROLES.items()}
"""Little word -> stems of the names that it leads to."""
_PAIRED = frozenset().union(*(ROLES[word] for word in ("from", "to", "over", "under")))
_SKIPPED = frozenset("the a an my our your is are was of to be as equal equals = : this that its their".split())
_GENERIC = frozenset(map(stem, "id name value number list string text type code parameter uuid key field data item".split()))
_LEADING = frozenset(("of", "for", "in", "on", "about", "with", "by"))
_LEFT = (1.0, 0.85, 0.65, 0.45, 0.3, 0.2)
_RIGHT = (0.75, 0.5, 0.3)
_RENAMES = frozenset(map(stem, ("rename", "renamed")))
_PARTING = frozenset("and or with from to for in at by on".split())
_STOPS = frozenset(".?!;")
_NAMELIKE = frozenset(map(stem, "name title label subject headline username".split()))
_QUERYLIKE = frozenset(map(stem, "q query search keyword term text filter".split()))
_MONEYLIKE = frozenset(map(stem, "price budget amount cost fee salary bid spend money payment balance value income loan fund total".split()))
_CITY = re.compile(r"\b(?:city|town|address)\b(?: and|,)\s*(?:the )?(?:state|country|province|region)", re.IGNORECASE)
_PLACELIKE = frozenset(map(stem, "city location place address town area region destination origin venue country state".split()))


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A sentence looked at with one operation in mind: what its slots are called and which words are common to them."""

    sentence: Sentence
    operation: Operation
    slots: tuple[Slot, ...]
    listers: Mapping[Slot, Operation] = field(default_factory=dict)
    """slots that take the id of a thing which an operation lists, so that its name will do"""
    given: frozenset[Slot] = frozenset()
    """slots whose value the user has given by name beforehand: the sentence has to be clear to say otherwise"""

    @cached_property
    def common(self) -> frozenset[str]:
        """Stems that name the operation or one of its slots, so are no value by themselves."""
        operation = self.operation
        text = f"{operation.id} {operation.summary} {' '.join(part for part in operation.path.split('/') if '{' not in part)}"
        named = {word for slot in self.slots for word in slot.words}
        return frozenset({stem(word) for word in pieces(text) if word not in STOPWORDS} | named)

    @cached_property
    def talked(self) -> frozenset[str]:
        """Stems of the operation's description, less telling than `common`."""
        return frozenset(stem(word) for word in pieces(self.operation.description[:300]))

    @cached_property
    def _spread(self) -> tuple[Counter[str], Counter[str]]:
        named = Counter(word for slot in self.slots for word in set(slot.words))
        told = Counter(word for slot in self.slots for word in slot.prose | set(slot.words))
        return named, told

    @cached_property
    def own(self) -> dict[Slot, Mapping[str, float]]:
        """Per slot, how much each word of its name says."""
        named, _ = self._spread
        found: dict[Slot, Mapping[str, float]] = {}
        for slot in self.slots:
            words = [word for word in slot.words if word not in _GENERIC] or list(slot.words)
            found[slot] = {word: 1.0 / named[word] for word in words}
        return found

    def order(self, span: Span, slot: Slot) -> float:
        """1 when the span stands among the numbers where the slot stands among those that want one, towards 0 when not."""
        spans, slots = self._numeric
        if span not in spans or slot not in slots:
            return 0.0
        return 1.0 - abs(spans[span] - slots[slot]) / max(len(spans), len(slots))

    @cached_property
    def _numeric(self) -> tuple[dict[Span, int], dict[Slot, int]]:
        numbers = [span for span in self.sentence.spans if span.kind is Kind.NUMBER]
        wanting = [slot for slot in self.slots if slot.family is Family.NUMBER]
        return {span: at for at, span in enumerate(numbers)}, {slot: at for at, slot in enumerate(wanting)}

    def told(self, word: str) -> float:
        return 1.0 / max(1, self._spread[1][word])

    def around(self, span: Span) -> tuple[list[tuple[str, float]], list[tuple[str, float]], str]:
        """The stems left and right of a span with their nearness, and the little word that leads to it."""
        cached = self._around.get(span)
        if cached is None:
            cached = self._around[span] = (_left(self.sentence, span), _right(self.sentence, span), _leader(self.sentence, span))
        return cached

    @cached_property
    def _around(self) -> dict[Span, tuple[list[tuple[str, float]], list[tuple[str, float]], str]]:
        return {}


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
    if leader in _LEADING and span.kind in (Kind.PHRASE, Kind.NAME):
        row["object"] = 1.0
    if _NAMELIKE & set(slot.words) and leader == "to" and _RENAMES & scene.sentence.stem_set:
        row["renamed"] = 1.0
    if span.kind in (Kind.QUOTED, Kind.NAME) and _QUERYLIKE & set(slot.words) and scene.operation.method == "GET":
        row["sought"] = 1.0
    if span.kind is Kind.NUMBER:
        row["spelt"] = float(span.form == "spelt")
        row["order"] = scene.order(span, slot)
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
        row["common"] = sum(1.0 if word in scene.common else 0.5 * (word in scene.talked) for word in words) / len(words)
        row["verb"] = float(words[0] in VERBS)
        row["whole"] = 1.0 if span.form == "whole" else 0.0
        row["last"] = len(words) - 1.0 - (span.form == "whole") if len(words) > 2 else 0.0
    elif span.kind is Kind.NAME:
        row["common"] = 0.6 * float(all(word in scene.common for word in words)) if words else 0.0
        if span.form == "joined":
            row["loose"] = 1.0
        if span.form == "place":
            row["place"] = 2.0 if any("," in one for one in slot.examples) or _CITY.search(slot.description) else -1.5
    return row


def _left(sentence: Sentence, span: Span) -> list[tuple[str, float]]:
    """Stems before a span, nearest first. Beyond another number its unit is left out, for it belongs to that one."""
    found: list[tuple[str, float]] = []
    at, step = span.first - 1, 0
    while at >= 0 and step < len(_LEFT):
        token = sentence.tokens[at]
        if token.text in _STOPS:
            break
        if at in sentence.valued and span.kind is not Kind.PHRASE:
            found = found[: -1 if at + 1 < span.first and found and found[-1][0] == sentence.stems[at + 1] else None]
            step += 3
        elif at in sentence.titled:
            step += token.word
        elif token.word and token.lower not in _SKIPPED:
            found.append((token.stem, _LEFT[step]))
            step += 1
        elif token.text == ",":
            step += 1
        at -= 1
    return found


def _right(sentence: Sentence, span: Span) -> list[tuple[str, float]]:
    found: list[tuple[str, float]] = []
    for step, token in enumerate(sentence.tokens[span.last : span.last + len(_RIGHT)]):
        if token.text in _STOPS or token.text == "," or token.lower in _PARTING or span.last + step in sentence.valued:
            break
        if token.word:
            found.append((token.stem, _RIGHT[step]))
    return found


def _leader(sentence: Sentence, span: Span) -> str:
    """The preposition in front of a span; of two ends (between 1 and 5, from 1 to 5) the second gets `to`."""
    at = span.first - 1
    while at >= 0 and sentence.tokens[at].lower in ("the", "a", "an", "about", "than", "my"):
        at -= 1
    if at < 0:
        return ""
    word = sentence.tokens[at].lower
    if word in ("and", "-", "–") and any(token.lower in ("between", "from") for token in sentence.tokens[max(0, at - 5) : at]):
        return "to"
    if word in ROLES or word in _LEADING:
        return word
    if at and sentence.tokens[at].stem in ("range", "period"):
        return ""
    return ROLE_VERBS.get(sentence.tokens[at].stem, "")


ROLE_VERBS = {
    stem(word): role
    for role, words in {"from": "starting beginning leaving departing", "to": "ending arriving", "by": "directed written"}.items()
    for word in words.split()
}
