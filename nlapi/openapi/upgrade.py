"""Schemas of OpenAPI 3.0 in, the dialect of 3.1 (JSON Schema 2020-12) out; nothing else knows 3.0.

OpenAPI 3.0.4 §4.7.24 against 3.1.1 §4.8.24: `nullable`, boolean `exclusiveMinimum`, `example`, siblings of `$ref`.
What cannot be meant (a type that does not exist, a `required` that is no list) is mended or dropped, so that what
comes out is always a valid schema.
"""

from __future__ import annotations

import json
import math
import re
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from nlapi.openapi.hints import hints

TYPES = frozenset(("array", "boolean", "integer", "null", "number", "object", "string"))
ALIASES = {
    "int": "integer", "int32": "integer", "int64": "integer", "long": "integer", "float": "number",
    "double": "number", "decimal": "number", "bool": "boolean", "str": "string", "text": "string",
    "date": "string", "datetime": "string", "date-time": "string", "file": "string", "list": "array",
    "dict": "object", "map": "object",
}  # fmt: skip
"""Types that people write and JSON Schema does not have."""

IN_MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
IN_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")
IN_PLACE = (
    "items", "additionalProperties", "not", "contains", "if", "then", "else", "propertyNames", "unevaluatedItems",
    "unevaluatedProperties", "contentSchema",
)  # fmt: skip
COUNTS = (
    "minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties", "minContains", "maxContains",
)  # fmt: skip
BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
DROPPED = frozenset((
    "nullable", "example", "discriminator", "xml", "externalDocs", "$schema", "$id", "id", "$ref", "$anchor",
    "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef", "$vocabulary", "dependencies",
    "collectionFormat",
))  # fmt: skip
"""Keywords with no meaning to a JSON Schema validator here; the first two are kept in another form."""

BESIDE = frozenset((
    "title", "description", "default", "deprecated", "readOnly", "writeOnly", "example", "examples", "x-nlapi",
    "x-nlapi-name", "x-nlapi-description", "x-nlapi-hide", "x-nlapi-unit",
))  # fmt: skip
"""Keywords that only annotate, and so keep their meaning beside a `$ref` in every version."""

ECMA_ONLY = re.compile(r"\\[pPuc]|\\x\{|\(\?<[a-zA-Z]")
MAX_PATTERN = 20_000
"""Characters of a pattern that is worth the time to compile it."""

MAYBE_NESTED_SET = re.compile(r"\[\[|--|&&|~~|\|\|")


def upgrade_schema(node: Any, minor: int) -> Any:
    """The schema in the 3.1 dialect, new dicts all the way down; `$ref`s are kept. `minor` is 0 for OpenAPI 3.0."""
    if isinstance(node, bool):
        return node
    if not isinstance(node, dict):
        return {}
    if isinstance(node.get("$ref"), str):
        return _reference(node, minor)
    schema: dict[str, Any] = {}
    for key, value in node.items():
        if key in DROPPED or (key.startswith("x-") and not key.startswith("x-nlapi")):
            continue
        handler = HANDLERS.get(key)
        kept = handler(value, minor) if handler else value
        if kept is not None:
            schema[key] = kept
    _type(schema, node)
    _bounds(schema)
    _examples(schema, node)
    if any(key.startswith("x-nlapi") for key in schema) and (text := hints(schema).description):
        schema["description"] = text
    return schema


def _reference(node: Mapping[str, Any], minor: int) -> dict[str, Any]:
    """A `$ref` and what stands beside it; OpenAPI 3.0 ignores what constrains, but a `nullable` there is meant."""
    reference = {"$ref": node["$ref"]}
    others = {key: value for key, value in node.items() if key in BESIDE or (minor and key not in DROPPED)}
    beside: dict[str, Any] = upgrade_schema(others, minor)
    if set(beside) - BESIDE:
        return {**beside, "allOf": [reference, *beside.get("allOf", ())]}
    if _nullable(node):
        return {"anyOf": [reference, {"type": "null"}], **beside}
    return {**reference, **beside}


def _map(value: Any, minor: int) -> Any:
    if not isinstance(value, dict):
        return None
    return {str(key): upgrade_schema(child, minor) for key, child in value.items() if isinstance(child, dict | bool)}


def _patterns(value: Any, minor: int) -> Any:
    schemas = _map(value, minor) or {}
    return {key: schema for key, schema in schemas.items() if _pattern(key, minor) is not None} or None


def _list(value: Any, minor: int) -> Any:
    schemas = [child for child in value if isinstance(child, dict | bool)] if isinstance(value, list) else []
    return [upgrade_schema(child, minor) for child in schemas] or None


def _place(value: Any, minor: int) -> Any:
    if isinstance(value, list):  # draft 4: items as a tuple
        return upgrade_schema(value[0], minor) if value else None
    return upgrade_schema(value, minor) if isinstance(value, dict | bool) else None


def _required(value: Any, minor: int) -> Any:
    names = [as_name(name) for name in value if as_name(name)] if isinstance(value, list) else []
    return list(dict.fromkeys(names)) or None


def as_name(value: Any) -> str:
    """A name, also one that YAML reads as a number or a boolean; "" for what is none."""
    return value if isinstance(value, str) else json.dumps(value) if isinstance(value, bool | int) else ""


def _dependent(value: Any, minor: int) -> Any:
    names = {key: _required(one, minor) for key, one in value.items()} if isinstance(value, dict) else {}
    return {key: one for key, one in names.items() if one} or None


def _enum(value: Any, minor: int) -> Any:
    return _distinct(value) or None if isinstance(value, list) else None


