"""The heartbeat of a host and its answer: the contents that a Ray cluster runs, and those that it should run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from nlapi.routing.model import VersionRef

Json: TypeAlias = dict[str, Any]

INTERVAL_S = 2.0
"""seconds for which a gateway holds the answer to a heartbeat, and so between two heartbeats at most"""

SILENT_S = 3 * INTERVAL_S
"""seconds without a heartbeat after which a host is called silent; its replicas are called all the same"""

MAX_LOADS = 4
"""versions for which one change waits at once"""


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
    ready: Mapping[HostedContent, tuple[str, ...]] = field(default_factory=dict)
    """content -> the URLs of its replicas"""
    failed: Mapping[HostedContent, str] = field(default_factory=dict)
    """content that it cannot load -> the reason"""
    problem: str = ""
    """the reason why it can change nothing at the moment"""
    demand: str = ""
    """the tag of the last answer, whose list of versions it knows"""

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> HostHeartbeat:
        """Return the heartbeat in a body that fits its schema."""
        return cls(
            shard=body["shard"],
            ready={HostedContent.from_json(item): tuple(item["endpoints"]) for item in body.get("ready", ())},
            failed={HostedContent.from_json(item): item["reason"] for item in body.get("failed", ())},
            problem=body.get("problem", ""),
            demand=body.get("demand", ""),
        )

    def as_json(self) -> Json:
        return {
            "shard": self.shard,
            "ready": [{**content.as_json(), "endpoints": list(urls)} for content, urls in sorted(self.ready.items())],
            "failed": [{**content.as_json(), "reason": reason} for content, reason in sorted(self.failed.items())],
            "problem": self.problem,
            "demand": self.demand,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class HostDemand:
    """The versions that the hosts of a shard should run, with the tag of this list."""

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
