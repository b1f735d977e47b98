"""Checks whether a whole configuration may become current, and reports every fault and conflict in it as an Issue."""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import combinations
from typing import Any, Protocol, TypeAlias

from nlapi.errors import Issue, Level
from nlapi.pattern_size import largest_exceeds, pattern_refusal, patterns_in
from nlapi.routing import describe
from nlapi.routing.change import DECIDING_KINDS, ENTITY_KINDS, ConfigurationChanges, Entity, entity_key
from nlapi.routing.decisions import experiment_salt
from nlapi.routing.describe import format_percent
from nlapi.routing.grouping import by_position, regroup
from nlapi.routing.matching import CoverageIndex, Domains, covers, intersect
from nlapi.routing.model import (
    BUCKETS,
    CLIENT_NAME_FIELD,
    CONTENT_PROTOCOLS,
    MATCH_ALL,
    OUTPUT_PREFIX,
    Canary,
    CanaryState,
    Client,
    Configuration,
    Experiment,
    Field,
    FieldType,
    Match,
    Objective,
    ObjectiveParts,
    Range,
    Rule,
    Scalar,
    Shadow,
    Shard,
    ShardProtocol,
    Share,
    Version,
    VersionRef,
)
from nlapi.routing.split import Ranges, bucket_count
from nlapi.suggestions import suggestion

EntityName: TypeAlias = tuple[str, Any]
"""A field of a configuration, such as "versions", and a key in it."""

# Undeclared, but rules may match it, so the checks need a declaration.
CLIENT_FIELD = Field(name=CLIENT_NAME_FIELD, description="the name of the client that asks")
"""The field that every objective has."""


class CheckScope:
    """The input of the checks of one configuration: it, its changes, and its entities by objective."""

    def __init__(self, changes: ConfigurationChanges, grouped: Mapping[str, ObjectiveParts]) -> None:
        self.changes = changes
        self.configuration = changes.after
        self.grouped = grouped
        self._fields: dict[str, dict[str, Field]] = {}

    def fields(self, objective: str) -> Mapping[str, Field]:
        """Return the context fields of an objective by name, with that of the client."""
        # Built once for all entities, not again for each of 10,000 rules.
        fields = self._fields.get(objective)
        if fields is None:
            declared = {field.name: field for field in self.configuration.objectives[objective].context}
            fields = self._fields[objective] = {**declared, CLIENT_FIELD.name: CLIENT_FIELD}
        return fields

    def outdated(self, kind: str, *, with_added: bool) -> set[Any]:
        """Return the keys of a kind whose readers have to be checked again."""
        changes = self.changes
        keys = {*changes.removed(kind), *(changes.added(kind) if with_added else ())}
        if kind == "objectives":
            # A new default version or title of an objective says nothing about its rules.
            keys.update(
                new.name
                for _, old, new in changes.entities(kind)
                if old is not None and new is not None and _read_fields(old) != _read_fields(new)
            )
        return keys


def _read_fields(objective: Any) -> tuple[object, ...]:
    return objective.context, objective.output, objective.idempotent


class Section(Protocol):
    """One part of the checks with its results. Immutable: a change that is refused leaves them as they are."""

    def update(self, scope: CheckScope) -> Section:
        """Return the section with the results for the configuration of `scope`."""

    def issues(self, configuration: Configuration) -> Iterator[Issue]:
        """Yield the issues in the order of the configuration."""


EntityCheck: TypeAlias = Callable[[CheckScope, Any, Any], Iterable[Issue]]
"""Returns the issues of one entity, given with its key."""


