"""The real Claude Code, in an environment of its own, and a scripted model behind a stand-in for the Messages API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.client import reached_its_end, run
from benchmarks.npm import installed
from tests.messages_server import MessagesServer, say, use

CLIENT = "@anthropic-ai/claude-code@2.1.331"
ROOT = Path(__file__).parent.parent
SWITCHES = (
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
    "DISABLE_AUTOUPDATER",
    "DISABLE_TELEMETRY",
    "DISABLE_ERROR_REPORTING",
)
"""The variables without which the client asks other hosts than the model's."""
PATIENCE = 120
"""Seconds for one run of the client."""


def client(given: Path | None) -> Path | str:
    """The client's program: the file that was given, else that of the npm package; else why there is none."""
    return given or installed(CLIENT, "@anthropic-ai/claude-code/bin/claude.exe", ("node", "install.cjs"))


@dataclass(slots=True, kw_only=True)
class Claude:
    """The client in an environment of its own."""

    program: Path
    home: Path
    more: dict[str, str] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        return {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.home),
            "CLAUDE_CONFIG_DIR": str(self.home / ".claude"),
            **dict.fromkeys(SWITCHES, "1"),
            **self.more,
        }

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        return run([self.program, *words], PATIENCE, env=self.env, cwd=self.home)

    def ask(
        self,
        question: str,
        *words: str,
        permit: Callable[[dict[str, Any]], bool] | None = None,
        elicited: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
    ) -> list[Any]:
        """The client's events for one question. `permit` is the user, who is asked for permission; else nobody is.

        `elicited` is the user as well, who is asked by an MCP server, and says no without it.
        """
        options = ["--output-format", "stream-json", "--input-format", "stream-json", "--verbose"]
        asked = ["--permission-prompt-tool", "stdio"] if permit else []
        command = [self.program, "-p", *options, "--model", "claude-opus-5-5", *asked, *words]
        process = subprocess.Popen(
            command, env=self.env, cwd=self.home, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert process.stdin is not None
        assert process.stdout is not None
        said = {"type": "user", "message": {"role": "user", "content": question}}
        process.stdin.write(json.dumps(said) + "\n")
        process.stdin.flush()
        events = []
        killer = threading.Timer(PATIENCE, process.kill)
        killer.start()
        for text in process.stdout:
            if not text.endswith("\n"):  # it was ended in the middle of a word
                break
            event = json.loads(text)
            events.append(event)
            request = event["request"] if event["type"] == "control_request" else {}
            if request.get("subtype") == "elicitation":
                answer = elicited(request) if elicited else {"action": "decline"}
                process.stdin.write(json.dumps(_control(event, answer)) + "\n")
            elif request:
                process.stdin.write(json.dumps(_answer(event, permit or (lambda _: False))) + "\n")
            if request:
                process.stdin.flush()
            if event["type"] == "result":
                process.stdin.close()
        process.wait(PATIENCE)
        killer.cancel()
        reached_its_end(process.returncode, PATIENCE)
        return events


def _answer(event: dict[str, Any], permit: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    request = event["request"]
    allowed = {"behavior": "allow", "updatedInput": request.get("input", {})}
    return _control(event, allowed if permit(request) else {"behavior": "deny", "message": "The user said no."})


def _control(event: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "control_response",
        "response": {"subtype": "success", "request_id": event["request_id"], "response": answer},
    }


class Model(MessagesServer):
    """A scripted model for the client, which asks with more than the API's documented fields: nothing is checked."""

    def answer(self, headers: dict[str, str], raw: bytes) -> dict[str, Any]:
        with self._lock:
            body = json.loads(raw)
            self.requests.append(body)
            if not body.get("tools") or not self.script:
                return self._completed(say("ok"), body)
            step = self.script.pop(0)
            return self._completed(step(body) if callable(step) else step, body)


def bash(command: str) -> dict[str, Any]:
    return use("Bash", {"command": command, "description": "Calls the API"})
