"""Fills the slots of one Tool from a sentence: options for every slot, then one value each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nlapi.offline.entities import Wanted, id_like, names_for
from nlapi.offline.match import Scene, score
from nlapi.offline.sentence import Kind, Span
from nlapi.offline.slots import Family, Slot, type_of
from nlapi.offline.tables import SYNONYMS
from nlapi.offline.values import render, value_for
from nlapi.openapi.spec import Operation
from nlapi.tools.words import STOPWORDS, VERBS, pieces, stem

REQUIRED_AT = 0.35
"""A required slot is filled by the best option that scores at least this."""
OPTIONAL_AT = 1.05
"""An optional slot is left out rather than filled by less than this."""

BEAM = 24
PER_SLOT = 6
GIVEN_AT = 1.7
"""What the user gave by name gives way to the sentence only when it is this clear."""

_NOT = frozenset("not no without exclude excluding disable disabled don't doesn't never off skip avoid except non".split())
_AUXILIARY = frozenset(map(stem, "is has have include includes included with enable enabled flag should can be are use allow allowed show only needs for".split()))
_AND = frozenset((",", "and", "or", "&", "+", "/", "then"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One way to fill a slot. `spans` are what it uses up; `shared` options may be taken from the same words."""

    slot: Slot
    value: Any
    score: float
    start: int
    end: int
    spans: tuple[Span, ...] = ()
    shared: bool = False

    def collides(self, other: Option) -> bool:
        if self.shared and other.shared and self.value != other.value:
            return self.slot.words == other.slot.words
        return self.start < other.end and other.start < self.end


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """The slots of a tool, filled: the arguments as they go into a Call, and how sure each option was."""

    options: tuple[Option, ...]
    missing: tuple[Slot, ...]
    unused: tuple[Span, ...]

    @property
    def arguments(self) -> dict[str, Any]:
        return nest({option.slot.path: option.value for option in self.options})


