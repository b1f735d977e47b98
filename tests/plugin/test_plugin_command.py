"""The command of a plugin, on a real server on loopback: reads, changes, credentials, what it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import nlapi
from nlapi.openapi.selection import select_operations
from nlapi.plugin.build import Options, build
from nlapi.plugin.folder import write_folder
from nlapi.sandbox import running
from tests.plugin.kit import HOSTILE, LIBRARY, placed, sh
from tests.servers import Echo, Reply
from tests.tables import table

SECRET = "tok-5b7e-librarian"


@pytest.fixture(scope="module")
def command(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = placed(tmp_path_factory.mktemp("it's here") / "library", LIBRARY)
    return folder / "bin" / "nlapi-city-library"


@pytest.fixture
def api() -> Iterator[Echo]:
    with Echo(lambda request: Reply(200, {"data": [{"id": "b1", "title": "Dune"}]})) as server:
        yield server


def test_a_read_runs_with_the_credential_of_the_environment(command: Path, api: Echo) -> None:
    done = sh(command, "listBooks", "genre=NOVEL", CITY_LIBRARY_BASE_URL=api.url, CITY_LIBRARY_TOKEN=SECRET)
    assert (done.returncode, json.loads(done.stdout)["data"][0]["title"]) == (0, "Dune")
    assert api.received[0].target == "/books?genre=NOVEL"
    assert api.received[0].header("Authorization") == f"Bearer {SECRET}"
    assert SECRET not in done.stdout + done.stderr


def test_without_its_credential_nothing_is_sent(command: Path, api: Echo) -> None:
    done = sh(command, "listBooks", CITY_LIBRARY_BASE_URL=api.url, CITY_LIBRARY_TOKEN="")
    assert done.returncode == 2
    assert "staff" in done.stderr
    assert api.received == []


def test_a_change_is_shown_then_refused_then_sent_with_yes(command: Path, api: Echo) -> None:
    env = {"CITY_LIBRARY_BASE_URL": api.url, "CITY_LIBRARY_TOKEN": SECRET}
    words = (command, "addBook", "title=Dune", "fine=2 EUR")
    shown = sh(*words, "--dry-run", **env)
    assert json.loads(shown.stdout)["body"] == {"title": "Dune", "fine": 200}
    refused = sh(*words, **env)
    assert (refused.returncode, api.received) == (6, [])
    assert sh(*words, "--yes", **env).returncode == 0
    assert [(one.method, one.json()) for one in api.received] == [("POST", {"title": "Dune", "fine": 200})]


def test_an_argument_that_breaks_the_description_is_not_sent(command: Path, api: Echo) -> None:
    done = sh(command, "listBooks", "genre=CRIME", CITY_LIBRARY_BASE_URL=api.url, CITY_LIBRARY_TOKEN=SECRET)
    assert (done.returncode, api.received) == (2, [])
    assert "NOVEL" in done.stderr


@table("option", ["--base-url=http://elsewhere.example", "--auth", "--no-auth", "--overlay=http://x.example", "--root"])
def test_where_calls_go_and_as_whom_is_not_for_the_model_to_say(command: Path, option: str) -> None:
    for words in (("listBooks", option, "x"), ("--find", "books", option), ("--about", option)):
        done = sh(command, *words)
        assert (done.returncode, done.stdout) == (2, "")
        assert "in the settings" in done.stderr


def test_operations_are_found_and_told_about(command: Path) -> None:
    assert '"lendBook"' in sh(command, "--find", "lend", "a", "book").stdout
    about = sh(command, "--about", "addBook").stdout
    assert about.startswith(
        "# addBook\n\nwrite: `POST /books`. Add a book.\n\n- `title` (required, string): Its title."
    )
    assert "- `fine` (integer, cents: `'15 USD'` or a number of cents): What a day too long costs." in about
    part = sh(command, "--about", "addBook", "shelf").stdout
    assert "# addBook: `shelf`" in part
    assert "`floor` (required, integer)" in part
    missing = sh(command, "--about", "addBook", "shelf.none")
    assert missing.returncode == 2
    assert "floor" in missing.stderr


@table("words", [(), ("--yes",), ("-h",), ("--about",)])
def test_how_it_is_used_is_told(command: Path, words: tuple[str, ...]) -> None:
    done = sh(command, *words)
    assert done.returncode == 2
    assert "nlapi-city-library OPERATION" in done.stderr


def test_without_nlapi_it_says_what_to_do(command: Path) -> None:
    done = sh("/bin/sh", command, "listBooks", PATH="/usr/bin:/bin")
    assert done.returncode == 127
    assert "uv tool install 'PATH_OF_NLAPI[mcp]'" in done.stderr


def test_no_package_is_fetched_by_its_name(command: Path, tmp_path: Path) -> None:
    """The name may be anybody's at a registry: a program that would fetch it is not even started."""
    for program in ("uvx", "uv", "pipx", "pip", "python", "python3"):
        stand_in = tmp_path / program
        stand_in.write_text(f"#!/bin/sh\necho {program} ran >&2\n")
        stand_in.chmod(0o755)
    done = sh("/bin/sh", command, "listBooks", PATH=f"{tmp_path}:/usr/bin:/bin")
    assert done.returncode == 127
    assert " ran" not in done.stderr


def test_the_plugin_of_a_hostile_description_runs_nothing_of_it(tmp_path: Path) -> None:
    folder = placed(tmp_path / "evil", HOSTILE, name="evil")
    with Echo(Reply(200, {})) as api:
        done = sh(folder / "bin" / "nlapi-evil", "reboot", EVIL_BASE_URL=api.url, EVIL_TOKEN=SECRET)
    assert done.returncode == 0, done.stderr
    assert [(one.target, one.header("Authorization")) for one in api.received] == [("/a", f"Bearer {SECRET}")]


def test_the_plugin_of_a_bundled_description_works_on_its_sandbox(tmp_path: Path) -> None:
    spec = nlapi.load("ads")
    write_folder(tmp_path / "ads", build(spec, select_operations(spec).operations, Options(name="ads")).files)
    command = tmp_path / "ads" / "bin" / "nlapi-ads"
    with running(spec) as sandbox:
        env = {"ADS_BASE_URL": sandbox.url, "ADS_BEARER": SECRET}
        (id, *_) = sh(command, "listCampaigns", "--jq", ".data[].id", **env).stdout.split()
        paused = sh(command, "updateCampaign", f"campaign_id={id}", "status=PAUSED", "--yes", **env)
        assert paused.returncode == 0, paused.stderr
        assert sh(command, "getCampaign", f"campaign_id={id}", "--jq", ".status", **env).stdout.strip() == "PAUSED"


def test_a_plugin_of_an_api_that_takes_no_credential_asks_for_none(tmp_path: Path, api: Echo) -> None:
    folder = placed(tmp_path / "library", LIBRARY, no_auth=True)
    asked = json.loads((folder / ".claude-plugin/plugin.json").read_text())["userConfig"]
    assert list(asked) == ["base_url"]
    done = sh(folder / "bin" / "nlapi-city-library", "listBooks", CITY_LIBRARY_BASE_URL=api.url)
    assert (done.returncode, api.only.header("authorization")) == (0, None)
