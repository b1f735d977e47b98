"""`nlapi call`: arguments in, one request out, the answer printed, the exit code that of the answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.kit import BEARER, Ran, dialogue, notes, notes_api, run
from tests.servers import Echo, Reply

SECRET = "s3cr3t-t0ken-abcdef"


def dry(source: str, *words: str) -> dict[str, object]:
    ran = run("call", source, *words, "--dry-run", "-o", "json")
    assert (ran.code, ran.err) == (0, "")
    return ran.json


# ---- the request ------------------------------------------------------------------------------------------------


def test_a_dry_run_prints_method_url_headers_and_body_and_sends_nothing(tmp_path: Path) -> None:
    with Echo() as api:
        shown = dry(notes(tmp_path, api.url), "createNote", "title=Milk", "points=3")
    assert list(shown) == ["method", "url", "headers", "body"]
    assert shown["method"] == "POST"
    assert shown["url"] == f"{api.url}/notes"
    assert shown["body"] == {"title": "Milk", "points": 3}
    assert api.received == []


def test_a_request_without_a_body_has_the_body_null(tmp_path: Path) -> None:
    assert dry(notes(tmp_path), "listNotes")["body"] is None


def test_curl_prints_one_line_and_sends_nothing(tmp_path: Path) -> None:
    with Echo() as api:
        ran = run("call", notes(tmp_path, api.url), "createNote", "title=it's", "--curl")
    assert ran.code == 0
    assert ran.out.count("\n") == 1
    assert ran.out.startswith("curl ")
    assert api.received == []


@pytest.mark.parametrize(
    ("pairs", "query"),
    [
        (["limit=5", "pinned=yes"], "limit=5&pinned=true"),
        (["label=a,b"], "label=a&label=b"),
        (["label=a", "label=b"], "label=a&label=b"),
        (['label:=["a,b"]'], "label=a%2Cb"),
        (["status=open"], "status=open"),
        (["filter[owner]=me"], "filter%5Bowner%5D=me"),
    ],
)
def test_values_are_read_as_the_operation_wants_them(tmp_path: Path, pairs: list[str], query: str) -> None:
    assert str(dry(notes(tmp_path), "listNotes", *pairs)["url"]).partition("?")[2] == query


@pytest.mark.parametrize(
    "words",
    [
        ["deleteNote", "note=1", "note=2"],
        ["deleteNote", "--args", '{"note": "1", "note": "2"}'],
        ["DELETE", "/notes/1", "note=2"],
        ["DELETE", "/notes/1", "--args", '{"note": "2"}'],
        ["GET", "/notes?limit=1&limit=2"],
        ["listNotes", "limit=1", "limit=2"],
        ["listNotes", "--args", '{"filter[owner]": "me", "filter_owner": "you"}'],
        ["createNote", 'extra={"a": 1, "a": 2}', "title=x"],
        ["createNote", 'extra:={"a": 1, "a": 2}', "title=x"],
        ["createNote", "--raw-body", '{"title": "a", "title": "b"}'],
        ["createNote", "title=x", "-H", "X-Tenant: a", "-H", "x-tenant: b"],
    ],
)
def test_two_values_of_one_name_are_refused(tmp_path: Path, words: list[str]) -> None:
    with Echo() as api:
        ran = run("call", notes(tmp_path, api.url), *words, "--yes")
    assert ran.code == 2
    assert "twice" in ran.complaint or "extra" in ran.complaint
    assert api.received == []


@pytest.mark.parametrize("option", ["--set", "--auth"])
def test_an_option_with_one_name_twice_is_refused(tmp_path: Path, option: str) -> None:
    ran = run("api", "add", "shop", notes(tmp_path), option, "a=https://x.example", option, "a=https://y.example")
    assert (ran.code, f"{option} a is given twice" in ran.complaint) == (2, True)


def test_a_text_stays_a_text_and_json_is_taken_as_it_is(tmp_path: Path) -> None:
    shown = dry(notes(tmp_path), "createNote", "title=007", 'extra:={"deep": [1, null]}', "points:=4")
    assert shown["body"] == {"title": "007", "extra": {"deep": [1, None]}, "points": 4}


def test_arguments_come_as_json_from_the_line_a_file_or_standard_input(tmp_path: Path) -> None:
    source, wanted = notes(tmp_path), {"title": "Milk", "points": 3}
    file = tmp_path / "note.json"
    file.write_text(json.dumps(wanted))
    assert dry(source, "createNote", "--args", json.dumps(wanted))["body"] == wanted
    assert dry(source, "createNote", "--args", f"@{file}")["body"] == wanted
    piped = run("call", source, "createNote", "--args", "-", "--dry-run", stdin=json.dumps(wanted))
    assert piped.json["body"] == wanted


def test_a_pair_goes_over_args(tmp_path: Path) -> None:
    shown = dry(notes(tmp_path), "createNote", "--args", '{"title": "a", "points": 1}', "points=2")
    assert shown["body"] == {"title": "a", "points": 2}


def test_a_file_is_sent_where_the_operation_takes_one(tmp_path: Path) -> None:
    picture = tmp_path / "cat.png"
    picture.write_bytes(b"\x89PNG\r\n\x00\xff")
    with Echo(Reply(204)) as api:
        source = notes(tmp_path, api.url)
        assert run("call", source, "attachFile", "note=n1", f"file=@{picture}", "caption=@home", "--yes").code == 0
        assert run("call", source, "putFile", "note=n1", f"body=@{picture}", "--yes").code == 0
    form, plain = api.received
    assert b'filename="cat.png"' in form.body
    assert b"Content-Type: image/png\r\n\r\n\x89PNG\r\n\x00\xff\r\n" in form.body
    assert b"\r\n\r\n@home\r\n" in form.body
    assert plain.body == b"\x89PNG\r\n\x00\xff"


def test_a_file_stands_for_its_content_where_the_operation_takes_a_text(tmp_path: Path) -> None:
    """As httpie has it: `=@` embeds the text and `:=@` the JSON; a name that is no file's stays a text."""
    text, data, picture = tmp_path / "plan.txt", tmp_path / "tags.json", tmp_path / "cat.png"
    text.write_text("first\nsecond\n")
    data.write_text('["a", "b"]')
    picture.write_bytes(b"\x89PNG\xff")
    source = notes(tmp_path)
    shown = dry(source, "createNote", f"title=@{text}", f"labels:=@{data}")
    assert shown["body"] == {"title": "first\nsecond\n", "labels": ["a", "b"]}
    assert dry(source, "createNote", "title=@home")["body"] == {"title": "@home"}
    assert dry(source, "createNote", 'title:="@home"')["body"] == {"title": "@home"}
    for pair, reason in (("title=@plan.md", "plan.md cannot be read"), (f"title=@{picture}", "cat.png is not text")):
        refused = run("call", source, "createNote", pair, "--dry-run")
        assert refused.code == 2
        assert reason in refused.complaint
    rows = tmp_path / "rows.csv"
    rows.write_text(f"title\n@{text}\n")
    batch = run("batch", source, str(rows), "createNote", "--dry-run", "-o", "json")
    assert batch.json[0]["body"] == {"title": f"@{text}"}, "a cell of somebody's table opens no file"


