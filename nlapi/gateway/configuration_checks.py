"""Checks a configuration by the rules of routing and by those that only the gateway has."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from nlapi.gateway.llm.check import check_llms
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
from nlapi.routing.model import CONTENT_PROTOCOLS, Configuration, Shadow, Shard, Version

# Instance metadata of clouds hands out credentials to whoever can send a request there (server-side request forgery).
_METADATA_HOSTS = frozenset(("metadata.google.internal", "metadata", "instance-data"))


def validate_configuration(configuration: Configuration) -> list[Issue]:
    """Return all faults of a configuration, those of `routing.check` first; an ERROR refuses it."""
    return CheckedConfiguration.check(SECTIONS, configuration).issues()


def _check_shard(scope: CheckScope, key: object, shard: Shard) -> Iterator[Issue]:
    if shard.protocol not in CONTENT_PROTOCOLS and not shard.endpoints:
        yield Issue.error(f"shards.{shard.name}.endpoints", "a remote shard needs an address", rule="no-endpoint")
    for index, endpoint in enumerate(shard.endpoints):
        if fault := endpoint_fault(endpoint):
            yield Issue.error(f"shards.{shard.name}.endpoints[{index}]", f"{endpoint[:200]!r} {fault}", rule="endpoint")


def endpoint_fault(endpoint: str) -> str:
    """Return the reason to refuse an endpoint, or "" when it is allowed."""
    # Private addresses are allowed, as shards are on private networks.
    try:
        parts = urlsplit(endpoint)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        return "is no address"
    if parts.scheme not in ("http", "https") or not host:
        return "is no http or https address"
    if parts.username is not None or parts.password is not None:
        return "holds a credential, which would end up in revisions and logs"
    if host.rstrip(".").lower() in _METADATA_HOSTS:
        return "is the address of a cloud's metadata"
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        # 0x7f000001 and 2130706433 are 127.0.0.1 for many resolvers, but not for `ipaddress`.
        return "is a number in disguise" if host.replace(".", "").replace("0x", "").isdigit() else ""
    mapped = getattr(address, "ipv4_mapped", None) or address
    if mapped.is_link_local:
        return "is a link-local address, where clouds keep their metadata"
    return "is no address of a replica" if mapped.is_unspecified or mapped.is_multicast else ""


def _check_source(scope: CheckScope, key: object, version: Version) -> Iterator[Issue]:
    if ".." in PurePosixPath(version.source.replace("\\", "/")).parts:
        yield Issue.error(f"versions.{version.ref}.source", "it leads out of the folder of models", rule="source")


def _check_shadow(scope: CheckScope, key: object, shadow: Shadow) -> Iterator[Issue]:
    objective = scope.configuration.objectives.get(shadow.objective)
    if objective is not None and not objective.idempotent:
        message = f"{shadow.objective} is not idempotent: a copy would do a second time what the request does"
        yield Issue.error(f"shadows.{shadow.name}.objective", message, rule="doubled-effect")


def _shadow_reads(shadow: Shadow) -> Iterator[EntityName]:
    yield "objectives", shadow.objective


SECTIONS: tuple[Section, ...] = (
    *check.SECTIONS,
    EntitySection("shards", _check_shard),
    EntitySection("versions", _check_source),
    EntitySection("shadows", _check_shadow, reads=_shadow_reads, read_kinds=("objectives",), ignores_missing=True),
    WholeSection(("shards", "versions", "objectives"), check_llms),
)
"""The checks of routing, and those of what only the gateway forbids."""
