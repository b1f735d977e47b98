"""Versions on Ray Serve behind Envoy while everything around them is killed, counted in requests that failed.

    python -m benchmarks.gateway_ray [--python PATH] [--seconds 60]
    python -m benchmarks.gateway_ray --scale                           load alone, that starts and ends replicas
    python -m benchmarks.gateway_ray --cost                            CPU of a call, with nothing killed

Two control planes on one PostgreSQL, one Envoy, and a Ray cluster of two nodes whose GCS keeps its state in Redis, all
on loopback. Clients keep asking an idempotent objective while the benchmark kills a replica, Ray's controller, its GCS,
both control planes and PostgreSQL, routes to a new version, and registers versions that exit, crash and hang. Then load
makes Ray start more replicas, and end them. Needs PostgreSQL, redis-server and Ray: in the Python that --python
names, or in .venvs/ray, which it makes. It takes eight minutes, and exits with 1 when a request failed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx2

from benchmarks.load import cpu_seconds
from benchmarks.ports import free_port
from nlapi.gateway import AsyncClient
from nlapi.gateway.control.access import Access, Audience, Role
from nlapi.gateway.envoy.envoy_process import find_envoy
from nlapi.gateway.store.store import open_store
from tests.scale.postgres_server import PASSWORD, postgres_server

ROOT = Path(__file__).resolve().parents[1]
NODE_IP = "127.0.0.2"
"""the address of both nodes, as Ray replaces 127.0.0.1 by one that others reach"""
CLIENTS, PACE_S = 8, 0.06
PATIENCE_S = 120.0
STAGES = """
import os, time
def predict(value):
    if value.get("seconds"):
        time.sleep(value["seconds"])
    return {"version": "%s", "pid": os.getpid()}
