"""A conversation of three steps with one change, through the real command, real HTTP and a scripted Claude."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.kit import BEARER, NOTES, command, dialogue, notes, run
from tests.messages_server import MessagesServer, error, say, use
from tests.servers import Echo

QUESTION = "create a note called Plumber with 2 points"


def script() -> list[Any]:
    return [
        use("listNotes", {"status": "open"}, text="Let me look first."),
        use("createNote", {"title": "Plumber", "points": 2}),
        use("getNote", {"note": "n1"}),
        say("It is noted as n3, after n1."),
    ]


@pytest.fixture
def claude(monkeypatch: pytest.MonkeyPatch) -> Iterator[MessagesServer]:
    with MessagesServer(script(), key="sk-test") as server:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test")
        yield server


def asked(api: Echo, folder: Path) -> tuple[str, ...]:
    return ("ask", "-o", "events", QUESTION, "-a", notes(folder, api.url), "--planner", "claude")


def sent(api: Echo) -> list[str]:
    return [f"{request.method} {request.target}" for request in api.received]


ALL = ["GET /notes?status=open", "POST /notes", "GET /notes/n1"]


def test_with_consent_given_in_advance_each_call_is_sent_once(
    api: Echo, claude: MessagesServer, tmp_path: Path
) -> None:
    ran = command(*asked(api, tmp_path), "--yes")
    assert (ran.code, ran.err) == (0, "")
    assert sent(api) == ALL
    assert api.received[1].json() == {"title": "Plumber", "points": 2}
    assert claude.refused == []
    assert len(claude.requests) == 4
    events = [event["event"] for event in ran.lines if event["event"] != "said"]
    assert events == [*(("planned", "proposed", "stepped") * 3), "planned", "answered"]
    assert ran.lines[-1]["text"] == "It is noted as n3, after n1."


def test_without_consent_the_change_never_reaches_the_api(api: Echo, claude: MessagesServer, tmp_path: Path) -> None:
    ran = command(*asked(api, tmp_path))
    assert ran.code == 6
    assert sent(api) == ALL[:1]
    assert "createNote" in ran.complaint
    assert "--yes" in ran.complaint
    proposed, stepped = ran.lines[-2:]
    assert (proposed["event"], proposed["asks"]) == ("proposed", True)
    assert (stepped["event"], stepped["outcome"]) == ("stepped", "refused")


def test_in_a_dry_run_nothing_is_sent(api: Echo, claude: MessagesServer, tmp_path: Path) -> None:
    ran = run(*asked(api, tmp_path), "--dry-run", "-o", "text")
    assert (ran.code, api.received) == (0, [])
    assert f"GET {api.url}/notes?status=open" in ran.out


def test_text_is_the_answer_on_standard_output_and_the_calls_on_standard_error(
    api: Echo, claude: MessagesServer, tmp_path: Path
) -> None:
    ran = run(*asked(api, tmp_path), "--yes", "-o", "text")
    assert ran.code == 0
    assert ran.out == "Let me look first.\nIt is noted as n3, after n1.\n"
    assert "curl" in ran.err
    assert "← 201 Created" in ran.err


def test_a_change_is_sent_after_a_typed_yes(api: Echo, claude: MessagesServer, tmp_path: Path) -> None:
    with dialogue(*asked(api, tmp_path)) as terminal:
        terminal.expect("createNote changes something. Send it? [y/N/always/edit]: ")
        assert sent(api) == ALL[:1]
        terminal.type("y\n")
        terminal.expect("It is noted as n3")
        assert terminal.end() == 0
    assert '"title": "Plumber"' in terminal.seen
    assert sent(api) == ALL


def test_a_typed_no_goes_back_to_the_planner_and_nothing_is_sent(
    api: Echo, claude: MessagesServer, tmp_path: Path
) -> None:
    claude.script[2:] = [say("Then I leave it.")]
    with dialogue(*asked(api, tmp_path)) as terminal:
        terminal.expect("[y/N")
        terminal.type("n\n")
        terminal.expect("Then I leave it.")
        assert terminal.end() == 6
    assert sent(api) == ALL[:1]


def test_a_chat_remembers_what_was_done_before_an_error(api: Echo, claude: MessagesServer, tmp_path: Path) -> None:
    claude.script[:] = [
        use("createNote", {"title": "Plumber"}),
        error(400, "broken for a test"),
        lambda request: say(f"I remember {json.dumps(request['messages']).count('n3')} of it."),
    ]
    words = ("chat", "-a", notes(tmp_path, api.url), "--planner", "claude", "--yes")
    ran = run(*words, stdin="note the plumber\nand now?\n")
    assert ran.code == 0
    assert "error: the Anthropic API answered 400" in ran.err
    assert ran.out == "I remember 1 of it.\n"
    assert sent(api) == ["POST /notes"]
    assert claude.refused == []


def test_the_key_and_the_credential_are_in_no_output_and_no_transcript(
    api: Echo, claude: MessagesServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = notes(tmp_path, api.url, **BEARER)
    words = ("ask", QUESTION, "-a", source, "--planner", "claude", "--yes", "--auth", "token=env:NOTES_TOKEN")
    monkeypatch.setenv("NOTES_TOKEN", "t0ken-of-the-notes")
    ran = run(*words)
    assert ran.code == 0
    assert {request.header("authorization") for request in api.received} == {"Bearer t0ken-of-the-notes"}
    (transcript,) = tmp_path.glob("state/log/*")
    for secret in ("t0ken-of-the-notes", "sk-test"):
        assert secret not in ran.out + ran.err + transcript.read_text()
        assert secret not in json.dumps(claude.requests)


def test_a_key_that_is_not_accepted_is_one_line(
    api: Echo, claude: MessagesServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-wrong")
    ran = run(*asked(api, tmp_path))
    assert ran.code == 1
    assert "does not accept the key" in ran.complaint
    assert "sk-wrong" not in ran.err


def test_data_of_one_api_goes_to_another_only_with_consent(api: Echo, claude: MessagesServer, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = tmp_path / "other" / "pads.json"
    other.write_text(json.dumps({**NOTES, "info": {"title": "Pads", "version": "1"}, "servers": [{"url": api.url}]}))
    steps = [use("notes_listNotes", {}), use("pads_createNote", {"title": "Milk"}), say("Copied.")]
    words = (
        "ask",
        "-o",
        "events",
        "create a note called Milk at the pads as well",
        "-a",
        notes(tmp_path, api.url),
        "-a",
        str(other),
    )
    for options, code in ((["--yes"], 6), (["--yes", "--across"], 0)):
        claude.script[:] = steps
        ran = run(*words, "--planner", "claude", *options)
        assert (ran.code, ran.err) == (code, ran.err if code else "")
    assert sent(api).count("POST /notes") == 1
