"""Checks what versions say of the servers of their shards: names, prices, forms of input, and fallbacks of LLMs."""

from __future__ import annotations

from collections.abc import Iterator

from nlapi.gateway.open_inference import unknown_datatypes
from nlapi.issue import Issue
from nlapi.routing.check_sections import CheckScope, EntityName
from nlapi.routing.model import LLM_PROTOCOLS, Configuration, InputForm, ShardProtocol, Version, VersionRef


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
        message = f"shard {version.shard} is no LLM: the version takes no prices"
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
        yield Issue.error(where, "its x-datatype is none of the protocol", hint, "unknown-datatype")


def version_reads(version: Version) -> Iterator[EntityName]:
    """Yield what `check_version` looks up."""
    yield "shards", version.shard


def _protocol(configuration: Configuration, ref: VersionRef) -> ShardProtocol | None:
    """Return the LLM protocol of a version, or None when it has none."""
    version = configuration.versions.get(ref)
    shard = configuration.shards.get(version.shard) if version else None
    return shard.protocol if shard is not None and shard.protocol in LLM_PROTOCOLS else None
