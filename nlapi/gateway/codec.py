"""The nouns of routing to and from the JSON of specs/gateway.yaml."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nlapi.gateway import shapes
from nlapi.gateway.problems import unprocessable
from nlapi.gateway.shapes import Json as Json
from nlapi.gateway.shapes import slug as slug
from nlapi.issue import Issue
from nlapi.routing.change import Entity
from nlapi.routing.model import Configuration, Decision, Version, VersionRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of noun: its name, the field of Configuration that holds it, and its way from and to JSON.

    `encode(noun, whole)` gives everything that `decode` needs to make the same noun again when `whole`, else what a
    person wants to see (no buckets).
    """

    name: str
    plural: str
    key: str
    """the JSON property that holds its name"""
    decode: Callable[[Mapping[str, Any]], Any]
    encode: Callable[[Any, bool], Json]

    def id_of(self, noun: Entity) -> str | VersionRef:
        """What Configuration keeps it under."""
        return noun.ref if isinstance(noun, Version) else noun.name

    def of(self, configuration: Configuration) -> Mapping[Any, Any]:
        found: Mapping[Any, Any] = getattr(configuration, self.plural)
        return found


def decode_configuration(data: Mapping[str, Any]) -> Configuration:
    """The Configuration in a document that fits its schema. GatewayProblem 422 when two things have one name."""
    issues: list[Issue] = []
    found: dict[str, dict[Any, Any]] = {}
    for kind in KINDS.values():
        found[kind.plural] = things = {}
        for at, item in enumerate(data.get(kind.plural, ())):
            noun = kind.decode(item)
            if kind.id_of(noun) in things:
                where = f"{kind.plural}[{at}].{kind.key}"
                message = f"there are two {kind.plural} called {kind.id_of(noun)}"
                issues.append(Issue.error(where, message, rule="duplicate"))
            things[kind.id_of(noun)] = noun
    if issues:
        raise unprocessable(issues, code="invalid_configuration")
    return Configuration(**found)


def encode_configuration(configuration: Configuration, *, whole: bool = True) -> Json:
    """The document of a Configuration: every kind as a list in the order of names, rules in the order of positions."""
    return {kind.plural: [kind.encode(noun, whole) for noun in ordered(kind, configuration)] for kind in KINDS.values()}


def ordered(kind: Kind, configuration: Configuration) -> list[Any]:
    """The nouns of a kind, rules by position, all else by name."""
    return sorted(kind.of(configuration).values(), key=lambda noun: (getattr(noun, "position", 0), kind.id_of(noun)))


def encode_decision(decision: Decision) -> Json:
    """A Decision; what did not take part is left out."""
    said = {
        name: value
        for name in _DECIDED
        if (value := getattr(decision, name)) or name in ("reason", "shard", "revision")
    }
    shadows = {"shadows": list(decision.shadows)} if decision.shadows else {}
    return {
        "objective": decision.objective,
        "model": decision.version.model,
        "version": decision.version.version,
        **said,
        **shadows,
    }


_DECIDED = ("shard", "revision", "rule", "experiment", "cell", "canary", "override", "reason")


_PLURALS = {"canary": "canaries"}


def _kind(name: str, decode: Callable[[Mapping[str, Any]], Any], encode: Callable[[Any, bool], Json]) -> Kind:
    key = "version" if name == "version" else "name"
    return Kind(name=name, plural=_PLURALS.get(name, f"{name}s"), key=key, decode=decode, encode=encode)


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        _kind("objective", shapes.decode_objective, shapes.encode_objective),
        _kind("model", shapes.decode_model, shapes.encode_named),
        _kind("version", shapes.decode_version, shapes.encode_version),
        _kind("shard", shapes.decode_shard, shapes.encode_shard),
        _kind("rule", shapes.decode_rule, shapes.encode_rule),
        _kind("layer", shapes.decode_layer, shapes.encode_named),
        _kind("experiment", shapes.decode_experiment, shapes.encode_experiment),
        _kind("canary", shapes.decode_canary, shapes.encode_canary),
        _kind("shadow", shapes.decode_shadow, shapes.encode_shadow),
        _kind("override", shapes.decode_override, shapes.encode_override),
        _kind("client", shapes.decode_client, shapes.encode_client),
    )
}
"""Kind of noun -> its Kind, in the order of a document."""
