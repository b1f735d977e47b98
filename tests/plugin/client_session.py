"""A stand-in for Claude Code's side of a session: its hooks and its shell, as processes that this one starts.

As the client does, it gives each hook its event over a pair of sockets of its own, asks its user when a hook says so,
and runs a command in a shell whose standard output is a file and whose standard input is empty.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.plugin.kit import PATIENCE, environment
from tests.waiting import until

ID = "0d9c2a52-7c1d-4e0e-9d7b-3f7f3f0e8f11"


@dataclass(kw_only=True)
class ClientSession:
    """A session with one plugin. `permit` is its user; `asked` are the questions of hooks so far."""

    plugin: Path
    home: Path
    options: dict[str, str] = field(default_factory=dict)
    exported: dict[str, str] = field(default_factory=dict)
    permit: Callable[[str], bool] = lambda _: False
    asked: list[str] = field(default_factory=list)
    shell: dict[str, str] = field(default_factory=dict)
    values: dict[str, str] = field(default_factory=dict)
    count: int = 0

    def __enter__(self) -> ClientSession:
        (self.home / "data").mkdir(parents=True)
        (self.home / "exports.sh").write_text("")
        assert self.hook("hooks/session.sh start", {"hook_event_name": "SessionStart"}) == ""
        folder = subprocess.run(
            ["sh", "-c", '. "$1"; env', "sh", str(self.home / "exports.sh")], capture_output=True, text=True, check=True
        ).stdout
        self.shell = dict(re.findall(r"(?m)^(NLAPI_\w+_SESSION)=(.*)$", folder))
        until(lambda: (self.folder / "broker").exists())
        return self

    def __exit__(self, *_: object) -> None:
        if self.folder.exists():
            self.hook("hooks/session.sh end", {"hook_event_name": "SessionEnd"})
        # What other tests of this process start is in no session.
        for file in self.brokers():
            until(partial(lambda path: str(self.folder).encode() not in _content(path), file))
        until(lambda: not self.brokers())

    def brokers(self) -> list[Path]:
        """The command lines, in /proc, of the processes of the session's broker."""
        commands = (path for path in Path("/proc").glob("[0-9]*/cmdline") if os.access(path, os.R_OK))
        return [path for path in commands if str(self.folder).encode() in _content(path)]

    @property
    def folder(self) -> Path:
        """The folder of the session."""
        return self.home / "data" / ID

    @property
    def name(self) -> str:
        """The plugin's command."""
        (command,) = (self.plugin / "bin").iterdir()
        return command.name

    def env(self, **more: str) -> dict[str, str]:
        """The environment that the client gives to all that it starts."""
        marks = {"CLAUDECODE": "1", "CLAUDE_PID": str(os.getpid()), "CLAUDE_CODE_SESSION_ID": ID}
        base = environment(**self.exported, **marks, HOME=str(self.home), **more)
        return {**base, "PATH": f"{self.plugin / 'bin'}:{base['PATH']}"}

    def hook(self, file: str, event: dict[str, Any]) -> str:
        """Run a hook of the plugin on an event, and return what it prints."""
        options = {f"CLAUDE_PLUGIN_OPTION_{key.upper()}": value for key, value in self.options.items()}
        env = self.env(
            CLAUDE_PLUGIN_DATA=str(self.home / "data"),
            CLAUDE_PLUGIN_ROOT=str(self.plugin),
            CLAUDE_ENV_FILE=str(self.home / "exports.sh"),
            **options,
        )
        ours, theirs = socket.socketpair()
        command = f'sh "${{CLAUDE_PLUGIN_ROOT}}/{file.partition(" ")[0]}" {file.partition(" ")[2]}'
        process = subprocess.Popen(
            ["/bin/sh", "-c", command], env=env, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        theirs.close()
        with ours:
            with suppress(BrokenPipeError):  # a hook may end before it has read its event
                ours.sendall(json.dumps({"session_id": ID, "cwd": str(self.home), **event}).encode())
                ours.shutdown(socket.SHUT_WR)
            out, _ = process.communicate(timeout=PATIENCE)
        return out

    def event(self, tool: str, tool_input: dict[str, Any] | None = None) -> dict[str, Any]:
        """Tell of the use of a tool, as the client does before each; return the event."""
        self.count += 1
        event = {
            "hook_event_name": "PreToolUse",
            "tool_name": tool,
            "tool_input": tool_input or {},
            "tool_use_id": f"toolu_{self.count}",
        }
        assert self.hook("hooks/event.sh", event) == ""
        return event

    def ask(self, tool: str, tool_input: dict[str, Any]) -> bool:
        """Run the hooks before a tool, and ask the user where they say so; return whether the tool may run."""
        event = self.event(tool, tool_input)
        # The client runs the hook that asks where the command has `nlapi` in it.
        if tool == "Bash" and "nlapi" not in tool_input["command"]:
            return True
        answer = self.hook("hooks/consent.sh", event)
        if not answer.strip():
            return True
        decision = json.loads(answer)["hookSpecificOutput"]
        assert (decision["hookEventName"], decision["permissionDecision"]) == ("PreToolUse", "ask")
        self.asked.append(decision["permissionDecisionReason"])
        return self.permit(self.asked[-1])

    def bash(self, command: str) -> str:
        """Have the model run a command; return what it prints, or that the user said no."""
        if not self.ask("Bash", {"command": command}):
            return "denied"
        return self.run(command)

    def run(self, command: str) -> str:
        """Run a command in the client's shell, without any hook."""
        output = self.home / "output"
        ours, theirs = socket.socketpair()
        ours.shutdown(socket.SHUT_WR)
        with ours, output.open("wb") as file:
            subprocess.run(
                ["/bin/bash", "-c", f"eval {_quoted(command)} < /dev/null"],
                env=self.env(**self.shell),
                stdin=theirs,
                stdout=file,
                stderr=file,
                cwd=self.home,
                timeout=PATIENCE,
                check=False,
            )
            theirs.close()
        return output.read_text(errors="replace")


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\"'\"'") + "'"
