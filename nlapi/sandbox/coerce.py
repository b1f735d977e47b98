"""Conversion of text in a URL, a header or a form to the type of its schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from nlapi.sandbox.schemas import Schemas

# JSON's grammar of numbers (RFC 8259 §6): `007` and `+5` stay texts, as ids and phone numbers.
INTEGER = re.compile(r"-?(0|[1-9]\d*)")
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
BOOLEANS = {"true": True, "false": False}


def coerce(text: str, schema: Any, schemas: Schemas) -> Any:
    """Return the first reading of a text that fits the schema, else the text itself, which the check then refuses."""
    readings = list(_readings(text, schemas.types(schema)))
    if len(readings) == 1:
        return readings[0]
    return next((reading for reading in readings if schemas.valid(schema, reading, "write")), text)


def _readings(text: str, types: tuple[str, ...]) -> Iterator[Any]:
    if "integer" in types and INTEGER.fullmatch(text):
        yield int(text)
    elif "number" in types and NUMBER.fullmatch(text):
        yield int(text) if INTEGER.fullmatch(text) else float(text)
    if "boolean" in types and text in BOOLEANS:
        yield BOOLEANS[text]
    if "null" in types and text == "null":
        yield None
    if {"object", "array"} & set(types) and text[:1] in ("{", "["):
        # No style defines an object inside an array in a URL; clients write JSON.
        with suppress(ValueError):
            yield json.loads(text)
    yield text


def coerce_array(texts: Sequence[str], schema: Any, schemas: Schemas) -> list[Any]:
    items = _subschema(schema, "items", schemas)
    return [coerce(text, items, schemas) for text in texts]


def coerce_object(pairs: Mapping[str, Any], schema: Any, schemas: Schemas) -> dict[str, Any]:
    """Return texts, lists and maps by property name as an object with the types of its schema."""
    return {name: coerce_tree(value, _property_schema(schema, name, schemas), schemas) for name, value in pairs.items()}


def coerce_tree(value: Any, schema: Any, schemas: Schemas) -> Any:
    """Return the value of nested maps and lists of texts, the form of bracketed names."""
    if isinstance(value, Mapping):
        # `a[0]=x&a[1]=y` and `a[]=x&a[]=y` are both in use for lists.
        if "array" in schemas.types(schema) and value and all(key.isdecimal() for key in value):
            value = [value[key] for key in sorted(value, key=int)]
        elif "array" in schemas.types(schema) and set(value) == {""}:
            value = value[""] if isinstance(value[""], list) else [value[""]]
        else:
            return coerce_object(value, schema, schemas)
    types = schemas.types(schema)
    if isinstance(value, list):
        items = _subschema(schema, "items", schemas)
        return [coerce_tree(item, items, schemas) for item in value]
    if "array" in types and "string" not in types and isinstance(value, str):
        return coerce_array([value], schema, schemas)
    return coerce(value, schema, schemas) if isinstance(value, str) else value


def _subschema(schema: Any, key: str, schemas: Schemas) -> Any:
    flat = schemas.flat(schema)
    for branch in (flat, *schemas.branches(flat)):
        if isinstance(branch.get(key), Mapping):
            return branch[key]
    return {}


def _property_schema(schema: Any, name: str, schemas: Schemas) -> Any:
    described = schemas.properties(schema)
    return described[name] if name in described else _subschema(schema, "additionalProperties", schemas)
