"""The context of a sentence and one operation: the words of its slots, and the surroundings of each mention."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from nlapi.openapi.spec import Operation
from nlapi.planner.language.text import LOOSE, Kind, Sentence, Span
from nlapi.planner.language.words import stems as stem_set
from nlapi.planner.language.words import word_lists
from nlapi.planner.language.words import words as word_set
from nlapi.planner.slots.similarity import sample_stems, to_words
from nlapi.planner.slots.slot import Family, Slot
from nlapi.resources.naming import STOPWORDS, split_words, stem
from nlapi.resources.nouns import noun_of
from nlapi.tools.tool import Tool


def _by_preposition(name: str) -> dict[str, tuple[str, ...]]:
    """Return the stems of the words of each line of a list, by the preposition in front of them."""
    lines = (line.split(": ") for line in word_lists("slots")[name].strip().splitlines())
    return {preposition: tuple(map(stem, words.split())) for preposition, words in lines}


ROLES = {preposition: frozenset(roles) for preposition, roles in _by_preposition("roles").items()}
ROLE_VERBS = {verb: preposition for preposition, verbs in _by_preposition("role_verbs").items() for verb in verbs}
LEADING = frozenset(("of", "for", "in", "on", "about", "with", "by"))
_FILLERS = word_set("slots", "fillers")
_GENERIC = stem_set("slots", "generic_names")
_PARTING = word_set("slots", "parting")
_STOPS = frozenset(".?!;")
# Weight of the words of a sentence by their distance to the left and to the right of a mention.
_LEFT = (1.0, 0.85, 0.65, 0.45, 0.3, 0.2)
_RIGHT = (0.75, 0.5, 0.3)
# Distance, in tokens, to a word that is not in the sentence.
FAR = 12

WeightedStems = list[tuple[str, float]]
Surroundings = tuple[WeightedStems, WeightedStems, str]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A sentence and the slots of one operation.

    `listers` are the operations that list the resources whose id a slot takes, so that a name can be looked up;
    `opaque` the slots among those whose resources have a name besides the id, so that no plain word is the id.
    `given` slots are preset: the sentence fills none of them but those that are `remembered` from an earlier answer of
    the user, and those only where it is clear. `names` tells whether a stem is a noun of the API.
    """

    sentence: Sentence
    tool: Tool
    slots: tuple[Slot, ...]
    listers: Mapping[Slot, Operation] = field(default_factory=dict)
    opaque: frozenset[Slot] = frozenset()
    given: frozenset[Slot] = frozenset()
    remembered: frozenset[Slot] = frozenset()
    names: Callable[[str], bool] = lambda _: False
    inside: dict[Span, tuple[Sequence[str], float, str]] = field(default_factory=dict, init=False)
    counting: dict[Span, bool] = field(default_factory=dict, init=False)
    _kin: dict[Slot, Mapping[str, float]] = field(default_factory=dict, init=False)
    _kin_of_samples: dict[Slot, Mapping[str, float]] = field(default_factory=dict, init=False)
    _rivals: dict[Slot, list[int]] = field(default_factory=dict, init=False)
    _around: dict[Span, Surroundings] = field(default_factory=dict, init=False)

    @property
    def operation(self) -> Operation:
        return self.tool.operation

    @cached_property
    def noun(self) -> tuple[str, ...]:
        """The stems of the noun of the operation."""
        return tuple(map(stem, noun_of(self.operation)))

    @cached_property
    def common(self) -> frozenset[str]:
        """The stems that name the operation or one of its slots, which are no value by themselves."""
        operation = self.operation
        # Not the placeholders: they are names of slots, which are among the words anyway.
        literal = " ".join(part for part in operation.path.split("/") if "{" not in part)
        text = f"{operation.id} {operation.summary} {literal}"
        slot_words = {word for slot in self.slots for word in slot.words}
        return frozenset({stem(word) for word in split_words(text) if word not in STOPWORDS} | slot_words)

    @cached_property
    def talked(self) -> frozenset[str]:
        """The stems of the description of the operation, which say less than `common`."""
        return frozenset(stem(word) for word in split_words(self.operation.description[:300]))

    @cached_property
    def _spread(self) -> tuple[Counter[str], Counter[str]]:
        """In how many names of slots each stem is, and in how many names and descriptions."""
        names = Counter(word for slot in self.slots for word in set(slot.words))
        texts = Counter(word for slot in self.slots for word in slot.prose | set(slot.words))
        return names, texts

    @cached_property
    def own(self) -> dict[Slot, Mapping[str, float]]:
        """The weight of each word of the name of each slot: the fewer slots have it, the more."""
        names, _ = self._spread
        weights: dict[Slot, Mapping[str, float]] = {}
        for slot in self.slots:
            # `name` and `id` are words of so many slots that they say nothing, unless the slot has no other word.
            words = [word for word in slot.words if word not in _GENERIC] or list(slot.words)
            weights[slot] = {word: 1.0 / names[word] for word in words}
        return weights

    def kin(self, slot: Slot) -> Mapping[str, float]:
        """Return the stems of the sentence that are near in meaning to the name of a slot, with how near."""
        near = self._kin.get(slot)
        if near is None:
            near = self._kin[slot] = to_words(self.own[slot], self.sentence.words)
        return near

    def kin_of_samples(self, slot: Slot) -> Mapping[str, float]:
        """Return the stems of the sentence that are near in meaning to the samples in the description of a slot."""
        near = self._kin_of_samples.get(slot)
        if near is None:
            near = self._kin_of_samples[slot] = to_words(sample_stems(slot), self.sentence.words)
        return near

    @cached_property
    def needed(self) -> int:
        """The number of required slots."""
        return sum(slot.required for slot in self.slots)

    @cached_property
    def ranks(self) -> dict[Slot, tuple[int, Sequence[Slot], int]]:
        """The position of each slot, all slots of its family, and its position among those."""
        families: dict[Family, list[Slot]] = {}
        ranks: dict[Slot, tuple[int, Sequence[Slot], int]] = {}
        for position, slot in enumerate(self.slots):
            same = families.setdefault(slot.family, [])
            ranks[slot] = position, same, len(same)
            same.append(slot)
        return ranks

    def order(self, span: Span, slot: Slot) -> float:
        """Return 1 for a number at the position, among the numbers, of the slot among those for numbers; else less."""
        spans, slots = self._numeric
        if span not in spans or slot not in slots:
            return 0.0
        return 1.0 - abs(spans[span] - slots[slot]) / max(len(spans), len(slots))

    def in_turn(self, span: Span, slot: Slot) -> float:
        """Return how many positions a mention of its kind is behind the slot of its family; 0 is in turn."""
        if span.form in LOOSE or span.kind is Kind.PHRASE:
            return -FAR
        return float(self._turns.get(span, 0) - self.ranks[slot][2])

    @cached_property
    def _turns(self) -> dict[Span, int]:
        """The position of each mention among those of its kind."""
        turns: dict[Span, int] = {}
        kinds: Counter[str] = Counter()
        for span in self.sentence.spans:
            if span.form not in LOOSE and span.kind is not Kind.PHRASE:
                turns[span] = kinds[span.kind]
                kinds[span.kind] += 1
        return turns

    @cached_property
    def _numeric(self) -> tuple[dict[Span, int], dict[Slot, int]]:
        numbers = [span for span in self.sentence.spans if span.kind is Kind.NUMBER and span.form != "spelt"]
        slots = [slot for slot in self.slots if slot.family is Family.NUMBER]
        return {span: at for at, span in enumerate(numbers)}, {slot: at for at, slot in enumerate(slots)}

    def distances(self, span: Span, slot: Slot) -> tuple[float, float, float, float]:
        """Return the distances of a mention to the name of the slot before and behind it, and of any other."""
        name, rivals = self.places[slot], self._rival_places(slot)
        return (
            _distance_before(name, span),
            _distance_behind(name, span),
            _distance_before(rivals, span),
            _distance_behind(rivals, span),
        )

    @cached_property
    def places(self) -> dict[Slot, list[int]]:
        """The tokens of the sentence that are words of the name of each slot."""
        stems = self.sentence.stems
        return {slot: [at for at, word in enumerate(stems) if word in self.own[slot]] for slot in self.slots}

    def _rival_places(self, slot: Slot) -> list[int]:
        """Return the tokens that are words of the name of another slot, and not of this one."""
        rivals = self._rivals.get(slot)
        if rivals is None:
            tokens = {at for rival in self.slots if rival is not slot for at in self.places[rival]}
            rivals = self._rivals[slot] = sorted(tokens.difference(self.places[slot]))
        return rivals

    def told(self, word: str) -> float:
        """Return the weight of a word of descriptions: the fewer slots have it, the more."""
        return 1.0 / max(1, self._spread[1][word])

    def around(self, span: Span) -> Surroundings:
        """Return the stems before and behind a mention with their weights, and the preposition that leads to it."""
        cached = self._around.get(span)
        if cached is None:
            cached = self._around[span] = (
                _before(self.sentence, span),
                _behind(self.sentence, span),
                _leader(self.sentence, span),
            )
        return cached