"""
BAD = {
    "exits": "import os\ndef predict(value):\n    os._exit(3)\n",
    "crashes": "import ctypes\ndef predict(value):\n    ctypes.string_at(0)\n",
    "hangs": "def predict(value):\n    while True:\n        pass\n",
}


@dataclass(slots=True)
class Load:
    """Clients that ask one objective without a pause of more than PACE_S; what they got is counted."""

    url: str
    token: str
    objective: str = "greet"
    clients: int = CLIENTS
    pace_s: float = PACE_S
    value: Mapping[str, Any] = field(default_factory=dict)
    answers: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    _tasks: list[asyncio.Task[None]] = field(default_factory=list)

    async def __aenter__(self) -> Load:
        self._tasks = [asyncio.create_task(self._ask()) for _ in range(self.clients)]
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _ask(self) -> None:
        async with AsyncClient(self.url, self.token) as client:
            while True:
                try:
                    answer = await client.serve(self.objective, {"x": 1, **self.value})
                except Exception as error:  # whatever it is, the caller has no answer
                    self.failures[f"{type(error).__name__}: {error}"[:200]] += 1
                else:
                    self.answers[answer.output["version"]] += 1
                await asyncio.sleep(self.pace_s)


class Stage:
    """All processes of a run. Everything that it starts, it ends."""

    def __init__(self, folder: Path, ray_python: Path, database: str) -> None:
        self.folder = folder
        self.python = ray_python
        self.database = database
        self.ray_port, self.dashboard, self.redis_port = free_port(), free_port(), free_port()
        self.ports = (free_port(), free_port())
        self.control_port, self.envoy_port = free_port(), free_port()
        self.environment = {
            **os.environ,
            "RAY_SERVE_ENABLE_DIRECT_INGRESS": "1",
            "RAY_SERVE_COLLECT_AUTOSCALING_METRICS_ON_HANDLE": "0",
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": os.urandom(32).hex(),
            "RAY_USAGE_STATS_ENABLED": "0",
            "RAY_REDIS_ADDRESS": f"127.0.0.1:{self.redis_port}",
            "RAY_gcs_rpc_server_reconnect_timeout_s": "600",
            "NLAPI_DATA_DIR": str(folder / "data"),
            "DATABASE_PASSWORD": PASSWORD,
        }
        self.tokens: dict[str, str] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._commands: dict[str, list[str]] = {}

    def start(self, name: str, command: Sequence[str | Path]) -> None:
        """Start a process whose output goes to a file of its name."""
        self._commands[name] = [str(word) for word in command]
        with (self.folder / f"{name}.log").open("ab") as log:
            self._processes[name] = subprocess.Popen(
                self._commands[name], cwd=ROOT, env=self.environment, stdout=log, stderr=log
            )

    def run(self, command: Sequence[str | Path]) -> None:
        """Run a command to its end. It may leave processes behind."""
        with (self.folder / "ray.log").open("ab") as log:
            subprocess.run(command, cwd=ROOT, env=self.environment, stdout=log, stderr=log, check=True)

    def restart(self, name: str) -> None:
        self.start(name, self._commands[name])

    def process_id(self, name: str) -> int:
        return self._processes[name].pid

    def kill(self, name: str) -> None:
        self._processes[name].kill()
        self._processes[name].wait()

    def start_ray(self) -> None:
        """Start the two nodes. Their sockets are in a short path, as that of a socket may have 107 bytes."""
        self.start("redis", ["redis-server", "--port", str(self.redis_port), "--bind", "127.0.0.1", "--save", ""])
        wait_port(self.redis_port)
        ray = self.python.with_name("ray")
        common = ["--num-cpus", "4", "--object-store-memory", "100000000", "--node-ip-address", NODE_IP]
        head = ["--head", "--port", str(self.ray_port), "--dashboard-host", "127.0.0.1"]
        head += ["--dashboard-port", str(self.dashboard), "--temp-dir", str(self.folder / "r")]
        self.run([ray, "start", *head, *common, "--node-name", "one"])
        wait_port(self.dashboard)
        address = ["--address", f"{NODE_IP}:{self.ray_port}"]
        self.run([ray, "start", *address, *common, "--node-name", "two"])

    def start_reconciler(self, *options: str) -> None:
        """Start `nlapi gateway ray` for both gateways."""
        gateways = [word for port in self.ports for word in ("--gateway", f"http://127.0.0.1:{port}")]
        ray = ["--ray", f"http://127.0.0.1:{self.dashboard}", "--listen", NODE_IP, "--proxy-port", str(free_port())]
        token = ["--token", f"file:{self.folder}/host.token"]
        command = [
            self.python,
            "-m",
            "nlapi",
            "gateway",
            "ray",
            "--shard",
            "ranking",
            *gateways,
            *token,
            *ray,
            *options,
        ]
        self.start("reconciler", command)

    def start_planes(self) -> None:
        """Start Envoy and the control planes that configure it; the first listens for it, the second stands by."""
        bootstrap = self.folder / "envoy.json"
        common = ["--database", self.database, "--database-password", "env:DATABASE_PASSWORD"]
        common += ["--models", str(self.folder / "models"), "--config", str(self.folder / "gateway.json")]
        common += ["--envoy-port", str(self.envoy_port)]
        for number, port in enumerate(self.ports):
            control = self.control_port if number == 0 else free_port()
            options = ["--port", str(port), "--control-port", str(control)]
            options += ["--data-plane-url", f"http://127.0.0.1:{self.envoy_port}"]
            options += ["--artifacts", str(self.folder / f"artifacts-{number}")]
            options += ["--bootstrap", str(bootstrap)] if number == 0 else []
            self.start(
                f"plane-{number}", [sys.executable, "-m", "nlapi", "gateway", "control-plane", *common, *options]
            )
            wait_port(port)
        self.start("envoy", [find_envoy(None), "-c", bootstrap, "--concurrency", "1", "--use-dynamic-base-id"])
        wait_port(self.envoy_port)

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None, plane: int = 0) -> Any:
        """Ask a gateway as its admin. RuntimeError unless it agrees."""
        url, headers = (
            f"http://127.0.0.1:{self.ports[plane]}{path}",
            {"Authorization": f"Bearer {self.tokens['admin']}"},
        )
        response = httpx2.request(method, url, json=body, headers=headers, timeout=PATIENCE_S)
        if response.status_code >= 300:
            raise RuntimeError(f"{method} {path}: {response.status_code} {response.text[:500]}")
        return response.json()

    def endpoints(self, version: str) -> list[str]:
        """The addresses of the replicas of a version, as the first gateway has them."""
        digest = self.call("GET", f"/v1/models/echo/versions/{version}")["digest"]
        hosts = self.call("GET", "/v1/hosts")["data"]
        return [
            url for host in hosts for item in host["ready"] if item["digest"] == digest for url in item["endpoints"]
        ]

    def ray_processes(self, title: str) -> list[int]:
        """The ids of Ray's processes of this run with a title: those that name our folder, and their descendants."""
        parents, titles = {}, {}
        for path in Path("/proc").glob("[0-9]*"):
            with suppress(OSError, ValueError, IndexError):
                titles[int(path.name)] = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
        ours = {pid for pid, text in titles.items() if str(self.folder / "r") in text}
        return [
            pid
            for pid, text in titles.items()
            if title in text and not ours.isdisjoint((pid, *_ancestors(pid, parents)))
        ]

    def close(self) -> None:
        for process in reversed(self._processes.values()):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(20)
                except subprocess.TimeoutExpired:
                    process.kill()
        for pid in self.ray_processes(""):
            if pid != os.getpid():
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


