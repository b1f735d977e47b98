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
TYPE_NAMES = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}


def unsatisfiable_schemas(operation: Operation) -> Iterator[Issue]:
    """Yield an Issue for each unsatisfiable schema of a request; one behind a `$ref` is reported once in a Spec."""
    spec, location = operation.spec, operation.location
    for parameter in operation.parameters:
        yield from _check_schema(spec, parameter.schema, f"{location}.parameters.{parameter.name}")
    if operation.body is not None:
        yield from _check_schema(spec, operation.body.schema, f"{location}.requestBody")


def _check_schema(spec: Spec, schema: Any, location: str) -> Iterator[Issue]:
    reported = spec.derive(_reported_refs)
    todo: list[tuple[Any, str]] = [(schema, location)]
    while todo:
        node, location = todo.pop()
        if not isinstance(node, Mapping):
            continue
        ref = node.get("$ref")
        if isinstance(ref, str) and ref not in reported:
            reported.add(ref)
            with suppress(LookupError):  # reported by the parser
                todo.append((spec.lookup(ref), ref.removeprefix("#/").replace("/", ".")))
        for fault in _contradictions(spec, node):
            yield Issue.warning(location, f"{fault}: no value fits", "mend the description, or overlay it")
        # A value need not match the schemas under `not` and `if`.
        todo.extend((child, f"{location}.{place}") for place, child in subschemas(node) if place not in ("not", "if"))


def _reported_refs(spec: Spec) -> set[str]:
    """Return the set of `$ref`s of a Spec whose schemas were visited."""
    return set()


def _contradictions(spec: Spec, node: Mapping[str, Any]) -> Iterator[str]:
    for low, high in BOUNDS:
        if low in node and high in node:
            open_end = low.startswith("ex") or high.startswith("ex")
            if node[low] > node[high] or (open_end and node[low] == node[high]):
                yield f"{low} {node[low]} is above {high} {node[high]}"
    choices = node.get("enum")
    if choices and "const" in node and node["const"] not in choices:
        yield f"const {node['const']!r} is none of its choices"[:160]
    types = _schema_types(node)
    if choices and types and not any(_has_type(choice, types) for choice in choices):
        yield f"none of its choices is of the type {' or '.join(sorted(types))}"
    for part in node.get("allOf", ()):
        part_types = _schema_types(spec.follow(part))
        if types and part_types and not _types_overlap(types, part_types):
            yield f"it is to be of the type {' or '.join(sorted(types))} and of {' or '.join(sorted(part_types))}"
        types = types & part_types or types or part_types
    if node.get("additionalProperties") is False and not node.get("patternProperties") and "allOf" not in node:
        properties = node.get("properties", {})
        if undeclared := [name for name in node.get("required", ()) if name not in properties]:
            yield f"{undeclared[0]!r} is required, and no property of that name is allowed"[:160]
    if node.get("not") in ({}, True):
        yield "it rules out everything"


def _schema_types(node: Any) -> frozenset[str]:
    declared = node.get("type", ()) if isinstance(node, Mapping) else ()
    return frozenset((declared,) if isinstance(declared, str) else declared)


def _types_overlap(first: frozenset[str], second: frozenset[str]) -> bool:
    return bool(first & second) or ({"integer", "number"} <= first | second)


def _has_type(value: Any, types: frozenset[str]) -> bool:
    kind = TYPE_NAMES.get(type(value), "null")
    return kind in types or (kind == "integer" and "number" in types) or (kind == "number" and "integer" in types)
