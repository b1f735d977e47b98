"""Checks that a configuration, and the context of a request, refer only to declared objects, fields and values."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping
from functools import partial
from typing import Any

from nlapi.issue import Issue
from nlapi.routing import describe
from nlapi.routing.check_sections import CheckScope, EntityName, EntitySection, Section
from nlapi.routing.model import (
    MATCH_ALL,
    Configuration,
    Field,
    FieldType,
    Match,
    Objective,
    Range,
    Scalar,
    Version,
    VersionRef,
)


def check_context(objective: Objective, context: Mapping[str, Any]) -> list[Issue]:
    """Return the faults of a request's context. Rules: unknown-field, wrong-type, wrong-value."""
    declared = {field.name: field for field in objective.context}
    issues = []
    for name, value in context.items():
        if name not in declared:
            issues.append(_unknown_field_issue(f"context.{name}", name, objective, declared))
        elif issue := _value_issue(f"context.{name}", declared[name], value):
            issues.append(issue)
    return issues


def _unknown_field_issue(location: str, name: str, objective: Objective, known_names: Collection[str]) -> Issue:
    """Return the Issue of a field that an objective does not declare."""
    message = f"objective {objective.name!r} has no context field {name!r}"
    return Issue.error(location, message, nearest_hint(name, known_names), "unknown-field")


def nearest_hint(name: str, known_names: Collection[str]) -> str:
    """Return a hint with the name that was perhaps meant, or the names that exist."""
    near = difflib.get_close_matches(name, known_names, n=1, cutoff=0.5)
    if near:
        return f"did you mean {near[0]!r}?"
    return f"there are: {describe.join_items(sorted(known_names), 'and')}" if known_names else "there are none yet"


def _value_issue(location: str, field: Field, value: Any) -> Issue | None:
    """Return an Issue when a value is not of the field's type or not one of its values, else None."""
    if not has_type(field.type, value):
        text = "null" if value is None else describe.format_value(value)
        message = f"{text} is not of type {field.type}, which {field.name!r} is"
        return Issue.error(location, message, _allowed_values_hint(field), "wrong-type")
    if field.values and value not in field.values:
        message = f"{describe.format_value(value)} is not a value of {field.name!r}"
        return Issue.error(location, message, _allowed_values_hint(field), "wrong-value")
    return None


def has_type(kind: FieldType, value: Any) -> bool:
    """Return whether a value has the JSON type: 7.0 is an integer, true is no number (JSON Schema 2020-12 §6.1.1)."""
    if kind is FieldType.STRING:
        return isinstance(value, str)
    if kind is FieldType.BOOLEAN:
        return isinstance(value, bool)
    # `bool` is a subclass of `int` in Python.
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return kind is FieldType.NUMBER or float(value).is_integer()


def _allowed_values_hint(field: Field) -> str:
    if not field.values:
        return ""
    texts = [describe.format_value(value) for value in field.values]
    return f"it takes {describe.join_items(texts, 'or')}"


def reference_sections() -> Iterator[Section]:
    """Yield the checks for faults of rules missing-default, unknown-objective, unknown-model, unknown-version,
    unknown-shard, unknown-field, unknown-layer, wrong-type, wrong-value and empty-range.
    """
    yield EntitySection("objectives", _check_objective, reads=_objective_reads, read_kinds=("versions",))
    yield EntitySection("versions", _check_version, reads=_version_reads, read_kinds=("models", "shards"))
    for kind in ("rules", "experiments", "canaries", "shadows", "overrides"):
        read_kinds = ("objectives", "versions", "layers")
        yield EntitySection(kind, partial(_check_references, kind), reads=_entity_reads, read_kinds=read_kinds)


def _objective_reads(objective: Objective) -> Iterator[EntityName]:
    return (("versions", ref) for ref in (objective.default, objective.fallback))


def _version_reads(version: Version) -> Iterator[EntityName]:
    return iter((("models", version.model), ("shards", version.shard)))


def _entity_reads(entity: Any) -> Iterator[EntityName]:
    # By attribute and not by class: five kinds of entities have these fields in different combinations.
    yield "objectives", entity.objective
    for share in (*getattr(entity, "shares", ()), *getattr(entity, "cells", ())):
        yield "versions", share.version
    for name in ("version", "base"):
        yield "versions", getattr(entity, name, None)
    yield "layers", getattr(entity, "layer", "")


def _check_objective(scope: CheckScope, key: object, objective: Objective) -> Iterator[Issue]:
    location = f"objectives.{objective.name}"
    if objective.default is None:
        hint = "name the version that serves it when no rule matches"
        yield Issue.error(
            f"{location}.version", f"objective {objective.name!r} has no default", hint, "missing-default"
        )
    for name, ref in (("version", objective.default), ("fallback_version", objective.fallback)):
        if ref is not None:
            yield from _check_version_ref(f"{location}.{name}", scope.configuration, ref)


