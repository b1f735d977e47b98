"""The settings of a plugin: kept once, filled into calls that lack them, and never the thing that a change is about."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from nlapi.registry import SettingsKey, change_settings, read_settings
from tests.cli.conftest import home as home
from tests.cli.kit import run
from tests.plugin.kit import LIBRARY, placed, plugin_of
from tests.plugin.studio import STUDIO, hook_question
from tests.servers import Echo, Reply


@pytest.fixture
def studio(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STUDIO_BASE_URL", "http://127.0.0.1:9")
    return placed(tmp_path / "studio", STUDIO, name="studio")


def call(studio: Path, *words: str) -> tuple[int, str, str]:
    ran = run("call", str(studio / "api" / "openapi.json"), *words, "--base-url", "http://127.0.0.1:9", "--dry-run")
    return ran.code, ran.out, ran.err


def test_what_nearly_all_operations_take_is_a_setting_and_the_skill_says_where_from() -> None:
    plugin = plugin_of(STUDIO, name="studio")
    config = json.loads(plugin.files[".claude-plugin/plugin.json"])["userConfig"]
    assert config["account_id"] == {
        "type": "string",
        "title": "Account id",
        "description": "Whose films they are. Used where a call gives none.",
    }
    text = plugin.files["skills/studio/SKILL.md"].decode()
    assert "`account_id`: `listAccounts` (`id`)" in text
    assert "`nlapi-studio set account_id=ACCOUNT_ID`" in text
    assert json.loads(plugin.files["nlapi-plugin.json"])["settings"] == {"account_id": "STUDIO_ACCOUNT_ID"}
    readme = plugin.files["README.md"].decode()
    assert "- `account_id`, or the variable `STUDIO_ACCOUNT_ID`: Whose films they are. `nlapi-studio set" in readme
    assert json.loads(plugin_of(LIBRARY).files["nlapi-plugin.json"])["settings"] == {}


@pytest.mark.usefixtures("home")
def test_a_setting_is_kept_shown_and_filled_in(studio: Path) -> None:
    assert json.loads(run("plugin", "settings", str(studio)).out) == [
        {"setting": "account_id", "value": "", "from": "not set"}
    ]
    assert call(studio, "listFilms")[0] == 2
    assert run("plugin", "settings", str(studio), "account_id=acc_1").code == 0
    code, out, err = call(studio, "listFilms")
    assert (code, json.loads(out)["url"]) == (0, "http://127.0.0.1:9/accounts/acc_1/films")
    assert "account_id=acc_1 (setting)" in err
    said = call(studio, "listFilms", "account_id=acc_2")
    assert json.loads(said[1])["url"] == "http://127.0.0.1:9/accounts/acc_2/films"
    assert "(setting)" not in said[2]
    assert run("plugin", "settings", str(studio), "account_id=").code == 0
    assert call(studio, "listFilms")[0] == 2


@pytest.mark.usefixtures("home")
def test_a_setting_never_names_what_is_changed(studio: Path) -> None:
    run("plugin", "settings", str(studio), "account_id=acc_1")
    assert json.loads(call(studio, "getAccount")[1])["url"].endswith("/accounts/acc_1")
    code, _, err = call(studio, "updateAccount", "name=Mine")
    assert (code, "account_id" in err) == (2, True)
    assert json.loads(call(studio, "createFilm", "name=Dune")[1])["url"].endswith("/accounts/acc_1/films")
    assert call(studio, "publishCut", "cut_id=c1")[0] == 0


@pytest.mark.usefixtures("home")
def test_what_is_no_setting_or_no_value_is_refused(studio: Path) -> None:
    ran = run("plugin", "settings", str(studio), "name=Dune")
    assert (ran.code, "its settings: account_id" in ran.err) == (2, True)
    ran = run("plugin", "settings", str(studio), "account_id=7")
    assert (ran.code, "^acc" in ran.err) == (2, True)
    assert json.loads(run("plugin", "settings", str(studio)).out)[0]["value"] == ""


@pytest.mark.usefixtures("home")
def test_the_settings_of_one_address_are_not_used_at_another(studio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("plugin", "settings", str(studio), "account_id=acc_1")
    monkeypatch.setenv("STUDIO_BASE_URL", "http://127.0.0.1:8")
    ran = run("plugin", "settings", str(studio))
    assert json.loads(ran.out)[0]["value"] == ""
    assert "not used here: what is set for http://127.0.0.1:9" in ran.err
    other = ("--base-url", "http://127.0.0.1:8", "--dry-run")
    assert run("call", str(studio / "api" / "openapi.json"), "listFilms", *other).code == 2


@pytest.mark.usefixtures("home")
def test_a_variable_goes_before_what_is_stored(studio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run("plugin", "settings", str(studio), "account_id=acc_1")
    monkeypatch.setenv("STUDIO_ACCOUNT_ID", "acc_9")
    assert "/accounts/acc_9/" in call(studio, "listFilms")[1]
    ran = run("plugin", "settings", str(studio), "account_id=acc_2")
    assert json.loads(ran.out) == [{"setting": "account_id", "value": "acc_9", "from": "STUDIO_ACCOUNT_ID"}]
    assert "STUDIO_ACCOUNT_ID" in ran.err


@pytest.mark.usefixtures("home")
def test_the_hook_shows_what_is_filled_in_and_asks_where_that_is_not_known(studio: Path) -> None:
    run("plugin", "settings", str(studio), "account_id=acc_1")
    question = hook_question(studio, "nlapi-studio createFilm name=Dune --yes")
    assert "POST http://127.0.0.1:9/accounts/acc_1/films" in question
    assert "account_id=acc_1 (setting)" in question
    assert hook_question(studio, "nlapi-studio set account_id=acc_2") == ""
    assert "sets STUDIO_ACCOUNT_ID" in hook_question(studio, "STUDIO_ACCOUNT_ID=acc_3 nlapi-studio listFilms")


@pytest.mark.usefixtures("home")
def test_a_call_sends_what_a_setting_fills_in(studio: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Echo(Reply(200, {"data": []})) as api:
        monkeypatch.setenv("STUDIO_BASE_URL", api.url)
        run("plugin", "settings", str(studio), "account_id=acc_1")
        assert run("call", str(studio / "api" / "openapi.json"), "listFilms", "--base-url", api.url).code == 0
        assert api.only.path == "/accounts/acc_1/films"


@pytest.mark.usefixtures("home")
def test_a_damaged_file_is_named_and_left_alone() -> None:
    key = SettingsKey(name="studio")
    assert change_settings(key, {"a": "1", "b": "2"}) == {"a": "1", "b": "2"}
    assert change_settings(key, {"a": ""}) == read_settings(key) == {"b": "2"}


def test_the_source_of_an_id_says_what_it_needs_itself() -> None:
    text = {"type": "string"}
    item = {"type": "object", "properties": {"id": text, "name": text}}
    ok = {"200": {"description": "", "content": {"application/json": {"schema": {"type": "array", "items": item}}}}}
    team = [{"name": "team_id", "in": "path", "required": True, "schema": text}]
    player = [{"name": "player_id", "in": "query", "required": True, "schema": text}]
    tree = {
        "openapi": "3.1.0",
        "info": {"title": "League", "version": "1"},
        "servers": [{"url": "https://league.example"}],
        "paths": {
            "/teams": {"get": {"operationId": "listTeams", "responses": ok}},
            "/teams/{team_id}/players": {
                "parameters": team,
                "get": {"operationId": "listPlayers", "responses": ok},
                "post": {"operationId": "addPlayer", "responses": ok},
            },
            "/goals": {"get": {"operationId": "listGoals", "parameters": player, "responses": ok}},
            "/cards": {"get": {"operationId": "listCards", "parameters": player, "responses": ok}},
            "/fouls": {"get": {"operationId": "listFouls", "parameters": player, "responses": ok}},
        },
    }
    texts = [text.decode() for path, text in plugin_of(tree, name="league").files.items() if path.startswith("agents/")]
    assert "`player_id` from `listPlayers` (`id`), where `team_id` is from `listTeams` (`id`)" in "".join(texts)
