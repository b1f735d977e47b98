"""Checks the shards of a configuration: addresses, and keys, headers and certificates by reference."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import urlsplit

from nlapi.errors import Issue
from nlapi.gateway.shards.call_headers import INTERNAL_HEADERS
from nlapi.gateway.shards.secret_references import is_reference
from nlapi.ip_addresses import ip_address, is_metadata_name, is_reserved
from nlapi.routing.check import CheckScope
from nlapi.routing.model import CONTENT_PROTOCOLS, LLM_PROTOCOLS, Shard, ShardProtocol

_HOST_NAME = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*", re.ASCII)
_HTTP_SCHEMES = ("http", "https")
_GRPC_SCHEMES = ("grpc", "grpcs")

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,200}", re.ASCII)
_HEADER_VALUE = re.compile(r"[\x20-\x7e]{0,2000}", re.ASCII)
# A header with one of these words in its name holds a credential, which must not stand in a revision.
_SECRET_WORDS = re.compile(r"auth|key|token|secret|cookie|password|credential", re.IGNORECASE)
# The headers that frame a request, or that the gateway sets itself.
_RESERVED_HEADERS = frozenset(
    (
        *("host", "content-length", "transfer-encoding", "connection", "content-type", "accept", "accept-encoding"),
        *("te", "trailer", "upgrade", "expect", "keep-alive", "proxy-connection", "proxy-authorization"),
        *("traceparent", "x-request-id", *map(str.lower, INTERNAL_HEADERS)),
    )
)

_CONTENT_REFUSES = ("key", "headers", "ca", "certificate")


def check_shard(scope: CheckScope, key: object, shard: Shard) -> Iterator[Issue]:
    """Yield the faults of a shard; no message holds the value of a key or a header."""
    location = f"shards.{shard.name}"
    if shard.protocol in CONTENT_PROTOCOLS:
        yield from _check_content_shard(location, shard)
    elif not shard.endpoints:
        yield Issue.error(f"{location}.endpoints", "a remote shard needs an address", rule="no-endpoint")
    for index, endpoint in enumerate(shard.endpoints):
        if fault := endpoint_fault(endpoint, shard.protocol):
            yield Issue.error(f"{location}.endpoints[{index}]", f"{endpoint[:200]!r} {fault}", rule="endpoint")
    yield from _check_access(location, shard)
    if not shard.versioned_paths and shard.protocol is not ShardProtocol.OPEN_INFERENCE:
        message = f"a shard of {shard.protocol} has no paths with a version"
        yield Issue.error(f"{location}.versioned_paths", message, "leave it out", "no-model-server")


def _check_content_shard(location: str, shard: Shard) -> Iterator[Issue]:
    is_local = shard.protocol is ShardProtocol.LOCAL
    # Replicas of Ray check none of them either: a key that nobody checks would protect nothing.
    place = "this process" if is_local else "Ray"
    for name in _CONTENT_REFUSES:
        if getattr(shard, name):
            hint = "leave it out, or set another protocol"
            message, rule = f"a shard of {place} takes no {name}", f"{shard.protocol}-shard"
            yield Issue.error(f"{location}.{name}", message, hint, rule)


def _check_access(location: str, shard: Shard) -> Iterator[Issue]:
    if shard.key and not is_reference(shard.key):
        hint = "give env:NAME for a variable of the gateway's environment, or file:PATH"
        yield Issue.error(f"{location}.key", "it is not a reference; a key is never stored", hint, "stored-secret")
    for name, reference in (("ca", shard.ca), ("certificate", shard.certificate)):
        if reference and not (reference.startswith("file:") and is_reference(reference)):
            yield Issue.error(
                f"{location}.{name}", "it is not a file:PATH", "give file:PATH of a file in PEM", "no-file"
            )
    for name, value in shard.headers.items():
        yield from _check_header(f"{location}.headers.{name[:80]}", name, value)


def _check_header(location: str, name: str, value: str) -> Iterator[Issue]:
    if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
        yield Issue.error(location, "it is not a header", "use visible ASCII characters", "bad-header")
    elif name.lower() in _RESERVED_HEADERS or name.lower().startswith("grpc-"):
        yield Issue.error(location, "the gateway sets this header itself", "leave it out", "bad-header")
    elif _SECRET_WORDS.search(name) and not is_reference(value):
        hint = "give its value as env:NAME or file:PATH"
        yield Issue.error(location, "it holds a credential; credentials are never stored", hint, "stored-secret")


def endpoint_fault(endpoint: str, protocol: ShardProtocol) -> str:
    """Return the reason to refuse an endpoint, or "" when it is allowed."""
    # Private addresses are allowed, as shards are on private networks. The metadata service of a cloud hands out
    # credentials to whoever can send a request there (server-side request forgery).
    try:
        parts = urlsplit(endpoint)
        host, port = (parts.hostname or "").rstrip("."), parts.port
    except ValueError:
        return "is not an address"
    if "#" in endpoint or ("?" in endpoint and protocol in LLM_PROTOCOLS):
        return "has a query or a fragment"
    if parts.scheme in _GRPC_SCHEMES:
        return "speaks gRPC: give the server's REST address, http://host:port"
    if parts.scheme not in _HTTP_SCHEMES or port == 0:
        return "is not an http or https address"
    if parts.username is not None or parts.password is not None:
        return "holds a credential, which would end up in revisions and logs"
    address = ip_address(host)
    if address is None:
        if is_metadata_name(host):
            return "is the address of a cloud's metadata"
        return "" if _HOST_NAME.fullmatch(host) else "is not an http or https address"
    if is_reserved(host):
        return "is a link-local or reserved address, where clouds keep their metadata"
    # 0x7f000001 and 2130706433 are 127.0.0.1 for many resolvers, and nobody sees it.
    return "" if ":" in host or host == str(address) else "is a number in disguise"
