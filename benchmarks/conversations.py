"""Conversations of a scripted model with a plugin in the real Claude Code: what runs, what is asked, what was sent."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.claude_code import ROOT, Claude, Model, bash
from tests.messages_server import results, say, use

failures: list[str] = []


def expect(what: str, kept: bool, seen: object = "") -> None:
    print(f"{'ok  ' if kept else 'FAIL'} {what}", flush=True)
    if not kept:
        failures.append(what)
        print(f"     {str(seen)[:2000]}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """An API on loopback, a read and a change of it by the command and by tools, and how many changes it has seen."""

    plugin: Path
    skill: str
    url: str
    credential: tuple[str, str]
    read: str
    seen: str
    change: str
    shown: str
    changes: Callable[[], int]
    tool_that_reads: tuple[str, dict[str, Any]] | None = None
    tool_that_changes: tuple[str, dict[str, Any]] | None = None

    @property
    def command(self) -> str:
        return self.change.partition(" ")[0]

    @property
    def name(self) -> str:
        return self.command.removeprefix("nlapi-")

    @property
    def tools(self) -> str:
        return f"mcp__plugin_{self.name}_api__"

    @property
    def variables(self) -> dict[str, str]:
        variable, secret = self.credential
        return {f"{self.name.upper()}_BASE_URL": self.url, variable: secret}


Talk = Callable[..., tuple[str, list[Any]]]


def _talk(claude: Claude, stage: Stage, *loaded: str, **variables: str) -> Talk:
    """A conversation of these steps: what the last tool said, and the events of the client."""

    def talk(*steps: dict[str, Any], more: tuple[str, ...] = (), **how: Any) -> tuple[str, list[Any]]:
        with Model([*steps, say("done")]) as model:
            claude.more = {**variables, "ANTHROPIC_API_KEY": "dummy", "ANTHROPIC_BASE_URL": model.url}
            events = claude.ask("work with it", *loaded, *more, **how)
            sent = json.dumps(model.requests)
            if stage.credential[1] in sent or stage.skill not in sent:
                expect("  the model is told of the skills, and never the credential", False, sent[-2000:])
            said = [text for request in model.requests for text in tool_outputs(request)]
        return (said or [""])[-1], events

    return talk


def tool_outputs(request: dict[str, Any]) -> list[str]:
    """What tools have said so far; the client may put words of its own behind it."""
    return [text for message in request["messages"] for text in results({"messages": [message]})]


def conversations(claude: Claude, stage: Stage) -> None:
    """With the plugin loaded and the credential exported: reads, changes without consent, with a no, with a yes."""
    print(f"--   {stage.command} on {stage.url}")
    allowed = ("--allowedTools", "Skill", "Agent", f"Bash({stage.command}:*)")
    talk = _talk(claude, stage, "--plugin-dir", str(stage.plugin), *allowed, **stage.variables)
    said, _ = talk(use("Skill", {"skill": stage.skill}), bash(stage.read))
    expect("the skill opens, and a read runs without a question", stage.seen in said, said)
    said, _ = talk(bash(f"{stage.change} --dry-run"))
    expect("a dry run shows the request", stage.shown in said and not stage.changes(), said)
    said, _ = talk(bash(stage.change))
    expect("a change without --yes is held", not stage.changes(), said)
    said, _ = talk(bash(f"{stage.change} --yes"))
    expect("a change with --yes is held where nobody can be asked", not stage.changes(), said)
    off = ("--settings", json.dumps({"disableAllHooks": True}))
    said, _ = talk(bash(f"{stage.change} --yes"), more=off)
    expect("and where hooks are disabled", not stage.changes() and "hooks" in said, said)
    if stage.tool_that_changes:
        _with_tools(talk, stage, off)
    _agent(talk, stage)
    asked: list[dict[str, Any]] = []
    before = stage.changes()
    said, _ = talk(bash(f"{stage.change} --yes"), permit=_user(asked, False))
    expect("the user is asked, and a no is a no", len(asked) == 1 and stage.changes() == before, said)
    question = json.dumps(asked)
    expect("the question shows the request", stage.url in question and json.dumps(stage.shown)[1:-1] in question, asked)
    said, _ = talk(bash(f"{stage.change} --yes"), permit=_user(asked, True))
    expect("a change that the user permits goes through", stage.changes() == before + 1, said)


def _user(asked: list[dict[str, Any]], agrees: bool) -> Callable[[dict[str, Any]], bool]:
    return lambda request: (asked.append(request), agrees)[1]


def _with_tools(talk: Talk, stage: Stage, off: tuple[str, ...]) -> None:
    """The same with the tools of the plugin's MCP server."""
    assert stage.tool_that_reads is not None
    assert stage.tool_that_changes is not None
    (reads, what), (operation, given) = stage.tool_that_reads, stage.tool_that_changes
    # The tools of single operations are as many as there is room for; `change` makes every change.
    changes, how = "change", {"operation": operation, "arguments": given}
    search = use("ToolSearch", {"query": f"select:{stage.tools}{reads},{stage.tools}{changes}", "max_results": 5})
    change = use(stage.tools + changes, how)
    said, events = talk(use("Skill", {"skill": stage.skill}), search, use(stage.tools + reads, what))
    servers = [one for event in events for one in event.get("mcp_servers", ())]
    # On a busy machine the server still starts when the client lists it; the read below shows that it is connected.
    is_listed = any(server.get("status") in ("connected", "pending") for server in servers)
    expect("the MCP server is connected or starts", is_listed, servers)
    expect("a tool that reads runs without a question", stage.seen in said, said)
    said, _ = talk(search, change)
    expect("a tool that changes is held where nobody can be asked", not stage.changes() and stage.shown in said, said)
    allowed = ("--allowedTools", stage.tools + changes)
    said, _ = talk(search, change, more=allowed)
    expect("also where a rule allows it", not stage.changes(), said)
    said, _ = talk(search, change, more=(*allowed, *off))
    expect("and where hooks are disabled", not stage.changes(), said)
    asked: list[dict[str, Any]] = []
    said, _ = talk(search, change, permit=_user(asked, False))
    expect("the user is asked once, and a no is a no", len(asked) == 1 and not stage.changes(), asked)
    expect("the question shows the request", stage.url in json.dumps(asked) and stage.shown in json.dumps(asked), asked)
    said, _ = talk(search, change, permit=_user(asked, True))
    expect(
        "a tool that the user permits goes through, with one question", stage.changes() == 1 and len(asked) == 2, said
    )


