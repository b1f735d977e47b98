"""`nlapi ask` with the embedded planner: no key, no network but the API itself."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.kit import SHARED, Ran, command, dialogue, notes, run
from tests.servers import Echo


def ask(api: Echo, folder: Path, question: str, *options: str) -> Ran:
    return run("ask", question, "-a", notes(folder, api.url), "--planner", "offline", *options)


def test_text_is_a_table_and_a_sentence_and_the_call_goes_to_standard_error(api: Echo, tmp_path: Path) -> None:
    # A file or a pipe has the answer, as a terminal has.
    words = ("ask", "show the open notes", "-a", notes(tmp_path, api.url), "--planner", "offline")
    ran = command(*words)
    assert ran.code == 0
    assert ran.out.splitlines()[0].split() == ["title", "id", "status"]
    assert ran.out.splitlines()[2].split() == ["Milk", "n1", "open"]
    assert "1 note" in ran.out.splitlines()[-1]
    assert ran.err.startswith("understood: ")
    assert f"GET {api.url}/notes?status=open" not in ran.err
    assert f"GET {api.url}/notes?status=open" in command(*words, "-v").err
    assert api.received[0].target == "/notes?status=open"


def test_ndjson_is_one_event_a_line(api: Echo, tmp_path: Path) -> None:
    ran = ask(api, tmp_path, "show the open notes", "-o", "ndjson")
    assert (ran.code, ran.err) == (0, "")
    events = [event["event"] for event in ran.lines]
    assert (events[0], events[-1]) == ("planned", "answered")
    stepped = next(event for event in ran.lines if event["event"] == "stepped")
    assert (stepped["outcome"], stepped["result"]["status"]) == ("done", 200)


def test_the_question_needs_no_quotes(api: Echo, tmp_path: Path) -> None:
    source = notes(tmp_path, api.url)
    assert run("ask", "show", "the", "open", "notes", "-a", source, "--planner", "offline").code == 0
    assert api.only.target == "/notes?status=open"


def test_without_a_key_the_embedded_planner_is_used(api: Echo, tmp_path: Path) -> None:
    ran = run("ask", "show the open notes", "-a", notes(tmp_path, api.url), "-o", "events")
    assert ran.lines[0]["planner"] == "offline"


@pytest.mark.parametrize("form", ["text", "ndjson"])
def test_what_is_missing_is_named_and_nothing_is_sent(api: Echo, tmp_path: Path, form: str) -> None:
    ran = ask(api, tmp_path, "get a note", "-o", form)
    assert (ran.code, api.received) == (7, [])
    assert "--set note=" in ran.err.splitlines()[-1]
    if form == "ndjson":
        assert ran.lines[-1]["missing"][0]["argument"] == "note"


def test_a_value_that_is_set_fills_it(api: Echo, tmp_path: Path) -> None:
    assert ask(api, tmp_path, "get a note", "--set", "note=n2").code == 0
    # An argument is shown, so it is no place for a reference; one of this form that refers to nothing is a text.
    refused = ask(api, tmp_path, "get a note", "--set", "note=env:PATH")
    assert (refused.code, '--set note="$PATH"' in refused.err) == (2, True)
    assert api.only.target == "/notes/n2"


def test_a_value_of_the_profile_fills_it_and_a_given_one_goes_over_it(api: Echo, tmp_path: Path) -> None:
    assert run("api", "add", "mine", notes(tmp_path), "--set", "note=n1", "--base-url", api.url).code == 0
    assert run("ask", "get a note", "--planner", "offline").code == 0
    assert run("ask", "get a note", "-a", "mine", "--set", "note=n2", "--planner", "offline").code == 0
    assert run("call", "mine", "getNote").code == 0
    assert [request.target for request in api.received] == ["/notes/n1", "/notes/n2", "/notes/n1"]


def test_at_a_terminal_what_is_missing_is_asked_for(api: Echo, tmp_path: Path) -> None:
    with dialogue("ask", "get a note", "-a", notes(tmp_path, api.url), "--planner", "offline") as terminal:
        terminal.expect("The id of a note")
        terminal.expect("note: ")
        terminal.type("n2\n")
        terminal.expect("Rent")
        assert terminal.end() == 0
    assert api.only.target == "/notes/n2"


def test_the_answer_of_the_api_decides_the_exit_code(api: Echo, tmp_path: Path) -> None:
    ran = ask(api, tmp_path, "get the note n9", "-o", "text")
    assert (ran.code, ran.out) == (4, "The API answered 404: no such note.\n")


def test_a_question_about_something_else_is_said_to_be_one(api: Echo, tmp_path: Path) -> None:
    ran = ask(api, tmp_path, "xyzzy plugh", "-o", "text")
    assert (ran.code, ran.err, api.received) == (7, "", [])
    assert "Notes" in ran.out


def test_a_very_long_question_is_answered(api: Echo, tmp_path: Path) -> None:
    assert ask(api, tmp_path, "really " * 1400 + "show the open notes").code in (0, 7)


def test_consent_is_typed_while_the_answer_goes_into_a_file(api: Echo, tmp_path: Path) -> None:
    file = tmp_path / "answer.txt"
    words = ("ask", "delete the note n1", "-a", notes(tmp_path, api.url), "--planner", "offline", "-o", "text")
    with file.open("wb") as out, dialogue(*words, stdout=out) as terminal:
        terminal.expect("deleteNote takes something away. Send it? [y/N/always/edit]: ")
        terminal.type("y\n")
        assert terminal.end() == 0
    assert file.read_text() == "Deleted the note n1.\n"


def test_ctrl_c_at_the_question_ends_it_at_once_and_the_transcript_says_that_nothing_was_sent(
    api: Echo, tmp_path: Path
) -> None:
    with dialogue("ask", "delete the note n1", "-a", notes(tmp_path, api.url), "--planner", "offline") as terminal:
        terminal.expect("[y/N/always/edit]: ")
        terminal.interrupt()
        terminal.expect("interrupted")
        assert terminal.end() == 130
    assert api.changes == []
    assert "Traceback" not in terminal.seen
    (transcript,) = tmp_path.glob("state/log/*")
    last = json.loads(transcript.read_text().splitlines()[-1])
    assert (last["event"], last["outcome"], last["call"]["operation"]) == ("stepped", "refused", "deleteNote")


@pytest.mark.skipif(not (SHARED / "data").is_dir(), reason="the shared data is not here")
def test_a_real_description_of_115_operations() -> None:
    source = str(SHARED / "data/specs/spotify-ads.yaml")
    words = ("ask", "show me the active campaigns", "-a", source, "--planner", "offline", "--dry-run", "-o", "text")
    asked = run(*words)
    assert asked.code == 7
    (line,) = [line for line in asked.out.splitlines() if "GET " in line]
    url, _, query = line.split("GET ")[1].partition("?")
    assert url.endswith("/ad_accounts/{ad_account_id}/campaigns")
    assert "ACTIVE" in query
    assert "ad_account_id" in asked.err
    given = run(*words, "--set", "ad_account_id=abc")
    assert given.code == 0
    assert f"GET {url.replace('{ad_account_id}', 'abc')}?{query}" in given.out