def nest(values: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    """{("budget", "amount"): 5} -> {"budget": {"amount": 5}}."""
    whole: dict[str, Any] = {}
    for path, value in values.items():
        place = whole
        for step in path[:-1]:
            place = place.setdefault(step, {})
        place[path[-1]] = value
    return whole


def fill(scene: Scene) -> Filling:
    """The likeliest value of each slot, no word of the sentence used twice."""
    options = sorted(_options(scene), key=lambda option: -option.score)
    taken = _assign([option for option in options if option.score >= _least(scene, option.slot)])
    filled = {option.slot for option in taken}
    missing = tuple(slot for slot in scene.slots if slot.required and slot not in filled)
    unused = tuple(span for span in scene.sentence.spans if _matters(span) and not any(_covers(one, span) for one in taken))
    return Filling(options=tuple(taken), missing=missing, unused=unused)


def _least(scene: Scene, slot: Slot) -> float:
    return GIVEN_AT if slot in scene.given else REQUIRED_AT if slot.required else OPTIONAL_AT


def _assign(options: Sequence[Option]) -> list[Option]:
    """The options that are worth most together, one a slot and no word used twice; a beam over the slots."""
    by_slot: dict[Slot, list[Option]] = {}
    for option in options:
        by_slot.setdefault(option.slot, []).append(option)
    beam: list[tuple[float, list[Option]]] = [(0.0, [])]
    for few in by_slot.values():
        grown = list(beam)
        for worth, taken in beam:
            for option in few[:PER_SLOT]:
                if not any(option.collides(one) for one in taken):
                    grown.append((worth + _gain(option), [*taken, option]))
        grown.sort(key=lambda state: -state[0])
        beam = grown[:BEAM]
    return beam[0][1]


def _gain(option: Option) -> float:
    return option.score - REQUIRED_AT + 0.6 if option.slot.required else option.score - OPTIONAL_AT + 0.2


def _matters(span: Span) -> bool:
    return span.kind in (Kind.QUOTED, Kind.LITERAL, Kind.NUMBER, Kind.DATE, Kind.JSON, Kind.NAME) and span.form not in ("place", "joined")


def _covers(option: Option, span: Span) -> bool:
    return option.start < span.end and span.start < option.end


def _options(scene: Scene) -> Iterator[Option]:
    runs = tuple(_runs(scene))
    for slot in scene.slots:
        if slot.family is Family.CHOICE:
            yield from _choices(scene, slot, {str(value): value for value in slot.choices})
        elif slot.family is Family.BOOLEAN:
            yield from _flag(scene, slot)
        else:
            if slot.glossary:
                yield from _choices(scene, slot, slot.glossary)
            yield from _plain(scene, slot, runs)
            if slot in scene.listers:
                yield from _by_name(scene, slot, scene.listers[slot])


def _by_name(scene: Scene, slot: Slot, listing: Operation) -> Iterator[Option]:
    """Options where the sentence gives a name for a thing whose id is wanted."""
    for named in names_for(scene, slot, listing):
        wanted = Wanted(name=named.name, lister=listing.id)
        yield Option(slot=slot, value=[wanted] if slot.many else wanted, score=named.score, start=named.start, end=named.end)


def _plain(scene: Scene, slot: Slot, runs: Sequence[tuple[Span, ...]]) -> Iterator[Option]:
    """Options from single spans, and for an array from runs of them."""
    for span in scene.sentence.spans:
        value = value_for(span, slot)
        if value is None or (slot in scene.listers and not id_like(span.text)):
            continue
        worth = score(scene, span, slot, value)
        if span.kind is Kind.DATE and isinstance(span.value, tuple):
            value, worth = _of_stretch(span, slot, value, worth)
        if slot.many and not isinstance(value, list):
            value, worth = [value], worth - 0.1
        yield Option(slot=slot, value=value, score=worth, start=span.start, end=span.end, spans=(span,), shared=span.kind is Kind.DATE and isinstance(span.value, tuple))
    if not slot.many:
        return
    for run in runs:
        values = [value_for(span, slot) for span in run]
        if any(value is None or isinstance(value, list) for value in values):
            continue
        worth = score(scene, run[0], slot, values[0]) + 0.5
        yield Option(slot=slot, value=values, score=worth, start=run[0].start, end=run[-1].end, spans=run)


def _of_stretch(span: Span, slot: Slot, value: Any, worth: float) -> tuple[Any, float]:
    """Of `last week` a start slot gets the first day, an end slot the last."""
    if {"end", "to", "until", "befor", "max", "stop"} & set(slot.words):
        return render(span.value, slot, end=True) or value, worth + 0.5
    if {"start", "from", "sinc", "after", "begin", "min"} & set(slot.words):
        return value, worth + 0.5
    return value, worth - 0.2


def _runs(scene: Scene) -> Iterator[tuple[Span, ...]]:
    """Spans of one kind that stand in a row: a, b and c."""
    tokens = scene.sentence.tokens
    for kind in (Kind.QUOTED, Kind.NUMBER, Kind.LITERAL, Kind.NAME, Kind.DATE, Kind.PHRASE):
        spans = [span for span in scene.sentence.spans if span.kind is kind and span.form not in ("place", "joined")]
        if kind is Kind.PHRASE:
            spans = [span for span in spans if span.form == "whole"]
        run: list[Span] = []
        for span in spans:
            if run and not _joined([token.lower for token in tokens[run[-1].last : span.first]]):
                if len(run) > 1:
                    yield tuple(run)
                run = []
            run.append(span)
        if len(run) > 1:
            yield tuple(run)


def _joined(between: Sequence[str]) -> bool:
    return 0 < len(between) <= 3 and all(word in _AND or word in ("the", "a", "an") for word in between)


def _choices(scene: Scene, slot: Slot, named: Mapping[str, Any]) -> Iterator[Option]:
    """Options where the words of a choice, or words that mean the same, are in the sentence."""
    found: list[tuple[float, int, int, Any]] = []
    for name, value in named.items():
        hit = _find(scene, [stem(word) for word in pieces(name)], name)
        if hit is not None:
            first, last, worth = hit
            found.append((worth + _about(scene, slot, first, last), first, last, value))
    if not found:
        return
    tokens = scene.sentence.tokens
    if slot.many:
        best = max(worth for worth, *_ in found)
        kept = sorted((hit for hit in found if hit[0] >= best - 0.6), key=lambda hit: hit[1])
        start, end = tokens[kept[0][1]].start, tokens[kept[0][2] - 1].end
        yield Option(slot=slot, value=[hit[3] for hit in kept], score=best, start=start, end=end, shared=True)
        return
    for worth, first, last, value in found:
        yield Option(slot=slot, value=value, score=worth, start=tokens[first].start, end=tokens[last - 1].end, shared=True)


def _find(scene: Scene, words: Sequence[str], name: str) -> tuple[int, int, float] | None:
    """Where `words` are in the sentence, as tokens, and how sure that is."""
    stems, count = scene.sentence.stems, len(words)
    if not count:
        return None
    whole = name.lower()
    for at, token in enumerate(scene.sentence.tokens):
        if token.lower == whole and (len(name) > 1 or token.text == name) and token.lower not in STOPWORDS:
            return at, at + 1, 1.4
    for at in range(len(stems) - count + 1):
        if tuple(words) == stems[at : at + count]:
            exact = scene.sentence.tokens[at].text == name
            doubtful = count == 1 and (len(name) == 1 and not exact or scene.sentence.tokens[at].lower in STOPWORDS)
            return (at, at + count, 0.5 if doubtful else 1.15 + 0.1 * count)
    if count == 1:
        same = SYNONYMS.get(words[0])
        for at, word in enumerate(stems):
            if same and word in same:
                return at, at + 1, 1.25 if word in VERBS else 0.95
            if len(words[0]) >= 3 and len(word) >= 5 and word.startswith(words[0]):
                return at, at + 1, 0.7
        return None
    wanted = [word for word in words if word not in STOPWORDS]
    places = [stems.index(word) for word in wanted if word in scene.sentence.stem_set]
    if wanted and len(places) == len(wanted) and max(places) - min(places) <= count + 2:
        return min(places), max(places) + 1, 0.9
    return None


def _about(scene: Scene, slot: Slot, first: int, last: int) -> float:
    """How near the slot's own words are to tokens `first` to `last`, and whose status it is."""
    own = scene.own[slot]
    total = sum(own.values()) or 1.0
    stems = scene.sentence.stems
    near = 0.0
    for at in range(max(0, first - 4), min(len(stems), last + 4)):
        if stems[at] in own and not first <= at < last:
            distance = first - at if at < first else at - last + 1
            near += own[stems[at]] * (1.0 - 0.2 * (distance - 1))
    value = 0.9 * near / total - (0.5 if first in scene.sentence.dated else 0.0)
    strangers = [word for word in slot.words[:-1] if word not in scene.sentence.stem_set and word not in STOPWORDS]
    if strangers and len(slot.path) == 1 and slot.words[0] in strangers and not slot.required:
        value -= 0.35
    return value + (0.3 if slot.required else 0.0)


def _flag(scene: Scene, slot: Slot) -> Iterator[Option]:
    """A yes/no slot is filled when its own words are there, with a no when they are denied."""
    words = [word for word in slot.words if word not in _AUXILIARY]
    stems = scene.sentence.stems
    places = [stems.index(word) for word in words if word in scene.sentence.stem_set]
    if not words or len(places) < len(words) * 0.6:
        return
    first, last = min(places), max(places) + 1
    if last - first > len(words) + 3:
        return
    before = [token.lower for token in scene.sentence.tokens[max(0, first - 3) : first]]
    value: Any = not any(word in _NOT or word.endswith(("n't", "n’t")) for word in before)
    if any(word.startswith(("no", "exclud", "disabl")) for word in slot.words[:1]):
        value = True
    if type_of(slot.schema) == "string":
        value = next((choice for choice in slot.choices if str(choice).lower() == str(value).lower()), str(value))
    own = set(words) <= scene.common - set(slot.words)
    worth = 0.75 + 0.5 * len(places) / len(words) - (0.4 if own else 0.0) + (0.3 if slot.required else 0.0)
    tokens = scene.sentence.tokens
    yield Option(slot=slot, value=[value] if slot.many else value, score=worth, start=tokens[first].start, end=tokens[last - 1].end, shared=True)


