"""Lists the `$ref`s of a schema, direct and indirect, and finds cyclic and unresolved ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nlapi.openapi.parts import Schema
from nlapi.openapi.spec import Spec
from nlapi.openapi.upgrade import subschemas


def refs(schema: Any) -> Iterator[str]:
    """Yield the `$ref`s in a schema in the 3.1 dialect, not those behind them."""
    todo = [schema]
    while todo:
        node = todo.pop()
        if not isinstance(node, Mapping):
            continue
        if "$ref" in node:
            yield node["$ref"]
        todo.extend(one for _, one in subschemas(node))


ITSELF = "leads to itself"
# `$ref`s of one ring that are searched; a longer ring counts as cyclic, so that a hostile description ends in time.
MAX_RING = 2_000

# Keywords beside the lists whose schema applies to the same value, not to a part of it.
BESIDE = ("not", "if", "then", "else")


class _Known:
    """The memo of one Spec's `$ref`s. In `targets` a text is the reason why one is unresolved."""

    def __init__(self, spec: Spec) -> None:
        self.circular: dict[str, bool] = {}
        self.endless: dict[str, bool | None] = {}  # None: still being walked
        self.in_place: dict[str, list[str]] = {}
        self.refs: dict[str, tuple[str, ...] | str] = {}
        self.sound: set[str] = set()


def circular(spec: Spec, ref: str) -> bool:
    """Return whether a `$ref` leads to itself before any part of the value, so that the schema constrains nothing."""
    if not _endless(spec, ref):
        return False
    known = spec.derive(_Known).circular
    if ref not in known:
        todo, seen = _in_place(spec, ref), set[str]()
        while todo and len(seen) < MAX_RING:
            one = todo.pop()
            if one not in seen:
                seen.add(one)
                todo.extend(_in_place(spec, one))
        known[ref] = ref in seen or bool(todo)
    return known[ref]


def _endless(spec: Spec, ref: str) -> bool:
    """Return whether a `$ref` leads into a ring. One depth-first walk answers for everything on the way."""
    known = spec.derive(_Known).endless
    if ref in known:
        return known[ref] is not False
    known[ref] = None
    # An explicit stack: a chain of 10,000 `$ref`s would exceed Python's recursion limit.
    walk, found = [(ref, iter(_in_place(spec, ref)))], set[str]()
    while walk:
        here, rest = walk[-1]
        for one in rest:
            if one not in known:
                known[one] = None
                walk.append((one, iter(_in_place(spec, one))))
                break
            if known[one] is not False:
                found.add(here)
        else:
            walk.pop()
            known[here] = here in found
            if walk and here in found:
                found.add(walk[-1][0])
    return known[ref] is not False


def _in_place(spec: Spec, ref: str) -> list[str]:
    """Return the `$ref`s that apply to the same value as this one."""
    known = spec.derive(_Known).in_place
    if ref not in known:
        found: list[str] = []
        try:
            todo = [spec.lookup(ref)]
        except LookupError:
            todo = []
        while todo:
            node = todo.pop()
            if isinstance(node, Mapping):
                found += [node["$ref"]] if "$ref" in node else []
                todo += [one for key in ("allOf", "anyOf", "oneOf") for one in node.get(key, ())]
                todo += [node[key] for key in BESIDE if key in node]
        known[ref] = found
    return list(known[ref])


def lost(spec: Spec, schema: Schema) -> dict[str, str]:
    """Return the unresolved and cyclic `$ref`s in `schema` and behind it, each with its reason."""
    known, sound = spec.derive(_Known).refs, spec.derive(_Known).sound
    found: dict[str, str] = {}
    todo, seen = list(refs(schema)), set[str]()
    while todo:
        ref = todo.pop()
        if ref in seen or ref in sound:
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
            if circular(spec, ref):
                found[ref] = f"{ref!r} {ITSELF}"
    # A whole closure without fault is skipped by later schemas; most share their definitions.
    if not found:
        sound |= seen
    return found
