"""The conversion of text that a person typed into the type that a schema asks for."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from nlapi.openapi.parts import as_map
from nlapi.resources.schemas import json_type
from nlapi.tools.tool import Tool

# Types are tried from the strictest to the loosest: as an array any text can be read, so it comes last.
TYPE_ORDER = ("boolean", "integer", "number", "object", "array")

# Steps of `$ref`s, and of unions inside unions, that are followed to find a type; a schema may refer to itself.
MAX_TYPE_DEPTH = 8

TRUE_TEXTS, FALSE_TEXTS = frozenset(("true", "yes", "on", "1")), frozenset(("false", "no", "off", "0"))


def coerce(text: str, schema: Mapping[str, Any], definitions: Mapping[str, Any] | None = None) -> Any:
    """Return `text` as the type that `schema` asks for, or unchanged where it cannot be read so (`check` reports that).

    Lists are JSON or separated by commas; objects are JSON. Where the schema also allows a string, only JSON of one of
    the other types is converted.
    """
    definitions = definitions or {}
    schema = _resolve(schema, definitions)
    kinds = _allowed_types(schema, definitions)
    if not kinds:
        return _parse_json(text, text)
    if text == "null" and "null" in kinds:
        return None
    if "string" in kinds:
        value = _parse_json(text, text)
        kind = json_type(value)
        fits = kind in kinds or (kind == "integer" and "number" in kinds)
        return value if fits and kind != "string" else text
    values = (_convert(text, kind, schema, definitions) for kind in TYPE_ORDER if kind in kinds)
    return next((value for value in values if value is not None), text)


def coerce_arguments(texts: Mapping[str, Any], tool: Tool) -> dict[str, Any]:
    """Return `texts` with each text converted to the type of its argument of `tool`; other values stay unchanged."""
    properties = tool.input_schema["properties"]
    definitions = tool.input_schema.get("$defs", {})
    return {
        name: coerce(value, properties.get(name, {}), definitions) if type(value) is str else value
        for name, value in texts.items()
    }


def _resolve(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    steps = 0
    while isinstance(schema.get("$ref"), str) and steps < MAX_TYPE_DEPTH:
        schema = as_map(definitions.get(schema["$ref"].rpartition("/")[2]))
        steps += 1
    return schema


def _allowed_types(schema: Any, definitions: Mapping[str, Any], depth: int = 0) -> frozenset[str]:
    """Return the types that a schema allows; an empty set where it restricts none."""
    if depth > MAX_TYPE_DEPTH or not isinstance(schema, Mapping):
        return frozenset()
    schema = _resolve(schema, definitions)
    declared = schema.get("type") or ()
    types = {declared} if isinstance(declared, str) else set(declared)
    for combiner in ("oneOf", "anyOf", "allOf"):
        for part in schema.get(combiner, ()) if not declared else ():
            types |= _allowed_types(part, definitions, depth + 1)
    return frozenset(types or {json_type(value) for value in schema.get("enum", ())})


def _convert(text: str, kind: str, schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Any:
    if kind == "boolean":
        folded = text.strip().lower()
        return True if folded in TRUE_TEXTS else False if folded in FALSE_TEXTS else None
    if kind in ("integer", "number"):
        return _parse_number(text, kind)
    if kind == "object":
        value = _parse_json(text, None)
        return value if isinstance(value, dict) else None
    if kind == "array":
        value = _parse_json(text, None) if text.lstrip().startswith("[") else None
        if isinstance(value, list):
            return value
        items = schema.get("items", {})
        if "array" in _allowed_types(items, definitions):  # commas cannot say where an inner list ends
            return None
        # Commas are the separator that people know from URLs (OpenAPI's style `form` without `explode`).
        pieces = text.split(",") if text else []
        return [coerce(piece.strip(), as_map(items), definitions) for piece in pieces]
    return None


def _parse_number(text: str, kind: str) -> int | float | None:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return None
    if kind == "integer":
        return int(number) if number.is_integer() else None
    return number if math.isfinite(number) else None


def _parse_json(text: str, default: Any) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return default
