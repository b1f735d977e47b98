"""A database of version 1, made by the program of that time, holds the same in the present form."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from nlapi.errors import NlapiError
from nlapi.gateway.store import schema as store_schema
from nlapi.gateway.store.sqlite import SqliteDatabase
from nlapi.gateway.store.store import GatewayStore

# Written by the gateway before revisions were differences: nine revisions with a canary, a rollback and an undo.
VERSION_1 = Path(__file__).with_name("store_version_1.sql")


@pytest.fixture
def database(tmp_path: Path) -> Path:
    """A file of version 1."""
    path = tmp_path / "gateway.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(VERSION_1.read_text(encoding="utf-8"))
    connection.close()
    return path


def documents_of(path: Path) -> dict[int, object]:
    """The documents of a database of version 1."""
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT number, document FROM revisions").fetchall()
    connection.close()
    return {number: json.loads(text) for number, text in rows}


def version_of(path: Path) -> int:
    connection = sqlite3.connect(path)
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    connection.close()
    return version


def test_every_revision_is_whole_after_the_migration(database: Path) -> None:
    documents = documents_of(database)
    assert sorted(documents) == list(range(1, 10))
    for _ in range(2):  # the second opening finds the present version
        store = GatewayStore(database)
        for number, document in documents.items():
            revision = store.revision(number)
            assert revision is not None
            assert revision.document == document
            assert json.dumps(revision.document) == json.dumps(document)  # in the same order too
        rows = store.revisions(limit=100).rows
        assert [row.number for row in rows] == list(range(9, 0, -1))
        assert (rows[3].who, rows[3].why, rows[3].restores) == ("ben", "back to revision 3", 3)
        assert [token.name for token in store.tokens()] == ["ana"]
        assert store.audit_entries(limit=10).total == 1
        assert store.decision("r1") is not None
        store.close()
    assert version_of(database) == store_schema.SCHEMA_VERSION


def test_an_item_that_stays_the_same_is_stored_once(database: Path) -> None:
    store = GatewayStore(database)
    assert len(store.stored_bodies("rules")) == 2
    assert len(store.stored_bodies("objectives")) == len(documents_of_store(store, 9)["objectives"])
    store.close()


def documents_of_store(store: GatewayStore, number: int) -> dict[str, list[object]]:
    revision = store.revision(number)
    assert revision is not None
    return dict(revision.document)


def test_a_migration_that_does_not_end_changes_nothing(database: Path) -> None:
    documents = documents_of(database)
    opened = SqliteDatabase(database)
    with pytest.raises(KeyboardInterrupt), opened.transaction():
        store_schema.migrate(opened)
        raise KeyboardInterrupt
    opened.close()
    assert version_of(database) == 1
    assert documents_of(database) == documents
    GatewayStore(database).close()


def test_no_database_is_changed_under_a_gateway_that_serves(database: Path, tmp_path: Path) -> None:
    serving = GatewayStore(tmp_path / "other.db")
    serving.database.claim()
    (tmp_path / "other.db-serving").rename(tmp_path / "gateway.db-serving")
    with pytest.raises(NlapiError, match="another gateway serves"):
        GatewayStore(database)
    serving.close()
    assert version_of(database) == 1


def test_a_database_of_a_newer_program_is_refused(database: Path) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute("PRAGMA user_version=999")
    connection.close()
    with pytest.raises(NlapiError, match="version 999"):
        GatewayStore(database)
