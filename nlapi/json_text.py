"""Parses JSON that somebody outside of nlapi wrote: a user, a model, a client, a row of a file."""

from __future__ import annotations

import json
from typing import Any


class RepeatedKeyError(ValueError):
    """An object with a key twice: readers take the first or the last of them (RFC 8259 §4)."""


def parse_json(text: str | bytes) -> Any:
    """Return the value of a JSON text. ValueError where it is none, RepeatedKeyError where a key is there twice.

    NaN and Infinity are no JSON (RFC 8259 §6).
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
    raise ValueError(f"{name} is no number of JSON")


def repeated_key(text: str | bytes) -> str:
    """Return what is said of a key that is twice in an object of a JSON text; "" for none, and for what is no JSON."""
    try:
        json.loads(text, object_pairs_hook=single_keys)
    except RepeatedKeyError as error:
        return str(error)
    except (ValueError, RecursionError):
        pass
    return ""
