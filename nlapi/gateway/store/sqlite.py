"""A database of the gateway's store in one SQLite file, for one serving gateway."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from nlapi.gateway.store.database import Dialect, DuplicateRowError, Row, StoreDatabase, StoreError, Value
from nlapi.local_files import FileLock

BUSY_TIMEOUT_S = 10.0
# Seconds between two checks for tokens that the command line changed. Every request asks, so it is not done each time.
TOKEN_CHECK_INTERVAL_S = 1.0
IN_MEMORY = ":memory:"

SQLITE = Dialect(
    text="TEXT",
    row_key="INTEGER PRIMARY KEY",
    by_key="WITHOUT ROWID",
    each_name="json_each(objectives)",
    input_tokens="json_extract(body, '$.usage.input_tokens')",
    output_tokens="json_extract(body, '$.usage.output_tokens')",
    dollars="json_extract(body, '$.usage.cost_usd')",
)


class SqliteDatabase(StoreDatabase):
    """One SQLite file in WAL mode, or a database in memory.

    A committed transaction survives a kill or a loss of power at any point (synchronous=FULL). StoreError when the file
    cannot be opened.
    """

    dialect = SQLITE
    is_shared = False
    is_leader = True
    is_reachable = True

    def __init__(self, path: str | Path) -> None:
        self.name = str(path)
        self._lock = threading.RLock()
        self._data_version = 0
        self._checked_at = 0.0
        # Two gateways would each decide by revisions that the other does not see.
        hint = "stop it first, give this one another --database, or let both use one of PostgreSQL"
        self._claim = FileLock(f"{self.name}-serving", f"another gateway serves from {self.name}", hint)
        if self.name != IN_MEMORY:
            _create_private_file(Path(path))
        try:
            self._db = sqlite3.connect(self.name, timeout=BUSY_TIMEOUT_S, check_same_thread=False, isolation_level=None)
            self._db.row_factory = sqlite3.Row
            # Only an empty file takes it: the pages that a prune frees go back to the file system.
            self._db.execute("PRAGMA auto_vacuum=INCREMENTAL")
            for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
                self._db.execute(f"PRAGMA {pragma}")
        except sqlite3.Error as error:
            raise StoreError(str(error), hint="give another file") from None

    def rows(self, query: str, *values: Value) -> Sequence[Row]:
        try:
            with self._lock:
                return self._db.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise StoreError(str(error)) from error

    def iterate(self, query: str) -> Iterator[Row]:
        yield from self._db.execute(query)

    def execute(self, statement: str, *values: Value) -> None:
        try:
            with self._lock:
                self._db.execute(statement, values)
        except sqlite3.IntegrityError as error:
            raise DuplicateRowError(str(error)) from error
        except sqlite3.Error as error:
            raise StoreError(str(error)) from error

    def execute_many(self, statement: str, rows: Iterable[Sequence[Value]]) -> None:
        try:
            with self._lock:
                self._db.executemany(statement, rows)
        except sqlite3.Error as error:
            raise StoreError(str(error)) from error

    @contextmanager
    def transaction(self, *, is_exclusive: bool = True) -> Iterator[None]:
        # IMMEDIATE takes the write lock at once; a transaction that starts with a read can fail when it writes.
        with self._lock:
            if self._db.in_transaction:
                yield
                return
            self.execute("BEGIN IMMEDIATE")
            try:
                yield
                self.execute("COMMIT")
            except BaseException:
                if self._db.in_transaction:  # a full disk may have ended it already
                    self._db.execute("ROLLBACK")
                raise

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        # All writes of this process take the lock too, and no other process writes revisions.
        with self._lock:
            yield

    def has_table(self, name: str) -> bool:
        return bool(self.rows("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", name))

    def version(self) -> int:
        return int(self.rows("PRAGMA user_version")[0]["user_version"])

    def set_version(self, version: int) -> None:
        self.execute(f"PRAGMA user_version={version}")

    def release_space(self, *, whole: bool) -> None:
        # A disk that is full, or another reader, is not a reason to fail: the pages are used again anyway.
        with self._lock, suppress(sqlite3.Error):
            if whole:
                self._db.execute("PRAGMA auto_vacuum=INCREMENTAL")
                self._db.execute("VACUUM")
            else:
                self._db.execute("PRAGMA incremental_vacuum").fetchall()

    def changes_elsewhere(self, *, fresh: bool) -> int:
        moment = time.monotonic()
        if (fresh or moment - self._checked_at > TOKEN_CHECK_INTERVAL_S) and self._lock.acquire(blocking=fresh):
            try:
                # data_version counts the commits of other connections only.
                self._data_version = int(self._db.execute("PRAGMA data_version").fetchone()[0])
                self._checked_at = moment
            finally:
                self._lock.release()
        return self._data_version

    def claim(self) -> None:
        if self.name != IN_MEMORY:
            self._claim.acquire()

    def release_claim(self) -> None:
        self._claim.release()

    def close(self) -> None:
        with self._lock:
            self._db.close()
        self.release_claim()


def _create_private_file(path: Path) -> None:
    """Create the file with mode 0600 if it does not exist, as it holds what people asked."""
    # SQLite gives the files beside it (-wal, -shm) the same mode. When this fails, SQLite reports the error.
    with suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
