"""The paths of a newcomer, typed at a real terminal (tmux), each to its end, with the seconds that it takes.

usage: python -m benchmarks.newcomers [NAME ...] [--show]     (four minutes; needs tmux, and the network for `install`)

Claude Code and MCP Inspector are fetched with npm into the cache folder, once. A scripted model answers Claude Code.

Each path has a HOME of its own. What is typed is what the program itself, or the one page that begins the path, says.
Exits with 1 where a path does not end as it should or takes more than five minutes; a path that cannot be tried here is
left out, with the reason.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks import mcp_clients
from benchmarks.claude_code import SWITCHES, Model, bash, client
from benchmarks.conversations import tool_outputs
from benchmarks.install import ROOT
from benchmarks.ports import free_port
from tests.messages_server import say, use

LONGEST_S = 300.0
PATIENCE_S = 150.0
PROMPT = "newcomer> "


class LeftOutError(Exception):
    """A path that cannot be tried on this machine."""


class Terminal:
    """A shell in a terminal of 100 columns. What is to be seen is waited for."""

    def __init__(self, home: Path, path: str) -> None:
        self.home = home
        self._socket = f"newcomer-{os.getpid()}-{home.name}"
        self._from = 0
        variables = [f"HOME={home}", f"PATH={path}", f"PS1={PROMPT}"]
        variables += ["TERM=xterm-256color", "LANG=C.UTF-8", "SHELL=/bin/bash"]
        self._tmux(
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            "100",
            "-y",
            "45",
            "-c",
            str(home),
            "env",
            "-i",
            *variables,
            "bash",
            "--norc",
            "--noprofile",
        )
        self.expect(PROMPT)

    def _tmux(self, *words: str) -> str:
        command = ["tmux", "-L", self._socket, *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    @property
    def screen(self) -> str:
        """All that the terminal has shown."""
        return self._tmux("capture-pane", "-p", "-J", "-S", "-9999").rstrip("\n")

    def type(self, text: str) -> None:
        """Type a line."""
        self._tmux("send-keys", "-l", "--", text)
        self._tmux("send-keys", "Enter")

    def interrupt(self) -> None:
        self._tmux("send-keys", "C-c")

    def expect(self, text: str) -> None:
        """Wait until `text` is shown after what was expected before. TimeoutError where it never is."""
        end = time.monotonic() + PATIENCE_S
        while text not in (shown := self.screen[self._from :]):
            if time.monotonic() > end:
                raise TimeoutError(f"never saw {text!r}")
            time.sleep(0.05)
        self._from += shown.index(text) + len(text)

    def run(self, command: str, *expected: str) -> None:
        """Type a command, wait for what it shows, and for the next prompt."""
        self.type(command)
        for text in expected:
            self.expect(text)
        self.expect(PROMPT)

    def answer(self, **answers: str) -> None:
        """Answer prompts in order: the words of each, with _ for blanks, and what is typed."""
        for prompt, text in answers.items():
            self.expect(prompt.replace("_", " "))
            self.type(text)

    def check(self, command: str) -> None:
        """Type a command that has to succeed."""
        self.run(f"{command} && echo it-is-$((40 + 2))", "it-is-42")

    def close(self) -> None:
        self._tmux("kill-server")


@contextmanager
def served(terminal: Terminal, command: str, url: str) -> Iterator[None]:
    """Run a server in the background of the shell until the end of the block."""
    terminal.type(f"{command} > server.log 2>&1 &")
    terminal.check(f"for i in $(seq 300); do curl -s -o /dev/null {url} && break; sleep 0.1; done")
    try:
        yield
    finally:
        terminal.run("kill %1; wait")


# ---- setup ------------------------------------------------------------------------------------------------------


def _set_up(terminal: Terminal, source: str, login: Callable[[], None], *, is_placed: bool) -> None:
    """Set up an API against its sandbox: a wrong answer, Ctrl-C, and then all that is asked, to a first answer."""
    url = f"http://127.0.0.1:{free_port()}"
    with served(terminal, f"nlapi sandbox {source} --port {url.rpartition(':')[2]}", url):
        terminal.type(f"nlapi setup {source}")
        terminal.expect("What do you want to call it?")
        terminal.interrupt()
        terminal.expect(PROMPT)
        terminal.run("nlapi api list -o json", "[]")
        terminal.type(f"nlapi setup {source}" + (f" --base-url {url}" if is_placed else ""))
        terminal.expect("What do you want to call it?")
        terminal.type("it")
        if not is_placed:
            terminal.expect("Where does the API run?")
            terminal.type("somewhere")
            terminal.expect("Where does the API run?")
            terminal.type(url)
        login()
        terminal.expect("$ nlapi ask")
        terminal.expect("Talk to it:")
        terminal.expect(PROMPT)
        terminal.check("nlapi doctor it")


def set_up_ads(terminal: Terminal) -> None:
    """setup of the bundled example, whose address is a placeholder"""

    def login() -> None:
        terminal.answer(**{"1_to_3_(Enter:_later):": "1", "bearer_(bearer_token):": "any"})

    _set_up(terminal, "ads", login, is_placed=False)


def _described(name: str) -> Path:
    """Return a description of other people's. LeftOutError where the folder is not here."""
    file = Path(os.environ.get("NLAPI_SHARED_DATA", ROOT.parent / "shared" / "data")) / name
    if not file.is_file():
        raise LeftOutError(f"{file} is not here; NLAPI_SHARED_DATA names the folder")
    return file


