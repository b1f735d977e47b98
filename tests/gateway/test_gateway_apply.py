"""`nlapi gateway apply`, `diff` and `export`: the whole desired state as a file, one revision, a plan first."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

import nlapi
from nlapi import bundled
from nlapi.client.message import digest
from tests.cli.kit import Ran, dialogue, run
from tests.gateway.kit import Talk

SHARES = [{"model": "ranker", "version": "v7", "percent": 90}, {"model": "ranker", "version": "v8", "percent": 10}]
SPLIT = {"name": "brazil", "objective": "continue-watching", "when": {"country": ["BR"]}, "shares": SHARES}


@pytest.fixture
def options(talk: Talk, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    monkeypatch.setenv("NLAPI_GATEWAY_TOKEN", talk.token)
    return "--url", f"http://127.0.0.1:{talk.port}"


def write(file: Path, document: Any) -> str:
    file.write_text(yaml.safe_dump(document) if file.suffix == ".yaml" else json.dumps(document), encoding="utf-8")
    return str(file)


def live(talk: Talk) -> dict[str, Any]:
    document: dict[str, Any] = talk.ok("GET", "/v1/configuration")
    document.pop("revision")
    return document


def revision(talk: Talk) -> int:
    return int(talk.ok("GET", "/v1/configuration")["revision"])


def apply(file: str, options: tuple[str, str], *more: str) -> Ran:
    return run("gateway", "apply", file, *options, *more)


@pytest.mark.parametrize("name", ["state.json", "state.yaml"])
def test_what_is_exported_changes_nothing_when_it_is_applied(
    talk: Talk, options: tuple[str, str], tmp_path: Path, name: str
) -> None:
    talk.ok("POST", "/v1/rules", SPLIT)
    talk.ok("POST", "/v1/canaries", {"objective": "payment-fraud", "model": "fraud", "version": "v2", "percent": 5})
    server = {"protocol": "oip-v2", "endpoints": ["http://127.0.0.1:9"], "versioned_paths": False}
    talk.ok("POST", "/v1/shards", {"name": "far", "headers": {"X-Tenant": "acme"}, **server})
    names = {"upstream_model": "shop", "upstream_version": "3", "form": "columns"}
    talk.ok("POST", "/v1/models/fraud/versions", {"version": "v9", "shard": "far", **names})
    file = tmp_path / name
    exported = run("gateway", "export", str(file), *options)
    assert (exported.code, exported.out) == (0, "")
    done = apply(str(file), options, "--yes")
    assert done.code == 0, done.err
    assert "nothing differs from revision 5" in done.err
    assert revision(talk) == 5
    assert run("gateway", "diff", str(file), "--exit-code", *options).code == 0
    assert json.loads(run("gateway", "export", *options).out) == {"revision": 5, **live(talk)}


def test_a_plan_is_shown_and_made_as_one_revision(talk: Talk, options: tuple[str, str], tmp_path: Path) -> None:
    document = live(talk)
    document["rules"] = [SPLIT]
    document["objectives"][0]["owner"] = "platform"
    document["clients"] = []
    file = write(tmp_path / "state.yaml", document)
    plan = ("compared with revision 1: 1 added, 1 changed, 1 removed", "+ rules", "~ objectives  continue-watching"
            "  owner from growth to platform", "- clients")  # fmt: skip
    shown = apply(file, options, "--dry-run")
    assert (shown.code, shown.out, revision(talk)) == (0, "", 1)
    done = apply(file, options, "--yes", "--why", "release 42")
    assert done.code == 0, done.err
    for line in plan:
        assert line in shown.err
        assert line in done.err
    assert (done.json["revision"], done.json["why"], done.json["current"]) == (2, "release 42", True)
    assert [rule["name"] for rule in live(talk)["rules"]] == ["brazil"]
    assert "nothing differs" in apply(file, options, "--yes").err


def test_a_difference_is_data_for_a_script(talk: Talk, options: tuple[str, str], tmp_path: Path) -> None:
    file = write(tmp_path / "state.json", {**live(talk), "rules": [SPLIT]})
    found = run("gateway", "diff", file, *options)
    assert found.code == 0
    (difference,) = found.json["differences"]
    assert (difference["where"], difference["change"]) == ("rules.brazil", "added")
    assert run("gateway", "diff", file, "--exit-code", *options).code == 1
    table = run("gateway", "diff", file, "-o", "table", *options)
    assert table.out.splitlines()[-1] == "+ rules  brazil"


def test_nothing_is_changed_without_consent(talk: Talk, options: tuple[str, str], tmp_path: Path) -> None:
    file = write(tmp_path / "state.json", {**live(talk), "rules": [SPLIT]})
    refused = apply(file, options)
    assert (refused.code, revision(talk)) == (6, 1)
    assert "--yes" in refused.err
    for answer, code in (("n\n", 6), ("y\n", 0)):
        with dialogue("gateway", "apply", file, *options) as terminal:
            terminal.expect("+ rules  brazil")
            terminal.expect("1 change as one revision. Apply? [y/N]: ")
            terminal.type(answer)
            assert terminal.end() == code, terminal.seen
    assert revision(talk) == 2


def test_each_answer_leaves_a_receipt_of_what_is_sent_with_what_came_of_it(
    talk: Talk, options: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NLAPI_STATE_DIR", str(tmp_path / "state"))
    secret = "Zq81-never-in-a-receipt"
    document = {**live(talk), "rules": [{**SPLIT, "name": secret}]}
    file = write(tmp_path / "state.json", document)

    def answer(text: str) -> str:
        with dialogue("gateway", "apply", file, *options, "--why", secret) as terminal:
            terminal.expect("Apply? [y/N]: ")
            if text == "late":
                talk.ok("PATCH", "/v1/objectives/recommend", {"owner": "somebody else"})
            terminal.type("n\n" if text == "n" else "y\n")
            terminal.end()
        return terminal.seen

    for text in ("n", "late", "y"):
        answer(text)
    write(tmp_path / "state.json", {**live(talk), "rules": []})
    (tmp_path / "state" / "log").rename(tmp_path / "written")
    (tmp_path / "state" / "log").write_text("a file where the folder belongs")
    assert "the receipt of a consent cannot be written" in answer("y") and revision(talk) == 4
    (tmp_path / "state" / "log").unlink()
    assert apply(write(tmp_path / "state.json", document), options, "--yes").code == 0
    assert not (tmp_path / "state" / "log").exists()

    (tmp_path / "written").rename(tmp_path / "state" / "log")
    listed = run("log", "consents", "-o", "json").json
    assert [(row["face"], row["rung"], row["answer"], row["calls"][0]["outcome"]) for row in listed] == [
        ("gateway apply", "terminal", "agreed", "done"),
        ("gateway apply", "terminal", "agreed", "done"),
        ("gateway apply", "terminal", "declined", ""),
    ]
    assert [row["calls"][0]["status"] for row in listed] == [200, 412, None]
    gateway = nlapi.load("gateway", overlays=[bundled.folder("specs/overlays") / "gateway-state.yaml"])
    arguments = {**document, "why": secret, "revision": 1}
    request = nlapi.build(gateway, "replaceConfiguration", arguments, base_url=options[1])
    assert listed[-1]["calls"][0]["request"] == f"PUT {options[1]}/v1/configuration"
    assert listed[-1]["calls"][0]["digest"] == digest(request)
    assert secret not in run("log", "consents", "-o", "json").out and talk.token not in str(listed)


def test_a_revision_in_between_refuses_the_change(talk: Talk, options: tuple[str, str], tmp_path: Path) -> None:
    file = write(tmp_path / "state.json", {**live(talk), "rules": [SPLIT]})
    with dialogue("gateway", "apply", file, *options) as terminal:
        terminal.expect("Apply? [y/N]: ")
        talk.ok("PATCH", "/v1/objectives/recommend", {"owner": "somebody else"})
        terminal.type("y\n")
        assert terminal.end() == 4, terminal.seen
    assert "revision 1 is not current any more: 2 is" in terminal.seen
    assert (revision(talk), live(talk)["rules"]) == (2, [])


def test_a_file_of_another_revision_is_refused(talk: Talk, options: tuple[str, str], tmp_path: Path) -> None:
    file = write(tmp_path / "state.json", {**live(talk), "rules": [SPLIT], "revision": 7})
    refused = apply(file, options, "--yes")
    assert (refused.code, revision(talk)) == (4, 1)
    assert "is of revision 7, and revision 1 is current" in refused.err


@pytest.mark.parametrize(
    ("change", "code", "message"),
    [
        ({"objectives": []}, 4, "it would leave no objective"),
        ({"models": []}, 4, "nothing was changed"),
        ({"rules": [{**SPLIT, "objective": "nowhere"}]}, 4, "nowhere"),
        ({"rules": [{"name": "x"}]}, 2, "objective"),
        ({"surprise": 1}, 2, "surprise"),
    ],
)
def test_what_is_wrong_with_a_file_is_said_and_changes_nothing(
    talk: Talk, options: tuple[str, str], tmp_path: Path, change: dict[str, Any], code: int, message: str
) -> None:
    file = write(tmp_path / "state.json", {**live(talk), **change})
    for refused in (apply(file, options, "--yes"), run("gateway", "diff", file, *options)):
        assert (refused.code, message in refused.err) == (code, True), refused.err
    assert revision(talk) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [("[1]", "holds no configuration"), ("{", "line 1, column 2"), ("a: 1\na: 2\n", "the key 'a' twice")],
)
def test_a_file_that_is_no_configuration_is_refused(
    options: tuple[str, str], tmp_path: Path, content: str, message: str
) -> None:
    file = tmp_path / "state.yaml"
    file.write_text(content, encoding="utf-8")
    refused = apply(str(file), options, "--yes")
    assert (refused.code, message in refused.err) == (2, True), refused.err
    missing = apply(str(tmp_path / "none.yaml"), options)
    assert (missing.code, "none.yaml cannot be read" in missing.err) == (2, True)


def test_a_viewer_sees_the_plan_and_changes_nothing(
    talk: Talk, options: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "state.json", {**live(talk), "rules": [SPLIT]})
    monkeypatch.setenv("NLAPI_GATEWAY_TOKEN", talk.tokens["viewer"])
    assert run("gateway", "diff", file, *options).code == 0
    refused = apply(file, options, "--yes")
    assert (refused.code, "role operator" in refused.err) == (4, True), refused.err
    assert revision(talk) == 1


def test_the_first_configuration_can_be_applied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.gateway.kit import document, gateway

    with gateway(tmp_path, publish=False) as talk:
        monkeypatch.setenv("NLAPI_GATEWAY_TOKEN", talk.token)
        file = write(tmp_path / "state.yaml", document())
        done = apply(file, ("--url", f"http://127.0.0.1:{talk.port}"), "--yes")
        assert (done.code, revision(talk)) == (0, 1), done.err


def test_a_file_without_buckets_moves_nobody_who_may_stay(talk: Talk, options: tuple[str, str], tmp_path: Path) -> None:
    test = {"name": "artwork", "objective": "recommend", "layer": "art", "percent": 50, "cells": [
        {"name": "control", "model": "popular", "version": "v1", "percent": 50},
        {"name": "other", "model": "popular", "version": "v1", "percent": 50}]}  # fmt: skip
    written = {**live(talk), "rules": [SPLIT], "layers": [{"name": "art"}], "experiments": [test]}
    file = write(tmp_path / "state.yaml", written)
    assert apply(file, options, "--yes").code == 0
    document = live(talk)
    assert all(share["buckets"] for share in document["rules"][0]["shares"])
    assert "nothing differs" in apply(file, options, "--yes").err

    def served(user: str) -> str:
        body = {"context": {"user": user, "country": "BR"}}
        return str(talk.ok("POST", "/v1/objectives/continue-watching/resolve", body)["decision"]["version"])

    before = {f"u{number}": served(f"u{number}") for number in range(60)}
    written["rules"] = [{**SPLIT, "shares": [{**SHARES[1], "percent": 40}, {**SHARES[0], "percent": 60}]}]
    assert apply(write(tmp_path / "state.yaml", written), options, "--yes").code == 0
    after = {user: served(user) for user in before}
    assert all(after[user] == "v8" for user, version in before.items() if version == "v8")
    assert set(after.values()) == {"v7", "v8"}
