"""A credential in a sentence is a value only for an argument that is for one, and is never shown."""

from __future__ import annotations

from typing import Any

from nlapi.client.credential_texts import find_credential_texts, takes_credential
from nlapi.planner import OfflinePlanner
from tests.describe import body, parameter, spec
from tests.tables import table

TOKEN = "tk_9f8e7d6c5b4a39281706f5e4"
_TEXT = {"type": "string"}


def _operation(id: str, summary: str, *parameters: Any, **more: Any) -> dict[str, Any]:
    return {"operationId": id, "summary": summary, "parameters": list(parameters), "responses": {"200": {}}, **more}


_USER = {"type": "object", "properties": {"name": _TEXT, "note": _TEXT, "password": _TEXT}}
API = spec(
    {
        "/devices": {"get": _operation("listDevices", "List devices", parameter("serial", "query", _TEXT))},
        "/users": {"post": _operation("createUser", "Create a user", **body(_USER))},
        "/tokens/{id}": {"delete": _operation("deleteToken", "Delete a token", parameter("id", "path", _TEXT))},
    }
)


@table(
    "question",
    [f"list the devices, my token is {TOKEN}", f"list devices with api key: {TOKEN}", f"list devices --token {TOKEN}"],
)
def test_a_credential_fills_no_other_argument_and_is_masked(question: str) -> None:
    plan = OfflinePlanner([API]).plan(question)
    assert TOKEN not in repr([dict(call.arguments) for call in plan.calls])
    assert TOKEN not in plan.understood
    assert all(TOKEN not in text for call in plan.calls if call.account is not None for text in call.account.unused)


def test_a_password_fills_the_argument_for_one() -> None:
    (call,) = OfflinePlanner([API]).plan("create a user called eve with password hunter2x").calls
    assert call.arguments["password"] == "hunter2x"


@table(
    ("text", "credential"),
    [
        (
            "auth is Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
            "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln",
        ),
        ("use AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
        ('password: "S3cret!x"', "S3cret!x"),
        ("with the password P@ssw0rd", "P@ssw0rd"),
        ("call https://bob:hunter22@example.org/x", "bob:hunter22"),
    ],
)
def test_credentials_are_found_by_their_form_or_their_label(text: str, credential: str) -> None:
    assert [entry.text for entry in find_credential_texts(text)] == [credential]


@table(
    "text",
    [
        "reset the password of eve",
        "revoke the token tok_51",
        "list tokens",
        "set the key 7 to 5",
        "the project key is PROJ1234567",
        "reset password user-12",
        "send the password link to eve@example.org",
    ],
)
def test_words_about_credentials_are_none(text: str) -> None:
    assert find_credential_texts(text) == ()


def test_arguments_for_credentials_are_told_by_name_format_and_path() -> None:
    assert takes_credential("user.password", {})
    assert takes_credential("pass", {"format": "password"})
    assert takes_credential("id", {}, "/tokens/{id}")
    assert not takes_credential("project_key", {})
    assert not takes_credential("serial", {}, "/devices")
