"""Options for slots with a closed set of values: enums, what a description says a value stands for, and yes or no."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nlapi.offline.entities import collection_of
from nlapi.offline.option import Option
from nlapi.offline.scene import Scene
from nlapi.offline.sentence import Sentence
from nlapi.offline.slots import Slot, type_of
from nlapi.offline.tables import SYNONYMS
from nlapi.tools.words import METHODS, STOPWORDS, VERBS, Intent, pieces, stem

_NOT = frozenset(
    "not no without exclude excluding disable disabled don't doesn't never off skip avoid except non".split()
)
_EXCLUDES = frozenset("not except excluding without never".split())
_FALLING = re.compile(r"[\s_:.-]?desc(?:ending)?$|(?<=[a-z])Desc$", re.IGNORECASE)
_RISING = re.compile(r"[\s_:.-]?asc(?:ending)?$|(?<=[a-z])Asc$", re.IGNORECASE)
_DESCENDING = SYNONYMS["desc"] | frozenset(map(stem, "largest biggest greatest recent reverse".split()))
_AUXILIARY = frozenset(
    map(stem, "is has have include with enable flag should can be are use allow show only needs for".split())
)


def choices(scene: Scene, slot: Slot, named: Mapping[str, Any]) -> Iterator[Option]:
    """Options where the words of a choice, or words that mean the same, are in the sentence."""
    found: list[tuple[float, int, int, Any]] = []
    for name, value in named.items():
        hit = _find(scene, [stem(word) for word in pieces(name)], name)
        if hit is not None and not _ruled_out(scene, hit[0]):
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
        yield Option(
            slot=slot, value=value, score=worth, start=tokens[first].start, end=tokens[last - 1].end, shared=True
        )


def directed(sentence: Sentence, slot: Slot) -> Mapping[str, Any]:
    """The values of an enum by their words. Of two that sort by the same field (year, -year) the one in the direction
    that the sentence asks for, else the plain one.
    """
    plain = {str(value): value for value in slot.choices}
    pairs: dict[str, dict[str, Any]] = {}
    for text, value in plain.items():
        falls = text.startswith("-") or bool(_FALLING.search(text))
        base = _RISING.sub("", _FALLING.sub("", text)).lstrip("+-")
        pairs.setdefault(base, {})["falling" if falls else "rising"] = value
    if not any(len(pair) == 2 for pair in pairs.values()) or "" in pairs:
        return plain
    way = "falling" if _DESCENDING & sentence.stem_set else "rising"
    return {base: pair.get(way, next(iter(pair.values()))) for base, pair in pairs.items()}


def _ruled_out(scene: Scene, at: int) -> bool:
    """Does the sentence say that the word at `at` is not meant: not history, except the novels?"""
    before = [token.lower for token in scene.sentence.tokens[max(0, at - 2) : at]]
    if before and before[-1] not in ("the", "in", "a", "an", "any"):
        before = before[-1:]
    return any(word in _EXCLUDES or word.endswith(("n't", "n’t")) for word in before)


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
            doubtful = count == 1 and ((len(name) == 1 and not exact) or scene.sentence.tokens[at].lower in STOPWORDS)
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
    value += _describes(scene, first, last)
    strangers = [word for word in slot.words[:-1] if word not in scene.sentence.stem_set and word not in STOPWORDS]
    if strangers and len(slot.path) == 1 and slot.words[0] in strangers and not slot.required:
        value -= 0.35
    return value + (0.3 if slot.required else 0.0)


def _describes(scene: Scene, first: int, last: int) -> float:
    """More when the words stand beside the noun (active campaigns) or are the command itself (pause ...)."""
    nouns = set(collection_of(scene.operation))
    beside = scene.sentence.stems[max(0, first - 2) : last + 2]
    if nouns & set(beside):
        return 0.35
    commanded = first == 0 and scene.operation.method in METHODS[Intent.UPDATE]
    return 0.45 if commanded and scene.sentence.stems[first] in VERBS else 0.0


def flag(scene: Scene, slot: Slot) -> Iterator[Option]:
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
    yield Option(
        slot=slot,
        value=[value] if slot.many else value,
        score=worth,
        start=tokens[first].start,
        end=tokens[last - 1].end,
        shared=True,
    )
