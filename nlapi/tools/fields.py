"""The field names of an operation's answer, as text for a reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nlapi.openapi.spec import Operation
from nlapi.resources.answers import answer_schema, answer_schemas
from nlapi.resources.envelope import SchemaView
from nlapi.resources.schemas import SchemaReader

# A line of the reference that a model reads per operation; the whole holds at most 60,000 characters (015-plugins.md).
MAX_FIELDS = 16
MAX_DEPTH = 2


def fields(operation: Operation, written: Callable[[str], str]) -> str:
    """Return the field names of a success answer, passed through `spell`; for a list, those of its items."""
    return _fields(answer_schemas(operation.spec).reader, answer_schema(operation), written, 0)


def _fields(reader: SchemaReader, schema: Any, written: Callable[[str], str], depth: int) -> str:
    if depth > MAX_DEPTH:
        return ""
    if "array" in reader.types(schema):
        inner = _fields(reader, SchemaView(schema, reader).items, written, depth + 1)
        return f"a list of ({inner})" if inner else "a list"
    found = reader.properties(schema)
    names = []
    for name, below in list(found.items())[:MAX_FIELDS]:
        inside = _fields(reader, below, written, depth + 1) if "array" in reader.types(below) else ""
        names.append(f"{written(name)}: {inside}" if inside.startswith("a list of") else written(name))
    more = len(found) - MAX_FIELDS
    return ", ".join(names) + (f" and {more} more" if more > 0 else "")
