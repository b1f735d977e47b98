"""Walks through pages in Chromium: scripts of node with Playwright, axe and the SDK of MCP, fetched by npm once."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from benchmarks.npm import cache, fetched

PACKAGES = (
    "@modelcontextprotocol/client@2.4.0",
    "@modelcontextprotocol/ext-apps@2.0.4",
    "playwright-core@1.65.1",
    "axe-core@4.14.1",
    "esbuild@0.28.2",
)
PATIENCE = 300
"""Seconds for one walk."""
NLAPI = str(Path(sys.executable).with_name("nlapi"))


def browser(files: Iterable[Path]) -> tuple[str, Path] | str:
    """The path of Chromium and the folder of the packages, with copies of `files`; else why they cannot be had."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    folder = cache() / "panels-1"
    reason = "" if (folder / "node_modules" / "esbuild").exists() else fetched(folder, *PACKAGES)
    if chromium is None or reason:
        return reason or "there is no Chromium"
    for file in files:
        shutil.copy(file, folder / file.name)
    return chromium, folder


def walk(script: Path, *words: str, env: Mapping[str, str] | None = None) -> int:
    """Run a script, print its lines, and return how many do not hold."""
    done = subprocess.run(
        ["node", str(script), *words],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env={**os.environ, **(env or {})},
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    for line in lines:
        print(f"{'ok  ' if line['holds'] else 'NOT '} {line['name']}{': ' + line['seen'] if line['seen'] else ''}")
    if done.returncode:
        print(done.stderr[-2_000:])
    failed = sum(not line["holds"] for line in lines)
    print(f"{script.name}: {len(lines) - failed} of {len(lines)} hold", flush=True)
    return failed + bool(done.returncode or not lines)
