"""Checks the form of names and plain numbers in a configuration."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from nlapi.issue import Issue
from nlapi.routing import describe
from nlapi.routing.change import ENTITY_KINDS, entity_key
from nlapi.routing.context import has_type
from nlapi.routing.nouns import CLIENT_NAME_FIELD, Client, Configuration, Field, Objective, ShardProtocol, Shard

NAME_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]*", re.ASCII)
# Names exclude "/" and "@", which salts (`decisions`) and version refs (`ranker@v8`) use as separators.
FIELD_NAME_PATTERN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)
# Characters of a name, as the gateway's description allows.
MAX_NAME_CHARACTERS = 64


def check_names(configuration: Configuration) -> Iterator[Issue]:
    """Yield faults of rules bad-name, wrong-key, duplicate-field, reserved-field, wrong-type, no-endpoints,
    bad-endpoint and bad-number.
    """
    for kind in ENTITY_KINDS.values():
        for name, entity in getattr(configuration, kind).items():
            yield from _check_name(f"{kind}.{name}", entity.name)
            if name != entity_key(entity):
                message = f"it is kept under {str(name)!r} and calls itself {str(entity_key(entity))!r}"
                yield Issue.error(f"{kind}.{name}", message, "give both the same name", "wrong-key")
    for objective in configuration.objectives.values():
        yield from _check_objective(objective)
    for shard in configuration.shards.values():
        yield from _check_shard(shard)
    for client in configuration.clients.values():
        yield from _check_client(client)


def _check_name(location: str, name: str, name_pattern: re.Pattern[str] = NAME_PATTERN) -> Iterator[Issue]:
    if not name_pattern.fullmatch(name) or len(name) > MAX_NAME_CHARACTERS:
        message = f"{name[:MAX_NAME_CHARACTERS]!r} is not a name"
        hint = f"use letters, digits, '-', '_' and '.', at most {MAX_NAME_CHARACTERS}, such as 'tv-brazil'"
        yield Issue.error(location, message, hint, "bad-name")


def _check_objective(objective: Objective) -> Iterator[Issue]:
    location = f"objectives.{objective.name}"
    field_names: set[str] = set()
    for field in objective.context:
        yield from _check_field(f"{location}.context.{field.name}", field, field_names)
        field_names.add(field.name)
    yield from _check_number(f"{location}.timeout_ms", objective.timeout_ms, least=1)


def _check_field(location: str, field: Field, field_names: set[str]) -> Iterator[Issue]:
    yield from _check_name(location, field.name, FIELD_NAME_PATTERN)
    if field.name in field_names:
        yield Issue.error(location, f"the field {field.name!r} is declared twice", "remove one", "duplicate-field")
    if field.name == CLIENT_NAME_FIELD:
        hint = "every context has it, it is the client that asks: do not declare it"
        yield Issue.error(location, "the field 'client' is reserved", hint, "reserved-field")
    for value in field.values:
        if not has_type(field.type, value):
            message = f"{describe.format_value(value)} is not of the field's type, {field.type}"
            yield Issue.error(f"{location}.values", message, "change the type or the value", "wrong-type")


def _check_shard(shard: Shard) -> Iterator[Issue]:
    location = f"shards.{shard.name}.endpoints"
    if shard.protocol is not ShardProtocol.LOCAL and not shard.endpoints:
        message = f"shard {shard.name!r} speaks {shard.protocol} and has no endpoints"
        yield Issue.error(location, message, "give the address of at least one replica", "no-endpoints")
    for endpoint in shard.endpoints:
        if not re.match(r"https?://[^/\s]", endpoint):
            message = f"{endpoint!r} is not an address"
            yield Issue.error(location, message, "write it as http://host:port", "bad-endpoint")
    yield from _check_number(f"shards.{shard.name}.concurrency", shard.concurrency, least=1)


def _check_client(client: Client) -> Iterator[Issue]:
    for name in ("rate", "burst", "concurrency"):
        yield from _check_number(f"clients.{client.name}.{name}", getattr(client, name), least=0)


def _check_number(location: str, value: Any, *, least: float) -> Iterator[Issue]:
    if not math.isfinite(value) or value < least:
        yield Issue.error(location, f"{value} is too small", f"at least {least:g}", "bad-number")
