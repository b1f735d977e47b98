"""Sending: what arrives, what comes back, and what happens when it does not."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import logging
import time
import zlib
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlapi.client.message import Limits, Request, Result
from nlapi.client.send import open_client, send
from nlapi.errors import OutcomeUnknownError, SendError, UsageError
from tests.servers import Echo, Reply, Script, closed_port
from tests.strategies import examples
from tests.tables import table

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
LOCAL = Limits(private_redirects=True)


def squeezed(data: bytes) -> bytes:
    """gzip without the time in it: tests are named by these bytes, and every worker has to find the same names."""
    return gzip.compress(data, mtime=0)


class Naps:
    """A `sleep` that only remembers."""

    def __init__(self) -> None:
        self.taken: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.taken.append(seconds)


def go(url: str, method: str = "GET", **options: Any) -> Result:
    request = Request(method=method, url=url, headers=options.pop("headers", ()), content=options.pop("content", None))
    options.setdefault("sleep", Naps())
    return asyncio.run(send(request, **options))


# What arrives


@table(
    "target",
    [
        "/i?ids=a%2Cb,c",
        "/i?p=a/b:c",
        "/i?a%5Bb%5D=1",
        "/i?a[b]=1&c={d}|e^f",
        "/x%2Fy",
        "/x%2fy",
        "/a/../b/./c",
        "/i?a=1+2%202&a=&b",
        "/?",
        "/~a/(b);c=d/@e:f!$&'*",
    ],
)
def test_the_bytes_of_the_url_arrive_unchanged(target: str) -> None:
    with Echo() as server:
        go(server.url + target)
        assert server.only.target == target


@settings(max_examples=examples(40), deadline=None)
@given(st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#"), max_size=40))
def test_any_printable_target_arrives_unchanged(echo: Echo, text: str) -> None:
    go(f"{echo.url}/{text}")
    assert echo.received[-1].target == f"/{text}"


@pytest.fixture(scope="module")
def echo() -> Any:
    with Echo() as server:
        yield server


def test_a_url_without_a_path_asks_for_the_root_and_a_fragment_stays_at_home() -> None:
    with Echo() as server:
        go(f"{server.url}?a=1#part")
        assert server.only.target == "/?a=1"


def test_text_outside_ascii_is_percent_encoded_in_the_url_and_utf8_in_headers() -> None:
    with Echo() as server:
        go(f"{server.url}/café?q=日", headers=(("X-Name", "Zoë €"),))
        assert server.only.target == "/caf%C3%A9?q=%E6%97%A5"
        assert server.only.header("x-name") == "Zoë €"


def test_a_get_has_only_the_headers_that_it_needs() -> None:
    with Echo() as server:
        go(server.url)
        names = [name for name, _ in server.only.headers]
        assert names == ["Host", "User-Agent", "Accept", "Accept-Encoding"]
        assert server.only.header("user-agent").startswith("nlapi/")
        assert server.only.header("accept").startswith("application/json")


def test_headers_of_the_request_win_and_may_repeat() -> None:
    with Echo() as server:
        go(server.url, headers=(("accept", "text/csv"), ("X-A", "1"), ("X-A", "2")))
        assert [header for header in server.only.headers if header[0] in ("accept", "X-A")] == [
            ("accept", "text/csv"),
            ("X-A", "1"),
            ("X-A", "2"),
        ]


def test_a_body_arrives_with_its_length_and_a_post_without_one_says_zero() -> None:
    with Echo() as server:
        go(server.url, "POST", content=b"\x00\xff{}", headers=(("Content-Type", "x/y"),))
        go(server.url, "POST")
        go(server.url, "DELETE")
    first, second, third = server.received
    assert (first.body, first.header("content-length"), first.header("content-type")) == (b"\x00\xff{}", "4", "x/y")
    assert (second.header("content-length"), second.header("content-type")) == ("0", None)
    assert third.header("content-length") is None


@table(
    "header",
    [("X-A", "1\r\nX-Evil: 1"), ("X-A", "a\0"), ("X A", "1"), ("X-A:", "1"), ("", "1"), ("X-A", "\ud800")],
)
def test_a_header_that_would_become_two_is_refused(header: tuple[str, str]) -> None:
    with Echo() as server:
        with pytest.raises(UsageError):
            go(server.url, headers=(header,))
        assert server.received == []


@table("name", ["Transfer-Encoding", "Connection", "Content-Length", "host"])
def test_headers_of_the_connection_cannot_be_set(name: str) -> None:
    with Echo() as server, pytest.raises(UsageError, match="belongs to the connection"):
        go(server.url, "POST", content=b"abc", headers=((name, "2"),))


@table("url", ["ftp://h/", "/relative", "http://", "http://u:secret@h/", "http://h:99999/", "http://a b/"])
def test_what_is_not_a_plain_http_url_is_refused_without_showing_a_password(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        go(url)
    assert "secret" not in str(caught.value)


def test_loopback_is_never_behind_a_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    with closed_port() as proxy, Echo() as server:
        monkeypatch.setenv("http_proxy", proxy)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        assert go(server.url).ok


def test_a_proxy_from_the_environment_gets_what_is_for_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    with Echo() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        assert go("http://api.test/v1?a[b]=%2c").ok
        assert proxy.only.target == "http://api.test/v1?a[b]=%2c"


# What comes back


def test_the_result_has_status_headers_body_and_url() -> None:
    with Echo(Reply(404, {"error": "no"}, {"X-Id": "7"})) as server:
        result = go(f"{server.url}/a?b=1")
    assert (result.status, result.json(), result.header("x-id")) == (404, {"error": "no"}, "7")
    assert (result.url, result.method) == (f"{server.url}/a?b=1", "GET")


def test_a_head_has_no_body_and_204_is_a_success() -> None:
    with Echo([Reply(200, {"a": 1}), Reply(204, b"")]) as server:
        assert go(server.url, "HEAD").content == b""
        assert go(server.url, "DELETE").ok


@table(
    ("coding", "body"),
    [
        ("gzip", squeezed(b"hello")),
        ("x-gzip", squeezed(b"hel") + squeezed(b"lo") + b"\0\0"),
        ("deflate", zlib.compress(b"hello")),
        ("deflate", zlib.compress(b"hello")[2:-4]),
        ("gzip, identity, gzip", squeezed(squeezed(b"hello"))),
        ("identity", b"hello"),
    ],
)
def test_content_codings_are_undone(coding: str, body: bytes) -> None:
    with Echo(Reply(200, body, {"Content-Encoding": coding})) as server:
        assert go(server.url).content == b"hello"


@settings(max_examples=30, deadline=None)
@given(st.binary(max_size=2000), st.integers(0, 9))
def test_any_gzip_body_survives(data: bytes, repeat: int) -> None:
    from nlapi.client.streaming.body import Decoder

    data *= 1 + repeat * 200
    packed = squeezed(data)
    decoder = Decoder("gzip", 10**9)
    for start in range(0, len(packed), 777):
        decoder.feed(packed[start : start + 777])
    assert decoder.finish() == data


@table(
    ("coding", "body", "says"),
    [
        ("gzip", b"not gzip!", "damaged"),
        ("gzip", squeezed(b"hello" * 100)[:-9], "cut off"),
        ("br", b"x", "'br'"),
        (", ".join(["gzip"] * 40), b"x", "40 content codings"),
        ("gzip", squeezed(bytes(1_000_001)), "larger than 1,000,000"),
        ("gzip, gzip", squeezed(squeezed(bytes(5_000_000))), "larger than 1,000,000"),
        ("identity", bytes(1_000_001), "larger than 1,000,000"),
        ("gzip", squeezed(b"") * 60_000, "larger than 1,000,000"),
    ],
)
def test_bombs_and_broken_codings_are_errors(coding: str, body: bytes, says: str) -> None:
    with Echo(Reply(200, body, {"Content-Encoding": coding})) as server, pytest.raises(SendError, match=says):
        go(server.url, limits=Limits(max_bytes=1_000_000))


def test_an_endless_body_ends_at_the_cap() -> None:
    chunk = b"10000\r\n" + b"a" * 65536 + b"\r\n"
    script = (OK + b"Transfer-Encoding: chunked\r\n\r\n", itertools.repeat(chunk))
    with Script(*script) as server, pytest.raises(SendError, match="larger than"):
        go(server.url, limits=Limits(max_bytes=1_000_000))


@table(
    ("script", "says"),
    [
        (OK + b'Content-Length: 50\r\n\r\n{"a":1', "cut off"),
        (OK + b'Content-Length: 5\r\n\r\n{"a":1,"b":2}', "longer than its Content-Length"),
        (OK + b"Content-Length: 0\r\n\r\n{}", "longer than its Content-Length"),
        (OK + b"Content-Length: -5\r\n\r\n{}", "not valid HTTP"),
        (OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}", "not valid HTTP"),
        (OK + b'Transfer-Encoding: chunked\r\n\r\nb\r\n{"total":5}\r\n', "cut off"),
        (OK + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n{}\r\n0\r\n\r\n", "not valid HTTP"),
        (b"<html>hello</html>\r\n\r\n", "not valid HTTP|without an answer"),
        (b"\x00\xff\xfeSSH-2.0-OpenSSH\r\n\r\n", "not valid HTTP"),
        (b"", "without an answer"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 20_000 + OK + b"Content-Length: 2\r\n\r\n{}", "256 KB"),
        (OK + b"X-Big: " + b"a" * 300_000 + b"\r\n\r\n", "not valid HTTP"),
        (OK + b"X: a\r\n" * 50_000 + b"\r\n", "not valid HTTP"),
    ],
)
def test_an_answer_that_is_not_whole_is_an_error(script: bytes, says: str) -> None:
    with Script(script) as server, pytest.raises(SendError, match=says):
        go(server.url)


def test_a_stray_line_break_behind_the_body_and_latin1_headers_are_forgiven() -> None:
    with Script(OK + b"X-Name: caf\xe9\r\nContent-Length: 2\r\n\r\n{}\r\n") as server:
        result = go(server.url)
    assert (result.data, result.header("x-name")) == ({}, "café")


def test_a_body_without_length_or_chunks_ends_with_the_connection() -> None:
    with Script(OK + b"\r\n", b"[1,", b"2]") as server:
        assert go(server.url).data == [1, 2]


def test_cookies_are_not_kept_between_requests() -> None:
    async def twice(url: str) -> None:
        async with open_client() as client:
            for _ in range(2):
                await send(Request(method="GET", url=url), client=client)

    with Echo(Reply(200, {}, {"Set-Cookie": "sid=1; Path=/"})) as server:
        asyncio.run(twice(server.url))
        assert [request.header("cookie") for request in server.received] == [None, None]


def test_an_open_client_sends_many_requests_at_once() -> None:
    async def many(url: str) -> list[Result]:
        async with open_client() as client:
            sends = (send(Request(method="GET", url=f"{url}/{n}"), client=client) for n in range(30))
            return await asyncio.gather(*sends)

    with Echo() as server:
        results = asyncio.run(many(server.url))
    assert [result.json()["target"] for result in results] == [f"/{n}" for n in range(30)]


# The deadline


@table(
    "script",
    [
        (Script.SILENCE,),
        (OK[:10], Script.SILENCE),
        (OK + b"Content-Length: 9\r\n\r\n[1", Script.SILENCE),
    ],
)
def test_the_deadline_covers_the_whole_exchange(script: tuple[Any, ...]) -> None:
    with Script(*script) as server, pytest.raises(SendError, match=r"timed out after 0\.2 s") as caught:
        go(server.url, limits=Limits(deadline=0.2))
    assert not isinstance(caught.value, OutcomeUnknownError)


def test_a_body_that_drips_ends_at_the_deadline() -> None:
    with Script(OK + b"Content-Length: 100000\r\n\r\n", _drip()) as server, pytest.raises(SendError, match="timed out"):
        go(server.url, limits=Limits(deadline=0.2))


def _drip() -> Any:
    for _ in range(1000):
        time.sleep(0.01)  # the server is slow, not the test
        yield b"1"


# Retries, and writes that are never repeated


def test_a_read_is_tried_again_after_a_network_error() -> None:
    naps = Naps()
    with Script(Script.RESET) as server, pytest.raises(SendError, match="broke off"):
        go(server.url, sleep=naps)
    assert len(server.received) == 3
    assert 0.05 <= naps.taken[0] <= 0.15 and 0.1 <= naps.taken[1] <= 0.3


@table("method", ["POST", "PUT", "PATCH", "DELETE"])
@table("script", [Script.RESET, b"", OK + b"Content-Length: 50\r\n\r\n{"])
def test_a_write_whose_answer_got_lost_is_not_repeated(method: str, script: Any) -> None:
    with Script(script) as server, pytest.raises(OutcomeUnknownError, match="may or may not") as caught:
        go(server.url, method, content=b"{}")
    assert len(server.received) == 1
    assert "check before you try again" in caught.value.hint


def test_a_write_that_met_silence_says_so() -> None:
    with Script(Script.SILENCE) as server, pytest.raises(OutcomeUnknownError, match="timed out after"):
        go(server.url, "POST", limits=Limits(deadline=0.2))
    assert len(server.received) == 1


def test_a_get_that_changes_something_can_be_kept_from_being_repeated() -> None:
    with Script(Script.RESET) as server, pytest.raises(OutcomeUnknownError):
        go(server.url, repeat=False)
    assert len(server.received) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_refused_connection_names_the_place_and_what_to_do(method: str) -> None:
    with closed_port() as url, pytest.raises(SendError, match=f"cannot connect to {url}: connection refused") as caught:
        go(f"{url}/a?key=secret", method)
    assert not isinstance(caught.value, OutcomeUnknownError)
    assert "--base-url" in caught.value.hint
    assert "secret" not in str(caught.value)


def test_a_server_that_does_not_speak_tls_is_named() -> None:
    plain = Script(b"HTTP/1.1 400 Bad Request\r\n\r\n", reads=False)
    with plain as server, pytest.raises(SendError, match="does not answer in TLS") as caught:
        go(server.url.replace("http:", "https:"), "POST")
    assert caught.value.hint == "is it an http:// address?"


@pytest.mark.parametrize("status", [429, 503])
def test_a_read_waits_as_long_as_retry_after_says(status: int) -> None:
    naps = Naps()
    with Echo([Reply(status, b"", {"Retry-After": "3"}), Reply(200, {"ok": True})]) as server:
        assert go(server.url, sleep=naps).json() == {"ok": True}
    assert naps.taken == [3]


def test_retry_after_may_be_a_date() -> None:
    naps = Naps()
    soon = formatdate(time.time() + 5, usegmt=True)
    with Echo([Reply(503, b"", {"Retry-After": soon}), Reply(200, b"{}")]) as server:
        assert go(server.url, sleep=naps).ok
    assert 0 < naps.taken[0] <= 5


@table("value", ["999999999", "11", "soon; DROP", "9" * 5000, "-1", ""])
def test_a_retry_after_that_is_too_long_or_senseless_is_not_waited_for(value: str) -> None:
    naps = Naps()
    with Echo(Reply(429, {"err": "slow down"}, {"Retry-After": value})) as server:
        assert go(server.url, sleep=naps).status == 429
    assert (naps.taken, len(server.received)) == ([], 1)


def test_retries_end() -> None:
    with Echo(Reply(429, b"", {"Retry-After": "1"})) as server:
        assert go(server.url, limits=Limits(retries=3)).status == 429
    assert len(server.received) == 4


@table("status", [429, 500, 503])
def test_a_write_is_sent_once_whatever_the_status(status: int) -> None:
    with Echo(Reply(status, b"", {"Retry-After": "1"})) as server:
        assert go(server.url, "POST").status == status
    assert len(server.received) == 1


# Redirects


def test_a_read_follows_redirects_within_its_origin_with_its_headers() -> None:
    with Echo([Reply(302, b"", {"Location": "/b?x=%2c#f"}), Reply(200, b"{}")]) as server:
        result = go(f"{server.url}/a", headers=(("Authorization", "Bearer T"),))
    assert result.url == f"{server.url}/b?x=%2c"
    assert (server.received[1].target, server.received[1].header("authorization")) == ("/b?x=%2c", "Bearer T")


def test_redirects_end() -> None:
    with Echo(Reply(302, b"", {"Location": "/a"})) as server, pytest.raises(SendError, match="more than 5 redirects"):
        go(f"{server.url}/a")
    assert len(server.received) == 6


@table("status", [301, 302, 303, 307, 308])
def test_a_redirect_of_a_write_is_given_back_and_not_followed(status: int) -> None:
    with Echo() as other, Echo(Reply(status, b"", {"Location": other.url})) as server:
        result = go(server.url, "POST", content=b"private")
    assert (result.status, result.header("location"), other.received) == (status, other.url, [])


def test_another_origin_gets_no_credential_of_any_kind() -> None:
    secrets = ("HEADERKEY", "COOKIEKEY", "QUERY KEY")
    headers = (("X-API-Key", "HEADERKEY"), ("Cookie", "sid=COOKIEKEY"), ("X-Own", "1"), ("Accept", "text/csv"))
    with Echo() as other:
        location = f"{other.url}/take?api_key=QUERY%20KEY&page=2"
        with Echo(Reply(302, b"", {"Location": location})) as server:
            result = go(f"{server.url}/?api_key=QUERY%20KEY", headers=headers, secrets=secrets, limits=LOCAL)
    assert result.ok
    assert other.only.target == "/take?page=2"
    assert {name.lower() for name, _ in other.only.headers} == {"host", "user-agent", "accept", "accept-encoding"}


def test_a_credential_in_the_path_of_another_origin_stops_the_redirect() -> None:
    with Echo() as other, Echo(Reply(302, b"", {"Location": f"{other.url}/SECRETKEY/x"})) as server:
        with pytest.raises(SendError, match="credential in the path") as caught:
            go(server.url, secrets=("SECRETKEY",), limits=LOCAL)
        assert other.received == []
    assert "SECRETKEY" not in str(caught.value)


def test_a_redirect_into_a_private_network_is_refused() -> None:
    with Echo() as other:
        for location in (other.url, other.url.replace("127.0.0.1", "localhost"), "http://169.254.169.254/latest"):
            with (
                Echo(Reply(302, b"", {"Location": location})) as server,
                pytest.raises(SendError, match=r"redirected to .* (private network|link-local)"),
            ):
                go(server.url)
        assert other.received == []


@table("location", ["file:///etc/passwd", "gopher://x/", "http://", "http://a\x1b[2J/"])
def test_a_redirect_to_something_else_than_http_is_refused(location: str) -> None:
    with Echo(Reply(302, b"", {"Location": location})) as server, pytest.raises(SendError) as caught:
        go(server.url)
    assert "\x1b" not in str(caught.value)


# Secrets


def test_a_secret_that_the_api_echoes_is_masked() -> None:
    headers = (("Authorization", "Bearer tok/en+zebra"),)
    with Echo() as server:
        result = go(f"{server.url}/a?key=tok%2Fen%2Bzebra", headers=headers, secrets=("tok/en+zebra",))
    assert "zebra" not in result.text + result.url
    assert result.json()["headers"]["authorization"] == "Bearer ***"


def test_a_short_secret_is_left_alone_in_a_body() -> None:
    with Echo(Reply(200, {"page": 1})) as server:
        assert go(server.url, secrets=("1",)).json() == {"page": 1}


def test_nothing_logs_a_key_in_the_query(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Echo() as server:
        go(f"{server.url}/a?key=SECRETKEY", headers=(("Authorization", "Bearer SECRETKEY"),), secrets=("SECRETKEY",))
    assert "SECRETKEY" not in caplog.text


def test_an_error_shows_neither_the_query_nor_a_secret() -> None:
    with Script(b"HTTP/9 SECRETKEY \x1b[31m\r\n\r\n") as server, pytest.raises(SendError) as caught:
        go(f"{server.url}/SECRETKEY?key=SECRETKEY", secrets=("SECRETKEY",))
    assert "SECRETKEY" not in str(caught.value)
    assert "\x1b" not in str(caught.value)
