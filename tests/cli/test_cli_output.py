"""What every command has in common: help, start-up, streams, tables, and how it is stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.kit import BEARER, NLAPI, command, dialogue, notes, run
from tests.servers import Echo, Reply, Script

COMMANDS = ["ask", "chat", "call", "tools", "find", "check", "api", "api add", "log", "log show", "log resume"]
HEAVY = frozenset(
    "httpx2 anthropic jsonschema yaml starlette uvicorn openapi_spec_validator jq keyring msgspec pydantic regex "
    "rich.live rich.markdown rich.progress rich.traceback tomllib".split()
)
MODULES = {
    ("--help",): 11,
    ("call", "ads", "listCampaigns", "--dry-run"): 98,
    ("call", "ads", "listCampaigns", "limit=5", "name=sale", "--dry-run"): 101,
    ("ask", "show the campaigns", "-a", "ads", "--planner", "offline", "--dry-run"): 210,
    ("describe", "ads", "listCampaigns"): 141,
    ("find", "ads", "pause a campaign", "--limit", "3"): 77,
    ("tools", "ads"): 85,
}
"""The most modules of nlapi that a command may import, once its description is in the cache; lower them with it."""


@pytest.mark.parametrize("words", MODULES)
def test_a_command_imports_what_it_needs(words: tuple[str, ...]) -> None:
    program = (
        "import sys\n"
        f"sys.argv = ['nlapi', *{words!r}]\n"
        "from nlapi.cli.main import main\n"
        "try:\n    main()\n"
        "finally:\n    print('modules', *sys.modules, file=sys.stderr)\n"
    )
    assert run(*words).code == 0  # what it stores is not read again
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = done.stderr.splitlines()[-1].split()
    assert HEAVY.isdisjoint(loaded) or words[0] == "describe"
    assert sum(name.partition(".")[0] == "nlapi" for name in loaded) <= MODULES[words]
    if words[0] in ("call", "find", "tools"):
        assert {"asyncio", "rich", "ssl"}.isdisjoint(loaded)


@pytest.mark.parametrize("words", COMMANDS)
def test_help_has_an_example_and_fits_80_columns(words: str) -> None:
    ran = run(*words.split(), "--help")
    assert (ran.code, ran.err) == (0, "")
    assert all(len(line) <= 80 for line in ran.out.splitlines())
    if words not in ("api", "log"):
        assert f" nlapi {words} " in ran.out.split("╰")[-1]


def test_the_version_is_one_line() -> None:
    ran = run("--version")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith("nlapi ")


# ---- lists and tables -------------------------------------------------------------------------------------------


def test_tools_is_a_manifest_in_the_format_that_is_wanted(tmp_path: Path) -> None:
    source = notes(tmp_path)
    assert {tool["name"] for tool in run("tools", source).json} >= {"listNotes", "createNote"}
    assert all("input_schema" in tool for tool in run("tools", source).json)
    assert all(tool["type"] == "function" for tool in run("tools", source, "--format", "openai").json)
    assert all("inputSchema" in tool for tool in run("tools", source, "--format", "mcp").json)
    assert all("parameters" in tool or "name" in tool for tool in run("tools", source, "--format", "gemini").json)


def test_find_gives_the_likeliest_operation_first(tmp_path: Path) -> None:
    rows = run("find", notes(tmp_path), "delete", "a", "note").json
    assert (rows[0]["operation"], rows[0]["effect"]) == ("deleteNote", "destroy")
    shown = run("find", notes(tmp_path), "delete", "a", "note", "-o", "table")
    assert "DELETE /notes/{" in shown.out
    nothing = run("find", notes(tmp_path), "xyzzy", "-o", "table")
    assert (nothing.code, nothing.out) == (1, "")
    assert nothing.err.startswith("nothing in Notes is about that (`nlapi tools ")


def test_find_reads_a_slip_of_the_pen_as_the_word_that_is_meant(tmp_path: Path) -> None:
    ran = run("find", notes(tmp_path, paths={"/reports": {"get": {"operationId": "listReports"}}}), "list", "repotrs")
    assert ran.json[0]["operation"] == "listReports"
    assert ran.err == "read as: list report\n"


def test_check_says_what_is_wrong_a_line_each(tmp_path: Path) -> None:
    source = notes(tmp_path, paths={"/a": {"get": {"responses": {"200": {"description": "ok"}}}}})
    table = run("check", source, "-o", "table")
    assert table.code == 0
    assert all(line.startswith(("error: ", "warning: ", "info: ")) for line in table.out.splitlines())
    assert "1 of 1 operations usable" in table.err
    assert len(run("check", source).json["issues"]) == len(table.out.splitlines())


def test_check_knows_that_an_answer_of_swagger_2_may_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "swagger.json"
    answers = {"200": {"description": "ok", "schema": {"type": "file"}}}
    node = {"operationId": "export", "summary": "Export it", "produces": ["application/pdf"], "responses": answers}
    info = {"title": "Files", "version": "1"}
    path.write_text(json.dumps({"swagger": "2.0", "info": info, "host": "a.example", "paths": {"/e": {"get": node}}}))
    ran = run("check", str(path), "-o", "table")
    assert ran.out == ""
    assert "1 of 1 operations usable; 0 errors, 0 warnings, 0 remarks" in ran.err


def test_check_says_once_what_is_wrong_in_many_places(tmp_path: Path) -> None:
    parameter = {"name": "Accept", "in": "header", "schema": {"type": "string"}}
    node = {"parameters": [parameter], "responses": {"200": {"description": "ok"}}}
    source = notes(tmp_path, paths={f"/{one}": {"get": {**node, "operationId": one}} for one in "abcd"})
    (line,) = [one for one in run("check", source, "-o", "table").out.splitlines() if "'Accept'" in one]
    assert line.startswith("info: paths./a.get.")
    assert line.endswith("(and in 3 more places)")
    assert sum("'Accept'" in one["message"] for one in run("check", source).json["issues"]) == 4


def test_a_manifest_is_one_list_however_many_tools_there_are(tmp_path: Path) -> None:
    for ids in ("", "a", "abc"):
        node = {"responses": {"200": {"description": "ok"}}}
        paths = {f"/{one}": {"get": {**node, "operationId": one}} for one in "abc"}
        ran = run("tools", notes(tmp_path, paths=paths), *(f"--include={one}" for one in ids or "x"))
        assert [one["name"] for one in ran.json] == list(ids)


def test_a_table_shows_as_many_columns_as_can_be_read_and_names_the_rest(tmp_path: Path) -> None:
    thing = {f"field_{number}": "some words that take their room" for number in range(12)}
    rows = [{**thing, "id": f"0123456789abcdef-{number}", "name": "[bold]x[/bold]"} for number in range(60)]
    with Echo(Reply(200, rows)) as api:
        ran = run("call", notes(tmp_path, api.url), "listNotes", "-o", "table")
    assert all(len(line) <= 80 for line in ran.out.splitlines())
    # A file has every row, a terminal the first.
    assert "0123456789abcdef-59" in ran.out
    assert "[bold]x[/bold]" in ran.out
    assert "field_11" in ran.err


def test_what_an_envelope_holds_is_shown_in_its_place(tmp_path: Path) -> None:
    fields = {"displayName": "Spending", "balance": {"value": "9.50"}}
    listed = {"data": [{"type": "accounts", "id": "a1", "attributes": fields, "links": {"self": "/a1"}}]}
    one = {"account": {"id": "a1", "owners": [{"id": "u1"}], "title": "Spending"}}
    with Echo(Reply(200, listed)) as api:
        many = run("call", notes(tmp_path, api.url), "listNotes", "-o", "table").out.splitlines()
    with Echo(Reply(200, one)) as api:
        single = run("call", notes(tmp_path, api.url), "getNote", "note=a1", "-o", "table").out
    assert many[0].split()[:2] == ["displayName", "id"]
    assert {"a1", "Spending", "9.50"} <= set(many[-1].split())
    assert "attributes" not in "".join(many)
    assert ["title", "Spending"] in [line.split() for line in single.splitlines()]


@pytest.mark.parametrize("columns", [60, 80])
def test_short_columns_ids_and_times_are_not_folded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    uuid, time = "0b1c2d3e-0000-4000-8000-000000000001", "2026-01-05T09:00:00Z"
    row = {"status": "ACTIVE", "made": time, "note": "some words that take their room " * 3}
    with Echo(Reply(200, [{"name": "a", "id": uuid, **row}])) as api:
        found = run("call", notes(tmp_path, api.url), "listNotes", "-o", "table").out
    shown = found + run("find", notes(tmp_path), "note", "-o", "table").out
    assert all(len(line) <= columns for line in shown.splitlines())
    assert {uuid, "ACTIVE", "DELETE", "/notes/{note}"} <= set(shown.split())
    assert "2026-01-05 09:00" in found or columns == 60


def test_the_tools_of_a_description_with_long_names_fit_the_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"anArgumentOfSomeLength{number}" for number in range(6)]
    parameters = [{"name": name, "in": "query", "schema": {"type": "string"}} for name in names]
    id = "updateTheBackgroundOfTheBoardOfAMemberOfAnOrganizationById"
    node = {"operationId": id, "parameters": parameters, "responses": {"200": {"description": "ok"}}}
    source = notes(tmp_path, paths={"/a": {"get": node}})
    for columns in (60, 80):
        monkeypatch.setenv("COLUMNS", str(columns))
        with dialogue("tools", source) as terminal:
            assert terminal.end() == 0
        assert {"effect", "tokens", "read"} <= set(terminal.seen.split())
        assert all(len(line) <= columns for line in terminal.seen.splitlines())


def test_html_in_a_description_is_shown_as_text(tmp_path: Path) -> None:
    summary = "<p>List   <b>big</b>\n boxes&nbsp;&amp; <a href='x'>bags</a></p><br/>by <id>"
    node = {"operationId": "op", "summary": summary, "responses": {"200": {"description": "ok"}}}
    rows = run("find", notes(tmp_path, paths={"/boxes": {"get": node}}), "boxes").json
    assert rows[0]["summary"] == "List big boxes & bags by <id>"


def test_what_is_missing_is_told_once(tmp_path: Path) -> None:
    described = {"description": "<p>How <b>big</b> it is.</p>"}
    properties = {"title": {"type": "string", "description": "The title."}, "size": {"type": "integer", **described}}
    schema = {"type": "object", "required": [*properties], "properties": properties}
    content = {"application/json": {"schema": schema}}
    node = {"operationId": "createBox", "summary": "Create a box", "responses": {"201": {"description": "ok"}}}
    source = notes(
        tmp_path, paths={"/boxes": {"post": {**node, "requestBody": {"required": True, "content": content}}}}
    )
    ran = run("ask", "create a box", "-a", source, "--planner", "offline")
    assert "createBox needs title; createBox needs size (How big it is)" in ran.err
    with dialogue("ask", "create a box", "-a", source, "--planner", "offline") as terminal:
        terminal.expect("title: ")
        terminal.type("x\n")
        terminal.expect("How big it is")
        terminal.expect("size: ")
        terminal.type("\n")
        terminal.end()
    assert "the title" not in terminal.seen.lower()


def test_a_value_that_is_more_than_one_is_asked_for_with_the_way_to_write_it(tmp_path: Path) -> None:
    schema = {
        "type": "object",
        "required": ["rules"],
        "properties": {"rules": {"type": "array", "items": {"type": "object"}}},
    }
    body = {"required": True, "content": {"application/json": {"schema": schema}}}
    node = {"operationId": "createWall", "summary": "Create a wall", "responses": {"201": {"description": "ok"}}}
    source = notes(tmp_path, paths={"/walls": {"post": {**node, "requestBody": body}}})
    ran = run("ask", "create a wall", "-a", source, "--planner", "offline")
    assert "needs rules (a list, written as JSON)" in ran.err


def test_a_call_that_could_not_be_sent_is_told_once(tmp_path: Path) -> None:
    ran = run("ask", "list the notes", "-a", notes(tmp_path, **BEARER), "--planner", "offline", "-o", "text")
    assert (ran.code, ran.err.count("needs a credential")) == (2, 1)


@pytest.mark.parametrize(
    ("path", "summary", "hint"),
    [
        ("/boxes", "List the\n boxes.", "nlapi ask 'list the boxes' -a "),
        ("/v1/big_boxes", "", "nlapi ask 'list big boxes' -a "),
        ("/boxes/{box}", "Get a box", "nlapi find "),
    ],
)
def test_the_sandbox_suggests_something_that_can_be_asked(tmp_path: Path, path: str, summary: str, hint: str) -> None:
    box = {"name": "box", "in": "path", "required": True, "schema": {"type": "string"}}
    node = {"summary": summary, "parameters": [box] if "{" in path else [], "responses": {"200": {"description": "ok"}}}
    with dialogue("sandbox", notes(tmp_path, paths={path: {"get": node}}), "--port", "0") as terminal:
        terminal.expect("In another terminal:\n")
        terminal.expect(f"  {hint}")


def test_the_sandbox_suggests_a_credential_of_the_form_that_is_wanted(tmp_path: Path) -> None:
    basic = {
        "components": {"securitySchemes": {"door": {"type": "http", "scheme": "basic"}}},
        "security": [{"door": []}],
    }
    with dialogue("sandbox", notes(tmp_path, **basic), "--port", "0") as terminal:
        terminal.expect("--auth door=any:any")


# ---- a terminal, a pipe, a signal -------------------------------------------------------------------------------


def test_on_a_terminal_an_answer_is_a_table_without_escapes_of_the_api(tmp_path: Path) -> None:
    with Echo(Reply(200, [{"id": "n1", "title": "\x1b]0;owned\x07\x9b2Jgone"}])) as api:
        with dialogue("call", notes(tmp_path, api.url), "listNotes") as terminal:
            assert terminal.end() == 0
        with dialogue("call", notes(tmp_path, api.url), "listNotes", "-o", "raw") as raw:
            assert raw.end() == 0
    assert "gone" in terminal.seen
    assert "owned" not in terminal.seen
    assert "\x9b" not in terminal.seen + raw.seen


def test_no_color_is_honoured(tmp_path: Path) -> None:
    with dialogue("call", str(tmp_path / "nowhere.yaml"), "x") as terminal:
        assert terminal.end() == 1
    assert terminal.seen.startswith("error: no such file")


def test_bytes_stay_bytes_in_a_pipe_and_are_not_poured_on_a_terminal(tmp_path: Path) -> None:
    picture = b"\x89PNG\r\n\x00\xff"
    with Echo(Reply(200, picture, {"Content-Type": "image/png"})) as api:
        words = ("call", notes(tmp_path, api.url), "listNotes")
        piped = subprocess.run([NLAPI, *words], capture_output=True, check=True)
        with dialogue(*words) as terminal:
            assert terminal.end() == 0
    assert piped.stdout == picture
    assert "8 bytes of image/png" in terminal.seen


@pytest.mark.parametrize("size", [1, 400_000])
def test_a_reader_that_hangs_up_is_no_error(tmp_path: Path, size: int) -> None:
    with Echo(Reply(200, [{"id": "x" * size}])) as api:
        words = [NLAPI, "call", notes(tmp_path, api.url), "listNotes"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            process.stdout.close()
            err = process.stderr.read() if process.stderr else ""
    assert process.returncode == 0
    assert err.startswith("200 OK")
    assert err.count("\n") == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_an_output_without_room_is_an_error(tmp_path: Path) -> None:
    with Echo(Reply(200, [{"id": "n1"}])) as api, Path("/dev/full").open("w") as full:
        words = [NLAPI, "call", notes(tmp_path, api.url), "listNotes"]
        done = subprocess.run(words, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert done.stderr.splitlines()[1:] == ["error: the output cannot be written: No space left on device"]


@pytest.mark.skipif(os.name != "posix", reason="streams that are closed are of POSIX")
def test_streams_that_are_closed_are_no_streams_of_others(tmp_path: Path) -> None:
    with Echo(Reply(200, [{"id": "n1"}])) as api:
        words = [NLAPI, "ask", "list the notes", "-a", notes(tmp_path, api.url), "--planner", "offline"]
        done = subprocess.run(["sh", "-c", 'exec "$0" "$@" <&- >&-', *words], stderr=subprocess.PIPE, text=True)
    assert (done.returncode, len(api.received)) == (0, 1)
    assert "Traceback" not in done.stderr


def _await(api: Script, process: subprocess.Popen[str]) -> None:
    """Until the request has come, or the command is over."""
    while not api.received:
        assert process.poll() is None
        api.stopping.wait(0.01)


def test_ctrl_c_while_an_answer_is_awaited_ends_with_130(tmp_path: Path) -> None:
    with Script(Script.SILENCE) as api:
        words = [NLAPI, "call", notes(tmp_path, api.url), "listNotes"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            _await(api, process)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=120)
    assert (process.returncode, out, err.strip()) == (130, "", "interrupted")


def test_ctrl_c_while_a_change_is_on_its_way_says_that_it_may_have_been_made(tmp_path: Path) -> None:
    with Script(Script.SILENCE) as api:
        words = [NLAPI, "call", notes(tmp_path, api.url), "deleteNote", "note=n1", "--yes"]
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            _await(api, process)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "deleteNote may have been carried out" in err
    assert len(api.received) == 1


def test_data_is_on_standard_output_and_nothing_else(tmp_path: Path) -> None:
    with Echo(Reply(200, {"id": "n1"})) as api:
        ran = command("call", notes(tmp_path, api.url), "getNote", "note=n1")
    assert json.loads(ran.out) == {"id": "n1"}
    assert ran.err.startswith("200 OK · ")
