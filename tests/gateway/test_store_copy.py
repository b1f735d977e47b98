"""A store is copied whole or not at all, is completed by another copy, and nothing is there twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from nlapi.errors import NlapiError
from nlapi.gateway.store.copy import CopyOutcome, copy_store
from nlapi.gateway.store.database import StoreError, Value
from nlapi.gateway.store.sqlite import SqliteDatabase
from nlapi.gateway.store.store import AuditEntry, GatewayStore, ItemChange, Revision
from nlapi.gateway.versions.artifacts import ArtifactStore

VERSION_1 = Path(__file__).with_name("store_version_1.sql")
TABLES = ("revisions", "items", "pruned_changes", "version_digests", "tokens", "audit", "decisions")


@pytest.fixture
def source(tmp_path: Path) -> Iterator[GatewayStore]:
    """Nine revisions, a token, an entry of the audit log and a decision."""
    path = tmp_path / "source.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(VERSION_1.read_text(encoding="utf-8"))
    with closing(GatewayStore(path)) as store:
        yield store


@pytest.fixture
def target(tmp_path: Path) -> Iterator[GatewayStore]:
    with closing(GatewayStore(tmp_path / "target.db")) as store:
        yield store


def copy(source: GatewayStore, target: GatewayStore, folder: Path) -> CopyOutcome:
    return copy_store(source, ArtifactStore(folder / "artifacts"), target).outcome


def content(store: GatewayStore) -> dict[str, list[dict[str, Any]]]:
    """All rows of all tables, and the id."""
    rows = {table: store.database.rows(f"SELECT * FROM {table} ORDER BY 1, 2") for table in TABLES}
    return {table: [dict(row) for row in found] for table, found in rows.items()} | {"id": [{"id": store.id}]}  # type: ignore[call-overload]


def go_on(store: GatewayStore, why: str) -> None:
    """A change of a gateway on a store: a revision with its entry in the audit log."""
    number = store.last_number() + 1
    changes = [ItemChange(kind="models", name=f"model-{number}", body={"name": f"model-{number}"})]
    entry = AuditEntry(at="2027-01-01T00:00:00Z", who="ana", action="createModel", target=why, outcome="done")
    store.add_revision(Revision(number=number, at="2027-01-01T00:00:00Z", who="ana", why=why), changes, (), entry)


def test_a_copy_has_everything_and_again_it_changes_nothing(
    source: GatewayStore, target: GatewayStore, tmp_path: Path
) -> None:
    assert copy(source, target, tmp_path) is CopyOutcome.COPIED
    copied = GatewayStore(target.path)
    assert content(copied) == content(source)
    assert [copied.revision(number) for number in range(1, 10)] == [source.revision(number) for number in range(1, 10)]
    assert copy(source, target, tmp_path) is CopyOutcome.UNCHANGED
    assert content(copied) == content(source)
    copied.close()


def test_an_older_copy_is_completed(source: GatewayStore, target: GatewayStore, tmp_path: Path) -> None:
    copy(source, target, tmp_path)
    for change in range(3):
        go_on(source, f"change {change}")
        assert copy(source, target, tmp_path) is CopyOutcome.COMPLETED
    assert target.revision(12) == source.revision(12)
    assert content(GatewayStore(target.path)) == content(source)


@pytest.mark.parametrize("source_goes_on", [False, True])
def test_what_gateways_did_on_the_copy_is_never_lost(
    source: GatewayStore, target: GatewayStore, tmp_path: Path, source_goes_on: bool
) -> None:
    copy(source, target, tmp_path)
    go_on(target, "of the copy")
    before = content(target)
    if source_goes_on:
        go_on(source, "of the file")
        with pytest.raises(NlapiError, match=r"holds what .*source\.db does not"):
            copy(source, target, tmp_path)
    else:
        assert copy(source, target, tmp_path) is CopyOutcome.UNCHANGED
    assert content(target) == before


@pytest.mark.parametrize("begin", [lambda store: go_on(store, "its first"), lambda store: store.add_audit_entry(ENTRY)])
def test_a_store_of_others_is_refused(
    source: GatewayStore, target: GatewayStore, tmp_path: Path, begin: Callable[[GatewayStore], None]
) -> None:
    begin(target)
    before = content(target)
    with pytest.raises(NlapiError, match="nothing was changed"):
        copy(source, target, tmp_path)
    assert content(target) == before


ENTRY = AuditEntry(at="2026-01-01T00:00:00Z", who="command-line", action="createToken", target="x", outcome="done")


class BreakingDatabase(SqliteDatabase):
    """A database of which the statement fails that is `left` ahead; 0 lets none fail."""

    left = 0

    def execute_many(self, statement: str, rows: Iterable[Sequence[Value]]) -> None:
        self._count()
        super().execute_many(statement, rows)

    def execute(self, statement: str, *values: Value) -> None:
        if not statement.startswith(("BEGIN", "COMMIT")):
            self._count()
        super().execute(statement, *values)

    def _count(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise StoreError("the database is gone")


def test_a_copy_that_breaks_anywhere_leaves_nothing_and_is_completed(source: GatewayStore, tmp_path: Path) -> None:
    expected, broken = content(source), 0
    for number in range(1, 100):  # until a copy needs no more statements
        database = BreakingDatabase(tmp_path / f"{number}.db")
        with closing(GatewayStore(database)) as target:
            before, database.left = content(target), number
            try:
                outcome = copy(source, target, tmp_path)
            except StoreError:
                broken += 1
                assert content(target) == before
                assert copy(source, target, tmp_path) is CopyOutcome.COPIED
            else:
                assert outcome is CopyOutcome.COPIED
                break
            with closing(GatewayStore(target.path)) as copied:
                assert content(copied) == expected
    assert broken > len(TABLES)
