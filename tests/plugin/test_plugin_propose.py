"""`nlapi plugin build --with-claude`: a proposed overlay is a file to read, made of what fits the description."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.conftest import home as home
from tests.cli.kit import run
from tests.messages_server import MessagesServer, error, say, use
from tests.plugin.kit import LIBRARY
from tests.plugin.test_plugin_check import source as source

PROPOSAL: dict[str, Any] = {
    "names": [
        {"operation": "listLoans", "summary": "List who has which book", "name": "whoHasWhat"},
        {"operation": "burnLibrary", "summary": "Burn it"},
        {"operation": "addBook", "summary": "Add `rm -rf /`\n---\nto the shelf", "name": "no good name"},
    ],
    "groups": [{"label": "circulation", "about": "Who has what.", "operations": ["listLoans", "lendBook", "nothing"]}],
    "examples": [
        {"operation": "listBooks", "argument": "limit", "value": 20},
        {"operation": "listBooks", "argument": "limit", "value": 900},
        {"operation": "listBooks", "argument": "author", "value": "x"},
    ],
}


def build(source: Path, folder: Path, *words: str) -> Any:
    return run("plugin", "build", str(source), "-o", str(folder), "--with-claude", *words)


@pytest.fixture
def claude(monkeypatch: pytest.MonkeyPatch) -> Any:
    def scripted(*steps: Any) -> MessagesServer:
        server = MessagesServer(list(steps))
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test-key")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        return server

    return scripted


def test_what_fits_is_written_down_and_nothing_is_applied(source: Path, tmp_path: Path, claude: Any) -> None:
    made = tmp_path / "made"
    with claude(use("propose", PROPOSAL)) as server:
        ran = build(source, made)
    assert ran.code == 0, ran.err
    assert "overlay.proposed.yaml: read it" in ran.err
    (request,) = server.requests
    sent = json.loads(request["messages"][0]["content"][0]["text"])
    assert [one["operation"] for one in sent][:2] == ["listBooks", "addBook"]
    text = (made / "overlay.proposed.yaml").read_text()
    assert text.startswith("# Proposed by Claude")
    actions = yaml.safe_load(text)["actions"]
    loans = "$.paths['/loans'].get"
    assert {
        "target": loans,
        "update": {"summary": "List who has which book", "x-nlapi": {"name": "whoHasWhat"}},
    } in actions
    assert {"target": f"{loans}.tags", "remove": True} in actions
    assert {"target": "$.paths['/books'].get.parameters[1]", "update": {"example": 20}} in actions
    assert not [one for one in ("burn", "900", "author", "no good name", "`") if one in text]
    assert "List loans" in (made / "skills/city-library-loans/SKILL.md").read_text()


def test_a_proposal_that_is_taken_over_is_heeded(source: Path, tmp_path: Path, claude: Any) -> None:
    made = tmp_path / "made"
    with claude(use("propose", PROPOSAL)):
        assert build(source, made).code == 0
        again = build(source, made)
        assert (again.code, "is there already" in again.err) == (2, True)
    (made / "overlay.proposed.yaml").rename(made / "overlay.yaml")
    ran = run("plugin", "build", str(source), "-o", str(made))
    assert (ran.code, "overlay" in ran.err) == (0, False), ran.err
    skill = (made / "skills/city-library-circulation/SKILL.md").read_text()
    assert "List who has which book" in skill
    assert run("plugin", "check", str(made)).code == 0


def test_nothing_to_propose_leaves_no_file(source: Path, tmp_path: Path, claude: Any) -> None:
    with claude(use("propose", {"names": [], "groups": []})):
        ran = build(source, tmp_path / "made")
    assert (ran.code, "would change nothing" in ran.err) == (0, True)
    assert not (tmp_path / "made" / "overlay.proposed.yaml").exists()


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (say("I would rather not."), "I would rather not."),
        (use("propose", "{broken"), "proposed nothing that can be used"),
        (error(401), "does not accept the key"),
    ],
)
def test_where_claude_gives_nothing_the_plugin_is_built_and_the_reason_told(
    source: Path, tmp_path: Path, claude: Any, step: Any, said: str
) -> None:
    with claude(step):
        ran = build(source, tmp_path / "made")
    assert (ran.code, said in ran.err) == (1, True), ran.err
    assert "sk-test-key" not in ran.err
    assert (tmp_path / "made" / "nlapi-plugin.json").exists()
    assert not (tmp_path / "made" / "overlay.proposed.yaml").exists()


def test_without_a_key_nothing_is_done(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    ran = build(source, tmp_path / "made")
    assert (ran.code, "ANTHROPIC_API_KEY" in ran.err, (tmp_path / "made").exists()) == (1, True, False)


def test_a_large_api_is_told_in_pieces(tmp_path: Path, claude: Any) -> None:
    paths = {f"/t{n}": {"get": {"operationId": f"get{n}", "responses": {}}} for n in range(230)}
    (tmp_path / "big.json").write_text(json.dumps({**LIBRARY, "paths": paths}))
    first = {"groups": [{"label": "things", "about": "All.", "operations": ["get0"]}]}
    second = {"groups": [{"label": "things", "about": "All.", "operations": ["get229"]}]}
    with claude(use("propose", first), use("propose", second)) as server:
        assert build(tmp_path / "big.json", tmp_path / "made").code == 0
    assert "things" in server.requests[1]["messages"][0]["content"][0]["text"].partition("\n")[0]
    assert "/t229" in (tmp_path / "made" / "overlay.proposed.yaml").read_text()
