"""The forms of Envoy's configuration as JSON: types, durations, extensions and sources."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

Json: TypeAlias = str | int | float | bool | list["Json"] | dict[str, "Json"] | None
JsonObject: TypeAlias = dict[str, Json]
"""A message of Envoy's API in the JSON form of Protocol Buffers."""

TYPE_PREFIX = "type.googleapis.com/"

ADS_SOURCE: JsonObject = {"resource_api_version": "V3", "ads": {}}
"""The configuration source of everything that comes over the stream of the bootstrap."""


def typed(message: str, content: Mapping[str, Json]) -> JsonObject:
    """Return the content as `google.protobuf.Any` of a message, named without `type.googleapis.com/`."""
    return {"@type": TYPE_PREFIX + message, **content}


def extension(name: str, message: str, content: Mapping[str, Json]) -> JsonObject:
    """Return an extension or a filter by its name and its typed configuration."""
    return {"name": name, "typed_config": typed(message, content)}


def duration(seconds: float) -> str:
    """Return a duration as JSON writes it: 1.5 is "1.5s", to the microsecond."""
    return f"{seconds:.6f}".rstrip("0").rstrip(".") + "s"


def header(name: str, value: str) -> JsonObject:
    """Return a header to add in the place of any of that name."""
    # A "%" begins a command of Envoy's formatter.
    return {
        "header": {"key": name, "value": value.replace("%", "%%")},
        "append_action": "OVERWRITE_IF_EXISTS_OR_ADD",
    }


def socket_address(host: str, port: int) -> JsonObject:
    """Return the address of a TCP socket."""
    return {"socket_address": {"address": host, "port_value": port}}
