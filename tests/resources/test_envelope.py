"""The list, the thing, the total and the reason of an error in well-known envelopes, in data and in schemas."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

import nlapi
from nlapi.english.words import name_key
from nlapi.resources.answers import ListAnswer, extract_item, extract_list, list_envelope
from nlapi.resources.error_reasons import error_reason
from tests.tables import table

CASES = yaml.load(Path(__file__).with_name("envelopes.yaml").read_text(), yaml.CSafeLoader)
LISTS = [case for case in CASES if "list" in case]
THINGS = [case for case in CASES if isinstance(case.get("thing"), list) and "error" not in case]
ERRORS = [case for case in CASES if "error" in case]


def ids(cases: list[dict[str, Any]]) -> list[str]:
    return [case["name"] for case in cases]


def schema_of(value: Any) -> dict[str, Any]:
    """The schema that a description may have for a value."""
    if isinstance(value, Mapping):
        return {"type": "object", "properties": {name: schema_of(inner) for name, inner in value.items()}}
    if isinstance(value, list):
        return {"type": "array", "items": schema_of(value[0]) if value else {}}
    names = {bool: "boolean", int: "integer", float: "number", str: "string", type(None): "null"}
    return {"type": names[type(value)]}


def described(case: Mapping[str, Any], tmp_path: Path, *, schema: bool) -> nlapi.Operation:
    """The operation of a case in a description of its own, with or without the schema of its answer."""
    answer = case["answer"]
    inferred = schema_of(answer)
    if case.get("map"):
        inferred = {"type": "object", "additionalProperties": schema_of(next(iter(answer.values())))}
    content = {"application/json": {"schema": inferred if schema else {}}}
    method = "post" if case["path"].endswith(("/query", "/get", "list_folder")) else "get"
    operation = {"responses": {"200": {"description": "", "content": content}}}
    document = {
        "openapi": "3.1.0",
        "info": {"title": "x", "version": "1"},
        "paths": {case["path"]: {method: operation}},
    }
    file = tmp_path / "openapi.json"
    file.write_text(json.dumps(document))
    (only,) = nlapi.load(file).operations
    return only


def told_apart(entry: Any) -> Any:
    """What tells an entry of a case apart: its id or what comes nearest."""
    if not isinstance(entry, Mapping):
        return entry
    labels = entry.get("labels") or entry.get("metric") or entry.get("metadata") or {}
    named = {**{name_key(name): value for name, value in entry.items()}, **labels}
    names = ("id", "uuid", "sid", "gid", "mbid", "objectid", "imdbid", "invoiceid", "transactionid", "__name__")
    return next(named[name] for name in (*names, "alertname", "dt", "name", "title", "key") if name in named)


@table("schema", [True, False], ids=["described", "not described"])
@table("case", LISTS, ids=ids(LISTS))
def test_the_list_is_found_in_the_data(case: dict[str, Any], schema: bool, tmp_path: Path) -> None:
    operation = described(case, tmp_path, schema=schema)
    found = extract_list(case["answer"], operation)
    assert found is not None
    assert found.envelope.keys == tuple(case["list"])
    if not case.get("values"):
        assert [told_apart(entry) for entry in found.entries] == case["ids"]
    assert found.total == case.get("total")


@table("case", LISTS, ids=ids(LISTS))
def test_the_list_is_found_in_the_schema(case: dict[str, Any], tmp_path: Path) -> None:
    envelope = list_envelope(described(case, tmp_path, schema=True))
    assert envelope is not None
    assert envelope.keys == tuple(case["list"])


def emptied(value: Any, keys: tuple[str, ...]) -> Any:
    return {**value, keys[0]: emptied(value[keys[0]], keys[1:])} if keys else type(value)()


@table("case", LISTS, ids=ids(LISTS))
def test_an_empty_list_is_a_list(case: dict[str, Any], tmp_path: Path) -> None:
    operation = described(case, tmp_path, schema=True)
    found = extract_list(emptied(case["answer"], tuple(case["list"])), operation)
    assert found is not None and found.entries == ()


@table("case", [case for case in LISTS if not case.get("map")])
def test_a_list_of_one_is_a_list(case: dict[str, Any], tmp_path: Path) -> None:
    operation = described(case, tmp_path, schema=False)
    answer = case["answer"]

    def first(value: Any, keys: tuple[str, ...]) -> Any:
        return {**value, keys[0]: first(value[keys[0]], keys[1:])} if keys else value[:1]

    found = extract_list(first(answer, tuple(case["list"])), operation)
    assert found is not None and len(found.entries) == 1


@table("schema", [True, False], ids=["described", "not described"])
@table("case", THINGS, ids=ids(THINGS))
def test_a_thing_is_no_list(case: dict[str, Any], schema: bool, tmp_path: Path) -> None:
    operation = described(case, tmp_path, schema=schema)
    assert extract_list(case["answer"], operation) is None
    if schema:
        assert list_envelope(operation) is None
    inside: Any = case["answer"]
    for key in case["thing"]:
        inside = inside[key]
    assert extract_item(case["answer"], operation) == (inside if isinstance(inside, Mapping) else None) or (
        "attributes" in inside
    )


@table("case", ERRORS, ids=ids(ERRORS))
def test_the_reason_of_an_error_is_the_servers_own(case: dict[str, Any], tmp_path: Path) -> None:
    assert error_reason(case["answer"]) == case["error"]
    if case["thing"] != "none":
        assert extract_list(case["answer"], described(case, tmp_path, schema=False)) is None


@table(
    ("page", "reason"),
    [
        (
            "<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>",
            "502 Bad Gateway",
        ),
        ("<html><head><title>Error</title></head><body><pre>Cannot GET /x</pre></body></html>", "Cannot GET /x"),
        ("<?xml version='1.0'?><Error><Code>NoSuchKey</Code><Message>No such key</Message></Error>", "No such key"),
        ("<html><title>Down &amp; out</title>", "Down & out"),
    ],
)
def test_the_reason_on_a_page_is_its_title(page: str, reason: str) -> None:
    assert error_reason(page) == reason


def test_a_reason_is_one_line_of_a_bounded_length() -> None:
    assert error_reason("Traceback:\n  File x\n" + "a" * 999) == ("Traceback: File x " + "a" * 999)[:299] + "…"


@table("data", [None, 5, True, [], {}, "", {"ok": False}, [[[[["deep"]]]]]])
def test_an_answer_that_gives_no_reason_has_none(data: Any) -> None:
    assert error_reason(data) == ""


def test_what_a_schema_lists_nothing_of_is_listed_where_it_does_not_describe_it(tmp_path: Path) -> None:
    """Cloudflare describes `success` and `errors` in one schema for all, and the result in none."""
    case = {"path": "/zones", "answer": {"success": True, "errors": []}}
    operation = described(case, tmp_path, schema=True)
    data = {"success": True, "errors": [], "result": [{"id": "a"}, {"id": "b"}]}
    found = extract_list(data, operation)
    assert found is not None and found.envelope.keys == ("result",)


def test_an_answer_that_lists_nothing_is_no_list_of_something() -> None:
    assert extract_list({}) is None
    assert extract_list("text") is None
    assert extract_list({"id": 1, "items": [{"id": 2}]}) is None
    assert isinstance(extract_list([]), ListAnswer)
