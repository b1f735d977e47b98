"""APIs that were registered with `nlapi api add`, in Python: their names, base URLs and credentials."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import nlapi
from nlapi.errors import CredentialError, FetchError, NlapiError
from tests.cli.kit import BEARER, notes, notes_api, run
from tests.servers import Echo

OVERLAY = """
overlay: 1.0.0
info: { title: T, version: '1' }
actions: [{ target: "$.info", update: { title: Kitchen notes } }]
"""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NLAPI_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("NLAPI_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path


@pytest.fixture
def api() -> Iterator[Echo]:
    with notes_api() as server:
        yield server


def add(*words: str) -> None:
    ran = run("api", "add", *words)
    assert ran.code == 0, ran.err


def test_a_registered_name_is_loaded_with_its_overlays(home: Path) -> None:
    (home / "overlay.yaml").write_text(OVERLAY)
    add("mine", notes(home), "--overlay", str(home / "overlay.yaml"))
    spec = nlapi.load("mine")
    assert (spec.title, spec.source) == ("Kitchen notes", str(home / "notes.json"))
    more = home / "more.yaml"
    more.write_text(OVERLAY.replace("Kitchen", "My"))
    assert nlapi.load("mine", overlays=[more]).title == "My notes"


def test_its_root_is_the_registered_one(home: Path) -> None:
    (home / "parts").mkdir()
    (home / "parts" / "limit.json").write_text('{"name": "limit", "in": "query", "schema": {"type": "integer"}}')
    (home / "api").mkdir()
    tree = json.loads(Path(notes(home)).read_text())
    tree["paths"]["/notes"]["get"]["parameters"].append({"$ref": "../parts/limit.json"})
    (home / "api" / "notes.json").write_text(json.dumps(tree))
    add("mine", str(home / "api" / "notes.json"), "--root", str(home))
    assert "limit" in [one.name for one in nlapi.load("mine").operation("listNotes").parameters]


def test_calls_go_where_it_is_registered_with_its_credentials(
    home: Path, api: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    add("mine", notes(home, **BEARER), "--base-url", api.url, "--auth", "token=env:NOTES_TOKEN")
    spec = nlapi.load("mine")
    monkeypatch.setenv("NOTES_TOKEN", "t0ken-of-ana")
    assert nlapi.build(spec, "listNotes", {}).url == f"{api.url}/notes"
    assert nlapi.call(spec, "listNotes").status == 200
    assert asyncio.run(nlapi.aio.call(spec, "listNotes")).status == 200
    assert json.loads(nlapi.answer(nlapi.tools(spec), "listNotes", {}))["status"] == 200
    assert [one.header("authorization") for one in api.received] == ["Bearer t0ken-of-ana"] * 3


def test_what_the_caller_gives_goes_over_what_is_registered(home: Path, api: Echo) -> None:
    add("mine", notes(home, **BEARER), "--base-url", "http://127.0.0.1:9", "--auth", "token=env:NOT_SET")
    spec = nlapi.load("mine")
    for auth, sent in (({"token": "other"}, "Bearer other"), (False, None)):
        given: Any = auth
        assert nlapi.call(spec, "listNotes", base_url=api.url, auth=given).status == 200
        assert api.received[-1].header("authorization") == sent


def test_a_registered_variable_that_is_not_set_is_named(home: Path, api: Echo) -> None:
    add("mine", notes(home, **BEARER), "--base-url", api.url, "--auth", "token=env:NOT_SET_HERE")
    spec = nlapi.load("mine")
    with pytest.raises(CredentialError, match="the variable NOT_SET_HERE is not set"):
        nlapi.call(spec, "listNotes")
    told = nlapi.answer(nlapi.tools(spec), "listNotes", {})
    assert told.startswith("not sent: the variable NOT_SET_HERE is not set")
    assert api.received == []


def test_one_that_is_registered_without_credentials_is_called_so(home: Path, api: Echo) -> None:
    add("mine", notes(home, api.url, **BEARER), "--no-auth")
    spec = nlapi.load("mine")
    assert nlapi.call(spec, "listNotes").status == 200
    assert nlapi.call(spec, "listNotes", auth={"token": "abc"}).status == 200
    assert [one.header("authorization") for one in api.received] == [None, "Bearer abc"]


def test_files_and_bundled_names_go_before_registered_ones(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    note = run("api", "add", "ads", notes(home))
    assert "nlapi.load('ads') still gives the bundled one" in note.err
    assert nlapi.load("ads").title != "Notes"
    add("mine", "gateway")
    (home / "elsewhere" / "mine").write_bytes(Path(notes(home)).read_bytes())
    assert nlapi.load("mine").title == "Notes"
    assert nlapi.load(home / "elsewhere" / "mine").title == "Notes"
    (home / "elsewhere" / "mine").unlink()
    (home / "elsewhere" / "mine").mkdir()
    assert nlapi.load("mine").operation("listObjectives")


def test_a_name_that_is_not_registered_is_no_file(home: Path) -> None:
    with pytest.raises(FetchError, match="no such file: mine") as caught:
        nlapi.load("mine")
    assert "nlapi api list" in caught.value.hint
    add("mine", notes(home))
    with pytest.raises(FetchError, match="no such file"):
        nlapi.load(Path("mine"))


def test_a_registered_name_is_not_registered_again(home: Path) -> None:
    add("mine", notes(home))
    ran = run("api", "add", "other", "mine")
    assert (ran.code, "mine is a registered name itself" in ran.complaint) == (2, True)


def test_a_damaged_file_is_said_to_be_one(home: Path) -> None:
    (home / "config").mkdir()
    (home / "config" / "apis.json").write_text('{"mine": {"source": "x", "no_auth": "yes"}}')
    with pytest.raises(NlapiError, match=r"the API 'mine' cannot be used: no_auth is not true or false"):
        nlapi.load("mine")
    assert nlapi.load("ads").operations
