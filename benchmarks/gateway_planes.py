"""Several gateways on one PostgreSQL: how soon one serves what another publishes, and what changes cost beside SQLite.

    python -m benchmarks.gateway_planes [--rules N] [--changes N]

Needs the programs of PostgreSQL (initdb, postgres). Two gateways with a database of that server on loopback, then one
with SQLite; the same changes of one rule in a configuration of N rules. Latency is from the moment before a change is
sent to one gateway until the other's first answer by the new revision; a kill is SIGKILL to the gateway that leads.
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
from pathlib import Path
from typing import Any

from benchmarks.gateway_scale import configuration, prepare
from benchmarks.load import cpu_seconds
from tests.scale.postgres_server import PASSWORD, PostgresServer, postgres_server

CODE = "from nlapi.cli.main import main; main()"
VARIABLE = "NLAPI_BENCHMARK_PASSWORD"
PATIENCE_S = 60
POLL_S = 0.002


class Plane:
    """A gateway process with the database that its options name."""

    def __init__(self, folder: Path, token: Path, *options: str) -> None:
        self._token = token
        words = ["--config", str(folder / "configuration.json"), "--models", str(folder / "models"), "--port", "0"]
        words += [] if token.exists() else ["--token-file", str(token)]
        self.process = subprocess.Popen(
            [sys.executable, "-c", CODE, "gateway", "serve", *words, *options],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, VARIABLE: PASSWORD},
        )
        assert self.process.stdout is not None
        port = int(self.process.stdout.readline().strip().rpartition(b":")[2])
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)

    def _send(self, method: str, path: str, body: Any = None) -> bytes:
        headers = {"Authorization": f"Bearer {self._token.read_text().strip()}", "Content-Type": "application/json"}
        self._connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = self._connection.getresponse()
        answer = response.read()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {answer!r}")
        return answer

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        return json.loads(self._send(method, path, body))

    def leads(self) -> bool:
        """Return whether it takes the steps of canaries."""
        return b"nlapi_canary_leader 1" in self._send("GET", "/metrics")

    def change(self, number: int) -> int:
        """Change the shares of one rule; return the revision."""
        percent = 10 + number % 80
        target = {"model": "noop", "percent": percent, "version": "v1"}
        shares = [target, {**target, "version": "v2", "percent": 100 - percent}]
        return int(self.ask("PATCH", "/v1/rules/rule-1", {"shares": shares})["revision"])

    def revision(self) -> int:
        """Return the revision that decides a request now."""
        context = {"user": "u1", "country": "BR", "device": "tv"}
        return int(self.ask("POST", "/v1/objectives/neighbour/resolve", {"context": context})["decision"]["revision"])

    def stop(self) -> None:
        self._connection.close()
        self.process.terminate()
        self.process.wait(PATIENCE_S)


def wait_for(plane: Plane, revision: int) -> None:
    while plane.revision() < revision:
        time.sleep(POLL_S)


def publishes(plane: Plane, changes: int) -> tuple[float, float]:
    """Return the median milliseconds of a change, and the milliseconds of CPU that it took in the gateway."""
    times = []
    before = cpu_seconds(plane.process.pid)
    for number in range(changes):
        begun = time.perf_counter()
        plane.change(number)
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times), (cpu_seconds(plane.process.pid) - before) / changes * 1000


def follows(first: Plane, second: Plane, changes: int) -> list[float]:
    """Return the milliseconds until the second gateway decides by each change of the first."""
    times = []
    for number in range(changes):
        begun = time.perf_counter()
        wait_for(second, first.change(number))
        times.append((time.perf_counter() - begun) * 1000)
    return times


def idle_cpu(plane: Plane, seconds: float = 3.0) -> float:
    """Return the milliseconds of CPU in a second without requests."""
    before = cpu_seconds(plane.process.pid)
    time.sleep(seconds)
    return (cpu_seconds(plane.process.pid) - before) / seconds * 1000


def takeover(first: Plane, second: Plane) -> float:
    """Kill the gateway that leads; return the seconds until the other one does."""
    leader, other = (first, second) if first.leads() else (second, first)
    leader.process.kill()
    begun = time.perf_counter()
    while not other.leads():
        time.sleep(POLL_S)
    return time.perf_counter() - begun


def measure_shared(server: PostgresServer, folder: Path, options: argparse.Namespace) -> None:
    database = ("--database", server.url, "--database-password", f"env:{VARIABLE}")
    token = folder / "token"
    first, second = Plane(folder, token, *database), Plane(folder, token, *database)
    try:
        whole = first.ask("PUT", "/v1/configuration", configuration(options.rules, 1))
        wait_for(second, whole["revision"])
        median, cpu = publishes(first, options.changes)
        wait_for(second, first.revision())
        print(f"PostgreSQL: a change {median:.1f} ms, {cpu:.1f} ms of CPU in the gateway", flush=True)
        times = sorted(follows(first, second, options.changes))
        before = cpu_seconds(second.process.pid)
        for number in range(options.changes):
            first.change(number)
        wait_for(second, first.revision())
        followed = (cpu_seconds(second.process.pid) - before) / options.changes * 1000
        print(
            f"served by the other gateway: median {statistics.median(times):.1f} ms, max {times[-1]:.1f} ms of "
            f"{len(times)}; {followed:.1f} ms of CPU there for each",
            flush=True,
        )
        print(f"CPU without requests: {idle_cpu(second):.1f} ms a second", flush=True)
        print(f"the leader killed, the other leads after {takeover(first, second):.2f} s", flush=True)
    finally:
        for plane in (first, second):
            plane.stop()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway_planes", description=__doc__)
    parser.add_argument("--rules", type=int, default=1000)
    parser.add_argument("--changes", type=int, default=30)
    options = parser.parse_args()
    print(f"{options.rules:,} rules, load {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory() as temporary, postgres_server(fsync="on") as server:
        for name in ("shared", "file"):
            (Path(temporary) / name).mkdir()
            prepare(Path(temporary) / name)
        measure_shared(server, Path(temporary) / "shared", options)
        folder = Path(temporary) / "file"
        plane = Plane(folder, folder / "token", "--database", str(folder / "gateway.db"))
        try:
            plane.ask("PUT", "/v1/configuration", configuration(options.rules, 1))
            median, cpu = publishes(plane, options.changes)
            print(f"SQLite: a change {median:.1f} ms, {cpu:.1f} ms of CPU in the gateway", flush=True)
        finally:
            plane.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
