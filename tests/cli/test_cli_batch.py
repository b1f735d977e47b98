"""`nlapi batch`: the calls of a file, shown together, agreed to once, and reported row by row."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.cli.kit import run
from tests.plugin.kit import LIBRARY
from tests.servers import Echo, Received, Reply

BOOKS = [{"title": f"Book {number}"} for number in range(12)]


@pytest.fixture
def source(tmp_path: Path) -> str:
    path = tmp_path / "library.json"
    path.write_text(json.dumps(LIBRARY))
    return str(path)


def rows(folder: Path, *entries: Any) -> str:
    file = folder / "rows.jsonl"
    file.write_text("".join(f"{json.dumps(entry)}\n" for entry in entries))
    return str(file)


def answer(request: Received) -> Reply:
    """An API that refuses one book, fails at another, and knows what each book is called."""
    if b"Book 5" in request.body:
        return Reply(409, {"message": "there is one"})
    if b"Book 7" in request.body:
        return Reply(500, {"message": "oh"})
    return Reply(200, {"id": "b1", "title": "Dune"})


def batch(source: str, api: Echo, *words: str) -> Any:
    return run("batch", source, *words, "--base-url", api.url, "--auth", "staff=tok-5b7e-x", "-o", "json")


def sent(api: Echo) -> list[str]:
    return [one.json()["title"] for one in api.received if one.method == "POST"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("rows.jsonl", '{"title": "A", "title": "B"}\n', "'title' is there twice"),
        ("rows.json", '[{"title": "A", "shelf": {"row": 1, "row": 2}}]', "'row' is there twice"),
        ("rows.csv", "title,title\nA,B\n", "two columns 'title'"),
    ],
)
def test_a_row_with_two_values_of_one_name_is_refused(
    source: str, tmp_path: Path, name: str, text: str, said: str
) -> None:
    file = tmp_path / name
    file.write_text(text)
    with Echo(answer) as api:
        ran = batch(source, api, str(file), "addBook", "--yes")
        assert (ran.code, said in ran.err, sent(api)) == (2, True, [])


def test_a_row_that_fails_ends_no_other_and_none_is_sent_twice(source: str, tmp_path: Path) -> None:
    file = rows(tmp_path, *BOOKS)
    with Echo(answer) as api:
        first = batch(source, api, file, "addBook", "--yes")
        assert (first.code, first.json["counts"]) == (1, {"done": 10, "failed": 1, "outcome unknown": 1})
        by_row = {row["row"]: row for row in first.json["rows"]}
        assert (by_row[6]["status"], by_row[6]["reason"]) == (409, "there is one")
        again = batch(source, api, file, "addBook", "--yes")
        # What was plainly refused may be tried again; what may have been carried out may not.
        assert again.json["counts"] == {"done before": 10, "failed": 1, "outcome unknown": 1}
        assert Counter(sent(api)) == Counter({book["title"]: 1 for book in BOOKS} | {"Book 5": 2})
        # A file that is edited goes on as well: its rows are known by their requests.
        file = rows(tmp_path, *BOOKS[:5], {"title": "Book five"}, *BOOKS[6:])
        edited = batch(source, api, file, "addBook", "--yes")
        assert edited.json["counts"] == {"done before": 10, "done": 1, "outcome unknown": 1}
        api.received.clear()
        assert batch(source, api, rows(tmp_path, BOOKS[0]), "addBook", "--yes", "--anew").code == 0
        assert sent(api) == ["Book 0"]


def test_nothing_is_sent_without_consent_or_where_a_row_cannot_be_built(source: str, tmp_path: Path) -> None:
    with Echo(answer) as api:
        refused = batch(source, api, rows(tmp_path, *BOOKS[:2]), "addBook")
        assert (refused.code, "none of the 2 changes" in refused.err) == (6, True)
        wrong = batch(source, api, rows(tmp_path, BOOKS[0], {"name": "x"}, {"title": 7}), "addBook", "--yes")
        assert wrong.code == 2
        assert "row 2" in wrong.err
        twice = batch(source, api, rows(tmp_path, BOOKS[0], BOOKS[0]), "addBook", "--yes")
        assert (twice.code, "twice" in twice.err) == (6, True)
        assert api.received == []


def test_rows_are_lines_of_json_an_array_or_csv(source: str, tmp_path: Path) -> None:
    mixed = [
        {"operation": "listBooks", "arguments": {"genre": "NOVEL"}},
        {"operation": "addBook", "arguments": {"title": "Dune", "fine": "2 EUR"}},
        {"operation": "removeBook", "arguments": {"book_id": "b1"}},
    ]
    array = tmp_path / "rows.json"
    array.write_text(json.dumps(mixed))
    table = tmp_path / "rows.csv"
    table.write_text("operation,title,shelf.floor,book_id\naddBook,Dune,3,\nremoveBook,,,b1\n")
    with Echo(answer) as api:
        for file in (rows(tmp_path, *mixed), str(array), str(table)):
            shown = batch(source, api, file, "--dry-run")
            assert shown.code == 0
            bodies = [(row["method"], row["body"]) for row in shown.json]
            assert bodies[-1] == ("DELETE", None)
            assert bodies[-2] in [
                ("POST", {"title": "Dune", "fine": 200}),
                ("POST", {"title": "Dune", "shelf": {"floor": 3}}),
            ]
        assert api.received == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no rows"),
        ("{", "is not JSON"),
        ("[1]", "not a JSON object"),
        ('{"title": "x"}', "beside them"),
        ('{"arguments": {}}', "names no operation"),
        ('{"operation": "burn"}', "row 1"),
        ('{"operation": "addBook", "arguments": 3}', "not a JSON object"),
        ("{}\n" * 501, "500 go at once"),
    ],
)
def test_what_is_no_row_is_named(source: str, tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "rows.jsonl"
    file.write_text(text)
    ran = run("batch", source, str(file), "--base-url", "http://127.0.0.1:9", "--yes", "--auth", "staff=x")
    assert (ran.code, message in ran.err) == (2, True), ran.err


def test_an_environment_says_where_the_rows_go(source: str, tmp_path: Path) -> None:
    file = rows(tmp_path, {"operation": "addBook", "arguments": {"title": "Dune"}})
    with Echo(answer) as api:
        assert run("api", "add", "shelf", source, "--no-auth").code == 0
        assert run("api", "edit", "shelf", "--environment", f"stage={api.url}").code == 0
        assert run("batch", "shelf", file, "--env", "stage", "--yes", "-o", "json").code == 0
        assert len(sent(api)) == 1
        assert "no environment" in run("batch", "shelf", file, "--env", "moon", "--yes").err
