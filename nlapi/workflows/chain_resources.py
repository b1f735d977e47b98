"""The operations of a description by the resource that they are about, and the links between creations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from functools import cached_property

from nlapi.english.words import name_key
from nlapi.openapi.spec import Effect, Operation, Spec
from nlapi.resources.grouping import Resource
from nlapi.resources.nouns import is_id_argument, noun_in_name
from nlapi.resources.paths import Place, segments
from nlapi.resources.semantics import OperationKind
from nlapi.workflows.chain_values import ValueFlow
from nlapi.workflows.chain_words import has_draft_segment, is_draft


class ResourceOperations:
    """The operations of one Spec by their resource. `values` is the flow of values between them."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.values = ValueFlow(spec)
        self.semantics = self.values.semantics
        self.operations = [
            operation for operation in spec.visible_operations if operation.usable and not operation.deprecated
        ]

    @cached_property
    def by_resource(self) -> Mapping[Resource, Mapping[OperationKind, list[Operation]]]:
        groups: dict[Resource, dict[OperationKind, list[Operation]]] = defaultdict(lambda: defaultdict(list))
        for operation in self.operations:
            semantics = self.semantics.classify(operation)
            if semantics.resource is not None and not semantics.resource.is_singleton:
                groups[semantics.resource][semantics.kind].append(operation)
        return groups

    @cached_property
    def below_items(self) -> Mapping[Resource, list[tuple[str, Operation]]]:
        """The operations right below one item, with the last segment of their path: /drafts/{id}/publish."""
        below: dict[Resource, list[tuple[str, Operation]]] = defaultdict(list)
        for operation in self.operations:
            path = segments(operation.route)
            is_below = len(path) > 2 and not path[-1].parameter and path[-2].parameter
            owner = self.semantics.resource_at(path[:-2]) if is_below else None
            if owner is not None:
                below[owner].append((path[-1].text, operation))
        return below

    def weight(self, *resources: Resource) -> float:
        return sum(
            sum(map(len, self.by_resource[resource].values())) + len(self.below_items.get(resource, ()))
            for resource in resources
        ) / max(1, len(resources))

    def creation(self, operations: Mapping[OperationKind, list[Operation]]) -> Operation | None:
        """Return the operation that creates one item, the shortest path first; None without one."""
        candidates = [
            operation
            for operation in operations.get(OperationKind.CREATE, ())
            if operation.effect is Effect.WRITE and self.values.takes_one(operation)
        ]
        return min(candidates, key=lambda operation: len(segments(operation.route)), default=None)

    def links(self, resource: Resource, creation: Operation) -> dict[Place, Resource]:
        """Return the places of a creation that take the id of another thing which can be created, with that thing."""
        links: dict[Place, Resource] = {}
        parents = {parent.parameter: parent.resource for parent in self.semantics.parents(segments(creation.route))}
        required = self.values.required_places(creation)
        names = self.values.reader.properties(creation.body.schema) if creation.body is not None else {}
        # Where a body says what it requires, the rest is for those who know what they want; but what a list of these
        # things is filtered by is where they belong.
        states_required = any(location == "body" for location, _ in required)
        filters = self._list_filters(resource) if states_required else frozenset(map(name_key, names))
        optional = [("body", name) for name in names if name_key(name) in filters]
        for place in (*required, *optional):
            location, name = place
            if not is_id_argument(place) or self.values.place_schema(creation, place).get("readOnly"):
                continue
            target = parents.get(name) if location == "path" else self._target_by_name(name, creation)
            if target is None or target is resource or target in links.values():
                continue
            # An optional id is that of the thing only where its name says exactly that.
            if place not in required and noun_in_name(name) != target.noun:
                continue
            links[place] = target
        return links

    def _list_filters(self, resource: Resource) -> frozenset[str]:
        """Return the keys of the ids that the lists of a resource are filtered by, each in the singular."""
        lists = self.by_resource.get(resource, {}).get(OperationKind.LIST, ())
        names = (entry.name for listing in lists for entry in listing.parameters if entry.location == "query")
        return frozenset(name_key(name.removesuffix("s") if name.endswith("ids") else name) for name in names)

    def _target_by_name(self, name: str, creation: Operation) -> Resource | None:
        """Return the resource that a property of a creation refers to: a draft belongs to drafts."""
        target = self.semantics.resource_by_name(name)
        path = segments(creation.route)
        if target is None or has_draft_segment(path) == is_draft(target):
            return target
        same_noun = (entry for entry in self.by_resource if entry.noun == target.noun)
        return next((entry for entry in same_noun if is_draft(entry) == has_draft_segment(path)), None)
