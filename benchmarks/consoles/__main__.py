"""The consoles in a real browser: each walk is what a person does, on a real server on loopback.

    python -m benchmarks.consoles [--walk NAME] [--screenshots FOLDER]

Needs Chromium, and node with Playwright and axe, which npm fetches once into the cache folder. What cannot be had is
left out, with the reason. Exits with 1 when anything is otherwise than it should be.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from benchmarks.consoles.gateway import gateway_stage
from benchmarks.consoles.local import local_stage
from benchmarks.npm import cache, fetched

PACKAGES = ("playwright-core@1.65.1", "axe-core@4.14.1")
PATIENCE = 300
WALKS: Mapping[str, Callable[[Path], AbstractContextManager[dict[str, str]]]] = {
    "gateway": gateway_stage,
    "local": local_stage,
}
"""the name of a file of walks -> what it needs, started in a folder"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--walk", choices=WALKS, help="these walks alone")
    parser.add_argument("--screenshots", type=Path, help="where the pictures of the pages go")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    folder = cache() / "consoles-1"
    reason = "" if (folder / "node_modules" / "axe-core").exists() else fetched(folder, *PACKAGES)
    if chromium is None or reason:
        print(f"left out: {reason or 'there is no Chromium'}")
        return 0
    for script in Path(__file__).parent.glob("*.mjs"):
        shutil.copy(script, folder)
    failed = 0
    for name, stage in WALKS.items():
        if options.walk not in (None, name):
            continue
        with tempfile.TemporaryDirectory() as home, stage(Path(home)) as facts:
            pictures = options.screenshots or Path(home)
            pictures.mkdir(parents=True, exist_ok=True)
            command = ["node", str(folder / "drive.mjs"), chromium, str(pictures.resolve()), name]
            done = subprocess.run(command, input=json.dumps(facts), capture_output=True, text=True, timeout=PATIENCE)
        lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        for line in lines:
            seen = f": {line['seen']}" if line["seen"] else ""
            print(f"{'ok  ' if line['holds'] else 'NOT '} {name}: {line['name']}{seen}")
        if done.returncode:
            print(done.stderr[-2_000:])
        kept = sum(line["holds"] for line in lines)
        print(f"{name}: {kept} of {len(lines)} hold")
        failed += len(lines) - kept + bool(done.returncode or not lines)
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