class EntitySection:
    """A check of each entity of a kind by itself.

    `reads` returns the other entities that it looks up. When one of them is missing, the check has an issue, unless
    `ignores_missing`.
    """

    def __init__(
        self,
        kind: str,
        check: EntityCheck,
        *,
        reads: Callable[[Any], Iterable[EntityName]] | None = None,
        read_kinds: Sequence[str] = (),
        ignores_missing: bool = False,
        results: Mapping[Any, tuple[Issue, ...]] | None = None,
    ) -> None:
        self._kind = kind
        self._check = check
        self._reads = reads
        self._read_kinds = read_kinds
        self._ignores_missing = ignores_missing
        self._results = results or {}
        """the issues of each entity that has any"""

    def update(self, scope: CheckScope) -> EntitySection:
        # An entity with issues is always checked again: their hints name what there is.
        suspects = {*scope.changes.keys(self._kind), *self._results, *self._outdated_readers(scope)}
        if not suspects:
            return self
        entities = getattr(scope.configuration, self._kind)
        results = {key: issues for key, issues in self._results.items() if key not in suspects}
        for key in suspects:
            if key in entities:
                issues = tuple(self._check(scope, key, entities[key]))
                if issues:
                    results[key] = issues
        return EntitySection(
            self._kind,
            self._check,
            reads=self._reads,
            read_kinds=self._read_kinds,
            ignores_missing=self._ignores_missing,
            results=results,
        )

    def _outdated_readers(self, scope: CheckScope) -> Iterator[Any]:
        if self._reads is None:
            return
        outdated = {
            (kind, key) for kind in self._read_kinds for key in scope.outdated(kind, with_added=self._ignores_missing)
        }
        if outdated:
            for key, entity in getattr(scope.configuration, self._kind).items():
                if not outdated.isdisjoint(self._reads(entity)):
                    yield key

    def issues(self, configuration: Configuration) -> Iterator[Issue]:
        if self._results:
            for key in getattr(configuration, self._kind):
                yield from self._results.get(key, ())


class WholeSection:
    """A check that reads all entities of some kinds at once, and is repeated when one of them changed."""

    def __init__(
        self,
        kinds: Sequence[str],
        check: Callable[[Configuration], Iterable[Issue]],
        results: tuple[Issue, ...] = (),
    ) -> None:
        self._kinds = kinds
        self._check = check
        self._results = results

    def update(self, scope: CheckScope) -> WholeSection:
        if not any(scope.changes.keys(kind) for kind in self._kinds):
            return self
        return WholeSection(self._kinds, self._check, tuple(self._check(scope.configuration)))

    def issues(self, configuration: Configuration) -> Iterator[Issue]:
        yield from self._results


class CheckedConfiguration:
    """A configuration with the results of all checks; immutable."""

    def __init__(
        self, sections: Sequence[Section], configuration: Configuration, grouped: Mapping[str, ObjectiveParts]
    ) -> None:
        self._sections = sections
        self.grouped = grouped
        """its entities by objective"""
        self.configuration = configuration

    @classmethod
    def check(cls, sections: Sequence[Section], configuration: Configuration) -> CheckedConfiguration:
        """Return a configuration checked from scratch by sections that have no results yet."""
        empty = Configuration()
        return cls(sections, empty, {}).update(ConfigurationChanges(empty, configuration))

    def update(self, changes: ConfigurationChanges) -> CheckedConfiguration:
        """Return the configuration after `changes` to this one, checked where it changed."""
        grouped = regroup(self.grouped, changes)
        scope = CheckScope(changes, grouped)
        return CheckedConfiguration(tuple(section.update(scope) for section in self._sections), changes.after, grouped)

    def issues(self) -> list[Issue]:
        """Return every issue, in the order of the sections and of the configuration."""
        return [issue for section in self._sections for issue in section.issues(self.configuration)]

    @property
    def has_errors(self) -> bool:
        return any(issue.level is Level.ERROR for issue in self.issues())


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
    there_are = f"there are: {describe.join_items(sorted(known_names), 'and')}" if known_names else "there are none yet"
    return suggestion(name, known_names, otherwise=there_are)


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
    """Return whether a value has the JSON type: 7.0 is an integer, true is not (JSON Schema 2020-12 §6.1.1)."""
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
    yield EntitySection("objectives", _check_judge, reads=_judge_reads, read_kinds=("objectives",))
    yield EntitySection("versions", _check_version, reads=_version_reads, read_kinds=("models", "shards"))
    for kind in ("rules", "experiments", "canaries", "shadows", "overrides"):
        read_kinds = ("objectives", "versions", "layers")
        yield EntitySection(kind, partial(_check_references, kind), reads=_entity_reads, read_kinds=read_kinds)


