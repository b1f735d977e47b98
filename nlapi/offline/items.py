"""Reads answers: the list in an envelope, the name and the id of a thing, the thing that a name means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from nlapi.resources.naming import STOPWORDS, pieces, singular, stem
from nlapi.tools.rows import is_envelope

Item = Mapping[str, Any]
_LISTS = ("data", "items", "results", "records", "values", "content", "entries")
_NAMES = (
    "name",
    "title",
    "label",
    "display_name",
    "displayName",
    "full_name",
    "fullName",
    "subject",
    "login",
    "username",
    "email",
)
_CODES = (*_NAMES, "key", "code", "slug", "handle", "symbol", "abbreviation", "short_name", "identifier", "sku")
_TOTALS = ("total", "total_count", "totalCount", "total_results", "count", "totalResults", "totalElements")
_DEEPEST = 4
BUT_FOR_A_DOT = 0.99
"""How well a name answers that only has a final dot more: no other is as near, and the same in full is nearer."""

_SURE = 0.6
_APART = 0.12


def items_in(data: Any) -> list[Item] | None:
    """The things that an answer lists, at its top or in an envelope; None when it lists none, or is a thing itself."""
    if isinstance(data, list):
        return (
            [_bare(one) for one in data if isinstance(one, Mapping)]
            if all(isinstance(one, Mapping) for one in data)
            else None
        )
    if not isinstance(data, Mapping) or "id" in data or "name" in data:
        return None
    lists = {key: value for key, value in data.items() if _list_of_things(value)}
    for key in _LISTS:
        if key in lists:
            return items_in(lists[key])
    if len(lists) == 1:
        (only,) = lists.values()
        return items_in(only) if is_envelope(data, only) else None
    inner = data.get("data")
    if isinstance(inner, Mapping) and not lists:
        return items_in(inner)
    return None


def _list_of_things(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, Mapping) for one in value)


def _bare(item: Item) -> Item:
    """{"campaign": {...}} is the campaign."""
    if len(item) == 1:
        only = next(iter(item.values()))
        if isinstance(only, Mapping):
            return only
    return item


def total_in(data: Any) -> int | None:
    """How many there are in all, where the envelope says so."""
    if not isinstance(data, Mapping):
        return None
    for place in (data, *(value for value in data.values() if isinstance(value, Mapping))):
        for key in _TOTALS:
            value = place.get(key)
            if isinstance(value, int) and not isinstance(value, bool):
                return value
    return None


def name_of(item: Item) -> str:
    """What a thing is called; "" when it has no name."""
    for key in _NAMES:
        if isinstance(item.get(key), str) and item[key]:
            return str(item[key])
    return next(
        (value for key, value in item.items() if key.endswith(("_name", "Name")) and isinstance(value, str)), ""
    )


def id_of(item: Item, argument: str = "", entity: Sequence[str] = ()) -> Any:
    """The id of a thing, for an argument called `argument` that takes the id of `entity`; None when it has none."""
    one = "_".join(entity)
    keys = ("id", argument, argument.removesuffix("s"), f"{one}_id", f"{one}Id", "uuid", "key", "slug", "number", "uid")
    for key in keys:
        if isinstance(item.get(key), (str, int)) and not isinstance(item[key], bool):
            return item[key]
    ids = [value for key, value in item.items() if key.lower().endswith("id") and isinstance(value, (str, int))]
    return ids[0] if len(ids) == 1 else None


def inside(item: Item, field: str) -> Any:
    """A field of a thing; of `artist.id` the id of the artist somewhere in it, alone or the first of several."""
    if field in item:
        return item[field]
    entity, _, wanted = field.rpartition(".")
    if not entity:
        return None
    level: list[Any] = [item]
    for _ in range(_DEEPEST):
        pairs = [(key, value) for one in level if isinstance(one, Mapping) for key, value in one.items()]
        for key, value in pairs:
            first = value[0] if isinstance(value, list) and value else value
            if isinstance(first, Mapping) and singular(key.lower()) == entity and first.get(wanted) is not None:
                return first[wanted]
        level = [one for _, value in pairs for one in (value if isinstance(value, list) else (value,))]
    return None


def alike(asked: str, name: str) -> float:
    """How well a name answers to what was asked for, from 0 to 1; `summer` answers to Summer Sale at 0.8."""
    if asked.lower().strip() == name.lower().strip():
        return 1.0
    if asked.lower().strip() == name.lower().strip().removesuffix("."):
        return BUT_FOR_A_DOT
    wanted = {stem(word) for word in pieces(asked) if word not in STOPWORDS} or {stem(word) for word in pieces(asked)}
    have = {stem(word) for word in pieces(name)}
    if wanted and wanted <= have:
        return 0.75 + 0.2 * len(wanted) / len(have)
    shared = len(wanted & have) / len(wanted) if wanted else 0.0
    return max(0.6 * shared, 0.9 * SequenceMatcher(None, asked.lower(), name.lower()).ratio() - 0.1)


def answers_to(asked: str, item: Item) -> float:
    """How well a thing answers to what was asked for, by its name, or by a code (WEB) or an id in full."""
    wanted = asked.lower().strip()
    if any(isinstance(item.get(key), str) and item[key].lower() == wanted for key in ("id", *_CODES)):
        return 1.0
    return alike(asked, name_of(item))


Rated = tuple[float, Any, str]
"""How well a thing answers to what was asked for, its id and its name."""


def pick(rated: Sequence[Rated]) -> list[Rated]:
    """What may be meant: one when it is clear, several when they are as good, none when none is near."""
    ranked = sorted(rated, key=lambda one: -one[0])
    best = ranked[0][0] if ranked else 0.0
    if best < _SURE:
        return []
    return [one for one in ranked if one[0] >= (best if best >= BUT_FOR_A_DOT else best - _APART)]
