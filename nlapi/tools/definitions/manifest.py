"""Writes tools in the JSON forms of the model APIs and MCP, in strict mode where it can guarantee the schema."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from nlapi.errors import UsageError
from nlapi.openapi.spec import Effect, Spec
from nlapi.resources.schemas import json_type, map_parts
from nlapi.tools.tool import Tool

# An object is open and has no properties by default (JSON Schema 2020-12 Core §10.3.2).
OPEN_OBJECT: Mapping[str, object] = {"additionalProperties": True, "properties": {}}

# Limits of one request to the Claude API (2026-11): strict tools, optional arguments and unions.
MAX_TOOLS = 20
MAX_OPTIONAL = 24
MAX_UNIONS = 16

# Schemas in one tool: definitions that use one another can unfold to billions.
MAX_SCHEMAS = 500

# Keywords that strict mode supports, or that can be expressed in words. It could not enforce any other (a limit, a
# pattern), so a schema with one is not made strict.
STRICT_KEYWORDS = frozenset((
    "type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf", "$ref", "$defs",
    "description", "default", "examples", "deprecated", "format",
))  # fmt: skip

STRICT_FORMATS = frozenset(
    ("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid")
)
TYPE_KEYWORDS = ("type", "enum", "const", "anyOf", "$ref")

FORMATS = ("anthropic", "openai", "openai-responses", "mcp", "gemini")

# The tools of a provider that search deferred definitions, by form and by kind of search, in the names of the packages
# anthropic 2.14 and openai 3.57.
TOOL_SEARCHES: Mapping[str, Mapping[str, dict[str, object]]] = {
    "anthropic": {
        "bm25": {"type": "tool_search_tool_bm25_20251119", "name": "tool_search_tool_bm25"},
        "regex": {"type": "tool_search_tool_regex_20251119", "name": "tool_search_tool_regex"},
    },
    "openai-responses": {"": {"type": "tool_search"}},
}

# Deferred tools in one request to the Claude API (2026-11).
MAX_DEFERRED = 10_000


def compact(tool: Tool) -> dict[str, Any]:
    """Return the `input_schema` of a tool without keywords that add nothing for a model.

    It leaves out: the `type` beside choices, a description that the definition repeats, that a nested object is open,
    and that the tool takes no further arguments (`check` refuses them anyway). The form accepts the same values.
    """
    schema = tool.input_schema
    definitions = schema.get("$defs", {})
    cache = tool.operation.spec.derive(_compact_cache)
    properties = {
        name: _compact_definition(part, definitions, cache) for name, part in schema.get("properties", {}).items()
    }
    keywords = {
        key: properties
        if key == "properties"
        else map_parts(key, value, lambda part: _compact_schema(part, definitions))
        for key, value in schema.items()
        if key != "$defs"
    }
    result: dict[str, Any] = _drop_redundant(keywords, definitions)
    if result.get("additionalProperties") is False:
        result = {key: value for key, value in result.items() if key != "additionalProperties"}
    result = {**result, **{key: default for key, default in OPEN_OBJECT.items() if schema.get(key) == default}}
    if definitions:
        result["$defs"] = {name: _compact_definition(part, definitions, cache) for name, part in definitions.items()}
    return result


def _compact_cache(spec: Spec) -> dict[int, tuple[object, object]]:
    """Return the cache of a Spec: the schemas that have been shortened, by identity, with their short forms."""
    return {}


def _compact_definition(
    schema: object, definitions: Mapping[str, object], cache: dict[int, tuple[object, object]]
) -> object:
    """Return a definition or an argument, shortened once for all tools that share it."""
    if id(schema) not in cache:
        # The schema is stored with its short form, because the id of an object that was freed may be reused for
        # another.
        cache[id(schema)] = schema, _compact_schema(schema, definitions)
    return cache[id(schema)][1]


def _compact_schema(node: object, definitions: Mapping[str, object]) -> Any:
    """Return the schema shortened at all levels; parts that are short already are shared, not copied."""
    if not isinstance(node, dict):
        return node
    result = node
    for key, value in node.items():
        compacted = map_parts(key, value, lambda part: _compact_schema(part, definitions))
        if compacted is not value:
            result = {**result, key: compacted}
    return _drop_redundant(result, definitions)


def _drop_redundant(schema: dict[str, Any], definitions: Mapping[str, Any]) -> dict[str, object]:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class StrictForm:
    """A schema that strict mode accepts, and its share of a request's allowance."""

    schema: dict[str, Any]
    optional: int
    unions: int


class _UnfitError(Exception):
    """The schema has a constraint that strict mode cannot enforce."""


