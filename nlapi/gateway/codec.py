"""The nouns of routing to and from the JSON of specs/gateway.yaml."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeAlias

from nlapi.gateway.problem import unprocessable
from nlapi.issue import Issue, Level
from nlapi.routing.nouns import (
    Canary,
    CanaryState,
    Client,
    Configuration,
    Decision,
    Experiment,
    Field,
    FieldType,
    Guard,
    Layer,
    Match,
    Model,
    Objective,
    Override,
    Protocol,
    Range,
    Rule,
    Shadow,
    Shard,
    Share,
    Step,
    Version,
    VersionRef,
)

Json: TypeAlias = dict[str, Any]
Noun: TypeAlias = Objective | Model | Version | Shard | Rule | Layer | Experiment | Canary | Shadow | Override | Client

_SPACES = re.compile(r"\s+")
_UNLIKE = re.compile(r"-{2,}")


def slug(name: str) -> str:
    """A name as the gateway keeps it: `Payment Fraud` -> payment-fraud."""
    return _UNLIKE.sub("-", _SPACES.sub("-", name.strip().lower()))


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

    def id_of(self, noun: Noun) -> str | VersionRef:
        """What Configuration keeps it under."""
        return noun.ref if isinstance(noun, Version) else noun.name

    def of(self, configuration: Configuration) -> Mapping[Any, Any]:
        found: Mapping[Any, Any] = getattr(configuration, self.plural)
        return found


def decode_configuration(data: Mapping[str, Any]) -> Configuration:
    """The Configuration in a document that fits its schema. Problem 422 when two things have one name."""
    issues: list[Issue] = []
    found: dict[str, dict[Any, Any]] = {}
    for kind in KINDS.values():
        found[kind.plural] = things = {}
        for at, item in enumerate(data.get(kind.plural, ())):
            noun = kind.decode(item)
            if kind.id_of(noun) in things:
                where = f"{kind.plural}[{at}].{kind.key}"
                message = f"there are two {kind.plural} called {kind.id_of(noun)}"
                issues.append(Issue(level=Level.ERROR, where=where, message=message, rule="duplicate"))
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


# parts


def _ref(data: Mapping[str, Any], prefix: str = "") -> VersionRef | None:
    model, version = data.get(f"{prefix}model"), data.get(f"{prefix}version")
    if model is None and version is None:
        return None
    return VersionRef(model=slug(model or ""), version=slug(version or ""))


def _sure(data: Mapping[str, Any]) -> VersionRef:
    return VersionRef(model=slug(data["model"]), version=slug(data["version"]))


def _ref_json(ref: VersionRef | None, prefix: str = "") -> Json:
    return {f"{prefix}model": ref.model, f"{prefix}version": ref.version} if ref else {}


def _match(data: Mapping[str, Any]) -> Match:
    return Match(
        when={name: tuple(values) for name, values in data.get("when", {}).items()},
        unless={name: tuple(values) for name, values in data.get("unless", {}).items()},
        between={name: Range(**ends) for name, ends in data.get("between", {}).items()},
    )


def _match_json(match: Match) -> Json:
    said: Json = {
        name: {key: list(values) for key, values in getattr(match, name).items()} for name in ("when", "unless")
    }
    said["between"] = {
        key: {end: getattr(ends, end) for end in ("least", "below") if getattr(ends, end) is not None}
        for key, ends in match.between.items()
    }
    return {key: value for key, value in said.items() if value}


def _buckets(data: Mapping[str, Any]) -> tuple[tuple[int, int], ...]:
    return tuple((start, end) for start, end in data.get("buckets", ()))


def _share(data: Mapping[str, Any]) -> Share:
    return Share(
        version=_sure(data), percent=float(data["percent"]), name=slug(data.get("name", "")), buckets=_buckets(data)
    )


def _share_json(share: Share, whole: bool) -> Json:
    named = {"name": share.name} if share.name else {}
    held = {"buckets": [list(pair) for pair in share.buckets]} if whole and share.buckets else {}
    return {**named, **_ref_json(share.version), "percent": share.percent, **held}


def _plain(cls: type, data: Mapping[str, Any], *left_out: str) -> Json:
    """The properties of `data` that are fields of `cls` as they are."""
    names = {one.name for one in fields(cls)} - {"match", "version", "input", "output", *left_out}
    return {name: data[name] for name in names & data.keys()}


def _plain_json(noun: Any, *names: str) -> Json:
    """The attributes called `names`, without the empty texts."""
    return {name: value for name in names if (value := getattr(noun, name)) != ""}


# nouns


def _objective(data: Mapping[str, Any]) -> Objective:
    plain = _plain(Objective, data, "context", "default", "fallback")
    return Objective(
        **plain | {"name": slug(data["name"])},
        input=data.get("input", {}),
        output=data.get("output", {}),
        default=_ref(data),
        fallback=_ref(data, "fallback_"),
        context=tuple(map(_field, data.get("context", ()))),
    )


def _objective_json(one: Objective, whole: bool) -> Json:
    return {
        **_plain_json(one, "name", "title", "description", "owner"),
        **_ref_json(one.default),
        **_ref_json(one.fallback, "fallback_"),
        **_schemas_json(one),
        "context": [_field_json(field) for field in one.context],
        **_plain_json(one, "idempotent", "timeout_ms"),
    }


def _field(data: Mapping[str, Any]) -> Field:
    kind = FieldType(data.get("type", FieldType.STRING))
    return Field(**_plain(Field, data, "type", "values"), type=kind, values=tuple(data.get("values", ())))


def _field_json(field: Field) -> Json:
    values = {"values": list(field.values)} if field.values else {}
    return {"name": field.name, "type": str(field.type), **values, **_plain_json(field, "description")}


def _schemas_json(one: Objective | Version) -> Json:
    return {name: dict(schema) for name in ("input", "output") if (schema := getattr(one, name))}


def _model(data: Mapping[str, Any]) -> Model:
    return Model(**_plain(Model, data) | {"name": slug(data["name"])})


def _version(data: Mapping[str, Any]) -> Version:
    plain = _plain(Version, data) | {"model": slug(data["model"]), "name": slug(data["version"])}
    plain["shard"] = slug(data.get("shard", "local"))
    return Version(**plain, input=data.get("input", {}), output=data.get("output", {}))


def _version_json(one: Version, whole: bool) -> Json:
    return {**_ref_json(one.ref), **_plain_json(one, "shard", "source", "description"), **_schemas_json(one)}


def _shard(data: Mapping[str, Any]) -> Shard:
    plain = _plain(Shard, data, "protocol", "endpoints") | {"name": slug(data["name"])}
    protocol = Protocol(data.get("protocol", Protocol.LOCAL))
    return Shard(**plain, protocol=protocol, endpoints=tuple(data.get("endpoints", ())))


def _shard_json(one: Shard, whole: bool) -> Json:
    said = {"name": one.name, "protocol": str(one.protocol), "endpoints": list(one.endpoints)}
    return {**said, **_plain_json(one, "concurrency", "description")}


def _rule(data: Mapping[str, Any]) -> Rule:
    whole = _ref(data)
    shares = (Share(version=whole, percent=100.0),) if whole else tuple(map(_share, data.get("shares", ())))
    plain = _plain(Rule, data, "shares") | {"name": slug(data["name"]), "objective": slug(data["objective"])}
    return Rule(**plain, match=_match(data), shares=shares)


def _rule_json(one: Rule, whole: bool) -> Json:
    simple = not whole and len(one.shares) == 1
    split = _ref_json(one.shares[0].version) if simple else {"shares": [_share_json(s, whole) for s in one.shares]}
    head = _plain_json(one, "name", "objective")
    return {**head, **_match_json(one.match), **split, **_plain_json(one, "unit", "position", "description")}


def _layer(data: Mapping[str, Any]) -> Layer:
    return Layer(**_plain(Layer, data) | {"name": slug(data["name"])})


def _experiment(data: Mapping[str, Any]) -> Experiment:
    named = {name: slug(data.get(name, "")) for name in ("name", "objective", "layer")}
    plain = _plain(Experiment, data, "cells", "buckets") | named
    plain["percent"] = float(data.get("percent", 100.0))
    return Experiment(**plain, match=_match(data), cells=tuple(map(_share, data["cells"])), buckets=_buckets(data))


def _experiment_json(one: Experiment, whole: bool) -> Json:
    head = _plain_json(one, "name", "objective")
    cells = {"cells": [_share_json(cell, whole) for cell in one.cells]}
    held = {"buckets": [list(pair) for pair in one.buckets]} if whole and one.buckets else {}
    tail = _plain_json(one, "unit", "salt", "layer", "percent", "running", "description")
    return {**head, **cells, **_match_json(one.match), **tail, **held}


def _canary(data: Mapping[str, Any]) -> Canary:
    ref = _sure(data)
    named = {"name": slug(data.get("name") or f"{ref.model}-{ref.version}"), "objective": slug(data["objective"])}
    plain = _plain(Canary, data, "base", "steps", "guards", "state") | named
    plain["percent"] = float(data.get("percent", 10.0))
    return Canary(
        **plain,
        version=ref,
        base=_ref(data, "base_"),
        match=_match(data),
        steps=tuple(
            Step(percent=float(step["percent"]), bake_s=float(step.get("bake_seconds", 300.0)))
            for step in data.get("steps", ())
        ),
        guards=tuple(Guard(**_plain(Guard, guard)) for guard in data.get("guards", ())),
        state=CanaryState(data.get("state", CanaryState.RUNNING)),
    )


def _canary_json(one: Canary, whole: bool) -> Json:
    said: Json = {**_plain_json(one, "name", "objective"), **_ref_json(one.version), "percent": one.percent}
    said |= {**_match_json(one.match), **_ref_json(one.base, "base_"), "unit": one.unit}
    said["steps"] = [{"percent": step.percent, "bake_seconds": step.bake_s} for step in one.steps]
    said["guards"] = [
        {name: value for name in ("metric", "limit", "ratio", "least") if (value := getattr(guard, name)) is not None}
        for guard in one.guards
    ]
    return {**said, "state": str(one.state), **_plain_json(one, "reason")}


def _shadow(data: Mapping[str, Any]) -> Shadow:
    ref = _sure(data)
    named = {"name": slug(data.get("name") or f"{ref.model}-{ref.version}-shadow")}
    percent = float(data.get("percent", 100.0))
    return Shadow(**named, objective=slug(data["objective"]), version=ref, percent=percent, match=_match(data))


def _shadow_json(one: Shadow, whole: bool) -> Json:
    head = _plain_json(one, "name", "objective")
    return {**head, **_ref_json(one.version), "percent": one.percent, **_match_json(one.match)}


def _override(data: Mapping[str, Any]) -> Override:
    name = data.get("name") or f"{data['objective']}-{re.sub(r'[^A-Za-z0-9._-]+', '-', str(data['value']))}"[:64]
    named = {"name": slug(name), "objective": slug(data["objective"])}
    return Override(**named, field=data.get("field", "user"), value=data["value"], version=_sure(data))


def _override_json(one: Override, whole: bool) -> Json:
    return {**_plain_json(one, "name", "objective", "field"), "value": one.value, **_ref_json(one.version)}


def _client(data: Mapping[str, Any]) -> Client:
    plain = _plain(Client, data, "rate") | {"name": slug(data["name"])}
    return Client(**plain, rate=float(data.get("requests_per_second", 0.0)))


def _client_json(one: Client, whole: bool) -> Json:
    head = _plain_json(one, "name", "description")
    return {**head, "requests_per_second": one.rate, **_plain_json(one, "burst", "concurrency")}


def _named_json(one: Model | Layer, whole: bool) -> Json:
    return _plain_json(one, *(field.name for field in fields(one)))


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind(name="objective", plural="objectives", key="name", decode=_objective, encode=_objective_json),
        Kind(name="model", plural="models", key="name", decode=_model, encode=_named_json),
        Kind(name="version", plural="versions", key="version", decode=_version, encode=_version_json),
        Kind(name="shard", plural="shards", key="name", decode=_shard, encode=_shard_json),
        Kind(name="rule", plural="rules", key="name", decode=_rule, encode=_rule_json),
        Kind(name="layer", plural="layers", key="name", decode=_layer, encode=_named_json),
        Kind(name="experiment", plural="experiments", key="name", decode=_experiment, encode=_experiment_json),
        Kind(name="canary", plural="canaries", key="name", decode=_canary, encode=_canary_json),
        Kind(name="shadow", plural="shadows", key="name", decode=_shadow, encode=_shadow_json),
        Kind(name="override", plural="overrides", key="name", decode=_override, encode=_override_json),
        Kind(name="client", plural="clients", key="name", decode=_client, encode=_client_json),
    )
}
"""Kind of noun -> its Kind, in the order of a document."""
