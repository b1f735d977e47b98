"""Parses JSON that somebody outside of nlapi wrote: a user, a model, a client, a row of a file."""

from __future__ import annotations

import json
from typing import Any

_STRUCTURE = b'[]{}"'
_OTHER_BYTES = bytes(byte for byte in range(256) if byte not in _STRUCTURE)


def is_deeper(value: object, levels: int, content: bytes | None = None) -> bool:
    """Return whether a JSON value has more than `levels` levels. `content` is its text, by which most are settled."""
    if content is not None and _closes_within(content, levels):
        return False
    nodes = [value] if isinstance(value, dict | list) else []
    for _ in range(levels):
        if not nodes:
            break
        children = (child for node in nodes for child in (node.values() if isinstance(node, dict) else node))
        nodes = [child for child in children if isinstance(child, dict | list)]
    return bool(nodes)


def _closes_within(content: bytes, levels: int) -> bool:
    """Return whether all brackets of a JSON text close within some levels; False too where texts in it have brackets.

    A bracket in a text could close one of the structure: `["]", ["]", 1, "["], "["]` reads as six short lists.
    """
    if content.count(b"[") + content.count(b"{") <= levels:
        return True
    # In UTF-16 and UTF-32, a letter may have the byte of a bracket or a quote.
    if b"\0" in content:
        return False
    if b"\\" in content:
        content = content.replace(rb"\\", b"").replace(rb"\"", b"")
    # A tenth of the time of a walk over the value: each round removes one level, or two. Quotes with nothing between
    # them are a text without brackets; any other leaves a quote.
    brackets = content.translate(None, _OTHER_BYTES).replace(b'""', b"")
    for _ in range(levels // 2):
        inner = brackets
        brackets = brackets.replace(b"[]", b"").replace(b"{}", b"")
        if not brackets or len(brackets) == len(inner):
            break
    return not brackets


class RepeatedKeyError(ValueError):
    """An object with a key twice: readers take the first or the last of them (RFC 8259 §4)."""


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text. ValueError for any other, RepeatedKeyError where a key is there twice.

    NaN and Infinity are not JSON (RFC 8259 §6).
    """
    return json.loads(text, object_pairs_hook=single_keys, parse_constant=refuse_constant)


def single_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the pairs of one object as a dict. RepeatedKeyError for a key that is there twice."""
    value = dict(pairs)
    if len(value) != len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for index, name in enumerate(names) if name in names[:index])
        raise RepeatedKeyError(f"the key {repeated[:64]!r} is there twice")
    return value


def refuse_constant(name: str) -> Any:
    """Raise ValueError for NaN, Infinity or -Infinity."""
    raise ValueError(f"{name} is not a number of JSON")


def repeated_key(text: str | bytes) -> str:
    """Return a message about a key that is twice in an object of a JSON text; "" without one, and for other texts."""
    try:
        json.loads(text, object_pairs_hook=single_keys)
    except RepeatedKeyError as error:
        return str(error)
    except (ValueError, RecursionError):
        pass
    return ""