def _objective_reads(objective: Objective) -> Iterator[EntityName]:
    return (("versions", ref) for ref in (objective.default, objective.fallback))


def _judge_reads(objective: Objective) -> Iterator[EntityName]:
    yield "objectives", objective.judge


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


def _check_judge(scope: CheckScope, key: object, objective: Objective) -> Iterator[Issue]:
    location, objectives = f"objectives.{objective.name}.judge", scope.configuration.objectives
    judge = objectives.get(objective.judge)
    if judge is not None and judge.judge:
        hint = "take one whose answers nobody rates"
        yield Issue.error(location, f"the answers of {judge.name} are rated themselves", hint, "judged-judge")
    elif judge is None and objective.judge:
        hint = nearest_hint(objective.judge, objectives)
        yield Issue.error(location, f"there is no objective {objective.judge!r}", hint, "unknown-objective")


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
    """Yield an Issue if the version or the model does not exist."""
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


NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]*", re.ASCII)
# Names exclude "/" and "@", which salts (`decisions`) and version refs (`ranker@v8`) use as separators.
FIELD_NAME_PATTERN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)
# Characters of a name, as the gateway's description allows.
MAX_NAME_CHARACTERS = 64

# Deviation from 100 % that is accepted, so that three times 33.33 % is a whole.
PERCENT_TOLERANCE = 0.05


def name_sections() -> Iterator[Section]:
    """Yield the checks for faults of rules bad-name, wrong-key, duplicate-field, reserved-field, wrong-type,
    no-endpoints, bad-endpoint and bad-number.
    """
    for kind in ENTITY_KINDS.values():
        yield EntitySection(kind, partial(_check_key, kind))
    yield EntitySection("objectives", _check_form_of_objective)
    yield EntitySection("shards", _check_shard)
    yield EntitySection("clients", _check_client)


def _check_key(kind: str, scope: CheckScope, key: object, entity: Entity) -> Iterator[Issue]:
    yield from _check_name(f"{kind}.{key}", entity.name)
    if key != entity_key(entity):
        message = f"it is kept under {str(key)!r} and calls itself {str(entity_key(entity))!r}"
        yield Issue.error(f"{kind}.{key}", message, "give both the same name", "wrong-key")


def _check_name(location: str, name: str, name_pattern: re.Pattern[str] = NAME_PATTERN) -> Iterator[Issue]:
    if not name_pattern.fullmatch(name) or len(name) > MAX_NAME_CHARACTERS:
        message = f"{name[:MAX_NAME_CHARACTERS]!r} is not a name"
        hint = f"use letters, digits, '-', '_' and '.', at most {MAX_NAME_CHARACTERS}, such as 'tv-brazil'"
        yield Issue.error(location, message, hint, "bad-name")


def _check_form_of_objective(scope: CheckScope, key: object, objective: Objective) -> Iterator[Issue]:
    location = f"objectives.{objective.name}"
    field_names: set[str] = set()
    for field in objective.context:
        yield from _check_field(f"{location}.context.{field.name}", field, field_names)
        field_names.add(field.name)
    yield from _check_number(f"{location}.timeout_ms", objective.timeout_ms, least=1)
    for name in ("tokens_per_day", "dollars_per_day", "cache_seconds", "judge_percent"):
        yield from _check_number(f"{location}.{name}", getattr(objective, name) or 0, least=0)
    if objective.cache_seconds and not objective.idempotent:
        message = "the objective is not idempotent: a stored answer would leave out its effect"
        yield Issue.error(f"{location}.cache_seconds", message, "leave it out, or make it idempotent", "lost-effect")


def _check_field(location: str, field: Field, field_names: set[str]) -> Iterator[Issue]:
    yield from _check_name(location, field.name, FIELD_NAME_PATTERN)
    if field.name in field_names:
        yield Issue.error(location, f"the field {field.name!r} is declared twice", "remove one", "duplicate-field")
    if field.name == CLIENT_NAME_FIELD:
        hint = "every context has it, it is the client that asks: do not declare it"
        yield Issue.error(location, "the field 'client' is reserved", hint, "reserved-field")
    if field.source and field.type is not FieldType.INTEGER:
        message = f"the field {field.name!r} is filled with an integer, the size class of the text"
        yield Issue.error(location, message, "give it the type integer", "wrong-type")
    for value in field.values:
        if not has_type(field.type, value):
            message = f"{describe.format_value(value)} is not of the field's type, {field.type}"
            yield Issue.error(f"{location}.values", message, "change the type or the value", "wrong-type")


