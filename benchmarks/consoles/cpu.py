"""The CPU of a gateway's pages at 1,000 rules and 40 objectives with a canary each, the client's share included.

    python -m benchmarks.consoles.cpu

Exits with 1 when the first page takes more than 50 ms. Not a test: a busy machine takes longer.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.console.browser import Browser
from tests.gateway.kit import document, gateway

OBJECTIVES, RULES, REQUESTS, ROUNDS = 37, 1000, 400, 20
LIMIT_MS = 50.0
PAGES = ("/console/", "/console/objectives/o1", "/console/decisions", "/console/revisions")


def configuration() -> dict[str, Any]:
    """Return the configuration of the tests, which has three objectives, with many more."""
    made: dict[str, Any] = document()
    for number in range(OBJECTIVES):
        name, context = f"o{number}", [{"name": "user"}, {"name": "country"}]
        made["objectives"].append({"name": name, "model": "ranker", "version": "v7", "context": context})
    made["rules"] = [
        {
            "name": f"r{number}",
            "objective": f"o{number % OBJECTIVES}",
            "model": "ranker",
            "version": "v8",
            "when": {"user": [f"x{number}"]},
            "position": number,
        }
        for number in range(RULES)
    ]
    canary = {"model": "ranker", "version": "v9", "percent": 10}
    made["canaries"] = [{"name": f"c{n}", "objective": f"o{n}", **canary} for n in range(OBJECTIVES)]
    return made


def main() -> int:
    first = 0.0
    with tempfile.TemporaryDirectory() as folder, gateway(Path(folder), publish=False, has_pages=True) as talk:
        talk.ok("PUT", "/v1/configuration", configuration(), why="many")
        client = talk.as_("web")
        for number in range(REQUESTS):
            body = {"input": {}, "context": {"user": f"u{number}"}}
            client.ok("POST", f"/v1/objectives/o{number % OBJECTIVES}/serve", body)
        browser = Browser(talk.port)
        browser.open("/console/sign-in", {"token": talk.tokens["operator"]})
        for path in PAGES:
            browser.open(path)
            began = time.process_time()
            for _ in range(ROUNDS):
                page = browser.open(path)
            ms = (time.process_time() - began) / ROUNDS * 1000
            first = first or ms
            print(f"{path}: {ms:.1f} ms, {len(page.content):,} bytes")
    return int(first > LIMIT_MS)


if __name__ == "__main__":
    sys.exit(main())
