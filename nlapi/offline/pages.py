"""The next page of a listing: whether an answer says that there is one, and the arguments that ask for it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from nlapi.client.message import Result
from nlapi.offline.given import coerce
from nlapi.offline.items import Item, id_of, total_in
from nlapi.offline.match import page_number, page_size
from nlapi.offline.slots import Family, Slot
from nlapi.resources.naming import pieces

MOST = 8
"""Pages that are read to find a thing by its name; with the calls around them they fit into one turn."""

_CURSORS = ("cursor", "after", "page token", "next token", "starting after", "start after", "continuation", "marker")
_OFFSETS = ("offset", "skip", "start", "start index", "first result")
_MORE = ("has more", "has next", "has next page", "more")
_NEXT_LINK = re.compile(r'<([^>]+)>\s*;[^,]*\brel="?next\b', re.IGNORECASE)


def next_page(
    slots: Sequence[Slot], arguments: Mapping[str, Any], result: Result, things: Sequence[Item]
) -> dict[str, Any] | None:
    """The arguments that ask for what comes after `things`; {} when there is more but no way to ask for it.

    None when the answer does not say that there is more.
    """
    if result.items is not None:
        return None  # a stream goes on, and has no pages
    plain = [slot for slot in slots if len(slot.path) == 1]
    link = _NEXT_LINK.search(result.header("link") or "")
    said = [link.group(1)] if link else [value for value in _said_next(result.data) if value]
    if not said and not _unfinished(plain, arguments, result.data, len(things)):
        return None
    changes = next((found for value in said if (found := _from_said(plain, arguments, value))), None)
    if changes is None:
        changes = _stepped(plain, arguments, things) if things else {}
    return {**arguments, **changes} if changes else {}


def _places(data: Any) -> Iterator[Mapping[str, Any]]:
    """An envelope, and the objects in it that may be about paging."""
    if isinstance(data, Mapping):
        yield data
        for value in data.values():
            if isinstance(value, Mapping):
                yield value
                yield from (inner for inner in value.values() if isinstance(inner, Mapping))


def _said_next(data: Any) -> Iterator[str]:
    """Cursors and addresses of the next page in an envelope."""
    for place in _places(data):
        for key, value in place.items():
            words = pieces(key)
            ahead = "next" in words or (words in (["after"], ["cursor"], ["continuation"], ["continuation", "token"]))
            if ahead and isinstance(value, (str, int)) and not isinstance(value, bool):
                yield str(value)
            elif ahead and isinstance(value, Mapping) and isinstance(value.get("href"), str):
                yield value["href"]


def _unfinished(slots: Sequence[Slot], arguments: Mapping[str, Any], data: Any, count: int) -> bool:
    if any(value is True for place in _places(data) for key, value in place.items() if " ".join(pieces(key)) in _MORE):
        return True
    total = total_in(data)
    if total is not None:
        return total > _before(slots, arguments, count) + count
    full = next((_number(slot, arguments) for slot in slots if page_size(slot)), None)
    return count > 0 and full is not None and count >= full


def _before(slots: Sequence[Slot], arguments: Mapping[str, Any], count: int) -> int:
    """How many things were on the pages before this one."""
    for slot in slots:
        if _called(slot, _OFFSETS):
            return _number(slot, arguments) or 0
        if page_number(slot):
            size = next((_number(one, arguments) for one in slots if page_size(one)), None) or count
            return max(0, _current(slot, arguments) - _first(slot)) * size
    return 0


def _from_said(slots: Sequence[Slot], arguments: Mapping[str, Any], said: str) -> dict[str, Any]:
    """The arguments that the address of the next page has, or a cursor in its place."""
    query = dict(parse_qsl(urlsplit(said).query))
    if query:
        found = {slot.name: coerce(query[slot.name], slot) for slot in slots if slot.name in query}
        return {name: value for name, value in found.items() if arguments.get(name) != value}
    if "/" in said:
        return {}
    cursor = next((slot for slot in slots if _called(slot, _CURSORS)), None)
    if cursor is not None:
        return {cursor.name: coerce(said, cursor)}
    number = next((slot for slot in slots if page_number(slot)), None)
    return {number.name: int(said)} if number is not None and said.isdigit() else {}


def _stepped(slots: Sequence[Slot], arguments: Mapping[str, Any], things: Sequence[Item]) -> dict[str, Any]:
    """One page on, by number, by offset or after the last thing; else as much as can be had at once."""
    for slot in slots:
        if page_number(slot):
            return {slot.name: _current(slot, arguments) + 1}
        if _called(slot, _OFFSETS) and slot.family is Family.NUMBER:
            return {slot.name: (_number(slot, arguments) or 0) + len(things)}
    for slot in slots:
        last = id_of(things[-1])
        if _called(slot, ("starting after", "start after", "after")) and last is not None:
            return {slot.name: coerce(str(last), slot)}
    size = next((slot for slot in slots if page_size(slot)), None)
    most = size.schema.get("maximum") if size is not None else None
    if size is not None and isinstance(most, int) and most > len(things) and arguments.get(size.name) != most:
        return {size.name: most}
    return {}


def _called(slot: Slot, names: Sequence[str]) -> bool:
    words = pieces(slot.name)
    return slot.where == "query" and any(words[-len(name.split()) :] == name.split() for name in names)


def _number(slot: Slot, arguments: Mapping[str, Any]) -> int | None:
    value = arguments.get(slot.name, slot.schema.get("default"))
    return value if isinstance(value, int) else None


def _first(slot: Slot) -> int:
    return 0 if slot.schema.get("minimum", slot.schema.get("default")) == 0 else 1


def _current(slot: Slot, arguments: Mapping[str, Any]) -> int:
    found = _number(slot, arguments)
    return _first(slot) if found is None else found


def is_cursor(slot: Slot) -> bool:
    """Does a slot say where a page begins?"""
    return _called(slot, _CURSORS) or _called(slot, _OFFSETS)
