"""A configuration file of an older revision: what changed since is shown, and nobody's change is undone unasked."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from nlapi.gateway.control.publisher import RetentionPolicy
from tests.cli.kit import Ran, run
from tests.gateway.kit import Talk
from tests.gateway.test_gateway_apply import SPLIT, revision, write

Options = tuple[str, str]


@pytest.fixture
def options(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> Options:
    monkeypatch.setenv("NLAPI_GATEWAY_TOKEN", talk.token)
    return "--url", f"http://127.0.0.1:{talk.port}"


def export(file: Path, options: Options) -> dict[str, Any]:
    assert run("gateway", "export", str(file), *options).code == 0
    document: dict[str, Any] = json.loads(run("gateway", "export", *options).out)
    return document


def apply(file: Path, options: Options, *more: str) -> Ran:
    return run("gateway", "apply", str(file), "--yes", *options, *more)


def owner(talk: Talk, objective: str) -> object:
    return talk.ok("GET", f"/v1/objectives/{objective}").get("owner")


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_a_stale_file_undoes_no_change_of_somebody_else(
    talk: Talk, options: Options, tmp_path: Path, suffix: str
) -> None:
    file = tmp_path / f"state.{suffix}"
    assert export(file, options)["revision"] == 1
    before = file.read_text()
    operator = talk.as_("operator")
    operator.ok("PATCH", "/v1/objectives/recommend", {"owner": "ana"}, why="she owns it")
    operator.ok("POST", "/v1/rules", SPLIT)
    refused = apply(file, options)
    assert (refused.code, revision(talk), file.read_text()) == (4, 3, before), refused.err
    assert "would undo what changed since in objectives.recommend, rules.brazil" in refused.err
    assert "--force" in refused.err
    assert "  2 by operator at " in refused.err
    assert "owner from none to ana (she owns it)" in refused.err
    assert "+ " not in refused.err.partition("compared with revision 3")[2]
    assert apply(file, options, "--force").code == 0
    assert (revision(talk), owner(talk, "recommend")) == (4, None)


def test_a_stale_file_with_the_changes_of_others_is_applied(talk: Talk, options: Options, tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    document = export(file, options)
    talk.ok("PATCH", "/v1/objectives/recommend", {"owner": "ana"})
    for objective in document["objectives"]:
        objective["owner"] = "ana"
    write(file, document)
    done = apply(file, options)
    assert (done.code, revision(talk)) == (0, 3), done.err
    assert "is of revision 1, and revision 2 is current; changed since:" in done.err
    assert (owner(talk, "recommend"), owner(talk, "payment-fraud")) == ("ana", "ana")


@pytest.mark.parametrize("suffix", ["json", "yaml"])
def test_a_file_is_edited_and_applied_again_and_again(
    talk: Talk, options: Options, tmp_path: Path, suffix: str
) -> None:
    file, mark = tmp_path / f"state.{suffix}", '"revision": {}' if suffix == "json" else "revision: {}"
    export(file, options)
    for number, name in enumerate(("team-a", "team-b"), 2):
        text = file.read_text().replace("growth" if number == 2 else "team-a", name)
        text = f"# ours\n{text}" if suffix == "yaml" and number == 2 else text
        file.write_text(text)
        done = apply(file, options)
        assert (done.code, revision(talk)) == (0, number), done.err
        assert file.read_text() == text.replace(mark.format(number - 1), mark.format(number), 1)
        assert run("gateway", "diff", str(file), "--exit-code", *options).code == 0


def test_a_file_with_the_line_ends_of_windows_has_them_afterwards(talk: Talk, options: Options, tmp_path: Path) -> None:
    file = tmp_path / "state.yaml"
    export(file, options)
    talk.as_("operator").ok("POST", "/v1/rules", SPLIT)
    content = file.read_bytes().replace(b"\n", b"\r\n")
    file.write_bytes(content)
    assert apply(file, options, "--force").code == 0
    assert file.read_bytes() == content.replace(b"revision: 1\r", b"revision: 3\r")


def test_a_difference_shows_both_what_would_change_and_what_did(talk: Talk, options: Options, tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    export(file, options)
    talk.ok("PATCH", "/v1/objectives/recommend", {"owner": "ana"})
    shown = run("gateway", "diff", str(file), *options)
    assert shown.code == 0, shown.err
    assert (shown.json["file_revision"], shown.json["revision"]) == (1, 2)
    assert [row["revision"] for row in shown.json["since"]] == [2]
    assert shown.json["undone"] == ["objectives.recommend"]
    table = run("gateway", "diff", str(file), "-o", "table", *options)
    assert "state.json is of revision 1, and revision 2 is current; changed since:" in table.out
    assert "~ objectives  recommend  owner from ana to none" in table.out


def test_a_revision_that_is_not_stored_any_more_is_refused(talk: Talk, options: Options, tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    export(file, options)
    for name in ("ana", "bob", "eve"):
        talk.ok("PATCH", "/v1/objectives/recommend", {"owner": name})
    assert talk.app is not None
    asyncio.run(talk.app.publisher.prune(RetentionPolicy(revisions=1, days=0)))
    refused = apply(file, options)
    assert (refused.code, revision(talk)) == (4, 4), refused.err
    assert "revision 1 is not stored here" in refused.err


def test_conditions_have_the_names_of_the_file(talk: Talk, options: Options, tmp_path: Path) -> None:
    talk.ok("POST", "/v1/rules", SPLIT)
    file = tmp_path / "state.json"
    document = export(file, options)
    document["rules"][0] |= {"when": {"country": ["BR", "PT"]}, "unless": {"device": ["tv"]}}
    document["objectives"][0]["version"] = "v8"
    document["clients"][0]["requests_per_second"] = 5
    write(file, document)
    shown = run("gateway", "diff", str(file), *options)
    fields = {row["where"]: row["fields"] for row in shown.json["differences"]}
    assert fields == {
        "objectives.continue-watching": ["version"],
        "rules.brazil": ["when", "unless"],
        "clients.web": ["requests_per_second"],
    }
    (rule,) = (row["text"] for row in shown.json["differences"] if row["where"] == "rules.brazil")
    assert "when from country is BR to country is BR or PT" in rule
