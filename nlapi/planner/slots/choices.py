"""Options for slots with a closed set of values: enums, and what a description says that a value stands for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import lru_cache
from typing import Any

from nlapi.changes.sentences import opening_length
from nlapi.planner.language.commands import own_verbs
from nlapi.planner.language.lexicon import COUNTRIES, CURRENCY_NAMES, LANGUAGES, SYNONYMS
from nlapi.planner.language.text import Kind, Sentence, Span
from nlapi.planner.slots.context import Scene
from nlapi.planner.slots.entities import noun_stems
from nlapi.planner.slots.slot import Option, Slot, type_of
from nlapi.resources.naming import METHODS, STOPWORDS, VERBS, Intent, split_words, stem
from nlapi.tools.word_similarity import similarity

_EXCLUDES = frozenset("not except excluding without never".split())
_FALLING = re.compile(r"[\s_:.-]?desc(?:ending)?$|(?<=[a-z])Desc$", re.IGNORECASE)
_RISING = re.compile(r"[\s_:.-]?asc(?:ending)?$|(?<=[a-z])Asc$", re.IGNORECASE)
_DESCENDING = SYNONYMS["desc"] | frozenset(map(stem, "largest biggest greatest recent reverse".split()))
EVIDENCE = (
    *(
        "worth",
        "exact",
        "covered",
        "likeness",
        "about",
        "beside_noun",
        "stranger",
        "dated",
        "better",
        "as_good",
        "hits",
    ),
    *("yes", "agrees", "denied", "name_said", "name_spread", "prose_said", "own", "nay_name", "figures"),
)
"""What is known of an option for a choice or (from "yes" on) for a flag, in this order."""
MEANS = 0.72
"""Words used this much alike (nlapi/tools/word_similarity.py) may mean the same."""
LIKE = 0.82
"""Words this alike are taken for one another's misspelling."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """Where the words of a choice are, as tokens, and how sure that is.

    `covered` is the part of its words that were found, `likeness` how alike what was found is, from 0 to 1.
    """

    first: int
    last: int
    worth: float
    exact: bool = False
    covered: float = 1.0
    likeness: float = 1.0


def choices(scene: Scene, slot: Slot, named: Mapping[str, Any], *, literal: bool = False) -> Iterator[Option]:
    """Options where the words of a choice, or (unless `literal`) words that mean the same, are in the sentence."""
    found: list[tuple[Hit, Any]] = []
    for name, value in named.items():
        hit = _find(scene, slot, [stem(word) for word in split_words(name)], name) or _counted(scene, value)
        if hit is None or (literal and hit.likeness < 1.0) or _ruled_out(scene, hit.first):
            continue
        if not _other_figure(scene, slot, hit) and not _names_other(scene, slot, hit, str(value)):
            found.append((hit, value))
    found = [pair for pair in found if not any(_inside(pair[0], other) for other, _ in found)]
    if not found:
        return
    if slot.many:
        best = max(hit.worth for hit, _ in found)
        kept = sorted((pair for pair in found if pair[0].worth >= best - 0.6), key=lambda pair: pair[0].first)
        values = [value for at, (_, value) in enumerate(kept) if all(value != one for _, one in kept[:at])]
        yield _option(scene, slot, kept[0][0], values, [hit for hit, _ in found])
        return
    for hit, value in found:
        yield _option(scene, slot, hit, value, [other for other, one in found if one != value])


def _inside(hit: Hit, other: Hit) -> bool:
    """Is a choice said only as a part of a longer one: the economy of Premium Economy?"""
    longer = other.last - other.first > hit.last - hit.first
    return longer and other.first <= hit.first and hit.last <= other.last and other.covered == 1.0


def _other_figure(scene: Scene, slot: Slot, hit: Hit) -> bool:
    """Is a choice in figures part of some other number or of a date, far from the slot's name?"""
    if not scene.sentence.tokens[hit.first].text.isdigit() or hit.first not in scene.sentence.valued:
        return False
    if hit.worth < 0.5:
        return False
    return not any(abs(at - hit.first) <= 3 for at in scene.places[slot])


def _names_other(scene: Scene, slot: Slot, hit: Hit, value: str) -> bool:
    """Is the word the name of another argument, and not just that of the choice: masters, beside a kind `Master`?"""
    word = scene.sentence.tokens[hit.first].lower
    return word != value.lower() and any(word == other.name.lower() for other in scene.slots if other is not slot)


