"""Yes or no: whether a thing is what a question asks about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nlapi.offline.entities import collection_of
from nlapi.offline.fields import flat, label, schema_at, shown, spaced, stems_of
from nlapi.offline.items import Item, id_of, name_of
from nlapi.offline.tables import SYNONYMS
from nlapi.offline.wish import Wish
from nlapi.openapi.spec import Operation
from nlapi.resources.naming import pieces, stem


def checked(wish: Wish, operation: Operation, thing: Item) -> str:
    """`Yes: ...` or `No: ...` by the field that the question is about; "" when none of the thing's fields tells."""
    asked = wish.words - set(map(stem, pieces(name_of(thing)))) - set(collection_of(operation))
    fields = {key: value for key, value in flat(thing).items() if value not in (name_of(thing), id_of(thing))}
    for key, value in fields.items():
        if isinstance(value, bool) and stems_of(key) & asked:
            return _said(value, operation, thing, key, value)
    for key, value in fields.items():
        if isinstance(value, str) and _means(value, asked):
            return _said(True, operation, thing, key, value)
    for key, value in fields.items():
        if isinstance(value, str) and any(_means(other, asked) for other in _others(operation, key, value)):
            return _said(False, operation, thing, key, value)
    for key, value in fields.items():
        if stems_of(key) <= asked:
            there = value not in (None, "", [], {}, 0, False)
            return _said(there, operation, thing, key, value)
    return ""


def _means(value: str, asked: frozenset[str]) -> bool:
    """Does the question say the value, or a word that means it?"""
    words = set(map(stem, pieces(value)))
    return 0 < len(words) <= 3 and all(asked & SYNONYMS.get(word, frozenset((word,))) for word in words)


def _others(operation: Operation, key: str, value: str) -> Iterator[str]:
    """What else the field might have been, by its schema."""
    schema = schema_at(operation, key)
    listed: Any = schema.get("enum") if isinstance(schema, Mapping) else None
    yield from (one for one in listed or () if isinstance(one, str) and one != value)


def _said(yes: bool, operation: Operation, thing: Item, key: str, value: Any) -> str:
    name = label(operation, thing)
    if value in (None, "", [], {}):
        return f"No: {name[0].lower()}{name[1:]} has no {spaced(key)}."
    what = f"{len(value)} of them" if isinstance(value, list) else shown(operation, key, value, thing)
    return f"{'Yes' if yes else 'No'}: {name[0].lower()}{name[1:]} has {spaced(key)} {what}."