def set_up_without_server(terminal: Terminal) -> None:
    """setup of a description without servers"""
    source = _described("workflows/ote-godaddy.com_subscriptions/openapi.json")
    _set_up(terminal, str(source), lambda: terminal.answer(**{"X-App-Key):": "any"}), is_placed=False)


def set_up_oauth(terminal: Terminal) -> None:
    """setup of a description that takes OAuth alone"""

    def login() -> None:
        terminal.answer(**{"1_to_2_(Enter:_later):": "1", "slackAuth_(access_token):": "any"})

    _set_up(terminal, str(_described("specs/slack-swagger2.json")), login, is_placed=True)


def set_up_key_in_query(terminal: Terminal) -> None:
    """setup of a description with a key in the query"""
    source = _described("workflows/browshot.com/openapi.json")
    _set_up(terminal, str(source), lambda: terminal.answer(**{"query_key):": "any"}), is_placed=True)


# ---- the rest ---------------------------------------------------------------------------------------------------


def first_answer(terminal: Terminal) -> None:
    """a first answer, and a change after a question"""
    url = f"http://127.0.0.1:{free_port()}"
    with served(terminal, f"nlapi sandbox ads --port {url.rpartition(':')[2]}", url):
        terminal.check(f"export TOKEN=any; nlapi api add demo ads --base-url {url} --auth bearer=env:TOKEN")
        terminal.run('nlapi ask "list the campaigns" -a demo', "Summer Sale", "campaigns")
        terminal.type('nlapi ask "pause the campaign Summer Sale" -a demo')
        terminal.answer(**{"[y/N/always/edit]:": "y"})
        terminal.expect("200 OK")
        terminal.expect(PROMPT)


def _has_claude(terminal: Terminal) -> None:
    """Put Claude Code on the shell's path, where nothing but loopback is asked. LeftOutError where it is not here."""
    program = client(None)
    if isinstance(program, str):
        raise LeftOutError(program)
    folder = terminal.home / "programs"
    folder.mkdir()
    (folder / "claude").symlink_to(program)
    terminal.check(f"export PATH=$HOME/programs:$PATH {' '.join(f'{name}=1' for name in SWITCHES)}")


def plugin(terminal: Terminal) -> None:
    """a plugin: built, checked, installed in Claude Code as the build says, and a first answer there"""
    terminal.check("nlapi plugin build ads -o my-plugin --name my-api")
    commands = re.findall(r"^ +(claude plugin \S.*\S)", terminal.screen, re.MULTILINE)
    terminal.check("nlapi plugin check my-plugin")
    terminal.check("my-plugin/bin/nlapi-my-api --about listCampaigns")
    _has_claude(terminal)
    if len(commands) != 2:
        raise AssertionError(f"two commands of Claude Code come next, and not {commands}")
    for command in commands:
        terminal.check(command)
    url = f"http://127.0.0.1:{free_port()}"
    steps = [
        use("Skill", {"skill": "my-api:my-api-campaigns"}),
        bash("nlapi-my-api listCampaigns --jq '.data[].name'"),
        say("These are your campaigns."),
    ]
    with served(terminal, f"nlapi sandbox ads --port {url.rpartition(':')[2]}", url), Model(steps) as model:
        terminal.check(f"export ANTHROPIC_API_KEY=any ANTHROPIC_BASE_URL={model.url} MY_API_BASE_URL={url}")
        terminal.check("export MY_API_BEARER=any")
        terminal.run('claude -p "list the campaigns" --allowedTools Skill Bash', "These are your campaigns.")
        if "Summer Sale" not in str([tool_outputs(request) for request in model.requests]):
            raise AssertionError("the model did not see the answer of the API")


