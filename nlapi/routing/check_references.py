"""Checks that everything a configuration refers to exists: objectives, versions, shards, fields and their values."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from nlapi.issue import Issue
from nlapi.routing.context import CLIENT_FIELD, nearest, unknown_field, wrong_value
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
    yield from _objectives(configuration)
    for version in configuration.versions.values():
        yield from _version(configuration, version)
    targets = _Targets(configuration)
    for kind in ("rules", "experiments", "canaries", "shadows", "overrides"):
        for name, noun in getattr(configuration, kind).items():
            yield from targets.issues(f"{kind}.{name}", noun)


def _objectives(configuration: Configuration) -> Iterator[Issue]:
    for objective in configuration.objectives.values():
        where = f"objectives.{objective.name}"
        if objective.default is None:
            hint = "name the version that serves it when no rule matches"
            yield Issue.error(
                f"{where}.default", f"objective {objective.name!r} has no default", hint, "missing-default"
            )
        for name in ("default", "fallback"):
            ref = getattr(objective, name)
            if ref is not None:
                yield from known_version(f"{where}.{name}", configuration, ref)


def _version(configuration: Configuration, version: Version) -> Iterator[Issue]:
    where = f"versions.{version.ref}"
    if version.model not in configuration.models:
        message = f"there is no model {version.model!r}"
        yield Issue.error(f"{where}.model", message, nearest(version.model, configuration.models), "unknown-model")
    if version.shard not in configuration.shards:
        message = f"there is no shard {version.shard!r}"
        yield Issue.error(f"{where}.shard", message, nearest(version.shard, configuration.shards), "unknown-shard")


def known_version(where: str, configuration: Configuration, ref: VersionRef) -> Iterator[Issue]:
    """Yield an Issue when there is no such version, or no such model."""
    if ref in configuration.versions:
        return
    # The nearest name is searched in the same model first: a wrong version is likelier than a wrong model.
    of_model = [str(one) for one in configuration.versions if one.model == ref.model]
    if of_model:
        yield Issue.error(where, f"there is no version {str(ref)!r}", nearest(str(ref), of_model), "unknown-version")
    elif ref.model in configuration.models:
        hint = f"model {ref.model!r} has no versions yet"
        yield Issue.error(where, f"there is no version {str(ref)!r}", hint, "unknown-version")
    else:
        hint = nearest(ref.model, configuration.models)
        yield Issue.error(where, f"there is no model {ref.model!r}", hint, "unknown-model")


class _Targets:
    """Checks the references of one rule, experiment, canary, shadow or override."""

    def __init__(self, configuration: Configuration) -> None:
        self._configuration = configuration
        # Built once for all entities, not again for each of 10,000 rules.
        self._fields: Mapping[str, Mapping[str, Field]] = {
            name: {**{field.name: field for field in objective.context}, CLIENT_FIELD.name: CLIENT_FIELD}
            for name, objective in configuration.objectives.items()
        }

    def issues(self, where: str, noun: object) -> Iterator[Issue]:
        # By attribute and not by class: five kinds of entities have these fields in different combinations.
        for share in (*getattr(noun, "shares", ()), *getattr(noun, "cells", ())):
            if share.version not in self._configuration.versions:
                yield from known_version(f"{where}.{share.version}", self._configuration, share.version)
        for name in ("version", "base"):
            ref = getattr(noun, name, None)
            if ref is not None:
                yield from known_version(f"{where}.{name}", self._configuration, ref)
        layer = getattr(noun, "layer", "")
        if layer and layer not in self._configuration.layers:
            message = f"there is no layer {layer!r}"
            yield Issue.error(f"{where}.layer", message, nearest(layer, self._configuration.layers), "unknown-layer")
        name = noun.objective  # type: ignore[attr-defined]
        objective = self._configuration.objectives.get(name)
        if objective is None:
            message = f"there is no objective {name!r}"
            hint = nearest(name, self._configuration.objectives)
            yield Issue.error(f"{where}.objective", message, hint, "unknown-objective")
        else:
            yield from self._of_context(where, noun, objective)

    def _of_context(self, where: str, noun: object, objective: Objective) -> Iterator[Issue]:
        declared = self._fields[objective.name]
        match: Match = getattr(noun, "match", Match())
        yield from _values(f"{where}.match.when", match.when, objective, declared)
        yield from _values(f"{where}.match.unless", match.unless, objective, declared)
        yield from _ranges(f"{where}.match.between", match.between, objective, declared)
        unit = getattr(noun, "unit", None)
        if unit is not None and unit not in declared and _needs_unit(noun):
            yield unknown_field(f"{where}.unit", unit, objective, declared)
        field = getattr(noun, "field", None)
        if field is not None:
            yield from _values(where, {field: (noun.value,)}, objective, declared)  # type: ignore[attr-defined]


def _needs_unit(noun: object) -> bool:
    """Return whether an entity splits units; a rule with one version does not."""
    shares = getattr(noun, "shares", None)
    return shares is None or len(shares) > 1


def _values(
    where: str, wanted: Mapping[str, Collection[Scalar]], objective: Objective, declared: Mapping[str, Field]
) -> Iterator[Issue]:
    for name, values in wanted.items():
        field = declared.get(name)
        if field is None:
            yield unknown_field(f"{where}.{name}", name, objective, declared)
            continue
        for value in values:
            issue = wrong_value(f"{where}.{name}", field, value)
            if issue:
                yield issue
        if not values:
            yield Issue.error(
                f"{where}.{name}", f"no value of {name!r} is named", "name one, or leave it out", "no-values"
            )


def _ranges(
    where: str, wanted: Mapping[str, Range], objective: Objective, declared: Mapping[str, Field]
) -> Iterator[Issue]:
    for name, between in wanted.items():
        field = declared.get(name)
        if field is None:
            yield unknown_field(f"{where}.{name}", name, objective, declared)
        elif field.type not in (FieldType.NUMBER, FieldType.INTEGER):
            message = f"{name!r} is of type {field.type}, which has no ranges"
            yield Issue.error(f"{where}.{name}", message, "list its values under `when`", "wrong-type")
        # An empty range is a mistake in every case: two bounds in the wrong order.
        elif between.least is not None and between.below is not None and not between.least < between.below:
            message = f"no number is at least {between.least:g} and below {between.below:g}"
            yield Issue.error(f"{where}.{name}", message, "put the smaller number first", "empty-range")
