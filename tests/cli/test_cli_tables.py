"""Tables of real-looking answers, at several widths: what the sentence says is what the table shows."""

from __future__ import annotations

import json
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from tests.cli.kit import Ran, run
from tests.planner.lists import ALERTS, CAMPAIGNS, CONTAINERS, PODS, TICKETS, things
from tests.servers import Echo, Reply

WORLDS = {
    "/alerts": ALERTS,
    "/pods": {"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "1"}, "items": PODS},
    "/containers/json": CONTAINERS,
    "/campaigns": {"data": CAMPAIGNS, "total": 5},
    "/tickets": {"tickets": TICKETS, "next_page": None, "previous_page": None, "count": 3},
    "/zones": {
        "success": True,
        "errors": [],
        "messages": [],
        "result": [{"id": f"{n:032x}", "name": f"{name}.org", "status": "active"} for n, name in enumerate("abc")],
        "result_info": {"page": 1, "per_page": 20, "count": 3, "total_count": 3},
    },
    "/issues": {"startAt": 0, "maxResults": 50, "total": 2, "issues": things("Jira issues")},
    "/posts": things("WordPress posts"),
    "/charges": {"object": "list", "has_more": False, "data": things("Stripe charges")},
    "/entries": {"total": 2, "skip": 0, "limit": 100, "items": things("Contentful entries")},
}
COLUMNS = {
    "/alerts": ["alertname", "state", "severity"],
    "/pods": ["name", "phase", "namespace"],
    "/containers/json": ["Names", "State", "Status", "Image"],
    "/campaigns": ["name", "id", "status"],
    "/tickets": ["subject", "id", "status"],
    "/zones": ["name", "status", "id"],
    "/issues": ["summary", "id", "key", "status"],
    "/posts": ["title", "id", "status"],
    "/charges": ["id", "status", "customer", "amount"],
    "/entries": ["title", "id"],
}


def description(folder: Path, path: str) -> str:
    """A description that lists what is at `path`, and shows one of it."""
    noun = path.strip("/").partition("/")[0]
    answers = {"200": {"description": "ok"}}
    id = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    listing = {"operationId": "listThem", "summary": f"List {noun}", "responses": answers}
    one = {"operationId": "getOne", "summary": f"Get one of the {noun}", "responses": answers, "parameters": [id]}
    paths = {path: {"get": listing}, f"/{noun}/{{id}}": {"get": one}}
    file = folder / "openapi.json"
    file.write_text(json.dumps({"openapi": "3.1.0", "info": {"title": "x", "version": "1"}, "paths": paths}))
    return str(file)


def called(folder: Path, path: str, data: Any, *words: str) -> Ran:
    with Echo(Reply(200, data)) as api:
        return run("call", description(folder, path), *words, "--base-url", api.url)


def ask(folder: Path, path: str, question: str) -> Ran:
    with Echo(Reply(200, WORLDS[path])) as api:
        words = ("-a", description(folder, path), "--base-url", api.url, "--planner", "offline", "-o", "text")
        return run("ask", question, *words)


@pytest.mark.parametrize("columns", [60, 80, 120, 200])
@pytest.mark.parametrize("path", WORLDS)
def test_a_table_reads_well_at_any_width(
    path: str, columns: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    out = called(tmp_path, path, WORLDS[path], "listThem", "-o", "table").out
    lines = out.splitlines()
    assert all(len(line) <= columns for line in lines)
    assert lines[0].split()[: len(COLUMNS[path])] == COLUMNS[path][: len(lines[0].split())]
    assert len(lines[0].split()) >= min(len(COLUMNS[path]), 3)
    assert not set('{}"').intersection(out)
    assert "T08:00" not in out


@pytest.mark.parametrize("path", WORLDS)
def test_one_thing_is_shown_field_by_field(path: str, tmp_path: Path) -> None:
    data = WORLDS[path]
    listed = data if isinstance(data, list) else next(one for one in data.values() if isinstance(one, list) and one)
    out = called(tmp_path, path, listed[0], "getOne", "id=1", "-o", "table").out
    assert out.split()[:2] == ["field", "value"]
    assert not set('{}"').intersection(out)
    assert all(len(line) <= 80 for line in out.splitlines())


def test_nested_fields_of_one_thing_are_shown_two_levels_deep(tmp_path: Path) -> None:
    lines = called(tmp_path, "/pods", PODS[0], "getOne", "id=1", "-o", "table").out.splitlines()
    fields = {line.split()[0]: " ".join(line.split()[1:]) for line in takewhile(str.strip, lines[2:])}
    assert fields["metadata.name"] == "coredns-1"
    assert fields["status.phase"] == "Running"
    assert fields["metadata.creationTimestamp"] == "2026-05-13 08:00"
    assert fields["metadata.labels.app"] == "coredns"


@pytest.mark.parametrize(
    ("path", "question", "rows", "sentence"),
    [
        ("/zones", "how many zones are there?", 3, "3 zones: 3 active; a.org, b.org, c.org."),
        ("/tickets", "how many tickets are there?", 3, "3 tickets: 2 open, 1 pending; Help, Printer, Refund."),
        ("/alerts", "show the alerts with severity critical", 2, "2 of 4 alerts with severity critical: "),
        ("/alerts", "how many alerts per severity?", 3, "4 alerts: 2 critical, 1 warning, 1 info."),
        ("/pods", "how many pods are running in kube-system?", 2, "2 of 7 pods with phase Running and namespace kube-"),
        ("/campaigns", "top 3 campaigns by daily budget", 3, "The 3 with the highest daily budget: Always 120 USD;"),
        ("/containers/json", "list containers", 3, "3 containers: "),
    ],
)
def test_the_table_shows_what_the_sentence_says(
    path: str, question: str, rows: int, sentence: str, tmp_path: Path
) -> None:
    ran = ask(tmp_path, path, question)
    *table, text = ran.out.splitlines()
    assert text.startswith(sentence)
    assert len(table) == rows + 2


def test_what_the_question_is_about_is_a_column_of_the_table(tmp_path: Path) -> None:
    head, _, first, *_ = ask(tmp_path, "/campaigns", "top 3 campaigns by daily budget").out.splitlines()
    assert head.split()[:2] == ["name", "daily_budget"]
    assert first.split()[:3] == ["Always", "120", "USD"]


def test_json_lines_of_a_question_have_the_rows_and_the_raw_answer(tmp_path: Path) -> None:
    with Echo(Reply(200, WORLDS["/alerts"])) as api:
        words = ("-a", description(tmp_path, "/alerts"), "--base-url", api.url, "--planner", "offline")
        lines = run("ask", "show the critical alerts", "-o", "events", *words).lines
    (view,) = lines[-1]["views"]
    assert view["text"] == lines[-1]["text"]
    assert view["columns"][:2] == ["labels.alertname", "labels.severity"]
    assert [row["labels.instance"] for row in view["rows"]] == ["web-1:9100", "web-2:9100"]
    stepped = next(line for line in lines if line["event"] == "stepped")
    assert json.loads(stepped["result"]["text"]) == WORLDS["/alerts"]


@pytest.mark.parametrize("output", ["json", "ndjson"])
def test_json_is_the_raw_answer(tmp_path: Path, output: str) -> None:
    out = called(tmp_path, "/campaigns", WORLDS["/campaigns"], "listThem", "-o", output).out
    if output == "json":
        assert json.loads(out) == WORLDS["/campaigns"]
    else:
        assert [json.loads(line) for line in out.splitlines()] == CAMPAIGNS


@pytest.mark.parametrize(
    ("status", "body", "reason"),
    [
        (422, {"title": "Unprocessable", "detail": "name is taken"}, "Unprocessable: name is taken"),
        (404, {"message": "No such container: x"}, "No such container: x"),
        (502, b"<!doctype html><html><head><title>502 Bad Gateway</title></head></html>", "502 Bad Gateway"),
        (500, {"error": "\x1b[31mred\x1b[0m"}, "red"),
    ],
)
def test_a_failed_call_says_why_on_standard_error(status: int, body: Any, reason: str, tmp_path: Path) -> None:
    with Echo(Reply(status, body)) as api:
        ran = run("call", description(tmp_path, "/pods"), "listThem", "--base-url", api.url)
        words = ("-a", description(tmp_path, "/pods"), "--base-url", api.url, "--planner", "offline", "-o", "text")
        asked = run("ask", "list pods", *words)
    assert ran.err.splitlines()[1] == reason
    assert asked.out.splitlines()[-1] == f"The API answered {status}: {reason}."
    assert ran.code == asked.code == status // 100
