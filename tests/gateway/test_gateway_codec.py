"""The nouns of routing and their JSON are the same thing twice, and the description's defaults are the nouns' own."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields
from typing import Any

from nlapi.gateway.control.codec import KINDS, decode_configuration, encode_configuration, slug
from nlapi.gateway.http.description import load_description
from nlapi.routing.model import Configuration
from tests.gateway.kit import document
from tests.tables import table

SHARE = {"model": "ranker", "version": "v7", "percent": 60.0, "buckets": [[0, 6000]]}
REST = {"model": "ranker", "version": "v8", "percent": 40.0, "buckets": [[6000, 10000]]}
MATCH = {"when": {"country": ["BR"]}, "unless": {"device": ["tv"]}, "between": {"age": {"least": 18, "below": 30}}}
FULL: dict[str, list[dict[str, Any]]] = {
    **document(),
    "rules": [{"name": "split", "objective": "continue-watching", "shares": [SHARE, REST], "unit": "user",
               "position": 3, "description": "d", **MATCH}],
    "layers": [{"name": "ranking", "description": "d"}],
    "experiments": [{"name": "ab", "objective": "continue-watching", "unit": "user", "salt": "s", "layer": "ranking",
                     "cells": [{"name": "a", **SHARE}, {"name": "b", **REST}], "percent": 50.0, "running": False,
                     "buckets": [[0, 5000]], "description": "d", **MATCH}],
    "canaries": [{"name": "c", "objective": "continue-watching", "model": "ranker", "version": "v8", "percent": 5.0,
                  "base_model": "ranker", "base_version": "v7", "unit": "user", "state": "paused", "reason": "r",
                  "steps": [{"percent": 5.0, "bake_seconds": 60.0}],
                  "guards": [{"metric": "p99_ms", "ratio": 1.5, "least": 100}], **MATCH}],
    "shadows": [{"name": "s", "objective": "continue-watching", "model": "ranker", "version": "v9", "percent": 10.0,
                 **MATCH}],
    "overrides": [{"name": "o", "objective": "continue-watching", "field": "user", "value": "u1", "model": "ranker",
                   "version": "v9"}],
    "clients": [{"name": "web", "description": "d", "requests_per_second": 10.0, "burst": 5, "concurrency": 3}],
    "shards": [{"name": "far", "protocol": "oip-v2", "endpoints": ["http://10.0.0.1:80"], "concurrency": 8,
                "description": "d"}, {"name": "local", "protocol": "local", "endpoints": [], "concurrency": 64}],
}  # fmt: skip


def test_a_configuration_survives_the_way_there_and_back() -> None:
    configuration = decode_configuration(FULL)
    encoded = encode_configuration(configuration)
    load_description().check("Configuration", encoded)
    assert decode_configuration(encoded) == configuration
    for kind, nouns in FULL.items():
        for given, got in zip(sorted(nouns, key=str), sorted(encoded[kind], key=str), strict=True):
            assert got.items() >= given.items() or kind in ("objectives", "versions", "shards")


def test_a_document_is_the_same_after_it_was_stored() -> None:
    encoded = encode_configuration(decode_configuration(FULL))
    assert json.loads(json.dumps(encoded)) == encoded


def test_a_bound_stays_the_integer_that_it_was_written_as() -> None:
    encoded = encode_configuration(decode_configuration(FULL))
    assert repr(encoded["rules"][0]["between"]["age"]) == "{'least': 18, 'below': 30}"


def test_names_are_slugs_but_for_those_of_fields_and_metrics() -> None:
    objective = KINDS["objective"].decode({"name": "A  B", "context": [{"name": "Day"}], "model": "M", "version": "V"})
    assert KINDS["objective"].encode(objective, True) == {
        "name": "a-b",
        "model": "m",
        "version": "v",
        "context": [{"name": "Day", "type": "string"}],
        "idempotent": True,
        "timeout_ms": 1000,
    }


def test_the_value_of_an_override_may_be_empty() -> None:
    data = {"objective": "o", "value": "", "model": "m", "version": "v"}
    assert KINDS["override"].encode(KINDS["override"].decode(data), True).items() >= {**data, "field": "user"}.items()


def test_an_empty_configuration_has_every_kind() -> None:
    assert encode_configuration(Configuration()) == {kind.plural: [] for kind in KINDS.values()}


RENAMED = {"requests_per_second": "rate", "bake_seconds": "bake_s"}


@table("kind", KINDS)
def test_defaults_of_the_description_are_those_of_the_noun(kind: str) -> None:
    schemas = load_description().tree["components"]["schemas"]
    name = {"client": "ClientUpdate"}.get(kind, f"{kind.capitalize()}Create")
    noun = type(next(iter(KINDS[kind].of(decode_configuration(FULL)).values())))
    own = {field.name: field.default for field in fields(noun) if field.default is not MISSING}
    for key, schema in schemas[name]["properties"].items():
        default = schema.get("default", schemas.get(schema.get("$ref", "").rpartition("/")[2], {}).get("default"))
        if default is not None and (kind, key) != ("override", "field"):
            assert own[RENAMED.get(key, key)] == default, key


@table("kind", KINDS)
def test_what_may_be_changed_is_what_may_be_made(kind: str) -> None:
    schemas = load_description().tree["components"]["schemas"]
    if kind != "client":
        made, changed = (schemas[f"{kind.capitalize()}{how}"]["properties"] for how in ("Create", "Update"))
        only_made = {"name", "version"} if kind == "version" else {"name"}
        only_made |= {"objective", "model", "version", "percent"} if kind == "canary" else set()
        assert set(made) - set(changed) == only_made & set(made)
        assert set(changed) <= set(made)


@table(
    ("name", "kept"),
    [("Payment Fraud", "payment-fraud"), (" a  b ", "a-b"), ("ranker-v8", "ranker-v8"), ("a_b", "a_b")],
)
def test_names_are_kept_in_one_spelling(name: str, kept: str) -> None:
    assert slug(name) == kept
    assert slug(kept) == kept
