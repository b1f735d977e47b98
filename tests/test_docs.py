"""What the documents tell people to type works, and the reference is that of the program."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import nlapi
from nlapi.sandbox import running

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
SERVER = "http://127.0.0.1:8080"
NOT_RUN = ("nlapi sandbox", "nlapi chat")
WITHOUT_A_TERMINAL = {'nlapi ask "pause the campaign Summer Sale" -a demo': 6}
"""What ends differently when nobody can be asked."""


def commands(name: str) -> list[str]:
    blocks = re.findall(r"```\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL)
    lines = [line.partition("   #")[0].strip() for block in blocks for line in block.splitlines()]
    return [line for line in lines if line.startswith("nlapi ") and not line.startswith(NOT_RUN)]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, dict[str, str], str]]:
    """A folder with the files that the documents speak of, an environment of its own, and a sandbox of `ads`."""
    folder = tmp_path_factory.mktemp("guide")
    (folder / "banner.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    env = {key: value for key, value in os.environ.items() if not key.startswith(("ANTHROPIC_", "NLAPI_"))}
    env |= {f"NLAPI_{kind}_DIR": str(folder / kind) for kind in ("CONFIG", "STATE", "CACHE")}
    env |= {"TOKEN": "any", "COLUMNS": "100"}
    with running(nlapi.load("ads")) as server:
        yield folder, env, server.url


def test_every_command_of_the_guide_works(place: tuple[Path, dict[str, str], str]) -> None:
    folder, env, url = place
    for command in commands("docs/guide.md"):
        line = command.replace(SERVER, url)
        program, *words = shlex.split(line)
        target = words[words.index(">") + 1 :] if ">" in words else []
        words = words[: words.index(">")] if target else words
        done = subprocess.run(
            [BIN / program, *words], cwd=folder, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        assert done.returncode == WITHOUT_A_TERMINAL.get(command, 0), f"{command}\n{done.stdout}\n{done.stderr}"


def test_the_reference_is_the_programs_own() -> None:
    env = {**os.environ, "COLUMNS": "100", "NO_COLOR": "1"}
    command = [BIN / "typer", "nlapi.cli.main", "utils", "docs", "--name", "nlapi"]
    made = subprocess.run(command, capture_output=True, text=True, env=env, check=True).stdout
    kept = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert made.strip() == kept.strip(), "`make reference` writes it anew"