def _option(scene: Scene, slot: Slot, hit: Hit, value: Any, others: Sequence[Hit]) -> Option:
    near, beside, stranger = _about(scene, slot, hit.first, hit.last)
    evidence = (
        *(hit.worth, float(hit.exact), hit.covered, hit.likeness, near, beside, stranger),
        float(hit.first in scene.sentence.dated),
        float(sum(other.worth > hit.worth for other in others)),
        float(sum(other.worth == hit.worth for other in others)),
        float(len(others)),
        *_NO_FLAG,
        float(scene.sentence.tokens[hit.first].text.isdigit() and hit.first in scene.sentence.valued),
    )
    span = stretch(scene.sentence, Kind.CHOICE, hit.first, hit.last)
    return Option(slot=slot, value=value, start=span.start, end=span.end, span=span, shared=True, evidence=evidence)


_NO_FLAG = (0.0,) * 8
NO_CHOICE = (0.0,) * 11


def stretch(sentence: Sentence, kind: Kind, first: int, last: int) -> Span:
    """Tokens `first` to `last` as a Span."""
    start, end = sentence.tokens[first].start, sentence.tokens[last - 1].end
    return Span(kind=kind, text=sentence.text[start:end], start=start, end=end, first=first, last=last)


def names_of(sentence: Sentence, slot: Slot) -> Mapping[str, Any]:
    """What the values of an enum are called: their own words, what the description says they stand for, languages and
    countries by name.
    """
    named = dict(directed(sentence, slot))
    values = {str(value).lower(): value for value in slot.choices}
    for meaning, value in slot.glossary.items():
        if str(value).lower() in values:
            named.setdefault(meaning, values[str(value).lower()])
    named.update(_coded(slot))
    return named


@lru_cache(maxsize=4096)
def _coded(slot: Slot) -> Mapping[str, Any]:
    """The values by the names that they are codes for, where most of them are codes of languages or the like."""
    values = {str(value).lower(): value for value in slot.choices}
    named: dict[str, Any] = {}
    for table in (LANGUAGES, COUNTRIES, CURRENCY_NAMES):
        coded = {name: values[code.lower()] for name, code in table.items() if code.lower() in values}
        if len(set(coded.values())) * 2 > len(values):
            named |= coded
    return named


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


def _find(scene: Scene, slot: Slot, words: Sequence[str], name: str) -> Hit | None:
    """Where `words` are in the sentence."""
    stems, count = scene.sentence.stems, len(words)
    if not count:
        return None
    whole = name.lower()
    for at, token in enumerate(scene.sentence.tokens):
        if token.lower == whole and (len(name) > 1 or token.text == name) and token.lower not in STOPWORDS:
            return Hit(first=at, last=at + 1, worth=1.4, exact=True)
    for at in range(len(stems) - count + 1):
        if tuple(words) == stems[at : at + count]:
            exact = scene.sentence.tokens[at].text == name
            doubtful = count == 1 and ((len(name) == 1 and not exact) or scene.sentence.tokens[at].lower in STOPWORDS)
            return Hit(first=at, last=at + count, worth=0.5 if doubtful else 1.15 + 0.1 * count, exact=exact)
    if count == 1:
        return _similar(scene, words[0]) or _meaning(scene, slot, words[0])
    wanted = [word for word in words if word not in STOPWORDS]
    places = [stems.index(word) for word in wanted if word in scene.sentence.stem_set]
    if len(wanted) < count and scene.common.issuperset(wanted):
        return None  # my_variable is no variable that the sentence speaks of
    if wanted and len(places) == len(wanted) and max(places) - min(places) <= count + 2:
        return Hit(first=min(places), last=max(places) + 1, worth=0.9)
    return _in_part(scene, wanted, places)


def _similar(scene: Scene, word: str) -> Hit | None:
    """A word that means the same, begins the same or is a misspelling."""
    same = SYNONYMS.get(word)
    best: Hit | None = None
    for at, other in enumerate(scene.sentence.stems):
        if same and other in same:
            return Hit(first=at, last=at + 1, worth=1.25 if other in VERBS else 0.95, likeness=0.9)
        if len(word) >= 3 and len(other) >= 5 and other.startswith(word):
            return Hit(first=at, last=at + 1, worth=0.7, likeness=0.8)
        if len(word) >= 5 and len(other) >= 5 and other[:1] == word[:1] and best is None and other not in scene.common:
            likeness = SequenceMatcher(None, word, other).ratio()
            if likeness >= LIKE:
                best = Hit(first=at, last=at + 1, worth=0.6, likeness=likeness)
    return best


