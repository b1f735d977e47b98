"""`nlapi call` on the second day: all pages, formats, columns, headers, bodies, and a path in place of an operation."""

from __future__ import annotations

import csv
import io
import json
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from nlapi.cli.call.result_output import arranged, arrangement, write_entries
from nlapi.cli.options import Output
from tests.cli.kit import BEARER, NLAPI, dialogue, notes, run, shell_dialogue
from tests.servers import Echo, Received, Reply

ITEM = {"type": "object", "properties": {"id": {"type": "string"}, "name": {"type": "string"}}}
LIST = {
    "operationId": "listThings",
    "parameters": [
        {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100}},
        {"name": "cursor", "in": "query", "schema": {"type": "string"}},
    ],
    "responses": {
        "200": {
            "description": "ok",
            "content": {
                "application/json": {
                    "schema": {
                        "type": "object",
                        "properties": {
                            "data": {"type": "array", "items": ITEM},
                            "next_cursor": {"type": "string"},
                            "total": {"type": "integer"},
                        },
                    }
                }
            },
        }
    },
}
THINGS = [{"id": f"t{number}", "name": f"Thing {number}"} for number in range(7)]


def paged(request: Received) -> Reply:
    query = dict(request.query)
    start, size = int(query.get("cursor") or 0), int(query.get("limit") or 3)
    page: dict[str, Any] = {"data": THINGS[start : start + size], "total": len(THINGS)}
    if start + size < len(THINGS):
        page["next_cursor"] = str(start + size)
    return Reply(200, page)


def things(folder: Path, url: str) -> str:
    return notes(folder, url, paths={"/things": {"get": LIST}})


def test_every_page_is_read_once_and_printed_as_one_list(tmp_path: Path) -> None:
    with Echo(paged) as api:
        ran = run("call", things(tmp_path, api.url), "listThings", "--all")
    assert ran.json == THINGS
    assert ran.err == "7 entries on 3 pages\n"
    assert [dict(request.query).get("cursor") for request in api.received] == [None, "3", "6"]


def test_the_bounds_of_all_are_told(tmp_path: Path) -> None:
    with Echo(paged) as api:
        source = things(tmp_path, api.url)
        some = run("call", source, "listThings", "--all", "--max-items", "4", "-o", "ndjson")
        # All come on the last page.
        last = run("call", source, "listThings", "limit=7", "--all", "--max-items", "2")
        one = run("call", source, "listThings", "--all", "--max-pages", "1", "--jq", "length")
    assert len(some.lines) == 4
    assert some.err == "4 entries of 7 on 2 pages; there are more (--max-items 4 is reached)\n"
    assert last.json == THINGS[:2]
    assert last.err == "2 entries of 7 on 1 page; there are more (--max-items 2 is reached)\n"
    assert one.out == "3\n"
    assert "--max-pages 1 is reached" in one.err
    assert run("call", source, "listThings", "--max-pages", "1").complaint.startswith("--max-items and --max-pages")


def test_what_was_read_before_a_page_failed_is_printed_and_the_exit_code_is_its(tmp_path: Path) -> None:
    replies = [paged(Received(method="GET", target="/things", headers=(), body=b"")), Reply(404, {"title": "gone"})]
    with Echo(replies) as api:
        ran = run("call", things(tmp_path, api.url), "listThings", "--all")
    assert ran.code == 4
    assert ran.json == THINGS[:3]
    assert "gone" in ran.err


def test_a_page_that_names_itself_as_the_next_is_read_once(tmp_path: Path) -> None:
    with Echo(Reply(200, {"data": THINGS[:2], "next_cursor": "same"})) as api:
        ran = run("call", things(tmp_path, api.url), "listThings", "--all")
    assert len(api.received) == 2
    assert (ran.code, ran.err) == (
        1,
        "2 entries on 1 page; the API names a page as the next one that was read already\n",
    )


