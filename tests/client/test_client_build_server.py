"""Which server a request goes to, and where a description may not send anybody."""

from __future__ import annotations

from typing import Any

import pytest

from nlapi.client.build import build
from nlapi.errors import UsageError
from tests.describe import operation
from tests.tables import table

FILE, REMOTE = "api.yaml", "https://docs.example/openapi.json"


def url(server: str | dict[str, Any], *, source: str = FILE, base_url: str | None = None) -> str:
    """Where `GET /x` goes."""
    node = server if isinstance(server, dict) else {"url": server}
    return build(operation(servers=[node], source=source), {}, base_url=base_url).url


def refusal(server: str | dict[str, Any], **more: Any) -> str:
    with pytest.raises(UsageError) as caught:
        url(server, **more)
    return str(caught.value)


@table(
    ("server", "wanted"),
    [
        ("https://api.example", "https://api.example/x"),
        ("https://api.example/", "https://api.example/x"),
        ("https://api.example/v1/", "https://api.example/v1/x"),
        ("HTTPS://API.example:8443/v1", "HTTPS://API.example:8443/v1/x"),
        ("http://10.0.0.5/v1", "http://10.0.0.5/v1/x"),
        ("http://localhost:8080", "http://localhost:8080/x"),
        ("http://[::1]:8080", "http://[::1]:8080/x"),
    ],
)
def test_the_path_is_put_behind_the_server(server: str, wanted: str) -> None:
    assert url(server) == wanted


def test_server_variables_have_their_defaults() -> None:
    variables = {
        "region": {"default": "eu"},
        "port": {"default": 8443},
        "base": {"default": "v2", "enum": ["v1", "v2"]},
    }
    server = {"url": "https://{region}.api.example:{port}/{base}", "variables": variables}
    assert url(server) == "https://eu.api.example:8443/v2/x"


def test_a_server_variable_without_a_default_is_the_first_of_its_choices() -> None:
    assert url({"url": "https://{r}.example", "variables": {"r": {"enum": ["us", "eu"]}}}) == "https://us.example/x"


def test_a_server_variable_that_is_not_described_is_refused() -> None:
    said = refusal("https://{tenant}.api.example")
    assert "{tenant}" in said
    assert "--base-url" in said


def test_a_variable_may_not_smuggle_another_host_in() -> None:
    refusal({"url": "https://{host}.example", "variables": {"host": {"default": "evil.example/?"}}})
    refusal({"url": "https://{host}.example", "variables": {"host": {"default": "user:pass@evil.example#"}}})


def test_the_first_server_counts_and_base_url_beats_it() -> None:
    one = operation(servers=[{"url": "https://one.example"}, {"url": "https://two.example"}])
    assert build(one, {}).url == "https://one.example/x"
    assert build(one, {}, base_url="http://127.0.0.1:8080/v1/").url == "http://127.0.0.1:8080/v1/x"


@table("server", ["/v1", "v1", "", "./v1"])
def test_a_relative_server_in_a_file_needs_a_base_url(server: str) -> None:
    assert "--base-url" in refusal(server)
    assert url(server, base_url="http://127.0.0.1:1") == "http://127.0.0.1:1/x"


@table(
    "server",
    [
        "file:///etc/passwd",
        "ftp://api.example",
        "javascript:alert(1)",
        "ws://api.example",
        "https://",
        "https:///v1",
        "https://user:secret@api.example",
        "https://api.example@evil.example",
        "https://api.example?x=1",
        "https://api.example/v1?key=1",
        "https://api.example/#/v1",
        "https://api.example\\@evil.example",
        "https://api.example/a/../b",
        "https://api.example/%2e%2e/b",
        "https://api.example/v1 x",
        "https://api.example/v1\r\nX-Evil: 1",
        "https://api.example:99999",
        "https://api.example:port",
        "https://[::1",
    ],
)
@table("given", ["server", "base_url"])
def test_a_server_that_is_no_plain_http_address_is_refused_with_the_way_out(server: str, given: str) -> None:
    said = refusal(server) if given == "server" else refusal("https://api.example", base_url=server)
    assert "--base-url" in said or given == "base_url"


@table(
    "host",
    [
        "169.254.169.254",
        "2852039166",
        "0xA9FEA9FE",
        "0xa9.0xfe.0xa9.0xfe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "[::ffff:169.254.169.254]",
        "[::ffff:a9fe:a9fe]",
        "[fe80::1]",
        "[2002:a9fe:a9fe::]",
        "[64:ff9b::a9fe:a9fe]",
        "[64:ff9b::169.254.169.254]",
        "[::169.254.169.254]",
        "１６９.２５４.１６９.２５４",
        "169。254。169。254",
        "0.0.0.0",
        "[::]",
        "224.0.0.1",
        "[ff02::1]",
    ],
)
@table("source", [FILE, REMOTE])
def test_no_description_may_lead_to_a_link_local_address_however_it_is_written(host: str, source: str) -> None:
    assert "--base-url" in refusal(f"http://{host}/latest", source=source)


def test_the_user_may_name_any_http_address() -> None:
    assert url("https://api.example", base_url="http://169.254.169.254") == "http://169.254.169.254/x"


@table(
    "host",
    ["127.0.0.1:8080", "localhost", "LOCALHOST.", "app.localhost", "10.1.2.3", "192.168.0.1", "[::1]", "[fd00::1]",
     "2130706433", "127.1", "db.internal", "printer.local", "[::ffff:10.0.0.1]", "100.64.0.1"],
)  # fmt: skip
def test_a_description_from_elsewhere_may_not_lead_into_a_private_network(host: str) -> None:
    assert "private network" in refusal(f"http://{host}/", source=REMOTE)
    assert url(f"http://{host}", source=FILE).endswith("/x")


def test_a_description_from_a_private_host_may_lead_back_to_it() -> None:
    assert url("http://127.0.0.1:9000", source="http://127.0.0.1:8000/openapi.json") == "http://127.0.0.1:9000/x"
    assert url("/v1", source="http://localhost:8000/openapi.json") == "http://localhost:8000/v1/x"


def test_a_refusal_never_repeats_a_password() -> None:
    for server in ("https://user:s3cret@api.example", "https://s3cret@api.example/"):
        assert "s3cret" not in refusal(server)
        assert "s3cret" not in refusal("https://api.example", base_url=server)


def test_a_relative_server_of_a_file_gives_way_to_one_that_leads_somewhere() -> None:
    one = operation(servers=[{"url": "/v1"}, {"url": "https://api.example/v1"}], source=FILE)
    assert build(one, {}).url == "https://api.example/v1/x"
    said = refusal("/v1")
    assert "names no server, only the path '/v1' on it" in said
    assert "--base-url https://HOST/v1; /x is put behind it" in said
