"""Finds schemas that no value satisfies, so that an argument of that schema can never be right."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from nlapi.issue import Issue
from nlapi.openapi.spec import Operation, Spec
from nlapi.openapi.upgrade import subschemas

BOUNDS = (
    ("minimum", "maximum"), ("exclusiveMinimum", "maximum"), ("minimum", "exclusiveMaximum"),
    ("exclusiveMinimum", "exclusiveMaximum"), ("minLength", "maxLength"), ("minItems", "maxItems"),
    ("minProperties", "maxProperties"),
)  # fmt: skip
KINDS = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}


def contradictions(operation: Operation) -> Iterator[Issue]:
    """Yield an Issue for each unsatisfiable schema of a request; one behind a `$ref` is reported once in a Spec."""
    spec, where = operation.spec, operation.where
    for parameter in operation.parameters:
        yield from _inside(spec, parameter.schema, f"{where}.parameters.{parameter.name}")
    if operation.body is not None:
        yield from _inside(spec, operation.body.schema, f"{where}.requestBody")


def _inside(spec: Spec, schema: Any, where: str) -> Iterator[Issue]:
    told = spec.derive(_reported)
    todo: list[tuple[Any, str]] = [(schema, where)]
    while todo:
        node, where = todo.pop()
        if not isinstance(node, Mapping):
            continue
        ref = node.get("$ref")
        if isinstance(ref, str) and ref not in told:
            told.add(ref)
            with suppress(LookupError):  # reported by the parser
                todo.append((spec.lookup(ref), ref.removeprefix("#/").replace("/", ".")))
        for fault in _faults(spec, node):
            yield Issue.warning(where, f"{fault}: no value fits", "mend the description, or overlay it")
        # A value need not match the schemas under `not` and `if`.
        todo.extend((one, f"{where}.{place}") for place, one in subschemas(node) if place not in ("not", "if"))


def _reported(spec: Spec) -> set[str]:
    """Return the set of `$ref`s of a Spec whose schemas were visited."""
    return set()


def _faults(spec: Spec, node: Mapping[str, Any]) -> Iterator[str]:
    for low, high in BOUNDS:
        if low in node and high in node:
            open_end = low.startswith("ex") or high.startswith("ex")
            if node[low] > node[high] or (open_end and node[low] == node[high]):
                yield f"{low} {node[low]} is above {high} {node[high]}"
    choices = node.get("enum")
    if choices and "const" in node and node["const"] not in choices:
        yield f"const {node['const']!r} is none of its choices"[:160]
    types = _types(node)
    if choices and types and not any(_is(choice, types) for choice in choices):
        yield f"none of its choices is of the type {' or '.join(sorted(types))}"
    for part in node.get("allOf", ()):
        others = _types(spec.follow(part))
        if types and others and not _overlap(types, others):
            yield f"it is to be of the type {' or '.join(sorted(types))} and of {' or '.join(sorted(others))}"
        types = types & others or types or others
    if node.get("additionalProperties") is False and not node.get("patternProperties") and "allOf" not in node:
        known = node.get("properties", {})
        if absent := [name for name in node.get("required", ()) if name not in known]:
            yield f"{absent[0]!r} is required, and no property of that name is allowed"[:160]
    if node.get("not") in ({}, True):
        yield "it rules out everything"


def _types(node: Any) -> frozenset[str]:
    given = node.get("type", ()) if isinstance(node, Mapping) else ()
    return frozenset((given,) if isinstance(given, str) else given)


def _overlap(one: frozenset[str], other: frozenset[str]) -> bool:
    return bool(one & other) or ({"integer", "number"} <= one | other)


def _is(value: Any, types: frozenset[str]) -> bool:
    kind = KINDS.get(type(value), "null")
    return kind in types or (kind == "integer" and "number" in types) or (kind == "number" and "integer" in types)
