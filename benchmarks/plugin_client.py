"""Plugins in the real Claude Code, with no network but npm's: are they taken, and do reads run and changes wait?

    python -m benchmarks.plugin_client [--claude FILE] [DESCRIPTION ...]

Fetches the client with npm (381 MB, once), builds plugins of the bundled and of large descriptions and validates each.
Then a scripted model, behind a stand-in for the Messages API, works with the plugin of `ads` on a sandbox: it opens the
skill, reads, and tries a change. Exits with 1 when anything is otherwise than it should be.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nlapi
from benchmarks.descriptions import cache, directory, github
from nlapi.openapi.select import select
from nlapi.plugin import Options, build
from nlapi.plugin.folder import write
from nlapi.sandbox import running
from tests.messages_server import MessagesServer, results, say, use

CLIENT = "@anthropic-ai/claude-code@2.1.331"
ROOT = Path(__file__).parent.parent
PATIENCE = 120
SECRET = "tok-8f2e1d9c"
CREATE = "ads-api createCampaign name='Rain Boots' objective=REACH daily_budget_micros='50 USD'"

failures: list[str] = []


def expect(what: str, kept: bool, seen: object = "") -> None:
    print(f"{'ok  ' if kept else 'FAIL'} {what}", flush=True)
    if not kept:
        failures.append(what)
        print(f"     {str(seen)[:2000]}")


def client(given: Path | None) -> Path | None:
    """The client's program: the file that was given, else that of the npm package; None without npm."""
    folder = cache() / "claude-code-2.1.331"
    program = given or folder / "node_modules" / "@anthropic-ai" / "claude-code" / "bin" / "claude.exe"
    npm = shutil.which("npm")
    if not program.exists() and npm:
        folder.mkdir(parents=True, exist_ok=True)
        subprocess.run([npm, "install", "--silent", "--prefix", str(folder), CLIENT], check=True)
        subprocess.run(["node", "install.cjs"], cwd=program.parent.parent, check=True)
    return program if program.exists() else None


@dataclass(slots=True, kw_only=True)
class Claude:
    """The client in an environment of its own."""

    program: Path
    home: Path
    more: dict[str, str] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        switches = ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "DISABLE_AUTOUPDATER", "DISABLE_TELEMETRY")
        return {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.home),
            "CLAUDE_CONFIG_DIR": str(self.home / ".claude"),
            **dict.fromkeys((*switches, "DISABLE_ERROR_REPORTING"), "1"),
            **self.more,
        }

    def __call__(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.program, *words],
            env=self.env,
            cwd=self.home,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )

    def ask(self, question: str, *words: str, permit: Callable[[dict[str, Any]], bool] | None = None) -> list[Any]:
        """The client's events for one question. `permit` is the user, who is asked for permission; else nobody is."""
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
        for text in process.stdout:
            event = json.loads(text)
            events.append(event)
            if event["type"] == "control_request" and permit:
                process.stdin.write(json.dumps(_answer(event, permit)) + "\n")
                process.stdin.flush()
            if event["type"] == "result":
                process.stdin.close()
        process.wait(PATIENCE)
        return events