def mcp_in_claude_code(terminal: Terminal) -> None:
    """MCP in Claude Code: added as README says, and connected"""
    _has_claude(terminal)
    terminal.check("export TOKEN=any")
    terminal.check("claude mcp add shop -- nlapi mcp ads --auth bearer=env:TOKEN")
    terminal.run("claude mcp list", "Connected")


def mcp_in_inspector(terminal: Terminal) -> None:
    """MCP in the Inspector: the tools, and a first answer"""
    programs = mcp_clients.programs()
    if isinstance(programs, str):
        raise LeftOutError(programs)
    terminal.check(f"export PATH={programs}:$PATH")
    url = f"http://127.0.0.1:{free_port()}"
    server = f"mcp-inspector --cli -e TOKEN=any nlapi mcp ads --base-url {url} --auth bearer=env:TOKEN"
    with served(terminal, f"nlapi sandbox ads --port {url.rpartition(':')[2]}", url):
        terminal.run(f"{server} --method tools/list", '"listCampaigns"')
        terminal.run(f"{server} --method tools/call --tool-name listCampaigns", "Summer Sale")


MCP_CLIENT = """
import asyncio, os, sys
from mcp import ClientSession, StdioServerParameters
from mcp.client.stdio import stdio_client

async def main():
    words = ["mcp", "ads", "--auth", "bearer=env:TOKEN", "--base-url", sys.argv[1]]
    server = StdioServerParameters(command="nlapi", args=words, env=dict(os.environ))
    async with stdio_client(server) as streams, ClientSession(*streams) as session:
        await session.initialize()
        tools = await session.list_tools()
        answer = await session.call_tool("listCampaigns", {})
        print(len(tools.tools), "tools", "Summer Sale" in str(answer))

asyncio.run(main())
"""


def mcp(terminal: Terminal) -> None:
    """MCP over stdio, with the client of the SDK"""
    (terminal.home / "client.py").write_text(MCP_CLIENT)
    url = f"http://127.0.0.1:{free_port()}"
    with served(terminal, f"nlapi sandbox ads --port {url.rpartition(':')[2]}", url):
        terminal.run(f"TOKEN=any {sys.executable} client.py {url}", "tools True")


def gateway(terminal: Terminal) -> None:
    """the gateway's first model"""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with served(terminal, f"nlapi gateway serve --example --port {port}", f"{url}/livez"):
        terminal.check('eval "$(grep export server.log)"')
        terminal.check(f"nlapi gateway status --once --url {url}")
        question = 'nlapi ask "which objectives are there?" -a gateway'
        terminal.check(f"{question} --base-url {url} --auth admin=env:NLAPI_GATEWAY_TOKEN --planner offline")


def batch(terminal: Terminal) -> None:
    """a batch of changes, and the same again"""
    rows = "name,objective,daily_budget_micros\nSpring,REACH,5000000\nAutumn,REACH,5000000\n"
    (terminal.home / "campaigns.csv").write_text(rows)
    url = f"http://127.0.0.1:{free_port()}"
    with served(terminal, f"nlapi sandbox ads --port {url.rpartition(':')[2]}", url):
        terminal.check(f"export TOKEN=any; nlapi api add demo ads --base-url {url} --auth bearer=env:TOKEN")
        terminal.type("nlapi batch demo campaigns.csv createCampaign")
        terminal.answer(**{"Send_them?": "y"})
        terminal.expect(PROMPT)
        terminal.check("nlapi batch demo campaigns.csv createCampaign < /dev/null")