def _check_shard(scope: CheckScope, key: object, shard: Shard) -> Iterator[Issue]:
    location = f"shards.{shard.name}.endpoints"
    if shard.protocol is ShardProtocol.RAY and shard.endpoints:
        message = f"shard {shard.name!r} has endpoints, and those of Ray are reported by themselves"
        yield Issue.error(location, message, "leave them out", "ray-endpoints")
    elif shard.protocol not in CONTENT_PROTOCOLS and not shard.endpoints:
        message = f"shard {shard.name!r} speaks {shard.protocol} and has no endpoints"
        yield Issue.error(location, message, "give the address of at least one replica", "no-endpoints")
    for endpoint in shard.endpoints:
        if not re.match(r"https?://[^/\s]", endpoint):
            message = f"{endpoint!r} is not an address"
            yield Issue.error(location, message, "write it as http://host:port", "bad-endpoint")
    for name in ("concurrency", "objective_percent", "client_percent", "max_answer_mb"):
        yield from _check_number(f"shards.{shard.name}.{name}", getattr(shard, name), least=1)


def _check_client(scope: CheckScope, key: object, client: Client) -> Iterator[Issue]:
    budgets = ("tokens_per_minute", "tokens_per_day", "dollars_per_minute", "dollars_per_day")
    keys = ("key_tokens_per_day", "key_dollars_per_day")
    for name in ("rate", "burst", "concurrency", *budgets, *keys):
        yield from _check_number(f"clients.{client.name}.{name}", getattr(client, name), least=0)


def _check_number(location: str, value: Any, *, least: float) -> Iterator[Issue]:
    if not math.isfinite(value) or value < least:
        yield Issue.error(location, f"{value} is too small", f"at least {least:g}", "bad-number")


def share_sections() -> Iterator[Section]:
    """Yield the checks for faults of rules bad-percent, no-shares, duplicate-share, shares-over-100, shares-under-100,
    layer-over-100, layer-units, salt-in-use, bad-salt, bad-buckets, bad-guard, bad-number and same-version.
    """
    yield EntitySection("rules", _check_rule)
    yield EntitySection("experiments", _check_experiment)
    yield WholeSection(("experiments",), _check_layers)
    yield WholeSection(("experiments", "layers"), _check_salts)
    yield EntitySection("canaries", _check_canary)
    yield EntitySection("shadows", _check_shadow)


def _check_shadow(scope: CheckScope, key: object, shadow: Shadow) -> Iterator[Issue]:
    yield from _check_percent(f"shadows.{shadow.name}.percent", shadow.percent)


def _check_rule(scope: CheckScope, key: object, rule: Rule) -> Iterator[Issue]:
    location = f"rules.{rule.name}.shares"
    yield from _check_share_list(location, rule.shares)
    total = math.fsum(share.percent for share in rule.shares)
    if rule.shares and total < 100 - PERCENT_TOLERANCE:
        message = f"the shares of rule {rule.name!r} are {format_percent(total)} together"
        yield Issue.error(location, message, "they must be 100 % together", "shares-under-100")


def _check_share_list(location: str, shares: Sequence[Share]) -> Iterator[Issue]:
    if not shares:
        yield Issue.error(location, "there are no shares", "name at least one version", "no-shares")
    if len(shares) > 1:
        yield from _check_duplicates(location, shares)
    for share in shares:
        yield from _check_percent(f"{location}.{share.name or share.version}.percent", share.percent)
    total = math.fsum(share.percent for share in shares)
    if total > 100 + PERCENT_TOLERANCE:
        yield Issue.error(
            location, f"the shares are {format_percent(total)} together", "make them 100 % at most", "shares-over-100"
        )
    yield from _check_buckets(location, [share.buckets for share in shares])


