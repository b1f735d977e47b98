"""The words of what an operation answers with, by its description: names of fields, and values of closed choices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from nlapi.openapi.spec import Operation
from nlapi.resources.answers import answer_schemas
from nlapi.resources.naming import pieces, stem


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryWords:
    """`fields` are stems of the names of fields, `values` those of the choices that a field may be, and `inner`
    those of the names of the fields of things in a list of it.
    """

    fields: frozenset[tuple[str, ...]]
    values: frozenset[tuple[str, ...]]
    inner: frozenset[tuple[str, ...]]

    def names_field(self, stems: tuple[str, ...]) -> bool:
        """Does a run of stems name a field by the whole of its name, or by its last words: code of status_code?"""
        return bool(stems) and any(field[-len(stems) :] == stems for field in self.fields)


@lru_cache(maxsize=4096)
def entry_words(operation: Operation) -> EntryWords:
    """Return the words of one entry of the list, or of the one thing, that an operation answers with."""
    schemas = answer_schemas(operation.spec)
    properties = schemas.reader.properties(schemas.entry_schema(operation))
    flat = [schemas.reader.flat(schema) for schema in properties.values()]
    items = [schemas.reader.flat(schema["items"]) for schema in flat if isinstance(schema.get("items"), Mapping)]
    inner = {name for item in items for name in schemas.reader.properties(item)}
    choices = [value for schema in (*flat, *items) for value in schema.get("enum") or () if isinstance(value, str)]
    return EntryWords(
        fields=frozenset(map(_stems, properties)),
        values=frozenset(map(_stems, choices)),
        inner=frozenset(map(_stems, inner)),
    )


def _stems(name: str) -> tuple[str, ...]:
    return tuple(map(stem, pieces(name)))
