"""Counts the schemas that one value is held against, where a schema combines others again and again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_LISTS = ("allOf", "anyOf", "oneOf")
_SINGLE = ("not", "if", "then", "else")


def combined_size(schema: Mapping[str, Any], limit: int) -> int:
    """Return the largest number of schemas that one value is held against, or any number above `limit`.

    Each of `allOf`, `anyOf`, `oneOf` and the like counts with what it refers to: 30 levels of two references to the
    level below are 2^30 schemas in a page of text. A schema within itself counts once.
    """
    return _Sizes(schema, limit).largest()


class _Sizes:
    """The sizes of the parts of one schema, each counted once."""

    def __init__(self, schema: Mapping[str, Any], limit: int) -> None:
        self._schema = schema
        self._limit = limit
        self._nodes = list(_objects(schema))
        self._anchors = {f"#{node['$anchor']}": node for node in self._nodes if isinstance(node.get("$anchor"), str)}
        self._sizes: dict[int, int] = {}

    def largest(self) -> int:
        try:
            return max(map(self._size, self._nodes))
        except RecursionError:  # a chain of references of hundreds of steps
            return self._limit + 1

    def _size(self, node: object) -> int:
        if not isinstance(node, Mapping):
            return 1
        if id(node) not in self._sizes:
            self._sizes[id(node)] = 1  # for a reference that leads back here
            self._sizes[id(node)] = min(1 + sum(map(self._size, self._parts(node))), self._limit + 1)
        return self._sizes[id(node)]

    def _parts(self, node: Mapping[str, Any]) -> Iterator[object]:
        """Yield the schemas that a value is held against with this one."""
        for name in _LISTS:
            if isinstance(parts := node.get(name), list):
                yield from parts
        yield from (node[name] for name in _SINGLE if name in node)
        if isinstance(dependent := node.get("dependentSchemas"), Mapping):
            yield from dependent.values()
        for name in ("$ref", "$dynamicRef"):
            if isinstance(reference := node.get(name), str):
                yield self._target(reference)

    def _target(self, reference: str) -> object:
        if reference in self._anchors:
            return self._anchors[reference]
        target: Any = self._schema
        for step in reference.removeprefix("#").split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            target = target.get(key) if isinstance(target, Mapping) else None
        return target


def _objects(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield all objects of a schema, itself first."""
    pending: list[Any] = [schema]
    while pending:
        node = pending.pop()
        if isinstance(node, Mapping):
            yield node
            pending += node.values()
        elif isinstance(node, list):
            pending += node
