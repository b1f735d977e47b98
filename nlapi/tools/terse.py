"""The compact form of a tool's schema for a model, without redundant keywords."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nlapi.openapi.spec import Spec
from nlapi.openapi.upgrade import IN_LISTS, IN_MAPS, IN_PLACE
from nlapi.resources.schemas import json_type
from nlapi.tools.tool import Tool

# An object is open and has no properties by default (JSON Schema 2020-12 Core §10.3.2).
OPEN: Mapping[str, Any] = {"additionalProperties": True, "properties": {}}


def terse(tool: Tool) -> dict[str, Any]:
    """Return the `input_schema` of a tool without keywords that add nothing for a model.

    It leaves out: the `type` beside choices, a description that the definition repeats, that a nested object is open,
    and that the tool takes no further arguments (`check` refuses them anyway). The form accepts the same values.
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
    """Return the cache of a Spec: the definitions that have been shortened, by identity, with their short forms."""
    return {}


def _definition(schema: Any, definitions: Mapping[str, Any], known: dict[int, tuple[Any, Any]]) -> Any:
    """Return a definition, shortened once for all tools that share it."""
    if id(schema) not in known:
        # The schema is stored with its short form, because the id of an object that was freed may be reused for
        # another.
        known[id(schema)] = schema, _shortened(schema, definitions)
    return known[id(schema)][1]


def _shortened(node: Any, definitions: Mapping[str, Any]) -> Any:
    """Return the schema shortened at all levels; parts that are short already are shared, not copied."""
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
    """Return one schema without its redundant keywords."""
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
    """Return whether every choice has one of these types, which makes `type` redundant."""
    allowed = {types} if isinstance(types, str) else set(types)
    return set(map(json_type, choices)) <= allowed
