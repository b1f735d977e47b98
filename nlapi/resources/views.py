"""Gives the schema and the data of an answer one interface, for the rule that finds lists and items in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from nlapi.openapi.parts import Schema, as_map
from nlapi.resources.schemas import SchemaReader

# The share of fields that the values of a map have in common when they are items of one kind. Consul's services, for
# one, differ by optional fields.
_MAP_LIKENESS = 0.8


class ViewForm(StrEnum):
    """The form of a part of an answer; an OBJECT_ARRAY has only objects, an ANY_ARRAY is empty or unknown."""

    OBJECT = "object"
    OBJECT_ARRAY = "things"
    VALUE_ARRAY = "values"
    ANY_ARRAY = "bare"
    VALUE = "value"
    NULL = "nothing"


@dataclass(frozen=True, slots=True)
class DataView:
    """A part of the data of an answer."""

    value: Any

    @property
    def form(self) -> ViewForm:
        value = self.value
        if isinstance(value, Mapping):
            return ViewForm.OBJECT
        if isinstance(value, list):
            return ViewForm.ANY_ARRAY if not value else ViewForm.OBJECT_ARRAY if all(map(_is_object, value)) else ViewForm.VALUE_ARRAY
        return ViewForm.NULL if value is None else ViewForm.VALUE

    @property
    def names(self) -> Iterable[str]:
        return self.value if isinstance(self.value, Mapping) else ()

    @property
    def is_map(self) -> bool:
        """Whether it is an object whose property names are keys of items of one kind."""
        items = list(self.value.values()) if isinstance(self.value, Mapping) else []
        # One object in another may be anything; two of one kind show a map.
        if len(items) < 2 or not all(map(_is_object, items)):
            return False
        shared = set.intersection(*(set(item) for item in items))
        are_similar = len(shared) > 1 and all(len(shared) >= _MAP_LIKENESS * len(item) for item in items)
        return are_similar and all(_is_key(key, item) for key, item in self.value.items())

    def field(self, name: str) -> DataView:
        return DataView(self.value[name])


@dataclass(frozen=True, slots=True)
class SchemaView:
    """A part of the schema of an answer."""

    schema: Any
    reader: SchemaReader

    @property
    def form(self) -> ViewForm:
        types = self.reader.types(self.schema)
        if "array" in types:
            inner = self.reader.types(self.items)
            return ViewForm.OBJECT_ARRAY if "object" in inner else ViewForm.VALUE_ARRAY if inner else ViewForm.ANY_ARRAY
        if "object" in types or (not types and self.reader.properties(self.schema)):
            return ViewForm.OBJECT
        return ViewForm.VALUE if types != ("null",) else ViewForm.NULL

    @property
    def items(self) -> Schema:
        """The schema of an array's entries; {} where it is absent, or allows none."""
        flat = self.reader.flat(self.schema)
        items: Any = next((part["items"] for part in (flat, *self.reader.branches(flat)) if "items" in part), {})
        return as_map(items)

    @property
    def names(self) -> Iterable[str]:
        return self.reader.properties(self.schema)

    @property
    def is_map(self) -> bool:
        flat = self.reader.flat(self.schema)
        values = flat.get("additionalProperties")
        has_objects = "object" in self.reader.types(values) if isinstance(values, Mapping) else False
        return has_objects and not flat.get("properties")

    def field(self, name: str) -> SchemaView:
        return SchemaView(self.reader.properties(self.schema)[name], self.reader)


View: TypeAlias = DataView | SchemaView
"""A part of an answer, with the same properties for a schema and for data."""


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_key(key: str, item: Mapping[str, Any]) -> bool:
    """Return whether the name of a property is the key of the item in it: a field has it too, or it has a digit."""
    return key in item.values() or any(map(str.isdigit, key))