def _ancestors(pid: int, parents: Mapping[int, int]) -> Iterator[int]:
    while pid := parents.get(pid, 0):
        yield pid


def wait_port(port: int) -> None:
    """Wait until something listens on a port of loopback."""
    wait(lambda: _is_open(port), f"nothing listens on {port}")


def _is_open(port: int) -> bool:
    import socket

    with socket.socket() as attempt:
        return attempt.connect_ex(("127.0.0.1", port)) == 0


def wait(condition: Callable[[], object], problem: str, seconds: float = PATIENCE_S) -> None:
    """Wait for a condition. RuntimeError when it does not hold in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(problem)
        time.sleep(0.2)


def write_version(folder: Path, name: str, stages: str) -> None:
    version = folder / "models" / name
    version.mkdir(parents=True)
    (version / "model.toml").write_text('[run]\nmode = "thread"\n')
    (version / "stages.py").write_text(stages)


def prepare(stage: Stage) -> None:
    """Write versions, the configuration and the tokens."""
    for name in ("v1", "v2", "v3"):
        write_version(stage.folder, name, STAGES % name)
    for name, stages in BAD.items():
        write_version(stage.folder, name, stages)
    document = (
        '{"objectives": [{"name": "greet", "model": "echo", "version": "v1", "timeout_ms": 5000, "idempotent": true}],'
        ' "models": [{"name": "echo"}], "shards": [{"name": "local"}, {"name": "ranking", "protocol": "ray"}],'
        ' "versions": [{"model": "echo", "version": "v1", "source": "v1"}]}'
    )
    (stage.folder / "gateway.json").write_text(document)
    store = open_store(stage.database, password="env:DATABASE_PASSWORD", environment=stage.environment)
    access = Access(store)
    stage.tokens = {
        "admin": access.create_token("admin", Audience.ADMIN, role=Role.ADMIN)[1],
        "web": access.create_token("web", Audience.SERVE)[1],
    }
    (stage.folder / "host.token").write_text(access.create_token("ray", Audience.HOST)[1])
    store.close()


async def phase(name: str, load: Load, work: Callable[[], None], after_s: float = 3.0) -> None:
    """Do something in a thread while clients ask, and print what failed meanwhile."""
    asked, failed, start = sum(load.answers.values()), sum(load.failures.values()), time.monotonic()
    await asyncio.to_thread(work)
    await asyncio.sleep(after_s)
    answered, lost = sum(load.answers.values()) - asked, sum(load.failures.values()) - failed
    print(f"| {name} | {time.monotonic() - start:.0f} | {answered + lost:,} | {lost} |", flush=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """What is done to the stage while clients ask. Each method takes as long as the fault does."""

    stage: Stage
    postgres: Any
    seconds: float

    def kill_ray(self, title: str) -> None:
        os.kill(self.stage.ray_processes(title)[0], signal.SIGKILL)
        time.sleep(10)

    def move(self, version: str) -> None:
        body = {"version": version, "source": version, "shard": "ranking"}
        self.stage.call("POST", "/v1/models/echo/versions", body)
        self.stage.call("PATCH", "/v1/objectives/greet", {"version": version})

    def gcs_away(self) -> None:
        (pid,) = self.stage.ray_processes("gcs_server ")
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
        entries = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        environment = dict(entry.partition(b"=")[::2] for entry in entries if entry)
        os.kill(pid, signal.SIGKILL)
        time.sleep(self.seconds)
        with (self.stage.folder / "gcs.log").open("ab") as log:
            subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def planes_away(self) -> None:
        for number in (0, 1):
            self.stage.kill(f"plane-{number}")
        time.sleep(self.seconds)
        self.planes_back()

    def planes_back(self) -> None:
        for number, port in enumerate(self.stage.ports):
            self.stage.restart(f"plane-{number}")
            wait_port(port)

    def all_but_ray_away(self) -> None:
        # The control planes come back while nobody says where the replicas are; Envoy waits 15 s for endpoints.
        for name in ("reconciler", "plane-0", "plane-1"):
            self.stage.kill(name)
        self.planes_back()
        time.sleep(30)
        self.stage.restart("reconciler")

    def postgres_away(self) -> None:
        self.postgres.kill()
        time.sleep(10)
        self.postgres.start()


async def run(stage: Stage, postgres: Any, seconds: float) -> bool:
    url = f"http://127.0.0.1:{stage.ports[0]}"
    faults = Faults(stage=stage, postgres=postgres, seconds=seconds)
    print("| while clients ask | s | requests | failed |\n|---|---|---|---|", flush=True)
    async with Load(url, stage.tokens["web"]) as load:
        await phase("nothing happens", load, lambda: time.sleep(10))
        await phase("a replica is killed", load, partial(faults.kill_ray, "ray::ServeReplica"))
        await phase("a new version, and requests go to it", load, partial(faults.move, "v2"))
        await phase("Ray's controller is killed", load, partial(faults.kill_ray, "ray::ServeController"))
        await phase(f"Ray's GCS is away for {seconds:.0f} s", load, faults.gcs_away)
        await phase(f"both control planes are away for {seconds:.0f} s", load, faults.planes_away, 10)
        await phase("they come back without the reconciler, for 30 s", load, faults.all_but_ray_away, 10)
        await phase("PostgreSQL is killed, and away for 10 s", load, faults.postgres_away)
        await phase("a replica is killed after all that", load, partial(faults.kill_ray, "ray::ServeReplica"))
        await phase("a new version after all that", load, partial(faults.move, "v3"))
        for name in BAD:
            await phase(f"a neighbour that {name}", load, partial(call_bad, stage, name), 15)
    total, failed = sum(load.answers.values()) + sum(load.failures.values()), sum(load.failures.values())
    print(f"\nin all {failed} of {total:,} failed; answers by version: {dict(load.answers)}")
    for text, count in load.failures.most_common(5):
        print(f"  {count} x {text}")
    return failed == 0


def call_bad(stage: Stage, name: str) -> None:
    """Register a version that does harm when it is called, and call it."""
    stage.call("POST", "/v1/models/echo/versions", {"version": name, "source": name, "shard": "ranking"})
    objective = {"name": f"bad-{name}", "model": "echo", "version": name, "timeout_ms": 1000}
    stage.call("POST", "/v1/objectives", objective)
    headers = {"Authorization": f"Bearer {stage.tokens['web']}"}
    for _ in range(3):
        with suppress(httpx2.HTTPError):
            path = f"http://127.0.0.1:{stage.ports[0]}/v1/objectives/bad-{name}/serve"
            httpx2.post(path, json={"input": {}}, headers=headers, timeout=10)


async def scale(stage: Stage) -> bool:
    """Load makes Ray start replicas up to four, and their end is waited for."""
    url = f"http://127.0.0.1:{stage.ports[0]}"
    version = stage.call("GET", "/v1/objectives/greet")["version"]
    stage.kill("reconciler")
    stage.start_reconciler("--replicas", "1-4", "--calls", "2", "--cpus", "0.25")
    await asyncio.to_thread(wait, lambda: len(stage.endpoints(version)) == 1, "not one replica")
    start = time.monotonic()
    async with Load(url, stage.tokens["web"], clients=12, pace_s=0, value={"seconds": 0.2}) as load:
        await asyncio.to_thread(wait, lambda: len(stage.endpoints(version)) == 4, "Ray did not start four replicas")
        up_s = time.monotonic() - start
        await asyncio.sleep(5)
    start = time.monotonic()
    async with Load(url, stage.tokens["web"], clients=1, pace_s=0.2) as calm:
        await asyncio.to_thread(wait, lambda: len(stage.endpoints(version)) == 1, "Ray did not end replicas", 400)
        down_s = time.monotonic() - start
        await asyncio.sleep(40)  # a replica drains for 30 s
    failed = sum(load.failures.values()) + sum(calm.failures.values())
    total = failed + sum(load.answers.values()) + sum(calm.answers.values())
    print(
        f"\nautoscaling: four replicas after {up_s:.0f} s of load, one {down_s:.0f} s after it; "
        f"{failed} of {total:,} failed"
    )
    for text, count in (load.failures + calm.failures).most_common(5):
        print(f"  {count} x {text}")
    return failed == 0


async def cost(stage: Stage, count: int = 4000) -> None:
    """Print the CPU us of a call of 1 KB: of Envoy, of the gateway before Ray, and of the replicas."""
    value = {"numbers": [0.123456] * 100}
    replicas = stage.ray_processes("ray::ServeReplica")
    plane, envoy = stage.process_id("plane-0"), stage.process_id("envoy")
    url, headers = f"http://127.0.0.1:{stage.ports[0]}", {"Authorization": f"Bearer {stage.tokens['web']}"}

    async def measure(pids: Sequence[int], ask: Callable[[], Awaitable[object]]) -> list[float]:
        async def some(number: int) -> None:
            for _ in range(number):
                await ask()

        await some(count // 20)
        before = [cpu_seconds(pid) for pid in pids]
        await asyncio.gather(*(some(count // CLIENTS) for _ in range(CLIENTS)))
        return [(cpu_seconds(pid) - start) / count * 1e6 for pid, start in zip(pids, before, strict=True)]

    async with AsyncClient(url, stage.tokens["web"]) as client, httpx2.AsyncClient(headers=headers) as plain:

        async def serve() -> None:
            answer = await plain.post(f"{url}/v1/objectives/greet/serve", json={"input": value})
            answer.raise_for_status()

        by_envoy = await measure([envoy, *replicas], lambda: client.serve("greet", value))
        by_gateway = await measure([plane, *replicas], serve)
    print(f"CPU us a call of 1 KB, {CLIENTS} clients, two replicas of stages that add a field")
    print("| way | before the replica | replica |\n|---|---|---|")
    for name, (first, *rest) in {"Envoy": by_envoy, "the gateway": by_gateway}.items():
        print(f"| by {name} | {first:.0f} | {sum(rest):.0f} |")


def find_python(given: str | None) -> Path:
    """Return a Python with Ray and nlapi: the one that is given, or that of .venvs/ray, which is made."""
    if given:
        return Path(given)
    python = ROOT / ".venvs" / "ray" / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", python.parents[1]], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--editable", f"{ROOT}[gateway,ray]"], check=True)
    return python


@contextmanager
def opened(python: Path) -> Iterator[tuple[Stage, Any]]:
    folder = Path(tempfile.mkdtemp(prefix="nr-", dir="/tmp"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        postgres = stack.enter_context(postgres_server())
        stage = Stage(folder, python, postgres.url)
        stack.callback(stage.close)
        prepare(stage)
        start = time.monotonic()
        stage.start_ray()
        stage.start_planes()
        stage.start_reconciler("--replicas", "2", "--cpus", "0.25")
        wait(lambda: stage.call("GET", "/v1/hosts")["data"], "the reconciler is not heard")
        stage.call("PATCH", "/v1/models/echo/versions/v1", {"shard": "ranking"})
        wait(lambda: len(stage.endpoints("v1")) == 2, "the replicas do not come")
        print(f"two nodes, two replicas after {time.monotonic() - start:.0f} s\n", flush=True)
        yield stage, postgres


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gateway_ray", description=__doc__)
    parser.add_argument("--python", help="a Python that has nlapi[gateway,ray]")
    parser.add_argument("--seconds", type=float, default=60, help="how long Ray's GCS and the control planes are away")
    parser.add_argument("--cost", action="store_true", help="measure the CPU of a call, and kill nothing")
    parser.add_argument("--scale", action="store_true", help="only let load start replicas, and kill nothing")
    options = parser.parse_args(arguments)
    if shutil.which("redis-server") is None:
        print("left out: redis-server is not installed")
        return 0
    with opened(find_python(options.python)) as (stage, postgres):
        if options.cost:
            asyncio.run(cost(stage))
            return 0
        is_held = options.scale or asyncio.run(run(stage, postgres, options.seconds))
        return 0 if asyncio.run(scale(stage)) and is_held else 1


if __name__ == "__main__":
    sys.exit(main())