def test_a_file_in_a_form_and_in_json(tmp_path: Path) -> None:
    properties = {"name": {"type": "string"}, "file": {"type": "string", "format": "binary"}}
    media = {"schema": {"type": "object", "properties": properties}}
    picture, text = tmp_path / "cat.png", tmp_path / "cat.txt"
    picture.write_bytes(b"\x89 &\xff")
    text.write_text("miau")
    with Echo(Reply(204)) as api:
        for kind, file, body in (
            ("application/x-www-form-urlencoded", picture, b"name=cat&file=%89+%26%FF"),
            ("application/json", text, b'{"name":"cat","file":"miau"}'),
        ):
            operation = {"operationId": "upload", "requestBody": {"content": {kind: media}}, "responses": {}}
            source = tmp_path / "api.json"
            info = {"title": "Files", "version": "1"}
            paths = {"/files": {"post": operation}}
            source.write_text(
                json.dumps({"openapi": "3.1.0", "info": info, "servers": [{"url": api.url}], "paths": paths})
            )
            assert run("call", str(source), "upload", "name=cat", f"file=@{file}", "--yes").code == 0
            assert api.received[-1].body == body


# ---- the answer -------------------------------------------------------------------------------------------------


def asked(reply: Reply, *words: str, folder: Path) -> Ran:
    with Echo(reply) as api:
        return run("call", notes(folder, api.url), "listNotes", *words)


ITEMS = {"items": [{"id": "n1", "title": "Crème"}, {"id": "n2", "title": "Rent"}], "total": 2}


