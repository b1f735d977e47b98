"""Which properties of a thing hold the ids of other things, by their names and by the description's Links."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from nlapi.openapi.spec import Operation
from nlapi.resources.naming import name_key
from nlapi.sandbox.entities import Entities, Entity
from nlapi.sandbox.keys import Keys
from nlapi.sandbox.roles import Role, Roles
from nlapi.sandbox.store import Scope

BODY_POINTER = re.compile(r"\$response\.body#/(.+)")


class References:
    """The references of each kind of thing: (property, the kind it refers to)."""

    def __init__(self, entities: Entities, roles: Roles) -> None:
        self.entities = entities
        self.roles = roles
        self._found: dict[str, list[tuple[str, Entity]]] = {}
        self._links: dict[str, dict[str, Entity]] | None = None

    def of(self, entity: Entity) -> list[tuple[str, Entity]]:
        found = self._found.get(entity.name)
        if found is None:
            names = dict.fromkeys(name for one in entity.schemas for name in self.entities.schemas.properties(one))
            linked = self._linked().get(entity.name, {})
            targets = [
                (name, linked.get(name) or self.entities.named(name)) for name in names if name != entity.id_name
            ]
            found = [(name, target) for name, target in targets if target is not None and target is not entity]
            self._found[entity.name] = found
        return found

    def values(self, entity: Entity, scope: Scope, keys: Keys) -> dict[str, Any]:
        """The properties of a thing that follow from its parents and relations: ids, and lists of one id."""
        known: dict[str, Any] = {}
        for name, target in self.of(entity):
            if target.name in scope:
                key = keys.typed(target, scope[target.name])
                known[name] = [key] if "array" in self._types(entity, name) else key
        for parent in (parent for one in entity.collections for parent in self.roles.parents(one.path)):
            own = self._property(entity, parent.parameter)
            if parent.name in scope and own and own != entity.id_name and own not in known:
                known[own] = keys.typed(parent.entity, scope[parent.name]) if parent.entity else scope[parent.name]
        return known

    def scope(self, entity: Entity, data: Mapping[str, Any]) -> dict[str, str]:
        """The relations that a thing's own properties name."""
        found = {}
        for name, target in self.of(entity):
            value = data.get(name)
            if isinstance(value, str | int) and not isinstance(value, bool):
                found[target.name] = str(value)
        return found

    def _types(self, entity: Entity, name: str) -> tuple[str, ...]:
        schemas = self.entities.schemas
        return next(
            (schemas.types(each[name]) for one in entity.schemas if name in (each := schemas.properties(one))), ()
        )

    def _property(self, entity: Entity, parameter: str) -> str | None:
        wanted = name_key(parameter)
        names = (name for one in entity.schemas for name in self.entities.schemas.properties(one))
        return next((name for name in names if name_key(name) == wanted and wanted != "id"), None)

    def _linked(self) -> dict[str, dict[str, Entity]]:
        """What the Links say: a property of this kind of thing is the id of that kind."""
        if self._links is None:
            self._links = {}
            for operations in self.entities.operations.values():
                for operation in operations.values():
                    for source, name, target in self._of_links(operation):
                        self._links.setdefault(source.name, {})[name] = target
        return self._links

    def _of_links(self, operation: Operation) -> Iterator[tuple[Entity, str, Entity]]:
        links = operation.links
        source = self.roles.of(operation) if links else None
        if source is None or source.entity is None:
            return
        for link in links:
            target = self._operation(operation, link.operation_id)
            role = self.roles.of(target) if target else None
            for parameter, expression in link.parameters.items() if role else ():
                found = BODY_POINTER.fullmatch(expression) if isinstance(expression, str) else None
                entity = _named_by(role, parameter.rpartition(".")[2]) if role else None
                name = _top_property(found.group(1), source) if found else None
                if entity is not None and name is not None:
                    yield source.entity, name, entity

    def _operation(self, operation: Operation, id: str) -> Operation | None:
        return next((one for one in operation.spec.operations if one.id == id), None)


def _named_by(role: Role, parameter: str) -> Entity | None:
    """The kind of thing whose id a path parameter is."""
    if role.key == parameter:
        return role.entity
    return next((parent.entity for parent in role.parents if parent.parameter == parameter), None)


def _top_property(pointer: str, source: Role) -> str | None:
    """The property of the thing that a pointer into the answer leads to, when it is one of its own."""
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")]
    above = source.found.keys if source.found else ()
    if tuple(parts[: len(above)]) != above:
        return None
    rest = [part for part in parts[len(above) :] if not part.isdecimal()]
    return rest[0] if len(rest) == 1 else None
