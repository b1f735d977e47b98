"""The bytes of a description: from files, standard input, bundled names and real servers, under limits."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import nlapi
from nlapi import bundled
from nlapi.errors import FetchError
from nlapi.openapi.fetch import fetch
from tests.describe import text
from tests.servers import Echo, Received, Reply, Script, closed_port
from tests.tables import table

DATA = text({"/x": {"get": {"operationId": "op", "responses": {}}}})


def refusal(source: str, *, max_bytes: int = 100_000, deadline: float = 5.0) -> str:
    with pytest.raises(FetchError) as caught:
        fetch(source, max_bytes=max_bytes, deadline=deadline)
    assert "\n" not in str(caught.value)
    return str(caught.value)


# Files


def test_a_file(tmp_path: Path) -> None:
    path = tmp_path / "api é.json"
    path.write_bytes(DATA)
    assert fetch(str(path)).data == DATA
    assert nlapi.load(path).operations[0].id == "op"
    assert nlapi.load(str(path)).source == str(path)


def test_a_path_in_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "api.json").write_bytes(DATA)
    assert fetch("~/api.json").data == DATA


def test_a_pipe_such_as_a_shell_makes_of_a_command(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(DATA,))
    writer.start()
    assert fetch(str(pipe)).data == DATA
    writer.join()


@table("name", ["missing.yaml", "missing/api.yaml", "~nobody-at-all/api.yaml", "a\0b", "no-name"])
def test_a_missing_file_says_what_can_be_given(name: str) -> None:
    said = refusal(name)
    assert said.startswith("no such file: ")
    assert "a URL, a bundled name" in said


def test_a_text_in_place_of_a_path_is_refused_and_not_repeated_whole() -> None:
    assert len(refusal("openapi: 3.1.0 " + "x" * 10_000)) < 500


def test_a_file_under_a_file_is_missing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(DATA)
    assert "no such file" in refusal(str(tmp_path / "file" / "api.yaml"))


def test_a_folder_is_named_as_one(tmp_path: Path) -> None:
    assert "is a folder" in refusal(str(tmp_path))
    assert refusal("").startswith(". is a folder")


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    (tmp_path / "big.json").write_bytes(b" " * 100_001)
    assert "larger than" in refusal(str(tmp_path / "big.json"))


@table("url", ["ftp://example.com/api.yaml", "file:///etc/passwd", "s3://bucket/api.yaml"])
def test_other_schemes_are_refused(url: str) -> None:
    assert "http and https" in refusal(url)


def test_a_bundled_name() -> None:
    assert "ads" in bundled.spec_names()
    assert fetch("ads").source == "ads"
    assert nlapi.load("ads").operations


def test_a_file_beats_a_bundled_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ads").write_bytes(DATA)
    assert fetch("ads").data == DATA


def test_standard_input() -> None:
    code = "import nlapi; print(nlapi.load('-').operations[0].id, nlapi.load.__name__)"
    done = subprocess.run([sys.executable, "-c", code], input=DATA, capture_output=True, check=True)
    assert done.stdout.split()[0] == b"op"


# URLs


def test_a_url() -> None:
    with Echo(Reply(200, DATA)) as server:
        spec = nlapi.load(f"{server.url}/v1/openapi.json")
        assert spec.operations[0].servers[0].url == f"{server.url}/"
        assert server.only.target == "/v1/openapi.json"
        assert "json" in (server.only.header("accept") or "")


def test_an_answer_may_be_compressed() -> None:
    with Echo(Reply(200, gzip.compress(DATA), {"Content-Encoding": "gzip"})) as server:
        assert fetch(server.url).data == DATA


def test_a_redirect_is_followed_and_the_source_is_where_it_ended() -> None:
    def answer(request: Received) -> Reply:
        return Reply(200, DATA) if request.target == "/b/api.json" else Reply(302, headers={"Location": "b/api.json"})

    with Echo(answer) as server:
        found = fetch(f"{server.url}/a.json")
        assert (found.data, found.source) == (DATA, f"{server.url}/b/api.json")


@table("host", ["localhost", "[::1]", "127.0.0.2", "127.1", "2130706433", "169.254.169.254", "10.0.0.1"])
def test_a_redirect_into_a_private_network_is_refused(host: str) -> None:
    with (
        Echo(Reply(200, DATA)) as inner,
        Echo(Reply(302, headers={"Location": f"http://{host}:{inner.port}/"})) as server,
    ):
        said = refusal(server.url)
        assert said.startswith("redirected to ")
        assert "private network" in said or "link-local" in said
        assert inner.received == []


@table(
    "location",
    [
        "file:///etc/passwd",
        "ftp://example.com",
        "javascript:alert(1)",
        "http://",
        "http://[",
        "http://user:pw@example.com/",
    ],
)
def test_a_redirect_to_what_is_no_plain_address_is_refused(location: str) -> None:
    with Echo(Reply(302, headers={"Location": location})) as server:
        refusal(server.url)


def test_a_redirect_loop_ends() -> None:
    with Echo(Reply(302, headers={"Location": "/again"})) as server:
        assert "redirects" in refusal(server.url)
        assert len(server.received) <= 10


@table("status", [400, 401, 404, 500, 503])
def test_an_error_answer_is_told_with_its_status(status: int) -> None:
    with Echo(Reply(status, b"<html>nothing here</html>")) as server:
        assert f"answered {status}" in refusal(server.url)


def test_an_answer_that_is_too_large() -> None:
    with Echo(Reply(200, b" " * 100_001)) as server:
        assert "larger than" in refusal(server.url)


def test_an_answer_that_is_too_large_once_unpacked() -> None:
    with Echo(Reply(200, gzip.compress(b" " * 5_000_000), {"Content-Encoding": "gzip"})) as server:
        assert "larger than" in refusal(server.url)


def test_a_server_that_says_nothing() -> None:
    with Script(Script.SILENCE) as server:
        assert "in time" in refusal(server.url, deadline=0.2)


def test_a_server_that_stops_in_the_middle() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{"
    with Script(head, Script.SILENCE) as server:
        assert "in time" in refusal(server.url, deadline=0.2)
    with Script(head) as server:
        assert "cannot be fetched" in refusal(server.url)


def test_headers_that_come_without_end() -> None:
    def headers() -> Iterator[bytes]:
        yield b"HTTP/1.1 200 OK\r\n"
        while True:
            yield b"X-More: and more\r\n"

    with Script(headers()) as server:
        assert "fetched" in refusal(server.url, deadline=0.5) or "in time" in refusal(server.url, deadline=0.5)


def test_a_key_in_the_address_is_in_no_message() -> None:
    with closed_port() as url:
        assert "SECRET" not in refusal(f"{url}/api.json?api_key=SECRET")
    assert "SECRET" not in refusal("ftp://user:SECRET@example.com/api.json")


def test_an_answer_that_is_no_http() -> None:
    with Script(b"SSH-2.0-OpenSSH\r\n\r\n") as server:
        assert "cannot be fetched" in refusal(server.url)


def test_a_refused_connection() -> None:
    with closed_port() as url:
        assert "cannot be fetched" in refusal(url)


@table("url", ["http://", "http:///x", "http://[::1", "http://a b/", "http://host:port/", "https://x:99999/"])
def test_what_is_no_url_is_refused(url: str) -> None:
    assert "such as https://" in refusal(url)


def test_a_password_in_a_url_is_refused_and_not_repeated() -> None:
    said = refusal("https://user:s3cret@example.com/openapi.json")
    assert "s3cret" not in said


def test_an_html_page_says_what_to_give() -> None:
    page = Reply(200, b"<!doctype html><title>Docs</title>")
    with Echo(page) as server, pytest.raises(nlapi.NlapiError, match="HTML"):
        nlapi.load(server.url)
