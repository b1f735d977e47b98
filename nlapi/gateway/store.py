"""Stores the gateway's revisions, tokens, audit log and recorded decisions in one SQLite file."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nlapi.errors import NlapiError
from nlapi.gateway import version_digests
from nlapi.gateway.version_digests import VersionDigest

SCHEMA_VERSION = 2
BUSY_TIMEOUT_S = 10.0
# Seconds between two checks for tokens that the command line changed. Every request asks, so it is not done each time.
TOKEN_CHECK_INTERVAL_S = 1.0
MAX_DECISIONS = 200_000
"""maximum number of stored decisions; the oldest are deleted first"""

_SCHEMA = """
CREATE TABLE revisions (
  number INTEGER PRIMARY KEY, at TEXT NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL,
  summary TEXT NOT NULL, objectives TEXT NOT NULL, restores INTEGER NOT NULL, document TEXT NOT NULL);
CREATE TABLE tokens (
  name TEXT PRIMARY KEY, digest TEXT NOT NULL UNIQUE, audience TEXT NOT NULL, role TEXT NOT NULL,
  client TEXT NOT NULL, created_at TEXT NOT NULL, expires_at TEXT);
CREATE TABLE audit (
  id INTEGER PRIMARY KEY, at TEXT NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL, target TEXT NOT NULL,
  outcome TEXT NOT NULL, detail TEXT NOT NULL);
CREATE TABLE decisions (
  id INTEGER PRIMARY KEY, request_id TEXT NOT NULL, at TEXT NOT NULL, objective TEXT NOT NULL, model TEXT NOT NULL,
  version TEXT NOT NULL, user TEXT, client TEXT, experiment TEXT, canary TEXT, failed INTEGER NOT NULL,
  body TEXT NOT NULL);
CREATE INDEX decisions_by_request ON decisions (request_id);
CREATE INDEX decisions_by_time ON decisions (at);
CREATE INDEX audit_by_time ON audit (at);
"""

_MIGRATIONS: Mapping[int, Callable[[sqlite3.Connection], None]] = {1: version_digests.create_table}
"""version of a database -> the step that brings it to the next version"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A committed change; `document` is the JSON of the whole configuration after it.

    `restores` is the number of the revision that it restored; 0 when it is not a rollback.
    """

    # The fields are the columns of the table `revisions`, and `_revision_from_row` fills them by name.

    number: int
    at: str
    who: str
    why: str
    summary: str = ""
    objectives: tuple[str, ...] = ()
    # An undo skips revisions that restore others by this number, and so goes further back (Publisher._revision_before).
    restores: int = 0
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRecord:
    """A stored token with the sha256 of its secret, never the secret; times are ISO 8601 in UTC."""

    name: str
    digest: str
    audience: str
    role: str = ""
    client: str = ""
    created_at: str
    expires_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """An entry of the audit log."""

    # The fields are the columns of the table `audit` and the keys of an answer, by asdict().

    at: str
    who: str
    action: str
    target: str
    outcome: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowPage:
    """A page of rows; `next` is the key after which the next page begins, 0 on the last page."""

    rows: tuple[Any, ...]
    next: int
    total: int


class SqlFilter:
    """The conditions of a query with their bound values."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.values: list[str] = []

    def add(self, condition: str, value: str) -> None:
        """Add a condition unless its value is empty."""
        if value:
            self.parts.append(condition)
            self.values.append(value)

    def add_period(self, since: str, until: str) -> None:
        """Add the conditions for rows from `since` on and before `until`."""
        self.add("at >= ?", since)
        self.add("at < ?", until)

    def sql(self) -> str:
        """Return the WHERE clause, or "" without conditions."""
        return f" WHERE {' AND '.join(self.parts)}" if self.parts else ""


def _revision_from_row(row: sqlite3.Row) -> Revision:
    """Return the Revision of a row."""
    objectives = tuple(json.loads(row["objectives"]))
    return Revision(**dict(row) | {"objectives": objectives, "document": json.loads(row["document"])})


