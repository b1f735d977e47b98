"""Aliases, `ask --again`, the formats of an answer to a question, `doctor`, `setup`, and small charts."""

from __future__ import annotations

import csv
import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

from nlapi.cli.render.table import BARS, sparkline
from tests.cli.kit import BEARER, NLAPI, Ran, dialogue, notes, run
from tests.servers import Echo, Reply

OPEN = "show the open notes"


def ask(source: str, *words: str) -> Ran:
    return run("ask", *words, "-a", source, "--planner", "offline")


# ---- a question -------------------------------------------------------------------------------------------------


def test_the_answer_of_a_question_is_data_where_that_is_wanted(tmp_path: Path, api: Echo) -> None:
    source = notes(tmp_path, api.url)
    row = {"id": "n1", "title": "Milk", "status": "open"}
    answer = ask(source, OPEN, "-o", "json").json
    assert answer["entries"] == [row]
    assert "1 note" in answer["answer"]
    assert yaml.safe_load(ask(source, OPEN, "-o", "yaml").out) == answer
    assert list(csv.DictReader(ask(source, OPEN, "-o", "csv").out.splitlines())) == [row]
    events = ask(source, OPEN, "-o", "events")
    assert [line["event"] for line in events.lines] == [
        line["event"] for line in ask(source, OPEN, "-o", "ndjson").lines
    ]


def test_the_request_of_a_change_is_always_shown_and_that_of_a_read_with_v(tmp_path: Path, api: Echo) -> None:
    source = notes(tmp_path, api.url)
    read, change = ask(source, OPEN), ask(source, "delete the note n1", "--yes")
    assert read.err == f"understood: {read.err.removeprefix('understood: ')}"
    assert read.err.count("\n") == 1
    assert f"DELETE {api.url}/notes/n1" in change.err
    assert "← 204" in change.err
    assert f"→ listNotes: GET {api.url}/notes?status=open" in ask(source, OPEN, "-v").err
    assert f"GET {api.url}/notes" in ask(source, OPEN, "--dry-run").out


def test_again_asks_the_last_question_of_the_same_api(tmp_path: Path, api: Echo) -> None:
    assert ask(notes(tmp_path, api.url), OPEN).code == 0
    again = run("ask", "--again", "--planner", "offline")
    assert again.code == 0
    assert f"again: {OPEN}" in again.err
    assert [request.target for request in api.received] == ["/notes?status=open"] * 2
    assert run("ask", "--again", "list the notes").code == 2
    assert run("ask", "-a", "ads").code == 2


def test_again_makes_no_change_twice_by_a_consent_in_advance(tmp_path: Path, api: Echo) -> None:
    assert ask(notes(tmp_path, api.url), "delete the note n1", "--yes").code == 0
    again = run("ask", "--again", "--planner", "offline", "--yes")
    assert again.code == 6
    assert "--yes is not enough" in again.err
    assert len(api.received) == 1


# ---- aliases ----------------------------------------------------------------------------------------------------


def test_an_alias_is_a_command_with_places_for_words(tmp_path: Path, api: Echo) -> None:
    source = notes(tmp_path, api.url)
    assert run("alias", "set", "note", f"call {source} getNote note=$1").code == 0
    assert run("alias", "set", "open", f"nlapi ask '{OPEN}' -a {source} --planner offline").code == 0
    assert run("note", "n2", "--jq", ".title").out == "Rent\n"
    assert "Milk" in run("open").out
    assert run("note").complaint.startswith("note takes 1 word")
    assert [row["name"] for row in run("alias", "list").json] == ["note", "open"]
    assert run("alias", "remove", "note").code == 0
    assert "nlapi has no command 'note'" in run("note", "n2").complaint


@pytest.mark.parametrize(
    ("name", "text"),
    [("ask", "call ads getMe"), ("x y", "call ads getMe"), ("x", "rm -rf /"), ("x", "!ls"), ("x", "call 'ads")],
)
def test_an_alias_that_hides_or_runs_anything_else_is_refused(name: str, text: str) -> None:
    assert run("alias", "set", name, text).code == 2


@pytest.mark.parametrize("words", ["--auth bearer=canary-1", "--auth=bearer=canary-1", "-H 'Authorization: canary-1'"])
def test_a_credential_is_no_part_of_an_alias(home: Path, words: str) -> None:
    ran = run("alias", "set", "x", f"call ads getMe {words}")
    assert ran.code == 2
    assert "canary" not in ran.err
    assert run("alias", "set", "x", "call ads getMe --auth bearer=env:TOKEN").code == 0
    assert not any("canary" in file.read_text() for file in (home / "config").iterdir() if file.is_file())