def _counted(scene: Scene, value: Any) -> Hit | None:
    """A number of a closed set as it is told elsewhere in a sentence: 2 people, two seats."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    for span in scene.sentence.spans:
        if span.kind is Kind.NUMBER and span.form in ("plain", "spelt") and span.value == value:
            return Hit(first=span.first, last=span.last, worth=0.45, likeness=0.85)
    return None


def _meaning(scene: Scene, slot: Slot, word: str) -> Hit | None:
    """A word that is used like it: cartoon for animation."""
    best, place = MEANS, -1
    for at, token in enumerate(scene.sentence.tokens):
        plain = (
            token.word and token.lower not in STOPWORDS and token.stem not in scene.common | scene.talked | slot.prose
        )
        if plain and at not in scene.sentence.valued and (near := similarity(word, token.stem)) > best:
            best, place = near, at
    return None if place < 0 else Hit(first=place, last=place + 1, worth=0.4, likeness=0.9 * best)


def _in_part(scene: Scene, wanted: Sequence[str], places: Sequence[int]) -> Hit | None:
    """Some of the words of a choice: an [animated] film for Animated Movie."""
    strong = [at for at in places if scene.sentence.stems[at] not in scene.common]
    if not strong:
        return None
    first = strong[0]
    return Hit(first=first, last=first + 1, worth=0.55, covered=len(strong) / len(wanted), likeness=0.9)


def _about(scene: Scene, slot: Slot, first: int, last: int) -> tuple[float, float, float]:
    """How near the slot's own words are to tokens `first` to `last`; whether those are at the noun or command; whether
    the slot is named after something that the sentence does not mention.
    """
    own = scene.own[slot]
    total = sum(own.values()) or 1.0
    stems = scene.sentence.stems
    near = 0.0
    for at in range(max(0, first - 4), min(len(stems), last + 4)):
        if stems[at] in own and not first <= at < last:
            distance = first - at if at < first else at - last + 1
            near += own[stems[at]] * (1.0 - 0.2 * (distance - 1))
    strangers = [word for word in slot.words[:-1] if word not in scene.sentence.stem_set and word not in STOPWORDS]
    strange = bool(strangers) and len(slot.path) == 1 and slot.words[0] in strangers and not slot.required
    return near / total, _describes(scene, first, last), float(strange)


def _describes(scene: Scene, first: int, last: int) -> float:
    """More when the words stand beside the noun (active campaigns) or are the command itself (pause ...)."""
    nouns = set(noun_stems(scene.operation))
    beside = scene.sentence.stems[max(0, first - 2) : last + 2]
    if nouns & set(beside):
        return 0.35
    commanded = first == 0 and scene.operation.method in METHODS[Intent.UPDATE]
    return 0.45 if commanded and scene.sentence.stems[first] in VERBS else 0.0


_NOT = frozenset(
    "not no without exclude excluding disable disabled don't doesn't never off skip avoid except non".split()
)
_AUXILIARY = frozenset(
    map(stem, "is has have include with enable flag should can be are use allow show only needs for".split())
)
_COMMANDS = """
running: start resume launch / stop halt pause
enabled active on live: enable activate start / disable deactivate stop suspend
paused suspended: pause suspend / resume unpause continue
disabled inactive: disable deactivate / enable activate
visible shown public: show publish unhide / hide unpublish
hidden private: hide / show unhide
locked frozen: lock freeze / unlock unfreeze
archived: archive / unarchive restore
muted: mute silence / unmute
open: open reopen / close
closed: close / open reopen
"""
_MADE: dict[str, dict[str, bool]] = {}
"""Stem of a state -> stems of the commands after which it is so, or is not."""
for _line in _COMMANDS.strip().splitlines():
    _states, _, _verbs = _line.partition(": ")
    _yes, _, _no = _verbs.partition(" / ")
    for _state in map(stem, _states.split()):
        _MADE[_state] = {stem(word): word in _yes.split() for word in f"{_yes} {_no}".split()}
_SHOWN = re.compile(r"\binclud\w*\b.{0,60}\bfields?\b|\breturn\w*\b.{0,30}\bfields?\b", re.IGNORECASE)
_INCLUDES = frozenset(map(stem, "include including omit field fields".split()))
_BY_DEFAULT = re.compile(r"\bby default,?\s[^.]*", re.IGNORECASE)
_MEANS = 0.7
"""Words used this much alike (nlapi/tools/word_similarity.py) are taken for one another in the name of a flag."""


def flag(scene: Scene, slot: Slot) -> Iterator[Option]:
    """A yes and a no where the words of a yes/no slot, or some of its description, are in the sentence."""
    words = [word for word in slot.words if word not in _AUXILIARY and word not in STOPWORDS] or list(slot.words)
    if own_verbs(scene.operation).issuperset(words) and set(words) < set(slot.words):
        return  # get_or_create is no more than what the operation does
    weights = scene.own[slot]
    stems = scene.sentence.stems
    meant = {} if scene.sentence.stem_set.issuperset(words) else _meant(scene, words)
    places = [stems.index(word) for word in words if word in scene.sentence.stem_set]
    places += [at for at, _ in meant.values()]
    if slot.where == "query" and _SHOWN.search(slot.description) and _INCLUDES.isdisjoint(stems):
        return  # whether a field is shown is no condition on it
    commanded = _commanded(scene, words) if not places else None
    if commanded is not None:
        places = [commanded[0]]
    unset = _when_unset(slot)
    prose = [word for word in slot.prose - unset if word in scene.sentence.stem_set and word not in scene.common]
    named = 1.0
    if commanded is None and not places and prose:
        places = [min(stems.index(word) for word in prose)]
        named = 0.0
    elif commanded is None:
        found = sum(weights.get(word, 0.0) for word in words if word in scene.sentence.stem_set)
        found += sum(weights.get(word, 0.0) * near for word, (_, near) in meant.items())
        named = found / (sum(weights.get(word, 0.0) for word in words) or 1.0)
    said = sum(scene.told(word) for word in prose)
    if not places:
        return
    first, last = min(places), max(places) + 1
    spread = float(last - first)
    last = min(last, first + len(words) + 3)
    before = _reach(scene, first)
    said_so = scene.sentence.text[max(0, scene.sentence.tokens[first].start - 3) : scene.sentence.tokens[first].end]
    denied = any(word in _NOT or word.endswith(("n't", "n’t")) for word in before)
    denied = not commanded[1] if commanded is not None else denied
    denied = denied and not (said_so.lower().startswith("no ") and said_so.lower() in slot.description.lower())
    nay = any(word in ("no", "not", "non") or word.startswith(("exclud", "disabl")) for word in slot.words[:1])
    own = named > 0 and set(words) <= scene.common - set(slot.words)
    span = stretch(scene.sentence, Kind.FLAG, first, last)
    for yes in (True, False):
        evidence = (
            *NO_CHOICE,
            float(yes),
            float(yes is (nay or not denied)),
            float(denied),
            named,
            spread,
            said,
            float(own),
            float(nay),
            0.0,
        )
        value = _as_typed(slot, yes)
        yield Option(
            slot=slot,
            value=[value] if slot.many else value,
            start=span.start,
            end=span.end,
            span=span,
            shared=True,
            evidence=evidence,
        )


@lru_cache(maxsize=4096)
def _when_unset(slot: Slot) -> frozenset[str]:
    """The stems of what a description says is so by default: only running containers are shown."""
    return frozenset(
        stem(word) for found in _BY_DEFAULT.finditer(slot.description) for word in split_words(found.group())
    )


def _commanded(scene: Scene, words: Sequence[str]) -> tuple[int, bool] | None:
    """Where a command makes so what the flag of an update says, and whether it does: [stop] for `running` is a no."""
    if len(words) != 1 or words[0] not in _MADE or scene.operation.method not in METHODS[Intent.UPDATE]:
        return None
    start = opening_length(scene.sentence.text)
    at = next((at for at, token in enumerate(scene.sentence.tokens) if token.start >= start and token.word), 0)
    made = _MADE[words[0]].get(scene.sentence.stems[at])
    return None if made is None else (at, made)


def _reach(scene: Scene, first: int) -> list[str]:
    """The words before the one at `first` that may deny it: up to five, of the same clause."""
    tokens = scene.sentence.tokens
    at = first
    while at > 0 and first - at < _FAR and tokens[at - 1].text not in ",.;:?!()" and tokens[at - 1].lower not in _PARTS:
        at -= 1
    return [token.lower for token in tokens[at:first]]


_FAR = 5
_PARTS = frozenset("and but or".split())


def _meant(scene: Scene, words: Sequence[str]) -> Mapping[str, tuple[int, float]]:
    """Where a word is said in another way (children for kids, half of child-friendly), and how near that is."""
    found: dict[str, tuple[int, float]] = {}
    for word in words:
        if word in scene.sentence.stem_set:
            continue
        best = _MEANS
        for at, token in enumerate(scene.sentence.tokens):
            if not token.word or token.lower in STOPWORDS:
                continue
            halves = [stem(half) for half in token.lower.split("-")] if "-" in token.lower else [token.stem]
            near = max(similarity(word, half) for half in halves)
            if near > best:
                best, found[word] = near, (at, near)
    return found


def _as_typed(slot: Slot, yes: bool) -> Any:
    if type_of(slot.item) != "string":
        return yes
    return next((choice for choice in slot.choices if str(choice).lower() == str(yes).lower()), str(yes))
