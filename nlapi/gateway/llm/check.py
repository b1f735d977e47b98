"""Checks the parts of a configuration that concern LLMs: keys by reference, headers, prices and fallbacks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nlapi.gateway.llm.secret_references import is_reference
from nlapi.issue import Issue
from nlapi.routing.model import LLM_PROTOCOLS, Configuration, Shard, ShardProtocol, VersionRef

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,200}", re.ASCII)
_HEADER_VALUE = re.compile(r"[\x20-\x7e]{0,2000}", re.ASCII)
# A header with one of these words in its name holds a credential, which must not stand in a revision.
_SECRET_WORDS = re.compile(r"auth|key|token|secret|cookie|password|credential", re.IGNORECASE)
# The headers that frame a request, or that the gateway sets itself.
_RESERVED_HEADERS = frozenset(
    ("host", "content-length", "transfer-encoding", "connection", "content-type", "accept", "accept-encoding", "te")
)


def check_llms(configuration: Configuration) -> Iterator[Issue]:
    """Yield the faults of LLM versions and their shards; no message holds the value of a key or a header."""
    for shard in configuration.shards.values():
        yield from _check_shard(shard)
    for version in configuration.versions.values():
        has_settings = version.upstream_model or version.input_price is not None or version.output_price is not None
        if has_settings and _protocol(configuration, version.ref) is None:
            message = f"shard {version.shard} is no LLM: the version takes no upstream_model and no prices"
            yield Issue.error(f"versions.{version.ref}", message, "leave them out, or name another shard", "no-llm")
    for objective in configuration.objectives.values():
        if objective.default is None or objective.fallback is None:
            continue
        default, fallback = (_protocol(configuration, ref) for ref in (objective.default, objective.fallback))
        if default and fallback and default is not fallback:
            message = f"{objective.fallback} speaks {fallback} and cannot answer requests for {default}"
            hint = "take a fallback of the same protocol"
            yield Issue.error(f"objectives.{objective.name}.fallback", message, hint, "other-protocol")


def _protocol(configuration: Configuration, ref: VersionRef) -> ShardProtocol | None:
    """Return the LLM protocol of a version, or None when it has none."""
    version = configuration.versions.get(ref)
    shard = configuration.shards.get(version.shard) if version else None
    return shard.protocol if shard is not None and shard.protocol in LLM_PROTOCOLS else None


def _check_shard(shard: Shard) -> Iterator[Issue]:
    location = f"shards.{shard.name}"
    if shard.protocol not in LLM_PROTOCOLS:
        for name, value in (("key", shard.key), ("headers", shard.headers)):
            if value:
                hint = "leave it out, or set the protocol to openai or anthropic"
                yield Issue.error(f"{location}.{name}", f"a shard of {shard.protocol} takes no {name}", hint, "no-llm")
        return
    if shard.key and not is_reference(shard.key):
        hint = "give env:NAME for a variable of the gateway's environment, or file:PATH"
        yield Issue.error(f"{location}.key", "it is no reference; a key is never stored", hint, "stored-secret")
    for name, value in shard.headers.items():
        yield from _check_header(f"{location}.headers.{name[:80]}", name, value)
    for index, endpoint in enumerate(shard.endpoints):
        if "?" in endpoint or "#" in endpoint:
            message = "the endpoint of an LLM has no query and no fragment"
            yield Issue.error(f"{location}.endpoints[{index}]", message, "leave it out", "endpoint")


def _check_header(location: str, name: str, value: str) -> Iterator[Issue]:
    if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
        yield Issue.error(location, "it is no header", "use visible ASCII characters", "bad-header")
    elif name.lower() in _RESERVED_HEADERS:
        yield Issue.error(location, "the gateway sets this header itself", "leave it out", "bad-header")
    elif _SECRET_WORDS.search(name) and not is_reference(value):
        hint = "give its value as env:NAME or file:PATH"
        yield Issue.error(location, "it holds a credential; credentials are never stored", hint, "stored-secret")
