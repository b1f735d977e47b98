"""The consoles in a real browser: each walk from a first look to a change that is undone.

    python -m benchmarks.consoles [gateway|local] [--screenshots FOLDER]

Needs Chromium, and node with the packages that npm fetches once into the cache folder: Playwright, axe and the SDK's
client. What cannot be had is left out, with the reason. Everything runs on loopback: a gateway with the shipped
example, traffic and a canary; a sandbox of the ads API, and `nlapi console` in a terminal of its own. Exits with 1 when
anything is otherwise than it should be.
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.browser import NLAPI, browser, walk
from tests.messages_server import MessagesServer, say

FILES = ("page.mjs", "gateway.mjs", "local.mjs")
ROWS, UNKNOWN = 40, 3
TRAFFIC = Path("examples/gateway/traffic.py")
CAMPAIGN = "cmp_7h2k9q4m"
KEY = "sk-test"


@contextmanager
def running(*words: str, env: dict[str, str] | None = None) -> Iterator[str]:
    """Yield the first line of a server's output, and end the server."""
    process = subprocess.Popen([NLAPI, *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=env)
    try:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


@contextmanager
def in_terminal(*words: str) -> Iterator[tuple[str, Callable[[], None]]]:
    """Yield what a command prints to a terminal of its own until it shows a code, and what kills it. It ends after."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen([NLAPI, *words], stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    shown = ""
    try:
        while "code:" not in shown:
            shown += os.read(ours, 4096).decode("utf-8", "replace")
        yield shown, process.kill
    finally:
        process.terminate()
        process.wait()
        os.close(ours)


def serve_traffic(url: str, token: str) -> str:
    """Start a canary, send the made-up traffic of the example, and return the id of a request that it served."""
    headers = {"authorization": f"Bearer {token}"}
    with httpx2.Client(base_url=url, headers=headers, timeout=30) as client:
        canary = {"objective": "continue-watching", "model": "ranker", "version": "v2", "percent": 30}
        guards = [{"metric": "error_rate", "limit": 0.5}]
        client.post("/v1/canaries", json={"name": "ranker-v2", **canary, "guards": guards}).raise_for_status()
        made = client.post("/v1/tokens", json={"name": "app", "audience": "serve"})
        token = made.raise_for_status().json()["token"]
        words = [sys.executable, str(TRAFFIC), url, "--rate", "100", "--seconds", "6", "--token", token]
        subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        for _ in range(100):
            wanted = {"canary": "ranker-v2", "limit": "1"}
            found = client.get("/v1/decisions", params=wanted).json()["data"]
            if found:
                return str(found[0]["request_id"])
            time.sleep(0.1)
    raise SystemExit("no decision of the canary is recorded")


def gateway(folder: Path, chromium: str, pictures: Path, home: Path) -> int:
    token_file = home / "token"
    words = ("gateway", "serve", "--example", "--port", "0", "--database", str(home / "gateway.db"))
    with running(*words, "--token-file", str(token_file)) as url:
        token = token_file.read_text().strip()
        request = serve_traffic(url, token)
        made = httpx2.post(
            f"{url}/v1/tokens",
            json={"name": "looker", "audience": "admin", "role": "viewer"},
            headers={"authorization": f"Bearer {token}"},
        ).json()
        given = {"url": url, "token": token, "request": request, "viewer": made["token"]}
        return _walk("gateway.mjs", folder, chromium, pictures, given, home)


def local(folder: Path, chromium: str, pictures: Path, home: Path) -> int:
    rows = home / "rows.jsonl"
    ids = [f"cmp_none000{number}" if number < UNKNOWN else CAMPAIGN for number in range(ROWS)]
    calls = [{"campaign_id": id, "daily_budget_micros": 1_000_000 * (n + 50)} for n, id in enumerate(ids)]
    rows.write_text("".join(json.dumps(call) + "\n" for call in calls))
    with running("sandbox", "ads", "--port", "0") as api:
        os.environ["SANDBOX_TOKEN"] = "x"
        account = ("--base-url", api, "--auth", "bearer=env:SANDBOX_TOKEN")
        subprocess.run([NLAPI, "api", "add", "adverts", "ads", *account], check=True, capture_output=True)
        subprocess.run([NLAPI, "batch", "adverts", str(rows), "updateCampaign", "--yes"], capture_output=True)
        with MessagesServer([say("Two campaigns run.")], key=KEY) as model:
            paid = {**os.environ, "ANTHROPIC_BASE_URL": model.url, "ANTHROPIC_API_KEY": KEY}
            words = ("ask", "how many campaigns run?", "-a", "adverts", "--planner", "model")
            subprocess.run([NLAPI, *words], check=True, capture_output=True, env=paid)
        with in_terminal("console", "--no-browser") as (shown, _):
            (url,) = re.findall(r"http://\S+", shown)
            (code,) = re.findall(r"code: (\S+)", shown)
            given = {"url": url, "code": code, "nlapi": NLAPI, "api": api}
            return _walk("local.mjs", folder, chromium, pictures, given, home)


def _walk(script: str, folder: Path, chromium: str, pictures: Path, given: dict[str, Any], home: Path) -> int:
    return walk(folder / script, chromium, str(pictures.resolve()), json.dumps(given), env={"HOME_OF_WALK": str(home)})


WALKS = {"gateway": gateway, "local": local}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("walk", nargs="?", choices=[*WALKS], help="one walk alone")
    parser.add_argument("--screenshots", type=Path, help="where the pictures of the pages go")
    options = parser.parse_args()
    found = browser(Path(__file__).with_name(name) for name in FILES)
    if isinstance(found, str):
        print(f"left out: {found}")
        return 0
    chromium, folder = found
    if options.screenshots:
        options.screenshots.mkdir(parents=True, exist_ok=True)
    failed = 0
    for name in [options.walk] if options.walk else [*WALKS]:
        with tempfile.TemporaryDirectory() as home:
            os.environ |= {f"NLAPI_{kind}_DIR": str(Path(home) / kind) for kind in ("CONFIG", "STATE")}
            failed += WALKS[name](folder, chromium, options.screenshots or Path(home), Path(home))
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
