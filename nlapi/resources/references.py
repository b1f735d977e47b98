"""Finds the references to other items in an answer: ids under a name such as `account_id`, and objects with an id.

The `project` in `{"project": {"gid": "12", "name": "Move"}}` is a reference where the API reads projects by their gid.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from nlapi.openapi.spec import Operation, Spec
from nlapi.resources.answers import extract_list
from nlapi.resources.envelope import SchemaView
from nlapi.resources.grouping import Resource
from nlapi.resources.identity import field_at, is_id_value
from nlapi.resources.semantics import Semantics, semantics_of

# Levels of objects and lists in which references are looked for: `data.items[].project` is the third.
_MAX_DEPTH = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """An id in an answer that belongs to an item of `resource`; `path` is its position in the answer.

    `fields` are those of the object with the id, {} for an id alone.
    """

    path: str
    resource: Resource
    id: str | int
    fields: Mapping[str, Any] = field(default_factory=dict)


class ResourceReferences:
    """The references in the answers of one Spec."""

    def __init__(self, spec: Spec) -> None:
        self.semantics: Semantics = semantics_of(spec)
        self.reader = self.semantics.answers.reader

    def object_resource(self, name: str, schema: object) -> Resource | None:
        """Return the resource that an object in an answer is an item of, by its schema or its name; None for none."""
        resource = self.semantics.resource_by_schema(schema) or self.semantics.resource_by_noun(name)
        if resource is None or not resource.id_path or "." in resource.id_path:
            return None
        return resource if resource.id_path in self.reader.properties(schema) else None

    def find(self, schema: object, data: object, path: str = "", depth: int = 0) -> Iterator[Reference]:
        """Yield the references in `data`, an answer with this schema."""
        if depth > _MAX_DEPTH:
            return
        if isinstance(data, list):
            items = self._items(schema)
            for index, entry in enumerate(data):
                yield from self.find(items, entry, f"{path}[{index}]", depth + 1)
        elif isinstance(data, Mapping):
            properties = self.reader.properties(schema)
            for name, value in data.items():
                yield from self._in_property(name, properties.get(name, {}), value, f"{path}.{name}", depth)

    def _in_property(self, name: str, schema: Any, value: object, path: str, depth: int) -> Iterator[Reference]:
        values, is_list = (value, True) if isinstance(value, list) else ([value], False)
        item_schema = self._items(schema) if is_list else schema
        for index, entry in enumerate(values):
            entry_path = f"{path}[{index}]" if is_list else path
            if isinstance(entry, Mapping):
                resource = self.object_resource(name, item_schema)
                id = field_at(entry, resource.id_path) if resource is not None else None
                if resource is not None and is_id_value(id):
                    yield Reference(path=f"{entry_path}.{resource.id_path}", resource=resource, id=id, fields=entry)
                yield from self.find(item_schema, entry, entry_path, depth + 1)
            elif is_id_value(entry) and (resource := self.semantics.resource_by_name(name)) is not None:
                yield Reference(path=entry_path, resource=resource, id=entry)

    def _items(self, schema: object) -> Any:
        return SchemaView(schema, self.reader).items

    def in_entries(self, operation: Operation, data: object) -> Iterator[Reference]:
        """Yield the references in the entries of a list of other things, from which the paths of items take ids."""
        sources = self.semantics.listed_ids.get(operation, ())
        answer = extract_list(data, operation) if sources else None
        for entry in answer.entries if answer is not None else ():
            for resource, field_path in sources:
                id = field_at(entry, field_path) if isinstance(entry, Mapping) else entry
                if is_id_value(id):
                    fields = entry if isinstance(entry, Mapping) and field_path == resource.id_path else {}
                    yield Reference(path=field_path, resource=resource, id=id, fields=fields)


def references(spec: Spec) -> ResourceReferences:
    """Return the References of a Spec, computed once."""
    return spec.derive(ResourceReferences)
