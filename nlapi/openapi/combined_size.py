"""Counts the schemas that apply to one value by way of `allOf`, choices and `$ref`s: they grow exponentially."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from nlapi.openapi.model import as_list

# Schemas that a `$ref` may combine. The largest of 207 real descriptions has 47 (an `anyOf` of webhook events); thirty
# levels of `allOf` with two `$ref`s each are a billion, and whoever merges or checks them visits each.
MAX_COMBINED = 5_000

LARGE_REASON = f"combines more than {MAX_COMBINED:,} schemas"

_LISTS = ("allOf", "anyOf", "oneOf")
_SINGLE = ("not", "if", "then", "else")


class CombinedSizes:
    """The sizes of the schemas behind `$ref`s, each counted once. `lookup` gives the target; LookupError for none."""

    def __init__(self, lookup: Callable[[str], object]) -> None:
        self._lookup = lookup
        self._sizes: dict[str, int] = {}

    def check(self, ref: str) -> None:
        """Raise LookupError for a `$ref` that combines more than MAX_COMBINED schemas."""
        if self._size(ref) > MAX_COMBINED:
            raise LookupError(f"{ref!r} {LARGE_REASON}")

    def _size(self, ref: str) -> int:
        # An explicit stack: a chain of 10,000 `$ref`s would exceed Python's recursion limit.
        stack, parts = [ref], dict[str, list[str]]()
        while stack:
            current = stack[-1]
            if current not in self._sizes and current not in parts:
                parts[current] = self._parts(current)
                stack += (part for part in parts[current] if part not in self._sizes and part not in parts)
                continue
            if current not in self._sizes:
                # A part that is not counted yet leads back here; cycles end where they are followed.
                total = sum(self._sizes.get(part, 1) for part in parts[current]) or 1
                self._sizes[current] = min(total, MAX_COMBINED + 1)
            stack.pop()
        return self._sizes[ref]

    def _parts(self, ref: str) -> list[str]:
        try:
            return list(_combined_refs(self._lookup(ref)))
        except LookupError:
            return []


def _combined_refs(schema: object) -> Iterator[str]:
    """Yield the `$ref`s that apply to the same value as a schema, as often as they do."""
    todo = [schema]
    while todo:
        node = todo.pop()
        if not isinstance(node, Mapping):
            continue
        if isinstance(ref := node.get("$ref"), str):
            yield ref
        todo += [part for key in _LISTS for part in as_list(node.get(key))]
        todo += [node[key] for key in _SINGLE if key in node]
