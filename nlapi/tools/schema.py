"""The stand-alone form of a description's schemas: `$ref`s to `$defs`, and only what a request may hold."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from typing import Any

from nlapi.openapi.hints import extensions, hidden, hints
from nlapi.openapi.parts import Schema
from nlapi.openapi.refs import circular
from nlapi.openapi.spec import Spec
from nlapi.openapi.upgrade import IN_LISTS, IN_MAPS, IN_PLACE
from nlapi.tools.text import plain
from nlapi.tools.units import as_amount

# Longest example, in characters, that a model is shown; a long one costs more tokens than it explains.
MAX_EXAMPLE = 100

# Choices that a model is shown. Of more, the description has their number, and the API checks the value
# (`benchmarks/hostile.py` has a description with enormous enums).
MAX_ENUM = 2_000

# A referenced schema with at most this many keywords and none nested is inlined: a `$ref` and a definition would take
# more tokens.
MAX_INLINE = 4

# Levels of `$ref` and `allOf` that are merged; hostile descriptions have chains that would exhaust the stack.
MAX_MERGED = 100

ANNOTATIONS = frozenset(("title", "description", "examples", "default", "deprecated", "$comment", "x-nlapi"))
# Keywords that hold the targets of `$ref`s; those that are used become `$defs` of the tool.
DEFINITIONS = ("$defs", "definitions")

UNTOLD = frozenset(("title", "$comment", "readOnly", "writeOnly", *DEFINITIONS))

# Constraints on an object as a whole, which are checked on the body once it is assembled from arguments.
OF_THE_WHOLE = ("minProperties", "maxProperties", "dependentRequired")

# Keywords that an object schema may have for its properties to become arguments of their own.
FLAT = ANNOTATIONS | {"type", "properties", "required", "additionalProperties", *OF_THE_WHOLE}


class _TooDeepError(Exception):
    """A schema with more than MAX_MERGED levels of `$ref` and `allOf`."""


class Pool:
    """The stand-alone forms of the schemas of one Spec, each made once and shared by all its tools."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self._made: dict[str, tuple[Any, frozenset[str]]] = {}
        self._described: dict[tuple[int, str], tuple[Any, tuple[Any, frozenset[str]]]] = {}
        self._merged: dict[str, dict[str, Any] | None] = {}
        self._names: dict[str, str] = {}
        self._closed: dict[str, frozenset[str]] = {}
        self._refs: dict[str, str] = {}

    def portable(self, schema: Any) -> tuple[Any, frozenset[str]]:
        """Return the stand-alone form of `schema` and the names of the `$defs` that it refers to directly.

        A `$ref` to nowhere (an Issue of its operation) becomes a schema that accepts any value.
        """
        refs: set[str] = set()
        return self._rewrite(schema, refs), frozenset(refs)

    def described(self, schema: Any, description: str) -> tuple[Any, frozenset[str]]:
        """Return `portable` of `schema` with a description, made once for a parameter that many operations share."""
        key = id(schema), description
        if key not in self._described:
            told = {"description": description} if description else {}
            made = self.portable({**schema, **told} if isinstance(schema, Mapping) else told)
            # The schema is stored too, because the id of an object that was freed may be reused for another.
            self._described[key] = schema, made
        return self._described[key][1]

    def definitions(self, names: Iterable[str]) -> dict[str, Any]:
        """Return the `$defs` for `names` and for everything that they refer to, by name."""
        reached = set[str]().union(*map(self._reached, names))
        return {name: self._definition(self._refs[name])[0] for name in sorted(reached)}

    def _reached(self, start: str) -> frozenset[str]:
        """Return the names of a definition and of all that it refers to, directly or not."""
        if start not in self._closed:
            found, todo = set[str](), [start]
            while todo:
                name = todo.pop()
                if name in found:
                    continue
                if name in self._closed:
                    found |= self._closed[name]
                else:
                    found.add(name)
                    todo.extend(self._definition(self._refs[name])[1] - found)
            self._closed[start] = frozenset(found)
        return self._closed[start]

    def object(self, schema: Schema) -> dict[str, Any] | None:
        """Return `schema` as one flat object schema, `allOf`s merged; None when its properties cannot stand alone."""
        try:
            merged = self._merge(schema)
        except _TooDeepError:
            return None
        if merged is None or set(merged) - FLAT or merged.get("type", "object") != "object":
            return None
        if merged.get("additionalProperties") and isinstance(merged["additionalProperties"], Mapping):
            # Additional properties with a schema of their own may have the name of any argument.
            return None
        settable = merged.get("properties", {}).keys() - self.unseen(merged)
        return merged if settable else None

    def read_only(self, schema: Any) -> bool:
        """Return whether only answers hold this property."""
        return self.spec.schema(schema).get("readOnly") is True

    def unseen(self, schema: Schema) -> frozenset[str]:
        """Return the properties of an object that a request does not hold, or that the description hides."""
        required = schema.get("required", ())
        return frozenset(
            name
            for name, one in schema.get("properties", {}).items()
            if self.read_only(one) or hidden(self.spec.follow(one), required=name in required)
        )

    def _definition(self, ref: str) -> tuple[Any, frozenset[str]]:
        if ref not in self._made:
            self._made[ref] = self.portable(self._lookup(ref))
        return self._made[ref]

    def _rewrite(self, node: Any, refs: set[str]) -> Any:
        if not isinstance(node, Mapping):
            return node
        if "$ref" in node:
            return self._reference(node, refs)
        result: dict[str, Any] = {}
        for key, value in node.items():
            if key in UNTOLD or key.startswith("x-nlapi"):
                continue
            if key in IN_MAPS and isinstance(value, Mapping):
                unseen = self.unseen(node) if key == "properties" else frozenset()
                result[key] = {name: self._rewrite(one, refs) for name, one in value.items() if name not in unseen}
            elif key in IN_LISTS:
                result[key] = [self._rewrite(one, refs) for one in value]
            elif key in IN_PLACE:
                result[key] = self._rewrite(value, refs)
            elif key == "required":
                unseen = self.unseen(node)
                if kept := [name for name in value if name not in unseen]:
                    result[key] = kept
            elif key == "examples":
                if shown := [one for one in value[:1] if len(str(one)) <= MAX_EXAMPLE]:
                    result[key] = shown
            else:
                result[key] = value
        return as_amount(_bounded(_listed(result)), hints(node).unit)

    def _reference(self, node: Mapping[str, Any], refs: set[str]) -> Any:
        siblings = {key: value for key, value in node.items() if key in ("description", "default", "deprecated")}
        target = {} if circular(self.spec, node["$ref"]) else self._lookup(node["$ref"])
        if own := extensions(node):
            return self._rewrite({**target, **siblings, **own}, refs)
        if _is_small(target):
            return {**self._rewrite(target, refs), **siblings}
        name = self._name(node["$ref"])
        refs.add(name)
        return {"$ref": f"#/$defs/{name}", **siblings}

    def _lookup(self, ref: str) -> Schema:
        """Return the schema at the end of a chain of `$ref`s."""
        target = self.spec.follow({"$ref": ref})
        return target if isinstance(target, Mapping) else {} if target else {"not": {}}

    def _name(self, ref: str) -> str:
        """Return the name under `$defs` for a `$ref`: its last segment, with a hash where that is taken."""
        if ref not in self._names:
            name = re.sub(r"[^A-Za-z0-9_.-]+", "_", ref.rpartition("/")[2]) or "schema"
            if self._refs.setdefault(name, ref) != ref:
                name = f"{name}_{hashlib.sha256(ref.encode()).hexdigest()[:8]}"
                self._refs[name] = ref
            self._names[ref] = name
        return self._names[ref]

    def _merge(self, schema: Schema, above: int = 0) -> dict[str, Any] | None:
        """Return the schema with its top `$ref` and its `allOf` merged; None when that would lose a constraint."""
        if above > MAX_MERGED:
            raise _TooDeepError
        ref = schema.get("$ref")
        if isinstance(ref, str):
            if ref not in self._merged:
                whole = not circular(self.spec, ref)
                self._merged[ref] = self._merge(self._lookup(ref), above + 1) if whole else None
            target = self._merged[ref]
            return None if target is None else {**target, **{key: schema[key] for key in schema if key != "$ref"}}
        merged = {key: value for key, value in schema.items() if key != "allOf" and key not in DEFINITIONS}
        for part in schema.get("allOf", ()):
            flat = self._merge(part, above + 1) if isinstance(part, Mapping) else None
            joined = _join(merged, flat) if flat is not None else None
            if joined is None:
                return None
            merged = joined
        return merged


