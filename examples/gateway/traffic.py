"""Sends made-up traffic to a gateway: `python traffic.py URL [--rate 20] [--seconds 30] [--token TOKEN] [--seed 1]`."""

from __future__ import annotations

import argparse
import http.client
import json
import os
import time
from collections import Counter
from collections.abc import Mapping
from itertools import islice
from urllib.parse import urlsplit

import data

MOST = 100_000
"""requests of one run"""

FASTEST = 200.0
"""requests a second"""


def send(url: str, count: int, *, rate: float, token: str = "", seed: int = 1) -> Counter[str]:
    """Send `count` requests, `rate` of them a second, marked as synthetic; how many had each outcome."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    headers = {"Content-Type": "application/json", "X-Synthetic": "true"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    outcomes: Counter[str] = Counter()
    start = time.monotonic()
    for number, (objective, given, context) in enumerate(islice(data.requests(seed), min(count, MOST))):
        time.sleep(max(0.0, start + number / min(rate, FASTEST) - time.monotonic()))
        outcomes[_sent(connection, objective, {"input": given, "context": context}, headers)] += 1
    connection.close()
    return outcomes


def _sent(connection: http.client.HTTPConnection, objective: str, document: object, headers: Mapping[str, str]) -> str:
    try:
        connection.request("POST", f"/v1/objectives/{objective}/serve", json.dumps(document), dict(headers))
        response = connection.getresponse()
        answer = json.loads(response.read())
    except (OSError, http.client.HTTPException, ValueError) as error:
        connection.close()
        return f"{objective}: {type(error).__name__}"
    if response.status != 200:
        return f"{objective}: {response.status} {answer.get('detail', '')}"
    decision = answer["decision"]
    return f"{objective}: {decision['model']}@{decision['version']}"


def main() -> None:
    parser = argparse.ArgumentParser(description="Send made-up traffic to a gateway.")
    parser.add_argument("url", nargs="?", default="http://127.0.0.1:8700")
    parser.add_argument("--rate", type=float, default=20.0, help=f"requests a second, at most {FASTEST:g}")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--token", default=os.environ.get("NLAPI_GATEWAY_TOKEN", ""), help="a token that may serve")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    count = int(min(given.rate, FASTEST) * given.seconds)
    for outcome, times in sorted(send(given.url, count, rate=given.rate, token=given.token, seed=given.seed).items()):
        print(f"{times:6} {outcome}")


if __name__ == "__main__":
    main()