def _check_buckets(location: str, parts: Sequence[Ranges]) -> Iterator[Issue]:
    """Yield faults of ranges that the author of a configuration wrote: they must not overlap."""
    hint = "leave the buckets out: they are allotted"
    end = 0
    for start, stop in sorted(bounds for ranges in parts for bounds in ranges):
        if not 0 <= start < stop <= BUCKETS:
            yield Issue.error(location, f"[{start}, {stop}) is not a range of buckets", hint, "bad-buckets")
        elif start < end:
            yield Issue.error(location, f"bucket {start} is held twice", hint, "bad-buckets")
        end = max(end, stop)


def _check_duplicates(location: str, shares: Sequence[Share]) -> Iterator[Issue]:
    names: set[str] = set()
    for share in shares:
        name = share.name or str(share.version)
        if name in names:
            yield Issue.error(location, f"{name!r} is there twice", "put both into one share", "duplicate-share")
        names.add(name)


def _check_percent(location: str, value: float) -> Iterator[Issue]:
    if not 0 <= value <= 100:
        yield Issue.error(location, f"{value:g} is not a percentage", "write a number from 0 to 100", "bad-percent")
    elif value and not bucket_count(value):
        yield Issue.error(location, f"{value:g} % is too small", "the smallest share is 0.01 %", "bad-percent")


def _check_experiment(scope: CheckScope, key: object, experiment: Experiment) -> Iterator[Issue]:
    location = f"experiments.{experiment.name}"
    yield from _check_share_list(f"{location}.cells", experiment.cells)
    if experiment.layer:
        yield from _check_percent(f"{location}.percent", experiment.percent)


def _check_layers(configuration: Configuration) -> Iterator[Issue]:
    by_layer: dict[str, list[Experiment]] = {}
    for experiment in configuration.experiments.values():
        if experiment.layer:
            by_layer.setdefault(experiment.layer, []).append(experiment)
    for layer, experiments in by_layer.items():
        yield from _check_buckets(f"layers.{layer}", [member.buckets for member in experiments])
        yield from _check_units(layer, experiments)
        percents = [member.percent for member in experiments]
        if math.fsum(percents) > 100 + PERCENT_TOLERANCE:
            message = f"the experiments of layer {layer!r} take {format_percent(math.fsum(percents))} together"
            hint = "make them 100 % at most, or remove one that has ended"
            yield Issue.error(f"layers.{layer}", message, hint, "layer-over-100")


def _check_units(layer: str, experiments: Sequence[Experiment]) -> Iterator[Issue]:
    """Yield a fault when experiments of one layer split by different units: one request could then be in two."""
    first = experiments[0]
    for experiment in experiments[1:]:
        if experiment.unit != first.unit:
            message = (
                f"in layer {layer!r}, {first.name!r} goes by {first.unit} and {experiment.name!r} by {experiment.unit}"
            )
            hint = "the experiments of a layer have one unit: put one of them in another layer"
            yield Issue.error(f"experiments.{experiment.name}.unit", message, hint, "layer-units")


def _check_salts(configuration: Configuration) -> Iterator[Issue]:
    """Yield a fault for a salt that is used twice: both splits would then choose the same units."""
    owners = dict.fromkeys(configuration.layers, "layer")
    for experiment in configuration.experiments.values():
        if "/" in experiment.salt:  # the salts of rules and canaries have one, see `decisions`
            location, message = f"experiments.{experiment.name}.salt", f"the salt {experiment.salt!r} holds a '/'"
            yield Issue.error(location, message, "leave it out, or take another text", "bad-salt")
        owner = owners.get(experiment_salt(experiment))
        if owner:
            salt_text = f" {experiment_salt(experiment)!r}" if owner == "layer" else ""
            message = f"the salt {experiment_salt(experiment)!r} is also that of {owner}{salt_text}"
            hint = "give it another: with one salt their cells would go together"
            yield Issue.error(f"experiments.{experiment.name}.salt", message, hint, "salt-in-use")
        else:
            owners[experiment_salt(experiment)] = f"experiment {experiment.name!r}"