@pytest.mark.parametrize(
    ("words", "out"),
    [
        (["-o", "ndjson"], '{"id": "n1", "title": "Crème"}\n{"id": "n2", "title": "Rent"}\n'),
        (["-o", "raw"], json.dumps(ITEMS)),
        (["--jq", ".items[].title"], "Crème\nRent\n"),
        (["--jq", ".total"], "2\n"),
        ([], json.dumps(ITEMS, indent=2, ensure_ascii=False) + "\n"),
    ],
)
def test_the_answer_is_printed_as_it_is_wanted(tmp_path: Path, words: list[str], out: str) -> None:
    ran = asked(Reply(200, ITEMS), *words, folder=tmp_path)
    assert (ran.code, ran.out) == (0, out)
    assert ran.err.startswith("200 OK")


def test_a_table_has_a_line_for_each_thing(tmp_path: Path) -> None:
    ran = asked(Reply(200, ITEMS), "-o", "table", folder=tmp_path)
    head, rule, *rows = ran.out.splitlines()
    assert head.split() == ["title", "id"]
    assert set(rule.strip()) == {"─"}
    assert [row.split() for row in rows] == [["Crème", "n1"], ["Rent", "n2"]]


@pytest.mark.parametrize(("status", "code"), [(200, 0), (204, 0), (304, 3), (404, 4), (422, 4), (500, 5), (599, 5)])
def test_the_exit_code_is_that_of_the_answer(tmp_path: Path, status: int, code: int) -> None:
    body = b"" if status in (204, 304) else {"title": "what happened"}
    ran = asked(Reply(status, body), folder=tmp_path)
    assert ran.code == code
    assert ("what happened" in ran.out) is bool(body)
    assert "error" not in ran.err


def test_an_error_is_printed_whole_whatever_the_filter(tmp_path: Path) -> None:
    ran = asked(Reply(404, {"detail": "no such note"}), "--jq", ".items[].title", folder=tmp_path)
    assert (ran.code, ran.json) == (4, {"detail": "no such note"})


def test_what_is_not_json_is_printed_as_it_is(tmp_path: Path) -> None:
    ran = asked(Reply(200, b"id,title\nn1,Milk\n", {"Content-Type": "text/csv"}), folder=tmp_path)
    assert (ran.code, ran.out) == (0, "id,title\nn1,Milk\n")


def test_half_a_character_in_an_answer_is_printed_as_json_writes_it(tmp_path: Path) -> None:
    ran = asked(Reply(200, b'{"a": "\\ud800"}'), folder=tmp_path)
    assert (ran.code, ran.json) == (0, {"a": "\ud800"})


def test_a_filter_that_is_wrong_is_refused_before_anything_is_sent(tmp_path: Path) -> None:
    with notes_api() as api:
        ran = run("call", notes(tmp_path, api.url), "createNote", "title=a", "--yes", "--jq", ".[")
    assert ran.code == 2
    assert "--jq" in ran.complaint
    assert api.received == []


READS_MORE = {
    "env": (
        "env",
        "env.NLAPI_TEST_SECRET",
        ". | env",
        '"\\(env)"',
        '@base64 "\\(env)"',
        "def f: env; f",
        "[.[]? | env]",
    ),
    "$ENV": (
        "$ENV",
        "$ENV.NLAPI_TEST_SECRET",
        '"\\($ENV.NLAPI_TEST_SECRET)"',
        ". as {$a} | $ENV",
        "$ENV[]",
        "try $ENV",
    ),
    "input": ("input", "try input", "# a comment\ninput"),
    "inputs": ("[inputs]", "first(inputs)", "reduce inputs as $x (0; .)"),
    "input_filename": ("input_filename",),
    "input_line_number": ("input_line_number",),
    "debug": ("debug", 'debug("x")'),
    "stderr": ("stderr",),
    "halt": ("halt",),
    "halt_error": ("halt_error", "halt_error(0)"),
    "get_search_list": ("get_search_list",),
    "modulemeta": ('"a" | modulemeta',),
}


@pytest.mark.parametrize(("name", "expression"), [(name, one) for name, all in READS_MORE.items() for one in all])
def test_a_filter_sees_the_answer_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, expression: str
) -> None:
    monkeypatch.setenv("NLAPI_TEST_SECRET", "s3cr3t")
    with notes_api() as api:
        ran = run("call", notes(tmp_path, api.url), "listNotes", "--jq", expression)
    assert ran.code == 2
    assert f"uses {name}, which is refused" in ran.complaint
    assert "s3cr3t" not in ran.out + ran.err
    assert api.received == []


