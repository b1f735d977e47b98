"""Options for slots that are told yes or no, where words of their names or descriptions are in the sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from nlapi.changes.sentences import opening
from nlapi.planner.choices import NO_CHOICE, stretch
from nlapi.planner.commands import own_verbs
from nlapi.planner.option import Option
from nlapi.planner.slots.context import Scene
from nlapi.planner.language.english.text import Kind
from nlapi.planner.slots import Slot, type_of
from nlapi.resources.naming import METHODS, STOPWORDS, Intent, pieces, stem
from nlapi.tools.meaning import alike

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
"""Words used this much alike (nlapi/tools/meaning.py) are taken for one another in the name of a flag."""


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
    return frozenset(stem(word) for found in _BY_DEFAULT.finditer(slot.description) for word in pieces(found.group()))


def _commanded(scene: Scene, words: Sequence[str]) -> tuple[int, bool] | None:
    """Where a command makes so what the flag of an update says, and whether it does: [stop] for `running` is a no."""
    if len(words) != 1 or words[0] not in _MADE or scene.operation.method not in METHODS[Intent.UPDATE]:
        return None
    start = opening(scene.sentence.text)
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
            near = max(alike(word, half) for half in halves)
            if near > best:
                best, found[word] = near, (at, near)
    return found


def _as_typed(slot: Slot, yes: bool) -> Any:
    if type_of(slot.item) != "string":
        return yes
    return next((choice for choice in slot.choices if str(choice).lower() == str(yes).lower()), str(yes))
