"""Finds the versions that an entity, or a whole configuration, may send requests to."""

from __future__ import annotations

from collections.abc import Iterator

from nlapi.routing.change import Entity
from nlapi.routing.model import Configuration, Objective, VersionRef


def target_versions(entity: Entity) -> Iterator[VersionRef]:
    """Yield the versions that an entity may send requests to."""
    if isinstance(entity, Objective):
        yield from (ref for ref in (entity.default, entity.fallback) if ref is not None)
    elif isinstance(version := getattr(entity, "version", None), VersionRef):
        yield version
    for share in (*getattr(entity, "shares", ()), *getattr(entity, "cells", ())):
        yield share.version


def routed_versions(configuration: Configuration) -> frozenset[VersionRef]:
    """Return the versions that any request, or a copy for a shadow, can reach."""
    kinds = ("objectives", "rules", "experiments", "canaries", "shadows", "overrides")
    return frozenset(
        ref for kind in kinds for entity in getattr(configuration, kind).values() for ref in target_versions(entity)
    )
