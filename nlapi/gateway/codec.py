"""The nouns of routing to and from the JSON of specs/gateway.yaml."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from nlapi.gateway import shapes
from nlapi.gateway.problems import unprocessable
from nlapi.gateway.shapes import Json as Json
from nlapi.gateway.shapes import slug as slug
from nlapi.issue import Issue
from nlapi.routing import model
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
        """Return the key of an entity in a Configuration."""
        return noun.ref if isinstance(noun, Version) else noun.name

    def of(self, configuration: Configuration) -> Mapping[Any, Any]:
        entities: Mapping[Any, Any] = getattr(configuration, self.plural)
        return entities


def decode_configuration(data: Mapping[str, Any]) -> Configuration:
    """The Configuration in a document that fits its schema. GatewayProblem 422 when two things have one name."""
    issues: list[Issue] = []
    entities: dict[str, dict[Any, Any]] = {}
    for kind in KINDS.values():
        entities[kind.plural] = by_id = {}
        for at, item in enumerate(data.get(kind.plural, ())):
            noun = kind.decode(item)
            if kind.id_of(noun) in by_id:
                where = f"{kind.plural}[{at}].{kind.key}"
                message = f"there are two {kind.plural} called {kind.id_of(noun)}"
                issues.append(Issue.error(where, message, rule="duplicate"))
            by_id[kind.id_of(noun)] = noun
    if issues:
        raise unprocessable(issues, code="invalid_configuration")
    return Configuration(**entities)


def encode_configuration(configuration: Configuration, *, whole: bool = True) -> Json:
    """The document of a Configuration: every kind as a list in the order of names, rules in the order of positions."""
    return {kind.plural: [kind.encode(noun, whole) for noun in ordered(kind, configuration)] for kind in KINDS.values()}


def ordered(kind: Kind, configuration: Configuration) -> list[Any]:
    """The nouns of a kind, rules by position, all else by name."""
    return sorted(kind.of(configuration).values(), key=lambda noun: (getattr(noun, "position", 0), kind.id_of(noun)))


def encode_decision(decision: Decision) -> Json:
    """A Decision; what did not take part is left out."""
    details = {
        name: value
        for name in _DECIDED
        if (value := getattr(decision, name)) or name in ("reason", "shard", "revision")
    }
    shadows = {"shadows": list(decision.shadows)} if decision.shadows else {}
    return {
        "objective": decision.objective,
        "model": decision.version.model,
        "version": decision.version.version,
        **details,
        **shadows,
    }


_DECIDED = ("shard", "revision", "rule", "experiment", "cell", "canary", "override", "reason")


def _kind(
    noun: type,
    decode: Callable[[Mapping[str, Any]], Any] | None = None,
    encode: Callable[[Any, bool], Json] = shapes.encode,
) -> Kind:
    name = noun.__name__.lower()
    plural = "canaries" if noun is model.Canary else f"{name}s"
    key = "version" if noun is Version else "name"
    return Kind(name=name, plural=plural, key=key, decode=decode or partial(shapes.decode, noun), encode=encode)


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        _kind(model.Objective),
        _kind(model.Model),
        _kind(model.Version),
        _kind(model.Shard),
        _kind(model.Rule, shapes.decode_rule, shapes.encode_rule),
        _kind(model.Layer),
        _kind(model.Experiment),
        _kind(model.Canary, shapes.decode_canary),
        _kind(model.Shadow, shapes.decode_shadow),
        _kind(model.Override, shapes.decode_override),
        _kind(model.Client),
    )
}
"""Kind of noun -> its Kind, in the order of a document."""
