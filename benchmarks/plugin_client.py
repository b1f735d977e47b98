"""Plugins in the real Claude Code, with no network but npm's: are they taken, and do reads run and changes wait?

    python -m benchmarks.plugin_client [--claude FILE] [NAME=FILE ...]

Fetches the client with npm (381 MB, once), builds plugins of the bundled and of large descriptions and validates each.
Then a scripted model, behind a stand-in for the Messages API, works with the plugin of `ads` on a sandbox: it opens the
skill, reads, and tries a change. Exits with 1 when anything is otherwise than it should be.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nlapi
from benchmarks.claude_code import PATIENCE, ROOT, Claude, Model, bash, client
from benchmarks.descriptions import directory, github
from nlapi.openapi.select import select
from nlapi.plugin import Options, build
from nlapi.plugin.folder import write
from nlapi.sandbox import running
from tests.messages_server import results, say, use

failures: list[str] = []


def expect(what: str, kept: bool, seen: object = "") -> None:
    print(f"{'ok  ' if kept else 'FAIL'} {what}", flush=True)
    if not kept:
        failures.append(what)
        print(f"     {str(seen)[:2000]}")


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """An API on loopback, a read and a change of it, and how to see by other means whether the change was made."""

    plugin: Path
    skill: str
    url: str
    credential: tuple[str, str]
    read: str
    seen: str
    change: str
    shown: str
    made: Callable[[], bool]

    @property
    def command(self) -> str:
        return self.change.partition(" ")[0]


def conversations(claude: Claude, stage: Stage) -> None:
    """A read, a change that nobody agreed to, one that the user refuses, one that the user permits."""
    print(f"--   {stage.command} on {stage.url}")
    loaded = ("--plugin-dir", str(stage.plugin), "--allowedTools", "Skill", f"Bash({stage.command}:*)")
    place = f"{stage.command.removesuffix('-api').upper()}_BASE_URL"
    variable, secret = stage.credential
    asked: list[dict[str, Any]] = []

    def talk(*steps: dict[str, Any], **more: Any) -> str:
        with Model([*steps, say("done")]) as model:
            claude.more = {
                place: stage.url,
                variable: secret,
                "ANTHROPIC_API_KEY": "dummy",
                "ANTHROPIC_BASE_URL": model.url,
            }
            claude.ask("work with it", *loaded, **more)
            sent = json.dumps(model.requests)
            expect("  the credential is nowhere in what the model was sent", secret not in sent and stage.skill in sent)
            return [text for request in model.requests for text in results(request)][-1]

    def user(agrees: bool) -> Callable[[dict[str, Any]], bool]:
        return lambda request: (asked.append(request), agrees)[1]

    said = talk(use("Skill", {"skill": stage.skill}), bash(stage.read))
    expect("the skill opens, and a read runs without a question", stage.seen in said, said)
    said = talk(bash(f"{stage.change} --dry-run"))
    expect("a dry run shows the request", stage.shown in said and not stage.made(), said)
    said = talk(bash(stage.change))
    expect("a change without --yes is held", not stage.made(), said)
    said = talk(bash(f"{stage.change} --yes"))
    expect("a change with --yes is held where nobody can be asked", not stage.made(), said)
    said = talk(bash(f"{stage.change} --yes"), permit=user(False))
    expect("the user is asked, and a no is a no", len(asked) == 1 and not stage.made(), said)
    question = json.dumps(asked)
    expect("the question shows the request", stage.url in question and json.dumps(stage.shown)[1:-1] in question, asked)
    said = talk(bash(f"{stage.change} --yes"), permit=user(True))
    expect("a change that the user permits goes through", stage.made(), said)


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


def on_ads(claude: Claude, plugin: Path) -> None:
    with running(nlapi.load("ads")) as sandbox:

        def made() -> bool:
            listed = nlapi.call(nlapi.load("ads"), "listCampaigns", base_url=sandbox.url, auth={"bearer": "any"})
            return "Rain Boots" in [one["name"] for one in listed.data["data"]]

        stage = Stage(
            plugin=plugin,
            skill="ads:ads-campaigns",
            url=sandbox.url,
            credential=("ADS_BEARER", "tok-8f2e1d9c"),
            read="nlapi-ads listCampaigns --jq '.data[].name'",
            seen="Summer Sale",
            change="nlapi-ads createCampaign name='Rain Boots' objective=REACH daily_budget_micros='50 USD'",
            shown="50000000",
            made=made,
        )
        conversations(claude, stage)


def on_the_gateway(claude: Claude, plugin: Path, folder: Path) -> None:
    """The same with the example gateway, a process of its own."""
    token = folder / "token"
    words = (
        "gateway",
        "serve",
        "--example",
        "--port",
        "0",
        "--database",
        str(folder / "g.db"),
        "--token-file",
        str(token),
    )
    code = "from nlapi.cli.main import main; main()"
    process = subprocess.Popen([sys.executable, "-c", code, *words], env=claude.env, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        url, secret = process.stdout.readline().strip(), token.read_text().strip()

        def made() -> bool:
            auth = {"admin": secret}
            return nlapi.call(nlapi.load("gateway"), "getClient", {"client": "tv-app"}, base_url=url, auth=auth).ok

        stage = Stage(
            plugin=plugin,
            skill="gateway:gateway-objectives",
            url=url,
            credential=("NLAPI_GATEWAY_TOKEN", secret),
            read="nlapi-gateway listObjectives --jq '.data[].name'",
            seen="continue-watching",
            change="nlapi-gateway limitClient client=tv-app requests_per_second=40 why='a test'",
            shown='"requests_per_second": 40',
            made=made,
        )
        conversations(claude, stage)
    finally:
        process.terminate()
        process.wait(PATIENCE)


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
    named = (("stripe", "stripe.com.json"), ("kubernetes", "kubernetes.io.json"))
    sources |= {name: str(folder / file) for name, file in named} if folder else {}
    sources |= dict(one.split("=", 1) for one in options.descriptions)
    with tempfile.TemporaryDirectory() as temporary:
        home = Path(temporary) / "home"
        home.mkdir()
        claude = Claude(program=program, home=home)
        for name, source in sources.items():
            validated(claude, name, source, Path(temporary) / name)
        for name in sources:
            claude("plugin", "uninstall", f"{name}@{name}")
        on_a_hostile_one(claude)
        on_ads(claude, Path(temporary) / "ads")
        on_the_gateway(claude, ROOT / "plugins" / "gateway", Path(temporary))
    print(f"{len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
