"""Checks a configuration by the rules of routing and by those that only the gateway has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from nlapi.gateway.shard_checks import check_shard
from nlapi.gateway.version_checks import check_fallbacks, check_version, version_reads
from nlapi.issue import Issue
from nlapi.routing import check
from nlapi.routing.check_sections import (
    CheckedConfiguration,
    CheckScope,
    EntityName,
    EntitySection,
    Section,
    WholeSection,
)
from nlapi.routing.model import Configuration, Shadow, Version


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
        message = f"{shadow.objective} is not idempotent: a copy would do a second time what the request does"
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
