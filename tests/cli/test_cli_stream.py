"""Answers that go on and on, at the command line: printed as they come, kept when they are stopped."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.cli.kit import NLAPI, dialogue, run
from tests.servers import END, Script, chunk, head

SSE = "text/event-stream"
EVENTS = chunk(b'event: add\ndata: {"n": 1}\n\n') + chunk(b"data: two\n\n") + chunk(b"data: cut")
ITEMS = [{"event": "add", "data": {"n": 1}}, {"data": "two"}]
PROGRESS = chunk(b'{"status": "Pulling", "n": 1}\r\n') + chunk(b'{"status": "Waiting", "n": 2}\r\n')


def _operation(id: str, summary: str, *switches: str) -> dict[str, Any]:
    parameters = [{"name": name, "in": "query", "schema": {"type": "boolean"}} for name in switches]
    return {
        "operationId": id,
        "summary": summary,
        "parameters": parameters,
        "responses": {"200": {"description": "ok"}},
    }


def news(folder: Path, url: str) -> str:
    """The path of a small description: events, a log, a pull."""
    paths = {
        "/events": {"get": _operation("watchEvents", "Watch the events")},
        "/log": {"get": _operation("readLog", "Read the log", "follow")},
        "/pull": {"post": _operation("pullImage", "Pull an image")},
    }
    file = folder / "news.json"
    info = {"title": "News", "version": "1"}
    file.write_text(json.dumps({"openapi": "3.1.0", "info": info, "servers": [{"url": url}], "paths": paths}))
    return str(file)


# What is printed when the time is over


def test_what_came_is_printed_and_the_exit_code_is_0(tmp_path: Path) -> None:
    with Script(head(SSE) + EVENTS, Script.SILENCE) as server:
        ran = run("call", news(tmp_path, server.url), "watchEvents", "--timeout", "1")
    assert (ran.code, ran.json) == (0, ITEMS)
    assert re.search(r"the answer was cut after [\d.]+ s with 2 events, while it was still going on", ran.err)
    assert "--timeout SECONDS" in ran.err
    assert "--events N" in ran.err


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (["-o", "ndjson"], "".join(f"{json.dumps(item)}\n" for item in ITEMS)),
        (["--jq", ".data"], '{"n": 1}\ntwo\n'),
        (["--jq", '.data | objects', "-o", "raw"], '{"n": 1}\n'),
        (["-o", "raw"], 'event: add\ndata: {"n": 1}\n\ndata: two\n\ndata: cut'),
    ],
)  # fmt: skip
def test_it_is_printed_as_it_is_wanted(words: list[str], printed: str, tmp_path: Path) -> None:
    with Script(head(SSE) + EVENTS, Script.SILENCE) as server:
        ran = run("call", news(tmp_path, server.url), "watchEvents", "--timeout", "1", *words)
    assert (ran.code, ran.out) == (0, printed)


def test_a_number_of_events_ends_it(tmp_path: Path) -> None:
    with Script(head(SSE) + EVENTS, Script.PARTING) as server:
        ran = run("call", news(tmp_path, server.url), "watchEvents", "--events", "1")
        assert server.parted.wait(120)
    assert (ran.code, ran.json) == (0, ITEMS[:1])
    assert "cut after 1 event in" in ran.err


def test_who_asks_for_events_says_that_it_streams(tmp_path: Path) -> None:
    with Script(head("text/plain") + chunk(b"one\ntwo\nthr"), Script.PARTING) as server:
        ran = run("call", news(tmp_path, server.url), "readLog", "--events", "2")
    assert (ran.code, ran.out) == (0, "one\ntwo\n")


def test_an_ordinary_answer_that_stops_says_how_a_stream_would_be_read(tmp_path: Path) -> None:
    with Script(head("text/plain") + chunk(b"one\ntwo\nthr"), Script.SILENCE) as server:
        ran = run("call", news(tmp_path, server.url), "readLog", "--timeout", "0.3")
    assert (ran.code, ran.out) == (1, "")
    assert "timed out after 0.3 s" in ran.complaint
    assert "--events N" in ran.complaint


def test_a_text_that_is_followed_is_printed_as_it_is(tmp_path: Path) -> None:
    with Script(head("text/plain") + chunk(b"one\n") + chunk(b"two\nthr"), END) as server:
        source = news(tmp_path, server.url)
        assert run("call", source, "readLog", "follow=true").out == "one\ntwo\nthr"
        assert run("call", source, "readLog", "follow=true", "-o", "json").json == ["one", "two", "thr"]
        assert run("call", source, "readLog", "follow=true", "-o", "ndjson").lines == ["one", "two", "thr"]
        assert run("call", source, "readLog").out == "one\ntwo\nthr"


def test_frames_are_lines_also_when_nobody_follows(tmp_path: Path) -> None:
    frames = b"\1\0\0\0\0\0\0\6out 1\n\2\0\0\0\0\0\0\4err\n"
    items = [{"stream": "stdout", "text": "out 1"}, {"stream": "stderr", "text": "err"}]
    with Script(head() + chunk(frames), END) as server:
        source = news(tmp_path, server.url)
        assert run("call", source, "readLog", "-o", "ndjson").lines == items
        assert run("call", source, "readLog").json == items
        with dialogue("call", source, "readLog") as terminal:
            assert terminal.end() == 0
        assert "out 1\n[stderr] err\n" in terminal.seen


def test_what_came_before_it_broke_off_is_printed_and_the_exit_code_is_1(tmp_path: Path) -> None:
    with Script(head(SSE) + EVENTS, Script.RESET) as server:
        ran = run("call", news(tmp_path, server.url), "watchEvents", "-o", "ndjson")
    assert (ran.code, ran.lines) == (1, ITEMS)
    assert "error: the answer broke off after 2 events: the connection broke off" in ran.err


def test_an_item_that_a_filter_does_not_fit_ends_no_stream(tmp_path: Path) -> None:
    with Script(head(SSE) + EVENTS + chunk(b'\n\ndata: {"n": 3}\n\n'), END) as server:
        ran = run("call", news(tmp_path, server.url), "watchEvents", "--jq", ".data.n")
    assert (ran.code, ran.out) == (1, "1\n3\n")
    assert "--jq '.data.n' does not fit the answer" in ran.err


def test_a_change_is_sent_once_and_not_said_to_be_done(tmp_path: Path) -> None:
    with Script(head("application/json") + PROGRESS, Script.SILENCE) as server:
        ran = run("call", news(tmp_path, server.url), "pullImage", "--yes", "--timeout", "1", "--jq", ".status")
    assert (ran.code, ran.out) == (0, "Pulling\nWaiting\n")
    assert "whether the change was carried out to its end is not known" in ran.err
    assert len(server.received) == 1


def test_without_consent_no_change_is_sent(tmp_path: Path) -> None:
    with Script(head("application/json") + PROGRESS, END) as server:
        assert run("call", news(tmp_path, server.url), "pullImage").code == 6
        assert server.received == []


# While it goes on


@pytest.mark.parametrize(("words", "first"), [(["-o", "ndjson"], json.dumps(ITEMS[0])), (["--jq", ".data.n"], "1")])
def test_items_reach_their_reader_one_by_one(words: list[str], first: str, tmp_path: Path) -> None:
    go_on = threading.Event()
    with Script(head(SSE), EVENTS[:-20], go_on, END) as server:
        command = [NLAPI, "call", news(tmp_path, server.url), "watchEvents", *words]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == first
            go_on.set()
            process.stdout.read()
            process.wait(120)


def test_a_reader_that_has_enough_ends_it(tmp_path: Path) -> None:
    more = threading.Event()
    with Script(head(SSE), chunk(b"data: 1\n\n"), more, chunk(b"data: 2\n\n"), Script.PARTING) as server:
        command = [NLAPI, "call", news(tmp_path, server.url), "watchEvents", "-o", "ndjson"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
            assert process.stdout is not None
            process.stdout.readline()
            process.stdout.close()
            more.set()
            assert process.wait(120) == 0
        assert server.parted.wait(120)


def test_a_terminal_shows_items_as_they_come_and_keeps_them_after_ctrl_c(tmp_path: Path) -> None:
    with Script(head(SSE), EVENTS, Script.PARTING) as server:
        with dialogue("call", news(tmp_path, server.url), "watchEvents") as terminal:
            terminal.expect('add: {"n": 1}\ntwo\n')
            terminal.interrupt()
            terminal.expect("interrupted")
            assert terminal.end() == 130
        assert server.parted.wait(120)


def test_a_terminal_shows_text_before_its_line_ends(tmp_path: Path) -> None:
    go_on = threading.Event()
    with Script(head("text/plain"), chunk(b"one, \x1b[2Jtw"), go_on, chunk("ö".encode()[:1]), END) as server:
        with dialogue("call", news(tmp_path, server.url), "readLog", "follow=true") as terminal:
            terminal.expect("one, tw")
            go_on.set()
            assert terminal.end() == 0
        assert "tw\n200 OK" in terminal.seen


def test_ctrl_c_gives_the_list_of_what_came(tmp_path: Path) -> None:
    file = tmp_path / "events.json"
    words = ("call", news(tmp_path, "http://127.0.0.1:9"), "watchEvents", "-o", "json", "--base-url")
    with (
        Script(head(SSE), EVENTS, Script.PARTING) as server,
        file.open("wb") as out,
        dialogue(*words, server.url, stdout=out) as terminal,
    ):
        terminal.expect("2 items so far")
        terminal.interrupt()
        assert terminal.end() == 130
    assert json.loads(file.read_text()) == ITEMS


# Questions


def test_a_question_shows_what_came_and_does_not_call_it_all(tmp_path: Path) -> None:
    words = ("ask", "watch the events", "--planner", "offline", "--timeout", "1", "-o", "text")
    with Script(head(SSE) + EVENTS, Script.SILENCE) as server:
        ran = run(*words, "-a", news(tmp_path, server.url))
    assert ran.code == 0, ran.err
    said = r"The answer was cut after [\d.]+ s with 2 events, while it was still going on\."
    assert re.fullmatch(rf'add: {{"n": 1}}\ntwo\n{said}\n', ran.out)
    assert "--events N" in ran.err


def test_a_question_whose_answer_broke_off_fails(tmp_path: Path) -> None:
    words = ("ask", "watch the events", "--planner", "offline", "-o", "text")
    with Script(head(SSE) + EVENTS, Script.RESET) as server:
        ran = run(*words, "-a", news(tmp_path, server.url))
    assert ran.code == 1
    assert ran.out.endswith("The answer broke off after 2 events: the connection broke off.\n")


def test_a_program_is_told_of_items_and_of_how_they_ended(tmp_path: Path) -> None:
    words = ("ask", "watch the events", "--planner", "offline", "--events", "2", "-o", "ndjson")
    with Script(head(SSE) + EVENTS, Script.SILENCE) as server:
        ran = run(*words, "-a", news(tmp_path, server.url))
    told = {record["event"]: record for record in ran.lines}
    assert [item for record in ran.lines if record["event"] == "items" for item in record["items"]] == ITEMS
    assert (told["stepped"]["result"]["items"], told["stepped"]["result"]["ended"]) == (ITEMS, "items")


def test_a_question_that_is_interrupted_keeps_what_came_in_its_transcript(tmp_path: Path) -> None:
    words = ("ask", "watch the events", "--planner", "offline", "-a", news(tmp_path, "http://127.0.0.1:9"))
    with (
        Script(head(SSE), EVENTS, Script.PARTING) as server,
        dialogue(*words, "--base-url", server.url) as terminal,
    ):
        terminal.expect('add: {"n": 1}\ntwo\n')
        terminal.interrupt()
        assert terminal.end() == 130
    (file,) = (Path(os.environ["NLAPI_STATE_DIR"]) / "log").glob("*.jsonl")
    (step,) = [record for record in map(json.loads, file.read_text().splitlines()) if record["event"] == "stepped"]
    assert (step["outcome"], step["result"]["items"], step["result"]["ended"]) == ("done", ITEMS, "interrupted")


def test_a_change_that_a_question_asked_for_is_not_said_to_be_done(tmp_path: Path) -> None:
    words = ("ask", "pull an image", "--planner", "offline", "--timeout", "1", "--yes", "-o", "text")
    with Script(head("application/json") + PROGRESS, Script.SILENCE) as server:
        ran = run(*words, "-a", news(tmp_path, server.url))
    assert re.match(r"The answer was cut after [\d.]+ s with 2 items", ran.out.splitlines()[-1])
    with Script(head("application/json") + PROGRESS, END) as server:
        ran = run(*words, "-a", news(tmp_path, server.url))
    assert ran.out.splitlines()[-1].startswith("pullImage was answered with 2 items, the last of them {'status': 'Wai")
