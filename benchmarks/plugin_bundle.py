"""A plugin that brings nlapi, on a machine with Python and Claude Code alone: `... plugin_bundle --wheels DIR`.

DIR has what `pip download "nlapi[mcp]" pip -d DIR` puts there, and the wheel of `make dist`. A plugin of the ads
API is added as a marketplace and installed in the real Claude Code, with a new home, no nlapi, no uv and no package
index; then a scripted model reads from a sandbox. Exits with 1 when anything is otherwise.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nlapi
from benchmarks.claude_code import Claude, Model, bash, client
from benchmarks.conversations import expect, failures
from nlapi.sandbox import running
from tests.messages_server import say

PROGRAMS = "sh bash dirname env cat mkdir rm uname tr sed head id ls date mktemp grep sleep ps kill git node".split()


def bare_path(folder: Path) -> Path:
    """A folder with the programs of a plain machine, and the Python of this one."""
    folder.mkdir()
    for name in PROGRAMS:
        if program := shutil.which(name):
            (folder / name).symlink_to(program)
    (folder / "python3").symlink_to(os.path.realpath(sys.executable))
    return folder


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.plugin_bundle", description=__doc__)
    parser.add_argument("--wheels", type=Path, metavar="DIR", required=True, help="the wheels of nlapi and its needs")
    parser.add_argument("--claude", type=Path, metavar="FILE", help="Claude Code's program, if you have it already")
    options = parser.parse_args()
    program = client(options.claude)
    if isinstance(program, str):
        print(f"left out: Claude Code, as {program}")
        return 0
    with tempfile.TemporaryDirectory() as temporary, running(nlapi.load("ads")) as sandbox:
        folder = Path(temporary)
        (folder / "home").mkdir()
        words = ("plugin", "build", "ads", "-o", str(folder / "ads"), "--bundle", str(options.wheels))
        subprocess.run([sys.executable, "-c", "from nlapi.cli.main import main; main()", *words], check=True)
        size = sum(path.stat().st_size for path in (folder / "ads").rglob("*") if path.is_file())
        print(f"the plugin: {size / 1e6:.1f} MB")
        more = {"PATH": str(bare_path(folder / "bin")), "PYTHONPATH": "", "PIP_NO_INDEX": "1"}
        claude = Claude(program=program, home=folder / "home", more=more)
        added = claude("plugin", "marketplace", "add", str(folder / "ads"))
        expect("marketplace add", added.returncode == 0, added.stdout + added.stderr)
        installed = claude("plugin", "install", "ads@ads", "--config", f"base_url={sandbox.url}")
        expect("install", installed.returncode == 0, installed.stdout + installed.stderr)
        for name in ("first", "second"):
            read = "nlapi-ads listCampaigns --jq '.data[].name'"
            with Model([bash(read), say("done")]) as model:
                claude.more = {
                    **more,
                    "ANTHROPIC_API_KEY": "dummy",
                    "ANTHROPIC_BASE_URL": model.url,
                    "ADS_BEARER": "tok-8f2e1d9c",
                }
                start = time.monotonic()
                claude.ask("Which campaigns are there?", "--allowedTools", "Bash")
                text = json.dumps(model.requests[-1]["messages"], ensure_ascii=False)
            seconds = time.monotonic() - start
            expect(f"the {name} read, {seconds:.0f} s", "Back to School" in text, text[-1500:])
    print(f"{len(failures)} failures")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
