"""Converts schemas of OpenAPI 3.0 to the dialect of 3.1 (JSON Schema 2020-12); no other module knows 3.0.

OpenAPI 3.0.4 §4.7.24 against 3.1.1 §4.8.24: `nullable`, boolean `exclusiveMinimum`, `example`, siblings of `$ref`.
Invalid values (an unknown type, a `required` that is not a list) are sanitized: the result is always a valid
schema.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from nlapi.openapi.hints import read_hints
from nlapi.openapi.mend import TYPES, unique_values, convert_to_type, sanitize_keyword, sanitize_pattern, normalize_types

SCHEMA_MAP_KEYWORDS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
SCHEMA_LIST_KEYWORDS = ("allOf", "anyOf", "oneOf", "prefixItems")
SCHEMA_KEYWORDS = (
    "items", "additionalProperties", "not", "contains", "if", "then", "else", "propertyNames", "unevaluatedItems",
    "unevaluatedProperties", "contentSchema",
)  # fmt: skip
# Keywords without meaning to a JSON Schema validator here; the first three are preserved in another form.
DROPPED_KEYWORDS = frozenset((
    "nullable", "example", "discriminator", "xml", "externalDocs", "$schema", "$id", "id", "$ref", "$anchor",
    "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef", "$vocabulary", "dependencies",
    "collectionFormat",
))  # fmt: skip

# Keywords that only annotate, and so keep their meaning beside a `$ref` in every version.
ANNOTATION_KEYWORDS = frozenset((
    "title", "description", "default", "deprecated", "readOnly", "writeOnly", "example", "examples", "x-nlapi",
    "x-nlapi-name", "x-nlapi-description", "x-nlapi-hide", "x-nlapi-unit",
))  # fmt: skip

# Choices of a discriminator that are listed in a description; a longer list is left out, to keep the text short.
MAX_DISCRIMINATOR_CHOICES = 30


def subschemas(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the schemas directly inside one of the 3.1 dialect, each after its location: `items`, `allOf[0]`."""
    for key, value in schema.items():
        if key in SCHEMA_KEYWORDS:
            yield key, value
        elif key in SCHEMA_LIST_KEYWORDS:
            yield from ((f"{key}[{index}]", child) for index, child in enumerate(value))
        elif key in SCHEMA_MAP_KEYWORDS:
            yield from ((f"{key}.{name}", child) for name, child in value.items())


def upgrade_schema(node: Any, minor: int) -> Any:
    """Return the schema in the 3.1 dialect, as new dicts throughout; `$ref`s are preserved. `minor` is 0 for OpenAPI
    3.0.
    """
    if isinstance(node, bool):
        return node
    if not isinstance(node, dict):
        return {}
    if isinstance(node.get("$ref"), str):
        return _upgrade_reference(node, minor)
    schema: dict[str, Any] = {}
    for key, value in node.items():
        if key in DROPPED_KEYWORDS or (key.startswith("x-") and not key.startswith("x-nlapi")):
            continue
        handler = HANDLERS.get(key)
        upgraded = handler(value, minor) if handler else sanitize_keyword(key, value)
        if upgraded is not None:
            schema[key] = upgraded
    _upgrade_type(schema, node)
    _upgrade_bounds(schema)
    _upgrade_examples(schema, node)
    if "discriminator" in node and (choices := schema.get("oneOf") or schema.get("anyOf")):
        describe_discriminator(schema, node["discriminator"], choices)
    if any(key.startswith("x-nlapi") for key in schema) and (text := read_hints(schema).description):
        schema["description"] = text
    return schema


def _upgrade_reference(node: Mapping[str, Any], minor: int) -> dict[str, Any]:
    """Return a `$ref` with its siblings; OpenAPI 3.0 ignores those that constrain, except `nullable`."""
    reference = {"$ref": node["$ref"]}
    siblings = {key: value for key, value in node.items() if key in ANNOTATION_KEYWORDS or (minor and key not in DROPPED_KEYWORDS)}
    upgraded_siblings: dict[str, Any] = upgrade_schema(siblings, minor)
    # Beside a `$ref` a constraint applies too from 3.1 on; `allOf` states it for tools that ignore siblings.
    if set(upgraded_siblings) - ANNOTATION_KEYWORDS:
        return {**upgraded_siblings, "allOf": [reference, *upgraded_siblings.get("allOf", ())]}
    if _is_nullable(node):
        return {"anyOf": [reference, {"type": "null"}], **upgraded_siblings}
    return {**reference, **upgraded_siblings}


def _upgrade_map(value: Any, minor: int) -> Any:
    if not isinstance(value, dict):
        return None
    return {str(key): upgrade_schema(child, minor) for key, child in value.items() if isinstance(child, dict | bool)}


