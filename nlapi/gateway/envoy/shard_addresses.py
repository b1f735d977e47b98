"""The endpoints of a shard as Envoy needs them: hosts and ports with a scheme and a base path in common."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from nlapi.routing.model import Shard

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """One address of a shard. `name` is the host with its port as a Host header has it."""

    host: str
    port: int
    name: str

    @property
    def is_ip(self) -> bool:
        """Whether the host needs no DNS."""
        try:
            ip_address(self.host)
        except ValueError:
            return False
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class ShardAddress:
    """The endpoints of one shard, all with the same scheme and base path."""

    endpoints: tuple[Endpoint, ...]
    is_tls: bool
    path: str
    """the base path without a trailing slash; "" for none"""

    @property
    def needs_dns(self) -> bool:
        """Whether a host is a name."""
        return not all(endpoint.is_ip for endpoint in self.endpoints)


def url_address(*urls: str) -> ShardAddress:
    """Return the addresses of URLs. ValueError when they differ in their scheme or base path."""
    # Envoy writes the path and the TLS of a request before it takes a host, so they belong to all hosts.
    parts = [urlsplit(url) for url in urls]
    if len({(part.scheme, part.path.rstrip("/")) for part in parts}) != 1:
        raise ValueError("its endpoints differ in their scheme or path")
    endpoints = tuple(
        Endpoint(host=part.hostname or "", port=part.port or _DEFAULT_PORTS[part.scheme], name=part.netloc)
        for part in parts
    )
    return ShardAddress(endpoints=endpoints, is_tls=parts[0].scheme == "https", path=parts[0].path.rstrip("/"))


def shard_address(shard: Shard) -> ShardAddress:
    """Return the addresses of a remote shard. ValueError when its endpoints differ in their scheme or base path."""
    return url_address(*shard.endpoints)
