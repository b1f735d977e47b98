"""What a change costs in a large configuration: publish, rollback, restart, size of the store, a neighbour's latency.

    python -m benchmarks.gateway_scale [--rules N] [--objectives N] [--revisions N] [--seconds S]

A real gateway process on loopback with a database of its own. Everything goes through its HTTP API, so it measures any
version of the gateway. The neighbour asks for an objective with one rule, in a process of its own.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager, suppress
from itertools import pairwise
from multiprocessing import get_context
from pathlib import Path
from string import ascii_uppercase
from typing import Any

from benchmarks.load import Run, cpu_seconds, paced, request

CODE = "from nlapi.cli.main import main; main()"
COUNTRIES = [first + second for first in ascii_uppercase for second in ascii_uppercase]
DEVICES = [f"device-{number}" for number in range(40)]
RATE = 120.0
"""the neighbour's requests a second"""
ROUND_S = 3.0
CHANGES_PER_S = 2.0
CHANGES = 12
NICENESS = -10
"""of this process and of the gateway, so that what else runs on the machine is not what is measured"""
PATIENCE_S = 120
# Seconds for the revisions of the size measurement; a gateway that needs longer is measured by those that it made.
REVISIONS_S = 25.0


def configuration(rules: int, objectives: int) -> dict[str, Any]:
    """`rules` rules over `objectives` objectives, half of them split by user, and an objective for the neighbour."""
    schema = {"type": "object", "required": ["titles"], "properties": {"titles": {"type": "array"}}}
    target = {"model": "noop", "version": "v1"}
    context = [{"name": name} for name in ("user", "country", "device")]
    names = [f"objective-{number}" for number in range(objectives)]
    split = [{**target, "percent": 50}, {**target, "version": "v2", "percent": 50}]
    return {
        "objectives": [
            {"name": name, **target, "input": schema, "output": schema, "context": context, "timeout_ms": 5000}
            for name in (*names, "neighbour")
        ],
        "models": [{"name": "noop"}],
        "versions": [{"model": "noop", "version": name, "source": name} for name in ("v1", "v2")],
        "shards": [{"name": "local"}],
        "rules": [
            {
                "name": f"rule-{number}",
                "objective": names[number % objectives],
                "when": {"country": [COUNTRIES[place % 676]], "device": [DEVICES[place // 676]]},
                "position": 10 * (place + 1),
                **({"shares": split} if number % 2 else target),
            }
            for number in range(rules)
            for place in (number // objectives,)
        ]
        + [{"name": "quiet", "objective": "neighbour", "when": {"device": ["tv"]}, "position": 10, **target}],
    }


class Server:
    """A gateway process on one folder, and its admin's connection."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._token = folder / "token"
        self.port = 0
        self.start()

    def start(self) -> float:
        """Start the process; return the seconds until it is ready."""
        words = ["--config", str(self._folder / "configuration.json"), "--models", str(self._folder / "models")]
        words += ["--database", str(self.database), "--port", str(self.port)]
        words += [] if self._token.exists() else ["--token-file", str(self._token)]
        before = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, "-c", CODE, "gateway", "serve", *words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline().strip().rpartition(b":")[2])
        self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        self.ask("GET", "/ready")
        return time.perf_counter() - before

    @property
    def database(self) -> Path:
        return self._folder / "gateway.db"

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """Return the JSON of an answer that has to be a success."""
        headers = {"Authorization": f"Bearer {self._token.read_text().strip()}", "Content-Type": "application/json"}
        content = None if body is None else json.dumps(body)
        for attempt in (1, 2):
            try:
                self.connection.request(method, path, content, headers if content else dict(list(headers.items())[:1]))
                response = self.connection.getresponse()
                break
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                self.connection.close()  # a kept connection that the gateway has closed; nothing was sent yet
                if attempt == 2:
                    raise
        answer = json.loads(response.read())
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {answer}")
        return answer

    def timed(self, method: str, path: str, body: Any = None) -> tuple[float, Any]:
        """Return the milliseconds of a request, and its answer."""
        before = time.perf_counter()
        answer = self.ask(method, path, body)
        return (time.perf_counter() - before) * 1000, answer

    def change(self, number: int, rules: int) -> tuple[float, int]:
        """Change one rule; return the milliseconds and the revision."""
        percent = 10 + number % 80
        target = {"model": "noop", "percent": percent, "version": "v1"}
        shares = [target, {**target, "version": "v2", "percent": 100 - percent}]
        name = f"rule-{(number * 7919 % rules) | 1}"
        spent, answer = self.timed("PATCH", f"/v1/rules/{name}", {"shares": shares})
        return spent, answer["revision"]

    def stop(self) -> None:
        self.connection.close()
        self.process.terminate()
        self.process.wait(PATIENCE_S)


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    server = Server(folder)
    try:
        yield server
    finally:
        server.stop()


def prepare(folder: Path) -> None:
    """Write two versions that return their input, and a first configuration without rules."""
    for name in ("v1", "v2"):
        place = folder / "models" / name
        place.mkdir(parents=True)
        (place / "model.toml").write_text("")
        (place / "stages.py").write_text("def predict(value):\n    return value\n")
    (folder / "configuration.json").write_text(json.dumps(configuration(0, 1)))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway_scale", description=__doc__)
    parser.add_argument("--rules", type=int, default=10_000)
    parser.add_argument("--objectives", type=int, default=1, help="the objectives that share the rules")
    parser.add_argument("--revisions", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=24, help="of the neighbour's measurement")
    options = parser.parse_args()
    print(f"{options.rules:,} rules in {options.objectives} objectives, load {os.getloadavg()[0]:.1f}", flush=True)
    with suppress(PermissionError):
        os.nice(NICENESS)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare(folder)
        with running(folder) as server:
            spent, _ = server.timed("PUT", "/v1/configuration", configuration(options.rules, options.objectives))
            print(f"whole configuration put: {spent:,.0f} ms", flush=True)
            # The restart reads the file that an operator passes each time.
            (folder / "configuration.json").write_text(json.dumps(configuration(options.rules, options.objectives)))
            changes(server, options.rules)
            neighbour(server, options.rules, options.seconds)
            sizes(server, options.rules, options.revisions)
            print(f"restart until ready: {server.start():.2f} s", flush=True)
            print(f"first request of {options.rules} rules: {first_request(server):.1f} ms", flush=True)
    return 0


def changes(server: Server, rules: int) -> None:
    """Print the milliseconds of changes of one rule, and of rollbacks to the revision before."""
    published, rolled_back, added = [], [], []
    for number in range(CHANGES):
        when = {"country": [COUNTRIES[number]], "device": ["new"]}
        rule = {"name": f"new-{number}", "objective": "objective-0", "when": when, "model": "noop", "version": "v1"}
        added.append(server.timed("POST", "/v1/rules", {**rule, "position": 10 * number + 5})[0])
    before = cpu_seconds(server.process.pid)
    for number in range(CHANGES):
        spent, revision = server.change(number, rules)
        published.append(spent)
        spent, _ = server.timed("POST", f"/v1/revisions/{revision - 1}/rollback")
        rolled_back.append(spent)
    used = (cpu_seconds(server.process.pid) - before) / (2 * CHANGES) * 1000
    rows = {
        "publish of a new rule between others": added,
        "publish of new shares of a rule": published,
        "rollback to the revision before": rolled_back,
    }
    for name, values in rows.items():
        print(f"{name}: median {statistics.median(values):.1f} ms, max {max(values):.1f} ms", flush=True)
    print(f"CPU of one of the latter two: {used:.1f} ms", flush=True)


def neighbour(server: Server, rules: int, seconds: float) -> None:
    """Print the neighbour's latencies without and with changes, in rounds that take turns."""
    made = server.ask("POST", "/v1/tokens", {"name": "neighbour", "audience": "serve"})
    context = {"user": "u1", "country": "BR", "device": "tv"}
    document = {"input": {"titles": [1, 2, 3]}, "context": context}
    sent = request("/v1/objectives/neighbour/serve", document, {"Authorization": f"Bearer {made['token']}"})
    quiet: list[Run] = []
    changing: list[Run] = []
    count = 0
    with separate_process() as pool:
        pool.submit(paced, server.port, sent, rate=RATE, seconds=1.0).result()
        for _ in range(max(2, int(seconds / ROUND_S / 2))):
            quiet.append(pool.submit(paced, server.port, sent, rate=RATE, seconds=ROUND_S).result())
            load = pool.submit(paced, server.port, sent, rate=RATE, seconds=ROUND_S)
            while not load.done():
                count += 1
                begun = time.monotonic()
                server.change(count, rules)
                time.sleep(max(0.0, 1 / CHANGES_PER_S - (time.monotonic() - begun)))
            changing.append(load.result())
    rows = [("without changes", quiet), (f"with {count} changes, at most {CHANGES_PER_S:g} a second", changing)]
    medians = []
    for name, runs in rows:
        p50, p99 = (statistics.median(run.percentile(share) for run in runs) for share in (0.5, 0.99))
        medians.append((p50, p99))
        answers = sum(len(run.latencies) for run in runs)
        failed = answers - sum(run.statuses.get(200, 0) for run in runs)
        worst = max(max(run.latencies) for run in runs)
        print(f"neighbour {name}: p50 {p50:.2f} ms, p99 {p99:.2f} ms, max {worst:.1f} ms, {failed} of {answers} failed")
    for before, after in pairwise(medians):
        print(f"neighbour's p99 with changes: {after[1] / before[1]:.2f} times that without", flush=True)


@contextmanager
def separate_process() -> Iterator[Executor]:
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        yield pool


def sizes(server: Server, rules: int, revisions: int) -> None:
    """Make `revisions` changes of one rule and print how much the database grew, closed each time."""
    server.stop()
    before = server.database.stat().st_size
    server.start()
    count, end = 0, time.monotonic() + REVISIONS_S
    while count < revisions and time.monotonic() < end:
        count += 1
        server.change(count, rules)
    server.stop()
    grown = (server.database.stat().st_size - before) / count
    whole = before + grown * revisions
    print(
        f"database: {before / 2**20:.1f} MiB, {grown / 1024:,.1f} KiB more a revision (of {count}), so "
        f"{whole / 2**20:,.1f} MiB after {revisions} more",
        flush=True,
    )


def first_request(server: Server) -> float:
    context = {"user": "u1", "country": "AB", "device": DEVICES[0]}
    spent, _ = server.timed("POST", "/v1/objectives/objective-0/resolve", {"context": context})
    return spent


if __name__ == "__main__":
    sys.exit(main())