def workflow(terminal: Terminal) -> None:
    """a workflow: suggested, checked, shown and rehearsed"""
    terminal.check("nlapi workflow suggest ads -o ads.arazzo.yaml")
    terminal.check("nlapi workflow check ads.arazzo.yaml")
    terminal.check("nlapi workflow show ads.arazzo.yaml")
    url = f"http://127.0.0.1:{free_port()}"
    with served(terminal, f"nlapi sandbox ads --port {url.rpartition(':')[2]}", url):
        terminal.check(f"export TOKEN=any; nlapi api add demo ads --base-url {url} --auth bearer=env:TOKEN")
        question = "create a campaign called Fall with the objective reach and a budget of $50 a day"
        terminal.type(f"nlapi ask '{question}' -a demo")
        terminal.answer(**{"[y/N/always/edit]:": "y"})
        terminal.expect(PROMPT)
        terminal.check("nlapi log save last -o fall.arazzo.yaml")
        terminal.check("nlapi workflow check fall.arazzo.yaml")
        inputs = "--input name=Winter --input objective=REACH --input daily_budget_micros=5000000"
        terminal.check(f"nlapi workflow run fall.arazzo.yaml {inputs} --dry-run")


def install(terminal: Terminal) -> None:
    """installed from the wheel, upgraded, and uninstalled: nothing stays but what it names"""
    wheels = sorted((ROOT / "dist").glob("nlapi-*.whl"))
    if not wheels:
        raise LeftOutError("there is no wheel in dist/: `make dist` builds it")
    python, wheel = Path(sys.executable).resolve(), wheels[-1]
    terminal.run(f"{python} -m venv tools && export PATH=$HOME/tools/bin:/usr/bin:/bin")
    terminal.check(f"pip install -q --disable-pip-version-check {wheel}")
    terminal.check("nlapi --version")
    terminal.check("nlapi api add demo ads --base-url http://127.0.0.1:9")
    terminal.run('nlapi ask "list the campaigns" -a demo --dry-run', "List campaigns")
    terminal.check(f"pip install -q --disable-pip-version-check --force-reinstall --no-deps {wheel}")
    terminal.run("nlapi api list -o json", '"demo"')
    terminal.run("nlapi doctor", "config folder")
    named = set(re.findall(r"(?:config|state|cache) folder: (\S+)", terminal.screen))
    terminal.check("pip uninstall -q -y nlapi")
    terminal.check("hash -r && ! command -v nlapi && ! test -e tools/lib/python3.*/site-packages/nlapi")
    left = {str(path) for path in terminal.home.rglob("*") if path.is_file() and "tools" not in path.parts}
    stray = {path for path in left if not any(path.startswith(folder) for folder in named)}
    if stray:
        raise AssertionError(f"left behind, and named nowhere: {sorted(stray)}")


PATHS: tuple[Callable[[Terminal], None], ...] = (
    set_up_ads,
    set_up_without_server,
    set_up_oauth,
    set_up_key_in_query,
    first_answer,
    plugin,
    mcp_in_claude_code,
    mcp_in_inspector,
    mcp,
    gateway,
    batch,
    workflow,
    install,
)


def walk(path: Callable[[Terminal], None], *, shows: bool) -> str:
    """Walk one path and return what came of it: "" where it ended as it should, else the reason."""
    with tempfile.TemporaryDirectory(prefix="newcomer-", ignore_cleanup_errors=True) as folder:
        terminal = Terminal(Path(folder), f"{Path(sys.executable).parent}:/usr/bin:/bin")
        start = time.monotonic()
        try:
            path(terminal)
            seconds = time.monotonic() - start
            fault = "" if seconds < LONGEST_S else "it takes too long"
            print(f"{'ok' if not fault else 'FAILED'}: {path.__doc__}: {seconds:.0f} s", flush=True)
        except LeftOutError as reason:
            fault = ""
            print(f"left out: {path.__doc__}: {reason}", flush=True)
        except (TimeoutError, AssertionError, subprocess.CalledProcessError) as error:
            fault = str(error)
            print(f"FAILED: {path.__doc__}: {fault}\n{terminal.screen[-3000:]}", flush=True)
        if shows and not fault:
            print(terminal.screen)
        terminal.close()
    return fault


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help=", ".join(path.__name__ for path in PATHS))
    parser.add_argument("--show", action="store_true", help="print the terminals too")
    options = parser.parse_args()
    if shutil.which("tmux") is None:
        print("left out: tmux is not installed")
        return 0
    chosen = [path for path in PATHS if not options.names or path.__name__ in options.names]
    faults = [fault for path in chosen if (fault := walk(path, shows=options.show))]
    print(f"{len(chosen) - len(faults)} of {len(chosen)} paths end as they should")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
