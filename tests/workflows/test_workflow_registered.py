"""The workflow documents of a registered API."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import nlapi
from nlapi.errors import UsageError
from nlapi.workflows.sources import link, registered_workflows, source_of
from nlapi.workflows.suggest import suggest
from tests.cli.kit import run


@pytest.fixture
def file(home: Path) -> Path:
    path = home / "ads.arazzo.json"
    tree = suggest(nlapi.load("ads"), url="./not/here.yaml", limit=3)
    path.write_text(json.dumps(tree), encoding="utf-8")
    return path


def test_an_api_knows_its_workflows(home: Path, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    ran = run("api", "add", "campaigns", "ads", "--no-auth", "--workflows", file.name)
    assert ran.code == 0, ran.err
    assert "It has 3 workflows" in ran.err
    assert run("api", "list", "-o", "json").json[0]["workflows"] == [str(file)]
    monkeypatch.chdir(home.parent)
    (document,) = registered_workflows("campaigns")
    assert len(document.workflows) == 3
    # The registered description stands for the source of the document, wherever that says it is.
    linked = link(document, sources=source_of(document, "campaigns"), loader=nlapi.load)
    assert linked.issues == ()
    assert [spec.title for spec in linked.all_specs] == ["Ads"]


def test_an_api_without_workflows_has_none(home: Path) -> None:
    run("api", "add", "campaigns", "ads", "--no-auth")
    assert registered_workflows("campaigns") == ()
    assert "workflows" not in run("api", "list", "-o", "json").json[0]


def test_what_is_no_workflow_document_is_not_registered(home: Path) -> None:
    wrong = home / "wrong.json"
    wrong.write_text('{"openapi": "3.1.0"}', encoding="utf-8")
    assert "not an Arazzo document" in run("api", "add", "campaigns", "ads", "--workflows", str(wrong)).err
    assert run("api", "add", "campaigns", "ads", "--workflows", "-").code == 2
    assert run("api", "list", "-o", "json").json == []


def test_a_name_that_is_not_registered_is_named(home: Path) -> None:
    with pytest.raises(UsageError, match="no API is registered as 'shop'"):
        registered_workflows("shop")
