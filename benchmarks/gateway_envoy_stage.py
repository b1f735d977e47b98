"""An Envoy with its control plane and upstreams, or with a whole gateway, and clients that ask during a fault."""

from __future__ import annotations

import json
import subprocess
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.gateway_envoy_planes import NLAPI, PlaneThread, configuration, post, upstream_command
from benchmarks.load import Connection, Run, server
from benchmarks.ports import free_port
from nlapi.gateway.control.access import Access, Audience, Role
from nlapi.gateway.control.codec import encode_configuration
from nlapi.gateway.store.store import open_store
from nlapi.routing.model import Configuration, VersionRef

CLIENTS = 4
PASSWORD_VARIABLE = "NLAPI_BENCHMARK_DATABASE_PASSWORD"
V1, V2 = VersionRef(model="objective-0", version="v0"), VersionRef(model="objective-0", version="v1")


@dataclass(slots=True)
class Load:
    """Clients that ask until the block ends. Each failure is a status other than 200, or a broken connection."""

    port: int
    sent: bytes
    clients: int = CLIENTS
    pause_s: float = 0.0
    run: Run = field(default_factory=Run)
    failures: Counter[str] = field(default_factory=Counter)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Load:
        self._threads = [threading.Thread(target=self._ask) for _ in range(self.clients)]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def wait(self, seconds: float) -> None:
        self._stopping.wait(seconds)

    def _ask(self) -> None:
        connection: Connection | None = None
        while not self._stopping.is_set():
            before = time.perf_counter()
            try:
                connection = connection or Connection(self.port)
                status, _ = connection.send(self.sent)
            except ConnectionRefusedError:
                return
            except (OSError, ValueError) as error:
                self.failures[type(error).__name__] += 1
                connection = None
                continue
            self.run.latencies.append((time.perf_counter() - before) * 1000)
            if connection.is_closing:
                connection.close()
                connection = None
            if status != 200:
                self.failures[str(status)] += 1
            if self.pause_s:
                self._stopping.wait(self.pause_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a fault came to: requests, those that failed, and what else is to be said."""

    requests: int
    failed: int
    most: int = 0
    note: str = ""
    is_held: bool = True


class Stage:
    """An Envoy with its control plane, and two upstreams in processes of their own."""

    def __init__(self, stack: ExitStack, program: Path, folder: Path) -> None:
        self.stack, self.program, self.folder = stack, program, folder
        self.upstreams = [free_port(), free_port()]
        self.pids = [self.start_upstream(port) for port in self.upstreams]
        self.plane = PlaneThread(program, folder, self.basic())
        stack.callback(self.plane.stop)

    def start_upstream(self, port: int) -> int:
        return self.stack.enter_context(server(upstream_command(port), port))

    def basic(self, *endpoints: str) -> Configuration:
        """Ten routes of one objective on a shard with both upstreams, or on the given ones."""
        made = configuration(10, "")
        urls = endpoints or tuple(f"http://127.0.0.1:{port}" for port in self.upstreams)
        return replace(made, shards={"json": replace(made.shards["json"], endpoints=urls)})

    def request(self, version: VersionRef = V1, body: bytes = b"{}", client: str = "web") -> bytes:
        key = self.plane.key("objective-0", version, client)
        return post("/v1/objectives/objective-0/infer", body, {"X-Routing-Key": key})

    def load(self, sent: bytes | None = None, **options: Any) -> Load:
        return Load(self.plane.options.port, sent or self.request(), **options)

    def reset(self) -> None:
        """The configuration at the start, with both upstreams in use: one that was killed is ejected for a while."""
        self.plane.publish(self.basic())
        end = time.monotonic() + 60
        while self._healthy_upstreams() < len(self.upstreams):
            if time.monotonic() > end:
                raise RuntimeError("an upstream stays ejected")
            time.sleep(0.1)

    def _healthy_upstreams(self) -> int:
        text = str(self.plane.run(self.plane.process.admin("/clusters")))
        return sum(
            line.startswith("objective-0/json::") and line.endswith("::health_flags::healthy")
            for line in text.splitlines()
        )


def load_outcome(load: Load, **more: Any) -> Outcome:
    """What the requests of a load came to."""
    failed = sum(load.failures.values())
    note = "; ".join([*([str(dict(load.failures))] if failed else []), more.pop("note", "")]).strip("; ")
    return Outcome(requests=len(load.run.latencies) + failed, failed=failed, note=note, **more)


class GatewayProcess:
    """A gateway process with ports of its own, in a SQLite database or in the one at `database`."""

    def __init__(
        self,
        stage: Stage,
        command: str,
        *options: str,
        database: str = "",
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = Path(tempfile.mkdtemp(dir=stage.folder))
        self.program = stage.program
        self.port, self.envoy_port, self.control_port = free_port(), free_port(), free_port()
        file = self.folder / "gateway.json"
        document = encode_configuration(replace(stage.basic(), rules={}, clients={}))
        file.write_text(json.dumps(document))
        self.environment = environment
        self.database = database or str(self.folder / "gateway.db")
        password = f"env:{PASSWORD_VARIABLE}" if database else ""
        store = open_store(self.database, password=password, environment=environment or {})
        access = Access(store)
        self.admin = access.create_token("ana", Audience.ADMIN, role=Role.ADMIN)[1]
        self.web = access.create_token("web", Audience.SERVE)[1]
        store.close()
        self._bootstrap = self.folder / "envoy.json"
        extra = ["--control-port", str(self.control_port), "--bootstrap", str(self._bootstrap)]
        self._command = [
            *NLAPI, "gateway", command, "--config", str(file), "--database", self.database,
            "--port", str(self.port), "--envoy-port", str(self.envoy_port), *options,
            *(extra if command == "control-plane" else []),
            *(["--database-password", f"env:{PASSWORD_VARIABLE}"] if database else []),
        ]  # fmt: skip

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[str]]:
        with subprocess.Popen(
            self._command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=self.environment
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("http"), "the gateway did not start"
            try:
                yield process
            finally:
                process.terminate()
                process.wait(60)

    @contextmanager
    def envoy(self) -> Iterator[None]:
        options = ["--config-path", str(self._bootstrap), "--disable-hot-restart", "--concurrency", "1"]
        with server([str(self.program), *options], self.envoy_port):
            self.until_connected()
            yield

    def until_connected(self) -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            with suppress(OSError, ValueError):
                if self.call("GET", "/v1/data-plane", self.admin)[1]["envoys"]:
                    return
            time.sleep(0.02)
        raise RuntimeError("Envoy did not connect")

    def request(self) -> bytes:
        key = self.call("POST", "/v1/objectives/objective-0/resolve", self.web, {"context": {}})[1]["routing_key"]
        return post("/v1/objectives/objective-0/infer", b"{}", {"X-Routing-Key": key})

    def publish(self, timeout_ms: int) -> int:
        """Change the time-out of the objective; the status of the answer."""
        return self.call("PATCH", "/v1/objectives/objective-0", self.admin, {"timeout_ms": timeout_ms})[0]

    def revision(self) -> int:
        """The revision that the gateway serves."""
        return int(self.call("GET", "/v1/data-plane", self.admin)[1]["revision"])

    def call(self, method: str, path: str, token: str, body: Any = None) -> tuple[int, Any]:
        """Status and body of the gateway's API."""
        import http.client

        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        answer = json.loads(response.read())
        connection.close()
        return response.status, answer
