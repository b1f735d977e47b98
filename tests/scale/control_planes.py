"""Gateways as `nlapi gateway serve` starts them, several on one PostgreSQL, and the load that they serve meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

from nlapi.gateway.control.access import Access, Audience, Role
from nlapi.gateway.store.store import open_store
from tests.gateway.kit import Talk, document, write_models
from tests.gateway.processes import NLAPI, ROOT
from tests.scale.postgres_server import PASSWORD

VARIABLE = "NLAPI_TEST_DATABASE_PASSWORD"
ENVIRONMENT = {**os.environ, VARIABLE: PASSWORD}
PATIENCE_S = 60.0
SERVE = "/v1/objectives/continue-watching"


@dataclass
class SharedGateway:
    """A database with a first configuration in a folder, the tokens of an admin and of the client web."""

    url: str
    folder: Path
    admin: str
    web: str


def shared_gateway(url: str, folder: Path) -> SharedGateway:
    """Write models and a configuration, and make the tokens."""
    write_models(folder / "models")
    (folder / "configuration.json").write_text(json.dumps(document()))
    store = open_store(url, password=f"env:{VARIABLE}", environment=ENVIRONMENT)
    access = Access(store)
    admin = access.create_token("ana", Audience.ADMIN, role=Role.ADMIN)[1]
    web = access.create_token("web", Audience.SERVE)[1]
    store.close()
    return SharedGateway(url, folder, admin, web)


@dataclass
class ControlPlane:
    """One gateway process: `admin` and `web` speak to it."""

    process: subprocess.Popen[str]
    admin: Talk
    web: Talk
    log: Path

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def serve_command(shared: SharedGateway, *options: str, models: Path | None = None) -> list[str]:
    words = ["--database", shared.url, "--database-password", f"env:{VARIABLE}", "--port", "0"]
    words += [
        "--config",
        str(shared.folder / "configuration.json"),
        "--models",
        str(models or shared.folder / "models"),
    ]
    return [*NLAPI, "gateway", "serve", *words, *options]


@contextmanager
def control_plane(
    shared: SharedGateway,
    name: str = "a",
    *options: str,
    models: Path | None = None,
    environment: Mapping[str, str] = ENVIRONMENT,
) -> Iterator[ControlPlane]:
    """A gateway that is ready, until the block ends."""
    log = shared.folder / f"{name}.log"
    command = serve_command(shared, *options, models=models)
    with (
        log.open("ab") as stderr,
        subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment
        ) as process,
    ):
        assert process.stdout is not None
        try:
            url = process.stdout.readline().strip()
            assert url, log.read_text()
            port = int(url.rpartition(":")[2])
            yield ControlPlane(process, Talk(port, shared.admin), Talk(port, shared.web), log)
        finally:
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(PATIENCE_S)
                except subprocess.TimeoutExpired:
                    process.kill()


def eventually(what: Callable[[], object], patience_s: float = PATIENCE_S) -> float:
    """Wait until it is true; return the seconds that it took."""
    begun = time.monotonic()
    while not what():
        assert time.monotonic() - begun < patience_s, "it did not come true"
        time.sleep(0.01)
    return time.monotonic() - begun


def served_version(plane: ControlPlane) -> str:
    decision = plane.web.ok("POST", f"{SERVE}/serve", {"input": {}})["decision"]
    return str(decision["version"])


def publish(plane: ControlPlane, version: str, **more: Any) -> Any:
    return plane.admin("PATCH", SERVE, {"model": "ranker", "version": version}, **more)


@dataclass
class Load:
    """Requests to one gateway, one after the other, and how they ended."""

    plane: ControlPlane
    statuses: Counter[int] = field(default_factory=Counter)
    ends: list[str] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        headers = {"Authorization": f"Bearer {self.plane.web.token}", "Content-Type": "application/json"}
        connection = HTTPConnection("127.0.0.1", self.plane.web.port, timeout=30)
        try:
            while not self._stopping.is_set():
                connection.request("POST", f"{SERVE}/serve", b'{"input": {}}', headers)
                response = connection.getresponse()
                response.read()
                self.statuses[response.status] += 1
        except (OSError, HTTPException) as error:
            self.ends.append(repr(error))
        finally:
            connection.close()


@contextmanager
def load(plane: ControlPlane) -> Iterator[Load]:
    """Ask a gateway all the time while the block lasts."""
    running = Load(plane)
    thread = threading.Thread(target=running.run)
    thread.start()
    try:
        eventually(lambda: running.statuses.total() > 10 or running.ends)
        yield running
    finally:
        running._stopping.set()
        thread.join()
