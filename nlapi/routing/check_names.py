"""Checks the form of names and plain numbers in a configuration."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

from nlapi.issue import Issue
from nlapi.routing import words
from nlapi.routing.change import KINDS, key
from nlapi.routing.context import of_type
from nlapi.routing.nouns import CLIENT, Client, Configuration, Field, Objective, Protocol, Shard

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._-]*", re.ASCII)
# Names exclude "/" and "@", which salts (`decisions`) and version refs (`ranker@v8`) use as separators.
FIELD_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*", re.ASCII)
# Characters of a name, as the gateway's description allows.
LONGEST = 64


def check_names(configuration: Configuration) -> Iterator[Issue]:
    """Yield faults of rules bad-name, wrong-key, duplicate-field, reserved-field, wrong-type, no-endpoints,
    bad-endpoint and bad-number.
    """
    for kind in KINDS.values():
        for name, noun in getattr(configuration, kind).items():
            yield from _name(f"{kind}.{name}", noun.name)
            if name != key(noun):
                message = f"it is kept under {str(name)!r} and calls itself {str(key(noun))!r}"
                yield Issue.error(f"{kind}.{name}", message, "give both the same name", "wrong-key")
    for objective in configuration.objectives.values():
        yield from _objective(objective)
    for shard in configuration.shards.values():
        yield from _shard(shard)
    for client in configuration.clients.values():
        yield from _client(client)


def _name(where: str, name: str, form: re.Pattern[str] = NAME) -> Iterator[Issue]:
    if not form.fullmatch(name) or len(name) > LONGEST:
        message = f"{name[:LONGEST]!r} is not a name"
        hint = f"use letters, digits, '-', '_' and '.', at most {LONGEST}, such as 'tv-brazil'"
        yield Issue.error(where, message, hint, "bad-name")


def _objective(objective: Objective) -> Iterator[Issue]:
    where = f"objectives.{objective.name}"
    seen: set[str] = set()
    for field in objective.context:
        yield from _field(f"{where}.context.{field.name}", field, seen)
        seen.add(field.name)
    yield from _number(f"{where}.timeout_ms", objective.timeout_ms, least=1)


def _field(where: str, field: Field, seen: set[str]) -> Iterator[Issue]:
    yield from _name(where, field.name, FIELD_NAME)
    if field.name in seen:
        yield Issue.error(where, f"the field {field.name!r} is declared twice", "remove one", "duplicate-field")
    if field.name == CLIENT:
        hint = "every context has it, it is the client that asks: do not declare it"
        yield Issue.error(where, "the field 'client' is reserved", hint, "reserved-field")
    for value in field.values:
        if not of_type(field.type, value):
            message = f"{words.value(value)} is not of the field's type, {field.type}"
            yield Issue.error(f"{where}.values", message, "change the type or the value", "wrong-type")


def _shard(shard: Shard) -> Iterator[Issue]:
    where = f"shards.{shard.name}.endpoints"
    if shard.protocol is not Protocol.LOCAL and not shard.endpoints:
        message = f"shard {shard.name!r} speaks {shard.protocol} and has no endpoints"
        yield Issue.error(where, message, "give the address of at least one replica", "no-endpoints")
    for endpoint in shard.endpoints:
        if not re.match(r"https?://[^/\s]", endpoint):
            message = f"{endpoint!r} is not an address"
            yield Issue.error(where, message, "write it as http://host:port", "bad-endpoint")
    yield from _number(f"shards.{shard.name}.concurrency", shard.concurrency, least=1)


def _client(client: Client) -> Iterator[Issue]:
    for name in ("rate", "burst", "concurrency"):
        yield from _number(f"clients.{client.name}.{name}", getattr(client, name), least=0)


def _number(where: str, value: Any, *, least: float) -> Iterator[Issue]:
    if not math.isfinite(value) or value < least:
        yield Issue.error(where, f"{value} is too small", f"at least {least:g}", "bad-number")
