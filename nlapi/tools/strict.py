"""The strict form of a tool's schema, for schemas that strict mode can guarantee."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

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

STRICT_FORMATS = frozenset(("date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"))
TYPE_KEYWORDS = ("type", "enum", "const", "anyOf", "$ref")


@dataclass(frozen=True, slots=True, kw_only=True)
class StrictForm:
    """A schema that strict mode accepts, and its share of a request's allowance."""

    schema: dict[str, Any]
    optional: int
    unions: int


class _UnfitError(Exception):
    """The schema has a constraint that strict mode cannot enforce."""


def strict_schema(schema: Mapping[str, Any]) -> StrictForm | None:
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

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self.definitions = definitions
        self.converted: dict[str, Any] = {}
        self.optional = 0
        self.unions = 0
        self.schemas = 0

    def convert(self, schema: Any, ancestors: tuple[str, ...]) -> dict[str, Any]:
        if not isinstance(schema, Mapping) or set(schema) - STRICT_KEYWORDS or not any(key in schema for key in TYPE_KEYWORDS):
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
        result["properties"] = {name: self.convert(property_schema, ancestors) for name, property_schema in properties.items()}
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
