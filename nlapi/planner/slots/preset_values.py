"""Values that a user sets by name (`--set limit=5`) in the types of their slots, and the defaults beside them."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from nlapi.english.command_verbs import CREATE_VERBS, UPDATE_VERBS
from nlapi.json_text import parse_json
from nlapi.planner.slots.entities import PendingLookup
from nlapi.planner.slots.slot import Family, Slot, slots_of
from nlapi.reading.numbers import NumberKind, find_numbers
from nlapi.resources.command_verbs import leading_verbs
from nlapi.resources.forms import schema_type
from nlapi.tools.quantities.units import to_wire
from nlapi.tools.sending.state_reads import item_reader
from nlapi.tools.tool import Missing, Tool

# Values by the path of their slot.
Values = dict[tuple[str, ...], Any]


def argument_name(slot: Slot) -> str:
    """Return the name of a slot for a user: `limit`, or `budget.amount` for a property of an argument."""
    return ".".join(slot.path)


def complete_values(
    values: Values, slots: Iterable[Slot], preset: Mapping[str, object]
) -> tuple[Values, tuple[Slot, ...]]:
    """Return `values` with `known` ones added, and those that are constant or have a default where one is required; and
    the required slots that are still empty.

    A property that its object requires is required as soon as the object has any value.
    """
    slots = tuple(slots)
    objects = _preset_objects(slots, preset)
    # No word of a sentence overrides a value that the user set.
    completed: Values = {path: value for path, value in values.items() if path[0] not in objects}
    completed |= {(name,): value for name, value in objects.items()}
    for slot in slots:
        if argument_name(slot) in preset and slot.path not in completed and _takes_properties(slot, completed):
            completed[slot.path] = coerce(preset[argument_name(slot)], slot)
    begun = set(completed)
    needed: set[tuple[str, ...]] = set()
    for variants in dict.fromkeys(entry for slot in slots for entry in slot.variants):
        if any(path[: len(variants.path)] == variants.path for path in begun):
            tag, names = variants.settle(completed, begun)
            completed, needed, begun = {**completed, **tag}, needed | names, begun | names
    missing = []
    for slot in slots:
        if slot.path in completed or slot.path[:1] in completed or _has_properties(slot, completed):
            continue
        is_needed = slot.required_by_object and is_begun(slot, slots, begun)
        if slot.required or is_needed or slot.path in needed:
            if slot.has_default:
                completed[slot.path] = slot.schema["default"]
            elif slot.is_constant:
                constant = {} if slot.is_empty else slot.schema.get("const", slot.choices[0] if slot.choices else None)
                completed[slot.path] = [constant] if slot.is_array else constant
            elif slot.is_nullable:
                completed[slot.path] = None
            else:
                missing.append(slot)
    return completed, tuple(missing)


def complete_arguments(
    tool: Tool, values: Values, slots: Iterable[Slot], preset: Mapping[str, object]
) -> tuple[Values, tuple[Slot, ...]]:
    """Return what `complete_values` does, with the preset properties of maps and deep objects, which have no slots."""
    slots = tuple(slots)
    names = {argument_name(slot) for slot in slots}
    properties: Values = {}
    for name, value in preset.items():
        if "." not in name or name in names:
            continue
        from nlapi.tools.arguments import find_argument

        if (nested := find_argument(tool, name)) is not None:
            properties[nested.path] = nested.coerce(value) if isinstance(value, str) else value
    holders = {path[:length] for path in properties for length in range(1, len(path))}
    others = {path: value for path, value in values.items() if path not in holders or isinstance(value, Mapping)}
    completed, missing = complete_values({**others, **properties}, slots, preset)
    if not keeps_rest(tool, others | properties):
        return completed, missing
    # The item's own fields are read before the change, and are kept.
    filled = {slot.path for slot in slots if slot.location == "body" and argument_name(slot) not in preset}
    stated = {path: value for path, value in completed.items() if path not in filled or path in values}
    return stated, tuple(slot for slot in missing if slot.location != "body")


def keeps_rest(tool: Tool, values: Values, slots: Iterable[Slot] | None = None) -> bool:
    """Return whether an update sets some fields of an item and requires others, so that it takes the whole item.

    One that has all that it requires is often a partial update, as those of Box are. A default or a null is of a new
    item: an update that requires such a field needs what the item has. To add a member by PUT updates none.
    """
    verbs = leading_verbs(tool.operation)
    if not CREATE_VERBS.isdisjoint(verbs) and UPDATE_VERBS.isdisjoint(verbs):
        return False
    if item_reader(tool) is None or all(tool.places.get(path[0], ("body",))[0] != "body" for path in values):
        return False
    slots = slots_of(tool) if slots is None else tuple(slots)
    fields = [slot for slot in slots if slot.location == "body"]
    completed, missing = complete_values(values, slots, {})
    unsaid = (slot for slot in fields if slot.path in completed and slot.path not in values)
    return any(slot.location == "body" for slot in missing) or any(
        slot.has_default or completed[slot.path] is None for slot in unsaid if not slot.is_constant
    )


def _preset_objects(slots: Iterable[Slot], preset: Mapping[str, object]) -> dict[str, object]:
    """Return the arguments with properties that the user set as a whole, by their names; a text is read as JSON."""
    objects = {}
    for name in dict.fromkeys(slot.path[0] for slot in slots if len(slot.path) > 1 and slot.path[0] in preset):
        value = preset[name]
        try:
            objects[name] = parse_json(value) if isinstance(value, str) else copy.deepcopy(value)
        except (ValueError, RecursionError):
            objects[name] = value
    return objects


def _takes_properties(slot: Slot, completed: Values) -> bool:
    """Return whether the argument of a slot is not set as a whole, or to an object."""
    return isinstance(completed.get(slot.path[:1], {}), dict)


def _has_properties(slot: Slot, completed: Values) -> bool:
    """Return whether a property inside a slot has a value."""
    return any(len(path) > len(slot.path) and path[: len(slot.path)] == slot.path for path in completed)


def is_begun(slot: Slot, slots: Sequence[Slot], begun: Collection[tuple[str, ...]]) -> bool:
    """Return whether the object of a slot has a value; the object of a slot without a parent is the body."""
    if len(slot.path) == 1:
        return slot.location == "body" and any(field.path in begun for field in slots if field.location == "body")
    inside = slot.path[:-1]
    return any(path[: len(inside)] == inside for path in begun)


def coerce(value: object, slot: Slot) -> object:
    """Return a value as a user typed it in the type of its slot; the schema check refuses what does not fit."""
    if slot.is_array and not isinstance(value, list):
        parts = [part.strip() for part in value.split(",")] if isinstance(value, str) else [value]
        return [_coerce_item(part, slot) for part in parts]
    return _coerce_item(value, slot)


def _coerce_item(value: object, slot: Slot) -> object:
    if not isinstance(value, str):
        return value
    if slot.family is Family.CHOICE:
        return next((choice for choice in slot.choices if str(choice).lower() == value.lower()), value)
    if slot.family is Family.BOOLEAN and schema_type(slot.schema) == "boolean":
        return {"true": True, "yes": True, "false": False, "no": False}.get(value.lower(), value)
    if slot.family is Family.NUMBER:
        numbers = find_numbers(value)
        if len(numbers) == 1:
            money = bool(slot.unit) and numbers[0].kind is NumberKind.MONEY
            return to_wire(numbers[0].value, slot.unit) if money else numbers[0].value
    # A property of any type takes JSON, as the command line has no other way to write an object or a number.
    if slot.family is Family.OPEN:
        try:
            return parse_json(value)
        except ValueError:
            return value
    return value


def missing_arguments(tool: Tool, slots: Iterable[Slot]) -> tuple[Missing, ...]:
    """Return a question to the user for each slot."""
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


def pending_lookup(value: object) -> PendingLookup | None:
    """Return the pending lookup that a value is, or that is in its list."""
    if isinstance(value, list):
        return next((item for item in value if isinstance(item, PendingLookup)), None)
    return value if isinstance(value, PendingLookup) else None
