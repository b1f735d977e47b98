"""One process writes a transcript, a batch, a run: the second is told who has it, and sends nothing."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.kit import NLAPI, PATIENCE, notes, run
from tests.messages_server import MessagesServer, say, use
from tests.servers import Echo, Received, Reply

TITLES = [f"Note {number}" for number in range(4)]


class Held(Echo):
    """An API that answers no POST before it is let go; `arrived` is set by the first."""

    def __init__(self) -> None:
        super().__init__(self._answer_when_let_go)
        self.arrived, self.let_go = threading.Event(), threading.Event()

    def _answer_when_let_go(self, request: Received) -> Reply:
        if request.method == "POST":
            self.arrived.set()
            assert self.let_go.wait(PATIENCE)
        return Reply(201, {"id": "n1", "title": "x"}) if request.method == "POST" else Reply(200, [])

    @property
    def titles(self) -> list[str]:
        return sorted(one.json()["title"] for one in self.received if one.method == "POST")


@contextmanager
def started(*words: str) -> Iterator[subprocess.Popen[str]]:
    """The command in a process of its own."""
    process = subprocess.Popen(
        [NLAPI, *words],
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdin=subprocess.DEVNULL,
        env=os.environ,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def batch_file(folder: Path, name: str = "rows.jsonl") -> Path:
    file = folder / name
    file.write_text("".join(json.dumps({"title": title}) + "\n" for title in TITLES))
    return file


def workflow_file(folder: Path, url: str) -> Path:
    notes(folder, url)
    steps = [
        {
            "stepId": f"s{number}",
            "operationId": "createNote",
            "requestBody": {"contentType": "application/json", "payload": {"title": title}},
        }
        for number, title in enumerate(TITLES)
    ]
    document: dict[str, Any] = {
        "arazzo": "1.0.1",
        "info": {"title": "w", "version": "1"},
        "sourceDescriptions": [{"name": "notes", "url": f"./{Path(notes(folder, url)).name}", "type": "openapi"}],
        "workflows": [{"workflowId": "make", "steps": steps}],
    }
    file = folder / "make.arazzo.json"
    file.write_text(json.dumps(document))
    return file


NAMES = ["rows.jsonl", "./sub/../rows.jsonl", "link.jsonl", "hard.jsonl"]


def test_a_batch_of_a_file_runs_once_under_any_name(tmp_path: Path) -> None:
    file = batch_file(tmp_path)
    (tmp_path / "sub").mkdir()
    (tmp_path / "link.jsonl").symlink_to(file)
    (tmp_path / "hard.jsonl").hardlink_to(file)
    with Held() as api:
        source = notes(tmp_path, api.url)
        words = ("batch", source, str(file), "createNote", "--yes", "-o", "json")
        with started(*words) as first:
            assert api.arrived.wait(PATIENCE)
            seconds = [run("batch", source, str(tmp_path / name), "createNote", "--yes") for name in NAMES]
            api.let_go.set()
            assert first.wait(PATIENCE) == 0
        for second in seconds:
            assert (second.code, second.out) == (1, "")
            assert f"process {first.pid} (nlapi batch), since 20" in second.err and "goes on after it" in second.err
        for name in NAMES:
            third = run("batch", source, str(tmp_path / name), "createNote", "--yes", "-o", "json")
            assert third.json["counts"] == {"done before": 4}
        assert api.titles == TITLES


def test_a_copy_of_a_batch_is_another_one(tmp_path: Path) -> None:
    with Held() as api:
        api.let_go.set()
        source = notes(tmp_path, api.url)
        for name in ("january.jsonl", "february.jsonl"):
            assert run("batch", source, str(batch_file(tmp_path, name)), "createNote", "--yes").code == 0
        assert api.titles == sorted([*TITLES, *TITLES])


@pytest.mark.parametrize("words", [("batch",), ("workflow", "run")])
def test_a_lock_ends_with_its_process(tmp_path: Path, words: tuple[str, ...]) -> None:
    with Held() as api:
        source = notes(tmp_path, api.url)
        is_batch = words == ("batch",)
        more = (
            (source, str(batch_file(tmp_path)), "createNote") if is_batch else (str(workflow_file(tmp_path, api.url)),)
        )
        with started(*words, *more, "--yes") as first:
            assert api.arrived.wait(PATIENCE)
            first.kill()
            first.wait(PATIENCE)
        api.let_go.set()
        again = run(*words, *more, "--yes")
        # The row that was being sent is in doubt; a new run of a workflow is a command of its own.
        assert again.code == (1 if is_batch else 0), again.err
        assert "another process" not in again.err
        assert api.titles == (TITLES if is_batch else sorted([*TITLES, TITLES[0]]))


def test_a_workflow_runs_once_at_a_time_with_the_same_inputs(tmp_path: Path) -> None:
    with Held() as api:
        file = workflow_file(tmp_path, api.url)
        copy = tmp_path / "copy.arazzo.json"
        copy.write_text(file.read_text())
        with started("workflow", "run", str(file), "--yes") as first:
            assert api.arrived.wait(PATIENCE)
            second, third = (run("workflow", "run", str(one), "--yes") for one in (file, copy))
            resumed = run("workflow", "resume", "--yes")
            api.let_go.set()
            assert first.wait(PATIENCE) == 0
        assert [second.code, third.code, resumed.code] == [1, 1, 1]
        assert f"process {first.pid} (nlapi workflow run)" in second.err
        assert "is open in another process" in resumed.err
        assert api.titles == TITLES


@pytest.mark.parametrize("first", ["ask", "log resume"])
def test_a_conversation_has_one_writer(claude: MessagesServer, tmp_path: Path, first: str) -> None:
    with Held() as api:
        source = notes(tmp_path, api.url)
        asked = ("ask", "show the notes", "-a", source, "--planner", "claude")
        create = use("createNote", {"title": "Plumber"})
        words: tuple[str, ...] = ("ask", "create a note called Plumber", "-a", source)
        if first == "log resume":
            claude.script[:] = [say("There are none.")]
            assert run(*asked).code == 0
            words = ("log", "resume", "last", "create a note called Plumber")
        claude.script[:] = [create, say("Noted."), create, say("It was noted before.")]
        with started(*words, "--planner", "claude", "--yes") as process:
            assert api.arrived.wait(PATIENCE)
            second = run("log", "resume", "last", "create a note called Plumber", "--planner", "claude", "--yes")
            api.let_go.set()
            assert process.wait(PATIENCE) == 0
        assert second.code == 1 and f"process {process.pid} (nlapi {first})" in second.err
        # It is read anew: what the other one has done is known.
        third = run("log", "resume", "last", "create a note called Plumber", "--planner", "claude", "--yes")
        assert third.code == 6 and "was carried out" in third.err
        assert api.titles == ["Plumber"]


def test_no_lock_is_left_and_no_value_is_in_one(tmp_path: Path) -> None:
    with Held() as api:
        source = notes(tmp_path, api.url)
        with started("batch", source, str(batch_file(tmp_path)), "createNote", "--yes") as first:
            assert api.arrived.wait(PATIENCE)
            locks = [path.read_text() for path in (tmp_path / "state/log").glob(".*.lock")]
            api.let_go.set()
            first.wait(PATIENCE)
        assert {lock.partition("), since ")[0] for lock in locks} == {f"process {first.pid} (nlapi batch"}
        assert run("ask", "list the notes", "-a", source).code == 0
        assert not [*(tmp_path / "state/log").glob(".*.lock")]


def test_without_a_place_for_transcripts_a_batch_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NLAPI_STATE_DIR", str(tmp_path / "file" / "state"))
    with Held() as api:
        api.let_go.set()
        source = notes(tmp_path, api.url)
        assert run("batch", source, str(batch_file(tmp_path)), "createNote", "--yes", "--no-log").code == 0
        assert api.titles == TITLES
