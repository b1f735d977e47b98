"""The compact form of a tool's schema for a model, without redundant keywords."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nlapi.openapi.spec import Spec
from nlapi.openapi.upgrade import SCHEMA_LIST_KEYWORDS, SCHEMA_MAP_KEYWORDS, SCHEMA_KEYWORDS
from nlapi.resources.schemas import json_type
from nlapi.tools.tool import Tool

# An object is open and has no properties by default (JSON Schema 2020-12 Core §10.3.2).
OPEN_OBJECT: Mapping[str, Any] = {"additionalProperties": True, "properties": {}}


def compact(tool: Tool) -> dict[str, Any]:
    """Return the `input_schema` of a tool without keywords that add nothing for a model.

    It leaves out: the `type` beside choices, a description that the definition repeats, that a nested object is open,
    and that the tool takes no further arguments (`check` refuses them anyway). The form accepts the same values.
    """
    schema = tool.input_schema
    definitions = schema.get("$defs", {})
    cache = tool.operation.spec.derive(_compact_cache)
    result: dict[str, Any] = _compact_schema({key: part for key, part in schema.items() if key != "$defs"}, definitions)
    if result.get("additionalProperties") is False:
        result = {key: value for key, value in result.items() if key != "additionalProperties"}
    result = {**result, **{key: default for key, default in OPEN_OBJECT.items() if schema.get(key) == default}}
    if definitions:
        result["$defs"] = {name: _compact_definition(part, definitions, cache) for name, part in definitions.items()}
    return result


def _compact_cache(spec: Spec) -> dict[int, tuple[Any, Any]]:
    """Return the cache of a Spec: the definitions that have been shortened, by identity, with their short forms."""
    return {}


def _compact_definition(schema: Any, definitions: Mapping[str, Any], cache: dict[int, tuple[Any, Any]]) -> Any:
    """Return a definition, shortened once for all tools that share it."""
    if id(schema) not in cache:
        # The schema is stored with its short form, because the id of an object that was freed may be reused for
        # another.
        cache[id(schema)] = schema, _compact_schema(schema, definitions)
    return cache[id(schema)][1]


def _compact_schema(node: Any, definitions: Mapping[str, Any]) -> Any:
    """Return the schema shortened at all levels; parts that are short already are shared, not copied."""
    if not isinstance(node, dict):
        return node
    result = node
    for key, value in node.items():
        compacted = value
        if key in SCHEMA_KEYWORDS:
            compacted = _compact_schema(value, definitions)
        elif key in SCHEMA_MAP_KEYWORDS and isinstance(value, dict):
            entries = {name: _compact_schema(part, definitions) for name, part in value.items()}
            compacted = entries if any(entries[name] is not part for name, part in value.items()) else value
        elif key in SCHEMA_LIST_KEYWORDS:
            items = [_compact_schema(part, definitions) for part in value]
            compacted = items if any(after is not before for after, before in zip(items, value, strict=True)) else value
        if compacted is not value:
            result = {**result, key: compacted}
    return _drop_redundant(result, definitions)


def _drop_redundant(schema: dict[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Return one schema without its redundant keywords."""
    if schema.get("additionalProperties") is True or schema.get("properties") == {}:
        schema = {key: value for key, value in schema.items() if key not in OPEN_OBJECT or value != OPEN_OBJECT[key]}
    if "enum" in schema and "type" in schema and _is_implied(schema["enum"], schema["type"]):
        return {key: value for key, value in schema.items() if key != "type"}
    if "$ref" in schema and "description" in schema:
        target = definitions.get(schema["$ref"].rpartition("/")[2])
        if isinstance(target, dict) and target.get("description") == schema["description"]:
            return {key: value for key, value in schema.items() if key != "description"}
    return schema


def _is_implied(choices: list[Any], types: Any) -> bool:
    """Return whether every choice has one of these types, which makes `type` redundant."""
    allowed = {types} if isinstance(types, str) else set(types)
    return set(map(json_type, choices)) <= allowed
