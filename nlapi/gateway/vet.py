"""The validation of a configuration before it is served: routing's checks, addresses, sources and shadows."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from nlapi.issue import Issue
from nlapi.routing.check import check
from nlapi.routing.nouns import Configuration, ShardProtocol

# Instance metadata of clouds hands out credentials to whoever can send a request there (server-side request forgery).
_METADATA_HOSTS = frozenset(("metadata.google.internal", "metadata", "instance-data"))


def validate_configuration(configuration: Configuration) -> list[Issue]:
    """Return all faults of a configuration, those of `routing.check` first; an ERROR refuses it."""
    return [*check(configuration), *_check_shards(configuration), *_check_sources(configuration), *_check_shadows(configuration)]


def _check_shards(configuration: Configuration) -> Iterator[Issue]:
    for shard in configuration.shards.values():
        if shard.protocol is not ShardProtocol.LOCAL and not shard.endpoints:
            yield Issue.error(f"shards.{shard.name}.endpoints", "a remote shard needs an address", rule="no-endpoint")
        for index, endpoint in enumerate(shard.endpoints):
            if fault := _endpoint_fault(endpoint):
                yield Issue.error(f"shards.{shard.name}.endpoints[{index}]", f"{endpoint[:200]!r} {fault}", rule="endpoint")


def _endpoint_fault(endpoint: str) -> str:
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


def _check_sources(configuration: Configuration) -> Iterator[Issue]:
    for version in configuration.versions.values():
        if ".." in PurePosixPath(version.source.replace("\\", "/")).parts:
            yield Issue.error(f"versions.{version.ref}.source", "it leads out of the folder of models", rule="source")


def _check_shadows(configuration: Configuration) -> Iterator[Issue]:
    for shadow in configuration.shadows.values():
        objective = configuration.objectives.get(shadow.objective)
        if objective is not None and not objective.idempotent:
            message = f"{shadow.objective} is not idempotent: a copy would do a second time what the request does"
            yield Issue.error(f"shadows.{shadow.name}.objective", message, rule="doubled-effect")
