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

SCALES: Mapping[str, Decimal] = {
    "micros": Decimal(1_000_000),
    "micro": Decimal(1_000_000),
    "cents": Decimal(100),
    "minor": Decimal(100),
    "mills": Decimal(1_000),
    "milliseconds": Decimal(1_000),
    "fraction": Decimal("0.01"),
    "basis_points": Decimal(100),
    "units": Decimal(1),
}
"""Unit on the wire, with the number of it in one unit that people use (a dollar, a second, a per cent)."""

KINDS: Mapping[str, type] = {"name": str, "description": str, "hide": bool, "effect": str, "unit": str}
PREFIX = "x-nlapi"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """The values of `x-nlapi`. `unit` is the unit on the wire, in lower case; "" where it is not stated."""

    name: str = ""
    description: str = ""
    hide: bool = False
    effect: str = ""
    unit: str = ""


NONE = Hints()


def hints(node: Any) -> Hints:
    """Return the Hints of a node of a description, of an operation's or parameter's `extensions`, or of a schema."""
    given = _given(node)
    if not given:
        return NONE
    right: dict[str, Any] = {
        key: value for key, value in given.items() if key in KINDS and isinstance(value, KINDS[key])
    }
    return Hints(**{**right, "unit": right.get("unit", "").lower()})


def _given(node: Any) -> dict[str, Any]:
    if not isinstance(node, dict):
        return {}
    # A plain scan of the keys: this runs for every schema, and nearly none has such a key.
    for key in node:
        if key[:7] == PREFIX:
            break
    else:
        return {}
    inner = node.get(PREFIX)
    given = dict(inner) if isinstance(inner, Mapping) else {}
    return given | {key[len(PREFIX) + 1 :]: value for key, value in node.items() if key.startswith(f"{PREFIX}-")}


def extensions(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys of a node that address nlapi."""
    return {key: value for key, value in node.items() if key == PREFIX or key.startswith(f"{PREFIX}-")}


def hidden(schema: Any, *, required: bool) -> bool:
    """Return whether planners must not see this property or parameter. A required one needs a default to be hidden."""
    return hints(schema).hide and (not required or "default" in schema)


def faults(node: Any, where: str) -> Iterator[Issue]:
    """Yield what is wrong with the hints of one node, as warnings."""
    given = _given(node)
    for key, value in given.items():
        if key not in KINDS:
            yield Issue.warning(where, f"{PREFIX} has no {key!r}", f"it has {', '.join(KINDS)}")
        elif not isinstance(value, KINDS[key]):
            wanted = "true or false" if KINDS[key] is bool else "a text"
            yield Issue.warning(where, f"{PREFIX}.{key} is {value!r}, not {wanted}; it is not heeded"[:200])
    if isinstance(node, Mapping) and PREFIX in node and not isinstance(node[PREFIX], Mapping):
        yield Issue.warning(where, f"{PREFIX} is no map; it is not heeded")
    # An unknown unit must not stop a call: the amount is then sent unchanged.
    unit = given.get("unit")
    if isinstance(unit, str) and unit.lower() not in SCALES:
        message = f"{PREFIX}.unit {unit!r} is not known: amounts are sent as they are"
        yield Issue.warning(where, message, f"known are {', '.join(SCALES)}")


def cannot_hide(where: str) -> Issue:
    """Return the Issue of a hidden element that is required and has no default value."""
    # Hiding it would make every call invalid, so the hint is ignored.
    message = "hidden, but required and without a default: it is shown all the same"
    return Issue.warning(where, message, "give its schema a `default`")
