"""The versions and shadows whose calls Envoy sends to shards by itself."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from nlapi.gateway.envoy.documents import Json, header
from nlapi.gateway.envoy.shard_addresses import ShardAddress
from nlapi.gateway.open_inference import OpenInferenceCodec
from nlapi.routing.model import Shadow, Shard, ShardProtocol, Version


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedVersion:
    """A version on a shard that Envoy reaches by itself."""

    version: Version
    shard: Shard
    address: ShardAddress

    @property
    def model(self) -> str:
        """The name of the model as a path or a header has it."""
        return quote(self.version.model, safe="")

    @property
    def name(self) -> str:
        """The name of the version as a path or a header has it."""
        return quote(self.version.name, safe="")

    @property
    def path(self) -> str:
        """The path of its calls at the shard."""
        if self.shard.protocol is not ShardProtocol.OPEN_INFERENCE:
            return self.address.path or "/"
        return self.address.path + OpenInferenceCodec(self.version, self.shard).path

    @property
    def headers(self) -> list[Json]:
        """The headers that name the version to the shard, as the embedded engine sends them."""
        return [header("nlapi-model", self.model), header("nlapi-version", self.name)]


@dataclass(frozen=True, slots=True, kw_only=True)
class CarriedShadow:
    """A shadow whose copies Envoy sends."""

    shadow: Shadow
    target: CarriedVersion
