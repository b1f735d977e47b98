"""Each noun of routing to and from its JSON; codec.py puts them together."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeAlias

from nlapi.routing.model import (
    Canary,
    CanaryState,
    CanaryStep,
    Client,
    Experiment,
    Field,
    FieldType,
    Guard,
    Layer,
    Match,
    Model,
    Objective,
    Override,
    Rule,
    Shadow,
    Shard,
    ShardProtocol,
    Share,
    Version,
    VersionRef,
)

Json: TypeAlias = dict[str, Any]

_SPACES = re.compile(r"\s+")
_UNLIKE = re.compile(r"-{2,}")


def slug(name: str) -> str:
    """A name as the gateway keeps it: `Payment Fraud` -> payment-fraud."""
    return _UNLIKE.sub("-", _SPACES.sub("-", name.strip().lower()))


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
    names = {one.name for one in fields(cls)} - {"match", "version", "input", "output", *left_out}
    return {name: data[name] for name in names & data.keys()}


def _plain_json(noun: Any, *names: str) -> Json:
    """The attributes called `names`, without the empty texts."""
    return {name: value for name in names if (value := getattr(noun, name)) != ""}


# nouns


def decode_objective(data: Mapping[str, Any]) -> Objective:
    plain = _plain(Objective, data, "context", "default", "fallback")
    return Objective(
        **plain | {"name": slug(data["name"])},
        input=data.get("input", {}),
        output=data.get("output", {}),
        default=_ref(data),
        fallback=_ref(data, "fallback_"),
        context=tuple(map(_field, data.get("context", ()))),
    )


def encode_objective(one: Objective, whole: bool) -> Json:
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


def decode_model(data: Mapping[str, Any]) -> Model:
    return Model(**_plain(Model, data) | {"name": slug(data["name"])})


def decode_version(data: Mapping[str, Any]) -> Version:
    plain = _plain(Version, data) | {"model": slug(data["model"]), "name": slug(data["version"])}
    plain["shard"] = slug(data.get("shard", "local"))
    return Version(**plain, input=data.get("input", {}), output=data.get("output", {}))


def encode_version(one: Version, whole: bool) -> Json:
    return {**_ref_json(one.ref), **_plain_json(one, "shard", "source", "description"), **_schemas_json(one)}


def decode_shard(data: Mapping[str, Any]) -> Shard:
    plain = _plain(Shard, data, "protocol", "endpoints") | {"name": slug(data["name"])}
    protocol = ShardProtocol(data.get("protocol", ShardProtocol.LOCAL))
    return Shard(**plain, protocol=protocol, endpoints=tuple(data.get("endpoints", ())))


def encode_shard(one: Shard, whole: bool) -> Json:
    said = {"name": one.name, "protocol": str(one.protocol), "endpoints": list(one.endpoints)}
    return {**said, **_plain_json(one, "concurrency", "description")}


def decode_rule(data: Mapping[str, Any]) -> Rule:
    whole = _ref(data)
    shares = (Share(version=whole, percent=100.0),) if whole else tuple(map(_share, data.get("shares", ())))
    plain = _plain(Rule, data, "shares") | {"name": slug(data["name"]), "objective": slug(data["objective"])}
    return Rule(**plain, match=Match.from_mapping(data), shares=shares)


def encode_rule(one: Rule, whole: bool) -> Json:
    simple = not whole and len(one.shares) == 1
    split = _ref_json(one.shares[0].version) if simple else {"shares": [_share_json(s, whole) for s in one.shares]}
    head = _plain_json(one, "name", "objective")
    return {**head, **_match_json(one.match), **split, **_plain_json(one, "unit", "position", "description")}


def decode_layer(data: Mapping[str, Any]) -> Layer:
    return Layer(**_plain(Layer, data) | {"name": slug(data["name"])})


def decode_experiment(data: Mapping[str, Any]) -> Experiment:
    named = {name: slug(data.get(name, "")) for name in ("name", "objective", "layer")}
    plain = _plain(Experiment, data, "cells", "buckets") | named
    plain["percent"] = float(data.get("percent", 100.0))
    return Experiment(
        **plain, match=Match.from_mapping(data), cells=tuple(map(_share, data["cells"])), buckets=_buckets(data)
    )


def encode_experiment(one: Experiment, whole: bool) -> Json:
    head = _plain_json(one, "name", "objective")
    cells = {"cells": [_share_json(cell, whole) for cell in one.cells]}
    held = {"buckets": [list(pair) for pair in one.buckets]} if whole and one.buckets else {}
    tail = _plain_json(one, "unit", "salt", "layer", "percent", "running", "description")
    return {**head, **cells, **_match_json(one.match), **tail, **held}


def decode_canary(data: Mapping[str, Any]) -> Canary:
    ref = _sure(data)
    named = {"name": slug(data.get("name") or f"{ref.model}-{ref.version}"), "objective": slug(data["objective"])}
    plain = _plain(Canary, data, "base", "steps", "guards", "state") | named
    plain["percent"] = float(data.get("percent", 10.0))
    return Canary(
        **plain,
        version=ref,
        base=_ref(data, "base_"),
        match=Match.from_mapping(data),
        steps=tuple(
            CanaryStep(percent=float(step["percent"]), bake_s=float(step.get("bake_seconds", 300.0)))
            for step in data.get("steps", ())
        ),
        guards=tuple(Guard(**_plain(Guard, guard)) for guard in data.get("guards", ())),
        state=CanaryState(data.get("state", CanaryState.RUNNING)),
    )


_GUARD = ("metric", "limit", "ratio", "floor", "floor_ratio", "least")


def encode_canary(one: Canary, whole: bool) -> Json:
    said: Json = {**_plain_json(one, "name", "objective"), **_ref_json(one.version), "percent": one.percent}
    said |= {**_match_json(one.match), **_ref_json(one.base, "base_"), "unit": one.unit}
    said["steps"] = [{"percent": step.percent, "bake_seconds": step.bake_s} for step in one.steps]
    said["guards"] = [
        {name: value for name in _GUARD if (value := getattr(guard, name)) is not None} for guard in one.guards
    ]
    return {**said, "state": str(one.state), **_plain_json(one, "reason")}


def decode_shadow(data: Mapping[str, Any]) -> Shadow:
    ref = _sure(data)
    named = {"name": slug(data.get("name") or f"{ref.model}-{ref.version}-shadow")}
    percent = float(data.get("percent", 100.0))
    return Shadow(
        **named, objective=slug(data["objective"]), version=ref, percent=percent, match=Match.from_mapping(data)
    )


def encode_shadow(one: Shadow, whole: bool) -> Json:
    head = _plain_json(one, "name", "objective")
    return {**head, **_ref_json(one.version), "percent": one.percent, **_match_json(one.match)}


def decode_override(data: Mapping[str, Any]) -> Override:
    name = data.get("name") or f"{data['objective']}-{re.sub(r'[^A-Za-z0-9._-]+', '-', str(data['value']))}"[:64]
    named = {"name": slug(name), "objective": slug(data["objective"])}
    return Override(**named, field=data.get("field", "user"), value=data["value"], version=_sure(data))


def encode_override(one: Override, whole: bool) -> Json:
    return {**_plain_json(one, "name", "objective", "field"), "value": one.value, **_ref_json(one.version)}


def decode_client(data: Mapping[str, Any]) -> Client:
    plain = _plain(Client, data, "rate") | {"name": slug(data["name"])}
    return Client(**plain, rate=float(data.get("requests_per_second", 0.0)))


def encode_client(one: Client, whole: bool) -> Json:
    head = _plain_json(one, "name", "description")
    return {**head, "requests_per_second": one.rate, **_plain_json(one, "burst", "concurrency")}


def encode_named(one: Model | Layer, whole: bool) -> Json:
    return _plain_json(one, *(field.name for field in fields(one)))
