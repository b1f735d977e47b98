"""The real Gemini CLI, in a home of its own: is a plugin taken as an extension, and does its server start?"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from benchmarks.client import run as to_its_end
from benchmarks.npm import installed

CLIENT = "@google/gemini-cli@0.61.0"
PATIENCE = 90


def client(given: Path | None) -> Path | str:
    """The client's program: the file that was given, else that of the npm package; else why there is none."""
    return given or installed(CLIENT, ".bin/gemini")


def run(program: Path, home: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """One command of the client."""
    environment = {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(home),
        "GEMINI_CLI_HOME": str(home),
        **env,
    }
    return to_its_end([program, *words], PATIENCE, env=environment, cwd=home)


def trusted(home: Path, plugin: Path) -> None:
    """Have the client trust a folder, which it would ask about."""
    (home / ".gemini").mkdir(parents=True, exist_ok=True)
    folders = {str(folder): "TRUST_FOLDER" for folder in (home, plugin)}
    (home / ".gemini" / "trustedFolders.json").write_text(json.dumps(folders))


def skills(told: str) -> int:
    """The number of skills that `gemini skills list` names."""
    return len(re.findall(r"(?m)^[\w-]+ \[Enabled\]$", told))