def _check_canary(scope: CheckScope, key: object, canary: Canary) -> Iterator[Issue]:
    location = f"canaries.{canary.name}"
    yield from _check_percent(f"{location}.percent", canary.percent)
    for number, step in enumerate(canary.steps):
        yield from _check_percent(f"{location}.steps[{number}].percent", step.percent)
        if not 0 <= step.bake_s < math.inf:
            hint = "write seconds, 0 or more"
            yield Issue.error(f"{location}.steps[{number}].bake_s", f"{step.bake_s} is not a time", hint, "bad-number")
    for number, guard in enumerate(canary.guards):
        # A guard without a bound would look like protection and never fire.
        if all(bound is None for bound in (guard.limit, guard.ratio, guard.floor, guard.floor_ratio)):
            message = f"the guard on {guard.metric!r} has no limit, ratio, floor or floor ratio"
            yield Issue.error(f"{location}.guards[{number}]", message, "give one of them", "bad-guard")
    if canary.base == canary.version:
        message = f"{canary.version} is both its base and its version"
        yield Issue.error(
            f"{location}.base_version", message, "name the version that it takes from, or none", "same-version"
        )


# Changed rules that are compared with all others one by one, 2 to 5 ms each among 10,000; an index of all takes 65 ms
# (docs/design/033-change-at-scale.md).
MAX_COMPARED_RULES = 8


class OverlapSection:
    """The check for faults of rules duplicate-override, overlapping-experiments, overlapping-canaries,
    duplicate-position and unreachable-rule.
    """

    def __init__(self, objectives: Mapping[str, _ObjectiveOverlaps] | None = None) -> None:
        self._objectives = objectives or {}

    def update(self, scope: CheckScope) -> OverlapSection:
        if not scope.changes.objectives:
            return self
        objectives = dict(self._objectives)
        for name in scope.changes.objectives:
            previous = objectives.pop(name, None)
            if name in scope.grouped:
                domains = _domains(scope.configuration.objectives[name])
                changed_rules = scope.changes.of_objective("rules", name)
                objectives[name] = _ObjectiveOverlaps(scope.grouped[name], domains, previous, changed_rules)
        return OverlapSection(objectives)

    def issues(self, configuration: Configuration) -> Iterator[Issue]:
        for name in configuration.objectives:
            yield from self._objectives[name].issues()


class _ObjectiveOverlaps:
    """The results for one objective; those of `previous` are taken over where nothing changed."""

    def __init__(
        self,
        parts: ObjectiveParts,
        domains: Domains,
        previous: _ObjectiveOverlaps | None,
        changed_rules: tuple[list[Rule], list[Rule]],
    ) -> None:
        self._parts = parts
        self._domains: Domains = domains
        if previous is not None and previous._domains != domains:
            previous = None
        # Compared as lists, which compare their entities by identity first.
        self._others: tuple[Issue, ...] = (
            previous._others
            if previous is not None and _has_same_others(previous._parts, parts)
            else (*_check_overrides(parts), *_check_experiments(parts, domains), *_check_canaries(parts, domains))
        )
        previous_order = previous._rules if previous is not None else None
        self._rules: _RuleOrder = _RuleOrder(parts.rules, domains, previous_order, changed_rules)

    def issues(self) -> Iterator[Issue]:
        yield from self._others
        yield from self._rules.issues()


def _has_same_others(first: ObjectiveParts, second: ObjectiveParts) -> bool:
    """Return whether two parts differ at most in rules and shadows."""
    kinds = ("overrides", "experiments", "canaries")
    return all(getattr(first, kind) == getattr(second, kind) for kind in kinds)


def _domains(objective: Objective) -> Domains:
    domains: dict[str, tuple[str | int | float | bool, ...]] = {}
    for field in objective.context:
        if field.values:
            domains[field.name] = field.values
        elif field.type is FieldType.BOOLEAN:
            domains[field.name] = (True, False)
    return domains


def _check_overrides(parts: ObjectiveParts) -> Iterator[Issue]:
    names: dict[tuple[str, object], str] = {}
    for override in parts.overrides:
        name = names.setdefault((override.field, override.value), override.name)
        if name != override.name:
            message = f"overrides {name!r} and {override.name!r} are both of {override.field} {override.value}"
            yield Issue.error(f"overrides.{override.name}", message, "remove one of them", "duplicate-override")


