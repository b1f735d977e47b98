"""A gateway that is killed as soon as a revision is committed has the entry of the audit log that tells of it."""

from __future__ import annotations

import http.client
import json
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

from nlapi.gateway.store.store import GatewayStore
from tests.gateway.processes import ServeProcess, serve_process

ROUNDS = 2


def last_number(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT max(number) FROM revisions").fetchone()[0])


def change(gateway: ServeProcess, number: int) -> None:
    """A change that is killed on its way has no answer."""
    headers = {"Authorization": f"Bearer {gateway.admin}", "Content-Type": "application/json"}
    connection = http.client.HTTPConnection(gateway.address, timeout=60)
    try:
        body = json.dumps({"requests_per_second": number})
        connection.request("PATCH", f"/v1/clients/client-{number}/limits", body, headers)
        connection.getresponse().read()
    except (OSError, http.client.HTTPException):
        pass
    finally:
        connection.close()


def test_a_kill_between_commit_and_answer_leaves_no_revision_without_its_entry(tmp_path: Path) -> None:
    for number in range(1, ROUNDS + 1):
        folder = tmp_path / str(number)
        folder.mkdir()
        database = folder / "gateway.db"
        with serve_process(folder) as gateway, closing(sqlite3.connect(database)) as connection:
            before = last_number(connection)
            operator = threading.Thread(target=change, args=(gateway, number))
            operator.start()
            while last_number(connection) == before and operator.is_alive():
                pass
            gateway.process.kill()
            operator.join()
        store = GatewayStore(database)
        assert store.last_number() == before + 1
        entries = store.audit_entries(limit=10).rows
        assert [entry.detail for entry in entries if entry.who == "ana"] == [f"revision {before + 1}"]
        store.close()
