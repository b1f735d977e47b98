"""What a call costs on a serving host: CPU of gateway and host, beside the embedded engine, and called directly."""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from benchmarks.load import closed_loop, cpu_seconds, request, server
from benchmarks.ports import free_port
from nlapi.gateway.control.access import Access, Audience, Role
from nlapi.gateway.store.store import GatewayStore

NLAPI = [sys.executable, "-c", "from nlapi.cli.main import main; main()"]
PAYLOADS = {"1 KB": 100, "64 KB": 8_000}
"""name -> numbers in the input, of eight bytes each"""
MODES = ("inline", "process")
CLIENTS = 8
ROUNDS = 3


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway_hosts", description=__doc__)
    parser.add_argument("--count", type=int, default=800, help="requests of a round; a quarter for 64 KB")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        tokens = _prepare(Path(folder))
        port, host_port = free_port(), free_port()
        common = ["--database", f"{folder}/gateway.db", "--config", f"{folder}/gateway.json", "--models", folder]
        gateway = stack.enter_context(server([*NLAPI, "gateway", "serve", *common, "--port", str(port)], port))
        host_options = ["--shard", "hosts", "--gateway", f"http://127.0.0.1:{port}", "--port", str(host_port)]
        environment = {**os.environ, "NLAPI_HOST_TOKEN": tokens["host"]}
        host = stack.enter_context(server([*NLAPI, "gateway", "host", *host_options], host_port, env=environment))
        digests = _await_host(port, tokens["admin"])
        print(f"CPU us a request; {CLIENTS} clients, medians of {ROUNDS} rounds in turn")
        print("| stages | payload | embedded | gateway before a host | host | host called directly |")
        print("|---|---|---|---|---|---|")
        for mode in MODES:
            for name, size in PAYLOADS.items():
                value = {"x": [0.123456] * size}
                serve = {"Authorization": f"Bearer {tokens['web']}"}
                runs = {
                    "local": (port, request(f"/v1/objectives/{mode}-local/serve", {"input": value}, serve)),
                    "hosts": (port, request(f"/v1/objectives/{mode}-hosts/serve", {"input": value}, serve)),
                    "direct": (host_port, request("/", value, {"Nlapi-Digest": digests[mode]})),
                }
                count = options.count if size <= 1000 else options.count // 4
                rows = [_measure(runs, (gateway, host), count) for _ in range(ROUNDS)]
                figures = [statistics.median(row[column] for row in rows) for column in range(4)]
                print(f"| {mode} | {name} | " + " | ".join(f"{figure:.0f}" for figure in figures) + " |", flush=True)


def _measure(runs: Mapping[str, tuple[int, bytes]], processes: tuple[int, int], count: int) -> tuple[float, ...]:
    """Return CPU us a request: embedded, gateway before a host, its host, host called directly."""
    used = {}
    for name, (port, content) in runs.items():
        closed_loop(port, content, count // 10)
        before = [cpu_seconds(pid) for pid in processes]
        run = closed_loop(port, content, count)
        answers = sum(run.statuses.values())
        if set(run.statuses) != {200}:
            raise RuntimeError(f"{name} answered {run.statuses}")
        pairs = zip(processes, before, strict=True)
        used[name] = [(cpu_seconds(pid) - start) / answers * 1e6 for pid, start in pairs]
    return used["local"][0], used["hosts"][0], used["hosts"][1], used["direct"][1]


def _prepare(folder: Path) -> dict[str, str]:
    """Write the versions and the configuration, and return the tokens."""
    versions = []
    for mode in MODES:
        version = folder / mode
        version.mkdir()
        (version / "model.toml").write_text(f'[run]\nmode = "{mode}"\n')
        (version / "stages.py").write_text(f'def predict(value):\n    return {{"mode": "{mode}", **value}}\n')
        versions += [{"model": mode, "version": shard, "source": mode, "shard": shard} for shard in ("local", "hosts")]
    document = {
        "objectives": [
            {"name": f"{mode}-{shard}", "model": mode, "version": shard, "timeout_ms": 20_000}
            for mode in MODES
            for shard in ("local", "hosts")
        ],
        "models": [{"name": mode} for mode in MODES],
        "versions": versions,
        "shards": [{"name": "local"}, {"name": "hosts", "protocol": "host"}],
    }
    (folder / "gateway.json").write_text(json.dumps(document))
    store = GatewayStore(folder / "gateway.db")
    access = Access(store)
    tokens = {
        "admin": access.create_token("admin", Audience.ADMIN, role=Role.ADMIN)[1],
        "web": access.create_token("web", Audience.SERVE)[1],
        "host": access.create_token("host", Audience.HOST)[1],
    }
    store.close()
    return tokens


def _await_host(port: int, token: str) -> dict[str, str]:
    """Wait until the host has loaded all versions, and return the digest of each mode."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        hosts = _get(port, token, "/v1/hosts")["data"]
        if hosts and len(hosts[0]["ready"]) == len(MODES):
            return {mode: _get(port, token, f"/v1/models/{mode}/versions/hosts")["digest"] for mode in MODES}
        time.sleep(0.1)
    raise RuntimeError("the host did not load the versions")


def _get(port: int, token: str, path: str) -> Any:
    with urlopen(Request(f"http://127.0.0.1:{port}{path}", headers={"Authorization": f"Bearer {token}"})) as answer:
        return json.load(answer)


if __name__ == "__main__":
    main()
