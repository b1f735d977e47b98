"""A tool's schema as a model is sent it: without the keywords that say again what others say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nlapi.openapi.spec import Spec
from nlapi.openapi.upgrade import IN_LISTS, IN_MAPS, IN_PLACE
from nlapi.resources.schemas import json_type
from nlapi.tools.tool import Tool

OPEN: Mapping[str, Any] = {"additionalProperties": True, "properties": {}}
"""What every object is that says nothing else."""


def terse(tool: Tool) -> dict[str, Any]:
    """The `input_schema` of a tool without what says nothing more to a model.

    That is: the `type` of choices, a description that stands in the definition as well, that an object inside is open,
    and that the tool takes no further arguments (`check` refuses them anyway). What a value may be stays the same.
    """
    schema = tool.input_schema
    definitions = schema.get("$defs", {})
    known = tool.operation.spec.derive(_known_definitions)
    shown: dict[str, Any] = _shortened({key: one for key, one in schema.items() if key != "$defs"}, definitions)
    if shown.get("additionalProperties") is False:
        shown = {key: value for key, value in shown.items() if key != "additionalProperties"}
    shown = {**shown, **{key: nothing for key, nothing in OPEN.items() if schema.get(key) == nothing}}
    if definitions:
        shown["$defs"] = {name: _definition(one, definitions, known) for name, one in definitions.items()}
    return shown


def _known_definitions(spec: Spec) -> dict[int, tuple[Any, Any]]:
    """The definitions of a Spec that have been shortened, with the long ones by their identity."""
    return {}


def _definition(schema: Any, definitions: Mapping[str, Any], known: dict[int, tuple[Any, Any]]) -> Any:
    """A definition, shortened once for all the tools that share it. It is kept beside, so that its id stays its own."""
    if id(schema) not in known:
        known[id(schema)] = schema, _shortened(schema, definitions)
    return known[id(schema)][1]


def _shortened(node: Any, definitions: Mapping[str, Any]) -> Any:
    """The schema, shortened all the way down; what is short already is shared, not copied."""
    if not isinstance(node, dict):
        return node
    result = node
    for key, value in node.items():
        short = value
        if key in IN_PLACE:
            short = _shortened(value, definitions)
        elif key in IN_MAPS and isinstance(value, dict):
            every = {name: _shortened(one, definitions) for name, one in value.items()}
            short = every if any(every[name] is not one for name, one in value.items()) else value
        elif key in IN_LISTS:
            listed = [_shortened(one, definitions) for one in value]
            short = listed if any(new is not old for new, old in zip(listed, value, strict=True)) else value
        if short is not value:
            result = {**result, key: short}
    return _without(result, definitions)


def _without(schema: dict[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """One schema without the keywords that say nothing more."""
    if schema.get("additionalProperties") is True or schema.get("properties") == {}:
        schema = {key: value for key, value in schema.items() if key not in OPEN or value != OPEN[key]}
    if "enum" in schema and "type" in schema and _implied(schema["enum"], schema["type"]):
        return {key: value for key, value in schema.items() if key != "type"}
    if "$ref" in schema and "description" in schema:
        target = definitions.get(schema["$ref"].rpartition("/")[2])
        if isinstance(target, dict) and target.get("description") == schema["description"]:
            return {key: value for key, value in schema.items() if key != "description"}
    return schema


def _implied(choices: list[Any], types: Any) -> bool:
    """Has every choice one of these types, so that the types need not be said?"""
    allowed = {types} if isinstance(types, str) else set(types)
    return set(map(json_type, choices)) <= allowed