def _strict_schema(schema: Mapping[str, Any]) -> StrictForm | None:
    """Return the strict form of a tool's `input_schema`; None when it does not fit.

    Every object is closed, nothing is recursive, no size or length is limited. An object that lists its properties
    without allowing others counts as closed. Examples and unknown formats move into the description.
    """
    conversion = _StrictConversion(schema.get("$defs", {}))
    try:
        converted = conversion.convert({key: value for key, value in schema.items() if key != "$defs"}, ())
        if conversion.optional > MAX_OPTIONAL or conversion.unions > MAX_UNIONS:
            return None
    except _UnfitError:
        return None
    if conversion.converted:
        converted["$defs"] = {name: conversion.converted[name] for name in sorted(conversion.converted)}
    return StrictForm(schema=converted, optional=conversion.optional, unions=conversion.unions)


class _StrictConversion:
    """The conversion of one schema, with counts; a definition counts each time it is used."""

    def __init__(self, definitions: Mapping[str, object]) -> None:
        self.definitions = definitions
        self.converted: dict[str, object] = {}
        self.optional = 0
        self.unions = 0
        self.schemas = 0

    def convert(self, schema: object, ancestors: tuple[str, ...]) -> dict[str, object]:
        if not isinstance(schema, Mapping) or set(schema) - STRICT_KEYWORDS or not set(TYPE_KEYWORDS) & schema.keys():
            raise _UnfitError
        self.schemas += 1
        if self.optional > MAX_OPTIONAL or self.unions > MAX_UNIONS or self.schemas > MAX_SCHEMAS:
            raise _UnfitError
        result = _describe_keywords(schema)
        types = schema.get("type", ())
        if isinstance(types, list) or "anyOf" in schema:
            self.unions += 1
        types = [types] if isinstance(types, str) else types
        if "$ref" in schema:
            self._definition(schema["$ref"].rpartition("/")[2], ancestors)
        if "anyOf" in schema:
            result["anyOf"] = [self.convert(choice, ancestors) for choice in schema["anyOf"]]
        if "object" in types or "properties" in schema:
            self._object(schema, result, ancestors)
        if "array" in types or "items" in schema:
            result["items"] = self.convert(schema.get("items"), ancestors)
        if any(isinstance(value, list | dict) for value in schema.get("enum", ())):
            raise _UnfitError
        return result

    def _object(self, schema: Mapping[str, Any], result: dict[str, Any], ancestors: tuple[str, ...]) -> None:
        properties = schema.get("properties")
        if not isinstance(properties, Mapping) or schema.get("additionalProperties", False) is not False:
            raise _UnfitError
        required = schema.get("required", ())
        if set(required) - set(properties):
            raise _UnfitError
        # Counted where it is used and not once per definition: the API counts the schema as it unfolds.
        self.optional += len(properties) - len(required)
        result["properties"] = {name: self.convert(inner, ancestors) for name, inner in properties.items()}
        result["additionalProperties"] = False

    def _definition(self, name: str, ancestors: tuple[str, ...]) -> None:
        if name in ancestors or name not in self.definitions:
            raise _UnfitError
        self.converted[name] = self.convert(self.definitions[name], (*ancestors, name))


