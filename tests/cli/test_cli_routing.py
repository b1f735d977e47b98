"""`nlapi ask --routing`: the user's own rules for who plans a question, what it may cost, and what is kept of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.kit import notes, run
from tests.messages_server import MessagesServer, say, use
from tests.servers import Echo

HAIKU = {"rules": [{"name": "cheap", "between": {"operations": {"below": 100}}, "version": "haiku"}]}


@pytest.fixture
def claude(monkeypatch: pytest.MonkeyPatch) -> Iterator[MessagesServer]:
    with MessagesServer([use("listNotes", {"status": "open"}), say("Only Milk.")] * 2, key="sk-test") as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test")
        yield server


def written(file: Path, document: Any) -> str:
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(document))
    return str(file)


def test_a_rule_sends_a_question_to_a_model_and_the_transcript_has_why_and_what_it_cost(
    api: Echo, claude: MessagesServer, tmp_path: Path
) -> None:
    routing = written(tmp_path / "mine.json", HAIKU)
    ran = run("ask", "show the open notes", "-a", notes(tmp_path, api.url), "--routing", routing, "-o", "text")
    assert (ran.code, ran.out) == (0, "Only Milk.\n")
    assert "rule cheap matched" in ran.err
    assert {request["model"] for request in claude.requests} == {"claude-haiku-5-5"}
    (decided,) = [one for one in run("log", "show", "last", "-o", "json").json if one["event"] == "planner"]
    assert decided["decision"] == {
        "objective": "nlapi.plan", "model": "planner", "version": "haiku", "rule": "cheap", "revision": 1,
        "reason": decided["decision"]["reason"]}  # fmt: skip
    assert decided["context"]["operations"] > 0
    told = run("log", "show", "last", "-o", "text").out
    assert "planner: claude-haiku-5-5 (haiku), as the embedded planner is" in told
    assert "tokens in, " in told
    assert "about $0.0" in told


def test_the_file_among_the_settings_counts_and_one_that_is_named_comes_before_it(
    api: Echo, claude: MessagesServer, tmp_path: Path
) -> None:
    source = notes(tmp_path, api.url)
    written(tmp_path / "config" / "routing.json", HAIKU)
    assert run("ask", "show the open notes", "-a", source).code == 0
    opus = written(tmp_path / "other.json", {"default": "opus"})
    assert run("ask", "show the open notes", "-a", source, "--routing", opus).code == 0
    assert [request["model"] for request in claude.requests] == [*["claude-haiku-5-5"] * 2, *["claude-opus-5-5"] * 2]


LOCAL = {"rules": [{"name": "mine", "when": {"changes": [False]}, "version": "local:qwen3:8b"}]}


def test_a_rule_may_name_a_model_of_this_machine_without_a_key_for_another(
    api: Echo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    routing = written(tmp_path / "mine.json", LOCAL)
    words = ("-a", notes(tmp_path, api.url), "--routing", routing, "-o", "ndjson", "--yes")
    with MessagesServer([say("Only Milk.")], models=("qwen3:8b",)) as server:
        monkeypatch.setenv("NLAPI_LOCAL_URL", server.url)
        asked = run("ask", "show the open notes", *words)
        changed = run("ask", "delete the note n1", *words)
    (chosen,) = [line for line in asked.lines if line["event"] == "planner"]
    assert (chosen["planner"], chosen["model"]) == ("claude", "local:qwen3:8b")
    assert chosen["decision"]["version"] == "local:qwen3:8b"
    assert asked.lines[-1]["text"] == "Only Milk."
    # What the rules leave open stays with the embedded planner where no other model can be asked.
    assert [line["decision"]["version"] for line in changed.lines if line["event"] == "planner"] == ["embedded"]
    assert api.only.method == "DELETE"


def test_what_questions_cost_before_counts_toward_the_cap_of_a_day(
    api: Echo, claude: MessagesServer, tmp_path: Path
) -> None:
    source = notes(tmp_path, api.url)
    routing = written(tmp_path / "mine.json", {"default": "sonnet", "most": {"day": 0.000001}})
    words = ("ask", "show the open notes", "-a", source, "--routing", routing, "-o", "ndjson")
    assert [line["planner"] for line in run(*words).lines if line["event"] == "planner"] == ["claude"]
    (second,) = [line for line in run(*words).lines if line["event"] == "planner"]
    assert (second["planner"], second["decision"]["rule"]) == ("offline", "most-day")
    assert second["context"]["spent_day"] > 0


@pytest.mark.parametrize(
    ("content", "words", "said"),
    [
        (None, (), "there is no file"),
        ("{", (), "cannot be read"),
        ('{"default": "gpt"}', (), "is not a routing of planners"),
        ("{}", ("--planner", "model"), "--routing decides between planners"),
        ('{"default": "local"}', (), "local names no model"),
    ],
)
def test_a_routing_that_cannot_be_used_is_said_in_one_line(
    tmp_path: Path, content: str | None, words: tuple[str, ...], said: str
) -> None:
    file = tmp_path / "mine.json"
    if content is not None:
        file.write_text(content)
    ran = run("ask", "show the open notes", "-a", notes(tmp_path), "--routing", str(file), *words)
    assert ran.code == 2
    assert said in ran.complaint
