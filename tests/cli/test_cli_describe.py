"""`nlapi describe`, and the help of one operation."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from tests.cli.kit import notes, run


def test_an_operation_is_described_with_types_choices_and_the_source_of_its_ids(tmp_path: Path) -> None:
    source = notes(tmp_path)
    record = run("describe", source, "getNote").json
    (note,) = record["arguments"]
    assert (note["name"], note["required"], note["type"]) == ("note", True, "string")
    assert note["from"]["operation"] == "listNotes"
    arguments = {row["name"]: row for row in run("describe", source, "listNotes").json["arguments"]}
    assert arguments["status"]["choices"] == ["open", "done"]
    assert arguments["label"]["type"] == "string[]"
    assert run("describe", source, "deleteNote").json["effect"] == "destroy"


def test_call_with_an_operation_and_help_describes_it_and_sends_nothing(tmp_path: Path) -> None:
    source = notes(tmp_path)
    ran = run("call", source, "createNote", "--help")
    assert ran.code == 0
    assert "POST /notes (changes something: asks first)" in ran.out
    assert "title*  string" in ran.out
    assert f"nlapi call {source} createNote title=" in ran.out
    assert run("call", source, "creatNote", "-h").complaint.rpartition("(")[2].startswith("did you mean 'createNote'")
    assert "Usage" in run("call", "--help").out
    assert "Usage" in run("call", source, "--help").out


def test_every_example_of_the_bundled_api_is_accepted() -> None:
    for row in run("describe", "ads").json["resources"]:
        for entry in row["operations"]:
            for example in run("describe", "ads", entry["operation"]).json["examples"]:
                words = shlex.split(example)[1:]
                # The id that a list before it gives is a placeholder.
                if not any(word.partition("=")[2].endswith("_ID") for word in words):
                    ran = run(*words, *(() if "--dry-run" in words else ("--dry-run",)))
                    assert ran.code == 0, f"{example}\n{ran.err}"


def test_resources_are_listed_with_what_one_can_do(tmp_path: Path) -> None:
    record = run("describe", "ads").json
    campaign = next(row for row in record["resources"] if row["resource"] == "campaign")
    assert campaign["can"] == ["list", "create", "read", "delete", "update"]
    assert record["operations"] == 40
    rows = run("describe", "ads", "campaigns").json
    assert [row["operation"] for row in rows][:2] == ["listCampaigns", "createCampaign"]
    assert run("describe", "ads", "campain").complaint.startswith("ads has no operation 'campain'")
    table = run("describe", notes(tmp_path), "-o", "table")
    assert "note" in table.out


def test_the_graph_has_the_resources_and_the_flow_of_their_ids() -> None:
    graph = run("describe", "ads", "--graph").out
    assert graph.startswith("flowchart LR\n")
    assert '"campaign<br/>list, create, read, delete, update"' in graph
    assert '|"campaign_id"|' in graph
    assert run("describe", "ads", "listAds", "--graph").code == 2


@pytest.mark.parametrize("columns", ["40", "30"])
def test_a_narrow_terminal_is_not_overrun(columns: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    ran = run("describe", "ads", "createAdSet", "-o", "table")
    # A command that is copied, and a word that is longer than the terminal, stay whole.
    long = [line for line in ran.out.splitlines() if len(line) > int(columns)]
    assert all(line.startswith("   nlapi call") or " " not in line.strip() for line in long), long
