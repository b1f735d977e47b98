"""Inverts OpenAPI Links: finds the answers that a description names as the source of a value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any

from nlapi.openapi.parts import as_map
from nlapi.openapi.spec import Effect, Operation
from nlapi.resources.paths import Place

LinkedSource = tuple[Operation, str, bool]
"""An operation, the field in its answer or in each entry, and whether it lists."""

_BODY = re.compile(r"^\$response\.body#(?P<path>(?:/[^/]+)+)$")
_PLACES = ("path", "query", "header", "cookie")


class LinkedSources:
    """The sources that the Links of some operations name (OpenAPI 3.1.1 §4.8.20)."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self._operations = tuple(operations)

    def find_sources(self, operation: Operation, place: Place) -> Iterator[LinkedSource]:
        """Yield the sources that Links name for the value of a place of an operation."""
        for location in (place[0], ""):
            yield from self._sources.get((operation.id, location, place[1]), ())

    def all_sources(self) -> Iterator[tuple[str, str, LinkedSource]]:
        """Yield every source, after the id of the operation that takes its value, and the name of the parameter."""
        for (id, _, name), sources in self._sources.items():
            yield from ((id, name, source) for source in sources)

    @cached_property
    def _sources(self) -> Mapping[tuple[str, str, str], list[LinkedSource]]:
        sources: dict[tuple[str, str, str], list[LinkedSource]] = {}
        spec = self._operations[0].spec if self._operations else None
        if spec is None or not _has_links(spec.document):
            return sources
        for operation in self._operations:
            # The answer of a creation has the id of the new item, which nobody looks up.
            for link in operation.links if operation.effect is Effect.READ else ():
                for name, expression in link.parameters.items():
                    source = _parse_source(operation, expression)
                    if source is not None:
                        # A parameter may be qualified by its location, as in `path.id` (OpenAPI 3.1.1 §4.8.20).
                        location, _, parameter = name.partition(".")
                        key = (location, parameter) if parameter and location in _PLACES else ("", name)
                        sources.setdefault((link.operation_id, *key), []).append(source)
        return sources


def _parse_source(operation: Operation, expression: Any) -> LinkedSource | None:
    """Return the source in a runtime expression: in `$response.body#/data/0/id` of an entry, in `#/id` of the item."""
    match = _BODY.match(expression) if isinstance(expression, str) else None
    if match is None:
        return None
    steps = match["path"].strip("/").split("/")
    numbers = [index for index, step in enumerate(steps) if step.isdecimal()]
    field = ".".join(steps[numbers[-1] + 1 :] if numbers else steps)
    return (operation, field, bool(numbers)) if field else None


def _has_links(document: Mapping[str, Any]) -> bool:
    """Return whether a description has any Link, as answers are costly to parse only to find none."""
    if as_map(document.get("components")).get("links"):
        return True
    nodes = (node for item in as_map(document.get("paths")).values() for node in as_map(item).values())
    answers = (response for node in nodes for response in as_map(as_map(node).get("responses")).values())
    return any(as_map(response).get("links") for response in answers)
