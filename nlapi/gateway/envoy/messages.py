"""Encodes Envoy's configuration from JSON to Protocol Buffers, by descriptions of Envoy's API that nlapi ships."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, TypeAlias

from google.protobuf import json_format
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from nlapi.gateway.envoy.documents import TYPE_PREFIX, JsonObject

MessageClass: TypeAlias = Any  # a class that protobuf makes at run time has no type of its own

# Made by training/envoy_api.py from xds-protos 1.85.0.
_DESCRIPTIONS = "api.binpb.gz"


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
    # A pool of its own: the one of the process may have another version of the same files, as of opentelemetry-proto.
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
    message = parse_message(type_url.removeprefix(TYPE_PREFIX), document)
    content = message.SerializeToString(deterministic=True)
    # 128 bits: a reconnected Envoy tells its versions, and only what differs is sent again.
    version = hashlib.blake2b(content, digest_size=16).hexdigest()
    return EncodedResource(name=name, type_url=type_url, version=version, content=content)