def _distinct(values: list[Any]) -> list[Any]:
    seen: dict[tuple[type, str], Any] = {}
    for value in values:
        seen.setdefault((type(value), repr(value)), value)
    return list(seen.values())


def _count(value: Any, minor: int) -> Any:
    number = _number(value)
    return int(number) if number is not None and number >= 0 and number == int(number) else None


def _number(value: Any) -> int | float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value) if isinstance(value, str) else value
        return number if math.isfinite(number) else None
    except (ValueError, OverflowError):
        return None


def _bound(value: Any, minor: int) -> Any:
    return value if isinstance(value, bool) else _number(value)


def _multiple(value: Any, minor: int) -> Any:
    number = _number(value)
    return number if number is not None and number > 0 else None


def _pattern(value: Any, minor: int) -> Any:
    """Patterns are ECMA-262; one that Python reads otherwise is left out, so that nothing is refused for it."""
    if not isinstance(value, str) or len(value) > MAX_PATTERN or ECMA_ONLY.search(value):
        return None
    try:
        if MAYBE_NESTED_SET.search(value):
            with warnings.catch_warnings():
                warnings.simplefilter("error", FutureWarning)
                re.compile(value)
        else:
            re.compile(value)
    except (re.error, OverflowError, RecursionError, FutureWarning):
        return None
    return value


def _text(value: Any, minor: int) -> Any:
    return value if isinstance(value, str) else None


def _flag(value: Any, minor: int) -> Any:
    return value if isinstance(value, bool) else None


HANDLERS: dict[str, Callable[[Any, int], Any]] = {
    **dict.fromkeys(IN_MAPS, _map),
    **dict.fromkeys(IN_LISTS, _list),
    **dict.fromkeys(IN_PLACE, _place),
    **dict.fromkeys(COUNTS, _count),
    **dict.fromkeys(BOUNDS, _bound),
    **dict.fromkeys(("title", "description", "format", "$comment", "contentEncoding", "contentMediaType"), _text),
    **dict.fromkeys(("uniqueItems", "readOnly", "writeOnly", "deprecated"), _flag),
    "patternProperties": _patterns,
    "dependentRequired": _dependent,
    "required": _required,
    "enum": _enum,
    "pattern": _pattern,
    "multipleOf": _multiple,
}


def _type(schema: dict[str, Any], node: Mapping[str, Any]) -> None:
    given = schema.pop("type", None)
    types = [given] if isinstance(given, str) and given in TYPES else _mended(given)
    if given == "file":
        schema["format"] = "binary"
    if not types:
        types = _implied(schema)
    if "enum" in schema and types:
        schema["enum"] = _distinct([_fitting(choice, types) for choice in schema["enum"]])
    if "default" in schema and types:
        schema["default"] = _fitting(schema["default"], types)
    if _nullable(node):
        _allow_null(schema, types)
    if types:
        schema["type"] = types[0] if len(types) == 1 else types


def _fitting(value: Any, types: list[str]) -> Any:
    """A choice or default as the type says: in YAML `enum: [1, 2]` of strings, and `enum: ['1', '2']` of integers."""
    plain, texts = not {"boolean", "integer", "number"}.isdisjoint(types), "string" in types
    if isinstance(value, bool | int | float) and texts and not plain:
        return json.dumps(value)
    if isinstance(value, str) and plain and not texts:
        with suppress(ValueError, RecursionError):
            read = json.loads(value)
            return read if isinstance(read, bool) or _number(read) is not None else value
    return value


def _mended(given: Any) -> list[str]:
    """The types that are meant by a `type` that JSON Schema does not know, or by a list of them."""
    names = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    types = [ALIASES.get(str(name).lower(), str(name).lower()) for name in names]
    return list(dict.fromkeys(name for name in types if name in TYPES))


def _nullable(node: Mapping[str, Any]) -> bool:
    """OpenAPI 3.0 has `nullable`; descriptions in Swagger 2.0 say `x-nullable` for it."""
    return node.get("nullable") is True or node.get("x-nullable") is True


def _implied(schema: Mapping[str, Any]) -> list[str]:
    """The type that a schema without one can only mean."""
    if "properties" in schema or isinstance(schema.get("additionalProperties"), dict):
        return ["object"]
    return ["array"] if "items" in schema and not isinstance(schema["items"], bool) else []


def _allow_null(schema: dict[str, Any], types: list[str]) -> None:
    if types and "null" not in types:
        types.append("null")
    if "enum" in schema and None not in schema["enum"]:
        schema["enum"] = [*schema["enum"], None]
    for key in ("oneOf", "anyOf"):
        if key in schema and not types:
            schema[key] = [*schema[key], {"type": "null"}]
    if "allOf" in schema and not types:
        schema["anyOf"] = [{"allOf": schema.pop("allOf")}, {"type": "null"}]


def _bounds(schema: dict[str, Any]) -> None:
    for inclusive, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        flag = schema.get(exclusive)
        if isinstance(flag, bool):
            del schema[exclusive]
            if flag and inclusive in schema:
                schema[exclusive] = schema.pop(inclusive)
        if isinstance(schema.get(inclusive), bool):
            del schema[inclusive]


def _examples(schema: dict[str, Any], node: Mapping[str, Any]) -> None:
    given = schema.pop("examples", None)
    if isinstance(given, list):
        examples = given
    elif isinstance(given, dict):  # Media Type style examples, where a list belongs
        examples = [value.get("value") for value in given.values() if isinstance(value, dict) and "value" in value]
    else:
        examples = []
    if "example" in node:
        examples = [node["example"], *examples]
    if examples:
        schema["examples"] = examples
