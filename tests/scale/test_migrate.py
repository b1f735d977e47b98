"""`nlapi gateway migrate` into a real PostgreSQL: killed in its midst, run again, and served from."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from nlapi.gateway.store.store import GatewayStore, open_store
from tests.gateway.kit import gateway
from tests.gateway.processes import NLAPI, ROOT
from tests.scale.control_planes import ENVIRONMENT, SERVE, VARIABLE, SharedGateway, control_plane
from tests.scale.postgres_server import PASSWORD, PostgresServer, postgres_server

INPUT = {"input": {}, "context": {"user": "u1"}}


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as running:
        yield running


def migrate_command(file: Path, url: str) -> list[str]:
    words = ["--database", str(file), "--to", url, "--to-password", f"env:{VARIABLE}"]
    return [*NLAPI, "gateway", "migrate", *words]


def migrate(file: Path, url: str) -> subprocess.CompletedProcess[str]:
    command = migrate_command(file, url)
    return subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)


def test_a_gateway_moves_from_its_file_to_postgres(server: PostgresServer, tmp_path: Path) -> None:
    url = server.database("migrated")
    with gateway(tmp_path) as talk:
        talk.ok("PATCH", "/v1/objectives/continue-watching", {"timeout_ms": 900}, why="slower")
        talk.as_("web").ok("POST", f"{SERVE}/serve", INPUT)
        talk.ok("GET", "/v1/decisions")
        assert talk.app is not None
        file = Path(talk.app.store.path)
    with closing(GatewayStore(file)) as served:
        served.database.claim()
        refused = migrate(file, url)
        assert refused.returncode == 1
        assert "another gateway serves from" in refused.stderr
    nowhere = migrate(tmp_path / "nothing.db", url)
    assert (nowhere.returncode, (tmp_path / "nothing.db").exists()) == (2, False)
    shared = SharedGateway(url, tmp_path, talk.tokens["admin"], talk.tokens["web"])
    _kill_in_its_midst(server, file, url)
    assert server.execute("SELECT count(*) FROM revisions", database="migrated") == [(0,)]
    contents = server.execute("SELECT count(*) FROM artifacts", database="migrated")
    assert contents[0][0] > 0
    first = migrate(file, url)
    assert first.stdout.startswith("copied: 2 revisions, "), first.stderr
    assert first.stdout.endswith("; 0 contents of versions sent\n")  # those of the one that was killed
    assert migrate(file, url).stdout.startswith("unchanged: 2 revisions, ")
    assert server.execute("SELECT count(*) FROM artifacts", database="migrated") == contents
    # Nothing but the database: the tokens, the content and the numbers go on.
    with control_plane(shared, "a", models=tmp_path / "none") as a:
        a.web.ok("POST", f"{SERVE}/serve", INPUT)
        assert a.admin.ok("PATCH", "/v1/objectives/continue-watching", {"timeout_ms": 800})
        assert a.admin.ok("GET", "/v1/revisions")["data"][0]["revision"] == 3
    assert migrate(file, url).stdout.startswith("unchanged: 2 revisions, ")
    assert server.execute("SELECT max(number) FROM revisions", database="migrated") == [(3,)]


def test_a_database_of_other_gateways_is_refused(server: PostgresServer, tmp_path: Path) -> None:
    url = server.database("taken")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        with gateway(tmp_path / name) as talk:
            assert talk.app is not None
            file = Path(talk.app.store.path)
        done = migrate(file, url)
    assert done.returncode == 1
    assert "holds what" in done.stderr
    assert PASSWORD not in done.stderr + done.stdout
    assert server.execute("SELECT count(*) FROM revisions", database="taken") == [(1,)]


def _kill_in_its_midst(server: PostgresServer, file: Path, url: str) -> None:
    """SIGKILL of the command while it waits for a table, all contents and some rows of which are written."""
    open_store(url, password=f"env:{VARIABLE}", environment=ENVIRONMENT).close()
    with psycopg.connect(url, password=PASSWORD) as other:
        other.execute("LOCK TABLE tokens IN ACCESS EXCLUSIVE MODE")
        with subprocess.Popen(migrate_command(file, url), cwd=ROOT, env=ENVIRONMENT) as process:
            end = time.monotonic() + 60
            waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
            while server.execute(waiting, database="migrated") == [(0,)]:
                assert time.monotonic() < end, "it did not come to the locked table"
                assert process.poll() is None
                time.sleep(0.02)
            process.kill()
