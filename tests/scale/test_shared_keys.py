"""One set of routing keys for all gateways on one PostgreSQL, each on a machine with a data folder of its own."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.gateway.processes import NLAPI
from tests.scale.control_planes import (
    ENVIRONMENT,
    SERVE,
    VARIABLE,
    ControlPlane,
    SharedGateway,
    control_plane,
    eventually,
    serve_command,
    shared_gateway,
)
from tests.scale.postgres_server import PostgresServer, postgres_server

NUMBERS = iter(range(1, 1000))
FILE = "gateway.db-routing-keys.json"
TIMEOUT_S = 90


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as running:
        yield running


@pytest.fixture
def shared(server: PostgresServer, tmp_path: Path) -> SharedGateway:
    return shared_gateway(server.database(f"keys{next(NUMBERS)}"), tmp_path)


def machine(shared: SharedGateway, name: str) -> dict[str, str]:
    """The environment of a machine with folders of its own."""
    folder = shared.folder / name
    folder.mkdir(exist_ok=True)
    return {**ENVIRONMENT, "NLAPI_DATA_DIR": str(folder)}


def keys_of(shared: SharedGateway, name: str) -> Path:
    return shared.folder / name / FILE


def refused(shared: SharedGateway, environment: Mapping[str, str], *options: str) -> str:
    """What a gateway says that does not start."""
    command = serve_command(shared, *options)
    ended = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=TIMEOUT_S)
    assert ended.returncode == 2, ended.stderr
    assert ended.stdout == ""
    return " ".join(ended.stderr.split())


def keys_command(
    shared: SharedGateway, environment: Mapping[str, str], *words: str
) -> subprocess.CompletedProcess[str]:
    database = ["--database", shared.url, "--database-password", f"env:{VARIABLE}"]
    command = [*NLAPI, "gateway", "keys", *words, *database]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=TIMEOUT_S)


def resolve(plane: ControlPlane) -> str:
    return str(plane.web.ok("POST", f"{SERVE}/resolve", {"context": {}})["routing_key"])


def serve_with(plane: ControlPlane, key: str) -> int:
    return int(plane.web("POST", f"{SERVE}/serve", {"input": {}}, headers={"X-Routing-Key": key}).status)


def issues(plane: ControlPlane) -> list[Any]:
    return [issue for issue in plane.admin.ok("GET", "/v1/issues")["issues"] if issue["where"] == "routing_keys"]


def test_a_second_machine_is_refused_until_it_has_the_keys_of_the_first(shared: SharedGateway) -> None:
    first, second = machine(shared, "first"), machine(shared, "second")
    with control_plane(shared, "a", environment=first) as a:
        said = refused(shared, second)
        assert "has routing keys" in said
        assert "nlapi gateway keys create" in said
        assert not keys_of(shared, "second").exists()
        shutil.copy(keys_of(shared, "first"), keys_of(shared, "second"))
        with control_plane(shared, "b", environment=second) as b:
            assert serve_with(b, resolve(a)) == 200
            assert serve_with(a, resolve(b)) == 200
            assert issues(a) == issues(b) == []


def test_a_machine_with_keys_of_its_own_is_refused_and_keeps_them(shared: SharedGateway) -> None:
    first, second = machine(shared, "first"), machine(shared, "second")
    own = shared.folder / "own.json"
    command = [*NLAPI, "gateway", "keys", "create", "--routing-keys", f"file:{own}", "--database", str(own) + ".db"]
    assert subprocess.run(command, env=second, timeout=TIMEOUT_S).returncode == 0
    before = own.read_bytes()
    with control_plane(shared, "a", environment=first):
        said = refused(shared, second, "--routing-keys", f"file:{own}")
        assert f"the routing keys in file:{own}" in said
        assert "are not those of the database" in said
        assert "SECRET" not in said
    assert own.read_bytes() == before
    # Keys of a variable are compared in the same way.
    in_variable = {**second, "OWN_KEYS": before.decode()}
    assert "are not those of the database" in refused(shared, in_variable, "--routing-keys", "env:OWN_KEYS")


def test_of_two_first_starts_at_once_one_gives_the_keys(shared: SharedGateway) -> None:
    environments = {name: machine(shared, name) for name in ("first", "second", "third")}
    command = serve_command(shared)

    def start(environment: Mapping[str, str]) -> tuple[subprocess.Popen[str], str]:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        )
        assert process.stdout is not None
        return process, process.stdout.readline()

    with ThreadPoolExecutor() as threads:
        started = list(threads.map(start, environments.values()))
    try:
        assert len([url for _, url in started if url]) == 1
        kept = [name for name in environments if keys_of(shared, name).exists()]
        assert len(kept) == 1
    finally:
        for process, _ in started:
            process.terminate()
            process.communicate(timeout=TIMEOUT_S)


def test_a_rotation_is_the_databases_and_a_stale_copy_is_refused(shared: SharedGateway) -> None:
    first, second = machine(shared, "first"), machine(shared, "second")
    with control_plane(shared, "a", environment=first) as a:
        shutil.copy(keys_of(shared, "first"), keys_of(shared, "second"))
        with control_plane(shared, "b", environment=second) as b:
            rotated = keys_command(shared, first, "rotate")
            assert rotated.returncode == 0, rotated.stderr
            eventually(lambda: issues(b))
            assert "other routing keys" in issues(b)[0]["message"]
            shutil.copy(keys_of(shared, "first"), keys_of(shared, "second"))
            eventually(lambda: not issues(b))
            assert issues(a) == []
    assert keys_command(shared, second, "rotate").returncode == 0
    assert "those of the database" in refused(shared, first)
    # A copy that is behind does not rotate either: there would be two lines of keys.
    behind = keys_command(shared, first, "rotate")
    assert behind.returncode == 2
    assert "those of the database" in " ".join(behind.stderr.split())


def test_a_leaked_key_is_replaced_at_once_and_the_gateway_goes_on(shared: SharedGateway) -> None:
    first = machine(shared, "first")
    with control_plane(shared, "a", environment=first) as a:
        leaked = resolve(a)
        assert keys_command(shared, first, "rotate", "--overlap", "0").returncode == 0
        eventually(lambda: serve_with(a, leaked) == 401)
        assert serve_with(a, resolve(a)) == 200
    with control_plane(shared, "a", environment=first) as a:
        assert issues(a) == []


def test_lost_keys_are_replaced_by_a_command_and_never_by_themselves(shared: SharedGateway) -> None:
    first, second = machine(shared, "first"), machine(shared, "second")
    with control_plane(shared, "a", environment=first):
        pass
    keys_of(shared, "first").unlink()
    assert "has routing keys" in refused(shared, first)
    assert keys_command(shared, second, "create").returncode == 2
    made = keys_command(shared, second, "create", "--replace")
    assert made.returncode == 0, made.stderr
    assert str(keys_of(shared, "second")) in made.stderr
    again = keys_command(shared, second, "create")
    assert again.returncode == 2
    assert "is there already" in again.stderr
    with control_plane(shared, "b", environment=second) as b:
        assert serve_with(b, resolve(b)) == 200
