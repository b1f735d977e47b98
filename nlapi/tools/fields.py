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


def answer_fields(operation: Operation, spell: Callable[[str], str]) -> str:
    """Return the field names of a success answer, passed through `spell`; for a list, those of its items."""
    return _field_names(answer_schemas(operation.spec).reader, answer_schema(operation), spell, 0)


def _field_names(reader: SchemaReader, schema: Any, spell: Callable[[str], str], depth: int) -> str:
    if depth > MAX_DEPTH:
        return ""
    if "array" in reader.types(schema):
        items = _field_names(reader, SchemaView(schema, reader).items, spell, depth + 1)
        return f"a list of ({items})" if items else "a list"
    properties = reader.properties(schema)
    names = []
    for name, field_schema in list(properties.items())[:MAX_FIELDS]:
        nested = _field_names(reader, field_schema, spell, depth + 1) if "array" in reader.types(field_schema) else ""
        names.append(f"{spell(name)}: {nested}" if nested.startswith("a list of") else spell(name))
    remaining = len(properties) - MAX_FIELDS
    return ", ".join(names) + (f" and {remaining} more" if remaining > 0 else "")
