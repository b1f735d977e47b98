"""`x-nlapi`: what a description says to nlapi alone, on an operation, a parameter or a schema.

    x-nlapi: {name: pause, description: Pauses a campaign., hide: false, effect: write, unit: micros}

`x-nlapi-hide: true` is the same as `x-nlapi: {hide: true}`, and so on. An overlay adds them to what others wrote.
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
"""Unit on the wire -> how many of it make one of what people say (a dollar, a second, a per cent)."""

KINDS: Mapping[str, type] = {"name": str, "description": str, "hide": bool, "effect": str, "unit": str}
PREFIX = "x-nlapi"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hints:
    """What `x-nlapi` says. `unit` is that of the wire, in lower case; "" where nothing is said."""

    name: str = ""
    description: str = ""
    hide: bool = False
    effect: str = ""
    unit: str = ""


NONE = Hints()


def hints(node: Any) -> Hints:
    """The Hints of a node of a description, of an Operation's or a Parameter's `extensions`, or of a schema."""
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
    for key in node:
        if key[:7] == PREFIX:
            break
    else:
        return {}
    inner = node.get(PREFIX)
    given = dict(inner) if isinstance(inner, Mapping) else {}
    return given | {key[len(PREFIX) + 1 :]: value for key, value in node.items() if key.startswith(f"{PREFIX}-")}


def extensions(node: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a node that speak to nlapi."""
    return {key: value for key, value in node.items() if key == PREFIX or key.startswith(f"{PREFIX}-")}


def hidden(schema: Any, *, required: bool) -> bool:
    """Is this property or parameter one that no planner sees? A required one only if it has a default to be sent."""
    return hints(schema).hide and (not required or "default" in schema)


def faults(node: Any, where: str) -> Iterator[Issue]:
    """What is wrong with the hints of one node."""
    given = _given(node)
    for key, value in given.items():
        if key not in KINDS:
            yield Issue.warning(where, f"{PREFIX} has no {key!r}", f"it has {', '.join(KINDS)}")
        elif not isinstance(value, KINDS[key]):
            wanted = "true or false" if KINDS[key] is bool else "a text"
            yield Issue.warning(where, f"{PREFIX}.{key} is {value!r}, not {wanted}; it is not heeded"[:200])
    if isinstance(node, Mapping) and PREFIX in node and not isinstance(node[PREFIX], Mapping):
        yield Issue.warning(where, f"{PREFIX} is no map; it is not heeded")
    unit = given.get("unit")
    if isinstance(unit, str) and unit.lower() not in SCALES:
        message = f"{PREFIX}.unit {unit!r} is not known: amounts are sent as they are"
        yield Issue.warning(where, message, f"known are {', '.join(SCALES)}")


def cannot_hide(where: str) -> Issue:
    """The Issue of a hidden thing that has to be sent, with no value to send."""
    message = "hidden, but required and without a default: it is shown all the same"
    return Issue.warning(where, message, "give its schema a `default`")
