"""Rates how well the things of a list answer to a name that a sentence calls one of them by."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from nlapi.resources.fields import Thing, field_at
from nlapi.resources.identity import name_of
from nlapi.resources.naming import STOPWORDS, name_key, pieces, singular, stem

_CODES = frozenset(
    "id name title label displayname fullname subject login username email key code slug handle symbol abbreviation "
    "shortname identifier sku".split()
)
"""What the fields are called whose text in full means the thing."""

_DEEPEST = 4
BUT_FOR_A_DOT = 0.99
"""How well a name answers that only has a final dot more: no other is as near, and the same in full is nearer."""

_CODE = re.compile(r"\S[\d@_/:]|\w\.\w")
"""What is written as programs write it, which nobody misspells by a letter and means another."""

_SURE = 0.6
_APART = 0.12

Rated = tuple[float, Any, str]
"""How well a thing answers to what was asked for, its id and its name."""


def alike(asked: str, name: str) -> float:
    """Return how well a name answers to what was asked for, from 0 to 1; `summer` answers to Summer Sale at 0.8."""
    if asked.lower().strip() == name.lower().strip():
        return 1.0
    if asked.lower().strip() == name.lower().strip().removesuffix("."):
        return BUT_FOR_A_DOT
    wanted = {stem(word) for word in pieces(asked) if word not in STOPWORDS} or {stem(word) for word in pieces(asked)}
    have = {stem(word) for word in pieces(name)}
    if wanted and wanted <= have:
        return 0.75 + 0.2 * len(wanted) / len(have)
    if _CODE.search(asked):
        return 0.0  # web-2 is no web-1, and example.edu no example.net, much as they look alike
    shared = len(wanted & have) / len(wanted) if wanted else 0.0
    return max(0.6 * shared, 0.9 * SequenceMatcher(None, asked.lower(), name.lower()).ratio() - 0.1)


def answers_to(asked: str, thing: Thing) -> float:
    """Return how well a thing answers to what was asked for, by its name, or by a code (WEB) or an id in full."""
    wanted = asked.lower().strip()
    texts = (value for key, value in thing.items() if isinstance(value, str) and name_key(str(key)) in _CODES)
    return 1.0 if any(text.lower() == wanted for text in texts) else alike(asked, name_of(thing))


def pick(rated: Sequence[Rated]) -> list[Rated]:
    """Return what may be meant: one when it is clear, several when they are as good, none when none is near."""
    ranked = sorted(rated, key=lambda one: -one[0])
    best = ranked[0][0] if ranked else 0.0
    if best < _SURE:
        return []
    return [one for one in ranked if one[0] >= (best if best >= BUT_FOR_A_DOT else best - _APART)]


def field_inside(thing: Thing, field: str) -> Any:
    """Return a field of a thing; of `artist.id` the id of the artist somewhere in it, alone or the first of several."""
    if (value := field_at(thing, field)) is not None:
        return value
    entity, _, wanted = field.rpartition(".")
    if not entity:
        return None
    level: list[Any] = [thing]
    for _ in range(_DEEPEST):
        pairs = [(key, value) for one in level if isinstance(one, Mapping) for key, value in one.items()]
        for key, value in pairs:
            first = value[0] if isinstance(value, list) and value else value
            if isinstance(first, Mapping) and singular(key.lower()) == entity and first.get(wanted) is not None:
                return first[wanted]
        level = [one for _, value in pairs for one in (value if isinstance(value, list) else (value,))]
    return None
