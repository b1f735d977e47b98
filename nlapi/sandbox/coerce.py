"""Text from a URL, a header or a form to a value of the type that its schema wants."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from nlapi.sandbox.schemas import Schemas

INTEGER = re.compile(r"-?(0|[1-9]\d*)")
NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
BOOLEANS = {"true": True, "false": False}


def coerce(text: str, schema: Any, schemas: Schemas) -> Any:
    """The first reading of `text` that fits the schema; the text itself when none does, for the check to refuse."""
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
        # How an object inside an array is written in a URL is not defined; JSON is what clients write.
        with suppress(ValueError):
            yield json.loads(text)
    yield text


def coerce_array(texts: Sequence[str], schema: Any, schemas: Schemas) -> list[Any]:
    items = _facet(schema, "items", schemas)
    return [coerce(text, items, schemas) for text in texts]


def coerce_object(pairs: Mapping[str, Any], schema: Any, schemas: Schemas) -> dict[str, Any]:
    """Each text as the property of that name; a list of texts as an array, a map as an object."""
    return {name: coerce_tree(value, _property(schema, name, schemas), schemas) for name, value in pairs.items()}


def coerce_tree(value: Any, schema: Any, schemas: Schemas) -> Any:
    """Texts in maps and lists, as bracketed names give them, to values. A lone text where a list is wanted is one.

    The names in brackets that lead to the items of a list are its indexes, or empty.
    """
    if isinstance(value, Mapping):
        if "array" in schemas.types(schema) and value and all(key.isdecimal() for key in value):
            value = [value[key] for key in sorted(value, key=int)]
        elif "array" in schemas.types(schema) and set(value) == {""}:
            value = value[""] if isinstance(value[""], list) else [value[""]]
        else:
            return coerce_object(value, schema, schemas)
    wants = schemas.types(schema)
    if isinstance(value, list):
        items = _facet(schema, "items", schemas)
        return [coerce_tree(one, items, schemas) for one in value]
    if "array" in wants and "string" not in wants and isinstance(value, str):
        return coerce_array([value], schema, schemas)
    return coerce(value, schema, schemas) if isinstance(value, str) else value


def _facet(schema: Any, key: str, schemas: Schemas) -> Any:
    flat = schemas.flat(schema)
    for one in (flat, *schemas.branches(flat)):
        if isinstance(one.get(key), Mapping):
            return one[key]
    return {}


def _property(schema: Any, name: str, schemas: Schemas) -> Any:
    described = schemas.properties(schema)
    return described[name] if name in described else _facet(schema, "additionalProperties", schemas)
