"""Checks that the schemas of objectives and versions are JSON Schema, and that they are compatible."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nlapi.issue import Issue, Level
from nlapi.routing.context import nearest
from nlapi.routing.nouns import OUTPUT, Canary, Configuration, Objective, Version, VersionRef

Schema = Mapping[str, Any]

# Levels of objects and arrays that are compared, so that a recursive schema ends.
DEEPEST = 8


def check_schemas(configuration: Configuration) -> Iterator[Issue]:
    """Yield faults of rules invalid-schema (JSON Schema 2020-12), schema-mismatch and unmeasured-guard.

    The comparison is conservative: it reads `type`, `properties`, `required` and `items`, and accepts everything else.
    """
    # A schema that is not JSON Schema is reported once and not compared.
    broken: set[int] = set()
    for kind in ("objectives", "versions"):
        for name, noun in getattr(configuration, kind).items():
            for side in ("input", "output"):
                schema = getattr(noun, side)
                issue = _invalid(f"{kind}.{name}.{side}", schema) if schema else None
                if issue:
                    broken.add(id(schema))
                    yield issue
    for name, refs in _served(configuration).items():
        objective = configuration.objectives[name]
        for ref in sorted(refs):
            version = configuration.versions.get(ref)
            if version is not None:
                yield from _mismatches(objective, version, broken)
    for canary in configuration.canaries.values():
        if canary.objective in configuration.objectives:
            yield from _unmeasured(canary, configuration.objectives[canary.objective])


def _unmeasured(canary: Canary, objective: Objective) -> Iterator[Issue]:
    """Yield an error for a guard on a field that no output has: it could never be broken."""
    properties = objective.output.get("properties")
    for at, guard in enumerate(canary.guards):
        field = guard.metric.removeprefix(OUTPUT)
        if field == guard.metric or not isinstance(properties, Mapping) or not properties:
            continue
        where, hint = f"canaries.{canary.name}.guards[{at}].metric", nearest(field, properties)
        if field not in properties:
            message = f"the output of objective {objective.name!r} has no {field!r}"
            yield Issue.error(where, message, hint, "unmeasured-guard")
        elif (types := _types(properties[field])) and not types & {"number", "integer", "boolean"}:
            message = f"{field!r} of the output of objective {objective.name!r} is no number"
            yield Issue.error(where, message, "name a number of the output", "unmeasured-guard")


def _invalid(where: str, schema: Any) -> Issue | None:
    # Imported on use: `decide` runs without jsonschema.
    from jsonschema import Draft202012Validator

    problem = next(iter(Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema)), None)
    if problem is None:
        return None
    place = "".join(f".{step}" if isinstance(step, str) else f"[{step}]" for step in problem.absolute_path)
    hint = "see JSON Schema 2020-12"
    return Issue.error(f"{where}{place}", f"it is not JSON Schema: {problem.message[:160]}", hint, "invalid-schema")


def _served(configuration: Configuration) -> dict[str, set[VersionRef]]:
    """Return the versions that requests of each objective may reach."""
    served = {
        name: {ref for ref in (objective.default, objective.fallback) if ref is not None}
        for name, objective in configuration.objectives.items()
    }
    for rule in configuration.rules.values():
        served.get(rule.objective, set()).update(share.version for share in rule.shares)
    for experiment in configuration.experiments.values():
        served.get(experiment.objective, set()).update(cell.version for cell in experiment.cells)
    for kind in (configuration.canaries, configuration.shadows, configuration.overrides):
        for one in kind.values():
            served.get(one.objective, set()).add(one.version)
    return served


def _mismatches(objective: Objective, version: Version, broken: set[int]) -> Iterator[Issue]:
    """Yield the required properties that are not provided: to the version by its input, by it in its output."""
    sides = (
        ("input", objective.input, version.input, f"objective {objective.name!r}", f"version {version.ref}"),
        ("output", version.output, objective.output, f"version {version.ref}", f"objective {objective.name!r}"),
    )
    for side, given, wanted, giver, taker in sides:
        if not {id(given), id(wanted)} & broken and given and wanted:
            for level, path, message in _faults(given, wanted, side, giver, taker, DEEPEST):
                yield Issue(
                    level=level,
                    where=f"versions.{version.ref}.{path}",
                    message=message,
                    hint=f"change the {side} of one of them, or do not route {objective.name!r} to it",
                    rule="schema-mismatch",
                )


def _faults(given: Any, wanted: Any, path: str, giver: str, taker: str, depth: int) -> Iterator[tuple[Level, str, str]]:
    if not isinstance(given, Mapping) or not isinstance(wanted, Mapping) or not depth:
        return
    types, accepted = _types(given), _types(wanted)
    if types and accepted and not _fit(types, accepted):
        there, here = " or ".join(sorted(types)), " or ".join(sorted(accepted))
        yield Level.ERROR, path, f"{taker} takes {here} where {giver} gives {there}"
        return
    properties, described = given.get("properties", {}), wanted.get("properties", {})
    for name in wanted.get("required", ()):
        if fault := _absent(given, properties, name):
            level, how = fault
            yield level, f"{path}.{name}", f"{taker} requires {name!r}, which {giver} {how}"
    for name in properties:
        if name in described:
            yield from _faults(properties[name], described[name], f"{path}.{name}", giver, taker, depth - 1)
    yield from _faults(given.get("items"), wanted.get("items"), f"{path}[]", giver, taker, depth - 1)


def _absent(given: Schema, properties: Schema, name: str) -> tuple[Level, str] | None:
    """Return the severity of a missing required property and a text; None when it is, or may be, provided."""
    # With a combination or a `$ref` the property may be declared there, so nothing is claimed.
    if name in given.get("required", ()) or any(word in given for word in ("$ref", "allOf", "anyOf", "oneOf", "if")):
        return None
    if name in properties:
        return Level.WARNING, "gives only sometimes"
    if not properties and given.get("additionalProperties", True) is not False:
        return None
    return Level.ERROR, "does not give"


def _types(schema: Any) -> set[str]:
    types = schema.get("type", ()) if isinstance(schema, Mapping) else ()
    return {types} if isinstance(types, str) else set(types)


def _fit(types: set[str], accepted: set[str]) -> bool:
    """Return whether a value of one of the types may be accepted."""
    numbers = {"integer", "number"}
    return bool(types & accepted) or bool(types & numbers and accepted & numbers)
