"""What is kept on disk: never wrong, never too much, never in the way."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nlapi
from nlapi.openapi.cache import MIN_CACHED_BYTES, Cache
from nlapi.openapi.document import read_tree
from nlapi.openapi.fetch import fetch
from tests.describe import text
from tests.servers import Echo, Received, Reply

DATA = text({"/x": {"get": {"operationId": "op", "description": "x" * MIN_CACHED_BYTES, "responses": {}}}})


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(folder=tmp_path / "cache", max_bytes=1_000_000)


def entries(cache: Cache) -> list[Path]:
    return sorted(cache.folder.iterdir()) if cache.folder.is_dir() else []


def test_what_was_put_can_be_had_again(cache: Cache) -> None:
    assert cache.load("a") is None
    cache.store("a", b"one\ntwo")
    cache.store("b", b"")
    assert (cache.load("a"), cache.load("b"), cache.load("c")) == (b"one\ntwo", b"", None)


def test_only_the_user_can_read_it(cache: Cache) -> None:
    cache.store("a", b"x")
    assert cache.folder.stat().st_mode & 0o077 == 0
    assert entries(cache)[0].stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", [b"", b"x", b"\n", b"0" * 64 + b"\nother", b"\x80\x04K\x01."])
def test_a_damaged_entry_is_ignored_and_written_anew(cache: Cache, damage: bytes) -> None:
    whole = read_tree(DATA, "x.json", cache)
    (entry,) = entries(cache)
    entry.write_bytes(damage)
    assert read_tree(DATA, "x.json", cache) == whole
    assert cache.load_tree(DATA) == whole


def test_an_entry_that_is_whole_but_no_tree_is_ignored(cache: Cache) -> None:
    read_tree(DATA, "x.json", cache)
    (entry,) = entries(cache)
    for content in (b"[]", b'{"tree": 1}', b"not json", b'{"tree": {}, "doubles": [1]}'):
        other = Cache(folder=cache.folder.parent / "other")
        other.store("x", content)
        entry.write_bytes(entries(other)[0].read_bytes())
        assert cache.load_tree(DATA) is None
        assert read_tree(DATA, "x.json")[0] == read_tree(DATA, "x.json", cache)[0]
        entries(other)[0].unlink()


def test_other_content_is_another_entry(cache: Cache) -> None:
    other = DATA.replace(b'"op"', b'"other"')
    assert read_tree(DATA, "x", cache) != read_tree(other, "x", cache)
    assert read_tree(other, "x", cache) == read_tree(other, "x")
    assert len(entries(cache)) == 2


def test_what_yaml_says_twice_is_still_told_from_the_cache(tmp_path: Path) -> None:
    file = tmp_path / "api.yaml"
    padding = "x" * MIN_CACHED_BYTES
    file.write_text(
        f"openapi: 3.1.0\ninfo: {{title: {padding}, version: '1'}}\npaths:\n"
        "  /a: {get: {responses: {200: {}}}}\n"
        "  /a: {get: {operationId: second, responses: {200: {}}}}\n"
    )
    once, again = (nlapi.load(file, cache=tmp_path / "cache") for _ in range(2))
    assert [str(issue) for issue in once.issues] == [str(issue) for issue in again.issues]
    assert "duplicate key '/a'" in str(again.issues[0])
    assert again.document == once.document


def test_small_descriptions_are_not_kept(cache: Cache) -> None:
    read_tree(text({"/x": {}}), "x.json", cache)
    assert entries(cache) == []


def test_an_integer_of_more_than_64_bits_is_read_from_yaml_as_from_json(cache: Cache) -> None:
    content = f"a: {2**70}\nb: {2**64 - 1}\nc: {'x' * MIN_CACHED_BYTES}\n".encode()
    trees = [read_tree(content, "x.yaml", cache)[0] for _ in range(2)]
    assert trees[0] == trees[1] == {"a": float(2**70), "b": 2**64 - 1, "c": "x" * MIN_CACHED_BYTES}


def test_the_folder_stays_within_its_bounds_and_keeps_what_was_used_last(cache: Cache) -> None:
    for number in range(10):
        cache.store(f"k{number}", bytes(200_000))
        for age, entry in enumerate(sorted(entries(cache), key=lambda path: path.stat().st_mtime_ns, reverse=True)):
            os.utime(entry, (1_000_000 - age * 100, 1_000_000 - age * 100))
        assert cache.load("k0") is not None
    assert sum(entry.stat().st_size for entry in entries(cache)) <= cache.max_bytes
    cache.store("huge", bytes(900_000))
    assert cache.load("huge") is None


def test_what_a_killed_process_left_is_swept_up(cache: Cache) -> None:
    cache.store("a", b"x")
    left = cache.folder / "tmp123.part"
    left.write_bytes(b"half")
    cache.store("b", b"x")
    assert left.exists()
    os.utime(left, (1, 1))
    cache.store("c", b"x")
    assert not left.exists()


def test_a_folder_that_cannot_be_written_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    cache = Cache(folder=tmp_path / "file" / "cache")
    assert read_tree(DATA, "x", cache) == read_tree(DATA, "x")


def test_many_at_once_see_whole_entries_or_none(cache: Cache) -> None:
    wrong: list[bytes] = []

    def work(number: int) -> None:
        for turn in range(30):
            content = bytes([number]) * (1000 + turn)
            cache.store("same", content)
            found = cache.load("same")
            if found is not None and len(set(found)) != 1:
                wrong.append(found)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert [entry.suffix for entry in entries(cache)] == [""]


@pytest.fixture
def seen() -> list[Received]:
    return []


def served(seen: list[Received], *, body: bytes = DATA, **headers: str) -> Iterator[str]:
    """The URL of a description with these headers, which answers a condition that holds with 304."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}

    def answer(request: Received) -> Reply:
        seen.append(request)
        etag = named.get("etag")
        if etag and request.header("if-none-match") == etag:
            return Reply(304, b"", named)
        return Reply(200, body, named)

    with Echo(answer) as server:
        yield f"{server.url}/openapi.json"


