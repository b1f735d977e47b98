"""A change is made once: over a stream that breaks, a kill and a resume; how a question ends that was not answered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nlapi.agent.models.planner import HISTORY_ROOMS
from tests.cli.kit import NLAPI, NOTES, PATIENCE, notes, notes_api, run
from tests.messages_server import MessagesServer, broken, error, say, use
from tests.servers import Echo, Reply, Script

QUESTION = "create a note called Plumber"


def asked(url: str, folder: Path, *more: str) -> tuple[str, ...]:
    return ("ask", QUESTION, "-a", notes(folder, url), "--planner", "claude", "--yes", *more)


@pytest.mark.parametrize("stop", ["max_tokens", "refusal", "model_context_window_exceeded", "something_new"])
def test_an_answer_that_is_not_whole_has_an_exit_code_of_its_own(
    api: Echo, claude: MessagesServer, tmp_path: Path, stop: str
) -> None:
    claude.script[:] = [use("createNote", '{"title": "Pl', text="I note it.", stop=stop)]
    ran = run(*asked(api.url, tmp_path, "-o", "text"))
    assert (ran.code, api.received) == (8, [])
    assert "was run" in ran.out


def test_a_conversation_that_is_too_long_for_the_model_has_the_same(
    api: Echo, claude: MessagesServer, tmp_path: Path
) -> None:
    claude.script[:] = [error(400, "prompt is too long: 1234567 tokens > 1000000 maximum")] * len(HISTORY_ROOMS)
    ran = run(*asked(api.url, tmp_path))
    assert ran.code == 8
    assert "start a new one" in ran.err


def test_a_stream_that_breaks_after_a_change_names_the_way_on_which_repeats_nothing(
    api: Echo, claude: MessagesServer, tmp_path: Path
) -> None:
    made = use("createNote", {"title": "Plumber"})
    claude.script[:] = [made, broken(say("It is noted as n3."), after=3), made, say("It was done before.")]
    ran = run(*asked(api.url, tmp_path))
    (transcript,) = tmp_path.glob("state/log/*")
    assert ran.code == 8
    assert "1 change carried out" in ran.err
    assert f'nlapi log resume {transcript.stem} "go on"' in ran.err
    again = run("log", "resume", transcript.stem, "create the note Plumber", "--yes", "--planner", "claude")
    assert again.code == 6
    assert "answered 201 and was carried out" in again.err
    assert [request.method for request in api.received] == ["POST"]


def test_without_a_transcript_one_is_told_to_look(api: Echo, claude: MessagesServer, tmp_path: Path) -> None:
    claude.script[:] = [use("createNote", {"title": "Plumber"}), broken(say("It is noted."), after=3)]
    ran = run(*asked(api.url, tmp_path, "--no-log"))
    assert ran.code == 8
    assert "look before you ask for it again" in ran.err


def test_a_lost_answer_is_named_after_the_answer(claude: MessagesServer, tmp_path: Path) -> None:
    claude.script[:] = [use("createNote", {"title": "Plumber"}), say("I do not know whether it was noted.")]
    with Script(Script.RESET) as api:
        ran = run(*asked(api.url, tmp_path))
    assert ran.code == 1
    assert "1 change of unknown outcome: `nlapi log resume" in ran.err


def test_killed_in_a_change_the_model_is_told_that_its_outcome_is_unknown(
    claude: MessagesServer, tmp_path: Path
) -> None:
    told: list[str] = []

    def note_results(request: dict[str, Any]) -> dict[str, Any]:
        told.append(json.dumps(request["messages"]))
        return use("createNote", {"title": "plumber ", "points": 3})

    arrived = threading.Event()

    def note() -> Iterator[bytes]:
        arrived.set()
        yield b""

    claude.script[:] = [use("createNote", {"title": "Plumber"}), note_results]
    with Script(note(), Script.SILENCE) as api:
        process = subprocess.Popen(
            [NLAPI, *asked(api.url, tmp_path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=os.environ
        )
        assert arrived.wait(PATIENCE)
        process.kill()
        process.wait(PATIENCE)
    with notes_api() as api:
        ran = run(
            "log", "resume", "last", "create the note plumber", "--yes", "--planner", "claude", "--base-url", api.url
        )
        assert ran.code == 6
        assert [request.method for request in api.received] == ["GET"], "it was looked for"
    assert "may have been carried out" in ran.err
    assert "outcome unknown" in " ".join(told)
    assert "not run" not in " ".join(told)


KEYED = {
    **NOTES,
    "paths": {
        "/notes": {
            "post": {
                **NOTES["paths"]["/notes"]["post"],
                "parameters": [{"name": "Idempotency-Key", "in": "header", "schema": {"type": "string"}}],
            }
        }
    },
}


def keyed(folder: Path, url: str) -> str:
    file = folder / "keyed.json"
    file.write_text(json.dumps({**KEYED, "servers": [{"url": url}]}))
    return str(file)


def test_every_try_of_one_intention_has_the_same_key(claude: MessagesServer, tmp_path: Path) -> None:
    made = use("createNote", {"title": "Plumber", "Idempotency-Key": "made-up-by-the-model"})
    claude.script[:] = [made, say("It is busy."), made, say("Done.")]
    with Echo([Reply(429), Reply(201, {"id": "n3"})]) as api:
        words = ("-a", keyed(tmp_path, api.url), "--planner", "claude", "--yes")
        first = run("ask", QUESTION, *words)
        again = run("log", "resume", "last", QUESTION, "--planner", "claude", "--yes")
    assert (first.code, again.code) == (4, 0), first.err + again.err
    keys = {request.header("idempotency-key") for request in api.received}
    assert len(api.received) == 2 and len(keys) == 1
    assert "made-up" not in str(keys)


def test_a_call_has_a_key_of_its_own_which_is_shown(tmp_path: Path) -> None:
    with notes_api() as api:
        source = keyed(tmp_path, api.url)
        shown = run("call", source, "createNote", "title=Plumber", "--dry-run")
        for _ in range(2):
            assert run("call", source, "createNote", "title=Plumber", "--yes").code == 0
        own = run("call", source, "createNote", "title=Plumber", "Idempotency-Key=mine-1234", "--yes")
    assert own.code == 0, own.err
    assert shown.json["headers"]["Idempotency-Key"]
    keys = [request.header("idempotency-key") for request in api.received]
    assert len({*keys}) == 3 and keys[-1] == "mine-1234"


LIMITED = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)),) * 2)
from nlapi.cli.main import main
main()
"""


@pytest.mark.skipif(os.name != "posix", reason="limits of files are of POSIX")
def test_a_change_whose_outcome_cannot_be_written_down_is_told_all_the_same(api: Echo, tmp_path: Path) -> None:
    words = ("ask", QUESTION, "-a", notes(tmp_path, api.url), "--planner", "offline", "--yes")
    assert run(*words).code == 0
    (whole,) = tmp_path.glob("state/log/*")
    lines = whole.read_bytes().splitlines(keepends=True)
    proposed = next(number for number, line in enumerate(lines) if b'"event": "proposed"' in line)
    room = sum(map(len, lines[: proposed + 1])) + 20
    program = [sys.executable, "-B", "-c", LIMITED, str(room), *words]
    done = subprocess.run(program, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=PATIENCE)
    assert done.returncode == 1
    assert "cannot write the log" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    # It was sent, and says so: who does not know it sends it again.
    assert len(api.received) == 2
    assert "1 change carried out" in done.stderr