def _distance_before(places: Sequence[int], span: Span) -> float:
    return min((span.first - at for at in places if at < span.first), default=FAR)


def _distance_behind(places: Sequence[int], span: Span) -> float:
    return min((at - span.last + 1 for at in places if at >= span.last), default=FAR)


def _before(sentence: Sentence, span: Span) -> WeightedStems:
    """Return the stems before a mention, nearest first, without the unit of a number between: it belongs to that."""
    weighted: WeightedStems = []
    at, step = span.first - 1, 0
    while at >= 0 and step < len(_LEFT):
        token = sentence.tokens[at]
        if token.text in _STOPS:
            break
        # Behind another number or date the words count less: they are likelier about that one.
        if at in sentence.valued and span.kind is not Kind.PHRASE:
            if at + 1 < span.first and weighted and weighted[-1][0] == sentence.stems[at + 1]:
                weighted.pop()
            step += 3
        elif at in sentence.titled:
            step += token.word
        elif token.word and token.lower not in _FILLERS:
            weighted.append((token.stem, _LEFT[step]))
            step += 1
        elif token.text == ",":
            step += 1
        at -= 1
    return weighted


def _behind(sentence: Sentence, span: Span) -> WeightedStems:
    """Return the stems behind a mention, nearest first, to the end of the clause."""
    weighted: WeightedStems = []
    for step, token in enumerate(sentence.tokens[span.last : span.last + len(_RIGHT)]):
        if token.text in _STOPS or token.text == "," or token.lower in _PARTING or span.last + step in sentence.valued:
            break
        if token.word:
            weighted.append((token.stem, _RIGHT[step]))
    return weighted


def _leader(sentence: Sentence, span: Span) -> str:
    """Return the preposition in front of a mention, `to` for the second end of a range (between 1 and 5)."""
    at = span.first - 1
    while at >= 0 and sentence.tokens[at].lower in ("the", "a", "an", "about", "than", "my"):
        at -= 1
    if at < 0:
        return ""
    word = sentence.tokens[at].lower
    # `and` ends a range only behind `between` or `from`; in `red and blue` it joins two values.
    if word in ("and", "-", "–") and any(
        token.lower in ("between", "from") for token in sentence.tokens[max(0, at - 5) : at]
    ):
        return "to"
    if word in ROLES or word in LEADING:
        return word
    if at and sentence.tokens[at].stem in ("range", "period"):
        return ""
    return ROLE_VERBS.get(sentence.tokens[at].stem, "")