def _listed(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with `items` where it accepts an array."""
    # OpenAI refuses every tool of a request for one array without `items` (docs/design/017-answers-to-a-model.md).
    types = schema.get("type", ())
    return {**schema, "items": {}} if "array" in types and "items" not in schema else schema


def _bounded(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema with its enum and its description cut to what a model should be shown."""
    if len(choices := schema.get("enum", ())) > MAX_ENUM:
        del schema["enum"]
        some = ", ".join(map(str, choices[:5]))
        schema["description"] = f"{schema.get('description', '')} One of {len(choices):,}: {some}, ...".strip()
    if "description" in schema:
        schema["description"] = plain(schema["description"])
    return schema


def _is_small(schema: Schema) -> bool:
    nested = any(isinstance(value, Mapping | list) and key not in ("enum", "x-nlapi") for key, value in schema.items())
    return len(schema) <= MAX_INLINE and not nested


def _join(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any] | None:
    """Return two object schemas as one that requires both; None when a keyword would be lost."""
    if (set(one) | set(other)) - FLAT:
        return None
    joined = {**other, **one}
    properties = dict(one.get("properties", {}))
    for name, schema in other.get("properties", {}).items():
        both = name in properties and properties[name] != schema
        properties[name] = {"allOf": [properties[name], schema]} if both else schema
    if properties:
        joined["properties"] = properties
        joined["type"] = "object"
    if required := [*one.get("required", ()), *other.get("required", ())]:
        joined["required"] = list(dict.fromkeys(required))
    key = "additionalProperties"
    return None if key in one and key in other and one[key] != other[key] else joined
