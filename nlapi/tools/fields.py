"""The fields of what an operation answers, as its description has them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from nlapi.openapi.spec import Operation

MAX_FIELDS = 16
MAX_DEPTH = 2


def answer_schema(operation: Operation) -> Any:
    """The schema of an answer of success; {} when the description has none."""
    response = operation.response()
    return response.media[0].schema if response and response.media else {}


def properties(schema: Any, follow: Callable[[Any], Any]) -> dict[str, Any]:
    """Name -> schema of the properties that an object has by itself and by `allOf`."""
    if not isinstance(schema, Mapping):
        return {}
    parts = schema.get("allOf")
    found: dict[str, Any] = {}
    for part in (schema, *(follow(one) for one in (parts if isinstance(parts, list) else ()))):
        own = part.get("properties") if isinstance(part, Mapping) else None
        found |= own if isinstance(own, Mapping) else {}
    return found


def fields(operation: Operation, written: Callable[[str], str]) -> str:
    """The names of the fields of an answer of success, as `written`; of a list, those of what is listed."""
    return _fields(operation, answer_schema(operation), written, 0)


def _fields(operation: Operation, schema: Any, written: Callable[[str], str], depth: int) -> str:
    follow = operation.spec.follow
    schema = follow(schema)
    if not isinstance(schema, Mapping) or depth > MAX_DEPTH:
        return ""
    if "items" in schema:
        inner = _fields(operation, schema["items"], written, depth + 1)
        return f"a list of ({inner})" if inner else "a list"
    found = properties(schema, follow)
    names = []
    for name, one in list(found.items())[:MAX_FIELDS]:
        below = follow(one)
        is_list = isinstance(below, Mapping) and "items" in below
        inside = _fields(operation, below, written, depth + 1) if is_list else ""
        names.append(f"{written(name)}: {inside}" if inside.startswith("a list of") else written(name))
    more = len(found) - MAX_FIELDS
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")
