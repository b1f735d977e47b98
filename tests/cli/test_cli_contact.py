"""First contact with a server: credentials, base URLs, and what a person is told when something is not right."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.kit import BEARER, NOTES, notes, notes_api, run
from tests.servers import Echo, Received, Reply, Script, closed_port

TWICE: dict[str, Any] = {
    "components": {
        "securitySchemes": {
            "Oauth2": {"type": "oauth2", "flows": {"implicit": {}}},
            "Oauth2c": {"type": "oauth2", "flows": {"authorizationCode": {}}},
        }
    },
    "security": [{"Oauth2": ["read"], "Oauth2c": ["read"]}, {"Oauth2": ["write"], "Oauth2c": ["write"]}],
}
"""One token under two names, as Google's descriptions have it."""


# Credentials


@pytest.mark.parametrize("name", ["Oauth2", "Oauth2c"])
def test_one_token_under_either_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("TOKEN", "t0ken-of-ana")
    with Echo(Reply(200, {"items": []})) as api:
        source = notes(tmp_path, api.url, **TWICE)
        added = run("api", "add", "mine", source, "--auth", f"{name}=env:TOKEN")
        assert (added.code, added.err) == (0, "mine: Notes, 6 operations\n")
        assert run("call", source, "listNotes", "--auth", f"{name}=env:TOKEN").code == 0
        assert run("call", source, "listNotes", "--auth", f"{name}=t0ken-of-ana").code == 0
        assert run("call", "mine", "listNotes").code == 0
        asked = run("ask", "list the notes", "-a", "mine", "--planner", "offline", "-v")
        assert asked.code == 0 and asked.err.count("$TOKEN") == 1
    assert [one.header("authorization") for one in api.received] == ["Bearer t0ken-of-ana"] * 4


def test_one_token_is_asked_for_once(tmp_path: Path) -> None:
    source = notes(tmp_path, **TWICE)
    added = run("api", "add", "mine", source)
    assert added.err.splitlines()[1].endswith(
        "add it again with --auth Oauth2=env:NAME, or with --no-auth, if it takes none"
    )
    ran = run("call", source, "listNotes")
    assert ran.code == 2
    assert ran.complaint.startswith(
        "listNotes needs a credential: Oauth2 (access token) (--auth Oauth2=env:NAME, where NAME is the environment "
        "variable that holds it"
    )


# An API that describes a credential and takes none


@pytest.fixture
def open_api(tmp_path: Path) -> Iterator[tuple[str, Echo]]:
    """A description that wants a bearer token, and its server, which looks at none."""
    with notes_api() as api:
        yield notes(tmp_path, api.url, **BEARER), api


def test_without_credentials_it_is_sent_as_it_is(open_api: tuple[str, Echo]) -> None:
    source, api = open_api
    refused = run("call", source, "listNotes")
    assert (refused.code, api.received) == (2, [])
    assert "--no-auth if the API takes none" in refused.complaint
    assert run("call", source, "listNotes", "--no-auth").code == 0
    asked = run("ask", "list the notes", "-a", source, "--planner", "offline", "--no-auth", "-o", "text")
    assert (asked.code, "Authorization" in asked.err) == (0, False)
    changed = run("call", source, "createNote", "title=Milk", "--no-auth")
    assert (changed.code, "needs your consent" in changed.complaint) == (6, True)
    assert [one.header("authorization") for one in api.received] == [None, None]


def test_a_dry_run_shows_what_is_sent_without_credentials(open_api: tuple[str, Echo]) -> None:
    source, api = open_api
    line = run("call", source, "listNotes", "--curl", "--no-auth").out
    assert line == f"curl {api.url}/notes\n"


