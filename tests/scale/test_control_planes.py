"""Several gateways on one PostgreSQL: one configuration, one content of versions, one that takes a canary's steps."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from tests.gateway.kit import STAGES
from tests.gateway.processes import NLAPI
from tests.scale.control_planes import (
    ENVIRONMENT,
    SERVE,
    VARIABLE,
    ControlPlane,
    SharedGateway,
    control_plane,
    eventually,
    load,
    publish,
    served_version,
    shared_gateway,
)
from tests.scale.postgres_server import PASSWORD, PostgresServer, postgres_server

NUMBERS = iter(range(1, 1000))


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server() as running:
        yield running


@pytest.fixture
def shared(server: PostgresServer, tmp_path: Path) -> SharedGateway:
    return shared_gateway(server.database(f"gateway{next(NUMBERS)}"), tmp_path)


def test_both_serve_what_either_publishes_and_a_kill_of_either_fails_nothing(shared: SharedGateway) -> None:
    with control_plane(shared, "b") as b:
        with control_plane(shared, "a") as a, load(b) as served:
            for _ in range(3):
                for here, there, version in ((a, b, "v8"), (b, a, "v9")):
                    assert publish(here, version).status == 200
                    eventually(lambda there=there, version=version: served_version(there) == version)  # type: ignore[misc]
            a.kill()
            assert publish(b, "v7").status == 200
            assert served_version(b) == "v7"
        assert set(served.statuses) == {200}
        assert served.ends == []
        with control_plane(shared, "a") as a:
            assert served_version(a) == "v7"
            whole = a.admin.ok("GET", "/v1/configuration")
            assert whole == b.admin.ok("GET", "/v1/configuration")
            assert [row["detail"] for row in a.admin.ok("GET", "/v1/audit", limit=1)["data"]] == ["revision 8"]
            made = token_by_command_line(shared)
            assert a.admin.as_(made).ok("GET", "/v1/objectives")["page"]["total"] == 3
            token = a.admin.ok("POST", "/v1/tokens", {"name": "ben", "audience": "admin"})["token"]
            assert b.admin.as_(token).ok("GET", "/v1/objectives")["page"]["total"] == 3
            a.admin.ok("DELETE", "/v1/tokens/ben")
            eventually(lambda: b.admin.as_(token)("GET", "/v1/objectives").status == 401)
    assert PASSWORD not in b.log.read_text() + a.log.read_text()


def token_by_command_line(shared: SharedGateway) -> str:
    """A token that the command line makes."""
    file = shared.folder / "token"
    where = ["--database", shared.url, "--database-password", f"env:{VARIABLE}", "--token-file", str(file)]
    command = [*NLAPI, "gateway", "token", "by-hand", *where]
    finished = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    assert PASSWORD not in finished.stderr + finished.stdout
    return file.read_text().strip()


def test_of_two_publishes_for_one_revision_one_wins(shared: SharedGateway) -> None:
    with control_plane(shared, "a") as a, control_plane(shared, "b") as b, ThreadPoolExecutor(2) as pool:
        for number in range(1, 9):
            for plane in (a, b):
                eventually(lambda plane=plane, number=number: revision(plane) == number)  # type: ignore[misc]
            if_match = {"If-Match": f'"{number}"'}
            tasks = [
                pool.submit(plane.admin, "POST", "/v1/rules", rule(2 * number + i), headers=if_match)
                for i, plane in enumerate((a, b))
            ]
            assert sorted(task.result().status for task in tasks) == [201, 412]
        # Without a condition both are made, one after the other.
        tasks = [pool.submit(plane.admin, "POST", "/v1/rules", rule(100 + i)) for i, plane in enumerate((a, b) * 5)]
        assert {task.result().status for task in tasks} == {201}
        eventually(lambda: a.admin.ok("GET", "/v1/configuration") == b.admin.ok("GET", "/v1/configuration"))
        rules = {row["name"] for row in a.admin.ok("GET", "/v1/rules", limit=200)["data"]}
        assert {f"rule-{100 + i}" for i in range(10)} <= rules


def revision(plane: ControlPlane) -> int:
    return int(plane.admin.ok("GET", "/health")["revision"])


def rule(number: int) -> dict[str, object]:
    target = {"objective": "continue-watching", "model": "ranker", "version": "v7"}
    country = f"{chr(65 + number // 26 % 26)}{chr(65 + number % 26)}"
    return {"name": f"rule-{number}", "position": number, "when": {"country": [country]}, **target}


def test_the_content_of_a_version_reaches_a_gateway_that_has_no_source(shared: SharedGateway, tmp_path: Path) -> None:
    empty = tmp_path / "nothing"
    empty.mkdir()
    with control_plane(shared, "a") as a, control_plane(shared, "b", models=empty) as b:
        assert served_version(b) == "v7"
        source = shared.folder / "models" / "new"
        source.mkdir()
        (source / "model.toml").write_text("")
        (source / "stages.py").write_text(STAGES.format(name="v10"))
        (source / "weights.bin").write_bytes(b"w" * 3_000_000)
        (source / "empty.bin").write_bytes(b"")
        made = a.admin.ok("POST", "/v1/models/ranker/versions", {"version": "v10", "source": "new"})
        shutil.rmtree(source)
        assert publish(a, "v10").status == 200
        eventually(lambda: served_version(b) == "v10")
        output = b.web.ok("POST", f"{SERVE}/serve", {"input": {}})["output"]
        assert output["version"] == "v10"
        assert b.admin.ok("GET", "/v1/models/ranker/versions/v10")["digest"] == made["digest"]


def test_content_that_is_lost_or_damaged_is_not_served(
    shared: SharedGateway, server: PostgresServer, tmp_path: Path
) -> None:
    empty = tmp_path / "nothing"
    empty.mkdir()
    database = shared.url.rpartition("/")[2]
    with control_plane(shared, "a") as a:
        digests = {row["version"]: row["digest"] for row in a.admin.ok("GET", "/v1/models/ranker/versions")["data"]}
        damaged = "UPDATE artifact_chunks SET content = content || '#'::bytea WHERE digest = %s AND name = 'stages.py'"
        server.execute(damaged, digests["v7"], database=database)
        server.execute("DELETE FROM artifact_chunks WHERE digest = %s", digests["v8"], database=database)
        with control_plane(shared, "b", models=empty) as b:
            places = {issue["where"] for issue in b.admin.ok("GET", "/v1/issues")["issues"]}
            assert places == {"versions.ranker@v7", "versions.ranker@v8"}
            assert b.admin.ok("GET", "/health")["status"] == "degraded"
            assert b.web("POST", f"{SERVE}/serve", {"input": {}}).status == 503
            assert publish(a, "v9").status == 200
            eventually(lambda: b.web("POST", f"{SERVE}/serve", {"input": {}}).status == 200)
            assert served_version(b) == "v9"


def leads(plane: ControlPlane) -> bool:
    return b"nlapi_canary_leader 1" in plane.admin("GET", "/metrics").content


def test_another_gateway_takes_the_steps_of_a_canary_when_the_leader_dies(shared: SharedGateway) -> None:
    steps = [{"percent": percent, "bake_seconds": 1} for percent in (5, 10, 20, 40, 80, 100)]
    with control_plane(shared, "a") as a, control_plane(shared, "b") as b:
        eventually(lambda: leads(a) != leads(b))
        leader, other = (a, b) if leads(a) else (b, a)
        canary = {"objective": "continue-watching", "model": "ranker", "version": "v8", "percent": 1, "steps": steps}
        name = leader.admin.ok("POST", "/v1/canaries", canary)["name"]
        eventually(lambda: other.admin("GET", f"/v1/canaries/{name}").status == 200)
        eventually(lambda: other.admin.ok("GET", f"/v1/canaries/{name}")["percent"] >= 10)
        leader.kill()
        eventually(lambda: leads(other))
        eventually(lambda: other.admin.ok("GET", f"/v1/canaries/{name}")["state"] == "done")
        reasons = [row["why"] for row in other.admin.ok("GET", "/v1/revisions", author="gateway")["data"]]
        reached = [why.split(" to ")[1].split(" %")[0] for why in reasons if " to " in why]
        assert reached == ["100", "80", "40", "20", "10", "5"], reasons


def test_a_backup_that_is_restored_is_what_is_served(shared: SharedGateway, server: PostgresServer) -> None:
    database = shared.url.rpartition("/")[2]
    with control_plane(shared, "a") as a:
        for version in ("v8", "v9"):
            assert publish(a, version).status == 200
        for statement in (
            "DELETE FROM items WHERE first = 3",
            "UPDATE items SET last = NULL WHERE last = 2",
            "DELETE FROM revisions WHERE number = 3",
        ):
            server.execute(statement, database=database)
        eventually(lambda: served_version(a) == "v8")
        assert revision(a) == 2
        assert "replaces 3 as a whole" in a.log.read_text()
        assert publish(a, "v7").json()["revision"] == 3
        assert a.admin.ok("POST", "/v1/revisions/2/rollback")["revision"] == 4
        assert served_version(a) == "v8"


def test_a_revision_that_nobody_notifies_of_is_served_too(shared: SharedGateway, server: PostgresServer) -> None:
    database = shared.url.rpartition("/")[2]
    with control_plane(shared, "a") as a:
        body = server.execute(
            "SELECT body FROM items WHERE kind = 'objectives' AND name = 'recommend'", database=database
        )
        changed = json.loads(body[0][0]) | {"title": "Written by hand"}
        connection = psycopg.connect(shared.url, password=PASSWORD)
        with connection:  # one transaction
            connection.execute(
                "INSERT INTO revisions SELECT 2, at, 'hand', why, summary, objectives, restores FROM revisions"
            )
            connection.execute("UPDATE items SET last = 1 WHERE kind = 'objectives' AND name = 'recommend'")
            added = "INSERT INTO items (first, kind, name, body) VALUES (2, 'objectives', 'recommend', %s)"
            connection.execute(added, [json.dumps(changed)])
        eventually(lambda: revision(a) == 2)
        assert a.admin.ok("GET", "/v1/objectives/recommend")["title"] == "Written by hand"
