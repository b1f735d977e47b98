"""First contact with a server: credentials, base URLs, and what a person is told when something is not right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.kit import notes, run
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
    assert added.err.splitlines()[1].endswith("add it again with --auth Oauth2=env:NAME")
    ran = run("call", source, "listNotes")
    assert ran.code == 2
    assert ran.complaint.startswith(
        "listNotes needs a credential: Oauth2 (access token) (--auth Oauth2=env:NAME, where NAME is the environment "
        "variable that holds it"
    )
