"""Lists the `$ref`s of a schema, direct and indirect, and finds cyclic and unresolved ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nlapi.openapi.model import Schema
from nlapi.openapi.schema_upgrade import subschemas
from nlapi.openapi.spec import Spec


def schema_refs(schema: object) -> Iterator[str]:
    """Yield the `$ref`s in a schema in the 3.1 dialect, not those behind them."""
    todo = [schema]
    while todo:
        node = todo.pop()
        if not isinstance(node, Mapping):
            continue
        if "$ref" in node:
            yield node["$ref"]
        todo.extend(child for _, child in subschemas(node))


# Schemas that a `$ref` may combine. The largest of 207 real descriptions has 47 `$ref`s (an `anyOf` of webhook events).
MAX_COMBINED = 5_000

CYCLIC_REASON = "leads to itself"
LARGE_REASON = f"combines more than {MAX_COMBINED:,} schemas"
UNCHECKED_REASONS = (CYCLIC_REASON, LARGE_REASON)
"""Ends of the reasons of `$ref`s that are there, and that any value is taken for."""

# `$ref`s of one ring that are searched; a longer ring counts as cyclic, so that a hostile description ends in time.
MAX_CYCLE = 2_000

# Keywords beside the lists whose schema applies to the same value, not to a part of it.
SAME_VALUE_KEYWORDS = ("not", "if", "then", "else")


class _RefMemo:
    """The memo of one Spec's `$ref`s. In `targets` a text is the reason why one is unresolved."""

    def __init__(self, spec: Spec) -> None:
        self.cyclic: dict[str, bool] = {}
        self.leads_to_cycle: dict[str, bool | None] = {}  # None: still being walked
        self.same_value: dict[str, list[str]] = {}
        self.targets: dict[str, tuple[str, ...] | str] = {}
        self.valid: set[str] = set()


def is_cyclic(spec: Spec, ref: str) -> bool:
    """Return whether a `$ref` leads to itself before any part of the value, so that the schema constrains nothing."""
    if not _leads_to_cycle(spec, ref):
        return False
    cyclic = spec.derive(_RefMemo).cyclic
    if ref not in cyclic:
        todo, visited = _same_value_refs(spec, ref), set[str]()
        while todo and len(visited) < MAX_CYCLE:
            current = todo.pop()
            if current not in visited:
                visited.add(current)
                todo.extend(_same_value_refs(spec, current))
        cyclic[ref] = ref in visited or bool(todo)
    return cyclic[ref]


def _leads_to_cycle(spec: Spec, ref: str) -> bool:
    """Return whether a `$ref` leads into a ring. One depth-first walk answers for everything on the way."""
    states = spec.derive(_RefMemo).leads_to_cycle
    if ref in states:
        return states[ref] is not False
    states[ref] = None
    # An explicit stack: a chain of 10,000 `$ref`s would exceed Python's recursion limit.
    walk, in_cycle = [(ref, iter(_same_value_refs(spec, ref)))], set[str]()
    while walk:
        current, remaining = walk[-1]
        for target in remaining:
            if target not in states:
                states[target] = None
                walk.append((target, iter(_same_value_refs(spec, target))))
                break
            if states[target] is not False:
                in_cycle.add(current)
        else:
            walk.pop()
            states[current] = current in in_cycle
            if walk and current in in_cycle:
                in_cycle.add(walk[-1][0])
    return states[ref] is not False


def _same_value_refs(spec: Spec, ref: str) -> list[str]:
    """Return the `$ref`s that apply to the same value as this one."""
    memo = spec.derive(_RefMemo).same_value
    if ref not in memo:
        collected: list[str] = []
        try:
            todo = [spec.lookup(ref)]
        except LookupError:
            todo = []
        while todo:
            node = todo.pop()
            if isinstance(node, Mapping):
                collected += [node["$ref"]] if "$ref" in node else []
                todo += [child for key in ("allOf", "anyOf", "oneOf") for child in node.get(key, ())]
                todo += [node[key] for key in SAME_VALUE_KEYWORDS if key in node]
        memo[ref] = collected
    return list(memo[ref])


def unresolved_refs(spec: Spec, schema: Schema) -> dict[str, str]:
    """Return the unresolved and cyclic `$ref`s in `schema` and behind it, each with its reason."""
    targets, valid = spec.derive(_RefMemo).targets, spec.derive(_RefMemo).valid
    unresolved: dict[str, str] = {}
    todo, visited = list(schema_refs(schema)), set[str]()
    while todo:
        ref = todo.pop()
        if ref in visited or ref in valid:
            continue
        visited.add(ref)
        if ref not in targets:
            try:
                targets[ref] = tuple(schema_refs(spec.lookup(ref)))
            except LookupError as error:
                targets[ref] = str(error.args[0])
        further = targets[ref]
        if isinstance(further, str):
            unresolved[ref] = further
        else:
            todo.extend(further)
            if is_cyclic(spec, ref):
                unresolved[ref] = f"{ref!r} {CYCLIC_REASON}"
    # A whole closure without fault is skipped by later schemas; most share their definitions.
    if not unresolved:
        valid |= visited
    return unresolved