def _check_experiments(parts: ObjectiveParts, domains: Domains) -> Iterator[Issue]:
    for first, second in combinations(parts.experiments, 2):
        # Experiments of one layer hold different buckets of it, so they never share a unit.
        apart = first.layer and first.layer == second.layer
        if not apart and intersect(first.match, second.match, domains):
            message = f"experiments {first.name!r} and {second.name!r} both give cells to the same requests"
            hint = "put both in one layer, or narrow what one of them matches"
            yield Issue.error(f"experiments.{second.name}", message, hint, "overlapping-experiments")


def _check_canaries(parts: ObjectiveParts, domains: Domains) -> Iterator[Issue]:
    # A canary that is done keeps its share as a new base, which a later canary may build on.
    moving = [canary for canary in parts.canaries if canary.state is not CanaryState.DONE]
    for first, second in combinations(moving, 2):
        if (first.base == second.base or None in (first.base, second.base)) and intersect(
            first.match, second.match, domains
        ):
            message = f"canaries {first.name!r} and {second.name!r} both move the same requests"
            hint = "finish or roll back the one before the other starts, or let it match fewer requests"
            yield Issue.error(f"canaries.{second.name}", message, hint, "overlapping-canaries")


class _RuleOrder:
    """The rules of an objective in their order, and the rule before each that covers it or has its position."""

    def __init__(
        self,
        rules: Sequence[Rule],
        domains: Domains,
        previous: _RuleOrder | None,
        changed: tuple[Sequence[Rule], Sequence[Rule]],
    ) -> None:
        """`changed` are the rules that only `previous` has, and those that only this one has."""
        self._rules = rules
        self._domains = domains
        self._covering: dict[str, Rule] = {}
        """the first rule that covers a rule, by the name of the latter"""
        self._same_position: dict[str, Rule] = {}
        """the rule just before a rule, by the name of the latter, where both have the same position"""
        if previous is None or sum(map(len, changed)) > 2 * MAX_COMPARED_RULES:
            self._check_all()
        else:
            self._covering = dict(previous._covering)
            self._same_position = dict(previous._same_position)
            self._check_changed(previous, *_moved_rules(*changed))

    def _check_all(self) -> None:
        covering = CoverageIndex([rule.match for rule in self._rules], self._domains)
        for number, rule in enumerate(self._rules):
            earlier = covering.first_covering(number)
            if earlier is not None:
                self._covering[rule.name] = self._rules[earlier]
            self._compare_positions(number)

    def _check_changed(self, previous: _RuleOrder, removed: Sequence[Rule], added: Sequence[Rule]) -> None:
        """Check what removed rules, and rules that are new or changed, had to do with the others."""
        removed_names = {rule.name for rule in removed}
        for rule in removed:
            self._covering.pop(rule.name, None)
            self._same_position.pop(rule.name, None)
        # A rule that is no longer covered by what covered it may be covered by a later one.
        names = {name for name, wide in self._covering.items() if wide.name in removed_names}
        uncovered = [rule for rule in self._rules if rule.name in names] if names else []
        for rule in (*added, *uncovered):
            self._covering.pop(rule.name, None)
            wide = next(_covering_rules(self._rules[: self._number(rule)], rule, self._domains), None)
            if wide is not None:
                self._covering[rule.name] = wide
        for wide in added:
            for rule in _covered_rules(self._rules[self._number(wide) + 1 :], wide, self._domains):
                current = self._covering.get(rule.name)
                if current is None or by_position(wide) < by_position(current):
                    self._covering[rule.name] = wide
        for rule in (*removed, *added):
            for rules in (previous._rules, self._rules):
                # The rule itself and the one after it, which has another one before it now.
                place = bisect_left(rules, by_position(rule), key=by_position)
                for neighbour in rules[place : place + 2]:
                    number = self._number(neighbour)
                    if number < len(self._rules) and self._rules[number].name == neighbour.name:
                        self._compare_positions(number)

    def _number(self, rule: Rule) -> int:
        """Return the index of a rule, or of the first one after its place."""
        return bisect_left(self._rules, by_position(rule), key=by_position)

    def _compare_positions(self, number: int) -> None:
        rule = self._rules[number]
        self._same_position.pop(rule.name, None)
        if number and self._rules[number - 1].position == rule.position:
            self._same_position[rule.name] = self._rules[number - 1]

    def issues(self) -> Iterator[Issue]:
        if not self._covering and not self._same_position:
            return
        for rule in self._rules:
            wide, earlier = self._covering.get(rule.name), self._same_position.get(rule.name)
            if wide is not None:
                message = f"rule {rule.name!r} is never reached: rule {wide.name!r} before it matches all that it does"
                matched = describe.format_conditions(wide.match)
                hint = f"move it before position {wide.position}, or remove it ({matched})"
                yield Issue.error(f"rules.{rule.name}", message, hint, "unreachable-rule")
            elif earlier is not None:
                yield _position_issue(earlier, rule, self._domains)


