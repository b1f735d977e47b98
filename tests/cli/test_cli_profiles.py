"""Profiles of APIs: shown, edited, renamed, with accounts and environments, in one file that people edit too."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from tests.cli.kit import BEARER, NOTES, notes, run
from tests.servers import Echo, Received, Reply


@pytest.fixture
def file(home: Path) -> Path:
    return home / "config" / "apis.toml"


def entries(file: Path) -> Any:
    return tomllib.loads(file.read_text())["apis"]


def test_an_entry_is_edited_and_comments_stay(tmp_path: Path, file: Path) -> None:
    assert run("api", "add", "mine", notes(tmp_path, **BEARER), "--set", "note=n1").code == 0
    file.write_text(file.read_text().replace("[apis.mine]", "# the notes of ada\n[apis.mine]"))
    ran = run("api", "edit", "mine", "--set", "note=", "--set", "limit=5", "--model", "local:qwen", "-o", "json")
    assert (ran.code, ran.err) == (0, "mine: model, output, set changed\n")
    assert entries(file)["mine"] == {
        "source": str(tmp_path / "notes.json"),
        "set": {"limit": "5"},
        "model": "local:qwen",
        "output": "json",
    }
    assert "# the notes of ada\n[apis.mine]" in file.read_text()
    shown = run("api", "show", "mine", "-o", "json").json
    assert (shown["title"], shown["set"], shown["credentials"]) == ("Notes", {"limit": "5"}, {"token": "bearer token"})
    assert run("api", "edit", "mine", "--auth", "token=s3cr3t").code == 2
    assert run("api", "edit", "mine", "-o", "pdf").code == 2
    assert run("api", "edit", "mine").complaint.startswith("nothing was said to change")


def test_two_accounts_of_one_api_have_credentials_of_their_own(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADA_TOKEN", "ada-token-123456")
    with Echo(Reply(200, [])) as api:
        run("api", "add", "mine", notes(tmp_path, api.url, **BEARER), "--auth", "token=env:ADA_TOKEN")
        ran = run("call", "mine@work", "listNotes")
        assert (ran.code, api.received) == (2, []), "the account of somebody else is not used"
        assert "`nlapi auth login mine@work` asks for it once" in ran.complaint
        assert run("auth", "login", "mine@work", stdin="work-token-98765\n").code == 0
        assert run("api", "edit", "mine@work", "--set", "limit=7").code == 0
        assert entries(file)["mine@work"] == {"set": {"limit": "7"}}
        for name in ("mine", "mine@work"):
            assert run("call", name, "listNotes").code == 0
        tokens = [request.header("authorization") for request in api.received]
        assert tokens == ["Bearer ada-token-123456", "Bearer work-token-98765"]
        assert [request.query for request in api.received] == [[], [("limit", "7")]]
        assert run("ask", "list the notes", "-a", "mine@work", "--planner", "offline").code == 0
        assert api.received[-1].header("authorization") == "Bearer work-token-98765"


def test_a_renamed_api_takes_its_accounts_logins_and_pins_along(tmp_path: Path, file: Path) -> None:
    with Echo(Reply(200, [])) as api:
        run("api", "add", "mine", notes(tmp_path, api.url, **BEARER))
        run("auth", "login", "mine", stdin="first-token-123\n")
        run("auth", "login", "mine@work", stdin="work-token-456\n")
        run("api", "add", "other", notes(tmp_path, api.url, **BEARER))
        assert run("api", "rename", "mine", "other").complaint.startswith("'other' is taken")
        assert run("api", "rename", "mine", "my notes").code == 2
        assert run("api", "rename", "mine", "store").code == 0
        assert set(entries(file)) == {"store", "other"}
        for name in ("store", "store@work"):
            assert run("call", name, "listNotes").code == 0
        assert [request.header("authorization") for request in api.received] == [
            "Bearer first-token-123",
            "Bearer work-token-456",
        ]
        assert (file.parent / "pins" / "store.json").is_file()
        run("api", "remove", "store")
        assert not list((file.parent / "logins").rglob("*.json"))


def test_environments_are_those_of_the_description_and_of_the_user(tmp_path: Path, file: Path) -> None:
    with Echo(Reply(200, [])) as production, Echo(Reply(200, [])) as sandbox, Echo(Reply(200, [])) as staging:
        servers = [
            {"url": production.url, "description": "Production server"},
            {"url": sandbox.url, "description": "Sandbox"},
        ]
        source = tmp_path / "notes.json"
        source.write_text(json.dumps({**NOTES, **BEARER, "servers": servers}))
        run("api", "add", "mine", str(source))
        run("auth", "login", "mine", stdin="production-token\n")
        ran = run("call", "mine", "listNotes", "--env", "sandbox")
        assert (ran.code, sandbox.received) == (2, []), "the login of production is for production"
        assert run("auth", "login", "mine", "--env", "sandbox", stdin="sandbox-token\n").code == 0
        assert run("call", "mine", "listNotes", "--env", "sandbox").code == 0
        assert sandbox.only.header("authorization") == "Bearer sandbox-token"
        assert run("call", "mine", "listNotes").code == 0
        assert production.only.header("authorization") == "Bearer production-token"
        ran = run("call", "mine", "listNotes", "--env", "nowhere")
        assert "has no environment 'nowhere' (it has production, sandbox;" in ran.complaint
        run("api", "edit", "mine", "--environment", f"staging={staging.url}", "--env", "staging")
        assert run("call", "mine", "listNotes", "--auth", "token=mine-for-staging").code == 0
        assert len(staging.received) == 1


def test_a_damaged_entry_is_named_and_the_others_work(tmp_path: Path, file: Path) -> None:
    with Echo(Reply(200, [])) as api:
        source = notes(tmp_path, api.url)
        run("api", "add", "mine", source)
        for damage in ("source = 1", 'sauce = "x"', 'source = "x"\nauth = "y"', 'source = "x"\nno_auth = "yes"'):
            file.write_text(f'# by hand\n[apis.mine]\nsource = "{source}"\n[apis.bad]\n{damage}\n')
            assert run("call", "mine", "listNotes").code == 0
            ran = run("call", "bad", "listNotes")
            assert (ran.code, ran.complaint.startswith(f"{file}: the API 'bad' cannot be used: ")) == (1, True)
            listed = run("api", "list")
            assert [row["name"] for row in listed.json] == ["mine"]
            assert f"warning: {file}: bad cannot be used" in listed.err
            assert run("api", "add", "more", source).code == 0
            assert damage in file.read_text(), "what is damaged is not thrown away"
        assert run("api", "add", "bad", source).code == 0
        assert run("call", "bad", "listNotes").code == 0


def test_registrations_of_an_earlier_version_move_to_the_new_file(tmp_path: Path, file: Path) -> None:
    source = notes(tmp_path)
    file.parent.mkdir()
    earlier = file.with_name("apis.json")
    earlier.write_text(
        json.dumps({"mine": {"source": source, "base_url": None, "known": {"note": "n1"}, "overlays": []}})
    )
    assert [row["set"] for row in run("api", "list").json] == [{"note": "n1"}]
    assert not file.exists()
    run("api", "add", "other", source)
    assert set(entries(file)) == {"mine", "other"}
    assert entries(file)["mine"]["set"] == {"note": "n1"}
    assert (earlier.exists(), earlier.with_name("apis.json.migrated").exists()) == (False, True)


def test_rules_in_a_profile_hold(tmp_path: Path, file: Path) -> None:
    with Echo(Reply(200, [])) as api:
        run("api", "add", "mine", notes(tmp_path, api.url))
        file.write_text(f'{file.read_text()}\n[[apis.mine.rules]]\nverdict = "deny"\noperation = "delete*"\n')
        ran = run("call", "mine", "deleteNote", "note=1", "--yes")
        assert (ran.code, api.received) == (6, [])
        assert run("call", "mine@work", "deleteNote", "note=1", "--yes").code == 6
        assert run("call", "mine", "listNotes").code == 0


def serve(places: dict[str, Reply]) -> Echo:
    def reply(request: Received) -> Reply:
        return places.get(request.path, Reply(404))

    return Echo(reply)


DESCRIBED = Reply(200, {**NOTES, "servers": [{"url": "/"}]})


@pytest.mark.parametrize(
    "places",
    [
        {"/openapi.json": DESCRIBED},
        {"/": Reply(200, b"<html>", {"Link": '</docs/api>; rel="service-desc"; type="x"'}), "/docs/api": DESCRIBED},
        {
            "/.well-known/api-catalog": Reply(200, {"linkset": [{"anchor": "/", "service-desc": [{"href": "/a/b"}]}]}),
            "/a/b": DESCRIBED,
        },
    ],
)
def test_a_description_is_found_from_the_address_of_the_api(places: dict[str, Reply], file: Path) -> None:
    with serve(places) as api:
        ran = run("api", "add", "mine", api.url)
        assert ran.code == 0, ran.err
        assert entries(file)["mine"]["source"] == f"{api.url}{list(places)[-1]}"


def test_without_a_description_the_places_are_named_and_others_are_not_asked(file: Path) -> None:
    with Echo() as elsewhere:
        link = {"Link": f'<{elsewhere.url}/api>; rel="service-desc"'}
        with serve({"/": Reply(200, b"<html>", link)}) as api:
            ran = run("api", "add", "mine", api.url)
        assert (ran.code, elsewhere.received) == (1, [])
        assert "has no description of an API at /openapi.json, /openapi.yaml" in ran.err
        assert not file.exists()
