"""`nlapi api`: APIs under short names, in a file that holds no credential."""

from __future__ import annotations

import stat
import tomllib
from pathlib import Path

import pytest

from tests.cli.kit import BEARER, notes, run
from tests.servers import Echo, Reply


@pytest.fixture
def file(home: Path) -> Path:
    return home / "config" / "apis.toml"


def test_an_api_is_added_listed_and_removed(tmp_path: Path, file: Path) -> None:
    source = notes(tmp_path, **BEARER)
    added = run("api", "add", "mine", source, "--auth", "token=env:NOTES_TOKEN", "--set", "note=n1")
    assert (added.code, added.out, added.err) == (0, "", "mine: Notes, 6 operations\n")
    (row,) = run("api", "list").json
    wanted = {"name": "mine", "source": source, "base_url": None, "auth": {"token": "env:NOTES_TOKEN"}}
    assert row == {**wanted, "set": {"note": "n1"}}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert run("api", "remove", "mine").code == 0
    assert run("api", "list").json == []


def test_a_registered_api_is_used_by_its_name_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOTES_TOKEN", "t0ken")
    notes(tmp_path, **BEARER)
    monkeypatch.chdir(tmp_path)
    with Echo(Reply(200, [])) as api:
        run("api", "add", "mine", "notes.json", "--base-url", api.url, "--auth", "token=env:NOTES_TOKEN")
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert run("call", "mine", "listNotes").code == 0
        assert run("find", "mine", "note").code == 0
    assert api.only.header("authorization") == "Bearer t0ken"


def test_what_is_registered_is_shown_as_it_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    run("api", "add", "mine", notes(tmp_path, **BEARER), "--auth", "token=env:NOTES_TOKEN", "--set", "note=n1")
    row = run("api", "list", "-o", "table").out.splitlines()[-1].split()
    assert (row[0], row[-2:]) == ("mine", ["token=env:NOTES_TOKEN", "note=n1"])


def test_a_credential_that_will_be_wanted_is_named_when_none_is_given(tmp_path: Path) -> None:
    added = run("api", "add", "mine", notes(tmp_path, **BEARER))
    assert added.code == 0
    assert added.err.splitlines()[1].endswith(
        "or add it again with --auth token=env:NAME, or with --no-auth, if it takes none"
    )


def test_a_literal_credential_is_refused_and_not_shown(tmp_path: Path, file: Path) -> None:
    ran = run("api", "add", "mine", notes(tmp_path, **BEARER), "--auth", "token=s3cr3t")
    assert ran.code == 2
    assert "token=env:NAME" in ran.complaint
    assert "s3cr3t" not in ran.err
    assert not file.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["my api", "notes.json"], "'my api' cannot be a name"),
        (["mine", "-"], "standard input"),
        (["mine", "nowhere.json"], "no such file"),
        (["mine", "notes.json", "--auth", "tokn=env:A"], "no security scheme 'tokn'"),
        (["mine", "notes.json", "--base-url", "localhost:8080"], "localhost:8080"),
        (["mine", "notes.json", "--set", "note"], "NAME=VALUE"),
    ],
)
def test_what_could_never_work_is_refused_when_it_is_added(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: Path, words: list[str], said: str
) -> None:
    notes(tmp_path, **BEARER)
    monkeypatch.chdir(tmp_path)
    assert said in run("api", "add", *words).complaint
    assert not file.exists()


@pytest.mark.parametrize("text", ["{", "apis = 1", "[apis.mine", "[apis.mine]\nsource = 1\nsource = 2"])
def test_a_damaged_file_is_said_to_be_one_and_left_as_it_is(tmp_path: Path, file: Path, text: str) -> None:
    file.parent.mkdir()
    file.write_text(text)
    for words in (["list"], ["add", "other", notes(tmp_path)], ["remove", "mine"]):
        ran = run("api", *words)
        assert ran.code == 1
        assert "apis.toml cannot be read" in ran.complaint
    assert file.read_text() == text


def test_a_credential_goes_from_the_profile_only_to_its_own_api(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NOTES_TOKEN", "t0ken")
    with Echo(Reply(200, [])) as own, Echo(Reply(200, [])) as other:
        run("api", "add", "mine", notes(tmp_path, own.url, **BEARER), "--auth", "token=env:NOTES_TOKEN")
        folder = tmp_path / "other"
        folder.mkdir()
        run("api", "add", "theirs", notes(folder, other.url))
        asked = run("ask", "list the notes", "-a", "mine", "-a", "theirs", "--planner", "offline")
        assert asked.code == 0
        assert run("call", "theirs", "listNotes").code == 0
    assert all(request.header("authorization") is None for request in other.received)


def test_the_file_is_plain_toml(tmp_path: Path, file: Path) -> None:
    run("api", "add", "mine", notes(tmp_path))
    assert tomllib.loads(file.read_text())["apis"]["mine"] == {"source": str(tmp_path / "notes.json")}