def test_a_longer_page_in_place_of_a_further_one_is_not_counted_twice(tmp_path: Path) -> None:
    sizes = {**LIST, "parameters": LIST["parameters"][:1]}  # type: ignore[index]
    with Echo(paged) as api:
        ran = run("call", notes(tmp_path, api.url, paths={"/things": {"get": sizes}}), "listThings", "--all")
    assert [row["id"] for row in ran.json] == [thing["id"] for thing in THINGS]


BARE: dict[str, Any] = {"operationId": "listThings", "responses": {"200": {"description": "ok"}}}
START = {"name": "page_token", "in": "query", "schema": {"type": "string"}}
# No name of a cursor: the address of the next page names it, as GitHub does for its users.
SINCE = {**START, "name": "since"}
LIMIT = {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 2**63 - 1}}


@pytest.mark.parametrize(
    ("parameters", "reply", "received", "said"),
    [
        ([], Reply(200, {"data": THINGS[:3], "total": 7}), 1, "3 entries of 7 on 1 page"),
        ([], Reply(200, THINGS[:3], {"X-Total-Count": "7"}), 1, "3 entries of 7 on 1 page"),
        ([], Reply(200, THINGS[:3], {"Content-Range": "items 0-2/7"}), 1, "3 entries of 7"),
        ([], Reply(200, {"data": THINGS[:3], "has_more": True}), 1, "there is more"),
        ([], Reply(200, THINGS[:3], {"Link": '</things?page=2>; rel="next"'}), 2, "was read already"),
        ([], Reply(200, THINGS[:3], {"Next-Page": "https://elsewhere.example/things?p=2"}), 2, "was read already"),
        ([], Reply(200, THINGS[:3], {"Next-Page": "https://elsewhere.example/others?p=2"}), 1, "there is more"),
        ([], Reply(200, {"a": 1, "b": 2}, {"Next-Page": "/things?p=2"}), 1, "leads to more"),
        ([START], Reply(200, {"data": THINGS[:3], "next_page_token": "same"}), 2, "was read already"),
        ([LIMIT], Reply(200, {"data": THINGS[:3], "total": 7}), 2, "3 entries of 7 on 1 page"),
        ([], Reply(200, THINGS[:3]), 1, ""),
    ],
)
def test_all_says_what_is_missing_and_exits_with_1(
    tmp_path: Path, parameters: list[Any], reply: Reply, received: int, said: str
) -> None:
    with Echo(reply) as api:
        source = notes(tmp_path, api.url, paths={"/things": {"get": {**BARE, "parameters": parameters}}})
        ran = run("call", source, "listThings", "--all", "-o", "json")
    assert (ran.code, len(api.received)) == (1 if said else 0, received)
    assert said in ran.err
    assert "t2" in ran.out or "leads to more" in ran.err
    assert not [one for one in api.received if len(dict(one.query).get("limit", "")) > 5]


def test_cursors_in_a_ring_end(tmp_path: Path) -> None:
    def ring(request: Received) -> Reply:
        is_second = dict(request.query).get("page_token") == "b"
        page = THINGS[3:6] if is_second else THINGS[:3]
        return Reply(200, {"data": page, "next_page_token": "a" if is_second else "b"})

    with Echo(ring) as api:
        source = notes(tmp_path, api.url, paths={"/things": {"get": {**BARE, "parameters": [START]}}})
        ran = run("call", source, "listThings", "--all", "-o", "json")
    assert (ran.code, ran.json, len(api.received)) == (1, THINGS[:6], 3)


@pytest.mark.parametrize("header", ["Next-Page", "X-Next-Page", "Link"])
def test_the_next_page_of_a_header_is_read(tmp_path: Path, header: str) -> None:
    def listed(request: Received) -> Reply:
        start = int(dict(request.query).get("since") or 0)
        address = f"http://{request.header('host')}/things?since={start + 3}"
        value = f'<{address}>; rel="next"' if header == "Link" else address
        return Reply(200, THINGS[start : start + 3], {header: value} if start + 3 < len(THINGS) else {})

    with Echo(listed) as api:
        source = notes(tmp_path, api.url, paths={"/things": {"get": {**BARE, "parameters": [LIMIT, SINCE]}}})
        ran = run("call", source, "listThings", "--all", "-o", "json")
    assert (ran.code, ran.json, ran.err) == (0, THINGS, "7 entries on 3 pages\n")


