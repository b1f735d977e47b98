"""First contact with a server: credentials, base URLs, and what a person is told when something is not right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.kit import BEARER, notes, notes_api, run
from tests.servers import Echo, Reply

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
        asked = run("ask", "list the notes", "-a", "mine", "--planner", "offline", "-o", "text")
        assert asked.code == 0 and asked.err.count("$TOKEN") == 1
    assert [one.header("authorization") for one in api.received] == ["Bearer t0ken-of-ana"] * 4


def test_one_token_is_asked_for_once(tmp_path: Path) -> None:
    source = notes(tmp_path, **TWICE)
    added = run("api", "add", "mine", source)
    assert added.err.splitlines()[1].endswith(
        "add it again with --auth Oauth2=env:NAME; or with --no-auth, if it takes none"
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
