"""Collects every Issue of a description: those of parsing, of the standard's validator and of unsatisfiable schemas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

from nlapi.errors import Issue, Level
from nlapi.openapi.schema_upgrade import subschemas
from nlapi.openapi.spec import Operation, Spec
from nlapi.pattern_size import node_patterns, pattern_refusal

BOUNDS = (
    ("minimum", "maximum"), ("exclusiveMinimum", "maximum"), ("minimum", "exclusiveMaximum"),
    ("exclusiveMinimum", "exclusiveMaximum"), ("minLength", "maxLength"), ("minItems", "maxItems"),
    ("minProperties", "maxProperties"),
)  # fmt: skip
TYPE_NAMES = {str: "string", bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}

# A broken component is reported at each of its uses, so the list is cut; iterating all of GitHub's takes 13 s.
MAX_FINDINGS = 200

STANDARD_RULE = "standard"


def unsatisfiable_schemas(operation: Operation) -> Iterator[Issue]:
    """Yield an Issue for each unsatisfiable schema of a request; one behind a `$ref` is reported once in a Spec."""
    spec, location = operation.spec, operation.location
    for parameter in operation.parameters:
        yield from _check_schema(spec, parameter.schema, f"{location}.parameters.{parameter.name}")
    if operation.body is not None:
        yield from _check_schema(spec, operation.body.schema, f"{location}.requestBody")


def _check_schema(spec: Spec, schema: object, location: str) -> Iterator[Issue]:
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
        yield f"const {node['const']!r} is not one of its choices"[:160]
    types = _schema_types(node)
    if choices and types and not any(_has_type(choice, types) for choice in choices):
        yield f"none of its choices is of the type {' or '.join(sorted(types))}"
    for part in node.get("allOf", ()):
        part_types = _schema_types(spec.follow(part))
        overlap = types & part_types or {"integer", "number"} <= types | part_types
        if types and part_types and not overlap:
            yield f"it is to be of the type {' or '.join(sorted(types))} and of {' or '.join(sorted(part_types))}"
        types = types & part_types or types or part_types
    if node.get("additionalProperties") is False and not node.get("patternProperties") and "allOf" not in node:
        properties = node.get("properties", {})
        if undeclared := [name for name in node.get("required", ()) if name not in properties]:
            yield f"{undeclared[0]!r} is required, and no property of that name is allowed"[:160]
    if node.get("not") in ({}, True):
        yield "it rules out everything"


def _schema_types(node: object) -> frozenset[str]:
    declared = node.get("type", ()) if isinstance(node, Mapping) else ()
    return frozenset((declared,) if isinstance(declared, str) else declared)


def _has_type(value: object, types: frozenset[str]) -> bool:
    kind = TYPE_NAMES.get(type(value), "null")
    return kind in types or (kind == "integer" and "number" in types) or (kind == "number" and "integer" in types)


def check(spec: Spec, *, standard: bool = True) -> tuple[Issue, ...]:
    """Return every Issue of a description, worst first: its own, then with `standard` the standard's, as warnings.

    Problems for a model, such as a missing text, are reported by `nlapi.tools.definitions.lint`.
    """
    issues = [*spec.issues, *_large_patterns(spec.document), *(_standard_issues(spec) if standard else ())]
    order = list(Level)
    return tuple(
        sorted(dict.fromkeys(issues), key=lambda issue: (issue.rule == STANDARD_RULE, order.index(issue.level)))
    )


def _large_patterns(tree: object) -> Iterator[Issue]:
    """Yield an Issue for each pattern that is too large to compile: values are not held against it."""
    pending: list[tuple[Any, str]] = [(tree, "")]
    while pending:
        node, location = pending.pop()
        if isinstance(node, Mapping):
            for pattern in node_patterns(node):
                if reason := pattern_refusal(pattern):
                    message = f"the pattern {_truncate(pattern)!r} {reason}: no value is held against it"
                    yield Issue.warning(location.lstrip("."), message, "write it shorter, or state a maxLength")
            pending += ((child, f"{location}.{key}") for key, child in node.items())
        elif isinstance(node, list):
            pending += ((child, f"{location}[{index}]") for index, child in enumerate(node))


def _standard_issues(spec: Spec) -> Iterator[Issue]:
    """Yield the findings of openapi-spec-validator. Takes 13 s of CPU on GitHub's description."""
    import openapi_spec_validator as validators
    from jsonschema_path import SchemaPath
    from jsonschema_path.accessors import SchemaAccessor

    from nlapi.schema_validator import local_resolver

    kinds: dict[str, Any] = {
        "2.0": validators.OpenAPIV2SpecValidator,
        "3.0": validators.OpenAPIV30SpecValidator,
        "3.1": validators.OpenAPIV31SpecValidator,
        "3.2": validators.OpenAPIV32SpecValidator,
    }
    version = str(spec.document.get("openapi", "2.0"))[:3]
    try:
        tree = _for_validator(spec.document)
        # The validator's own path has handlers that read files and send requests wherever a `$ref` says.
        path = SchemaPath(SchemaAccessor(tree, local_resolver(tree)))
        for error in islice(kinds[version](path).iter_errors(), MAX_FINDINGS):
            if version == "2.0" and (error.instance, [*error.absolute_path]) == ("file", ["type"]):
                continue  # a response may be a file (Swagger 2.0, "Response Object"); the validator refuses it
            yield Issue.warning(_location(error.absolute_path), _truncate(error.message), rule=STANDARD_RULE)
    except Exception as error:  # the validator raises whatever its libraries raise on unexpected input
        message = f"the standard's validator gave up: {type(error).__name__}: {_truncate(str(error))}"
        yield Issue(level=Level.INFO, where="", message=message, rule=STANDARD_RULE)


def _for_validator(node: Any) -> Any:
    """Return a copy of a document without patterns, which the validator tries defaults against without a bound, and
    without the ids by which `$ref`s would lead to another base than nlapi reads them by.
    """
    if isinstance(node, list):
        return [_for_validator(child) for child in node]
    if not isinstance(node, dict):
        return node
    return {
        key: _for_validator(value)
        for key, value in node.items()
        if not (key in ("pattern", "$id", "id", "$schema") and isinstance(value, str))
        and not (key == "patternProperties" and isinstance(value, dict))
    }


def _location(path: Any) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def _truncate(text: str) -> str:
    return text if len(text) <= 200 else f"{text[:200]}…"