def test_a_page_that_comes_again_is_not_counted_twice(tmp_path: Path) -> None:
    page = {"name": "page", "in": "query", "schema": {"type": "integer"}}
    with Echo(Reply(200, {"data": THINGS[:3], "has_more": True})) as api:
        source = notes(tmp_path, api.url, paths={"/things": {"get": {**BARE, "parameters": [page]}}})
        ran = run("call", source, "listThings", "--all", "-o", "json")
    assert (ran.code, ran.json, len(api.received)) == (1, THINGS[:3], 2)


def test_a_change_is_never_sent_once_a_page(tmp_path: Path, api: Echo) -> None:
    ran = run("call", notes(tmp_path, api.url), "createNote", "title=x", "--all", "--yes")
    assert ran.code == 2
    assert api.received == []


def test_csv_yaml_values_columns_and_order(tmp_path: Path, api: Echo) -> None:
    source = notes(tmp_path, api.url)
    call = ("call", source, "listNotes")
    assert run(*call, "-o", "csv").out == "id,title,status\nn1,Milk,open\nn2,Rent,done\n"
    assert run(*call, "-o", "csv", "--columns", "title,id", "--sort=-title").out == "title,id\nRent,n2\nMilk,n1\n"
    assert run(*call, "-o", "value", "--columns", "id").out == "n1\nn2\n"
    assert yaml.safe_load(run(*call, "-o", "yaml").out)["items"][1]["title"] == "Rent"
    assert run(*call, "--columns", "id").json == [{"id": "n1"}, {"id": "n2"}]
    assert run("call", source, "getNote", "note=n1", "-o", "value", "--columns", "title").out == "Milk\n"
    assert run("call", source, "getNote", "note=n1", "--columns", "title").json == {"title": "Milk"}
    assert "Rent" in run(*call, "-o", "table", "--columns", "title").out
    assert run(*call, "-q", "--columns", "nope").complaint.endswith("(there are id, title, status)")
    assert run(*call, "--columns", "id", "--jq", ".").code == 2
    assert run("call", source, "getNote", "note=zz", "-o", "csv").code == 4


def test_quiet_leaves_only_the_answer(tmp_path: Path, api: Echo) -> None:
    assert run("call", notes(tmp_path, api.url), "listNotes", "-q").err == ""


def test_headers_are_sent_and_credentials_in_them_are_masked(tmp_path: Path) -> None:
    with Echo() as api:
        source = notes(tmp_path, api.url, **BEARER)
        words = ("-H", "Authorization: Bearer canary-123", "-H", "X-Trace: abc", "-v", "-i")
        ran = run("call", source, "listNotes", *words)
    assert ran.code == 0
    sent = api.only
    assert (sent.header("authorization"), sent.header("x-trace")) == ("Bearer canary-123", "abc")
    assert "canary" not in ran.out + ran.err
    assert "> Authorization: Bearer ***" in ran.err
    assert "> X-Trace: abc" in ran.err
    assert "< 200 OK" in ran.err
    assert ran.out.startswith("200 OK\n")


@pytest.mark.parametrize("secret", ["x", "canary-secret-123"])
def test_verbose_masks_a_credential_however_short(tmp_path: Path, secret: str) -> None:
    with Echo(Reply(200, {})) as api:
        ran = run("call", notes(tmp_path, api.url, **BEARER), "listNotes", "-v", "--auth", f"token={secret}")
    assert "> Authorization: Bearer ***\n" in ran.err


@pytest.mark.parametrize("header", ["Host: a", "X-HTTP-Method-Override: DELETE", "no colon", "A: b\r\nC: d", "é: x"])
def test_a_header_that_garbles_the_request_is_refused(tmp_path: Path, header: str, api: Echo) -> None:
    assert run("call", notes(tmp_path, api.url), "listNotes", "-H", header).code == 2
    assert api.received == []


