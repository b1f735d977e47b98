"""Checks that the schemas of objectives and versions are JSON Schema, and that they are compatible."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nlapi.issue import Issue, Level
from nlapi.routing.check_references import nearest_hint
from nlapi.routing.model import OUTPUT_PREFIX, Canary, Configuration, Objective, Version, VersionRef

Schema = Mapping[str, Any]

# Levels of objects and arrays that are compared, so that a recursive schema ends.
MAX_COMPARED_DEPTH = 8


def check_schemas(configuration: Configuration) -> Iterator[Issue]:
    """Yield faults of rules invalid-schema (JSON Schema 2020-12), schema-mismatch and unmeasured-guard.

    The comparison is conservative: it reads `type`, `properties`, `required` and `items`, and accepts everything else.
    """
    # A schema that is not JSON Schema is reported once and not compared.
    broken: set[int] = set()
    for kind in ("objectives", "versions"):
        for name, entity in getattr(configuration, kind).items():
            for side in ("input", "output"):
                schema = getattr(entity, side)
                issue = _schema_issue(f"{kind}.{name}.{side}", schema) if schema else None
                if issue:
                    broken.add(id(schema))
                    yield issue
    for name, refs in _reachable_versions(configuration).items():
        objective = configuration.objectives[name]
        for ref in sorted(refs):
            version = configuration.versions.get(ref)
            if version is not None:
                yield from _compare_schemas(objective, version, broken)
    for canary in configuration.canaries.values():
        if canary.objective in configuration.objectives:
            yield from _check_guards(canary, configuration.objectives[canary.objective])


def _check_guards(canary: Canary, objective: Objective) -> Iterator[Issue]:
    """Yield an error for a guard on a field that no output has: it could never be broken."""
    properties = objective.output.get("properties")
    for index, guard in enumerate(canary.guards):
        field = guard.metric.removeprefix(OUTPUT_PREFIX)
        if field == guard.metric or not isinstance(properties, Mapping) or not properties:
            continue
        location, hint = f"canaries.{canary.name}.guards[{index}].metric", nearest_hint(field, properties)
        if field not in properties:
            message = f"the output of objective {objective.name!r} has no {field!r}"
            yield Issue.error(location, message, hint, "unmeasured-guard")
        elif (types := _types(properties[field])) and not types & {"number", "integer", "boolean"}:
            message = f"{field!r} of the output of objective {objective.name!r} is no number"
            yield Issue.error(location, message, "name a number of the output", "unmeasured-guard")


def _schema_issue(location: str, schema: Any) -> Issue | None:
    # Imported on use: `decide` runs without jsonschema.
    from jsonschema import Draft202012Validator

    problem = next(iter(Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema)), None)
    if problem is None:
        return None
    place = "".join(f".{step}" if isinstance(step, str) else f"[{step}]" for step in problem.absolute_path)
    hint = "see JSON Schema 2020-12"
    return Issue.error(f"{location}{place}", f"it is not JSON Schema: {problem.message[:160]}", hint, "invalid-schema")


def _reachable_versions(configuration: Configuration) -> dict[str, set[VersionRef]]:
    """Return the versions that requests of each objective may reach."""
    reachable = {
        name: {ref for ref in (objective.default, objective.fallback) if ref is not None}
        for name, objective in configuration.objectives.items()
    }
    for rule in configuration.rules.values():
        reachable.get(rule.objective, set()).update(share.version for share in rule.shares)
    for experiment in configuration.experiments.values():
        reachable.get(experiment.objective, set()).update(cell.version for cell in experiment.cells)
    for kind in (configuration.canaries, configuration.shadows, configuration.overrides):
        for entity in kind.values():
            reachable.get(entity.objective, set()).add(entity.version)
    return reachable


def _compare_schemas(objective: Objective, version: Version, broken: set[int]) -> Iterator[Issue]:
    """Yield the required properties that are not provided: to the version by its input, by it in its output."""
    sides = (
        ("input", objective.input, version.input, f"objective {objective.name!r}", f"version {version.ref}"),
        ("output", version.output, objective.output, f"version {version.ref}", f"objective {objective.name!r}"),
    )
    for side, provided, required, provider, consumer in sides:
        if not {id(provided), id(required)} & broken and provided and required:
            for level, path, message in _incompatibilities(
                provided, required, side, provider, consumer, MAX_COMPARED_DEPTH
            ):
                yield Issue(
                    level=level,
                    where=f"versions.{version.ref}.{path}",
                    message=message,
                    hint=f"change the {side} of one of them, or do not route {objective.name!r} to it",
                    rule="schema-mismatch",
                )


def _incompatibilities(
    provided: Any, required: Any, path: str, provider: str, consumer: str, depth: int
) -> Iterator[tuple[Level, str, str]]:
    if not isinstance(provided, Mapping) or not isinstance(required, Mapping) or not depth:
        return
    types, accepted = _types(provided), _types(required)
    if types and accepted and not _are_types_compatible(types, accepted):
        provided_types, accepted_types = " or ".join(sorted(types)), " or ".join(sorted(accepted))
        yield Level.ERROR, path, f"{consumer} takes {accepted_types} where {provider} gives {provided_types}"
        return
    properties, described = provided.get("properties", {}), required.get("properties", {})
    for name in required.get("required", ()):
        if fault := _missing_severity(provided, properties, name):
            level, text = fault
            yield level, f"{path}.{name}", f"{consumer} requires {name!r}, which {provider} {text}"
    for name in properties:
        if name in described:
            yield from _incompatibilities(
                properties[name], described[name], f"{path}.{name}", provider, consumer, depth - 1
            )
    yield from _incompatibilities(
        provided.get("items"), required.get("items"), f"{path}[]", provider, consumer, depth - 1
    )


def _missing_severity(provided: Schema, properties: Schema, name: str) -> tuple[Level, str] | None:
    """Return the severity of a missing required property and a text; None when it is, or may be, provided."""
    # With a combination or a `$ref` the property may be declared there, so nothing is claimed.
    if name in provided.get("required", ()) or any(
        word in provided for word in ("$ref", "allOf", "anyOf", "oneOf", "if")
    ):
        return None
    if name in properties:
        return Level.WARNING, "gives only sometimes"
    if not properties and provided.get("additionalProperties", True) is not False:
        return None
    return Level.ERROR, "does not give"


def _types(schema: Any) -> set[str]:
    types = schema.get("type", ()) if isinstance(schema, Mapping) else ()
    return {types} if isinstance(types, str) else set(types)


def _are_types_compatible(types: set[str], accepted: set[str]) -> bool:
    """Return whether a value of one of the types may be accepted."""
    numbers = {"integer", "number"}
    return bool(types & accepted) or bool(types & numbers and accepted & numbers)