def _answer(event: dict[str, Any], permit: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    request = event["request"]
    allowed = {"behavior": "allow", "updatedInput": request.get("input", {})}
    answer = allowed if permit(request) else {"behavior": "deny", "message": "The user said no."}
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


def validated(claude: Claude, name: str, source: str, folder: Path) -> None:
    """Builds a plugin of a description and has the client take it."""
    spec = nlapi.load(source)
    plugin = build(spec, select(spec).operations, Options(name=name, source=source if "/" not in source else ""))
    write(folder, plugin.files)
    for path in (folder, folder / ".claude-plugin" / "plugin.json"):
        done = claude("plugin", "validate", "--strict", str(path))
        expect(f"{name}: validate --strict {path.name}", done.returncode == 0, done.stdout + done.stderr)
    claude("plugin", "marketplace", "add", str(folder))
    done = claude("plugin", "install", f"{name}@{name}")
    expect(f"{name}: installed from its marketplace", done.returncode == 0, done.stdout + done.stderr)
    told = claude("plugin", "details", name).stdout
    cost = re.search(r"Always-on:\s+(~[\d.,k]+ tok)", told)
    expect(
        f"{name}: {len(plugin.operations)} operations, {len(plugin.files)} files, {cost and cost[1]} a session",
        bool(cost),
    )


def conversations(claude: Claude, plugin: Path) -> None:
    """A read, a change that nobody agreed to, one that the user refuses, one that the user permits."""
    loaded = ("--plugin-dir", str(plugin), "--allowedTools", "Skill", "Bash(ads-api:*)")
    with running(nlapi.load("ads")) as sandbox:
        environment = {"ADS_BASE_URL": sandbox.url, "ADS_BEARER": SECRET, "ANTHROPIC_API_KEY": "dummy"}

        def talk(*steps: dict[str, Any], **more: Any) -> list[str]:
            with Model([*steps, say("done")]) as model:
                claude.more = {**environment, "ANTHROPIC_BASE_URL": model.url}
                claude.ask("work with the ads", *loaded, **more)
                said = [text for request in model.requests for text in results(request)]
                expect("the credential is nowhere in what the model was sent", SECRET not in json.dumps(model.requests))
                return said

        def campaigns() -> list[str]:
            result = nlapi.call(nlapi.load("ads"), "listCampaigns", base_url=sandbox.url, auth={"bearer": "any"})
            return [one["name"] for one in result.data["data"]]

        said = talk(use("Skill", {"skill": "ads:ads-campaigns"}), bash("ads-api listCampaigns --jq '.data[].name'"))
        expect("the skill opens, and a read runs without a question", "Summer Sale" in said[-1], said)
        said = talk(bash(f"{CREATE} --dry-run"))
        expect("a dry run shows the request", '"daily_budget_micros": 50000000' in said[-1], said)
        said = talk(bash(CREATE))
        expect("a change without --yes is held", "Rain Boots" not in campaigns(), said)
        said = talk(bash(f"{CREATE} --yes"))
        expect("a change with --yes is held where nobody can be asked", "Rain Boots" not in campaigns(), said)
        asked: list[dict[str, Any]] = []

        def user(agrees: bool) -> Callable[[dict[str, Any]], bool]:
            return lambda request: (asked.append(request), agrees)[1]

        said = talk(bash(f"{CREATE} --yes"), permit=user(False))
        expect("the user is asked, and a no is a no", len(asked) == 1 and "Rain Boots" not in campaigns(), said)
        expect("the question shows the request", f"POST {sandbox.url}/campaigns" in json.dumps(asked), asked)
        said = talk(bash(f"{CREATE} --yes"), permit=user(True))
        expect("a change that the user permits goes through", "Rain Boots" in campaigns(), said)
        expect("and the model sees its answer", '"id": "cmp_' in said[-1], said)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plugin_client", description=__doc__)
    parser.add_argument("--claude", type=Path, metavar="FILE", help="the client's program, if you have it already")
    parser.add_argument("descriptions", nargs="*", metavar="NAME=FILE", help="further descriptions to make plugins of")
    options = parser.parse_args()
    program = client(options.claude)
    if program is None:
        print("left out: needs npm or --claude FILE")
        return 0
    large, folder = github(), directory()
    sources = {"ads": "ads", "gateway": "gateway", **({"github": str(large)} if large else {})}
    sources |= (
        {name: str(folder / f"{name}.{end}.json") for name, end in (("stripe", "com"), ("kubernetes", "io"))}
        if folder
        else {}
    )
    sources |= dict(one.split("=", 1) for one in options.descriptions)
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary) / "home"
        home.mkdir()
        claude = Claude(program=program, home=home)
        for name, source in sources.items():
            validated(claude, name, source, Path(temporary) / name)
        for name in sources:
            claude("plugin", "uninstall", f"{name}@{name}")
        conversations(claude, Path(temporary) / "ads")
    print(f"{len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