def test_a_raw_body_is_sent_as_it_is_and_still_asks(tmp_path: Path, api: Echo) -> None:
    source = notes(tmp_path, api.url)
    (tmp_path / "body.json").write_text('{"title": "Milk", "odd": 1}')
    body = f"@{tmp_path / 'body.json'}"
    assert run("call", source, "createNote", "--raw-body", body).code == 6
    assert run("call", source, "createNote", "--raw-body", body, "--yes").code == 0
    assert api.only.body == b'{"title": "Milk", "odd": 1}'
    assert run("call", source, "createNote", "--raw-body", "-", "--dry-run", stdin="{}").json["body"] == {}


def test_a_registered_value_is_put_into_no_body_that_is_given_whole(tmp_path: Path, api: Echo) -> None:
    source = notes(tmp_path, api.url)
    assert run("api", "add", "memo", source, "--set", "points=3").code == 0
    assert run("call", "memo", "createNote", "--raw-body", '{"title": "x"}', "--yes").code == 0
    assert api.only.json() == {"title": "x"}
    assert run("call", "memo", "createNote", "title=y", "--raw-body", "{}", "--yes").code == 2


def test_a_path_is_the_operation_that_is_described_there(tmp_path: Path, api: Echo) -> None:
    source = notes(tmp_path, api.url)
    assert run("call", source, "GET", "/notes/n1").json["title"] == "Milk"
    assert run("call", source, "get", f"{api.url}/notes?status=done", "--jq", ".items[].id").out == "n2\n"
    assert run("call", source, "GET", "/notes?status=nope").code == 2
    assert run("call", source, "DELETE", "/notes/n1").code == 6
    assert run("call", source, "POST", "/notes", "title=x", "--yes").code == 0
    assert run("call", source, "GET", "/notes?other=1", "--dry-run").json["url"].endswith("/notes?other=1")
    assert [request.method for request in api.received] == ["GET", "GET", "POST"]


def test_a_path_that_is_not_described_has_the_effect_of_its_method(tmp_path: Path) -> None:
    with Echo(Reply(200, {"ok": True})) as api:
        source = notes(tmp_path, api.url)
        assert run("call", source, "GET", "/other?x=1").json == {"ok": True}
        assert run("call", source, "POST", "/search").code == 6
        assert run("call", source, "GET", "/other", "x=1").code == 2
    assert api.only.target == "/other?x=1"


@pytest.mark.parametrize(
    "path",
    ["notes", "/a/../notes", "/a/%2e%2e/notes", "//notes", "/a%2fb", "/a b", "https://elsewhere.example/notes", "/{a}"],
)
def test_a_path_that_may_be_another_is_refused(tmp_path: Path, path: str, api: Echo) -> None:
    assert run("call", notes(tmp_path, api.url), "DELETE", path, "--yes").code == 2
    assert api.received == []


def test_a_policy_about_operations_is_not_gone_around_by_a_path(tmp_path: Path, api: Echo) -> None:
    (tmp_path / "config").mkdir()
    rule = '[[rules]]\noperation = "deleteNote"\nverdict = "deny"\n'
    (tmp_path / "config" / "policy.toml").write_text(rule)
    source = notes(tmp_path, api.url)
    for path in ("/notes/n1", "/notes/n1/", "/notes/%6e1", "/notes/n1/x"):
        assert run("call", source, "DELETE", path, "--yes").code == 6
    assert api.received == []


# ---- any entries ------------------------------------------------------------------------------------------------

VALUES = st.none() | st.booleans() | st.integers() | st.text(max_size=12) | st.lists(st.text(max_size=4), max_size=3)
ROWS = st.lists(st.dictionaries(st.sampled_from(["id", "name", "x.y"]), VALUES, min_size=1), min_size=1, max_size=6)


