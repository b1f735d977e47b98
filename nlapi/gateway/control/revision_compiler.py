"""Compiles and checks configurations as revisions, from scratch or from what differs from the current one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import PurePosixPath

from nlapi.errors import Issue
from nlapi.gateway.control.codec import KINDS
from nlapi.gateway.runner_registry import Tolerance
from nlapi.gateway.shards.checks import check_shard
from nlapi.gateway.shards.open_inference import unknown_datatypes
from nlapi.gateway.store.store import AuditEntry, ItemChange
from nlapi.routing import check
from nlapi.routing.change import ConfigurationChanges, Difference, routed_versions, share_equal
from nlapi.routing.check import (
    CheckedConfiguration,
    CheckScope,
    EntityName,
    EntitySection,
    Section,
    WholeSection,
)
from nlapi.routing.grouping import Regrouped
from nlapi.routing.model import LLM_PROTOCOLS, Configuration, InputForm, Shadow, ShardProtocol, Version, VersionRef
from nlapi.routing.table import Table, compile_table


def check_fallbacks(configuration: Configuration) -> Iterator[Issue]:
    """Yield the fallbacks that speak another LLM protocol than their objectives."""
    for objective in configuration.objectives.values():
        if objective.default is None or objective.fallback is None:
            continue
        default, fallback = (_protocol(configuration, ref) for ref in (objective.default, objective.fallback))
        if default and fallback and default is not fallback:
            message = f"{objective.fallback} speaks {fallback} and cannot answer requests for {default}"
            hint = "take a fallback of the same protocol"
            yield Issue.error(f"objectives.{objective.name}.fallback", message, hint, "other-protocol")


def check_version(scope: CheckScope, key: object, version: Version) -> Iterator[Issue]:
    """Yield the settings of a version that its shard has no use for."""
    location, hint = f"versions.{version.ref}", "leave them out, or name another shard"
    shard = scope.configuration.shards.get(version.shard)
    protocol = shard.protocol if shard else ShardProtocol.LOCAL
    has_prices = version.input_price is not None or version.output_price is not None
    if protocol not in LLM_PROTOCOLS and has_prices:
        message = f"shard {version.shard} is not an LLM: the version takes no prices"
        yield Issue.error(location, message, hint, "no-llm")
    if protocol not in (*LLM_PROTOCOLS, ShardProtocol.OPEN_INFERENCE) and version.upstream_model:
        message = f"shard {version.shard} has no models by name: the version takes no upstream_model"
        yield Issue.error(location, message, hint, "no-llm")
    has_settings = version.upstream_version or version.form is InputForm.COLUMNS
    if protocol is not ShardProtocol.OPEN_INFERENCE and has_settings:
        message = f"shard {version.shard} speaks no oip-v2: the version takes no upstream_version and no form"
        yield Issue.error(location, message, hint, "no-model-server")
    for name in unknown_datatypes(version.input) if protocol is ShardProtocol.OPEN_INFERENCE else ():
        hint = "such as FP32, INT64 or BYTES"
        where = f"{location}.input.properties.{name[:80]}"
        yield Issue.error(where, "its x-datatype is not one of the protocol", hint, "unknown-datatype")


def version_reads(version: Version) -> Iterator[EntityName]:
    """Yield what `check_version` looks up."""
    yield "shards", version.shard


def _protocol(configuration: Configuration, ref: VersionRef) -> ShardProtocol | None:
    """Return the LLM protocol of a version, or None when it has none."""
    version = configuration.versions.get(ref)
    shard = configuration.shards.get(version.shard) if version else None
    return shard.protocol if shard is not None and shard.protocol in LLM_PROTOCOLS else None


def validate_configuration(configuration: Configuration) -> list[Issue]:
    """Return all faults of a configuration, those of `routing.check` first; an ERROR refuses it."""
    return CheckedConfiguration.check(SECTIONS, configuration).issues()


def _check_source(scope: CheckScope, key: object, version: Version) -> Iterator[Issue]:
    if ".." in PurePosixPath(version.source.replace("\\", "/")).parts:
        yield Issue.error(f"versions.{version.ref}.source", "it leads out of the folder of models", rule="source")
    if not version.source.isprintable():  # a folder has such a name in attacks alone, and one with a NUL cannot be
        yield Issue.error(f"versions.{version.ref}.source", "it has characters that cannot be seen", rule="source")


def _check_shadow(scope: CheckScope, key: object, shadow: Shadow) -> Iterator[Issue]:
    objective = scope.configuration.objectives.get(shadow.objective)
    if objective is not None and not objective.idempotent:
        message = f"{shadow.objective} is not idempotent: a copy would repeat the request's effect"
        yield Issue.error(f"shadows.{shadow.name}.objective", message, rule="doubled-effect")


def _shadow_reads(shadow: Shadow) -> Iterator[EntityName]:
    yield "objectives", shadow.objective


SECTIONS: tuple[Section, ...] = (
    *check.SECTIONS,
    EntitySection("shards", check_shard),
    EntitySection("versions", _check_source),
    EntitySection("shadows", _check_shadow, reads=_shadow_reads, read_kinds=("objectives",), ignores_missing=True),
    EntitySection("versions", check_version, reads=version_reads, read_kinds=("shards",), ignores_missing=True),
    WholeSection(("shards", "versions", "objectives"), check_fallbacks),
)
"""The checks of routing, and those of what only the gateway forbids."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentRevision:
    """The configuration that decides now, its compiled table, and the results of its checks."""

    configuration: Configuration
    table: Table
    checked: CheckedConfiguration


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionCandidate:
    """A change that is checked and compiled. `items` is what its revision stores."""

    revision: CurrentRevision
    differences: list[Difference]
    items: list[ItemChange]


