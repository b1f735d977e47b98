"""Where the list of things is in an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_ABOUT = frozenset(
    "cursors error facets filters info links meta metadata pagination page paging query response_metadata stats"
    " summary totals _links".split()
)
"""Names of objects that tell of a list beside them."""

TEXTS = 3
"""Texts of its own that make an object a thing, when all that is listed in it are plain values."""


def is_envelope(data: Mapping[str, Any], listed: list[Any]) -> bool:
    """Is `data` there for the list in it? An empty list beside an object of another kind is only a part of a thing, and
    so are a few words beside several texts."""
    if listed and not any(isinstance(one, Mapping) for one in listed) and len(_texts(data)) >= TEXTS:
        return False
    return bool(listed) or not any(isinstance(value, Mapping) and name not in _ABOUT for name, value in data.items())


def _texts(data: Mapping[str, Any]) -> list[str]:
    """The texts in an object that lead to no other page."""
    values = (value for name, value in data.items() if name not in _ABOUT)
    return [one for one in values if isinstance(one, str) and not one.startswith(("http", "/"))]


def rows_of(data: Any) -> list[Any] | None:
    """The list in an answer: the answer itself, or the one list of its envelope; None when there is none.

    An envelope is an object whose other values are about the list (paging, totals): of several lists the longest list
    of objects counts, and an object with a name or an id of its own is a thing, not an envelope.
    """
    if isinstance(data, list):
        return data
    if not isinstance(data, Mapping) or "id" in data or "name" in data:
        return None
    lists = [value for value in data.values() if isinstance(value, list)]
    if len(lists) == 1:
        return lists[0] if is_envelope(data, lists[0]) else None
    objects = [one for one in lists if one and all(isinstance(item, Mapping) for item in one)]
    if objects:
        return max(objects, key=len)
    inner = [rows_of(value) for value in data.values() if isinstance(value, Mapping)]
    found = [rows for rows in inner if rows is not None]
    return found[0] if len(found) == 1 and not lists else None
