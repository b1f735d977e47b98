"""Bad input ends in one line that says what, where and what to do; in the right exit code; and in no traceback."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest

from tests.cli.kit import BEARER, NOTES, command, notes, run
from tests.servers import Echo, Reply, closed_port

FILES: dict[str, bytes] = {
    "page.html": b"<!doctype html><html><body>Sign in</body></html>",
    "cut.yaml": b"openapi: 3.1.0\npaths:\n  /a:\n    get: {operationId: a, parameters: [",
    "cut.json": b'{"openapi": "3.1.0", "paths": {"/a": {',
    "list.json": b"[1, 2]",
    "other.yaml": b"name: not a description\n",
    "empty.json": b"",
    "picture.png": b"\x89PNG\r\n\x1a\n\x00\xff\xfe",
}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        # descriptions
        (["tools", "nowhere.yaml"], 1, ["no such file", "nowhere.yaml"]),
        (["tools", "page.html"], 1, ["page.html", "HTML"]),
        (["tools", "cut.yaml"], 1, ["cut.yaml", "line 5"]),
        (["tools", "cut.json"], 1, ["cut.json", "line 1"]),
        (["tools", "list.json"], 1, ["list.json", "a list"]),
        (["tools", "other.yaml"], 1, ["other.yaml", "openapi"]),
        (["tools", "empty.json"], 1, ["empty.json", "empty"]),
        (["tools", "picture.png"], 1, ["picture.png", "UTF-8"]),
        (["tools", "."], 1, ["folder"]),
        (["check", "page.html"], 1, ["HTML"]),
        (["find", "page.html", "pets"], 1, ["HTML"]),
        (["tools", "ftp://example.com/openapi.json"], 1, ["http"]),
        # operations and arguments
        (["call", "notes.json", "listNote"], 2, ["listNote", "did you mean 'listNotes'"]),
        (["call", "notes.json", "listNotes", "limit=many"], 2, ["limit", "many", "integer"]),
        (["call", "notes.json", "listNotes", "status=opne"], 2, ["status", "did you mean 'open'"]),
        (["call", "notes.json", "listNotes", "limt=5"], 2, ["limt", "did you mean 'limit'"]),
        (["call", "notes.json", "listNotes", "limit"], 2, ["limit", "KEY=VALUE"]),
        (["call", "notes.json", "listNotes", "limit=1", "limit=2"], 2, ["limit", "twice"]),
        (["call", "notes.json", "listNotes", "limit:=1}"], 2, ["limit", "JSON"]),
        (["call", "notes.json", "getNote"], 2, ["note", "missing"]),
        (["call", "notes.json", "createNote", "--args", "{"], 2, ["--args", "JSON"]),
        (["call", "notes.json", "createNote", "--args", "[1]"], 2, ["--args", "object"]),
        (["call", "notes.json", "createNote", "--args", "@nowhere.json"], 2, ["nowhere.json"]),
        (["call", "notes.json", "attachFile", "note=1", "file=@nowhere.png"], 2, ["nowhere.png"]),
        (["call", "-", "createNote", "--args", "-"], 2, ["standard input"]),
        # where it goes, and as whom
        (["call", "notes.json", "listNotes", "--base-url", "127.0.0.1:1"], 2, ["http"]),
        (["call", "notes.json", "listNotes", "--auth", "token"], 2, ["--auth", "NAME=VALUE"]),
        (["call", "notes.json", "listNotes", "--auth", "token=env:NOT_SET_HERE"], 2, ["NOT_SET_HERE"]),
        (["call", "secured.json", "listNotes", "--auth", "tokn=x"], 2, ["tokn", "token"]),
        (["call", "secured.json", "listNotes"], 2, ["--auth token=env:NAME"]),
        # questions
        (["ask", "", "-a", "notes.json"], 2, ["question", "empty"]),
        (["ask", "  ", "-a", "notes.json"], 2, ["question", "empty"]),
        (["ask", "list the notes"], 2, ["-a"]),
        (["ask", "list the notes", "-a", "notes.json", "--set", "note"], 2, ["--set"]),
        (["ask", "list", "-a", "notes.json", "-a", "other.json", "--base-url", "http://a"], 2, ["--base-url"]),
        (["ask", "list the notes", "-a", "notes.json", "--planner", "claude"], 1, ["ANTHROPIC_API_KEY"]),
        (["find", "notes.json", " "], 2, ["words"]),
        # commands and options
        (["clal"], 2, ["clal", "nlapi -h"]),
        (["call"], 2, ["SOURCE", "nlapi call -h"]),
        (["call", "notes.json", "listNotes", "--dryrun"], 2, ["--dryrun", "nlapi call -h"]),
        (["call", "notes.json", "listNotes", "-o", "xml"], 2, ["xml", "ndjson"]),
        (["call", "notes.json", "listNotes", "--timeout", "soon"], 2, ["--timeout", "number"]),
        (["tools", "notes.json", "--format", "grpc"], 2, ["grpc", "anthropic"]),
        (["ask", "list", "-a", "notes.json", "--planner", "magic"], 2, ["magic", "offline"]),
        (["log", "show", "nothing"], 2, ["nothing", "nlapi log list"]),
        (["api", "remove", "nothing"], 2, ["nothing", "nlapi api list"]),
    ],
)
def test_one_line_and_an_exit_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, said: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    Path(notes(tmp_path, **BEARER)).rename("secured.json")
    notes(tmp_path)
    ran = run(*words)
    assert (ran.code, ran.out) == (code, "")
    for text in said:
        assert text in ran.complaint


def test_the_real_command_says_it_in_one_line_too(tmp_path: Path) -> None:
    assert "no such file" in command("tools", str(tmp_path / "nowhere.yaml")).complaint
    assert "did you mean" in command("call", notes(tmp_path), "listNote").complaint


def test_a_refused_connection_names_the_place(tmp_path: Path) -> None:
    with closed_port() as url:
        ran = run("call", notes(tmp_path, url), "listNotes")
        asked = run("ask", "show the open notes", "-a", notes(tmp_path, url), "--planner", "offline", "-o", "text")
        fetched = run("tools", f"{url}/openapi.json")
    assert (ran.code, asked.code, fetched.code) == (1, 1, 1)
    assert url in ran.complaint
    assert "--base-url" in ran.complaint
    assert url in asked.err
    assert url in fetched.complaint


def test_an_answer_that_does_not_come_in_time_is_given_up(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        ran = run("call", notes(tmp_path, url), "listNotes", "--timeout", "0.1")
    assert ran.code == 1
    assert "0.1 s" in ran.complaint


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(404, b"<html>not here</html>"), "404"),
        (Reply(200, b"<html>sign in</html>"), "HTML"),
        (Reply(200, b'{"openapi": '), "line 1"),
        (Reply(302, b"", {"Location": "file:///etc/passwd"}), "not http"),
    ],
)
def test_a_description_that_a_server_does_not_give(reply: Reply, said: str) -> None:
    with Echo(reply) as server:
        ran = run("tools", f"{server.url}/openapi.json")
    assert ran.code == 1
    assert server.url in ran.complaint
    assert said in ran.complaint


def test_a_description_on_standard_input() -> None:
    assert "standard input" in run("tools", "-", stdin="").complaint
    assert "standard input" in run("tools", "-", stdin=b"\xff\xfe\xfd").complaint
    assert "no operation" in run("tools", "-", stdin='{"openapi": "3.1.0", "info": {}, "paths": {}}').complaint
    assert len(run("tools", "-", stdin=json.dumps(NOTES)).json) == 6


def test_what_an_api_says_cannot_play_with_the_terminal(tmp_path: Path) -> None:
    evil: Any = {"title": "\x1b]0;owned\x07\x1b[2Jgone"}
    with Echo(Reply(404, evil)) as api:
        ran = run("ask", "get the note n1", "-a", notes(tmp_path, api.url), "--planner", "offline", "-o", "text")
    assert ran.code == 4
    assert "gone" in ran.out
    assert "\x1b" not in ran.out + ran.err


def test_a_transcript_that_cannot_be_kept_is_said_before_anything_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "state"
    folder.write_text("a file where the folder of the transcripts should be")
    monkeypatch.setenv("NLAPI_STATE_DIR", str(folder))
    ran = run("ask", "list the notes", "-a", notes(tmp_path), "--planner", "offline")
    assert ran.code == 2
    assert "--no-log" in ran.complaint


@pytest.mark.parametrize(
    "words", [["notes.yaml", "how many notes are there"], ["how many notes are there", "notes.yaml"]]
)
def test_a_description_among_the_words_of_a_question_is_named_with_the_corrected_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.yaml").write_text("openapi: 3.1.0", encoding="utf-8")
    shown = run("ask", *words)
    assert shown.code == 2
    assert 'nlapi ask "how many notes are there" -a notes.yaml' in shown.complaint