def _agent(talk: Talk, stage: Stage) -> None:
    """The plugin's agent works by the same rules."""
    before = stage.changes()
    begin = use(
        "Agent",
        {"description": "an outcome", "prompt": "bring it about", "subagent_type": f"{stage.name}:{stage.name}"},
    )
    said, _ = talk(begin, bash(stage.read), bash(f"{stage.change} --yes"), say("so it is"))
    expect(
        "the agent is there, and its changes are held as well", "launched" in said or stage.changes() == before, said
    )
    expect("  nothing was changed by it", stage.changes() == before, said)


def configured(claude: Claude, stage: Stage, option: tuple[str, str]) -> None:
    """Installed from the repository's marketplace with its options, nothing exported: from any folder."""
    plugin, key = option
    done = claude("plugin", "marketplace", "add", str(ROOT))
    expect("the repository is a marketplace", done.returncode == 0, done.stdout + done.stderr)
    config = ("--config", f"base_url={stage.url}", "--config", f"{key}={stage.credential[1]}")
    done = claude("plugin", "install", plugin, *config)
    expect(f"{plugin} is installed with its options", done.returncode == 0, done.stdout + done.stderr)
    listed = json.loads(claude("plugin", "list", "--json").stdout)
    expect("it is listed", any(one["id"] == plugin and one["enabled"] for one in listed), listed)
    talk = _talk(claude, stage, "--allowedTools", f"Bash({stage.command}:*)", "Bash(cd:*)", f"{stage.tools}*")
    (claude.home / "elsewhere").mkdir()
    said, _ = talk(bash(f"cd elsewhere && {stage.read}"))
    expect("what was configured reaches the command, from any folder", stage.seen in said, said)
    assert stage.tool_that_reads is not None
    operation, given = stage.tool_that_reads
    search = use("ToolSearch", {"query": f"select:{stage.tools}read", "max_results": 5})
    said, _ = talk(search, use(f"{stage.tools}read", {"operation": operation, "arguments": given}))
    expect("and the MCP server", stage.seen in said, said)
    left = [path for path in claude.home.rglob("*") if path.is_file() and stage.credential[1] in _text(path)]
    expect("the credential is kept by the client alone", [one.name for one in left] == [".credentials.json"], left)
    claude("plugin", "uninstall", plugin)


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")
