"""The curl line: it sends what `send` sends, and never holds a credential."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nlapi
from nlapi.client.auth import authorize
from nlapi.client.curl import to_curl
from nlapi.client.message import Request
from nlapi.client.send import send
from nlapi.errors import UsageError
from nlapi.openapi.spec import Operation
from tests.servers import Echo, Received
from tests.tables import table

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
JSON = ("Content-Type", "application/json")


@pytest.fixture(scope="module")
def echo() -> Any:
    with Echo() as server:
        yield server


def by_curl(line: str, echo: Echo, folder: Path | None = None, **env: str) -> Received:
    before = len(echo.received)
    done = subprocess.run(
        ["sh", "-c", f"{line}\n"],
        capture_output=True,
        timeout=20,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "NO_PROXY": "*", **env},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert len(echo.received) == before + 1
    return echo.received[-1]


def by_send(request: Request, echo: Echo) -> Received:
    asyncio.run(send(request))
    return echo.received[-1]


def essence(request: Received) -> tuple[Any, ...]:
    """What has to be the same: curl names itself, accepts anything and asks for no compression."""
    own = {"host", "user-agent", "accept-encoding", "accept", "content-length"}
    headers = sorted((name, value) for name, value in request.headers if name.lower() not in own)
    return request.method, request.target, headers, request.body


REQUESTS = {
    "get": ("GET", "/a", (), None),
    "reserved characters": ("GET", "/i?a[b]=1&c={d,e}&f=$HOME`id`&g='h'|i^j\"k\"&l=!m*", (), None),
    "dots": ("GET", "/a/../b/%2e%2E/./c", (), None),
    "head": ("HEAD", "/a", (), None),
    "delete": ("DELETE", "/a?b=1", (), None),
    "post without a body": ("POST", "/a", (), None),
    "post with an empty body": ("POST", "/a", (), b""),
    "json": ("POST", "/a", (JSON,), b'{"name":"it\'s $HOME `id` \\\\ \\"x\\"","n":1}'),
    "at": ("POST", "/a", (("Content-Type", "text/plain"),), b"@/etc/hostname"),
    "unicode and newlines": ("PUT", "/a", (("Content-Type", "text/plain"),), "Zoë\n日本\n\n".encode()),
    "patch": ("PATCH", "/a", (JSON,), b"{}"),
    "get with a body": ("GET", "/a", (JSON,), b"{}"),
    "no content type": ("POST", "/a", (), b"x=1"),
    "headers": ("GET", "/a", (("X-Quote", "a 'b' \"c\" $d"), ("X-Empty", ""), ("X-At", "@f"), ("X-N", "Zoë")), None),
    "cookie": ("GET", "/a", (("Cookie", "a=1; b=2"),), None),
}


@needs_curl
@pytest.mark.parametrize("name", REQUESTS)
def test_curl_sends_what_send_sends(name: str, echo: Echo) -> None:
    method, target, headers, content = REQUESTS[name]
    request = Request(method=method, url=echo.url + target, headers=headers, content=content)
    assert essence(by_curl(to_curl(request), echo)) == essence(by_send(request, echo))


visible = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#"), max_size=20).filter(
    lambda text: text.count("?") != 1 or not text.endswith("?")  # curl drops a "?" that nothing follows
)
line = st.text(st.characters(min_codepoint=0x20, exclude_categories=("Cs", "Cc")), min_size=1, max_size=20)


@needs_curl
@settings(max_examples=15, deadline=None)
@given(visible, line, st.text(st.characters(exclude_categories=("Cs", "Cc"))))
def test_any_text_survives_the_shell(echo: Echo, path: str, header: str, body: str) -> None:
    header = header.strip(" \t") or "x"
    request = Request(
        method="POST",
        url=f"{echo.url}/{path}",
        headers=(("X-A", header), ("Content-Type", "text/plain")),
        content=body.encode(),
    )
    assert essence(by_curl(to_curl(request), echo)) == essence(by_send(request, echo))


def test_the_line_is_as_short_as_it_can_be() -> None:
    assert to_curl(Request(method="GET", url="https://api.test/a?b=1")) == "curl 'https://api.test/a?b=1'"
    post = Request(method="POST", url="https://api.test/a", headers=(JSON,), content=b'{"a":1}')
    assert to_curl(post) == ("curl -H 'Content-Type: application/json' --data-raw '{\"a\":1}' https://api.test/a")


@needs_curl
def test_a_binary_or_multipart_body_is_read_from_a_file_that_the_note_describes(echo: Echo, tmp_path: Path) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="f"\r\n\r\n\x00\xff\r\n--x--\r\n'
    headers = (("Content-Type", "multipart/form-data; boundary=x"),)
    request = Request(method="POST", url=echo.url, headers=headers, content=body)
    line = to_curl(request)
    assert line.endswith(f"# body.bin: {len(body)} bytes, multipart/form-data; boundary=x")
    (tmp_path / "body.bin").write_bytes(body)
    assert essence(by_curl(line, echo, tmp_path)) == essence(by_send(request, echo))


def test_a_body_too_long_for_a_command_line_goes_into_a_file() -> None:
    request = Request(method="POST", url="https://api.test", headers=(JSON,), content=b'"' + b"a" * 200_000 + b'"')
    assert len(to_curl(request)) < 300


@table("header", [("@file", "x"), ("X", "a\nb"), ("X: @", "y")])
def test_a_header_that_curl_would_take_for_something_else_is_refused(header: tuple[str, str]) -> None:
    with pytest.raises(UsageError):
        to_curl(Request(method="GET", url="https://api.test", headers=(header,)))


# Credentials

SCHEMES = {
    "bearerAuth": {"type": "http", "scheme": "bearer"},
    "basic-auth": {"type": "http", "scheme": "basic"},
    "api_key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "query": {"type": "apiKey", "in": "query", "name": "k[1]"},
    "cookie1": {"type": "apiKey", "in": "cookie", "name": "sid"},
    "cookie2": {"type": "apiKey", "in": "cookie", "name": "csrf"},
    "evil": {"type": "apiKey", "in": "header", "name": "X-$`touch`"},
    "oauth": {"type": "oauth2", "flows": {}},
}


def operation(folder: Path, url: str, *security: dict[str, list[str]]) -> Operation:
    file = folder / "api.json"
    document = {
        "openapi": "3.1.0",
        "info": {"title": "T", "version": "1"},
        "servers": [{"url": url}],
        "components": {"securitySchemes": SCHEMES},
        "paths": {"/a": {"get": {"operationId": "getA", "security": list(security)}}},
    }
    file.write_text(json.dumps(document))
    return nlapi.load(file).operation("getA")


@needs_curl
@pytest.mark.parametrize(
    ("security", "variables"),
    [
        ({"bearerAuth": []}, {"bearerAuth": "BEARERAUTH_TOKEN"}),
        ({"basic-auth": []}, {"basic-auth": "BASIC_AUTH_USER_PASSWORD"}),
        ({"api_key": [], "query": []}, {"api_key": "API_KEY", "query": "QUERY_KEY"}),
        ({"cookie1": [], "cookie2": []}, {"cookie1": "COOKIE1_KEY", "cookie2": "COOKIE2_KEY"}),
        ({"evil": []}, {"evil": "EVIL_KEY"}),
    ],
)
def test_a_variable_stands_for_each_credential(
    security: dict[str, list[str]], variables: dict[str, str], echo: Echo, tmp_path: Path
) -> None:
    wanted = operation(tmp_path, echo.url, security)
    request = Request(method="GET", url=f"{echo.url}/a?x=1", headers=(("Cookie", "theme=$dark"), ("X", "1")))
    credentials = dict.fromkeys(variables, "user:pass")
    line = to_curl(request, wanted, credentials)
    assert "user:pass" not in line
    env = dict.fromkeys(variables.values(), "user:pass")
    sent = by_send(authorize(request, wanted, credentials).request, echo)
    got = by_curl(line, echo, **env)
    assert essence(got) == essence(sent) or essence(got)[1].replace("user:pass", "user%3Apass") == essence(sent)[1]


def test_the_alternative_that_is_satisfied_is_the_one_that_is_shown(tmp_path: Path) -> None:
    wanted = operation(tmp_path, "https://api.test", {"bearerAuth": []}, {"api_key": []})
    request = Request(method="GET", url="https://api.test/a")
    assert to_curl(request, wanted, ["api_key"]) == 'curl -H "X-API-Key: $API_KEY" https://api.test/a'
    assert to_curl(request, wanted) == 'curl -H "Authorization: Bearer $BEARERAUTH_TOKEN" https://api.test/a'
    anonymous = operation(tmp_path, "https://api.test", {}, {"api_key": []})
    assert to_curl(request, anonymous) == "curl https://api.test/a"


def test_one_credential_of_two_schemes_is_shown_once(tmp_path: Path) -> None:
    twice = operation(tmp_path, "https://api.test", {"bearerAuth": [], "oauth": []})
    request = Request(method="GET", url="https://api.test/a")
    for ids in ([], ["bearerAuth"], ["bearerAuth", "oauth"]):
        assert to_curl(request, twice, ids) == 'curl -H "Authorization: Bearer $BEARERAUTH_TOKEN" https://api.test/a'
    line = to_curl(request, twice, ["oauth"], variables={"oauth": "MINE"})
    assert line == 'curl -H "Authorization: Bearer $MINE" https://api.test/a'


def test_no_credential_is_asked_for_elsewhere(tmp_path: Path) -> None:
    wanted = operation(tmp_path, "https://api.test", {"bearerAuth": []})
    request = Request(method="GET", url="https://other.test/a")
    assert to_curl(request, wanted, ["bearerAuth"]) == "curl https://other.test/a"
    assert "$BEARERAUTH_TOKEN" in to_curl(request, wanted, ["bearerAuth"], base_url="https://other.test")


@given(st.binary(max_size=50), line)
def test_the_line_is_always_one_that_a_shell_can_read(body: bytes, header: str) -> None:
    request = Request(method="POST", url="https://api.test/?a='", headers=(("X", header),), content=body)
    assert shlex.split(to_curl(request), comments=True)[0] == "curl"
