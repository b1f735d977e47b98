"""Checks that everything a configuration refers to exists: objectives, versions, shards, fields and their values."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from nlapi.issue import Issue
from nlapi.routing.context import CLIENT_FIELD, nearest_hint, unknown_field_issue, value_issue
from nlapi.routing.nouns import (
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


def check_references(configuration: Configuration) -> Iterator[Issue]:
    """Yield faults of rules missing-default, unknown-objective, unknown-model, unknown-version, unknown-shard,
    unknown-field, unknown-layer, wrong-type, wrong-value and empty-range.
    """
    yield from _check_objectives(configuration)
    for version in configuration.versions.values():
        yield from _check_version(configuration, version)
    checker = _ReferenceChecker(configuration)
    for kind in ("rules", "experiments", "canaries", "shadows", "overrides"):
        for name, entity in getattr(configuration, kind).items():
            yield from checker.issues(f"{kind}.{name}", entity)


def _check_objectives(configuration: Configuration) -> Iterator[Issue]:
    for objective in configuration.objectives.values():
        location = f"objectives.{objective.name}"
        if objective.default is None:
            hint = "name the version that serves it when no rule matches"
            yield Issue.error(
                f"{location}.default", f"objective {objective.name!r} has no default", hint, "missing-default"
            )
        for name in ("default", "fallback"):
            ref = getattr(objective, name)
            if ref is not None:
                yield from check_version_ref(f"{location}.{name}", configuration, ref)


def _check_version(configuration: Configuration, version: Version) -> Iterator[Issue]:
    location = f"versions.{version.ref}"
    if version.model not in configuration.models:
        message = f"there is no model {version.model!r}"
        yield Issue.error(f"{location}.model", message, nearest_hint(version.model, configuration.models), "unknown-model")
    if version.shard not in configuration.shards:
        message = f"there is no shard {version.shard!r}"
        yield Issue.error(f"{location}.shard", message, nearest_hint(version.shard, configuration.shards), "unknown-shard")


def check_version_ref(location: str, configuration: Configuration, ref: VersionRef) -> Iterator[Issue]:
    """Yield an Issue when there is no such version, or no such model."""
    if ref in configuration.versions:
        return
    # The nearest name is searched in the same model first: a wrong version is likelier than a wrong model.
    of_model = [str(version_ref) for version_ref in configuration.versions if version_ref.model == ref.model]
    if of_model:
        yield Issue.error(location, f"there is no version {str(ref)!r}", nearest_hint(str(ref), of_model), "unknown-version")
    elif ref.model in configuration.models:
        hint = f"model {ref.model!r} has no versions yet"
        yield Issue.error(location, f"there is no version {str(ref)!r}", hint, "unknown-version")
    else:
        hint = nearest_hint(ref.model, configuration.models)
        yield Issue.error(location, f"there is no model {ref.model!r}", hint, "unknown-model")


class _ReferenceChecker:
    """Checks the references of one rule, experiment, canary, shadow or override."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        # Built once for all entities, not again for each of 10,000 rules.
        self._fields: Mapping[str, Mapping[str, Field]] = {
            name: {**{field.name: field for field in objective.context}, CLIENT_FIELD.name: CLIENT_FIELD}
            for name, objective in configuration.objectives.items()
        }

    def issues(self, location: str, entity: object) -> Iterator[Issue]:
        # By attribute and not by class: five kinds of entities have these fields in different combinations.
        for share in (*getattr(entity, "shares", ()), *getattr(entity, "cells", ())):
            if share.version not in self._configuration.versions:
                yield from check_version_ref(f"{location}.{share.version}", self._configuration, share.version)
        for name in ("version", "base"):
            ref = getattr(entity, name, None)
            if ref is not None:
                yield from check_version_ref(f"{location}.{name}", self._configuration, ref)
        layer = getattr(entity, "layer", "")
        if layer and layer not in self._configuration.layers:
            message = f"there is no layer {layer!r}"
            yield Issue.error(f"{location}.layer", message, nearest_hint(layer, self._configuration.layers), "unknown-layer")
        name = entity.objective  # type: ignore[attr-defined]
        objective = self._configuration.objectives.get(name)
        if objective is None:
            message = f"there is no objective {name!r}"
            hint = nearest_hint(name, self._configuration.objectives)
            yield Issue.error(f"{location}.objective", message, hint, "unknown-objective")
        else:
            yield from self._check_fields(location, entity, objective)

    def _check_fields(self, location: str, entity: object, objective: Objective) -> Iterator[Issue]:
        declared = self._fields[objective.name]
        match: Match = getattr(entity, "match", Match())
        yield from _check_values(f"{location}.match.when", match.when, objective, declared)
        yield from _check_values(f"{location}.match.unless", match.unless, objective, declared)
        yield from _check_ranges(f"{location}.match.between", match.between, objective, declared)
        unit = getattr(entity, "unit", None)
        if unit is not None and unit not in declared and _splits_units(entity):
            yield unknown_field_issue(f"{location}.unit", unit, objective, declared)
        field = getattr(entity, "field", None)
        if field is not None:
            yield from _check_values(location, {field: (entity.value,)}, objective, declared)  # type: ignore[attr-defined]


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
            yield unknown_field_issue(f"{location}.{name}", name, objective, declared)
            continue
        for value in values:
            issue = value_issue(f"{location}.{name}", field, value)
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
            yield unknown_field_issue(f"{location}.{name}", name, objective, declared)
        elif field.type not in (FieldType.NUMBER, FieldType.INTEGER):
            message = f"{name!r} is of type {field.type}, which has no ranges"
            yield Issue.error(f"{location}.{name}", message, "list its values under `when`", "wrong-type")
        # An empty range is a mistake in every case: two bounds in the wrong order.
        elif between.least is not None and between.below is not None and not between.least < between.below:
            message = f"no number is at least {between.least:g} and below {between.below:g}"
            yield Issue.error(f"{location}.{name}", message, "put the smaller number first", "empty-range")
