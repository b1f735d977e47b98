"""The fields of what an operation answers, as its description has them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from nlapi.openapi.spec import Operation
from nlapi.resources.answers import answer_schema, answer_schemas
from nlapi.resources.envelope import SchemaView
from nlapi.resources.schemas import SchemaReader

MAX_FIELDS = 16
MAX_DEPTH = 2


def fields(operation: Operation, written: Callable[[str], str]) -> str:
    """The names of the fields of an answer of success, as `written`; of a list, those of what is listed."""
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
