"""Where in an answer the thing itself is: the array of a list, the object inside a wrapper."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from nlapi.openapi.parts import Media, Schema
from nlapi.openapi.spec import Operation
from nlapi.resources.naming import name_key, name_words, same_name, singular_words
from nlapi.sandbox.bodies import is_json
from nlapi.sandbox.schemas import Schemas

LISTS = ("data", "items", "results", "entries", "values", "list", "records", "rows", "elements", "content", "resources")
WRAPPERS = ("data", "result", "item", "resource", "attributes", "object", "response", "payload")

PAGING = frozenset(
    "page pages paging pagination total totals count limit offset next previous prev cursor token has more meta "
    "metadata links self first last size results request info kind etag object warnings errors success status".split()
)
"""Words of the properties that go with the array of a list."""

Keys = tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The keys that lead to a thing inside a value, and the schema it has there."""

    keys: Keys
    schema: Any


def json_media(operation: Operation) -> Media | None:
    """The JSON form of the answer of success, when it has one."""
    response = operation.response()
    return next((media for media in response.media if is_json(media.content_type)), None) if response else None


def find_array(schema: Any, name: str, schemas: Schemas, depth: int = 2) -> Found | None:
    """The array of a list answer: the answer itself, or the array that is called like the collection, or the only one.

    An object that has an id of its own is a thing with arrays in it, not a list.
    """
    if "array" in schemas.types(schema):
        flat = _with(schemas, schema, "items")
        return Found(keys=(), schema=flat.get("items", {})) if flat.get("items") is not False else None
    described = schemas.properties(schema)
    if any(name_key(one) in ("id", "uuid") for one in described):
        return None
    arrays = {one: found for one, found in described.items() if _objects(found, schemas)}
    for wanted in (name, *LISTS):
        for one, found in arrays.items():
            if same_name(one, wanted):
                return _inside(one, find_array(found, name, schemas, 0))
    named = [one for one in arrays if _ends_alike(one, name)]
    about = all(one in arrays or PAGING & set(name_words(one)) for one in described)
    chosen = named if len(named) == 1 else list(arrays) if len(arrays) == 1 and about else []
    if chosen:
        return _inside(chosen[0], find_array(arrays[chosen[0]], name, schemas, 0))
    for one, found in described.items() if depth else ():
        if schemas.types(found) == ("object",) and (
            same_name(one, name) or name_key(one) in (*LISTS, *WRAPPERS, "embedded")
        ):
            inner = find_array(found, name, schemas, depth - 1)
            if inner is not None:
                return _inside(one, inner)
    return None


def _ends_alike(left: str, right: str) -> bool:
    """Does the shorter name end the longer, `campaign_drafts` and `drafts`?"""
    first, second = singular_words(left), singular_words(right)
    size = min(len(first), len(second))
    return bool(size) and first[-size:] == second[-size:]


def _inside(key: str, found: Found | None) -> Found | None:
    return Found(keys=(key, *found.keys), schema=found.schema) if found else None


def _with(schemas: Schemas, schema: Any, key: str) -> Schema:
    flat = schemas.flat(schema)
    return next((one for one in (flat, *schemas.branches(flat)) if key in one), flat)


def _objects(schema: Any, schemas: Schemas) -> bool:
    """Is it an array of objects?"""
    if "array" not in schemas.types(schema):
        return False
    return "object" in schemas.types(_with(schemas, schema, "items").get("items", {}))


def find_item(schema: Any, names: Iterable[str], refs: frozenset[str], schemas: Schemas) -> Found:
    """The thing in an answer about one thing: the answer, or what its wrapper (`{"data": ...}`) holds.

    `names` are what the thing is called, `refs` the schemas it is known to have.
    """
    whole = Found(keys=(), schema=schema)
    if ref_of(schema) in refs:
        return whole
    described = schemas.properties(schema)
    objects = {one: found for one, found in described.items() if "object" in schemas.types(found)}
    for one, found in objects.items():
        if ref_of(found) in refs:
            return Found(keys=(one,), schema=found)
    if any(name_key(one) in ("id", "uuid") for one in described):
        return whole
    for wanted in (*names, *WRAPPERS):
        for one, found in objects.items():
            if same_name(one, wanted) and len(described) <= 6:
                return Found(keys=(one,), schema=found)
    return whole


def ref_of(schema: Any) -> str:
    """The `$ref` that a schema is, alone or as the one part of an allOf; "" when it is written out."""
    if not isinstance(schema, Mapping):
        return ""
    if isinstance(schema.get("$ref"), str):
        return str(schema["$ref"])
    parts = schema.get("allOf")
    if isinstance(parts, list) and len(parts) == 1 and "properties" not in schema:
        return ref_of(parts[0])
    return ""


def dig(value: Any, keys: Keys) -> Any:
    """What the keys lead to, or None."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def wrap(value: Any, keys: Keys) -> Any:
    """The value under the keys: ("data", "items") gives {"data": {"items": value}}."""
    for key in reversed(keys):
        value = {key: value}
    return value
