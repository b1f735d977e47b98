"""Reads the schemas of a description: follows references, merges `allOf`, lists properties and types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import is_not
from typing import Any

from nlapi.openapi.schema_upgrade import SCHEMA_KEYWORDS, SCHEMA_LIST_KEYWORDS, SCHEMA_MAP_KEYWORDS
from nlapi.openapi.spec import Schema, Spec

UNIONS = ("oneOf", "anyOf")


class SchemaReader:
    """The schemas of one Spec. Results are cached by the identity of the schema."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        # The schema is stored with its result: an id may be reused once an object is gone.
        self._flat: dict[int, tuple[object, Schema]] = {}
        self._types: dict[int, tuple[object, tuple[str, ...]]] = {}
        self._branches: dict[int, tuple[object, tuple[Schema, ...]]] = {}

    def flat(self, schema: object) -> Schema:
        """Return the schema with its `$ref` and `allOf` merged into one; unions stay."""
        cached = self._flat.get(id(schema))
        if cached is None:
            cached = (schema, self._merge(schema, set()))
            self._flat[id(schema)] = cached
        return cached[1]

    def _merge(self, schema: object, visited: set[str]) -> Schema:
        """Return the schema merged; a `$ref` in `visited` adds nothing, as it is merged already or being merged."""
        if isinstance(schema, Mapping) and isinstance(schema.get("$ref"), str):
            if schema["$ref"] in visited:
                return {}
            visited.add(schema["$ref"])
        followed = self.spec.schema(schema)
        if "allOf" not in followed:
            return followed
        merged: Schema = {}
        for part in followed["allOf"]:
            merged = merge(merged, self._merge(part, visited))
        return merge(merged, {key: value for key, value in followed.items() if key != "allOf"})

    def branches(self, schema: Schema) -> tuple[Schema, ...]:
        """Return the branches of a flat schema's union, each flat and without null; () without a union."""
        if "oneOf" not in schema and "anyOf" not in schema:
            return ()
        if id(schema) not in self._branches:
            self._branches[id(schema)] = schema, self._flat_branches(schema)
        return self._branches[id(schema)][1]

    def _flat_branches(self, schema: Schema) -> tuple[Schema, ...]:
        for key in UNIONS:
            if isinstance(schema.get(key), list):
                flat = tuple(self.flat(branch) for branch in schema[key])
                return tuple(branch for branch in flat if schema_types(branch) != ("null",)) or flat
        return ()

    def with_branch(self, schema: Schema, branch: Schema) -> Schema:
        """Return a flat schema with one branch of its union merged in."""
        without_unions = {key: value for key, value in schema.items() if key not in UNIONS}
        return merge(without_unions, branch)

    def properties(self, schema: object, depth: int = 3) -> dict[str, Schema]:
        """Return every property that an object of this schema may have, over all branches of its unions."""
        flat = self.flat(schema)
        properties = dict(flat.get("properties") or {})
        # Depth is limited, as a branch of a recursive schema may lead back to it.
        for branch in self.branches(flat) if depth else ():
            properties = {**self.properties(branch, depth - 1), **properties}
        return properties

    def types(self, schema: object) -> tuple[str, ...]:
        """Return the JSON types that the schema allows, over its unions; () where it allows any."""
        if id(schema) not in self._types:
            self._types[id(schema)] = schema, self._types_to(schema, 4)
        return self._types[id(schema)][1]

    def _types_to(self, schema: object, depth: int) -> tuple[str, ...]:
        flat = self.flat(schema)
        stated_types = schema_types(flat)
        if stated_types or not depth:
            return stated_types
        branch_types = [
            name for key in UNIONS for branch in flat.get(key) or () for name in self._types_to(branch, depth - 1)
        ]
        return tuple(dict.fromkeys(branch_types))


def schema_types(schema: Schema) -> tuple[str, ...]:
    """Return the types of a flat schema, stated or implied by its keywords; () where it allows any."""
    stated_type = schema.get("type")
    if isinstance(stated_type, str):
        return (stated_type,)
    if isinstance(stated_type, list):
        return tuple(name for name in stated_type if isinstance(name, str))
    if "properties" in schema or "additionalProperties" in schema:
        return ("object",)
    if "items" in schema or "prefixItems" in schema:
        return ("array",)
    values = schema["enum"] if isinstance(schema.get("enum"), list) else [schema["const"]] if "const" in schema else []
    return tuple(dict.fromkeys(json_type(value) for value in values))


_JSON_TYPES: Mapping[type, str] = {
    bool: "boolean",
    type(None): "null",
    int: "integer",
    float: "number",
    str: "string",
    dict: "object",
    list: "array",
}


def json_type(value: object) -> str:
    exact = _JSON_TYPES.get(type(value))
    return exact or next((name for kind, name in _JSON_TYPES.items() if isinstance(value, kind)), "array")


def merge(left: Schema, right: Schema) -> Schema:
    """Return a schema with the constraints of both; where two cannot be combined, with that of `right`."""
    merged = dict(left)
    for key, value in right.items():
        old = merged.get(key)
        if old is None or old == value:
            merged[key] = value
        elif key in _COMBINED:
            merged[key] = _COMBINED[key](old, value)
        elif key.startswith(("min", "max")) and isinstance(value, int | float):
            merged[key] = (max if key.startswith("min") else min)(old, value)
        else:
            merged[key] = value
    return merged


_COMBINED: Mapping[str, Callable[[Any, Any], object]] = {
    "properties": lambda old, new: {**old, **{name: _combine(old.get(name), item) for name, item in new.items()}},
    "required": lambda old, new: [*old, *(name for name in new if name not in old)],
    "enum": lambda old, new: [item for item in new if item in old] or new,
}


def _combine(old: object, new: object) -> object:
    return new if old is None or old == new else {"allOf": [old, new]}


# What a keyword with schemas has: one, a list of them, or some by name. Looked up for each keyword of a description.
_KEYWORD_KINDS: Mapping[str, type] = {
    **dict.fromkeys(SCHEMA_KEYWORDS, object),
    **dict.fromkeys(SCHEMA_MAP_KEYWORDS, dict),
    **dict.fromkeys(SCHEMA_LIST_KEYWORDS, list),
}


def map_parts(key: str, value: Any, change: Callable[[Any], Any]) -> Any:
    """Return the value of a keyword with `change` applied to each schema in it; the very value where none changes."""
    kind = _KEYWORD_KINDS.get(key)
    if kind is None or (kind is dict and not isinstance(value, Mapping)):
        return value
    if kind is dict:
        parts = {name: change(part) for name, part in value.items()}
        return parts if any(map(is_not, parts.values(), value.values())) else value
    if kind is list:
        items = list(map(change, value))
        return items if any(map(is_not, items, value)) else value
    return change(value)


def ref_of(schema: object) -> str:
    """Return the `$ref` that a schema is, alone or as the one part of an `allOf`; "" where it is written out."""
    if not isinstance(schema, Mapping):
        return ""
    if isinstance(schema.get("$ref"), str):
        return str(schema["$ref"])
    # In OpenAPI 3.0 siblings of `$ref` are ignored, so that a description beside one needs an `allOf` around it.
    parts = schema.get("allOf")
    return ref_of(parts[0]) if isinstance(parts, list) and len(parts) == 1 and "properties" not in schema else ""