@given(ROWS)
def test_no_cell_of_a_csv_is_a_formula_or_a_control_sequence(rows: list[dict[str, Any]]) -> None:
    from contextlib import redirect_stdout

    text = io.StringIO()
    with redirect_stdout(text):
        write_entries(rows, Output.CSV, arrangement(None, None))
    head, *lines = csv.reader(io.StringIO(text.getvalue()))
    assert [len(line) for line in lines if line] <= [len(head)] * len(rows)
    for cell in (cell for line in lines for cell in line):
        assert cell[:1] not in ("=", "@", "\t", "\r")
        assert cell[:1] not in ("+", "-") or cell[1:2].isdigit()
        assert "\x1b" not in cell


@given(ROWS, st.sampled_from(["id", "-id", "name,-id"]))
def test_an_order_keeps_every_entry(rows: list[dict[str, Any]], order: str) -> None:
    chosen = arrangement(None, [order])
    if all(any(name in row for row in rows) for name, _ in chosen.order):
        key = json.dumps
        assert sorted(map(key, arranged(rows, chosen))) == sorted(map(key, rows))
        assert arranged(arranged(rows, chosen), chosen) == arranged(rows, chosen)


# A pager that stays until `q`, and counts what it was given.
STAYS = """
import os, signal, sys
signal.signal(signal.SIGINT, lambda *_: os.write(1, b"interrupted"))
text = sys.stdin.read()
print(*sys.argv[1:], os.environ["LESS"], text.count('"id"'), repr(text[-2:]), flush=True)
while os.read(1, 9) != b"q\\n":
    pass
"""


@pytest.fixture
def long_answer(tmp_path: Path) -> Iterator[tuple[str, ...]]:
    """A command whose answer has more than 20 lines and fewer than 200."""
    with Echo(Reply(200, [{"id": number} for number in range(40)])) as api:
        yield ("call", things(tmp_path, api.url), "listThings", "-o", "json")


@pytest.mark.parametrize(("options", "shown"), [({}, "FRX"), ({"LESS": "-S"}, "-S")])
def test_a_long_answer_is_shown_in_the_pager_to_which_ctrl_c_belongs(
    tmp_path: Path, long_answer: tuple[str, ...], options: dict[str, str], shown: str
) -> None:
    (tmp_path / "a pager.py").write_text(STAYS)
    env = {name: value for name, value in os.environ.items() if name != "LESS"} | {"MANPAGER": "false"} | options
    env["PAGER"] = shlex.join([sys.executable, str(tmp_path / "a pager.py"), "--wide"])
    with shell_dialogue(NLAPI, *long_answer, env=env, lines=20) as terminal:
        terminal.expect(f"--wide {shown} 40 ']\\n'")
        for _ in range(2):
            terminal.type("\x03")
            terminal.expect("interrupted")
        terminal.type("q\n")
        assert terminal.end() == 0


@pytest.mark.parametrize("pager", ["no-such-pager", "sh -c 'exit 127'", "an 'open quotation mark", "", "cat", None])
def test_a_long_answer_is_printed_whole_without_a_pager_that_can_be_run(
    monkeypatch: pytest.MonkeyPatch, long_answer: tuple[str, ...], pager: str | None
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    monkeypatch.delenv("PAGER", raising=False)
    if pager is not None:
        monkeypatch.setenv("PAGER", pager)
    with dialogue(*long_answer, lines=20) as terminal:
        assert terminal.end() == 0
    assert terminal.seen.endswith("]\n")
    assert len(json.loads(terminal.seen[terminal.seen.index("[") :])) == 40


def test_an_answer_has_one_pager_and_a_short_one_is_printed(
    monkeypatch: pytest.MonkeyPatch, long_answer: tuple[str, ...]
) -> None:
    monkeypatch.setenv("PAGER", "echo in the pager")
    for lines, options in ((20, ()), (2, ("--columns", "id")), (200, ())):
        with dialogue(*long_answer, *options, lines=lines) as terminal:
            assert terminal.end() == 0
        is_paged = lines < 200
        assert (terminal.seen.count("in the pager"), '"id": 39' in terminal.seen) == (is_paged, not is_paged)
