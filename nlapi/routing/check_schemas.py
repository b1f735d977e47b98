"""Checks that the schemas of objectives and versions are JSON Schema, and that they are compatible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from nlapi.combined_schemas import largest_exceeds
from nlapi.issue import Issue, Level
from nlapi.pattern_size import pattern_refusal, patterns_in
from nlapi.routing.change import DECIDING_KINDS
from nlapi.routing.check_references import nearest_hint
from nlapi.routing.check_sections import CheckScope, EntityName, EntitySection, Section
from nlapi.routing.model import OUTPUT_PREFIX, Canary, Configuration, Objective, Version, VersionRef

Schema = Mapping[str, Any]

# Levels of objects and arrays that are compared, so that a recursive schema ends.
MAX_COMPARED_DEPTH = 8
# Schemas that one value may be held against. 65,000 take 5 s to say what is wrong, and 2^20 do not end; the largest of
# real descriptions have a few hundred alternatives.
MAX_COMBINED = 2_000


SchemaKey: TypeAlias = tuple[str, object, str]
"""Kind and key of an entity, and the side of its schema: "input" or "output"."""


def schema_sections() -> Iterator[Section]:
    """Yield the checks for faults of rules invalid-schema (JSON Schema 2020-12), schema-mismatch and unmeasured-guard.

    The comparison is conservative: it reads `type`, `properties`, `required` and `items`, and accepts everything else.
    """
    yield SchemaSection()
    yield EntitySection("canaries", _check_guards, reads=_guard_reads, read_kinds=("objectives",), ignores_missing=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Comparison:
    """The number of references to each version that an objective may reach, and what their schemas lack."""

    versions: Mapping[VersionRef, int]
    issues: tuple[Issue, ...]


class SchemaSection:
    """The check of all schemas, and of those of objectives against those of versions."""

    def __init__(
        self,
        broken: Mapping[SchemaKey, Issue] | None = None,
        comparisons: Mapping[str, _Comparison] | None = None,
    ) -> None:
        self._broken = broken or {}
        """the schemas that are not JSON Schema: they are reported once and not compared"""
        self._comparisons = comparisons or {}

    def update(self, scope: CheckScope) -> SchemaSection:
        changes, configuration = scope.changes, scope.configuration
        versions = frozenset(changes.keys("versions"))
        names = set(changes.objectives)
        if versions:
            names.update(name for name, entry in self._comparisons.items() if not versions.isdisjoint(entry.versions))
        if not names and not versions:
            return self
        broken = dict(self._broken)
        for kind in ("objectives", "versions"):
            for key in changes.keys(kind):
                entity = getattr(configuration, kind).get(key)
                for side in ("input", "output"):
                    broken.pop((kind, key, side), None)
                    schema = getattr(entity, side, None)
                    issue = _schema_issue(f"{kind}.{key}.{side}", schema) if schema else None
                    if issue:
                        broken[kind, key, side] = issue
        comparisons = {name: entry for name, entry in self._comparisons.items() if name not in names}
        for name in names & configuration.objectives.keys():
            counts = _count_versions(scope, name, self._comparisons.get(name))
            objective = configuration.objectives[name]
            counted = [version for ref in sorted(counts) if (version := configuration.versions.get(ref)) is not None]
            issues = (issue for version in counted for issue in _compare_schemas(name, objective, version, broken))
            comparisons[name] = _Comparison(versions=counts, issues=tuple(issues))
        return SchemaSection(broken, comparisons)

    def issues(self, configuration: Configuration) -> Iterator[Issue]:
        if self._broken:
            for kind in ("objectives", "versions"):
                for key in getattr(configuration, kind):
                    for side in ("input", "output"):
                        if (kind, key, side) in self._broken:
                            yield self._broken[kind, key, side]
        for name in configuration.objectives:
            yield from self._comparisons[name].issues


def _guard_reads(canary: Canary) -> Iterator[EntityName]:
    yield "objectives", canary.objective


def _check_guards(scope: CheckScope, key: object, canary: Canary) -> Iterator[Issue]:
    """Yield an error for a guard on a field that no output has: it could never be broken."""
    objective = scope.configuration.objectives.get(canary.objective)
    if objective is None:
        return
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

    if largest_exceeds(schema, MAX_COMBINED):
        message = f"it holds one value against more than {MAX_COMBINED:,} schemas"
        return Issue.error(location, message, "combine fewer with allOf, anyOf and oneOf", "invalid-schema")
    for pattern in patterns_in(schema):
        if reason := pattern_refusal(pattern):
            message = f"the pattern {pattern[:60]!r} {reason}"
            return Issue.error(location, message, "repeat fewer times, or state a maxLength", "invalid-schema")
    problem = next(iter(Draft202012Validator(Draft202012Validator.META_SCHEMA).iter_errors(schema)), None)
    if problem is None:
        return None
    place = "".join(f".{step}" if isinstance(step, str) else f"[{step}]" for step in problem.absolute_path)
    hint = "see JSON Schema 2020-12"
    return Issue.error(f"{location}{place}", f"it is not JSON Schema: {problem.message[:160]}", hint, "invalid-schema")


def _count_versions(scope: CheckScope, name: str, previous: _Comparison | None) -> dict[VersionRef, int]:
    """Return the versions that requests of an objective may reach, each with the number of references to it."""
    # Counted, so that a change of one rule among 10,000 reads that rule only.
    counts: Counter[VersionRef] = Counter(previous.versions if previous is not None else ())
    for kind in DECIDING_KINDS:
        old, new = scope.changes.of_objective(kind, name)
        if previous is None:
            old, new = [], [item for item in getattr(scope.configuration, kind).values() if item.objective == name]
        counts.update(ref for entity in new for ref in _targets(entity))
        counts.subtract(ref for entity in old for ref in _targets(entity))
    objectives = scope.configuration.objectives, scope.changes.before.objectives if previous is not None else {}
    for mapping, change in zip(objectives, (1, -1), strict=True):
        if name in mapping:
            for ref in (mapping[name].default, mapping[name].fallback):
                if ref is not None:
                    counts[ref] += change
    return {ref: count for ref, count in counts.items() if count}


def _targets(entity: Any) -> Iterator[VersionRef]:
    for share in (*getattr(entity, "shares", ()), *getattr(entity, "cells", ())):
        yield share.version
    if hasattr(entity, "version"):
        yield entity.version


def _compare_schemas(
    name: str, objective: Objective, version: Version, broken: Collection[SchemaKey]
) -> Iterator[Issue]:
    """Yield the required properties that are not provided: to the version by its input, by it in its output."""
    sides = (
        ("input", objective.input, version.input, f"objective {objective.name!r}", f"version {version.ref}"),
        ("output", version.output, objective.output, f"version {version.ref}", f"objective {objective.name!r}"),
    )
    for side, provided, required, provider, consumer in sides:
        is_broken = ("objectives", name, side) in broken or ("versions", version.ref, side) in broken
        if not is_broken and provided and required:
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
