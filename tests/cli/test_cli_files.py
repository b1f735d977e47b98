"""Files in questions: `--set NAME=@PATH` gives one, and nothing else opens any."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nlapi.client.message import File
from tests.cli.kit import NOTES, dialogue, notes, run
from tests.messages_server import MessagesServer, say, use
from tests.servers import Echo, Reply

PICTURE = b"\x89PNG\r\n\x1a\n\x00\xff"
QUESTION = "attach the file milk.png to the note n1"


@pytest.fixture
def api() -> Iterator[Echo]:
    with Echo(Reply(201, {"id": "f1"})) as server:
        yield server


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    file = tmp_path / "milk.png"
    file.write_bytes(PICTURE)
    return file


@pytest.fixture
def small(tmp_path: Path, picture: Path) -> Path:
    """Another file of the same name."""
    file = tmp_path / "small" / picture.name
    file.parent.mkdir()
    file.write_bytes(b"a small one")
    return file


def paths_with_files(*names: str) -> Any:
    """The paths of the notes, whose form has further files."""
    paths = copy.deepcopy(NOTES["paths"])
    form = paths["/notes/{note}/file"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    form["properties"] |= dict.fromkeys(names, form["properties"]["file"])
    return paths


def attach(file: str) -> dict[str, object]:
    return use("change", {"operation": "attachFile", "arguments": {"note": "n1", "file": file}})


@pytest.mark.parametrize("name", ["milk.png", "@milk.png"])
def test_a_model_gives_the_name_and_the_content_is_sent(
    api: Echo, claude: MessagesServer, tmp_path: Path, picture: Path, name: str
) -> None:
    claude.script[:] = [attach(name), say("Attached.")]
    words = ("ask", QUESTION, "-a", notes(tmp_path, api.url), "--planner", "claude", "--yes")
    ran = run(*words, "--set", f"file=@{picture}")
    assert ran.code == 0, ran.err
    assert PICTURE in api.only.body and b'filename="milk.png"' in api.only.body
    assert "file = milk.png" in claude.requests[0]["system"][1]["text"]


def test_two_files_of_one_name_are_each_in_their_place(
    api: Echo, claude: MessagesServer, tmp_path: Path, picture: Path, small: Path
) -> None:
    paths = paths_with_files("icon")
    call = {"note": "n1", "file": "milk.png", "icon": "milk.png"}
    claude.script[:] = [use("change", {"operation": "attachFile", "arguments": call}), say("Attached.")]
    words = ("ask", QUESTION, "-a", notes(tmp_path, api.url, paths=paths), "--planner", "claude", "--yes")
    ran = run(*words, "--set", f"file=@{picture}", "--set", f"icon=@{small}")
    assert ran.code == 0, ran.err
    parts = api.only.body.split(b"Content-Disposition")
    assert [PICTURE in part for part in parts if b'name="file"' in part] == [True]
    assert [b"a small one" in part for part in parts if b'name="icon"' in part] == [True]


def test_a_name_that_two_files_have_is_no_content_of_a_third_argument(
    api: Echo, claude: MessagesServer, tmp_path: Path, picture: Path, small: Path
) -> None:
    paths = paths_with_files("icon", "cover")
    call = {"note": "n1", "cover": "milk.png"}
    claude.script[:] = [use("change", {"operation": "attachFile", "arguments": call}), say("Which?")]
    words = ("ask", QUESTION, "-a", notes(tmp_path, api.url, paths=paths), "--planner", "claude", "--yes")
    run(*words, "--set", f"file=@{picture}", "--set", f"icon=@{small}")
    assert api.received == []
    assert "several of the files are called" in claude.requests[1]["messages"][-1]["content"][0]["content"]


def test_a_path_that_a_model_makes_up_opens_nothing_and_sends_nothing(
    api: Echo, claude: MessagesServer, tmp_path: Path, picture: Path
) -> None:
    claude.script[:] = [attach(f"@{picture}"), say("I may not.")]
    ran = run("ask", QUESTION, "-a", notes(tmp_path, api.url), "--planner", "claude", "--yes")
    assert (ran.code, api.received) == (1, [])
    assert "was given" in claude.requests[1]["messages"][-1]["content"][0]["content"]
    assert "--set file=@PATH" in claude.requests[1]["messages"][-1]["content"][0]["content"]


def test_a_resumed_conversation_does_not_take_the_name_of_a_file_for_its_content(
    api: Echo, claude: MessagesServer, tmp_path: Path, picture: Path
) -> None:
    claude.script[:] = [say("Which note?"), attach("milk.png")]
    words = ("-a", notes(tmp_path, api.url), "--planner", "claude", "--yes")
    run("ask", "attach the picture", *words, "--set", f"file=@{picture}")
    ran = run("log", "resume", "last", "to the note n1", "--yes", "--planner", "claude")
    assert (ran.code, api.received) == (6, [])
    assert "nobody said file: 'milk.png'" in ran.err


def test_the_words_of_a_question_are_no_content_of_a_file(api: Echo, tmp_path: Path, picture: Path) -> None:
    words = ("ask", QUESTION, "-a", notes(tmp_path, api.url), "--planner", "offline", "--yes", "--set", "caption=Milk")
    ran = run(*words)
    assert api.received == []
    given = run(*words, "--set", f"file=@{picture}", "--dry-run")
    assert given.code == 0, given.err
    assert ran.code in (6, 7)


def test_a_file_that_is_not_there_is_an_error_before_anything_is_planned(
    api: Echo, claude: MessagesServer, tmp_path: Path
) -> None:
    ran = run("ask", QUESTION, "-a", notes(tmp_path, api.url), "--planner", "claude", "--set", "file=@nowhere.png")
    assert (ran.code, claude.requests) == (2, [])
    assert "nowhere.png cannot be read" in ran.complaint


def test_a_copy_of_a_file_is_the_file() -> None:
    file = copy.deepcopy(File("milk.png", PICTURE, "image/png"))
    assert (file.filename, file.data, file.content_type) == ("milk.png", PICTURE, "image/png")


def test_at_a_terminal_the_file_is_asked_for(tmp_path: Path, api: Echo, picture: Path) -> None:
    paths = copy.deepcopy(NOTES["paths"])
    form = paths["/notes/{note}/file"]["post"]["requestBody"]["content"]["multipart/form-data"]
    form["schema"]["required"] = ["file"]
    words = ("ask", "attach a file to the note n1", "-a", notes(tmp_path, api.url, paths=paths), "--planner", "offline")
    with dialogue(*words) as terminal:
        terminal.expect("file: ")
        terminal.type(f"@{picture}\n")
        terminal.expect("Send it?")
        terminal.type("y\n")
        terminal.end()
    (change,) = api.changes
    assert PICTURE in change.body
    unattended = run(*words)
    assert unattended.code == 7
    assert "add --set file=@PATH" in unattended.err
