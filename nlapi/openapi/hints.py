"""Reads `x-nlapi`, the extension that addresses nlapi alone, on an operation, a parameter or a schema.

Example: `x-nlapi: {name: pause, description: Pauses a campaign., hide: false, effect: write, unit: micros}`.

`x-nlapi-hide: true` is the same as `x-nlapi: {hide: true}`, and so on. An overlay adds them to a description that
somebody else wrote.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from nlapi.issue import Issue

UNIT_SIZES: Mapping[str, Mapping[str, str]] = {
    "money": {
        "micros": "0.000001",
        "micro": "0.000001",
        "mills": "0.001",
        "cents": "0.01",
        "minor": "0.01",
        "units": "1",
    },
    "time": {
        "nanoseconds": "0.000000001",
        "microseconds": "0.000001",
        "milliseconds": "0.001",
        "seconds": "1",
        "minutes": "60",
        "hours": "3600",
        "days": "86400",
        "weeks": "604800",
    },
    "data": {
        "bytes": "1",
        "KB": "1000",
        "MB": "1000000",
        "GB": "1000000000",
        "TB": "1000000000000",
        "KiB": "1024",
        "MiB": "1048576",
        "GiB": "1073741824",
        "TiB": "1099511627776",
    },
    "share": {"percent": "1", "fraction": "100", "basis_points": "0.01"},
}
"""The units on the wire by dimension, each with its size in the base: a unit of the currency, a second, a byte, a per
cent."""

SCALES: Mapping[str, Decimal] = {
    name: 1 / Decimal(size)
    for dimension, sizes in UNIT_SIZES.items()
    for name, size in sizes.items()
    if dimension == "money" or name in ("milliseconds", "fraction", "basis_points")
}
"""Unit of a converted amount, with the number of it in one unit that people use (a dollar, a second, a per cent)."""

HINT_TYPES: Mapping[str, type] = {
    "name": str,
    "description": str,
    "hide": bool,
    "credential": bool,
    "effect": str,
    "unit": str,
    "names": str,
    "verbs": str,
}
EXTENSION_PREFIX = "x-nlapi"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """The values of `x-nlapi`. `unit` is the unit on the wire, in lower case; "" where it is not stated.

    `names` are the places of the names that a value has to be one of, divided by spaces, each the id of a read without
    arguments and a JSON Pointer into its answer in which `*` is every entry: `getConfiguration#/models/*/name`.
    `credential` says whether it is one of the user, which is stored and no argument. `verbs` are further words,
    divided by spaces, with which people command an operation: `abort kill`.
    """

    name: str = ""
    description: str = ""
    hide: bool = False
    credential: bool | None = None
    effect: str = ""
    unit: str = ""
    names: str = ""
    verbs: str = ""


NO_HINTS = Hints()


def read_hints(node: Any) -> Hints:
    """Return the Hints of a node of a description, of an operation's or parameter's `extensions`, or of a schema."""
    raw = _raw_hints(node)
    if not raw:
        return NO_HINTS
    valid: dict[str, Any] = {
        key: value for key, value in raw.items() if key in HINT_TYPES and isinstance(value, HINT_TYPES[key])
    }
    return Hints(**{**valid, "unit": valid.get("unit", "").lower()})


def stated_verbs(extensions: Mapping[str, object]) -> tuple[str, ...]:
    """Return the words with which people command an operation, by its `extensions`, beside those of its name."""
    return tuple(read_hints(extensions).verbs.lower().split()) if extensions else ()


def _raw_hints(node: object) -> dict[str, object]:
    if not isinstance(node, dict):
        return {}
    # A plain scan of the keys: this runs for every schema, and nearly none has such a key.
    for key in node:
        if key[:7] == EXTENSION_PREFIX:
            break
    else:
        return {}
    inner = node.get(EXTENSION_PREFIX)
    values = dict(inner) if isinstance(inner, Mapping) else {}
    return values | {
        key[len(EXTENSION_PREFIX) + 1 :]: value for key, value in node.items() if key.startswith(f"{EXTENSION_PREFIX}-")
    }


def extension_fields(node: Mapping[str, object]) -> dict[str, object]:
    """Return the keys of a node that address nlapi."""
    return {
        key: value for key, value in node.items() if key == EXTENSION_PREFIX or key.startswith(f"{EXTENSION_PREFIX}-")
    }


def is_hidden(schema: Any, *, required: bool) -> bool:
    """Return whether planners must not see this property or parameter. A required one needs a default to be hidden."""
    return read_hints(schema).hide and (not required or "default" in schema)


def hint_issues(node: object, location: str) -> Iterator[Issue]:
    """Yield what is wrong with the hints of one node, as warnings."""
    raw = _raw_hints(node)
    for key, value in raw.items():
        if key not in HINT_TYPES:
            yield Issue.warning(location, f"{EXTENSION_PREFIX} has no {key!r}", f"it has {', '.join(HINT_TYPES)}")
        elif not isinstance(value, HINT_TYPES[key]):
            expected = "true or false" if HINT_TYPES[key] is bool else "a text"
            yield Issue.warning(
                location, f"{EXTENSION_PREFIX}.{key} is {value!r}, not {expected}; it is not heeded"[:200]
            )
    if isinstance(node, Mapping) and EXTENSION_PREFIX in node and not isinstance(node[EXTENSION_PREFIX], Mapping):
        yield Issue.warning(location, f"{EXTENSION_PREFIX} is no map; it is not heeded")
    # An unknown unit must not stop a call: the amount is then sent unchanged.
    unit = raw.get("unit")
    known = [name for sizes in UNIT_SIZES.values() for name in sizes]
    if isinstance(unit, str) and unit.lower() not in map(str.lower, known):
        message = f"{EXTENSION_PREFIX}.unit {unit!r} is not known: amounts are sent as they are"
        yield Issue.warning(location, message, f"known are {', '.join(known)}")


def unhideable_issue(location: str) -> Issue:
    """Return the Issue of a hidden element that is required and has no default value."""
    # Hiding it would make every call invalid, so the hint is ignored.
    message = "hidden, but required and without a default: it is shown all the same"
    return Issue.warning(location, message, "give its schema a `default`")
