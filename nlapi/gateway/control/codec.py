"""The nouns of routing to and from the JSON of specs/gateway.yaml."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, TypeVar

import msgspec

from nlapi.errors import Issue
from nlapi.gateway.http.problems import unprocessable
from nlapi.routing.change import Entity
from nlapi.routing.model import (
    Canary,
    CanaryStep,
    Client,
    Configuration,
    Decision,
    Experiment,
    Field,
    Guard,
    Layer,
    Match,
    Model,
    Objective,
    Override,
    Range,
    Rule,
    Shadow,
    Shard,
    Share,
    Version,
    VersionRef,
)

Json: TypeAlias = dict[str, Any]
Noun = TypeVar("Noun")

_SPACES = re.compile(r"\s+")
_UNLIKE = re.compile(r"-{2,}")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")

_REFERENCES: Mapping[type, Mapping[str, str]] = {
    Objective: {"default": "", "fallback": "fallback_"},
    Canary: {"version": "", "base": "base_"},
    Share: {"version": ""},
    Shadow: {"version": ""},
    Override: {"version": ""},
}
"""Class -> attribute with a VersionRef -> what stands before its two properties in JSON, `model` and `version`."""

_PARTS: Mapping[type, Mapping[str, type]] = {
    Objective: {"context": Field},
    Rule: {"shares": Share},
    Experiment: {"cells": Share},
    Canary: {"steps": CanaryStep, "guards": Guard},
}
"""Class -> attribute with a list of objects -> their class."""

_NAMES: Mapping[type, Mapping[str, str]] = {
    Client: {"rate": "requests_per_second"},
    CanaryStep: {"bake_s": "bake_seconds"},
    Version: {"name": "version"},
}
"""Class -> attribute -> JSON property, where they differ."""

_SLUGS = ("name", "objective", "judge", "model", "shard", "layer")
"""Attributes with the name of a noun. A context field is spelled as clients spell it."""

_OPTIONAL = frozenset(("values", "buckets", "input", "output", "when", "unless", "between", "headers"))
"""Lists and objects that are left out of JSON when they are empty."""


def slug(name: str) -> str:
    """A name as the gateway keeps it: `Payment Fraud` -> payment-fraud."""
    return _UNLIKE.sub("-", _SPACES.sub("-", name.strip().lower()))


def decode_noun(noun: type[Noun], data: Mapping[str, Any]) -> Noun:
    """Return the noun of a JSON object that fits its schema; an absent field has the default of the class."""
    # Not strict: 3.0 is an integer of JSON Schema. Texts in place of numbers are refused by the schema before.
    return msgspec.convert(_nest(noun, data), noun, strict=False)


def encode_noun(noun: Any, whole: bool) -> Json:
    """Return the JSON object of a noun, without what is empty; with buckets only when it is `whole`."""
    return _flatten(noun.__class__, msgspec.to_builtins(noun), whole)


def decode_rule(data: Mapping[str, Any]) -> Rule:
    """Return a Rule. A version in place of shares takes everything."""
    version = {name: data[name] for name in ("model", "version") if name in data}
    return decode_noun(Rule, {**data, "shares": [{**version, "percent": 100.0}]} if version else data)


def encode_rule(rule: Rule, whole: bool) -> Json:
    """Return the JSON object of a Rule, whose only share is a version where nobody has to read it back."""
    data = encode_noun(rule, whole)
    if whole or len(rule.shares) != 1:
        return data
    version = {"model": rule.shares[0].version.model, "version": rule.shares[0].version.version}
    return {name: value for key in data for name, value in (version if key == "shares" else {key: data[key]}).items()}


def decode_canary(data: Mapping[str, Any]) -> Canary:
    return decode_noun(Canary, {**data, "name": data.get("name") or f"{data['model']}-{data['version']}"})


def decode_shard(data: Mapping[str, Any]) -> Shard:
    """Return a Shard. One of serving hosts, which Ray replaced, is one of Ray: without their certificates."""
    if data.get("protocol") == "host":
        without_files = {name: value for name, value in data.items() if name not in ("ca", "certificate")}
        data = {**without_files, "protocol": "ray"}
    return decode_noun(Shard, data)


def decode_shadow(data: Mapping[str, Any]) -> Shadow:
    return decode_noun(Shadow, {**data, "name": data.get("name") or f"{data['model']}-{data['version']}-shadow"})


def decode_override(data: Mapping[str, Any]) -> Override:
    value = _UNSAFE.sub("-", str(data["value"]))
    name = data.get("name") or f"{data['objective']}-{value}"[:64]
    return decode_noun(Override, {"field": "user", **data, "name": name})


def _nest(noun: type, data: Mapping[str, Any]) -> Json:
    """Return a JSON object in the form of the class: versions and matches as objects, names as slugs."""
    attributes = {name: attribute for attribute, name in _NAMES.get(noun, {}).items()}
    nested = {attributes.get(name, name): value for name, value in data.items() if name != "version" or noun is Version}
    for attribute, prefix in _REFERENCES.get(noun, {}).items():
        model, version = data.get(f"{prefix}model"), data.get(f"{prefix}version")
        if model is not None or version is not None:
            nested[attribute] = {"model": slug(model or ""), "version": slug(version or "")}
    for attribute, part in _PARTS.get(noun, {}).items():
        nested[attribute] = [_nest(part, item) for item in data.get(attribute, ())]
    if noun is not Field:
        nested |= {name: slug(nested[name]) for name in _SLUGS if name in nested}
    # msgspec takes what a class has and leaves the rest: a match finds its three properties in the whole object.
    return {**nested, "match": data}


def _flatten(noun: type, nested: Mapping[str, Any], whole: bool) -> Json:
    """Return the form of the class as JSON has it, without what is empty."""
    prefixes, parts, names = _REFERENCES.get(noun, {}), _PARTS.get(noun, {}), _NAMES.get(noun, {})
    data: Json = {}
    for attribute, value in nested.items():
        if attribute in prefixes:
            data |= {f"{prefixes[attribute]}{name}": text for name, text in (value or {}).items()}
        elif attribute in parts:
            data[attribute] = [_flatten(parts[attribute], item, whole) for item in value]
        elif attribute == "match":
            data |= _flatten(Match, value, whole)
        elif attribute == "between" and value:
            data[attribute] = {name: _flatten(Range, bounds, whole) for name, bounds in value.items()}
        elif not _is_empty(attribute, value) and (whole or attribute != "buckets"):
            data[names.get(attribute, attribute)] = _lists(value)
    return data


def _lists(value: Any) -> Any:
    # msgspec leaves tuples as they are; a stored document, which has lists, would then differ from a new one.
    if isinstance(value, tuple):
        return [_lists(item) for item in value]
    return {name: _lists(item) for name, item in value.items()} if isinstance(value, dict) else value


def _is_empty(attribute: str, value: Any) -> bool:
    if attribute in _OPTIONAL:
        return not value
    return value is None or (value == "" and attribute != "value")  # an override may be of an empty text


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
    encode: Callable[[Any, bool], Json] = encode_noun,
) -> Kind:
    name = noun.__name__.lower()
    plural = "canaries" if noun is Canary else f"{name}s"
    key = "version" if noun is Version else "name"
    return Kind(name=name, plural=plural, key=key, decode=decode or partial(decode_noun, noun), encode=encode)


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        _kind(Objective),
        _kind(Model),
        _kind(Version),
        _kind(Shard, decode_shard),
        _kind(Rule, decode_rule, encode_rule),
        _kind(Layer),
        _kind(Experiment),
        _kind(Canary, decode_canary),
        _kind(Shadow, decode_shadow),
        _kind(Override, decode_override),
        _kind(Client),
    )
}
"""Kind of noun -> its Kind, in the order of a document."""