def _upgrade_pattern_properties(value: Any, minor: int) -> Any:
    schemas = _upgrade_map(value, minor) or {}
    return {key: schema for key, schema in schemas.items() if sanitize_pattern(key) is not None} or None


def _upgrade_list(value: Any, minor: int) -> Any:
    schemas = [child for child in value if isinstance(child, dict | bool)] if isinstance(value, list) else []
    return [upgrade_schema(child, minor) for child in schemas] or None


def _upgrade_subschema(value: Any, minor: int) -> Any:
    if isinstance(value, list):  # draft 4: items as a tuple
        return upgrade_schema(value[0], minor) if value else None
    return upgrade_schema(value, minor) if isinstance(value, dict | bool) else None


HANDLERS: dict[str, Callable[[Any, int], Any]] = {
    **dict.fromkeys(SCHEMA_MAP_KEYWORDS, _upgrade_map),
    **dict.fromkeys(SCHEMA_LIST_KEYWORDS, _upgrade_list),
    **dict.fromkeys(SCHEMA_KEYWORDS, _upgrade_subschema),
    "patternProperties": _upgrade_pattern_properties,
}


def _upgrade_type(schema: dict[str, Any], node: Mapping[str, Any]) -> None:
    declared = schema.pop("type", None)
    types = [declared] if isinstance(declared, str) and declared in TYPES else normalize_types(declared)
    if declared == "file":
        schema["format"] = "binary"
    if not types:
        types = _implied_types(schema)
    if types == ["array"] and "enum" in schema and not any(isinstance(entry, list) for entry in schema["enum"]):
        _move_choices_to_items(schema)
    if "enum" in schema and types:
        schema["enum"] = unique_values([convert_to_type(choice, types) for choice in schema["enum"]])
    if "default" in schema and types:
        schema["default"] = convert_to_type(schema["default"], types)
    if _is_nullable(node):
        _allow_null(schema, types)
    if types:
        schema["type"] = types[0] if len(types) == 1 else types


def _move_choices_to_items(schema: dict[str, Any]) -> None:
    """Move choices that are one level too high to the items: no list is one of them."""
    choices, items = schema.pop("enum"), schema.get("items", {})
    if isinstance(items, Mapping) and not {"$ref", "enum"} & items.keys():
        types = normalize_types(items.get("type"))
        schema["items"] = {"enum": [convert_to_type(choice, types) for choice in choices] if types else choices, **items}


def _is_nullable(node: Mapping[str, Any]) -> bool:
    """Return whether null is allowed: `nullable` of OpenAPI 3.0, or `x-nullable` of Swagger 2.0 descriptions."""
    return node.get("nullable") is True or node.get("x-nullable") is True


def _implied_types(schema: Mapping[str, Any]) -> list[str]:
    """Return the only type that a schema without one can have."""
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


def _upgrade_bounds(schema: dict[str, Any]) -> None:
    for inclusive, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        flag = schema.get(exclusive)
        if isinstance(flag, bool):
            del schema[exclusive]
            if flag and inclusive in schema:
                schema[exclusive] = schema.pop(inclusive)
        if isinstance(schema.get(inclusive), bool):
            del schema[inclusive]


def describe_discriminator(schema: dict[str, Any], discriminator: Any, choices: list[Any]) -> None:
    """Add to the description which value selects which choice: JSON Schema has no discriminator (3.1.1 §4.8.25)."""
    if not isinstance(discriminator, Mapping) or not isinstance(discriminator.get("propertyName"), str):
        return  # Swagger 2.0 has a plain name, beside no choice
    mapping = discriminator.get("mapping")
    schema_names = {value: str(ref).rpartition("/")[2] for value, ref in mapping.items()} if isinstance(mapping, Mapping) else {}
    refs = (choice["$ref"].rpartition("/")[2] for choice in choices if isinstance(choice.get("$ref"), str))
    schema_names |= {name: name for name in refs if name not in schema_names.values()}
    values = [value if value == name else f"{value} for {name}" for value, name in schema_names.items()]
    if 0 < len(values) <= MAX_DISCRIMINATOR_CHOICES:
        note = f"{discriminator['propertyName']} tells them apart: {', '.join(values)}."
        schema["description"] = f"{schema.get('description', '')} {note}".strip()


def _upgrade_examples(schema: dict[str, Any], node: Mapping[str, Any]) -> None:
    declared = schema.pop("examples", None)
    if isinstance(declared, list):
        examples = declared
    elif isinstance(declared, dict):  # Media Type style examples, where a list belongs
        examples = [value.get("value") for value in declared.values() if isinstance(value, dict) and "value" in value]
    else:
        examples = []
    if "example" in node:
        examples = [node["example"], *examples]
    if examples:
        schema["examples"] = examples
