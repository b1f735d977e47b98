"""Stores the gateway's revisions, tokens, audit log and recorded decisions in one SQLite file."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import orjson

from nlapi.errors import NlapiError
from nlapi.gateway import store_schema, version_digests
from nlapi.gateway.store_rows import (
    AuditEntry,
    ChangeRecord,
    ItemChange,
    Revision,
    RowPage,
    TokenRecord,
    body_from_row,
    change_from_row,
    entry_from_row,
    revision_from_row,
)
from nlapi.gateway.store_schema import Json
from nlapi.gateway.version_digests import VersionDigest

__all__ = ["AuditEntry", "ChangeRecord", "GatewayStore", "ItemChange", "Revision", "RowPage", "TokenRecord"]

BUSY_TIMEOUT_S = 10.0
# Seconds between two checks for tokens that the command line changed. Every request asks, so it is not done each time.
TOKEN_CHECK_INTERVAL_S = 1.0
MAX_DECISIONS = 200_000
"""maximum number of stored decisions; the oldest are deleted first"""


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


def _column_text(value: Any) -> str | None:
    """Return a value as the text of a column; None stays NULL."""
    return None if value is None else str(value)


def _encode_decision(decision: Mapping[str, Any]) -> str:
    # orjson takes 0.6 us where json takes 8, but refuses integers beyond 64 bits and half a surrogate pair.
    try:
        return orjson.dumps(decision).decode()
    except TypeError:
        return json.dumps(decision, separators=(",", ":"))


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
        self._pruned_callbacks: list[Callable[[frozenset[int]], None]] = []
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
        # Only an empty file takes it: the pages that a prune frees go back to the file system.
        self._db.execute("PRAGMA auto_vacuum=INCREMENTAL")
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            self._db.execute(f"PRAGMA {pragma}")
        version = store_schema.database_version(self._db)
        if version == store_schema.SCHEMA_VERSION:
            return
        if version:  # an older gateway that still serves from the file would fail at its next change
            self.claim()
        try:
            with self.transaction():
                store_schema.migrate(self._db)
            if version:
                store_schema.shrink(self._db)
        finally:
            self._release_claim()

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
        self._release_claim()

    def _release_claim(self) -> None:
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

    def add_revision(
        self, revision: Revision, changes: Iterable[ItemChange], digests: Iterable[VersionDigest] = ()
    ) -> None:
        """Commit a revision, whose number must follow the last, with what it changes and its new versions' digests.

        Its `document` is not read. NlapiError when it cannot be stored.
        """
        row = (
            revision.number, revision.at, revision.who, revision.why, revision.summary,
            json.dumps(revision.objectives), revision.restores,
        )  # fmt: skip
        rows = [
            ((change.kind, change.name), None if change.body is None else store_schema.item_body(change.body))
            for change in changes
        ]
        try:
            with self.transaction():
                last = self.last_number()
                if revision.number != last + 1:  # what it changes is a difference to the revision before it
                    raise NlapiError(f"revision {revision.number} cannot be kept: the last in the database is {last}")
                self._db.execute("INSERT INTO revisions VALUES (?,?,?,?,?,?,?)", row)
                store_schema.write_items(self._db, revision.number, rows)
                version_digests.write_digests(self._db, digests)
        except sqlite3.Error as error:
            raise NlapiError(f"revision {revision.number} cannot be kept: {error}") from None

    def last_number(self) -> int:
        """Return the number of the current revision; 0 when there is none."""
        row = self._fetch_row("SELECT max(number) AS number FROM revisions")
        return int(row["number"] or 0) if row else 0

    def revision(self, number: int) -> Revision | None:
        """Return a revision with its whole document; None when there is none of that number, or it was pruned."""
        with self._lock:  # both reads under one lock: no prune comes between them
            row = self._fetch_row("SELECT * FROM revisions WHERE number = ?", number)
            items = self._db.execute(_ITEMS_OF_REVISION, (number,)).fetchall() if row else []
        return revision_from_row(row, store_schema.document_of_items(items)) if row else None

    def revision_numbers(self) -> frozenset[int]:
        """Return the numbers of the stored revisions."""
        return frozenset(int(row["number"]) for row in self._fetch_all("SELECT number FROM revisions"))

    def has_revision(self, number: int) -> bool:
        """Return whether a revision of that number is stored."""
        return self._fetch_row("SELECT 1 FROM revisions WHERE number = ?", number) is not None

    def differing_documents(self, first: int, second: int) -> tuple[Json, Json]:
        """Return the documents of two revisions, each without what both have in common."""
        with self._lock:
            documents = [
                self._db.execute(_ITEMS_OF_ONE_REVISION, pair).fetchall() for pair in ((first, second), (second, first))
            ]
        return store_schema.document_of_items(documents[0]), store_schema.document_of_items(documents[1])

    def stored_bodies(self, kind: str) -> list[Json]:
        """Return the items of a kind, such as "versions", that any stored revision has."""
        rows = self._fetch_all("SELECT DISTINCT body FROM items WHERE kind = ?", kind)
        return [json.loads(row["body"]) for row in rows]

    def revisions(
        self, *, since: str = "", until: str = "", author: str = "", objective: str = "", limit: int, before: int = 0
    ) -> RowPage:
        """Return a page of revisions without documents, newest first, from `since` on and before `until`."""
        conditions = SqlFilter()
        conditions.add_period(since, until)
        conditions.add("lower(who) = lower(?)", author)
        if objective:
            conditions.add("EXISTS (SELECT 1 FROM json_each(objectives) WHERE value = ?)", objective)
        return self._page("revisions", "number", conditions, limit, before, revision_from_row)

    def changes_of(self, objective: str) -> list[ChangeRecord]:
        """Return the revisions that changed an objective, newest first, with those that were pruned."""
        query = """
            SELECT number, who, restores, 0 AS pruned FROM revisions
            WHERE EXISTS (SELECT 1 FROM json_each(objectives) WHERE value = ?)
            UNION ALL SELECT number, '', 0, 1 FROM pruned_changes WHERE objective = ?
            ORDER BY number DESC"""
        return [change_from_row(row) for row in self._fetch_all(query, objective, objective)]

    def changes_by_objective(self) -> dict[str, list[ChangeRecord]]:
        """Return what `changes_of` returns for every objective, in one reading."""
        query = """
            SELECT value AS objective, number, who, restores, 0 AS pruned FROM revisions, json_each(objectives)
            UNION ALL SELECT objective, number, '', 0, 1 FROM pruned_changes
            ORDER BY number DESC"""
        changes: dict[str, list[ChangeRecord]] = {}
        for row in self._fetch_all(query):
            changes.setdefault(row["objective"], []).append(change_from_row(row))
        return changes

    def first_number_of(self, kind: str, name: str) -> int:
        """Return the number of the oldest revision that had an item; 0 when no stored one has it."""
        row = self._fetch_row("SELECT min(first) AS number FROM items WHERE kind = ? AND name = ?", kind, name)
        return int(row["number"] or 0) if row else 0

    def oldest_prunable(self, *, newest: int, before: str) -> int:
        """Return the oldest revision that `prune` with these limits may delete, unless it is protected; 0 for none."""
        query = "SELECT min(number) AS number FROM revisions WHERE number <= ? AND at < ?"
        row = self._fetch_row(query, self.last_number() - max(1, newest), before)
        return int(row["number"] or 0) if row else 0

    def prune(self, *, newest: int, before: str, protected: Collection[int], limit: int) -> tuple[int, ...]:
        """Delete the oldest revisions, at most `limit`, and return their numbers.

        The `newest` newest, those from the time `before` on and the `protected` stay, whole. It is one transaction.
        """
        query = "SELECT number, objectives FROM revisions WHERE number <= ? AND at < ? ORDER BY number"
        with self.transaction():
            rows = self._fetch_all(query, self.last_number() - max(1, newest), before)
            pruned = [row for row in rows if row["number"] not in protected][:limit]
            numbers = [(int(row["number"]),) for row in pruned]
            if not numbers:
                return ()
            changes = [(name, row["number"]) for row in pruned for name in json.loads(row["objectives"])]
            self._db.executemany("INSERT OR IGNORE INTO pruned_changes VALUES (?,?)", changes)
            self._db.executemany("DELETE FROM revisions WHERE number = ?", numbers)
            # Older than every stored revision, they can hide nothing from an undo any more.
            oldest = "DELETE FROM pruned_changes WHERE number < (SELECT min(number) FROM revisions)"
            self._db.execute(oldest)
            unused = """
                DELETE FROM items WHERE last IS NOT NULL AND NOT EXISTS (
                  SELECT 1 FROM revisions WHERE number BETWEEN items.first AND items.last)"""
            self._db.execute(unused)
        with self._lock:
            self._db.execute("PRAGMA incremental_vacuum").fetchall()
            remaining = self.revision_numbers()
        for callback in self._pruned_callbacks:
            callback(remaining)
        return tuple(number for (number,) in numbers)

    def on_pruned(self, callback: Callable[[frozenset[int]], None]) -> None:
        """Call `callback` with the numbers of the remaining revisions after each prune, in the thread that pruned."""
        self._pruned_callbacks.append(callback)

    # digests of versions

    def version_digests(self) -> tuple[VersionDigest, ...]:
        """Return the digests of all versions of all revisions; "" for one that is not copied yet."""
        with self._lock:
            return version_digests.read_digests(self._db)

    def add_version_digests(self, digests: Iterable[VersionDigest]) -> None:
        """Store the digests of versions that were copied after their revision."""
        with self.transaction():
            version_digests.write_digests(self._db, digests)

    def prune_version_digests(self, used: Collection[tuple[str, str, str]]) -> None:
        """Forget the versions whose model, version and source are not in `used`: their names are free again."""
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
        return self._page("audit", "id", conditions, limit, before, entry_from_row)

    # decisions

    def add_decisions(self, decisions: Iterable[Mapping[str, Any]]) -> None:
        """Store decisions in the form of `Recorded` in specs/gateway.yaml."""
        rows = [
            (
                decision["request_id"], decision["at"], decision["objective"], decision["model"], decision["version"],
                _column_text(decision.get("context", {}).get("user")), decision.get("client", ""),
                decision.get("experiment", ""), decision.get("canary", ""), int(bool(decision.get("error"))),
                _encode_decision(decision),
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
        return body_from_row(row) if row else None

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
        return self._page("decisions", "id", conditions, limit, before, body_from_row)

    def llm_spending(self, since: str) -> dict[str, tuple[int, float]]:
        """Return the tokens and dollars of LLMs that each client spent since a time, by the recorded decisions."""
        usage = "json_extract(body, '$.usage.input_tokens') + json_extract(body, '$.usage.output_tokens')"
        query = (
            f"SELECT client, sum({usage}) AS tokens, sum(json_extract(body, '$.usage.cost_usd')) AS dollars "  # noqa: S608
            "FROM decisions WHERE at >= ? AND json_extract(body, '$.usage') IS NOT NULL GROUP BY client"
        )
        rows = self._fetch_all(query, since)
        return {row["client"]: (int(row["tokens"]), float(row["dollars"])) for row in rows}

    # reading

    def _page(
        self,
        table: str,
        key: str,
        conditions: SqlFilter,
        limit: int,
        before: int,
        build: Callable[[sqlite3.Row], Any],
    ) -> RowPage:
        # Only names and conditions that are written in this file get into the text; values are bound.
        count_row = self._fetch_row(f"SELECT count(*) AS total FROM {table}{conditions.sql()}", *conditions.values)  # noqa: S608
        total = int(count_row["total"]) if count_row else 0
        if before:
            conditions.add(f"{key} < ?", str(before))
        query = f"SELECT * FROM {table}{conditions.sql()} ORDER BY {key} DESC LIMIT ?"  # noqa: S608
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


_ITEMS_OF_REVISION = "SELECT kind, body FROM items WHERE first <= ?1 AND (last IS NULL OR last >= ?1)"
_ITEMS_OF_ONE_REVISION = f"{_ITEMS_OF_REVISION} AND NOT (first <= ?2 AND (last IS NULL OR last >= ?2))"


def _create_private_file(path: Path) -> None:
    """Create the file with mode 0600 if it does not exist, as it holds what people asked."""
    # SQLite gives the files beside it (-wal, -shm) the same mode. When this fails, SQLite reports the error.
    with suppress(OSError):
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


# Column names cannot be bound as parameters: only these get into the text of a query (SQL injection).
_DECISION_COLUMNS = {name: name for name in ("objective", "model", "version", "user", "client", "experiment", "canary")}
