"""The consent panel of `nlapi mcp` in a real browser: what a click sends, what a script, a guess or a cover does not.

    python -m benchmarks.panels [--screenshots FOLDER]

Needs Chromium, and node with the packages that npm fetches once into the cache folder: the SDK's client, the bridge of
MCP Apps, Playwright and axe. What cannot be had is left out, with the reason. Everything runs on loopback. Exits with 1
when anything is otherwise than it should be.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.browser import NLAPI, browser, walk

FILES = ("host.mjs", "host.html", "sandbox.html", "drive.mjs")
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
    found = browser(Path(__file__).with_name(name) for name in FILES)
    if isinstance(found, str):
        print(f"left out: {found}")
        return 0
    chromium, folder = found
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
        return int(bool(walk(folder / "drive.mjs", chromium, str(description), str(pictures.resolve()), NLAPI)))


if __name__ == "__main__":
    sys.exit(main())