def test_a_damaged_file_of_aliases_is_named(home: Path) -> None:
    (home / "config").mkdir()
    (home / "config" / "aliases.json").write_text("{")
    assert "aliases.json cannot be read" in run("mine").complaint
    assert any("aliases.json" in row["finding"] for row in run("doctor").json)


# ---- doctor and setup -------------------------------------------------------------------------------------------


def test_doctor_says_what_to_do_about_each_fault(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {row["health"] for row in run("doctor").json} <= {"ok", "warning"}
    source = notes(home, **BEARER)
    assert run("api", "add", "memo", source, "--auth", "token=env:MEMO_TOKEN", "--set", "colour=red").code == 0
    unset = run("doctor", "memo")
    assert unset.code == 1
    (fault,) = [row for row in unset.json if row["health"] == "error"]
    assert "MEMO_TOKEN" in fault["finding"]
    assert fault["action"] == "export MEMO_TOKEN=..."
    monkeypatch.setenv("MEMO_TOKEN", "canary-1")
    ran = run("doctor", "memo")
    assert ran.code == 0
    assert "canary" not in ran.out + ran.err
    assert any("colour" in row["finding"] for row in ran.json if row["health"] == "warning")
    Path(source).unlink()
    assert run("doctor").code == 1


def test_doctor_names_a_credential_that_is_not_there(home: Path) -> None:
    rows = run("doctor", notes(home, **BEARER)).json
    (row,) = [row for row in rows if row["part"] == rows[-1]["part"] and "credential" in row["finding"]]
    assert row["finding"].startswith("6 of 6 operations want a credential")
    assert "--auth token=env:NAME" in row["action"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="the bits of folders hold back no administrator")
def test_doctor_names_a_folder_that_cannot_be_written(home: Path) -> None:
    (home / "config").mkdir(mode=0o500)
    assert any("cannot be written" in row["finding"] for row in run("doctor").json)


def test_setup_registers_the_api_and_gives_questions_that_it_can_answer(tmp_path: Path, api: Echo) -> None:
    source = notes(tmp_path, api.url)
    ran = run("setup", source)
    assert ran.code == 0
    questions = [line.split('"')[1] for line in ran.out.splitlines() if "nlapi ask" in line]
    assert questions
    for question in questions:
        assert run("ask", question, "-a", "notes", "--planner", "offline").code == 0
    assert {request.method for request in api.received} == {"GET"}
    assert run("setup").code == 2
    assert "notes is registered already" in run("setup", source, "--name", "notes").err


KEY = {"type": "apiKey", "in": "header", "name": "X-Key"}
FLOW = {"authorizationUrl": "https://login.test/a", "tokenUrl": "https://login.test/t", "scopes": {}}
SCHEMES = {"oauth": {"type": "oauth2", "flows": {"authorizationCode": FLOW}}, "key": KEY}


def test_setup_asks_on_until_the_api_has_answered(tmp_path: Path, api: Echo) -> None:
    """A wrong answer at every prompt: no file, no name, no address, no server there, no such choice, no key."""
    security = [{"oauth": []}, {"key": []}]
    source = notes(tmp_path, servers=[], security=security, components={"securitySchemes": SCHEMES})
    with dialogue("setup") as terminal:
        for question, wrong, right in (
            ("Where is the description of your API?", "nowhere.yaml", source),
            ("What do you want to call it? [notes]: ", "a b", "memo"),
            ("Where does the API run?", "ftp://files", "http://127.0.0.1:9"),
            ("1 to 3 (Enter: later): ", "nlapi api list", "1"),
            ("key (API key in the header X-Key): ", "\t\x16\x01", "k-5b7e91"),
        ):
            terminal.expect(question)
            terminal.type(f"{wrong}\n")
            terminal.expect(question)
            terminal.type(f"{right}\n")
        terminal.expect("The API did not answer that question.")
        terminal.type("2\n")
        terminal.expect("Where does the API run?")
        terminal.type(f"{api.url}\n")
        terminal.expect("the login memo key goes to")
        terminal.expect("Milk")
        terminal.expect("nlapi chat -a memo")
        assert terminal.end() == 0
    assert ("x-key", "k-5b7e91") in [(name.lower(), value) for name, value in api.received[-1].headers]
    assert "k-5b7e91" not in terminal.seen
    assert run("ask", "list the notes", "-a", "memo", "--planner", "offline").code == 0


def test_an_interrupted_setup_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-C at the description, the name, the address, the choice of a login, the key, and after a failed question."""
    source = notes(tmp_path, servers=[], security=[{"oauth": []}, {"key": []}], components={"securitySchemes": SCHEMES})
    answers = (
        ("for an example: ", source),
        ("What do you want to call it? [notes]: ", "memo"),
        ("for the sandbox (Enter: later): ", "http://127.0.0.1:9"),
        ("1 to 3 (Enter: later): ", "1"),
        ("key (API key in the header X-Key): ", "k-5b7e91"),
        ("(Enter: leave it as it is): ", ""),
    )
    for count in range(len(answers)):
        with dialogue("setup") as terminal:
            for question, answer in answers[:count]:
                terminal.expect(question)
                terminal.type(f"{answer}\n")
            terminal.expect(answers[count][0])
            assert terminal.break_off() == 130, terminal.seen
        assert run("api", "list").json == []
        assert run("auth", "status").json == []


def test_setup_goes_on_without_what_is_left_for_later(tmp_path: Path) -> None:
    """Enter at every prompt: registered, with the command for each part that is missing."""
    nowhere = notes(tmp_path, servers=[], **BEARER)
    with dialogue("setup", nowhere) as terminal:
        terminal.expect("What do you want to call it? [notes]: ")
        terminal.type("\n")
        terminal.expect("Where does the API run?")
        terminal.type("\n")
        terminal.expect("nlapi api edit notes --base-url")
        assert terminal.end() == 0
    with dialogue("setup", notes(tmp_path, **BEARER)) as terminal:
        terminal.expect("What do you want to call it? [notes-2]: ")
        terminal.type("\n")
        terminal.expect("token (bearer token): ")
        terminal.type("\n")
        terminal.expect("nlapi auth login notes-2")
        assert terminal.end() == 0
    assert [row["name"] for row in run("api", "list").json] == ["notes", "notes-2"]


# ---- pictures ---------------------------------------------------------------------------------------------------


def test_a_line_of_bars_goes_from_the_lowest_to_the_highest() -> None:
    assert sparkline([0, 7]) == BARS[0] + BARS[-1]
    assert sparkline([3, 3, 3]) == BARS[3] * 3
    assert sparkline([]) == ""
    assert len(sparkline(range(100))) == 100


def test_a_table_with_times_has_a_chart_and_a_short_one_has_none(tmp_path: Path) -> None:
    days = [{"date": f"2026-06-{day:02}", "clicks": day * day} for day in range(1, 13)]
    events = [{"id": f"e{number}", "created_at": f"2026-06-{number // 3 + 1:02}T10:00:00Z"} for number in range(12)]
    with Echo(
        [Reply(200, days), Reply(200, events), Reply(200, days[:4]), Reply(200, [{"runs": [1, 2, 3, 9]}])]
    ) as api:
        series, counts, short, cell = (
            run("call", notes(tmp_path, api.url), "listNotes", "-o", "table") for _ in "1234"
        )
    assert f"clicks: {BARS[0]}" in series.err
    assert "1 to 144, 2026-06-01 to 2026-06-12" in series.err
    assert "rows by created_at: " in counts.err
    assert not set(BARS) & set(short.err)
    assert f"{BARS[0]}{BARS[1]}{BARS[2]}{BARS[7]} 9" in cell.out


@pytest.mark.parametrize("encoding", ["ascii", "cp437", "cp1252", "utf-8"])
def test_any_code_page_shows_a_table(tmp_path: Path, api: Echo, encoding: str) -> None:
    source = notes(tmp_path, api.url)
    env = {**os.environ, "PYTHONIOENCODING": encoding}
    done = subprocess.run([NLAPI, "call", source, "listNotes", "-o", "table"], capture_output=True, env=env, check=True)
    shown = (done.stdout + done.stderr).decode(encoding)
    assert "Milk" in shown
    assert "\\u" not in shown


def test_a_terminal_of_forty_columns_is_not_overrun(tmp_path: Path, api: Echo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    rows = [{"id": f"0123456789ab-{number}", "name": "a name of several words", "n": number} for number in range(3)]
    with Echo(Reply(200, rows)) as server:
        ran = run("call", notes(tmp_path, server.url), "listNotes", "-o", "table")
    assert all(len(line) <= 40 for line in ran.out.splitlines())
    assert all(len(line) <= 40 for line in run("describe", "ads", "-o", "table").out.splitlines())
    assert json.loads(run("describe", "ads").out)["api"] == "Ads"


def test_a_plugin_lies_in_a_folder_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("plugin", "build", notes(tmp_path)).out == "notes-plugin\n"
    assert (tmp_path / "notes-plugin" / ".claude-plugin" / "plugin.json").is_file()
