"""The real Codex, in an environment of its own: are the plugins taken, and are their servers started?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from benchmarks.client import run as to_its_end
from benchmarks.npm import installed

CLIENT = "@openai/codex@0.169.0"
PATIENCE = 60


def client(given: Path | None) -> Path | str:
    """The client's program: the file that was given, else that of the npm package; else why there is none."""
    return given or installed(CLIENT, ".bin/codex")


def run(program: Path, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """One command of the client."""
    (home / ".codex").mkdir(parents=True, exist_ok=True)
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "CODEX_HOME": str(home / ".codex"),
    }
    return to_its_end([program, *words], PATIENCE, env=environment, cwd=home)
