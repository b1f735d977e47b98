"""Compiles and checks configurations as revisions, from scratch or from what differs from the current one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

from nlapi.gateway.codec import KINDS
from nlapi.gateway.configuration_checks import SECTIONS
from nlapi.gateway.runner_registry import Tolerance
from nlapi.gateway.store import AuditEntry, ItemChange
from nlapi.routing.change import ConfigurationChanges, Difference, share_equal
from nlapi.routing.check_sections import CheckedConfiguration
from nlapi.routing.grouping import Regrouped
from nlapi.routing.model import Configuration, VersionRef
from nlapi.routing.references import routed_versions
from nlapi.routing.table import Table, compile_table


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
    """Return what the store keeps of a difference."""
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
