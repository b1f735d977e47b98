"""Secrets of a workflow: credentials and secret inputs stand in no tree, transcript, event, dry run or error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.kit import dialogue, run
from tests.servers import Reply
from tests.workflows.kit import CREATE, Shop, body, described, document, flow, step, value, write

CANARY, TOKEN = "canary-of-the-input", "canary-of-the-credential"
INPUTS = {
    "type": "object",
    "properties": {
        "password": {"type": "string", "format": "password"},
        "keys": {"type": "object", "writeOnly": True},
        "name": {"type": "string"},
    },
}
LOGIN = step("login", "getToken", **body({"user": "ada", "password": "$inputs.password"}))
TREE = document(
    flow(
        LOGIN,
        {**CREATE, **body({"name": "of {$inputs.keys#/main}", "email": "$inputs.password"})},
        step("look", "getOrder", parameters=[value("id", "$inputs.password")]),
        inputs=INPUTS,
    )
)
GIVEN = ("-i", f"password={CANARY}", "-i", f'keys={{"main": "{CANARY}-key"}}')


pytestmark = pytest.mark.usefixtures("home")


def file(folder: Path, shop: Shop) -> str:
    path = write(folder, TREE, shop.url)
    scheme = {"token": {"type": "http", "scheme": "bearer"}}
    more = {"components": {"securitySchemes": scheme}, "security": [{"token": []}]}
    (folder / "shop.json").write_text(json.dumps(described(shop.url) | more))
    return path


def clean(home: Path, *texts: str) -> bool:
    stored = [path.read_text("utf-8", "replace") for path in (home / "state").rglob("*") if path.is_file()]
    return not any(secret in text for text in (*texts, *stored) for secret in (CANARY, TOKEN))


@pytest.mark.parametrize("more", [["--dry-run"], ["--dry-run", "-o", "text"], ["-o", "ndjson"], ["-o", "text"], []])
@pytest.mark.parametrize("status", [200, 404])
def test_no_secret_is_written(shop: Shop, home: Path, more: list[str], status: int) -> None:
    """Where the API answers with what it was sent, too."""
    shop.replies["GET"] = [Reply(status, {"error": f"{CANARY} and {TOKEN}"})]
    ran = run("workflow", "run", file(home, shop), *GIVEN, "--auth", f"token={TOKEN}", "--yes", *more)
    assert ran.code == (4 if status == 404 and "--dry-run" not in more else 0)
    assert clean(home, ran.out, ran.err)
    if "--dry-run" not in more:
        assert shop.received[0].body == f"user=ada&password={CANARY}".encode()
        assert shop.received[1].json() == {"name": f"of {CANARY}-key", "email": CANARY}
        assert shop.received[1].header("authorization") == f"Bearer {TOKEN}"


@pytest.mark.parametrize("more", [["-o", "ndjson"], ["-o", "text"], ["-o", "json"]])
def test_no_secret_is_in_the_reason_of_a_failed_criterion(shop: Shop, home: Path, more: list[str]) -> None:
    shop.replies["GET"] = [Reply(404, {"message": f"{CANARY} and {TOKEN} are not here"})]
    path = file(home, shop)
    tree = json.loads(Path(path).read_text())
    for step_tree in tree["workflows"][0]["steps"]:
        step_tree["successCriteria"] = [{"condition": "$statusCode < 300"}]
    Path(path).write_text(json.dumps(tree))
    ran = run("workflow", "run", path, *GIVEN, "--auth", f"token={TOKEN}", "--yes", *more)
    assert ran.code != 0
    assert "are not here" in ran.out + ran.err
    assert clean(home, ran.out, ran.err)


@pytest.mark.parametrize("output", ["tree", "json", "mermaid"])
def test_no_secret_is_in_a_tree_that_is_only_shown(shop: Shop, home: Path, output: str) -> None:
    ran = run("workflow", "show", file(home, shop), *GIVEN, "-o", output)
    assert ran.code == 0
    assert clean(home, ran.out, ran.err)


def test_no_secret_is_in_a_refusal(shop: Shop, home: Path) -> None:
    file(home, shop)
    description = described(shop.url)
    schema = description["paths"]["/token"]["post"]["requestBody"]["content"]["application/x-www-form-urlencoded"]
    schema["schema"]["properties"]["password"]["maxLength"] = 5
    (home / "shop.json").write_text(json.dumps(description))
    ran = run("workflow", "run", str(home / "flow.json"), *GIVEN, "--yes")
    assert ran.code == 2
    assert "login cannot be sent" in ran.err
    assert clean(home, ran.out, ran.err)
    assert shop.received == []


def test_no_secret_is_in_a_question(shop: Shop, home: Path) -> None:
    (home / "config").mkdir()
    (home / "config/policy.toml").write_text('[[rules]]\noperation = "createCustomer"\nverdict = "ask"\n')
    words = ("workflow", "run", file(home, shop), *GIVEN, "--auth", f"token={TOKEN}", "--yes")
    with dialogue(*words) as terminal:
        terminal.expect("Send it?")
        terminal.type("y\n")
        assert terminal.end() == 0
    assert clean(home, terminal.seen)


def test_a_secret_that_is_too_short_to_mask_is_not_written(shop: Shop, home: Path) -> None:
    given = ("-i", "password=zeb1", "-i", "keys={}")
    path = file(home, shop)
    tree: Any = json.loads(Path(path).read_text())
    tree["workflows"][0]["steps"] = [LOGIN]
    Path(path).write_text(json.dumps(tree))
    words = ("workflow", "run", path, *given, "--auth", f"token={TOKEN}", "--yes")
    for more in ([], ["--no-log", "-o", "ndjson"]):
        ran = run(*words, *more)
        assert ran.code == 2
        assert "fewer than 6 characters" in ran.err
        assert "zeb1" not in ran.err
    assert shop.received == []
    ran = run(*words, "--no-log", "-o", "json")
    assert (ran.code, shop.only.body) == (0, b"user=ada&password=zeb1")
    assert "zeb1" not in ran.out + ran.err


def test_a_credential_never_goes_out_as_an_input(shop: Shop, home: Path) -> None:
    words = ("workflow", "run", file(home, shop), "-i", f"password={TOKEN}", "-i", "keys={}")
    ran = run(*words, "--auth", f"token={TOKEN}", "--yes")
    assert ran.code == 2 or "credential" in ran.err
    assert shop.received == []
    assert clean(home, ran.out, ran.err)