def _entry_from_row(row: sqlite3.Row) -> AuditEntry:
    """Return the AuditEntry of a row."""
    return AuditEntry(**{key: value for key, value in dict(row).items() if key != "id"})


def _body_from_row(row: sqlite3.Row) -> Mapping[str, Any]:
    """Return the JSON object in the column `body`."""
    body: Mapping[str, Any] = json.loads(row["body"])
    return body


def _column_text(value: Any) -> str | None:
    """Return a value as the text of a column; None stays NULL."""
    return None if value is None else str(value)


try:
    import fcntl
except ImportError:  # Windows has none
    fcntl = None  # type: ignore[assignment]


class GatewayStore:
    """One SQLite file in WAL mode. Every method is safe to call from any thread; each write is one transaction.

    A committed revision survives a kill or a loss of power at any point (synchronous=FULL).
    NlapiError when the file cannot be opened or is of another version.
    """

    def __init__(self, path: str | Path = ":memory:") -> None:
        self._lock = threading.RLock()
        self._token_changes = 0
        self._data_version = 0
        self._checked_at = 0.0
        self._path = str(path)
        self._lock_file = -1
        """the descriptor of the lock file of a gateway that serves from this database, or -1"""
        if self._path != ":memory:":
            _create_private_file(Path(path))
        try:
            self._db = sqlite3.connect(str(path), timeout=BUSY_TIMEOUT_S, check_same_thread=False, isolation_level=None)
            self._db.row_factory = sqlite3.Row
            self._prepare()
        except sqlite3.Error as error:
            raise NlapiError(f"cannot open the gateway's store {path}: {error}", hint="give another file") from None

    def _prepare(self) -> None:
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            self._db.execute(f"PRAGMA {pragma}")
        with self.transaction():
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version > SCHEMA_VERSION:
                raise NlapiError(f"the gateway's store is of version {version}", hint="a newer nlapi made it")
            if version == 0:
                # Not executescript(), which would commit the open transaction.
                for statement in _SCHEMA.split(";"):
                    if statement.strip():
                        self._db.execute(statement)
            for older in range(version or 1, SCHEMA_VERSION):
                _MIGRATIONS[older](self._db)
            if version != SCHEMA_VERSION:
                self._db.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

    @property
    def path(self) -> str:
        """The path of the file, or ":memory:"."""
        return self._path

    def claim(self) -> None:
        """Lock the database for one serving gateway until `close`. NlapiError when another process has the lock."""
        # Two gateways would each decide by revisions that the other does not see. A lock of the kernel and not a file
        # with a process id: it is released when the process is killed.
        if self._path == ":memory:" or fcntl is None:
            return
        self._lock_file = os.open(f"{self._path}-serving", os.O_CREAT | os.O_RDWR, 0o600)
        try:
            fcntl.flock(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            hint = "stop it first, or give this one a --database of its own"
            raise NlapiError(f"another gateway serves from {self._path}", hint=hint) from None

    def close(self) -> None:
        with self._lock:
            self._db.close()
        if self._lock_file >= 0:
            os.close(self._lock_file)
            self._lock_file = -1

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the `with` block as one transaction, which excludes other writers."""
        # IMMEDIATE takes the write lock at once; a transaction that starts with a read can fail when it writes.
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    # revisions

    def add_revision(self, revision: Revision, digests: Iterable[VersionDigest] = ()) -> None:
        """Commit a revision, whose number must follow the last, with the digests of its new versions.

        NlapiError when it cannot be stored.
        """
        row = (
            revision.number, revision.at, revision.who, revision.why, revision.summary,
            json.dumps(revision.objectives), revision.restores, json.dumps(revision.document, separators=(",", ":")),
        )  # fmt: skip
        try:
            with self.transaction():
                self._db.execute("INSERT INTO revisions VALUES (?,?,?,?,?,?,?,?)", row)
                version_digests.write_digests(self._db, digests)
        except sqlite3.Error as error:
            raise NlapiError(f"revision {revision.number} cannot be kept: {error}") from None

    def last_number(self) -> int:
        """Return the number of the current revision; 0 when there is none."""
        row = self._fetch_row("SELECT max(number) AS number FROM revisions")
        return int(row["number"] or 0) if row else 0

    def revision(self, number: int) -> Revision | None:
        row = self._fetch_row("SELECT * FROM revisions WHERE number = ?", number)
        return _revision_from_row(row) if row else None

    def revisions(
        self, *, since: str = "", until: str = "", author: str = "", objective: str = "", limit: int, before: int = 0
    ) -> RowPage:
        """Return a page of revisions without documents, newest first, from `since` on and before `until`."""
        conditions = SqlFilter()
        conditions.add_period(since, until)
        conditions.add("lower(who) = lower(?)", author)
        if objective:
            conditions.add("EXISTS (SELECT 1 FROM json_each(objectives) WHERE value = ?)", objective)
        return self._page("revisions", "number", conditions, limit, before, _revision_from_row, _REVISION_COLUMNS)

    # digests of versions

    def version_digests(self) -> tuple[VersionDigest, ...]:
        """Return the digests of all versions of all revisions; "" for one that is not copied yet."""
        with self._lock:
            return version_digests.read_digests(self._db)

    def add_version_digests(self, digests: Iterable[VersionDigest]) -> None:
        """Store the digests of versions that were copied after their revision."""
        with self.transaction():
            version_digests.write_digests(self._db, digests)

    def prune_version_digests(self, used: Collection[str]) -> None:
        """Forget the versions whose digests are not in `used`: their names are free again."""
        with self.transaction():
            version_digests.delete_unused(self._db, used)

    # tokens

    def add_token(self, token: TokenRecord) -> bool:
        """Store a token; return False when the name is in use."""
        row = (token.name, token.digest, token.audience, token.role, token.client, token.created_at, token.expires_at)
        try:
            with self.transaction():
                self._db.execute("INSERT INTO tokens VALUES (?,?,?,?,?,?,?)", row)
        except sqlite3.IntegrityError:
            return False
        self._token_changes += 1
        return True

    def remove_token(self, name: str) -> TokenRecord | None:
        with self.transaction():
            row = self._fetch_row("SELECT * FROM tokens WHERE name = ?", name)
            self._db.execute("DELETE FROM tokens WHERE name = ?", (name,))
            self._token_changes += 1
        return TokenRecord(**dict(row)) if row else None

    def tokens(self) -> tuple[TokenRecord, ...]:
        rows = self._fetch_all("SELECT * FROM tokens ORDER BY name")
        return tuple(TokenRecord(**dict(row)) for row in rows)

    def token_version(self, *, fresh: bool = False) -> int:
        """Return a number that differs after a change of the tokens; one by another process shows within a second.

        Every request calls it, so it never waits for a running write; with `fresh` it waits and is up to date.
        """
        moment = time.monotonic()
        if (fresh or moment - self._checked_at > TOKEN_CHECK_INTERVAL_S) and self._lock.acquire(blocking=fresh):
            try:
                self._data_version = int(self._db.execute("PRAGMA data_version").fetchone()[0])
                self._checked_at = moment
            finally:
                self._lock.release()
        # data_version counts the commits of other connections only; our own changes are counted here. The factor keeps
        # the two counts apart.
        return self._data_version * 1_000_003 + self._token_changes

    # audit

    def add_audit_entry(self, entry: AuditEntry) -> None:
        row = (entry.at, entry.who, entry.action, entry.target, entry.outcome, entry.detail)
        with self.transaction():
            self._db.execute("INSERT INTO audit (at, who, action, target, outcome, detail) VALUES (?,?,?,?,?,?)", row)

    def audit_entries(
        self, *, since: str = "", until: str = "", author: str = "", outcome: str = "", limit: int, before: int = 0
    ) -> RowPage:
        conditions = SqlFilter()
        conditions.add_period(since, until)
        conditions.add("lower(who) = lower(?)", author)
        conditions.add("outcome = ?", outcome)
        return self._page("audit", "id", conditions, limit, before, _entry_from_row)

    # decisions

    def add_decisions(self, decisions: Iterable[Mapping[str, Any]]) -> None:
        """Store decisions in the form of `Recorded` in specs/gateway.yaml."""
        rows = [
            (
                decision["request_id"], decision["at"], decision["objective"], decision["model"], decision["version"],
                _column_text(decision.get("context", {}).get("user")), decision.get("client", ""),
                decision.get("experiment", ""), decision.get("canary", ""), int(bool(decision.get("error"))),
                json.dumps(decision, separators=(",", ":")),
            )
            for decision in decisions
        ]  # fmt: skip
        with self.transaction():
            self._db.executemany("INSERT INTO decisions VALUES (NULL,?,?,?,?,?,?,?,?,?,?,?)", rows)
            oldest = "DELETE FROM decisions WHERE id <= (SELECT max(id) FROM decisions) - ?"
            self._db.execute(oldest, (MAX_DECISIONS,))

    def decision(self, request_id: str) -> Mapping[str, Any] | None:
        """Return the last record of a request, or None."""
        row = self._fetch_row("SELECT body FROM decisions WHERE request_id = ? ORDER BY id DESC LIMIT 1", request_id)
        return _body_from_row(row) if row else None

    def decisions(
        self,
        *,
        equal: Mapping[str, str] | None = None,
        failed: bool | None = None,
        since: str = "",
        until: str = "",
        limit: int,
        before: int = 0,
    ) -> RowPage:
        """Return a page of recorded decisions, newest first; `equal` maps columns (objective, user) to their values."""
        conditions = SqlFilter()
        conditions.add_period(since, until)
        for column, value in (equal or {}).items():
            conditions.add(f"{_DECISION_COLUMNS[column]} = ?", value)
        if failed is not None:
            conditions.add("failed = ?", str(int(failed)))
        return self._page("decisions", "id", conditions, limit, before, _body_from_row)

    # reading

    def _page(
        self,
        table: str,
        key: str,
        conditions: SqlFilter,
        limit: int,
        before: int,
        build: Callable[[sqlite3.Row], Any],
        columns: str = "*",
    ) -> RowPage:
        # Only names and conditions that are written in this file get into the text; values are bound.
        count_row = self._fetch_row(f"SELECT count(*) AS total FROM {table}{conditions.sql()}", *conditions.values)  # noqa: S608
        total = int(count_row["total"]) if count_row else 0
        if before:
            conditions.add(f"{key} < ?", str(before))
        query = f"SELECT {columns} FROM {table}{conditions.sql()} ORDER BY {key} DESC LIMIT ?"  # noqa: S608
        rows = self._fetch_all(query, *conditions.values, limit + 1)
        next_key = int(rows[limit - 1][key]) if len(rows) > limit else 0
        return RowPage(rows=tuple(build(row) for row in rows[:limit]), next=next_key, total=total)

    def _fetch_row(self, query: str, *values: Any) -> sqlite3.Row | None:
        with self._lock:
            row: sqlite3.Row | None = self._db.execute(query, values).fetchone()
        return row

    def _fetch_all(self, query: str, *values: Any) -> Sequence[sqlite3.Row]:
        with self._lock:
            return self._db.execute(query, values).fetchall()


# A document may have up to 32 MiB: a list of revisions is read without documents.
_REVISION_COLUMNS = "number, at, who, why, summary, objectives, restores, '{}' AS document"


def _create_private_file(path: Path) -> None:
    """Create the file with mode 0600 if it does not exist, as it holds what people asked."""
    # SQLite gives the files beside it (-wal, -shm) the same mode. When this fails, SQLite reports the error.
    with suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


# Column names cannot be bound as parameters: only these get into the text of a query (SQL injection).
_DECISION_COLUMNS = {name: name for name in ("objective", "model", "version", "user", "client", "experiment", "canary")}
