"""A sentence seen from one operation: which of its words matter, and what stands around each span."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from nlapi.openapi.spec import Operation
from nlapi.planner.language.text import LOOSE, Kind, Sentence, Span
from nlapi.planner.slots.similarity import sample_stems, to_words
from nlapi.planner.slots.slot import Family, Slot
from nlapi.resources.naming import STOPWORDS, split_words, stem
from nlapi.resources.nouns import noun_of
from nlapi.tools.tool import Tool

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
    "because": "reason why cause",
}
ROLES = {word: frozenset(map(stem, roles.split())) for word, roles in _ROLES.items()}
"""Little word -> stems of the names that it leads to."""
_SKIPPED = frozenset("the a an my our your is are was of to be as equal equals = : this that its their".split())
_GENERIC = frozenset(
    map(stem, "id name value number list string text type code parameter uuid key field data item".split())
)
LEADING = frozenset(("of", "for", "in", "on", "about", "with", "by"))
_LEFT = (1.0, 0.85, 0.65, 0.45, 0.3, 0.2)
_RIGHT = (0.75, 0.5, 0.3)
_PARTING = frozenset("and or with from to for in at by on".split())
_STOPS = frozenset(".?!;")
FAR = 12
"""The distance of what is not there."""


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A sentence looked at with one operation in mind: what its slots are called and which words are common to them."""

    sentence: Sentence
    tool: Tool
    slots: tuple[Slot, ...]
    listers: Mapping[Slot, Operation] = field(default_factory=dict)
    """slots that take the id of a thing which an operation lists, so that its name will do"""
    opaque: frozenset[Slot] = frozenset()
    """those of them that take an id beside which the things have a name: a plain word is no such id"""
    given: frozenset[Slot] = frozenset()
    """slots whose value is known by name: the sentence fills none of them, or only those that are `remembered`"""
    remembered: frozenset[Slot] = frozenset()
    """those of them that the user answered earlier: the sentence has to be clear to say otherwise"""
    names: Callable[[str], bool] = lambda _: False
    """whether a stem names a thing of the API"""

    @property
    def operation(self) -> Operation:
        return self.tool.operation

    @cached_property
    def noun(self) -> tuple[str, ...]:
        """The stems of what the operation is about."""
        return tuple(map(stem, noun_of(self.operation)))

    @cached_property
    def common(self) -> frozenset[str]:
        """Stems that name the operation or one of its slots, so are no value by themselves."""
        operation = self.operation
        literal = " ".join(part for part in operation.path.split("/") if "{" not in part)
        text = f"{operation.id} {operation.summary} {literal}"
        named = {word for slot in self.slots for word in slot.words}
        return frozenset({stem(word) for word in split_words(text) if word not in STOPWORDS} | named)

    @cached_property
    def talked(self) -> frozenset[str]:
        """Stems of the operation's description, less telling than `common`."""
        return frozenset(stem(word) for word in split_words(self.operation.description[:300]))

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

    def kin(self, slot: Slot) -> Mapping[str, float]:
        """The stems of the sentence that are near in meaning to the slot's own words."""
        found = self._kin.get(slot)
        if found is None:
            found = self._kin[slot] = to_words(self.own[slot], self.sentence.words)
        return found

    def kin_of_samples(self, slot: Slot) -> Mapping[str, float]:
        """The stems of the sentence that are near in meaning to the values that the slot's description mentions."""
        found = self._kin_of_samples.get(slot)
        if found is None:
            found = self._kin_of_samples[slot] = to_words(sample_stems(slot), self.sentence.words)
        return found

    @cached_property
    def needed(self) -> int:
        """How many slots are required."""
        return sum(slot.required for slot in self.slots)

    @cached_property
    def ranks(self) -> dict[Slot, tuple[int, Sequence[Slot], int]]:
        """Of each slot its place, all slots of its family, and its place among those."""
        families: dict[Family, list[Slot]] = {}
        found: dict[Slot, tuple[int, Sequence[Slot], int]] = {}
        for place, slot in enumerate(self.slots):
            same = families.setdefault(slot.family, [])
            found[slot] = place, same, len(same)
            same.append(slot)
        return found

    @cached_property
    def inside(self) -> dict[Span, tuple[Sequence[str], float, str]]:
        """What match.py worked out of the words of each span."""
        return {}

    @cached_property
    def counting(self) -> dict[Span, bool]:
        """Of each span that was asked about whether it says how many things are wanted."""
        return {}

    @cached_property
    def _kin(self) -> dict[Slot, Mapping[str, float]]:
        return {}

    @cached_property
    def _kin_of_samples(self) -> dict[Slot, Mapping[str, float]]:
        return {}

    def order(self, span: Span, slot: Slot) -> float:
        """1 when the span is where the slot is, each among its own (numbers, slots for numbers); towards 0 when not."""
        spans, slots = self._numeric
        if span not in spans or slot not in slots:
            return 0.0
        return 1.0 - abs(spans[span] - slots[slot]) / max(len(spans), len(slots))

    def in_turn(self, span: Span, slot: Slot) -> float:
        """How many places the span is behind the slot, each counted among its own kind or family; 0 is in turn."""
        if span.form in LOOSE or span.kind is Kind.PHRASE:
            return -FAR
        spans, slots = self._turns
        return float(spans.get(span, 0) - slots[slot])

    @cached_property
    def _turns(self) -> tuple[dict[Span, int], dict[Slot, int]]:
        spans: dict[Span, int] = {}
        kinds: Counter[str] = Counter()
        for span in self.sentence.spans:
            if span.form not in LOOSE and span.kind is not Kind.PHRASE:
                spans[span] = kinds[span.kind]
                kinds[span.kind] += 1
        slots: dict[Slot, int] = {}
        families: Counter[str] = Counter()
        for slot in self.slots:
            slots[slot] = families[slot.family]
            families[slot.family] += 1
        return spans, slots

    @cached_property
    def _numeric(self) -> tuple[dict[Span, int], dict[Slot, int]]:
        numbers = [span for span in self.sentence.spans if span.kind is Kind.NUMBER and span.form != "spelt"]
        wanting = [slot for slot in self.slots if slot.family is Family.NUMBER]
        return {span: at for at, span in enumerate(numbers)}, {slot: at for at, slot in enumerate(wanting)}

    def distances(self, span: Span, slot: Slot) -> tuple[float, float, float, float]:
        """Tokens from the span to the nearest word of the slot's name on its left and right, and to another slot's."""
        own = self.places[slot]
        others = self._others(slot)
        return _left_of(own, span), _right_of(own, span), _left_of(others, span), _right_of(others, span)

    @cached_property
    def places(self) -> dict[Slot, list[int]]:
        """Where in the sentence the words of each slot's name are."""
        found: dict[Slot, list[int]] = {}
        for slot in self.slots:
            own = self.own[slot]
            found[slot] = [at for at, word in enumerate(self.sentence.stems) if word in own]
        return found

    def _others(self, slot: Slot) -> list[int]:
        found = self._rivals.get(slot)
        if found is None:
            own = set(self.places[slot])
            every = {at for other in self.slots if other is not slot for at in self.places[other]}
            found = self._rivals[slot] = sorted(every - own)
        return found

    @cached_property
    def _rivals(self) -> dict[Slot, list[int]]:
        return {}

    def told(self, word: str) -> float:
        return 1.0 / max(1, self._spread[1][word])

    def around(self, span: Span) -> tuple[list[tuple[str, float]], list[tuple[str, float]], str]:
        """The stems left and right of a span with their nearness, and the little word that leads to it."""
        cached = self._around.get(span)
        if cached is None:
            cached = self._around[span] = (
                _left(self.sentence, span),
                _right(self.sentence, span),
                _leader(self.sentence, span),
            )
        return cached

    @cached_property
    def _around(self) -> dict[Span, tuple[list[tuple[str, float]], list[tuple[str, float]], str]]:
        return {}


def _left_of(places: Sequence[int], span: Span) -> float:
    return min((span.first - at for at in places if at < span.first), default=FAR)


def _right_of(places: Sequence[int], span: Span) -> float:
    return min((at - span.last + 1 for at in places if at >= span.last), default=FAR)


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
    if word in ("and", "-", "–") and any(
        token.lower in ("between", "from") for token in sentence.tokens[max(0, at - 5) : at]
    ):
        return "to"
    if word in ROLES or word in LEADING:
        return word
    if at and sentence.tokens[at].stem in ("range", "period"):
        return ""
    return ROLE_VERBS.get(sentence.tokens[at].stem, "")


ROLE_VERBS = {
    stem(word): role
    for role, words in {
        "from": "starting beginning leaving departing",
        "to": "ending arriving",
        "by": "directed written",
    }.items()
    for word in words.split()
}
