"""Counts the schemas that one value is held against: by `allOf`, choices and `$ref`s they grow exponentially."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

_LISTS = ("allOf", "anyOf", "oneOf")
_SINGLE = ("not", "if", "then", "else")
_REFERENCES = ("$ref", "$dynamicRef")


class CombinedSizes:
    """The number of schemas that a value is held against with one, each target of a reference counted once.

    Thirty levels of two references to the level below are 2^30 schemas in a page of text, and whoever merges or checks
    them visits each. `lookup` returns the target of a reference; LookupError for none. No size exceeds `limit` + 1.
    """

    def __init__(self, lookup: Callable[[str], object], limit: int) -> None:
        self._lookup = lookup
        self._limit = limit
        self._sizes: dict[str, int] = {}

    def is_larger(self, schema: object) -> bool:
        """Return whether a schema combines more than `limit` schemas. One within itself counts once."""
        count, references = _count_parts(schema)
        return count + sum(map(self._size, references)) > self._limit

    def _size(self, reference: str) -> int:
        # An explicit stack: a chain of 10,000 references would exceed Python's recursion limit.
        stack, parts = [reference], dict[str, tuple[int, list[str]]]()
        while stack:
            current = stack[-1]
            if current not in self._sizes and current not in parts:
                parts[current] = self._parts(current)
                stack += (part for part in parts[current][1] if part not in self._sizes and part not in parts)
                continue
            if current not in self._sizes:
                count, references = parts[current]
                # A part that is not counted yet leads back here; cycles end where they are followed.
                total = count + sum(self._sizes.get(part, 1) for part in references)
                self._sizes[current] = min(total, self._limit + 1)
            stack.pop()
        return self._sizes[reference]

    def _parts(self, reference: str) -> tuple[int, list[str]]:
        try:
            return _count_parts(self._lookup(reference))
        except LookupError:
            return 1, []


def largest_exceeds(schema: Mapping[str, object], limit: int) -> bool:
    """Return whether some part of a schema, which refers to itself alone, combines more than `limit` schemas."""
    nodes = list(objects_in(schema))
    anchors = {f"#{node['$anchor']}": node for node in nodes if isinstance(node.get("$anchor"), str)}

    def lookup(reference: str) -> object:
        target: object = anchors.get(reference, schema)
        for step in reference.removeprefix("#").split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            target = target.get(key) if isinstance(target, Mapping) else None
        return target

    return any(map(CombinedSizes(lookup, limit).is_larger, nodes))


def _count_parts(schema: object) -> tuple[int, list[str]]:
    """Return the number of schemas in a schema that apply to the same value, and the references among them."""
    count, references, todo = 0, list[str](), [schema]
    while todo:
        node = todo.pop()
        count += 1
        if not isinstance(node, Mapping):
            continue
        references += (node[name] for name in _REFERENCES if isinstance(node.get(name), str))
        for name in _LISTS:
            todo += parts if isinstance(parts := node.get(name), list) else ()
        todo += (node[name] for name in _SINGLE if name in node)
        todo += dependent.values() if isinstance(dependent := node.get("dependentSchemas"), Mapping) else ()
    return count, references


def objects_in(schema: object) -> Iterator[Mapping[str, Any]]:
    """Yield all objects of a schema, itself first."""
    pending: list[object] = [schema]
    while pending:
        node = pending.pop()
        if isinstance(node, Mapping):
            yield node
            pending += node.values()
        elif isinstance(node, list | tuple):
            pending += node
