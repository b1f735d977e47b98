"""Plugins in the real Claude Code, Codex and Gemini CLI, with no network but npm's: are they taken, do changes wait?

    python -m benchmarks.plugin_client [--claude FILE] [--codex FILE] [--gemini FILE] [NAME=FILE ...]

Fetches the clients with npm (some 400 MB each, once), builds plugins of the bundled and of large descriptions and
validates each. Then a scripted model, behind a stand-in for the Messages API, works with the plugins that ship: skill,
command, tools of the MCP server, agent. What was sent is read from the log of a sandbox. Exits with 1 when anything is
otherwise than it should be; what npm does not give, and a client that had too little memory or time, is left out and
named.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import nlapi
from benchmarks import codex, gemini
from benchmarks.claude_code import PATIENCE, ROOT, Claude, Model, client
from benchmarks.client import GaveOutError
from benchmarks.conversations import Stage, configured, conversations, expect, failures
from benchmarks.descriptions import directory, github
from benchmarks.receipts import on_receipts
from nlapi.openapi.selection import select_operations
from nlapi.plugin.build import Options, build
from nlapi.plugin.folder import write_folder
from nlapi.sandbox import running
from tests.messages_server import say, use
from tests.plugin.client_rules import MAX_SESSION_TOKENS

BESIDE = ROOT.parent / "shared" / "data" / "specs"
"""Descriptions that may lie beside the checkout."""


def validated(claude: Claude, name: str, source: str, folder: Path) -> None:
    """Builds a plugin of a description and has the client take it."""
    spec = nlapi.load(source)
    plugin = build(
        spec, select_operations(spec).operations, Options(name=name, source=source if "/" not in source else "")
    )
    write_folder(folder, plugin.files)
    for words in (("--strict", str(folder)), ("--strict", str(folder / ".claude-plugin" / "plugin.json"))):
        done = claude("plugin", "validate", *words)
        expect(f"{name}: validate --strict {Path(words[-1]).name}", done.returncode == 0, done.stdout + done.stderr)
    done = claude("plugin", "validate", "--profile", "directory", str(folder))
    expect(f"{name}: nothing that the plugin directory refuses", done.returncode == 0, done.stdout + done.stderr)
    claude("plugin", "marketplace", "add", str(folder))
    done = claude("plugin", "install", f"{name}@{name}", "--config", "base_url=http://127.0.0.1:9")
    expect(f"{name}: installed from its marketplace, with --config", done.returncode == 0, done.stdout + done.stderr)
    told = claude("plugin", "details", name).stdout
    cost, skills = re.search(r"Always-on:\s+~([\d,]+) tok", told), re.search(r"Skills \((\d+)\)", told)
    tokens = int(cost[1].replace(",", "")) if cost else 0
    what = f"{len(plugin.operations)} operations, {len(plugin.files)} files, {skills and skills[1]} skills"
    expect(f"{name}: {what}, {tokens:,} tokens a session", 0 < tokens <= MAX_SESSION_TOKENS, told)
    claude("plugin", "uninstall", f"{name}@{name}")


def on_a_hostile_one(claude: Claude) -> None:
    """A skill out of a description full of code and variables: the client runs and fills in none of it."""
    plugin, name = ROOT / "tests" / "golden" / "hostile", "evil-id-reboot-user-config-x"
    done = claude("plugin", "validate", "--strict", str(plugin))
    expect("hostile: validate --strict", done.returncode == 0, done.stdout + done.stderr)
    with Model([use("Skill", {"skill": f"{name}:{name}-etc", "args": "one two"}), say("done")]) as model:
        claude.more = {"ANTHROPIC_API_KEY": "dummy", "ANTHROPIC_BASE_URL": model.url}
        claude.ask("work with it", "--plugin-dir", str(plugin), "--allowedTools", "Skill")
        text = json.dumps(model.requests[-1]["messages"], ensure_ascii=False)
    expect("hostile: nothing of it is run or filled in", "!'touch /tmp/owned' ＄ARGUMENTS ＄{HOME}" in text, text)
    expect("hostile: nothing was run", not Path("/tmp/owned").exists())


def on_ads(claude: Claude) -> None:
    log: list[str] = []
    with running(nlapi.load("ads"), on_request=lambda method, path, *_: log.append(f"{method} {path}")) as sandbox:
        stage = Stage(
            plugin=ROOT / "plugins" / "ads",
            skill="ads:ads-campaigns",
            url=sandbox.url,
            credential=("ADS_BEARER", "tok-8f2e1d9c"),
            read="nlapi-ads listCampaigns --jq '.data[].name'",
            tool_that_reads=("listCampaigns", {}),
            seen="Back to School",
            change="nlapi-ads createCampaign name='Rain Boots' objective=REACH daily_budget_micros='50 USD'",
            tool_that_changes=(
                "createCampaign",
                {"name": "Snow Boots", "objective": "REACH", "daily_budget_micros": "50 USD"},
            ),
            shown="50000000",
            changes=lambda: log.count("POST /campaigns"),
        )
        conversations(claude, stage)
        configured(claude, stage, ("ads@nlapi", "bearer"))


@contextmanager
def a_gateway(claude: Claude, folder: Path) -> Iterator[tuple[str, str]]:
    """The example gateway, a process of its own: its URL and its token."""
    token = folder / "token"
    words = ("gateway", "serve", "--example", "--port", "0", "--database", str(folder / "g.db"), "--token-file", token)
    code = "from nlapi.cli.main import main; main()"
    command = [sys.executable, "-c", code, *map(str, words)]
    process = subprocess.Popen(command, env=claude.env, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), token.read_text().strip()
    finally:
        process.terminate()
        process.wait(PATIENCE)


def on_the_gateway(claude: Claude, folder: Path) -> None:
    with a_gateway(claude, folder) as (url, secret):

        def limits() -> int:
            auth = {"admin": secret}
            return int(nlapi.call(nlapi.load("gateway"), "getClient", {"client": "tv-app"}, base_url=url, auth=auth).ok)

        stage = Stage(
            plugin=ROOT / "plugins" / "gateway",
            skill="gateway:gateway-objectives",
            url=url,
            credential=("NLAPI_GATEWAY_TOKEN", secret),
            read="nlapi-gateway listObjectives --jq '.data[].name'",
            seen="continue-watching",
            change="nlapi-gateway limitClient client=tv-app requests_per_second=40 why='a test'",
            shown='"requests_per_second": 40',
            changes=limits,
        )
        conversations(claude, stage)


def in_codex(program: Path, home: Path) -> None:
    """The marketplace of the repository, and what Codex makes of a plugin of it."""
    done = codex.run(program, home, "plugin", "marketplace", "add", str(ROOT))
    expect("codex: marketplace add", done.returncode == 0, done.stdout + done.stderr)
    for name in ("ads", "gateway"):
        done = codex.run(program, home, "plugin", "add", f"{name}@nlapi")
        expect(f"codex: plugin add {name}@nlapi", done.returncode == 0, done.stdout + done.stderr)
    listed = codex.run(program, home, "plugin", "list").stdout
    expect(
        "codex: plugin list", len(re.findall(r"(?m)^(?:ads|gateway)@nlapi +installed, enabled", listed)) == 2, listed
    )
    listed = codex.run(program, home, "mcp", "list", "--json").stdout
    servers = {server["name"]: server["transport"] for server in json.loads(listed)}
    expect("codex: each has its MCP server", servers.keys() == {"nlapi-ads", "nlapi-gateway"}, listed)
    # The portable parts are what it reads; the entry of its own lies over them, with the variables that it hands on.
    transport = servers.get("nlapi-ads", {})
    expect("codex: as an Agent Plugin", "PLUGIN_ROOT" in transport.get("env", {}), listed)
    expect("codex: credentials are handed on", "ADS_BEARER" in transport.get("env_vars", ()), listed)


def in_gemini(program: Path, home: Path) -> None:
    """A plugin that ships, as an extension."""
    plugin = ROOT / "plugins" / "ads"
    gemini.trusted(home, plugin)
    done = gemini.run(program, home, "extensions", "validate", str(plugin))
    expect(
        "gemini: extensions validate", "successfully validated" in done.stdout + done.stderr, done.stdout + done.stderr
    )
    done = gemini.run(program, home, "extensions", "install", str(plugin), "--consent", "--skip-settings")
    expect("gemini: extensions install", done.returncode == 0, done.stdout + done.stderr)
    done = gemini.run(program, home, "skills", "list")
    expected = len(list((plugin / "skills").iterdir()))
    expect(
        f"gemini: its {expected} skills are listed", gemini.skills(done.stdout) == expected, done.stdout + done.stderr
    )
    # The client waits 5 s for a server, which is not always enough where other things run.
    for _ in range(3):
        done = gemini.run(program, home, "mcp", "list", ADS_BEARER="tok-8f2e1d9c")
        # It lists the servers on standard error.
        is_connected = re.search(r"nlapi-ads .* - Connected", done.stdout + done.stderr) is not None
        if is_connected:
            break
    expect("gemini: its server answers", is_connected, done.stdout + done.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plugin_client", description=__doc__)
    parser.add_argument("--claude", type=Path, metavar="FILE", help="Claude Code's program, if you have it already")
    parser.add_argument("--codex", type=Path, metavar="FILE", help="Codex's program, if you have it already")
    parser.add_argument("--gemini", type=Path, metavar="FILE", help="Gemini CLI's program, if you have it already")
    parser.add_argument("descriptions", nargs="*", metavar="NAME=FILE", help="further descriptions to make plugins of")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "home").mkdir()
        program = client(options.claude)
        if isinstance(program, str):
            print(f"left out: Claude Code, as {program}")
        else:
            claude = Claude(program=program, home=folder / "home")
            _to_its_end("Claude Code", lambda: with_claude(claude, options.descriptions, folder))
        other = codex.client(options.codex)
        if isinstance(other, str):
            print(f"left out: Codex, as {other}")
        else:
            _to_its_end("Codex", lambda: in_codex(other, folder / "codex"))
        third = gemini.client(options.gemini)
        if isinstance(third, str):
            print(f"left out: Gemini CLI, as {third}")
        else:
            _to_its_end("Gemini CLI", lambda: in_gemini(third, folder / "gemini"))
    print(f"{len(failures)} failures")
    return 1 if failures else 0


def _to_its_end(name: str, work: Callable[[], None]) -> None:
    try:
        work()
    except GaveOutError as error:
        print(f"left out: the rest of {name}, as {error}")


def with_claude(claude: Claude, further: list[str], folder: Path) -> None:
    for name, source in _sources(further).items():
        validated(claude, name, source, folder / name)
    on_a_hostile_one(claude)
    on_ads(claude)
    on_the_gateway(claude, folder)
    on_receipts(claude)


def _sources(further: list[str]) -> dict[str, str]:
    """Name -> description; those that npm has only if it answers."""
    sources = {"ads": "ads", "gateway": "gateway"}
    beside = {"spotify-ads": "spotify-ads.yaml", "slack": "slack-swagger2.json"}
    sources |= {name: str(BESIDE / file) for name, file in beside.items() if (BESIDE / file).is_file()}
    large, many = github(), directory()
    named = {"stripe": "stripe.com.json", "kubernetes": "kubernetes.io.json"}
    sources |= {"github": str(large)} if large else {}
    sources |= {name: str(many / file) for name, file in named.items()} if many else {}
    return sources | dict(one.split("=", 1) for one in further)


if __name__ == "__main__":
    sys.exit(main())
