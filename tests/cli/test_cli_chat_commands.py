"""The commands of `nlapi chat`: what it cost, what there is, which model plans, and the plan of a question."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.kit import NOTES, Ran, notes, run
from tests.messages_server import MessagesServer, message, say, text_block, thinking, use
from tests.servers import Echo


def chat(source: str, *lines: str, options: tuple[str, ...] = ()) -> Ran:
    return run("chat", "-a", source, *options, stdin="".join(f"{line}\n" for line in lines))


def test_help_lists_every_command_in_80_columns(tmp_path: Path) -> None:
    ran = chat(notes(tmp_path), "/help")
    assert [line.split()[0] for line in ran.out.splitlines()] == ["/cost", "/tools", "/model", "/plan", "/help"]
    assert all(len(line) <= 80 for line in ran.out.splitlines())


@pytest.mark.parametrize("line", ["/costs", "/Exit", "/notes please"])
def test_a_command_that_there_is_not_is_an_error_and_the_chat_goes_on(api: Echo, tmp_path: Path, line: str) -> None:
    ran = chat(notes(tmp_path, api.url), line, "list the notes", options=("--planner", "offline"))
    assert f"error: there is no command {line.split()[0].lower()} (/help lists the commands" in ran.err
    assert api.only.path == "/notes"


def test_cost_is_that_of_the_chat_and_of_the_last_question(api: Echo, claude: MessagesServer, tmp_path: Path) -> None:
    claude.script[:] = [use("listNotes", {}), say("Two."), say("Yes.")]
    options = ("--planner", "model", "--max-usd", "1")
    ran = chat(notes(tmp_path, api.url), "/cost", "how many?", "sure?", "/cost", options=options)
    before, after = ran.out.split("Two.\nYes.\n")
    assert before.splitlines() == ["no model was asked in this chat", "$1.0000 are left of $1 (--max-usd)"]
    assert after.splitlines() == [
        "this chat: 3 requests, 300 tokens in, 60 out, about $0.0012 (prices of 2026-11)",
        "the last question: 100 tokens in, 20 out, about $0.0004 (prices of 2026-11)",
        "$0.9988 are left of $1 (--max-usd)",
    ]


def test_of_a_model_without_a_price_there_are_tokens_and_no_dollars(
    claude: MessagesServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claude.script[:] = [say("Yes.")]
    ran = chat(notes(tmp_path), "well?", "/cost", options=("--planner", "model", "--model", "claude-of-mine"))
    assert ran.out.splitlines()[1] == "this chat: 1 request, 100 tokens in, 20 out; 1 of them has no known price"
    assert "$" not in ran.out


def test_tools_are_the_areas_or_the_operations_that_fit(tmp_path: Path) -> None:
    source = notes(tmp_path)
    areas = chat(source, "/tools").out
    assert areas.splitlines()[0].split() == ["area", "operations"]
    assert ["notes", "6"] in [line.split() for line in areas.splitlines()]
    found = chat(source, "/tools delete a note").out.splitlines()
    assert found[2].split() == ["deleteNote", "destroy", "Delete", "a", "note"]
    assert "nothing is about 'zebra crossing'" in chat(source, "/tools zebra crossing").err


def test_tools_of_several_apis_say_which(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = notes(tmp_path / "other", info={"title": "Pads", "version": "1"})
    areas = run("chat", "-a", notes(tmp_path), "-a", other, stdin="/tools\n").out
    assert {line.split()[0] for line in areas.splitlines()[2:]} == {"Notes", "Pads"}


def test_the_plan_of_the_last_question_is_shown_again(api: Echo, tmp_path: Path) -> None:
    lines = ("/plan", "delete the note n1", "/plan")
    ran = chat(notes(tmp_path, api.url), *lines, options=("--planner", "offline", "--yes"))
    first, rest = ran.out.split("\n", 1)
    assert first == "there is no plan yet; /plan QUESTION makes one and sends nothing"
    assert 'deleteNote {"note": "n1"}: takes something away' in rest
    assert 'note <- "n1"' in rest


def test_a_question_is_planned_without_sending_and_the_chat_goes_on(api: Echo, tmp_path: Path) -> None:
    lines = ("/plan delete the note n1", "delete the note n1")
    ran = chat(notes(tmp_path, api.url), *lines, options=("--planner", "offline", "--yes"))
    assert f"DELETE {api.url}/notes/n1" in ran.out
    assert "Dry run: the call is shown above; nothing was sent." in ran.out
    assert [request.method for request in api.received] == ["DELETE"]
    events = [record["event"] for record in run("log", "show", "last").lines]
    assert events.count("asked") == 2


def test_a_plan_that_lacks_something_says_what(tmp_path: Path) -> None:
    ran = chat(notes(tmp_path), "/plan get a note", "", options=("--planner", "offline"))
    assert "getNote needs note" in ran.err
    again = chat(notes(tmp_path), "/plan get a note", "/plan", options=("--planner", "offline"))
    assert "  lacks note" in again.out.splitlines()


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> Any:
    with MessagesServer([], models=("qwen",)) as server:
        monkeypatch.setenv("NLAPI_LOCAL_URL", server.url)
        yield server


def test_a_model_takes_over_the_conversation(
    api: Echo, claude: MessagesServer, local: MessagesServer, tmp_path: Path
) -> None:
    """What one model thought is not shown to the other: it is signed for the first."""
    local.script[:] = [message(thinking("Hm."), text_block("Milk and rent."))]
    claude.script[:] = [say("As it said.")]
    lines = ("what is there?", "/model haiku", "really?", "/model")
    ran = chat(notes(tmp_path, api.url), *lines, options=("--planner", "model", "--model", "local:qwen3:8b"))
    assert ran.out.splitlines() == ["Milk and rent.", "claude-haiku-5-5 plans", "As it said.", "claude-haiku-5-5 plans"]
    (request,) = claude.requests
    assert request["model"] == "claude-haiku-5-5"
    texts = json.dumps(request["messages"])
    assert "what is there?" in texts and "Milk and rent." in texts and "Hm." not in texts
    assert (claude.refused, local.refused) == ([], [])


def test_model_chooses_between_the_planners_too(api: Echo, claude: MessagesServer, tmp_path: Path) -> None:
    claude.script[:] = [say("Two notes.")]
    lines = ("/model", "/model opus", "list the notes", "/model offline", "list the notes", "/model auto", "/model")
    ran = chat(notes(tmp_path, api.url), *lines)
    assert [line for line in ran.out.splitlines() if "plan" in line] == [
        "auto: the embedded planner where it is sure, else claude-sonnet-5-5",
        "claude-opus-5-5 plans",
        "offline: the embedded planner, without a model",
        "auto: the embedded planner where it is sure, else claude-opus-5-5",
        "auto: the embedded planner where it is sure, else claude-opus-5-5",
    ]
    assert [request["model"] for request in claude.requests] == ["claude-opus-5-5"]
    assert api.only.path == "/notes"


@pytest.mark.parametrize(
    ("word", "says"),
    [
        ("gpt", "there is no model 'gpt' (there are auto, offline, fable"),
        ("local:", "--model local: names no model"),
        ("local", "local names no model (set NLAPI_LOCAL_MODEL"),
        ("haiku", "the key for claude-haiku-5-5 is missing"),
    ],
)
def test_a_model_that_cannot_be_asked_is_an_error_and_nothing_changes(
    api: Echo, tmp_path: Path, word: str, says: str
) -> None:
    ran = chat(notes(tmp_path, api.url), f"/model {word}", "/model", "list the notes")
    assert f"error: {says}" in ran.err
    assert ran.out.splitlines()[0] == "auto: the embedded planner, as there is no key for claude-sonnet-5-5"
    assert api.only.path == "/notes"


def test_all_models_of_a_chat_spend_from_one_cap(claude: MessagesServer, tmp_path: Path) -> None:
    claude.script[:] = [{**say("One."), "usage": {"input_tokens": 8_000, "output_tokens": 100}}, say("Two.")]
    lines = ("well?", "/model opus", "and now?")
    ran = chat(notes(tmp_path), *lines, options=("--planner", "model", "--max-usd", "0.02"))
    assert "$0.0170 are spent" in ran.out
    assert len(claude.requests) == 1


def test_the_paths_of_a_description_are_no_commands(tmp_path: Path) -> None:
    assert "/notes" in NOTES["paths"]
    ran = chat(notes(tmp_path), "/notes/n1", options=("--planner", "offline"))
    assert "there is no command" not in ran.err