def compile_revision(configuration: Configuration, number: int) -> CurrentRevision:
    """Return a configuration as a revision, compiled and checked from scratch."""
    table = compile_table(configuration, number)
    table.compile_all()
    checked = CheckedConfiguration.check(SECTIONS, configuration)
    return CurrentRevision(configuration=configuration, table=table, checked=checked)


def check_changes(current: CurrentRevision, after: Configuration) -> tuple[ConfigurationChanges, CheckedConfiguration]:
    """Return what differs from the current configuration by identity, and the configuration after it, checked."""
    changes = ConfigurationChanges(current.configuration, after)
    shared = share_equal(changes)
    if shared is not after:
        changes = ConfigurationChanges(current.configuration, shared)
    return changes, current.checked.update(changes)


def compile_changes(
    current: CurrentRevision, changes: ConfigurationChanges, checked: CheckedConfiguration, number: int
) -> CurrentRevision:
    """Return a checked change of the current revision as revision `number`, compiled where it differs."""
    regrouped = Regrouped(changes=changes, grouped=checked.grouped)
    table = compile_table(changes.after, number, current.table, regrouped)
    table.compile_all()
    return CurrentRevision(configuration=changes.after, table=table, checked=checked)


def item_change(difference: Difference) -> ItemChange:
    """Return the part of a difference that the store keeps."""
    entity = difference.after
    body = None if entity is None else _KINDS_BY_PLURAL[difference.kind].encode(entity, True)
    return ItemChange(kind=difference.kind, name=difference.name, body=body)


_KINDS_BY_PLURAL = {kind.plural: kind for kind in KINDS.values()}


def numbered_entry(audit: AuditEntry, number: int) -> AuditEntry:
    """Return an entry of the audit log with the number of the revision that it tells of."""
    return replace(audit, detail=f"revision {number}")


def version_tolerance(before: Configuration, after: Configuration, *, is_rollback: bool) -> Tolerance:
    """Return the versions of `after` that may stay unloaded.

    They are those that the change has nothing to do with; a rollback may also bring back one that nothing routes to.
    """

    @cache
    def routed(configuration: str) -> frozenset[VersionRef]:
        return routed_versions(before if configuration == "before" else after)

    def tolerates(ref: VersionRef) -> bool:
        version = after.versions[ref]
        # A key or an address of the shard that does not work is a fault of the change, too.
        is_unchanged = before.versions.get(ref) == version and before.shards.get(version.shard) == after.shards.get(
            version.shard
        )
        if is_unchanged and ref in routed("before"):
            return True
        return (is_unchanged or is_rollback) and ref not in routed("after")

    return tolerates