def test_it_can_be_registered_so_and_a_credential_goes_over_it(
    open_api: tuple[str, Echo], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, api = open_api
    monkeypatch.setenv("TOKEN", "t0ken-of-ana")
    monkeypatch.setenv("COLUMNS", "300")
    added = run("api", "add", "open", source, "--no-auth")
    assert (added.code, added.err) == (0, "open: Notes, 6 operations\n")
    assert run("api", "list").json[0]["no_auth"] is True
    assert run("api", "list", "-o", "table").out.splitlines()[-1].split()[-1] == "--no-auth"
    assert run("call", "open", "listNotes").code == 0
    assert run("call", "open", "listNotes", "--auth", "token=env:TOKEN").code == 0
    run("api", "add", "mine", source, "--auth", "token=env:TOKEN")
    assert run("call", "mine", "listNotes", "--no-auth").code == 0
    monkeypatch.delenv("TOKEN")
    assert run("call", "mine", "listNotes", "--no-auth").code == 0
    sent = [one.header("authorization") for one in api.received]
    assert sent == [None, "Bearer t0ken-of-ana", None, None]


def test_a_conversation_goes_on_without_credentials(open_api: tuple[str, Echo]) -> None:
    source, api = open_api
    run("ask", "list the notes", "-a", source, "--planner", "offline", "--no-auth")
    assert run("log", "resume", "last", "show note n1", "--planner", "offline").code == 0
    assert run("log", "resume", "last", "show note n1", "--planner", "offline", "--auth", "token=abc").code == 0
    assert [one.header("authorization") for one in api.received] == [None, None, "Bearer abc"]


@pytest.mark.parametrize(
    "words",
    [
        ["call", "SOURCE", "listNotes"],
        ["ask", "list the notes", "-a", "SOURCE"],
        ["mcp", "SOURCE"],
        ["api", "add", "mine", "SOURCE"],
        ["plugin", "build", "SOURCE", "-o", "out"],
    ],
)
def test_with_and_without_credentials_is_refused(tmp_path: Path, words: list[str]) -> None:
    source = notes(tmp_path, **BEARER)
    ran = run(*(source if word == "SOURCE" else word for word in words), "--no-auth", "--auth", "token=env:TOKEN")
    assert ran.code == 2
    assert "--auth gives a credential, and --no-auth sends none" in ran.complaint


def test_of_several_apis_each_is_registered_without_credentials(tmp_path: Path) -> None:
    source = notes(tmp_path, **BEARER)
    ran = run("ask", "list the notes", "-a", source, "-a", "ads", "--no-auth")
    assert (ran.code, "go with one API" in ran.complaint) == (2, True)


def test_a_security_that_cannot_be_met_can_be_left_out(tmp_path: Path) -> None:
    digest = {
        "components": {"securitySchemes": {"d": {"type": "http", "scheme": "digest"}}},
        "security": [{"d": []}],
    }
    with notes_api() as api:
        source = notes(tmp_path, api.url, **digest)
        assert "--no-auth sends it without a credential" in run("call", source, "listNotes").complaint
        assert run("call", source, "listNotes", "--no-auth").code == 0


# Where the API runs

PAGE = b"<!doctype html><html><head><title>Kitchen</title></head></html>"
ANSWERED = {"200": {"description": "ok", "content": {"application/json": {"schema": {"type": "object"}}}}}


def kitchen(**servers: Any) -> dict[str, Any]:
    """The small description without a server, whose reads are said to answer JSON."""
    tree = json.loads(json.dumps({key: value for key, value in NOTES.items() if key != "servers"}))
    for item in tree["paths"].values():
        for node in item.values():
            node["responses"] = ANSWERED
    return {**tree, **servers}


def behind_api(request: Received) -> Reply:
    """A web site that has its API at /api, and the description of it beside."""
    if request.path.endswith("/openapi.json"):
        return Reply(200, kitchen())
    if request.path == "/api/notes":
        return Reply(200, {"items": []})
    return Reply(404, PAGE, {"Content-Type": "text/html"})


@pytest.mark.parametrize(
    ("servers", "message", "example"),
    [
        ({}, "names no server (", "http://127.0.0.1:8000/api"),
        ({"servers": []}, "names no server (", "http://127.0.0.1:8000/api"),
        ({"servers": [{"url": "/v2"}]}, "names no server, only the path '/v2' on it (", "https://HOST/v2"),
    ],
)
def test_a_file_that_names_no_server_says_what_to_give(
    tmp_path: Path, servers: dict[str, Any], message: str, example: str
) -> None:
    (tmp_path / "kitchen.json").write_text(json.dumps(kitchen(**servers)))
    source = str(tmp_path / "kitchen.json")
    for words in (["call", source, "listNotes"], ["ask", "list the notes", "-a", source]):
        ran = run(*words)
        assert ran.code == 2
        assert message in ran.err
        assert f"say where the API runs, such as --base-url {example}; /notes is put behind it" in ran.err
    assert "It names no server: say where it runs, such as --base-url" in run("api", "add", "mine", source).err
    assert run("api", "add", "mine", source, "--base-url", "http://h.example").err == "mine: Notes, 6 operations\n"


def test_of_a_description_from_an_url_its_own_host_is_tried_and_doubted() -> None:
    with Echo(behind_api) as site:
        source = f"{site.url}/api/openapi.json"
        told = f"It names no server: calls go to {site.url}, where it came from"
        assert told in run("api", "add", "mine", source).err
        ran = run("call", source, "listNotes")
        asked = run("ask", "list the notes", "-a", source, "--planner", "offline", "-o", "text")
        lines = run("ask", "list the notes", "-a", source, "--planner", "offline", "-o", "ndjson")
        right = run("call", source, "listNotes", "--base-url", f"{site.url}/api")
    note = (
        "The answer is a web page titled 'Kitchen', which the description does not mention. Is the base URL right? "
        f"It was {site.url}, where the description came from, as it names no server. --base-url gives another, such as "
        f"--base-url {site.url}/api\n"
    )
    assert (ran.code, ran.err.endswith(note)) == (4, True)
    assert (asked.code, asked.err.count(note)) == (4, 1)
    assert asked.out == "A web page came in place of an answer of the API (404).\n"
    assert lines.err == note
    assert (right.code, right.json) == (0, {"items": []})


def test_a_change_answered_with_a_page_is_not_said_to_be_done(tmp_path: Path) -> None:
    with Echo(Reply(200, PAGE, {"Content-Type": "text/html"})) as site:
        source = notes(tmp_path, site.url)
        words = [
            "ask",
            "create a note with the title Milk",
            "-a",
            source,
            "--planner",
            "offline",
            "-o",
            "text",
            "--yes",
        ]
        ran = run(*words)
        called = run("call", source, "createNote", "title=Milk", "--yes")
    assert ran.out == "A web page came in place of an answer of the API (200); whether it was done is not known.\n"
    assert ran.code == 1
    assert "--base-url" in ran.err and "--base-url" in called.err


def test_a_look_up_answered_with_a_page_looked_nothing_up(tmp_path: Path) -> None:
    with Echo(Reply(200, PAGE, {"Content-Type": "text/html"})) as site:
        (tmp_path / "kitchen.json").write_text(json.dumps(kitchen(servers=[{"url": site.url}])))
        ran = run("ask", "delete the note Milk", "-a", str(tmp_path / "kitchen.json"), "--planner", "offline", "--yes")
    assert [one.method for one in site.received] == ["GET"]
    assert "Looking up 'Milk' failed. A web page came in place of an answer" in ran.out


def test_a_sign_in_page_is_said_to_be_one(tmp_path: Path) -> None:
    def answer(request: Received) -> Reply:
        if request.path == "/login":
            return Reply(200, PAGE, {"Content-Type": "text/html"})
        return Reply(302, b"", {"Location": "/login?next=/notes"})

    with Echo(answer) as site:
        source = notes(tmp_path, site.url)
        read = run("call", source, "listNotes")
        change = run("call", source, "createNote", "title=Milk", "--yes")
    assert f"It was redirected to {site.url}/login, a web page titled 'Kitchen': perhaps one to sign in on." in read.err
    assert (change.code, "It is a redirect to /login, which is not followed for a change." in change.err) == (3, True)


def test_a_credential_that_is_not_accepted_is_named(tmp_path: Path) -> None:
    with Echo(Reply(401, {"detail": "no"})) as api:
        source = notes(tmp_path, api.url, **BEARER)
        ran = run("call", source, "listNotes", "--auth", "token=s3cret-of-ana")
        after_all = run("call", source, "listNotes", "--no-auth")
    assert "The credential for token was not accepted" in ran.err and "s3cret" not in ran.err
    assert "The API wants a credential after all" in after_all.err


def test_a_base_url_without_its_scheme_is_spelled_out(tmp_path: Path) -> None:
    ran = run("call", notes(tmp_path), "listNotes", "--base-url", "localhost:8000/api")
    assert "such as http://localhost:8000/api" in ran.complaint


# Servers that cannot be reached


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    """A self-signed certificate for 127.0.0.1, with its key."""
    pytest.importorskip("cryptography")
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kitchen")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    (tmp_path / "key.pem").write_bytes(key.private_bytes(*form))
    (tmp_path / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return tmp_path / "cert.pem"


class Secure(Echo):
    """An Echo that speaks TLS."""

    def __init__(self, certificate: Path, answer: Any) -> None:
        super().__init__(answer)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, certificate.with_name("key.pem"))
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.url = f"https://127.0.0.1:{self.port}"


def test_a_certificate_that_is_not_trusted_says_how_it_would_be(
    tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Secure(certificate, Reply(200, {"items": []})) as api:
        source = notes(tmp_path, api.url)
        asked = run("ask", "list the notes", "-a", source, "--planner", "offline", "-o", "text")
        for ran in (run("call", source, "listNotes"), run("check", f"{api.url}/openapi.json")):
            assert ran.code == 1
            assert "its TLS certificate is not trusted: self-signed certificate" in ran.complaint
            assert "set SSL_CERT_FILE to a file with its certificate" in ran.complaint
        assert "SSL_CERT_FILE" in asked.err
        plain = run("call", source, "listNotes", "--base-url", api.url.replace("https", "http"))
        assert f"does it speak https? --base-url {api.url} then" in plain.complaint
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert run("call", source, "listNotes").code == 0
        other = run("call", source, "listNotes", "--base-url", api.url.replace("127.0.0.1", "localhost"))
        assert "name the host as its certificate does" in other.complaint


def test_a_description_is_fetched_with_the_certificate_that_is_trusted(
    certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with Secure(certificate, Reply(200, kitchen())) as api:
        assert run("find", f"{api.url}/openapi.json", "notes").code == 0


def test_a_server_that_hangs_up_on_a_change_is_not_said_to_speak_https(tmp_path: Path) -> None:
    with Script(Script.RESET) as api:
        ran = run("call", notes(tmp_path, api.url), "createNote", "title=Milk", "--yes")
    assert "may or may not have been carried out" in ran.complaint and "https" not in ran.complaint


def test_a_description_that_cannot_be_fetched_says_why() -> None:
    with closed_port() as url:
        assert (
            f"{url}/openapi.json cannot be fetched: connection refused" in run("check", f"{url}/openapi.json").complaint
        )
    for status, hint in ((404, "often .../openapi.json"), (401, "download the description"), (403, "give the file")):
        with Echo(Reply(status, PAGE)) as site:
            ran = run("check", f"{site.url}/docs")
        assert f"answered {status}" in ran.complaint and hint in ran.complaint


@pytest.mark.parametrize("source", ["localhost:8000", "127.0.0.1:8000/openapi.json", "api.example.com/openapi.yaml"])
def test_an_url_without_its_scheme_is_no_file(source: str) -> None:
    assert f"a URL begins with its scheme: http://{source} or" in run("check", source).complaint
    assert "a bundled name" in run("check", "specs/api.yaml").complaint