def _describe_keywords(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema with the keywords that strict mode ignores written into its description."""
    result = {key: value for key, value in schema.items() if key not in ("examples", "deprecated")}
    notes = [schema["description"]] if schema.get("description") else []
    if schema.get("deprecated") is True and not (notes and notes[0].startswith("Deprecated")):
        notes.insert(0, "Deprecated.")
    if "format" in schema and schema["format"] not in STRICT_FORMATS:
        notes.append(f"Format: {result.pop('format')}.")
    if schema.get("examples"):
        notes.append(f"For example {', '.join(map(str, schema['examples']))}.")
    if notes:
        result["description"] = " ".join(notes)
    return result


def render(tool: Tool, format: str, *, strict: bool = False) -> dict[str, Any]:
    """Return one tool in a manifest form; UsageError for a form that is not in FORMATS.

    With `strict`, in the strict form where the schema fits strict mode and the form has one. A deferred tool is marked
    as one; UsageError for a form without a tool search.
    """
    if tool.deferred:
        _check_tool_search(format)
        return {**render(replace(tool, deferred=False), format, strict=strict), "defer_loading": True}
    strict_form = _strict_schema(tool.input_schema) if strict else None
    common = {"name": tool.name, "description": tool.description}
    if format == "anthropic":
        return (
            {**common, "input_schema": compact(tool)}
            if strict_form is None
            else {**common, "strict": True, "input_schema": strict_form.schema}
        )
    if format in ("openai", "openai-responses") and strict_form is not None and not strict_form.optional:
        # OpenAI's strict mode requires every argument.
        return _render_form({**common, "strict": True}, strict_form.schema, format)
    form = _render_form(common, tool.input_schema, format)
    if format == "mcp":
        form["annotations"] = {
            "readOnlyHint": tool.possible_effect is Effect.READ,
            "destructiveHint": tool.possible_effect is Effect.DESTROY,
            "idempotentHint": tool.operation.method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE"),
            "openWorldHint": True,
        }
    return form


def render_definition(definition: Mapping[str, Any], format: str) -> dict[str, Any]:
    """Return a tool that is not an operation's, from its form for the Messages API, in another manifest form."""
    common = {"name": definition["name"], "description": definition["description"]}
    return _render_form(common, definition["input_schema"], format)


def _render_form(common: Mapping[str, object], schema: Mapping[str, Any], format: str) -> dict[str, Any]:
    if format == "anthropic":
        return {**common, "input_schema": schema}
    if format == "openai":
        return {"type": "function", "function": {**_with_parameters(common, schema)}}
    if format == "openai-responses":
        # The Responses API takes a tool for strict unless told otherwise (docs/design/017-answers-to-a-model.md).
        return {"type": "function", "strict": False, **_with_parameters(common, schema)}
    if format == "mcp":
        return {**common, "inputSchema": schema}
    if format == "gemini":
        return {**common, "parametersJsonSchema": schema}
    raise UsageError(f"no manifest format {format!r}", hint=f"one of {', '.join(FORMATS)}")


def _with_parameters(common: Mapping[str, object], schema: Mapping[str, Any]) -> dict[str, object]:
    """Return a function of OpenAI's, with `strict` behind the parameters."""
    return {
        "name": common["name"],
        "description": common["description"],
        "parameters": schema,
        **{key: value for key, value in common.items() if key == "strict"},
    }


def _check_tool_search(format: str) -> None:
    """Check that a manifest form has a tool search."""
    if format in FORMATS and format not in TOOL_SEARCHES:
        raise UsageError(
            f"the form {str(format)!r} has no tool search, so its definitions cannot be deferred",
            hint=f"{' and '.join(TOOL_SEARCHES)} have one; nlapi.toolset is a small set of tools for every form",
        )


def _tool_search(format: str, kind: str) -> dict[str, object]:
    """Return the tool that searches deferred definitions; UsageError for a form or a kind of search without one."""
    _check_tool_search(format)
    kinds = TOOL_SEARCHES[format]
    if kind and kind not in kinds:
        hint = f"{format} has {' and '.join(kinds)}" if any(kinds) else f"{format} has one kind, which has no name"
        raise UsageError(f"{format} has no tool search {str(kind)!r}", hint=hint)
    return dict(kinds[kind or next(iter(kinds))])


def manifest(
    tools: Iterable[Tool], format: str = "anthropic", *, strict: bool = False, tool_search: str = ""
) -> list[dict[str, object]]:
    """Return the tools of one request in the form "anthropic", "openai", "openai-responses", "mcp" or "gemini".

    With `strict`, tools that change something become strict first, within the allowance of one request: 20 strict tools
    with 24 optional arguments and 16 unions in all.

    Deferred tools (`nlapi.tools(spec, defer=True)`) come behind the tool of the provider that searches them, which the
    provider runs itself: of Claude `tool_search` "bm25", the default, takes words and "regex" an expression. UsageError
    for a form without a tool search.
    """
    tools = tuple(tools)
    deferred = sum(tool.deferred for tool in tools)
    if deferred > MAX_DEFERRED:
        raise UsageError(
            f"{deferred:,} deferred tools, and one request may have {MAX_DEFERRED:,}", hint="include fewer operations"
        )
    strict_names = _strict_names(tools) if strict else frozenset()
    searches = [_tool_search(format, tool_search)] if deferred else []
    return [*searches, *(tool.as_dict(format, strict=tool.name in strict_names) for tool in tools)]


def _strict_names(tools: Iterable[Tool]) -> frozenset[str]:
    """Return the names of the tools that become strict within the allowance of one request."""
    names: set[str] = set()
    optional = unions = 0
    # A wrong argument costs most in a change, so changes use the allowance before reads.
    for tool in sorted(tools, key=lambda tool: tool.effect is Effect.READ):
        strict_form = _strict_schema(tool.input_schema)
        if strict_form is None or len(names) == MAX_TOOLS:
            continue
        if optional + strict_form.optional <= MAX_OPTIONAL and unions + strict_form.unions <= MAX_UNIONS:
            names.add(tool.name)
            optional, unions = optional + strict_form.optional, unions + strict_form.unions
    return frozenset(names)
