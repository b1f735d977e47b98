"""Values that were given by name: `--set limit=5` becomes the argument that the schema wants."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nlapi.planner.language.numbers import Sort, find_numbers
from nlapi.planner.slots.entities import Wanted
from nlapi.planner.slots.slot import Family, Slot, type_of
from nlapi.tools.tool import Missing, Tool
from nlapi.tools.units import to_wire

Values = dict[tuple[str, ...], Any]
"""Path of a slot -> its value."""


def argument_name(slot: Slot) -> str:
    """How a user names a slot: `limit`, or `budget.amount` for what is inside an argument."""
    return ".".join(slot.path)


def complete(values: Values, slots: Iterable[Slot], known: Mapping[str, Any]) -> tuple[Values, tuple[Slot, ...]]:
    """`values` with what is known, constant or has a default added where needed; and the required slots still empty.

    What an object requires is required as soon as anything else in it is given.
    """
    whole, missing, slots = dict(values), [], tuple(slots)
    for slot in slots:
        if slot.path in whole or slot.path[:1] in whole:
            continue
        if argument_name(slot) in known:
            whole[slot.path] = coerce(known[argument_name(slot)], slot)
        elif slot.path[0] in known and len(slot.path) > 1:
            whole[slot.path[:1]] = known[slot.path[0]]
        elif slot.required or (slot.needed and _is_begun(slot, slots, values)):
            if slot.has_default:
                whole[slot.path] = slot.schema["default"]
            elif "const" in slot.schema or len(slot.choices) == 1:
                only = slot.schema.get("const", slot.choices[0] if slot.choices else None)
                whole[slot.path] = [only] if slot.many else only
            else:
                missing.append(slot)
    return whole, tuple(missing)


def _is_begun(slot: Slot, slots: Sequence[Slot], values: Values) -> bool:
    """Is something else given of the object that a slot is in; at its top, of the body?"""
    if len(slot.path) == 1:
        return slot.where == "body" and any(one.path in values for one in slots if one.where == "body")
    inside = slot.path[:-1]
    return any(path[: len(inside)] == inside for path in values)


def coerce(value: Any, slot: Slot) -> Any:
    """A value as a user typed it, in the type of its slot; what does not fit is left for the schema check to refuse."""
    if slot.many and not isinstance(value, list):
        parts = [part.strip() for part in value.split(",")] if isinstance(value, str) else [value]
        return [_one(part, slot) for part in parts]
    return _one(value, slot)


def _one(value: Any, slot: Slot) -> Any:
    if not isinstance(value, str):
        return value
    if slot.family is Family.CHOICE:
        return next((choice for choice in slot.choices if str(choice).lower() == value.lower()), value)
    if slot.family is Family.BOOLEAN and type_of(slot.schema) == "boolean":
        return {"true": True, "yes": True, "false": False, "no": False}.get(value.lower(), value)
    if slot.family is Family.NUMBER:
        found = find_numbers(value)
        if len(found) == 1:
            money = bool(slot.unit) and found[0].sort is Sort.MONEY
            return to_wire(found[0].value, slot.unit) if money else found[0].value
    if slot.family is Family.OPEN:
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def missing_of(tool: Tool, slots: Iterable[Slot]) -> tuple[Missing, ...]:
    """What to ask the user for, one Missing a slot."""
    return tuple(
        Missing(
            tool=tool,
            argument=argument_name(slot),
            description=slot.description or f"the {argument_name(slot).replace('_', ' ')}",
            choices=tuple(map(str, slot.choices)),
            schema=slot.schema,
        )
        for slot in slots
    )


def wanted_in(value: Any) -> Wanted | None:
    """The Wanted that a value is, or has in its list."""
    if isinstance(value, list):
        return next((one for one in value if isinstance(one, Wanted)), None)
    return value if isinstance(value, Wanted) else None
