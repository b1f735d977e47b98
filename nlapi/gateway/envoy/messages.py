"""Encodes Envoy's configuration from JSON to Protocol Buffers, by descriptions of Envoy's API that nlapi ships."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, TypeAlias

import orjson
from google.protobuf import json_format
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from nlapi.gateway.envoy.documents import TYPE_PREFIX, JsonObject

MessageClass: TypeAlias = Any  # a class that protobuf makes at run time has no static type

# Made by training/envoy_api.py from xds-protos 1.85.0.
_DESCRIPTIONS = "api.binpb.gz"

# Routes that are kept encoded, about 2 KiB each: those of 100 objectives with 100 cells, and of the revision before.
MAX_CACHED_ROUTES = 20_000
# Other resources that are kept encoded, about 1 KiB each: a publication makes those of its objectives again, and few
# of them differ. Reading the JSON of a cluster takes 0.3 ms.
MAX_CACHED_RESOURCES = 4_000


_MATCHED_ACTION = "xds.type.matcher.v3.Matcher.OnMatch"


class InvalidResourceError(ValueError):
    """A resource is not in the form of Envoy's API; the message names it and the place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodedResource:
    """A resource as the stream sends it. `version` is a digest of the content, so that equal content is equal."""

    name: str
    type_url: str
    version: str
    content: bytes


@cache
def _descriptor_pool() -> DescriptorPool:
    # A separate pool: the one of the process may have another version of the same files, as of opentelemetry-proto.
    pool = DescriptorPool()
    packed = files("nlapi.gateway.envoy").joinpath(_DESCRIPTIONS).read_bytes()
    for file in FileDescriptorSet.FromString(gzip.decompress(packed)).file:
        pool.Add(file)
    return pool


@cache
def message_class(name: str) -> MessageClass:
    """Return the class of a message, such as "envoy.config.cluster.v3.Cluster"."""
    return GetMessageClass(_descriptor_pool().FindMessageTypeByName(name))


def parse_message(message: str, document: JsonObject) -> Message:
    """Return a message from its JSON form. InvalidResourceError when it is not of that form."""
    target: Message = message_class(message)()
    try:
        json_format.ParseDict(document, target, descriptor_pool=_descriptor_pool())
    except (json_format.ParseError, TypeError, ValueError) as error:
        raise InvalidResourceError(f"{message} {document.get('name', '')!r}: {error}") from error
    return target


def encode_resource(type_url: str, name: str, document: JsonObject) -> EncodedResource:
    """Return a resource as it is sent. InvalidResourceError when it is not in the form of its type."""
    return _encoded_resource(type_url, name, orjson.dumps(document))


@lru_cache(maxsize=MAX_CACHED_RESOURCES)
def _encoded_resource(type_url: str, name: str, text: bytes) -> EncodedResource:
    return _sealed(type_url, name, parse_message(type_url.removeprefix(TYPE_PREFIX), orjson.loads(text)))


def encode_routes(type_url: str, document: JsonObject) -> EncodedResource:
    """Return a RouteConfiguration as it is sent, without encoding again the routes of cells that have not changed.

    InvalidResourceError when it is not of that form.
    """
    # Reading JSON takes 0.3 ms for each route; a publication changes few of 100.
    skeleton, routes = _without_cells(document)
    name = type_url.removeprefix(TYPE_PREFIX)
    message: Any = message_class(name)()
    message.CopyFrom(_parsed(name, orjson.dumps(skeleton)))
    if routes:
        tree = message.virtual_hosts[0].matcher.on_no_match.matcher.matcher_tree
        for cell, entry in routes.items():
            tree.exact_match_map.map[cell].CopyFrom(_parsed(_MATCHED_ACTION, orjson.dumps(entry)))
    return _sealed(type_url, str(document["name"]), message)


@lru_cache(maxsize=MAX_CACHED_ROUTES)
def _parsed(message: str, text: bytes) -> Message:
    return parse_message(message, orjson.loads(text))


def _without_cells(document: JsonObject) -> tuple[JsonObject, dict[str, object]]:
    """Return a RouteConfiguration with an empty map of cells, and the map."""
    host: Any = document["virtual_hosts"][0]  # type: ignore[index]
    inner = host["matcher"].get("on_no_match")
    if inner is None:
        return document, {}
    tree = inner["matcher"]["matcher_tree"]
    bare: JsonObject = {"matcher": {"matcher_tree": {**tree, "exact_match_map": {}}}}
    skeleton: JsonObject = {
        **document,
        "virtual_hosts": [{**host, "matcher": {**host["matcher"], "on_no_match": bare}}],
    }
    return skeleton, tree["exact_match_map"]["map"]


def _sealed(type_url: str, name: str, message: Message) -> EncodedResource:
    content = message.SerializeToString(deterministic=True)
    # 128 bits: a reconnected Envoy tells its versions, and only what differs is sent again.
    version = hashlib.blake2b(content, digest_size=16).hexdigest()
    return EncodedResource(name=name, type_url=type_url, version=version, content=content)
