"""`nlapi chat` and `nlapi ask`: turns that lean on others, a choice that is offered, and which planner goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.kit import NOTES, dialogue, notes, run
from tests.messages_server import MessagesServer, say, use
from tests.servers import Echo, Received, Reply

AMBIGUOUS = "tidy notes swiftly somehow"
"""It fits two operations alike and says nothing that tells which of them, so that every plan for it is a guess."""
TWINS = {
    f"/{word}/notes": {
        "get": {"operationId": f"{word}Notes", "summary": f"{word.title()} notes", "responses": {"200": {}}}
    }
    for word in ("kappa", "sigma")
}


def chat(api: Echo, folder: Path, *lines: str, options: tuple[str, ...] = ()) -> Any:
    words = ("chat", "-a", notes(folder, api.url), "--planner", "offline", *options)
    return run(*words, stdin="".join(f"{line}\n" for line in lines))


def test_the_second_one_then_it(api: Echo, tmp_path: Path) -> None:
    ran = chat(api, tmp_path, "list the notes", "show the second one", "delete it", options=("--yes",))
    assert [(request.method, request.path) for request in api.received] == [
        ("GET", "/notes"),
        ("GET", "/notes/n2"),
        ("DELETE", "/notes/n2"),
    ]
    assert "Deleted the note n2." in ran.out


def test_and_the_done_ones(api: Echo, tmp_path: Path) -> None:
    chat(api, tmp_path, "list the open notes", "and the done ones?")
    assert [request.target for request in api.received] == ["/notes?status=open", "/notes?status=done"]


@pytest.mark.parametrize("farewell", ["exit", "Quit", "bye", ""])
def test_a_farewell_ends_a_chat_that_began_with_how_to_end_it(api: Echo, tmp_path: Path, farewell: str) -> None:
    ran = chat(api, tmp_path, farewell, "list the notes")
    assert (ran.code, api.received) == (0, [])
    assert ran.err.startswith("Notes: say what you want in plain English; /help lists commands, exit or an empty line")


def test_what_was_missing_is_given_in_the_next_line(api: Echo, tmp_path: Path) -> None:
    ran = chat(api, tmp_path, "get a note", "n2")
    assert "note" in ran.err
    assert api.only.target == "/notes/n2"


def test_a_menu_is_shown_and_ends_with_7_where_nobody_can_choose(api: Echo, tmp_path: Path) -> None:
    words = ("ask", AMBIGUOUS, "-a", notes(tmp_path, api.url, paths=TWINS), "--planner", "offline")
    ran = run(*words, "-o", "ndjson")
    assert (ran.code, api.received) == (7, [])
    offered = ran.lines[-1]
    assert offered["event"] == "offered"
    assert {choice["operation"] for choice in offered["choices"]} == {"kappaNotes", "sigmaNotes"}
    assert offered["choices"][0].keys() >= {"arguments", "does", "method", "path"}
    text = run(*words, "-o", "text")
    assert text.code == 7
    assert [line[:3] for line in text.out.splitlines()] == ["Whi", "1. ", "2. "]
    assert "may mean any of" in text.err


def test_at_a_terminal_a_number_chooses(api: Echo, tmp_path: Path) -> None:
    words = ("ask", AMBIGUOUS, "-a", notes(tmp_path, api.url, paths=TWINS), "--planner", "offline")
    second = run(*words, "-o", "ndjson").lines[-1]["choices"][1]["path"]
    with dialogue(*words) as terminal:
        terminal.expect("Which of these do you mean?")
        terminal.expect("1 to 2, or nothing: ")
        terminal.type("2\n")
        terminal.end()
    assert api.only.path == second


def test_in_a_chat_the_next_line_chooses(api: Echo, tmp_path: Path) -> None:
    source = notes(tmp_path, api.url, paths=TWINS)
    run("chat", "-a", source, "--planner", "offline", stdin=f"{AMBIGUOUS}\n1\n")
    assert api.only.path in TWINS


def test_of_several_apis_the_answer_says_which(api: Echo, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / "pads.json"
    paths = {"/pads": {"get": {"operationId": "listPads", "summary": "List pads", "responses": {"200": {}}}}}
    document = {**NOTES, "info": {"title": "Pads", "version": "1"}, "paths": paths, "servers": [{"url": api.url}]}
    other.write_text(json.dumps(document))
    words = ("-a", notes(tmp_path, api.url), "-a", str(other), "--planner", "offline", "-o", "text")
    assert run("ask", "show the open notes", *words).out.splitlines()[-1].startswith("Notes: 1 note")
    run("ask", "list the pads", *words)
    assert api.received[-1].path == "/pads"


def test_without_an_api_named_all_registered_ones_are_asked(api: Echo, tmp_path: Path) -> None:
    for name in ("one", "two"):
        assert run("api", "add", name, notes(tmp_path, api.url)).code == 0
    assert run("ask", "show the open notes", "--planner", "offline").code == 0
    assert api.only.target == "/notes?status=open"


@pytest.fixture
def claude(monkeypatch: pytest.MonkeyPatch) -> Iterator[MessagesServer]:
    with MessagesServer([use("listNotes", {"status": "open"}), say("Only Milk.")], key="sk-test") as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test")
        yield server


def test_auto_plans_without_claude_where_the_embedded_planner_is_sure(
    api: Echo, claude: MessagesServer, tmp_path: Path
) -> None:
    ran = run("ask", "show the note n1", "-a", notes(tmp_path, api.url), "-o", "ndjson")
    assert ran.code == 0
    assert ran.lines[0].keys() == {"event", "planner", "why", "decision", "context"}
    assert ran.lines[0]["decision"]["version"] == "embedded"
    assert (ran.lines[0]["event"], ran.lines[0]["planner"]) == ("planner", "offline")
    assert claude.requests == []


def test_auto_asks_claude_where_the_embedded_planner_is_not_sure_and_says_why(
    api: Echo, claude: MessagesServer, tmp_path: Path
) -> None:
    question = "what did I mean to buy, and is the rent paid, all things considered?"
    ran = run("ask", question, "-a", notes(tmp_path, api.url), "-o", "text")
    assert ran.code == 0
    assert "planner: claude-sonnet-5-5, as the embedded planner " in ran.err
    assert ran.out == "Only Milk.\n"
    assert claude.refused == []


def test_money_of_the_answer_is_in_human_units(tmp_path: Path) -> None:
    def answer(request: Received) -> Reply:
        return Reply(
            200, [{"id": "1", "name": "Lamp", "price_micros": 2_500_000}, {"id": "2", "name": "Pen", "price_micros": 0}]
        )

    with Echo(answer) as server:
        paths = {"/items": {"get": {"operationId": "listItems", "summary": "List items", "responses": {"200": {}}}}}
        file = tmp_path / "items.json"
        file.write_text(json.dumps({**NOTES, "paths": paths, "servers": [{"url": server.url}]}))
        ran = run("ask", "which item is the most expensive?", "-a", str(file), "--planner", "offline", "-o", "text")
    assert ran.out.splitlines()[-1] == "Lamp has the highest price: 2.50 (of 2 items)."
