"""Where the list of things is in an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


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
        return lists[0]
    objects = [one for one in lists if one and all(isinstance(item, Mapping) for item in one)]
    if objects:
        return max(objects, key=len)
    inner = [rows_of(value) for value in data.values() if isinstance(value, Mapping)]
    found = [rows for rows in inner if rows is not None]
    return found[0] if len(found) == 1 and not lists else None
