"""What each operation does to the things that an API keeps: list, create, read, change, delete, act or compute."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nlapi.openapi.spec import Effect, Operation, Spec
from nlapi.resources.naming import name_key, name_words
from nlapi.resources.paths import Path, segments, shape
from nlapi.sandbox.entities import Collection, Entities, Entity
from nlapi.sandbox.envelopes import Found, find_array, find_item, json_media, ref_of
from nlapi.sandbox.schemas import Schemas

SINGLE = "-"
"""The key of a thing of which there is one: `/account/settings`."""


class Kind(StrEnum):
    LIST = "list"
    CREATE = "create"
    READ = "read"
    MERGE = "merge"
    REPLACE = "replace"
    DELETE = "delete"
    CLEAR = "clear"
    ACT = "act"
    COMPUTE = "compute"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """A placeholder above a thing. `name` is what a scope calls it; `entity` is None for a kind that is not kept."""

    name: str
    parameter: str
    entity: Entity | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """What an operation does. `key` is the parameter that names the one thing it is about, None without one.

    `found` is where in the answer the list or thing is; `verb` what an ACT does; `makes` the kind it brings forth.
    """

    kind: Kind
    operation: Operation
    entity: Entity | None = None
    parents: tuple[Parent, ...] = ()
    key: str | None = None
    found: Found | None = None
    verb: str = ""
    makes: Entity | None = None


def _reads(operation: Operation) -> bool:
    """Whether a POST changes nothing."""
    return operation.method == "POST" and operation.effect is Effect.READ


class Roles:
    """The Role of each operation of a Spec, worked out when it is first asked for."""

    def __init__(self, spec: Spec, entities: Entities, schemas: Schemas) -> None:
        self.entities = entities
        self.schemas = schemas
        self._roles: dict[str, Role] = {}
        self._singles: dict[Any, Entity] = {}

    def of(self, operation: Operation) -> Role:
        role = self._roles.get(operation.id)
        if role is None:
            role = self._roles[operation.id] = self._decide(operation)
        return role

    def _decide(self, operation: Operation) -> Role:
        path, method = segments(operation.route), operation.method
        entity = self.entities.at(path)
        if entity is not None and (role := self._on_collection(operation, method, path, entity)):
            return role
        if path and path[-1].parameter and (owner := self.entities.at(path[:-1])) is not None:
            return self._on_item(operation, method, path, owner)
        if (found := self._lists(operation, path)) is not None:
            return found
        if single := self._single(path):
            return self._on_single(operation, method, path, single)
        return self._otherwise(operation, path)

    def _on_collection(self, operation: Operation, method: str, path: Path, entity: Entity) -> Role | None:
        media = json_media(operation)
        found = find_array(media.schema, path[-1].text if path else "", self.schemas) if media else None
        if method in ("GET", "HEAD", "QUERY") and found:
            return self._role(Kind.LIST, operation, path, entity, found=found)
        if method == "POST" and found and media and ref_of(found.schema) in entity.refs:
            return self._role(Kind.LIST, operation, path, entity, found=found)
        if _reads(operation):
            return None
        if method == "POST":
            return self._role(Kind.CREATE, operation, path, entity, found=self._item(operation, entity))
        if method == "DELETE":
            return self._role(Kind.CLEAR, operation, path, entity, found=found)
        return None

    def _on_item(self, operation: Operation, method: str, path: Path, entity: Entity) -> Role:
        kinds = {"GET": Kind.READ, "HEAD": Kind.READ, "PATCH": Kind.MERGE, "PUT": Kind.REPLACE, "DELETE": Kind.DELETE}
        kind = Kind.READ if _reads(operation) else kinds.get(method, Kind.ACT)
        verb, makes = "", None
        found = self._item(operation, entity)
        if kind is Kind.ACT:
            verb = (name_words(operation.id) or ("",))[0]
            found, makes = self._brings_forth(operation, entity, found)
        key = path[-1].parameter
        return self._role(kind, operation, path[:-1], entity, key=key, found=found, verb=verb, makes=makes)

    def _lists(self, operation: Operation, path: Path) -> Role | None:
        """A list of known things at a path of its own: `/pets/findByStatus`, `POST /campaigns/search`."""
        if operation.method not in ("GET", "POST", "QUERY") or (media := json_media(operation)) is None:
            return None
        found = find_array(media.schema, path[-1].text if path else "", self.schemas)
        ref = ref_of(found.schema) if found else ""
        if not found or not ref:
            return None
        owners = [entity for entity in self.entities.all if ref in entity.refs]
        above = [entity for entity in owners if self.entities.at(path[:-1]) is entity]
        owner = above[0] if above else owners[0] if len(owners) == 1 and operation.method == "GET" else None
        return self._role(Kind.LIST, operation, path, owner, found=found) if owner else None

    def _single(self, path: Path) -> Entity | None:
        """The one thing at a path that can be read and changed: `/account/settings`."""
        operations = self.entities.operations.get(path, {})
        if "GET" not in operations or not {"PUT", "PATCH", "DELETE"} & operations.keys():
            return None
        media = json_media(operations["GET"])
        if media is None or "object" not in self.schemas.types(media.schema):
            return None
        if shape(path) not in self._singles:
            collection = Collection(path=path, item=dict(operations), schemas=[media.schema])
            name = "one:" + "/".join("{}" if one.parameter else one.text for one in path)
            self._singles[shape(path)] = Entity(name=name, collections=[collection])
        return self._singles[shape(path)]

    def _on_single(self, operation: Operation, method: str, path: Path, entity: Entity) -> Role:
        kinds = {"GET": Kind.READ, "HEAD": Kind.READ, "PATCH": Kind.MERGE, "PUT": Kind.REPLACE, "DELETE": Kind.DELETE}
        kind = Kind.READ if _reads(operation) else kinds.get(method, Kind.MERGE)
        return self._role(kind, operation, path, entity, found=self._item(operation, entity))

    def _otherwise(self, operation: Operation, path: Path) -> Role:
        """An action on the nearest thing above, or something that is only computed."""
        places = [place for place, segment in enumerate(path) if segment.parameter]
        owner = self._owner(path, places[-1]) if places else None
        if owner is None or operation.method in ("GET", "HEAD") or _reads(operation):
            return self._role(Kind.COMPUTE, operation, path, None)
        whole = self._item(operation, owner)
        found, makes = self._brings_forth(operation, owner, whole)
        linked = path[-1].parameter is not None
        return self._role(
            Kind.COMPUTE if linked else Kind.ACT,
            operation,
            path if linked else path[: places[-1]],
            None if linked else owner,
            key=None if linked else path[places[-1]].parameter,
            found=found,
            verb=path[-1].text,
            makes=makes,
        )

    def _owner(self, path: Path, place: int) -> Entity | None:
        """The kind that a placeholder names one of: that of the path before it, else that of its name."""
        return self.entities.at(path[:place]) or self.entities.named(path[place].parameter or "")

    def _brings_forth(
        self, operation: Operation, owner: Entity, whole: Found | None
    ) -> tuple[Found | None, Entity | None]:
        """The kind of thing that an action's answer holds, when it is another than it acts on: a draft's campaign."""
        media = json_media(operation)
        if media is None or whole is None or ref_of(whole.schema) in owner.refs:
            return whole, None
        for entity in self.entities.all:
            if entity is not owner and entity.refs:
                found = find_item(media.schema, (), entity.refs, self.schemas)
                if ref_of(found.schema) in entity.refs:
                    return found, entity
        return whole, None

    def _item(self, operation: Operation, entity: Entity) -> Found | None:
        media = json_media(operation)
        return find_item(media.schema, (entity.thing,), entity.refs, self.schemas) if media else None

    def _role(self, kind: Kind, operation: Operation, path: Path, entity: Entity | None, **more: Any) -> Role:
        return Role(kind=kind, operation=operation, entity=entity, parents=tuple(self.parents(path)), **more)

    def parents(self, path: Path) -> Iterator[Parent]:
        """What the placeholders of a path name."""
        for place, segment in enumerate(path):
            if segment.parameter:
                entity = self._owner(path, place)
                name = entity.name if entity else f"parameter:{name_key(segment.parameter)}"
                yield Parent(name=name, parameter=segment.parameter, entity=entity)
