"""The consent panel of `nlapi mcp` in a real browser: what a click sends, what a script, a guess or a cover does not.

    python -m benchmarks.panels [--screenshots FOLDER]

Needs Chromium, and node with the packages that npm fetches once into the cache folder: the SDK's client, the bridge of
MCP Apps, Playwright and axe. What cannot be had is left out, with the reason. Everything runs on loopback. Exits with 1
when anything is otherwise than it should be.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.npm import cache, fetched

PACKAGES = (
    "@modelcontextprotocol/client@2.4.0",
    "@modelcontextprotocol/ext-apps@2.0.4",
    "playwright-core@1.65.1",
    "axe-core@4.14.1",
    "esbuild@0.28.2",
)
FILES = ("host.mjs", "host.html", "sandbox.html", "drive.mjs")
PATIENCE = 300
NLAPI = str(Path(sys.executable).with_name("nlapi"))
DESCRIPTION = {
    "openapi": "3.1.0",
    "info": {"title": "Notes", "version": "1"},
    "paths": {
        "/notes/{id}": {
            "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
            "get": {"operationId": "getNote", "responses": {"200": {"description": "The note"}}},
            "patch": {
                "operationId": "updateNote",
                "summary": "Update a note",
                "requestBody": {
                    "content": {
                        "application/json": {
                            "schema": {
                                "type": "object",
                                "properties": {"name": {"type": "string"}, "place": {"type": "string"}},
                            }
                        }
                    }
                },
                "responses": {"200": {"description": "The note"}},
            },
        }
    },
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--screenshots", type=Path, help="where the pictures of the panel go")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    folder = cache() / "panels-1"
    reason = "" if (folder / "node_modules" / "esbuild").exists() else fetched(folder, *PACKAGES)
    if chromium is None or reason:
        print(f"left out: {reason or 'there is no Chromium'}")
        return 0
    for name in FILES:
        shutil.copy(Path(__file__).with_name(name), folder / name)
    bundle = [
        str(folder / "node_modules/.bin/esbuild"),
        "host.mjs",
        "--bundle",
        "--outfile=host.js",
        "--log-level=error",
    ]
    subprocess.run(bundle, cwd=folder, check=True)
    with tempfile.TemporaryDirectory() as home:
        description = Path(home, "notes.json")
        description.write_text(json.dumps(DESCRIPTION))
        pictures = options.screenshots or Path(home)
        command = ["node", str(folder / "drive.mjs"), chromium, str(description), str(pictures.resolve()), NLAPI]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    for line in lines:
        print(f"{'ok  ' if line['holds'] else 'NOT '} {line['name']}{': ' + line['seen'] if line['seen'] else ''}")
    if done.returncode:
        print(done.stderr[-2_000:])
    failed = sum(not line["holds"] for line in lines)
    print(f"{len(lines) - failed} of {len(lines)} hold")
    return int(bool(failed or done.returncode or not lines))


if __name__ == "__main__":
    sys.exit(main())
