"""Text that a person typed to the value that a schema wants."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nlapi.tools.tool import Tool

TRUE, FALSE = frozenset(("true", "yes", "on", "1")), frozenset(("false", "no", "off", "0"))


def coerce(text: str, schema: Mapping[str, Any], definitions: Mapping[str, Any] | None = None) -> Any:
    """`text` as the type that `schema` asks for; as it is when it cannot be read so (checking is another's job).

    Lists are JSON, or separated by commas; objects are JSON.
    """
    schema = _followed(schema, definitions or {})
    for kind in _types(schema):
        value = _as(text, kind, schema, definitions or {})
        if value is not None:
            return value
    if schema.get("type") is None and not schema.get("enum"):
        return _json(text, text)
    return None if text == "null" and "null" in _types(schema) else text


def coerce_arguments(texts: Mapping[str, Any], tool: Tool) -> dict[str, Any]:
    """Each text in `texts` as its argument of `tool` wants it; values that are no text stay as they are."""
    properties = tool.input_schema["properties"]
    definitions = tool.input_schema.get("$defs", {})
    return {
        name: coerce(value, properties.get(name, {}), definitions) if type(value) is str else value
        for name, value in texts.items()
    }


def _followed(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Mapping[str, Any]:
    seen = 0
    while isinstance(schema.get("$ref"), str) and seen < 10:
        schema = definitions.get(schema["$ref"].rpartition("/")[2], {})
        seen += 1
    return schema


def _types(schema: Mapping[str, Any]) -> list[str]:
    """The types that it allows, the strictest reading of a text first."""
    given = schema.get("type")
    types = given if isinstance(given, list) else [given] if given else []
    for union in ("oneOf", "anyOf"):
        types = [*types, *(kind for part in schema.get(union, ()) for kind in _types(part))]
    if not types and schema.get("enum"):
        names = {bool: "boolean", int: "integer", float: "number", str: "string"}
        types = list(dict.fromkeys(names.get(type(value), "string") for value in schema["enum"]))
    order = ("boolean", "integer", "number", "object", "array", "string", "null")
    return sorted(set(types), key=order.index)


def _as(text: str, kind: str, schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Any:
    if kind == "string":
        return text
    if kind == "boolean":
        folded = text.strip().lower()
        return True if folded in TRUE else False if folded in FALSE else None
    if kind in ("integer", "number"):
        return _number(text, kind)
    if kind == "object":
        value = _json(text, None)
        return value if isinstance(value, dict) else None
    if kind == "array":
        value = _json(text, None) if text.lstrip().startswith("[") else None
        if isinstance(value, list):
            return value
        items = schema.get("items", {})
        pieces = text.split(",") if text else []
        return [coerce(piece.strip(), items if isinstance(items, Mapping) else {}, definitions) for piece in pieces]
    return None


def _number(text: str, kind: str) -> int | float | None:
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
    return number


def _json(text: str, otherwise: Any) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return otherwise
