"""Faults of the database and of its gateways: serving goes on, changes are refused with the reason, nothing is lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path

import psycopg
import pytest

from tests.scale.control_planes import (
    ENVIRONMENT,
    SERVE,
    ControlPlane,
    SharedGateway,
    control_plane,
    eventually,
    load,
    publish,
    serve_command,
    served_version,
    shared_gateway,
)
from tests.scale.postgres_server import PASSWORD, PostgresServer, postgres_server

NUMBERS = iter(range(1, 1000))


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    with postgres_server(max_connections="20") as running:
        yield running


@pytest.fixture
def shared(server: PostgresServer, tmp_path: Path) -> SharedGateway:
    return shared_gateway(server.database(f"gateway{next(NUMBERS)}"), tmp_path)


def refused(plane: ControlPlane, version: str) -> str:
    """The detail of a change that is refused, and changes nothing."""
    answer = publish(plane, version)
    assert answer.status == 503, answer.content
    problem = answer.json()
    assert problem["type"] == "urn:nlapi:problem:not_kept"
    assert "is still served" in problem["hint"]
    return str(problem["detail"])


def refused_start(shared: SharedGateway, url: str, reference: str = "") -> str:
    """The message of a gateway that cannot start with a database."""
    command = serve_command(SharedGateway(url, shared.folder, shared.admin, shared.web))
    if reference:
        command[command.index("--database-password") + 1] = reference
    finished = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60)
    assert finished.returncode in (1, 2), finished
    assert finished.stdout == ""
    assert "Traceback" not in finished.stderr
    assert PASSWORD not in finished.stderr
    return " ".join(finished.stderr.split())


def test_a_database_that_is_killed_stops_changes_alone_and_none_needs_a_restart(
    shared: SharedGateway, server: PostgresServer
) -> None:
    with control_plane(shared, "a") as a, control_plane(shared, "b") as b:
        assert publish(a, "v8").status == 200
        eventually(lambda: served_version(b) == "v8")
        with load(a) as first, load(b) as second:
            for version in ("v9", "v7", "v8"):
                server.kill()
                for plane in (a, b):
                    assert "the database cannot be reached: " in refused(plane, version)
                    assert plane.web("POST", f"{SERVE}/serve", {"input": {}}).status == 200
                    assert plane.admin("GET", "/v1/audit").json()["type"].endswith("store_unavailable")
                    version_body = {"version": f"new-{version}", "source": "ranker-v7"}
                    registered = plane.admin("POST", "/v1/models/ranker/versions", version_body)
                    assert (registered.status, registered.json()["type"]) == (503, "urn:nlapi:problem:not_kept")
                    unknown = plane.admin.as_("nlg_unknown")("GET", "/v1/objectives")
                    assert unknown.status == 503  # it may be a token that was made meanwhile
                    assert "127.0.0.1" not in unknown.content.decode()
                server.start()
                eventually(lambda version=version: publish(a, version).status == 200)  # type: ignore[misc]
                eventually(lambda version=version: served_version(b) == version)  # type: ignore[misc]
        for served in (first, second):
            assert set(served.statuses) == {200}
            assert served.ends == []
        numbers = [row["revision"] for row in b.admin.ok("GET", "/v1/revisions")["data"]]
        assert numbers == list(range(len(numbers), 0, -1))
        assert PASSWORD not in a.log.read_text()


def test_a_client_that_comes_when_the_database_is_gone_is_served(shared: SharedGateway, server: PostgresServer) -> None:
    with control_plane(shared, "a") as a:  # nobody has asked it for anything yet
        server.kill()
        try:
            assert served_version(a) == "v7"
        finally:
            server.start()


def test_a_database_that_hangs_holds_up_no_request(shared: SharedGateway, server: PostgresServer) -> None:
    with control_plane(shared, "a") as a, load(a) as served:
        assert publish(a, "v8").status == 200
        server.signal_all(signal.SIGSTOP)
        try:
            before = served.statuses.total()
            assert "the database cannot be reached: " in refused(a, "v9")
            with ThreadPoolExecutor(8) as pool:
                waiting = [pool.submit(a.admin, "GET", "/v1/audit") for _ in range(8)]
                assert {task.result().status for task in waiting} == {503}
            assert served.statuses.total() > before
        finally:
            server.signal_all(signal.SIGCONT)
        eventually(lambda: publish(a, "v9").status == 200)
        assert served_version(a) == "v9"
    assert set(served.statuses) == {200}


def test_a_gateway_says_what_keeps_it_from_its_database(shared: SharedGateway, server: PostgresServer) -> None:
    gone = "postgresql://nlapi@127.0.0.1:1/gateway"
    assert f"cannot open the gateway's store {gone}: the database cannot be reached: Connection refused" in (
        refused_start(shared, gone)
    )
    assert "password authentication failed" in refused_start(shared, shared.url, "env:HOME")
    assert "NLAPI_NOT_SET is not set" in refused_start(shared, shared.url, "env:NLAPI_NOT_SET")
    assert "is not a reference" in refused_start(shared, shared.url, PASSWORD)
    assert "has a password" in refused_start(shared, shared.url.replace("nlapi@", f"nlapi:{PASSWORD}@"))
    assert 'database "nowhere" does not exist' in refused_start(shared, shared.url.rpartition("/")[0] + "/nowhere")
    server.execute("UPDATE store_version SET version = 999", database=shared.url.rpartition("/")[2])
    assert "is of version 999 (a newer nlapi made it" in refused_start(shared, shared.url)


def test_a_gateway_without_a_free_connection_serves_and_says_so(shared: SharedGateway, server: PostgresServer) -> None:
    server.execute("CREATE ROLE visitor LOGIN PASSWORD 'visitor'")
    server.execute("GRANT ALL ON ALL TABLES IN SCHEMA public TO visitor", database=shared.url.rpartition("/")[2])
    visitor = SharedGateway(shared.url.replace("nlapi@", "visitor@"), shared.folder, shared.admin, shared.web)
    (shared.folder / "visitor").write_text("visitor")
    reference = f"file:{shared.folder / 'visitor'}"
    with control_plane(visitor, "a", "--database-password", reference) as a, load(a) as served:
        others = []
        with suppress(psycopg.OperationalError):
            while True:
                others.append(psycopg.connect(server.url, user="visitor", password="visitor"))
        # Its own connections are ended, too: the next ones are refused.
        ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'nlapi-gateway'"
        server.execute(ended)
        with suppress(psycopg.OperationalError):
            while True:
                others.append(psycopg.connect(server.url, user="visitor", password="visitor"))
        assert "remaining connection slots are reserved" in refused(a, "v8")
        for other in others:
            other.close()
        eventually(lambda: publish(a, "v8").status == 200)
    assert set(served.statuses) == {200}


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A folder on a disk of its own. The test is skipped, with the reason, where none can be had."""
    folder = Path(tempfile.mkdtemp(prefix="nlapi-disk-"))
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0777", "tmpfs", str(folder)]
    finished = subprocess.run(mount, capture_output=True, text=True)
    if finished.returncode:
        folder.rmdir()
        pytest.skip(f"a small disk cannot be mounted: {finished.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)
        folder.rmdir()


def test_a_full_disk_refuses_changes_until_there_is_room(tmp_path: Path) -> None:
    with small_disk(24) as disk, postgres_server() as server:
        server.own(disk)
        server.execute(f"CREATE TABLESPACE small LOCATION '{disk}'")
        url = server.database("full", "TABLESPACE small")
        shared = shared_gateway(url, tmp_path)
        with control_plane(shared, "a") as a, load(a) as served:
            assert publish(a, "v8").status == 200
            filler = disk / "filler"
            with suppress(OSError), filler.open("wb", buffering=0) as stream:
                while True:
                    stream.write(b"x" * 4096)
            number = 0
            answer = publish(a, "v9")
            while answer.status == 200:  # pages that are there already take a few rows more
                number += 1
                answer = publish(a, ("v8", "v9")[number % 2], why="w" * 400)
            assert answer.status == 503
            assert "No space left on device" in answer.json()["detail"]
            current = a.admin.ok("GET", "/health")["revision"]
            filler.unlink()
            eventually(lambda: publish(a, "v7").status == 200)
            assert a.admin.ok("GET", "/health")["revision"] == current + 1
            assert (
                a.admin.ok("GET", "/v1/audit", outcome="done", limit=1)["data"][0]["detail"]
                == f"revision {current + 1}"
            )
        assert set(served.statuses) == {200}


def test_a_publisher_that_is_killed_in_the_midst_leaves_whole_revisions(
    shared: SharedGateway, server: PostgresServer
) -> None:
    acknowledged: list[int] = []
    with control_plane(shared, "b") as b:
        for seed in range(3):
            chance = random.Random(seed)
            with control_plane(shared, "a") as a:
                stop_at = len(acknowledged) + chance.randint(2, 12)
                killer = subprocess.Popen(["sleep", str(chance.uniform(0.2, 1.0))])
                with suppress(OSError, HTTPException):
                    number = 0
                    while killer.poll() is None or len(acknowledged) < stop_at:
                        number += 1
                        answer = publish(a, ("v8", "v9")[number % 2], why=f"round {seed}")
                        assert answer.status == 200
                        acknowledged.append(answer.json()["revision"])
                        if killer.poll() is not None:
                            os.kill(a.process.pid, 9)
                killer.wait()
            last = b.admin.ok("GET", "/v1/revisions", limit=1)["data"][0]["revision"]
            assert last - acknowledged[-1] in (0, 1)  # one may be committed without an answer
            eventually(lambda last=last: b.admin.ok("GET", "/health")["revision"] == last)  # type: ignore[misc]
            assert publish(b, "v7", why="it is not held up").status == 200
            acknowledged.append(last + 1)
        entries = set()
        cursor: str | None = "0"
        while cursor is not None:
            page = b.admin.ok("GET", "/v1/audit", outcome="done", limit=200, cursor=cursor)
            entries.update(entry["detail"] for entry in page["data"])
            cursor = page["page"]["next_cursor"]
        revisions = range(2, b.admin.ok("GET", "/health")["revision"] + 1)  # the first is the gateway's own
        assert {f"revision {number}" for number in revisions} <= entries
        assert set(acknowledged) <= set(revisions)
        with control_plane(shared, "c") as c:
            assert c.admin.ok("GET", "/v1/configuration") == b.admin.ok("GET", "/v1/configuration")


def test_a_change_whose_commit_had_no_answer_is_not_denied(shared: SharedGateway, server: PostgresServer) -> None:
    """What was refused as not kept is in no revision, whenever the database is killed."""
    denied, kept = set(), set()
    with control_plane(shared, "a") as a:
        for attempt in range(4):
            killer = subprocess.Popen(["sleep", str(0.05 + 0.07 * attempt)])
            number = 0
            while killer.poll() is None or number == 0:
                number += 1
                why = f"attempt {attempt} change {number}"
                answer = publish(a, ("v8", "v9")[number % 2], why=why)
                kept.add(why) if answer.status == 200 else denied.add(why)
                if killer.poll() is not None:
                    server.kill()
                    answer = publish(a, "v7", why=f"{why} after the kill")
                    assert answer.status == 503
                    if answer.json()["type"].endswith("not_kept"):
                        denied.add(f"{why} after the kill")
            killer.wait()
            server.start()
            eventually(lambda: publish(a, "v7").status == 200)
        reasons, cursor = set(), "0"
        while cursor is not None:
            page = a.admin.ok("GET", "/v1/revisions", limit=200, cursor=cursor)
            reasons.update(row["why"] for row in page["data"])
            cursor = page["page"]["next_cursor"]
    assert kept <= reasons
    assert not denied & reasons
