"""The `$ref`s of a schema, near and far, and which of them lead nowhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nlapi.openapi.parts import Schema
from nlapi.openapi.spec import Spec
from nlapi.openapi.upgrade import IN_LISTS, IN_MAPS, IN_PLACE


def refs(schema: Any) -> Iterator[str]:
    """The `$ref`s that stand in a schema in the 3.1 dialect, not those behind them."""
    todo = [schema]
    while todo:
        node = todo.pop()
        if not isinstance(node, Mapping):
            continue
        if "$ref" in node:
            yield node["$ref"]
        for key, value in node.items():
            if key in IN_PLACE:
                todo.append(value)
            elif key in IN_LISTS:
                todo.extend(value)
            elif key in IN_MAPS:
                todo.extend(value.values())


def lost(spec: Spec, schema: Schema) -> dict[str, str]:
    """The `$ref`s in `schema`, and in what it leads to, that lead nowhere: `$ref` -> reason."""
    known: dict[str, tuple[str, ...] | str] = spec.memo.setdefault("refs", {})
    found: dict[str, str] = {}
    todo, seen = list(refs(schema)), set[str]()
    while todo:
        ref = todo.pop()
        if ref in seen:
            continue
        seen.add(ref)
        if ref not in known:
            try:
                known[ref] = tuple(refs(spec.lookup(ref)))
            except LookupError as error:
                known[ref] = str(error.args[0])
        further = known[ref]
        if isinstance(further, str):
            found[ref] = further
        else:
            todo.extend(further)
    return found
