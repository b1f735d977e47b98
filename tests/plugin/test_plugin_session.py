"""What Claude Code hands to a plugin: options through the hook of a session, to the command and to the MCP server."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.plugin.client_session import ClientSession
from tests.plugin.kit import LIBRARY, PATIENCE, REPOSITORY, environment, placed, sh
from tests.plugin.ways import NESTED, filled
from tests.servers import Echo, Reply

SECRET = "tok-configured-5b7e"
CHANGE = ("addBook", "title=Dune", "--yes")


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return placed(tmp_path_factory.mktemp("it's here") / "library", LIBRARY)


def command(plugin: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return sh(plugin / "bin" / "nlapi-city-library", *words, **env)


def test_what_was_configured_reaches_the_command_and_nobody_else(plugin: Path, tmp_path: Path) -> None:
    with (
        Echo(Reply(200, {})) as api,
        ClientSession(plugin=plugin, home=tmp_path / "it's", options={"base_url": api.url, "token": SECRET}) as session,
    ):
        said = session.run(f"{session.name} listBooks")
    assert [one.header("Authorization") for one in api.received] == [f"Bearer {SECRET}"], said
    assert SECRET not in said + json.dumps(session.shell)


def test_what_the_user_exported_goes_before_it(plugin: Path, tmp_path: Path) -> None:
    configured = {"base_url": "http://127.0.0.1:9", "token": SECRET}
    with Echo(Reply(200, {})) as api:
        exported = {"CITY_LIBRARY_BASE_URL": api.url, "CITY_LIBRARY_TOKEN": "x"}
        with ClientSession(plugin=plugin, home=tmp_path / "s", options=configured, exported=exported) as session:
            said = session.run(f"CITY_LIBRARY_BASE_URL=http://127.0.0.1:8 {session.name} listBooks")
    # What a command sets by itself leads nowhere else.
    assert [one.header("Authorization") for one in api.received] == ["Bearer x"], said


def test_the_end_of_a_session_leaves_nothing(plugin: Path, tmp_path: Path) -> None:
    with ClientSession(plugin=plugin, home=tmp_path / "s", options={"token": SECRET}):
        pass
    assert list((tmp_path / "s" / "data").iterdir()) == []


def test_where_the_hooks_did_not_run_nothing_is_changed(plugin: Path) -> None:
    with Echo(Reply(200, {})) as api:
        where = {"CITY_LIBRARY_BASE_URL": api.url, "CITY_LIBRARY_TOKEN": "x"}
        refused = command(plugin, *CHANGE, **where, CLAUDECODE="1")
        assert (refused.returncode, api.received) == (6, [])
        assert "hook" in refused.stderr
        assert command(plugin, "listBooks", **where, CLAUDECODE="1").returncode == 0
        assert command(plugin, *CHANGE, **where).returncode == 0


def speak(plugin: Path, *messages: dict[str, Any], agrees: bool = False, **env: str) -> list[dict[str, Any]]:
    """What the MCP server of the plugin answers, started as the plugin's `.mcp.json` says.

    Its standard input is a pair of sockets of this process, as it is with the client, whose user says no, or `agrees`.
    """
    server = json.loads((plugin / ".mcp.json").read_text())["mcpServers"]["api"]
    words = [word.replace("${CLAUDE_PLUGIN_ROOT}", str(plugin)) for word in server["args"]]
    given = {name: env.pop(value[14:-1], "") for name, value in server["env"].items()}
    capabilities = {"elicitation": {}}
    client = {"name": "test", "version": "1"}
    hello = {"protocolVersion": "2025-11-25", "capabilities": capabilities, "clientInfo": client}
    ours, theirs = socket.socketpair()
    with (
        ours,
        subprocess.Popen(
            [server["command"], *words],
            env=environment(**given, **env),
            stdin=theirs,
            stdout=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        theirs.close()
        assert process.stdout is not None
        answers: list[dict[str, Any]] = []
        for number, message in enumerate(({"method": "initialize", "params": hello}, *messages)):
            ours.sendall(json.dumps({"jsonrpc": "2.0", "id": number, **message}).encode() + b"\n")
            while "result" not in (answer := json.loads(process.stdout.readline())):
                # The server asks the user by itself.
                reply = {"action": "accept", "content": {"send": True}} if agrees else {"action": "decline"}
                said = {"jsonrpc": "2.0", "id": answer["id"], "result": reply}
                ours.sendall(json.dumps(said).encode() + b"\n" if answer.get("method") == "elicitation/create" else b"")
            answers.append(answer["result"])
        ours.shutdown(socket.SHUT_WR)
        process.wait(PATIENCE)
    return answers


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


def test_where_the_hooks_ask_the_server_sends_what_they_asked_about(plugin: Path, tmp_path: Path) -> None:
    tool, book, other = "mcp__plugin_city-library_api__addBook", {"title": "Dune"}, {"title": "Emma"}
    with (
        Echo(Reply(204)) as api,
        ClientSession(plugin=plugin, home=tmp_path / "s", options={"base_url": api.url, "token": SECRET}) as session,
    ):
        env = session.env(CLAUDE_PLUGIN_DATA=str(session.folder.parent))
        session.ask(tool, book)
        _, unasked, sent, again = speak(
            plugin,
            call("addBook", **other),
            call("addBook", **book),
            call("addBook", **book),
            base_url=api.url,
            token=SECRET,
            **env,
        )
        # A command of the model has no part in what a tool was asked about.
        session.ask(tool, book)
        assert "does not come" in session.run("nlapi-city-library addBook title=Dune --yes")
    assert "POST" in session.asked[0]
    assert (unasked["isError"], sent.get("isError", False), again["isError"]) == (True, False, True), sent
    assert [one.json() for one in api.received] == [book]


def test_in_a_session_without_hooks_the_server_asks_by_itself(plugin: Path) -> None:
    with Echo(Reply(204)) as api:
        env = {"CLAUDECODE": "1", "CLAUDE_PID": str(os.getpid())}
        _, refused = speak(plugin, call("addBook", title="x"), base_url=api.url, token=SECRET, **env)
    assert refused["isError"]
    assert "did not agree" in json.dumps(refused) or "nothing was sent" in json.dumps(refused)
    assert api.received == []


INNER_SERVER = """
import os, sys
sys.path[:0] = [@REPOSITORY@]
from pathlib import Path
from tests.plugin.test_plugin_session import call, speak
env = {"CLAUDECODE": "1", "CLAUDE_PID": str(os.getpid())}
print(speak(Path(@PLUGIN@), call("addBook", title="Dune"), agrees=True, base_url=@URL@, token="x", **env))
"""


def test_a_server_of_a_client_within_the_session_asks_nobody(plugin: Path, tmp_path: Path) -> None:
    with Echo(Reply(204)) as api:
        values = {"REPOSITORY": repr(str(REPOSITORY)), "URL": repr(api.url), "PLUGIN": repr(str(plugin))}
        (tmp_path / "inner.py").write_text(filled(INNER_SERVER, values))
        start = f"env -u CLAUDECODE {sys.executable} {tmp_path}/inner.py"
        with ClientSession(plugin=plugin, home=tmp_path / "s", options={"base_url": api.url}) as session:
            said = session.run(start)
            assert ("'isError': True" in said, api.received) == (True, []), said
        # Where no session is around it, the client is a user's own.
        said = sh("sh", "-c", start, HOME=str(tmp_path)).stdout
        assert [one.json() for one in api.received] == [{"title": "Dune"}], said


@pytest.mark.parametrize("outer", ["codex", "gemini", "claude", "node claude-code/cli.js", "bash"])
def test_a_client_that_another_client_started_asks_nobody(plugin: Path, tmp_path: Path, outer: str) -> None:
    with Echo(Reply(200, {})) as api:
        values = {"REPOSITORY": repr(str(REPOSITORY)), "URL": repr(api.url), "PLUGIN": repr(str(plugin))}
        values |= {"CHANGE": repr("nlapi-city-library addBook title=Dune --yes"), "PARENT": "0"}
        (tmp_path / "nested.py").write_text(filled(NESTED, values))
        (tmp_path / "claude-code").mkdir()
        (tmp_path / "claude-code" / "cli.js").write_text(f"{sys.executable} nested.py; true\n")
        program, _, script = outer.partition(" ")
        shutil.copy(shutil.which("bash") or "", tmp_path / program)
        words = (script,) if script else ("-c", f"{sys.executable} nested.py; true")
        env = environment(HOME=str(tmp_path))
        ran = subprocess.run(
            [f"./{program}", *words], cwd=tmp_path, env=env, capture_output=True, text=True, check=True
        )
        assert "1 asked" in ran.stdout
        assert len(api.received) == (outer == "bash"), ran.stdout


def test_a_session_without_a_plugin_is_as_a_terminal_but_for_the_descriptions_of_plugins(
    plugin: Path, tmp_path: Path
) -> None:
    description = plugin / "api/openapi.json"
    (tmp_path / "own.json").write_text(description.read_text())
    call = "nlapi call $1 addBook title=Dune --yes --auth staff=x --base-url $2; true"
    with Echo(Reply(200, {})) as api:
        # The shell stands for the client, and is no part of a session itself.
        sh("sh", "-c", f"CLAUDECODE=1 {call}", "sh", tmp_path / "own.json", api.url, HOME=str(tmp_path))
        assert [one.method for one in api.received] == ["POST"]
        (tmp_path / "plugin").symlink_to(plugin)
        refused = sh("sh", "-c", f"CLAUDECODE=1 {call}", "sh", tmp_path / "plugin/api/openapi.json", api.url)
        assert "was not sent" in refused.stderr
        assert len(api.received) == 1
