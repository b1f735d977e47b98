"""What Claude Code hands to a plugin: options through the hook of a session, to the command and to the MCP server."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.plugin.kit import LIBRARY, PATIENCE, environment, placed, sh
from tests.servers import Echo, Reply

ID = "0d9c2a52-7c1d-4e0e-9d7b-3f7f3f0e8f11"
SECRET = "tok-configured-5b7e"
CHANGE = ("addBook", "title=Dune", "--yes")


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return placed(tmp_path_factory.mktemp("it's here") / "library", LIBRARY)


def session(plugin: Path, data: Path, event: str = "start", **options: str) -> dict[str, str]:
    """Run the hook as the client does; gives the environment that the client's Bash tool has then."""
    data.mkdir(exist_ok=True)
    exports = data.parent / "exports.sh"
    exports.write_text("")
    env = {f"CLAUDE_PLUGIN_OPTION_{key.upper()}": value for key, value in options.items()}
    env |= {"CLAUDE_PLUGIN_DATA": str(data), "CLAUDE_ENV_FILE": str(exports)}
    said = json.dumps({"session_id": ID, "hook_event_name": "SessionStart"})
    done = sh("sh", plugin / "hooks" / "session.sh", event, stdin=said, **env)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    asked = sh("sh", "-c", f'. "{exports}"; printf %s "${{NLAPI_CITY_LIBRARY_SESSION:-}}"').stdout
    return {"CLAUDECODE": "1", **({"NLAPI_CITY_LIBRARY_SESSION": asked} if asked else {})}


def command(plugin: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return sh(plugin / "bin" / "nlapi-city-library", *words, **env)


def test_what_was_configured_reaches_the_command_and_nobody_else(plugin: Path, tmp_path: Path) -> None:
    with Echo(Reply(200, {})) as api:
        env = session(plugin, tmp_path / "it's data", base_url=api.url, token=SECRET)
        done = command(plugin, "listBooks", **env)
    assert done.returncode == 0, done.stderr
    assert api.received[0].header("Authorization") == f"Bearer {SECRET}"
    assert SECRET not in json.dumps(env)
    folder = Path(env["NLAPI_CITY_LIBRARY_SESSION"])
    assert {path.name: path.stat().st_mode & 0o77 for path in folder.iterdir()} == {
        "base_url": 0,
        "token": 0,
        "hooks": 0,
    }


def test_what_the_user_exported_goes_before_it(plugin: Path, tmp_path: Path) -> None:
    with Echo(Reply(200, {})) as api:
        env = session(plugin, tmp_path / "data", base_url="http://127.0.0.1:9", token=SECRET)
        assert (
            command(plugin, "listBooks", **env, CITY_LIBRARY_BASE_URL=api.url, CITY_LIBRARY_TOKEN="x").returncode == 0
        )
    assert api.received[0].header("Authorization") == "Bearer x"


def test_the_end_of_a_session_leaves_nothing(plugin: Path, tmp_path: Path) -> None:
    session(plugin, tmp_path / "data", token=SECRET)
    assert session(plugin, tmp_path / "data", "end", token=SECRET) == {"CLAUDECODE": "1"}
    assert list((tmp_path / "data").iterdir()) == []


def test_where_the_hooks_did_not_run_nothing_is_changed(plugin: Path, tmp_path: Path) -> None:
    with Echo(Reply(200, {})) as api:
        where = {"CITY_LIBRARY_BASE_URL": api.url, "CITY_LIBRARY_TOKEN": "x"}
        for words in (CHANGE, ("addBook", "title=Dune", "-y"), ("addBook", "-vy", "title=Dune")):
            refused = command(plugin, *words, **where, CLAUDECODE="1")
            assert (refused.returncode, api.received) == (6, [])
            assert "hooks" in refused.stderr
        assert command(plugin, "listBooks", **where, CLAUDECODE="1").returncode == 0
        assert command(plugin, *CHANGE, **where, **session(plugin, tmp_path / "data")).returncode == 0


def speak(plugin: Path, *messages: dict[str, Any], **env: str) -> list[dict[str, Any]]:
    """What the MCP server of the plugin answers, started as the plugin's `.mcp.json` says."""
    server = json.loads((plugin / ".mcp.json").read_text())["mcpServers"]["api"]
    words = [word.replace("${CLAUDE_PLUGIN_ROOT}", str(plugin)) for word in server["args"]]
    given = {name: env.pop(value[14:-1], "") for name, value in server["env"].items()}
    hello = {
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    }
    with subprocess.Popen(
        [server["command"], *words],
        env=environment(**given, **env),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        answers = []
        for number, message in enumerate((hello, *messages)):
            process.stdin.write(json.dumps({"jsonrpc": "2.0", "id": number, **message}) + "\n")
            process.stdin.flush()
            answers.append(json.loads(process.stdout.readline()))
        process.stdin.close()
        process.wait(PATIENCE)
    return [one["result"] for one in answers]


def call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"method": "tools/call", "params": {"name": name, "arguments": arguments}}


def test_the_mcp_server_offers_the_operations_and_has_what_was_configured(plugin: Path) -> None:
    with Echo(Reply(200, {"data": []})) as api:
        _, listed, read, written = speak(
            plugin,
            {"method": "tools/list"},
            call("listBooks"),
            call("addBook", title="x"),
            base_url=api.url,
            token=SECRET,
        )
    assert {one["name"] for one in listed["tools"]} >= {"listBooks", "addBook", "removeBook"}
    assert not read.get("isError")
    assert written["isError"], "nobody can be asked, and no hook has asked"
    assert [(one.target, one.header("Authorization")) for one in api.received] == [("/books", f"Bearer {SECRET}")]
    assert SECRET not in json.dumps([listed, read, written])


def test_where_the_hooks_ask_the_server_leaves_it_to_them(plugin: Path, tmp_path: Path) -> None:
    session(plugin, tmp_path / "data")
    with Echo(Reply(204)) as api:
        where = {"CLAUDE_PLUGIN_DATA": str(tmp_path / "data"), "CLAUDE_CODE_SESSION_ID": ID}
        _, written = speak(plugin, call("addBook", title="x"), base_url=api.url, token=SECRET, **where)
    assert not written.get("isError"), written
    assert [one.method for one in api.received] == ["POST"]