def _moved_rules(removed: Sequence[Rule], added: Sequence[Rule]) -> tuple[list[Rule], list[Rule]]:
    """Return the rules without those that have the same match and position before and after, as with new shares."""
    before = {rule.name: rule for rule in removed}
    same = {
        rule.name
        for rule in added
        if (old := before.get(rule.name)) and old.position == rule.position and old.match == rule.match
    }
    return [rule for rule in removed if rule.name not in same], [rule for rule in added if rule.name not in same]


def _covering_rules(rules: Iterable[Rule], narrow: Rule, domains: Domains) -> Iterator[Rule]:
    """Yield the rules that match whatever `narrow` matches."""
    match = narrow.match
    # Most rules name other values of some field: that is seen without the exact test, which costs ten times as much.
    samples = {name: values[0] for name, values in _plain_values(match)}
    for rule in rules:
        for name, values in rule.match.when.items():
            if name in samples and samples[name] not in values:
                break
        else:
            if covers(rule.match, match, domains):
                yield rule


def _covered_rules(rules: Iterable[Rule], wide: Rule, domains: Domains) -> Iterator[Rule]:
    """Yield the rules that match nothing but what `wide` matches."""
    match = wide.match
    by_width = sorted(match.when.items(), key=lambda entry: len(entry[1]))
    if by_width:
        name, allowed = by_width[0]
        accepted = set(allowed)
        rules = (
            rule
            for rule in rules
            if not (values := rule.match.when.get(name))
            or values[0] in accepted
            or name in rule.match.unless
            or name in rule.match.between
        )
    for rule in rules:
        if covers(match, rule.match, domains):
            yield rule


def _plain_values(match: Match) -> Iterator[tuple[str, Sequence[object]]]:
    """Yield the fields whose listed values are the only condition on them, with the values."""
    for name, values in match.when.items():
        if values and name not in match.unless and name not in match.between:
            yield name, values


def _position_issue(earlier: Rule, rule: Rule, domains: Domains) -> Issue:
    """Return an ERROR when two rules of one position overlap, as their names would decide; else a warning."""
    matters = intersect(earlier.match, rule.match, domains)
    return Issue(
        level=Level.ERROR if matters else Level.WARNING,
        where=f"rules.{rule.name}.position",
        message=f"rules {earlier.name!r} and {rule.name!r} have the same position, {rule.position}",
        hint="give each its own: the first match by position wins",
        rule="duplicate-position",
    )


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
            message = f"{field!r} of the output of objective {objective.name!r} is not a number"
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


# From forms to meaning: a wrong name is reported before what follows from it.
SECTIONS: tuple[Section, ...] = (
    *name_sections(),
    *reference_sections(),
    *share_sections(),
    OverlapSection(),
    *schema_sections(),
)
"""The checks of routing, without results."""


def check(configuration: Configuration) -> list[Issue]:
    """Return every fault, in the order of the configuration. An ERROR refuses publication; `Issue.rule` names its kind.

    `where` is a path such as "rules.tv-brazil.when.country", with the names of a configuration document.
    """
    return CheckedConfiguration.check(SECTIONS, configuration).issues()
