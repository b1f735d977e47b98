"""The heartbeat of a host and its answer: the contents that a host has, and those that it should have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from nlapi.routing.model import VersionRef

Json: TypeAlias = dict[str, Any]

INTERVAL_S = 2.0
"""seconds for which a gateway holds the answer to a heartbeat, and so between two heartbeats at most"""

EXPIRY_S = 3 * INTERVAL_S
"""seconds without a heartbeat after which a host is not called any more"""

MAX_LOADS = 4
"""versions that are loaded at once: by a host, and for one change by the gateway that waits for them"""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class HostedContent:
    """The content of a version as a host runs it: for requests, or at low priority for the copies of a shadow."""

    digest: str
    shadow: bool = False

    @classmethod
    def from_json(cls, item: Mapping[str, Any]) -> HostedContent:
        return cls(digest=item["digest"], shadow=bool(item.get("shadow")))

    def as_json(self) -> Json:
        return {"digest": self.digest, "shadow": self.shadow}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostHeartbeat:
    """The state of a host as it reports it."""

    shard: str
    url: str
    """the address that gateways call it at"""
    draining: bool = False
    ready: frozenset[HostedContent] = frozenset()
    failed: Mapping[HostedContent, str]
    """content that it cannot load -> the reason"""
    demand: str = ""
    """the tag of the last answer, whose list of versions it knows"""

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> HostHeartbeat:
        """Return the heartbeat in a body that fits its schema."""
        return cls(
            shard=body["shard"],
            url=body["url"],
            draining=bool(body.get("draining")),
            ready=frozenset(map(HostedContent.from_json, body.get("ready", ()))),
            failed={HostedContent.from_json(item): item["reason"] for item in body.get("failed", ())},
            demand=body.get("demand", ""),
        )

    def as_json(self) -> Json:
        return {
            "shard": self.shard,
            "url": self.url,
            "draining": self.draining,
            "ready": [content.as_json() for content in sorted(self.ready)],
            "failed": [{**content.as_json(), "reason": reason} for content, reason in sorted(self.failed.items())],
            "demand": self.demand,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class HostDemand:
    """The versions that the hosts of a shard should have loaded, with the tag of this list."""

    tag: str
    versions: Mapping[HostedContent, frozenset[VersionRef]]

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> HostDemand:
        """Return the demand in an answer. KeyError or TypeError when it is malformed."""
        versions: dict[HostedContent, set[VersionRef]] = {}
        for item in body["versions"]:
            ref = VersionRef(model=str(item["model"]), version=str(item["version"]))
            versions.setdefault(HostedContent.from_json(item), set()).add(ref)
        return cls(tag=str(body["demand"]), versions={content: frozenset(refs) for content, refs in versions.items()})

    def as_json(self) -> Json:
        versions = [
            {"model": ref.model, "version": ref.version, **content.as_json()}
            for content, refs in sorted(self.versions.items())
            for ref in sorted(refs)
        ]
        return {"demand": self.tag, "versions": versions}


def encode_server_timing(stages: Mapping[str, float]) -> str:
    """Return the value of a Server-Timing header (W3C) for milliseconds by stage."""
    return ", ".join(f"{name};dur={ms:.3f}" for name, ms in stages.items())


def decode_server_timing(value: str) -> dict[str, float]:
    """Return milliseconds by name; entries without a duration are left out."""
    stages = {}
    for name, parameters in _metrics(value):
        for parameter in parameters:
            key, _, text = parameter.partition("=")
            if key.strip() == "dur":
                try:
                    stages[name] = float(text)
                except ValueError:
                    continue
    return stages


def _metrics(value: str) -> Sequence[tuple[str, list[str]]]:
    parts = [entry.split(";") for entry in value.split(",") if entry.strip()]
    return [(name.strip(), parameters) for name, *parameters in parts]