def fetched(cache: Cache, seen: list[Received], times: int = 2, **headers: str) -> list[Any]:
    for url in served(seen, **headers):
        return [fetch(url, cache=cache).data for _ in range(times)]
    return []


def test_a_download_is_asked_about_again_and_not_sent_again(cache: Cache, seen: list[Received]) -> None:
    assert fetched(cache, seen, 3, etag='"v1"') == [DATA] * 3
    assert [request.header("if-none-match") for request in seen] == [None, '"v1"', '"v1"']


def test_a_download_that_is_fresh_is_not_asked_about(cache: Cache, seen: list[Received]) -> None:
    assert fetched(cache, seen, 3, cache_control="public, max-age=600") == [DATA] * 3
    assert len(seen) == 1


@pytest.mark.parametrize(
    "headers",
    [
        {"cache_control": "no-store, max-age=600", "etag": '"v"'},
        {"cache_control": "max-age=600", "vary": "*"},
        {"cache_control": "max-age=600", "age": "600"},
        {"cache_control": "max-age=soon"},
        {},
    ],
)
def test_what_may_not_be_kept_or_is_of_no_use_is_downloaded_again(
    cache: Cache, seen: list[Received], headers: dict[str, str]
) -> None:
    assert fetched(cache, seen, **headers) == [DATA] * 2
    assert [request.header("if-none-match") for request in seen] == [None, None]


def test_without_a_cache_nothing_is_kept(seen: list[Received]) -> None:
    for url in served(seen, cache_control="max-age=600"):
        assert fetch(url).data == fetch(url).data
    assert len(seen) == 2


def test_a_condition_goes_only_to_the_url_that_gave_it(cache: Cache) -> None:
    seen: list[Received] = []

    def answer(request: Received) -> Reply:
        seen.append(request)
        if request.path == "/old":
            return Reply(302, b"", {"location": "/new"})
        return Reply(304, b"") if request.header("if-none-match") == '"n"' else Reply(200, DATA, {"etag": '"n"'})

    with Echo(answer) as server:
        found = [fetch(f"{server.url}/old", cache=cache) for _ in range(2)]
    assert {one.data for one in found} == {DATA}
    assert {one.source for one in found} == {f"{server.url}/new"}
    conditions = [(request.path, request.header("if-none-match")) for request in seen]
    assert conditions == [("/old", None), ("/new", None), ("/old", None), ("/new", '"n"')]


def test_nothing_in_the_folder_is_a_pickle(cache: Cache) -> None:
    read_tree(DATA, "x", cache)
    _, _, content = entries(cache)[0].read_bytes().partition(b"\n")
    assert json.loads(content)["tree"]["paths"]