def _check_version(scope: CheckScope, key: object, version: Version) -> Iterator[Issue]:
    configuration = scope.configuration
    location = f"versions.{version.ref}"
    if version.model not in configuration.models:
        message = f"there is no model {version.model!r}"
        yield Issue.error(
            f"{location}.model", message, nearest_hint(version.model, configuration.models), "unknown-model"
        )
    if version.shard not in configuration.shards:
        message = f"there is no shard {version.shard!r}"
        yield Issue.error(
            f"{location}.shard", message, nearest_hint(version.shard, configuration.shards), "unknown-shard"
        )


def _check_version_ref(location: str, configuration: Configuration, ref: VersionRef) -> Iterator[Issue]:
    """Yield an Issue when there is no such version, or no such model."""
    if ref in configuration.versions:
        return
    # The nearest name is searched in the same model first: a wrong version is likelier than a wrong model.
    of_model = [str(version_ref) for version_ref in configuration.versions if version_ref.model == ref.model]
    if of_model:
        yield Issue.error(
            location, f"there is no version {str(ref)!r}", nearest_hint(str(ref), of_model), "unknown-version"
        )
    elif ref.model in configuration.models:
        hint = f"model {ref.model!r} has no versions yet"
        yield Issue.error(location, f"there is no version {str(ref)!r}", hint, "unknown-version")
    else:
        hint = nearest_hint(ref.model, configuration.models)
        yield Issue.error(location, f"there is no model {ref.model!r}", hint, "unknown-model")


def _check_references(kind: str, scope: CheckScope, key: object, entity: Any) -> Iterator[Issue]:
    """Yield the faults in the references of one rule, experiment, canary, shadow or override."""
    location, configuration = f"{kind}.{key}", scope.configuration
    for share in (*getattr(entity, "shares", ()), *getattr(entity, "cells", ())):
        if share.version not in configuration.versions:
            yield from _check_version_ref(f"{location}.{share.version}", configuration, share.version)
    for name, field in (("version", "version"), ("base", "base_version")):
        ref = getattr(entity, name, None)
        if ref is not None:
            yield from _check_version_ref(f"{location}.{field}", configuration, ref)
    layer = getattr(entity, "layer", "")
    if layer and layer not in configuration.layers:
        message = f"there is no layer {layer!r}"
        yield Issue.error(f"{location}.layer", message, nearest_hint(layer, configuration.layers), "unknown-layer")
    objective = configuration.objectives.get(entity.objective)
    if objective is None:
        message = f"there is no objective {entity.objective!r}"
        hint = nearest_hint(entity.objective, configuration.objectives)
        yield Issue.error(f"{location}.objective", message, hint, "unknown-objective")
    else:
        yield from _check_fields(location, entity, objective, scope.fields(entity.objective))


def _check_fields(location: str, entity: Any, objective: Objective, declared: Mapping[str, Field]) -> Iterator[Issue]:
    match: Match = getattr(entity, "match", MATCH_ALL)
    yield from _check_values(f"{location}.when", match.when, objective, declared)
    yield from _check_values(f"{location}.unless", match.unless, objective, declared)
    yield from _check_ranges(f"{location}.between", match.between, objective, declared)
    unit = getattr(entity, "unit", None)
    if unit is not None and unit not in declared and _splits_units(entity):
        yield _unknown_field_issue(f"{location}.unit", unit, objective, declared)
    field = getattr(entity, "field", None)
    if field is not None:
        yield from _check_values(location, {field: (entity.value,)}, objective, declared)


def _splits_units(entity: object) -> bool:
    """Return whether an entity splits units; a rule with one version does not."""
    shares = getattr(entity, "shares", None)
    return shares is None or len(shares) > 1


def _check_values(
    location: str, conditions: Mapping[str, Collection[Scalar]], objective: Objective, declared: Mapping[str, Field]
) -> Iterator[Issue]:
    for name, values in conditions.items():
        field = declared.get(name)
        if field is None:
            yield _unknown_field_issue(f"{location}.{name}", name, objective, declared)
            continue
        for value in values:
            issue = _value_issue(f"{location}.{name}", field, value)
            if issue:
                yield issue
        if not values:
            yield Issue.error(
                f"{location}.{name}", f"no value of {name!r} is named", "name one, or leave it out", "no-values"
            )


def _check_ranges(
    location: str, conditions: Mapping[str, Range], objective: Objective, declared: Mapping[str, Field]
) -> Iterator[Issue]:
    for name, between in conditions.items():
        field = declared.get(name)
        if field is None:
            yield _unknown_field_issue(f"{location}.{name}", name, objective, declared)
        elif field.type not in (FieldType.NUMBER, FieldType.INTEGER):
            message = f"{name!r} is of type {field.type}, which has no ranges"
            yield Issue.error(f"{location}.{name}", message, "list its values under `when`", "wrong-type")
        # An empty range is a mistake in every case: two bounds in the wrong order.
        elif between.least is not None and between.below is not None and not between.least < between.below:
            message = f"no number is at least {between.least:g} and below {between.below:g}"
            yield Issue.error(f"{location}.{name}", message, "put the smaller number first", "empty-range")