@pytest.mark.parametrize("expression", ['import "a" as a; .', 'include "a"; .', 'import "a" as $a; $a', "$__prog_args"])
def test_a_filter_reads_no_file(tmp_path: Path, expression: str) -> None:
    (tmp_path / "a.json").write_text('"s3cr3t"')
    with notes_api() as api:
        ran = run("call", notes(tmp_path, api.url), "listNotes", "--jq", expression)
    assert ran.code == 2
    assert "s3cr3t" not in ran.out + ran.err


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("", '{"env": 1, "input": "in", "debug": ["x"]}\n'),
        (".env", "1\n"),
        ("{env, input}", '{"env": 1, "input": "in"}\n'),
        ('."env"', "1\n"),
        ('"env: \\(.env)"', "env: 1\n"),
        (".debug[0] # env", "x\n"),
        ('to_entries | map(select(.key | test("^e"))) | from_entries', '{"env": 1}\n'),
        ("def env: 7; env", "7\n"),
        ('getpath(["debug", 0])', "x\n"),
        ("[paths] | length", "4\n"),
    ],
)
def test_fields_may_be_called_like_what_a_filter_does_not_see(tmp_path: Path, expression: str, text: str) -> None:
    answer = {"env": 1, "input": "in", "debug": ["x"]}
    ran = asked(Reply(200, answer), "--jq", expression, folder=tmp_path)
    assert (ran.code, ran.out) == (0, text)


def test_the_line_of_a_fault_in_a_filter_is_its_own(tmp_path: Path) -> None:
    with notes_api() as api:
        ran = run("call", notes(tmp_path, api.url), "listNotes", "--jq", ".a |\n| .b")
    assert "line 2" in ran.complaint


def test_a_filter_that_does_not_fit_the_answer_shows_the_answer(tmp_path: Path) -> None:
    ran = asked(Reply(200, ITEMS), "--jq", ".total[0]", folder=tmp_path)
    assert ran.code == 1
    assert "n1" in ran.err


# ---- consent and credentials ------------------------------------------------------------------------------------


def test_a_change_without_consent_is_not_sent(tmp_path: Path) -> None:
    with notes_api() as api:
        source = notes(tmp_path, api.url)
        refused = run("call", source, "deleteNote", "note=n1")
        assert (refused.code, refused.out, api.received) == (6, "", [])
        assert "--yes" in refused.complaint
        assert run("call", source, "deleteNote", "note=n1", "--yes").code == 0
    assert api.only.method == "DELETE"


@pytest.mark.parametrize(("typed", "code"), [("Yes\n", 0), ("what?\n", 6), ("\x04", 6)])
def test_at_a_terminal_only_a_typed_yes_consents(tmp_path: Path, typed: str, code: int) -> None:
    with notes_api() as api:
        with dialogue("call", notes(tmp_path, api.url), "deleteNote", "note=n1") as terminal:
            terminal.expect(f"DELETE {api.url}/notes/n1")
            terminal.expect("deleteNote takes something away. Send it? [y/N]: ")
            assert api.changes == []
            terminal.type(typed)
            assert terminal.end() == code
        assert len(api.changes) == (code == 0)


def test_a_credential_is_sent_and_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTES_TOKEN", SECRET)

    def unkind(request: object) -> Reply:
        return Reply(401, {"detail": f"{request.header('authorization')} is not known"})

    with Echo(unkind) as api:
        source = notes(tmp_path, api.url, **BEARER)
        auth = ("--auth", "token=env:NOTES_TOKEN")
        rans = [
            run("call", source, "listNotes", *auth),
            run("call", source, "listNotes", *auth, "-o", "raw"),
            run("call", source, "listNotes", *auth, "--dry-run"),
            run("call", source, "listNotes", *auth, "--curl"),
            run("ask", "list the notes", "-a", source, *auth, "--planner", "offline"),
        ]
    assert [ran.code for ran in rans] == [4, 4, 0, 0, 4]
    assert {request.header("authorization") for request in api.received} == {f"Bearer {SECRET}"}
    assert "is not known" in rans[0].out
    for ran in rans:
        assert SECRET not in ran.out + ran.err
    kept = [file.read_text() for file in tmp_path.glob("state/log/*")]
    assert len(kept) == 1
    assert SECRET not in kept[0]


def test_a_credential_that_is_missing_is_asked_for_by_name_and_nothing_is_sent(tmp_path: Path) -> None:
    with Echo() as api:
        ran = run("call", notes(tmp_path, api.url, **BEARER), "listNotes")
    assert (ran.code, api.received) == (2, [])
    assert "--auth token=env:NAME" in ran.complaint
