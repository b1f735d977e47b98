"""Stores the gateway's revisions, tokens, audit log and recorded decisions, in SQLite or PostgreSQL."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import orjson

from nlapi.errors import DescriptionError, NlapiError, UsageError, file_faults, require_extra
from nlapi.gateway.shards.secret_references import SecretReference, is_reference
from nlapi.gateway.store import schema as store_schema
from nlapi.gateway.store.database import (
    CommitUnknownError,
    DuplicateRowError,
    Row,
    StaleRevisionError,
    StoreDatabase,
    StoreError,
    StoreUnavailableError,
    Value,
)
from nlapi.gateway.store.schema import Json, VersionDigest
from nlapi.gateway.store.spending import SpendingTable
from nlapi.gateway.store.sqlite import IN_MEMORY, SqliteDatabase
from nlapi.gateway.versions.content_digest import CHUNK_BYTES, content_files

# Content that is in no revision yet: another gateway may be about to commit it.
GRACE_PERIOD = "1 hour"


class SharedArtifacts:
    """The artifacts in a shared database, by the digest of their content."""

    def __init__(self, database: StoreDatabase) -> None:
        self._database = database

    def has(self, digest: str) -> bool:
        """Return whether an artifact is there."""
        return bool(self._database.rows("SELECT 1 FROM artifacts WHERE digest = ?", digest))

    def missing(self, digests: Collection[str]) -> set[str]:
        """Return the digests that are not there. In a transaction, those that are there stay until its end."""
        rows = [
            row
            for digest in sorted(set(digests))
            for row in self._database.rows("SELECT digest FROM artifacts WHERE digest = ? FOR KEY SHARE", digest)
        ]
        return set(digests) - {row["digest"] for row in rows}

    def add(self, digest: str, folder: Path) -> None:
        """Store the files of a folder, whose digest is known. StoreError when they cannot be stored."""
        size = 0
        # Not exclusive: a large one must not keep other gateways from publishing.
        with self._database.transaction(is_exclusive=False):
            for name, entry in content_files(folder, strict=True):
                with Path(entry.path).open("rb") as stream:
                    for number, chunk in enumerate(iter(lambda: stream.read(CHUNK_BYTES), b"")):
                        self._database.execute(_ADD_CHUNK, digest, name, number, chunk)
                        size += len(chunk)
                    if not stream.tell():
                        self._database.execute(_ADD_CHUNK, digest, name, 0, b"")
            added = "INSERT INTO artifacts (digest, size) VALUES (?,?) ON CONFLICT (digest) DO NOTHING"
            self._database.execute(added, digest, size)

    def fetch(self, digest: str, folder: Path) -> bool:
        """Write the files of an artifact into an empty folder; return whether there is such an artifact.

        The caller has to check their digest. DescriptionError when they cannot be written.
        """
        names = self._database.rows(
            "SELECT name, count(*) AS chunks FROM artifact_chunks WHERE digest = ? GROUP BY name", digest
        )
        with file_faults("the copy of an artifact cannot be written", DescriptionError):
            for row in names:
                self._fetch_file(digest, row["name"], row["chunks"], folder)
        return bool(names)

    def _fetch_file(self, digest: str, name: str, chunks: int, folder: Path) -> None:
        path = folder / name
        # The digest is over names too, but is checked when the files are there.
        if not path.resolve().is_relative_to(folder.resolve()):
            raise StoreError(f"the artifact {digest} in the database has a file outside of its folder")
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        query = "SELECT content FROM artifact_chunks WHERE digest = ? AND name = ? AND number = ?"
        with path.open("xb") as stream:
            for number in range(chunks):
                for row in self._database.rows(query, digest, name, number):
                    stream.write(row["content"])

    def prune(self) -> None:
        """Delete the artifacts of no stored revision, unless they came within the last hour."""
        unused = f"""
            DELETE FROM artifacts WHERE created_at < now() - interval '{GRACE_PERIOD}' AND NOT EXISTS (
              SELECT 1 FROM version_digests WHERE version_digests.digest = artifacts.digest)"""  # noqa: S608 - names of the store
        with self._database.transaction():
            self._database.execute(unused)


_ADD_CHUNK = """
INSERT INTO artifact_chunks (digest, name, number, content) VALUES (?,?,?,?)
ON CONFLICT (digest, name, number) DO NOTHING
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A committed change; `document` is the JSON of the whole configuration after it, {} where it was not asked for.

    `restores` is the number of the revision that it restored; 0 when it is not a rollback.
    """

    # The fields but the last are the columns of the table `revisions`, and `revision_from_row` fills them by name.

    number: int
    at: str
    who: str
    why: str
    summary: str = ""
    objectives: tuple[str, ...] = ()
    # An undo skips revisions that restore others by this number, and so goes further back (find_undo_path).
    restores: int = 0
    document: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RevisionHead:
    """The number and the time of the newest revision, which tell apart two of one number after a restored backup."""

    number: int = 0
    at: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemChange:
    """One item that a revision changes; `body` is its JSON, None when the revision removes it."""

    kind: str
    name: str
    body: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRecord:
    """A revision that changed an objective; of one that was `pruned` only the number is known."""

    number: int
    who: str
    restores: int
    pruned: bool


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


def revision_from_row(row: Row, document: Mapping[str, Any] | None = None) -> Revision:
    """Return the Revision of a row."""
    return Revision(**dict(row) | {"objectives": tuple(json.loads(row["objectives"]))}, document=document or {})


def change_from_row(row: Row) -> ChangeRecord:
    """Return the ChangeRecord of a row."""
    return ChangeRecord(number=row["number"], who=row["who"], restores=row["restores"], pruned=bool(row["pruned"]))


def entry_from_row(row: Row) -> AuditEntry:
    """Return the AuditEntry of a row."""
    return AuditEntry(**{key: value for key, value in dict(row).items() if key != "id"})


def body_from_row(row: Row) -> Mapping[str, Any]:
    """Return the JSON object in the column `body`."""
    body: Mapping[str, Any] = json.loads(row["body"])
    return body


class SqlFilter:
    """The conditions of a query with their bound values."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.values: list[Value] = []

    def add(self, condition: str, value: Value) -> None:
        """Add a condition unless its value is empty."""
        if value not in ("", None):
            self.parts.append(condition)
            self.values.append(value)

    def add_period(self, since: str, until: str) -> None:
        """Add the conditions for rows from `since` on and before `until`."""
        self.add("at >= ?", since)
        self.add("at < ?", until)

    def sql(self) -> str:
        """Return the WHERE clause, or "" without conditions."""
        return f" WHERE {' AND '.join(self.parts)}" if self.parts else ""


MAX_DECISIONS = 200_000
"""maximum number of stored decisions; the oldest are deleted first"""


MAX_OUTCOMES = 200_000
"""maximum number of stored outcomes"""


def _column_text(value: Any) -> str | None:
    """Return a value as the text of a column; None stays NULL."""
    return None if value is None else str(value)


def _encode_decision(decision: Mapping[str, Any]) -> str:
    # orjson takes 0.6 us where json takes 8, but refuses integers beyond 64 bits and half a surrogate pair.
    try:
        return orjson.dumps(decision).decode()
    except TypeError:
        return json.dumps(decision, separators=(",", ":"))


class GatewayStore:
    """What a gateway keeps, in the SQLite file at a path, or in another database.

    Every method is safe to call from any thread; each write is one transaction. NlapiError when the database cannot be
    opened or is of a newer version, StoreError when a statement fails later.
    """

    def __init__(self, database: str | Path | StoreDatabase = IN_MEMORY) -> None:
        self._token_changes = 0
        self._pruned_callbacks: list[Callable[[frozenset[int]], None]] = []
        name = str(database) if isinstance(database, str | Path) else database.name
        try:
            self.database = SqliteDatabase(database) if isinstance(database, str | Path) else database
            self._migrate()
        except NlapiError as error:
            if not isinstance(database, str | Path):
                database.close()
            if not isinstance(error, StoreError):
                raise
            is_file = isinstance(database, str | Path)
            hint = "give another file" if is_file else "see that the server runs, and check address and password"
            raise NlapiError(
                f"cannot open the gateway's store {name}: {error.message}", hint=error.hint or hint
            ) from None
        self.artifacts = SharedArtifacts(self.database) if self.database.is_shared else None
        """the content of versions, where several gateways need it"""
        self.spending = SpendingTable(self.database)
        """what was spent of budgets"""
        self.id = store_schema.read_store_id(self.database)
        """the same for all gateways on this store, and for no other; "" for one of an older program"""

    def _migrate(self) -> None:
        database = self.database
        version = store_schema.database_version(database)
        if version == store_schema.SCHEMA_VERSION:
            return
        if version:  # an older gateway that still serves from the file would fail at its next change
            database.claim()
        try:
            with database.transaction():
                store_schema.migrate(database)
            if version:
                database.release_space(whole=True)
        finally:
            database.release_claim()

    @property
    def path(self) -> str:
        """The path of the file, ":memory:", or the address without its password."""
        return self.database.name

    @property
    def is_shared(self) -> bool:
        """Whether several gateways may serve from it at once."""
        return self.database.is_shared

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    def transaction(self) -> AbstractContextManager[None]:
        """Run the `with` block as one transaction without other writers, or as part of the one around it."""
        return self.database.transaction()

    # revisions

    def add_revision(
        self,
        revision: Revision,
        changes: Iterable[ItemChange],
        digests: Iterable[VersionDigest] = (),
        audit: AuditEntry | None = None,
    ) -> None:
        """Commit a revision, whose number must follow the last, with its changes and its new versions' digests.

        The entry `audit` is committed with it; its `document` is not read. StaleRevisionError when another gateway has
        committed one meanwhile, CommitUnknownError when it may have been stored, StoreError when it was not.
        """
        row = (
            revision.number, revision.at, revision.who, revision.why, revision.summary,
            json.dumps(revision.objectives), revision.restores,
        )  # fmt: skip
        rows = [
            ((change.kind, change.name), None if change.body is None else store_schema.item_body(change.body))
            for change in changes
        ]
        digests = tuple(digests)
        try:
            with self.transaction():
                self._check_next(revision.number)
                self.database.execute("INSERT INTO revisions VALUES (?,?,?,?,?,?,?)", *row)
                store_schema.write_items(self.database, revision.number, rows)
                store_schema.write_digests(self.database, digests)
                self._check_artifacts(digests)
                if audit is not None:
                    self.add_audit_entry(audit)
        except CommitUnknownError:
            if not self._is_committed(revision):
                raise
        except StaleRevisionError:
            raise
        except StoreError as error:
            kind = StoreUnavailableError if isinstance(error, StoreUnavailableError) else StoreError
            raise kind(f"revision {revision.number} cannot be kept: {error.message}", hint=error.hint) from None

    def _check_next(self, number: int) -> None:
        """Check that a revision follows the last: its changes are a difference to the one before it."""
        last = self.last_number()
        if number != last + 1:
            raise StaleRevisionError(f"revision {number} cannot be kept: the last in the database is {last}")

    def _check_artifacts(self, digests: Collection[VersionDigest]) -> None:
        """Check that other gateways can get the content of new versions."""
        if self.artifacts is not None and self.artifacts.missing({item.digest for item in digests} - {""}):
            raise StoreError("the content of a version was deleted meanwhile", hint="repeat the change")

    def _is_committed(self, revision: Revision) -> bool:
        """Return whether a revision whose commit had no answer is stored. CommitUnknownError: it is not known."""
        try:
            row = self._fetch_row("SELECT * FROM revisions WHERE number = ?", revision.number)
        except StoreError:
            message = f"the database was lost while revision {revision.number} was committed"
            hint = "it may be kept: see GET /v1/revisions when the database is back, before you repeat the change"
            raise CommitUnknownError(message, hint=hint) from None
        if row is not None and replace(revision_from_row(row), document=revision.document) == revision:
            return True
        message = f"revision {revision.number} cannot be kept: the database was lost while it was committed"
        raise StoreUnavailableError(message)

    def head(self, number: int = 0) -> RevisionHead:
        """Return the number and the time of a revision, of the current one for 0; 0 and "" if none exists."""
        if number:
            row = self._fetch_row("SELECT number, at FROM revisions WHERE number = ?", number)
        else:
            row = self._fetch_row("SELECT number, at FROM revisions ORDER BY number DESC LIMIT 1")
        return RevisionHead(number=int(row["number"]), at=row["at"]) if row else RevisionHead()

    def last_number(self) -> int:
        """Return the number of the current revision, or 0."""
        row = self._fetch_row("SELECT max(number) AS number FROM revisions")
        return int(row["number"] or 0) if row else 0

    def revision(self, number: int) -> Revision | None:
        """Return a revision with its whole document; None when no revision has that number, or it was pruned."""
        with self.database.snapshot():  # no prune comes between the two reads
            row = self._fetch_row("SELECT * FROM revisions WHERE number = ?", number)
            items = self._fetch_all(_ITEMS_OF_REVISION, number, number) if row else []
        return revision_from_row(row, store_schema.document_of_items(items)) if row else None

    def revision_numbers(self) -> frozenset[int]:
        """Return the numbers of the stored revisions."""
        return frozenset(int(row["number"]) for row in self._fetch_all("SELECT number FROM revisions"))

    def has_revision(self, number: int) -> bool:
        """Return whether a revision of that number is stored."""
        return self._fetch_row("SELECT 1 FROM revisions WHERE number = ?", number) is not None

    def differing_documents(self, first: int, second: int) -> tuple[Json, Json]:
        """Return the documents of two revisions, each without what both have in common."""
        with self.database.snapshot():
            documents = [
                self._fetch_all(_ITEMS_OF_ONE_REVISION, number, number, other, other)
                for number, other in ((first, second), (second, first))
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
            conditions.add("EXISTS (SELECT 1 FROM {each_name} WHERE value = ?)", objective)
        return self._page("revisions", "number", conditions, limit, before, revision_from_row)

    def changes_of(self, objective: str) -> list[ChangeRecord]:
        """Return the revisions that changed an objective, newest first, with those that were pruned."""
        query = """
            SELECT number, who, restores, 0 AS pruned FROM revisions
            WHERE EXISTS (SELECT 1 FROM {each_name} WHERE value = ?)
            UNION ALL SELECT number, '', 0, 1 FROM pruned_changes WHERE objective = ?
            ORDER BY number DESC"""
        return [change_from_row(row) for row in self._fetch_all(query, objective, objective)]

    def changes_by_objective(self) -> dict[str, list[ChangeRecord]]:
        """Return what `changes_of` returns for every objective, in one reading."""
        query = """
            SELECT value AS objective, number, who, restores, 0 AS pruned FROM revisions, {each_name}
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
            remembered = "INSERT INTO pruned_changes VALUES (?,?) ON CONFLICT (objective, number) DO NOTHING"
            self.database.execute_many(remembered, changes)
            self.database.execute_many("DELETE FROM revisions WHERE number = ?", numbers)
            # Older than every stored revision, they can hide nothing from an undo any more.
            oldest = "DELETE FROM pruned_changes WHERE number < (SELECT min(number) FROM revisions)"
            self.database.execute(oldest)
            unused = """
                DELETE FROM items WHERE last IS NOT NULL AND NOT EXISTS (
                  SELECT 1 FROM revisions WHERE number BETWEEN items.first AND items.last)"""
            self.database.execute(unused)
        self.database.release_space(whole=False)
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
        return store_schema.read_digests(self.database)

    def add_version_digests(self, digests: Iterable[VersionDigest]) -> None:
        """Store the digests of versions that were copied after their revision."""
        with self.transaction():
            store_schema.write_digests(self.database, digests)

    def prune_version_digests(self) -> list[Json]:
        """Free the names of the versions that no stored revision has; return the versions that stay."""
        with self.transaction():
            versions = self.stored_bodies("versions")
            used = {store_schema.item_key(item) for item in versions}
            store_schema.delete_unused_digests(self.database, used)
        if self.artifacts is not None:
            self.artifacts.prune()
        return versions

    # tokens

    def add_token(self, token: TokenRecord) -> bool:
        """Store a token; return False when the name is in use."""
        row = (token.name, token.digest, token.audience, token.role, token.client, token.created_at, token.expires_at)
        try:
            with self.transaction():
                self.database.execute("INSERT INTO tokens VALUES (?,?,?,?,?,?,?)", *row)
        except DuplicateRowError:
            return False
        self._token_changes += 1
        return True

    def remove_token(self, name: str) -> TokenRecord | None:
        with self.transaction():
            row = self._fetch_row("SELECT * FROM tokens WHERE name = ?", name)
            self.database.execute("DELETE FROM tokens WHERE name = ?", name)
            self._token_changes += 1
        return TokenRecord(**dict(row)) if row else None

    def tokens(self) -> tuple[TokenRecord, ...]:
        rows = self._fetch_all("SELECT * FROM tokens ORDER BY name")
        return tuple(TokenRecord(**dict(row)) for row in rows)

    def token_version(self, *, fresh: bool = False) -> int:
        """Return a number that differs after a change of the tokens; one by another process shows within a second.

        Every request calls it, so it never waits for a running write; with `fresh` it waits and is up to date.
        """
        # The factor keeps the changes of others and our own apart.
        return self.database.changes_elsewhere(fresh=fresh) * 1_000_003 + self._token_changes

    # audit

    def add_audit_entry(self, entry: AuditEntry) -> None:
        """Store an entry, in the transaction that is open if there is one."""
        row = (entry.at, entry.who, entry.action, entry.target, entry.outcome, entry.detail)
        with self.transaction():
            added = "INSERT INTO audit (at, who, action, target, outcome, detail) VALUES (?,?,?,?,?,?)"
            self.database.execute(added, *row)

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
        with self.database.transaction(is_exclusive=False):
            self.database.execute_many(_ADD_DECISION, rows)
            oldest = "DELETE FROM decisions WHERE id <= (SELECT max(id) FROM decisions) - ?"
            self.database.execute(oldest, MAX_DECISIONS)

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
            conditions.add("failed = ?", int(failed))
        return self._page("decisions", "id", conditions, limit, before, body_from_row)

    def add_outcomes(self, outcomes: Iterable[Mapping[str, Any]]) -> None:
        """Store what came of answers, in the form of `AnswerOutcome` in specs/gateway.yaml."""
        rows = [(outcome["at"], outcome["objective"], _encode_decision(outcome)) for outcome in outcomes]
        with self.database.transaction(is_exclusive=False):
            self.database.execute_many("INSERT INTO outcomes (at, objective, body) VALUES (?,?,?)", rows)
            self.database.execute("DELETE FROM outcomes WHERE id <= (SELECT max(id) FROM outcomes) - ?", MAX_OUTCOMES)

    def outcomes(self, objective: str, *, since: str = "", limit: int = 0, before: int = 0) -> RowPage:
        """Return a page of an objective's outcomes, newest first; of all objectives for ""."""
        conditions = SqlFilter()
        conditions.add("objective = ?", objective)
        conditions.add_period(since, "")
        return self._page("outcomes", "id", conditions, limit or MAX_OUTCOMES, before, body_from_row)

    # reading

    def _page(
        self,
        table: str,
        key: str,
        conditions: SqlFilter,
        limit: int,
        before: int,
        build: Callable[[Row], Any],
    ) -> RowPage:
        # Only names and conditions that are written in this file get into the text; values are bound.
        count_row = self._fetch_row(f"SELECT count(*) AS total FROM {table}{conditions.sql()}", *conditions.values)  # noqa: S608 - names of the store
        total = int(count_row["total"]) if count_row else 0
        if before:
            conditions.add(f"{key} < ?", before)
        query = f"SELECT * FROM {table}{conditions.sql()} ORDER BY {key} DESC LIMIT ?"  # noqa: S608 - names of the store
        rows = self._fetch_all(query, *conditions.values, limit + 1)
        next_key = int(rows[limit - 1][key]) if len(rows) > limit else 0
        return RowPage(rows=tuple(build(row) for row in rows[:limit]), next=next_key, total=total)

    def _fetch_row(self, query: str, *values: Value) -> Row | None:
        return next(iter(self._fetch_all(query, *values)), None)

    def _fetch_all(self, query: str, *values: Value) -> Sequence[Row]:
        return self.database.rows(self.database.dialect.statement(query), *values)


_ADD_DECISION = """
INSERT INTO decisions
  (request_id, at, objective, model, version, "user", client, experiment, canary, failed, body)
VALUES (?,?,?,?,?,?,?,?,?,?,?)
"""
_ITEMS_OF_REVISION = "SELECT kind, body FROM items WHERE first <= ? AND (last IS NULL OR last >= ?)"
_ITEMS_OF_ONE_REVISION = f"{_ITEMS_OF_REVISION} AND NOT (first <= ? AND (last IS NULL OR last >= ?))"

# Column names cannot be bound as parameters: only these get into the text of a query (SQL injection). USER is a word
# of SQL.
_DECISION_COLUMNS = {
    **{name: name for name in ("objective", "model", "version", "client", "experiment", "canary")},
    "user": '"user"',
}


SCHEMES = ("postgresql://", "postgres://")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")


def is_postgres_url(target: str) -> bool:
    """Return whether a text is the URL of a PostgreSQL database, and not the path of a file."""
    return target.startswith(SCHEMES)


def open_store(target: str | Path, *, password: str = "", environment: Mapping[str, str]) -> GatewayStore:
    """Return the store of a file or of a PostgreSQL database, whose tables are made or brought up to date.

    `password` is the reference to the database's password, `env:NAME` or `file:PATH`, whose variables are in
    `environment`. UsageError for an invalid reference or URL, NlapiError when the database cannot be opened.
    """
    if not is_postgres_url(str(target)):
        if scheme := _URL.match(str(target)):  # as a path it would stand in messages, with a password that it may have
            hint = "give a file, or postgresql://USER@HOST/NAME, in small letters"
            raise UsageError(f"--database is a URL of {scheme[1]}, which is not a database of a gateway", hint=hint)
        if password:
            raise UsageError("only a PostgreSQL database has a password", hint="give --database postgresql://...")
        return GatewayStore(target)
    require_extra("postgres", "a PostgreSQL database")
    # Imported here: psycopg is an optional dependency, and takes 0.1 s to import.
    from nlapi.gateway.store.postgres import PostgresAddress, PostgresDatabase

    read_password = _password_reader(password, environment) if password else None
    return GatewayStore(PostgresDatabase(PostgresAddress(str(target), read_password)))


def _password_reader(text: str, environment: Mapping[str, str]) -> Callable[[], str]:
    """Return a function that reads the password behind a reference."""
    if not is_reference(text):  # it may be the password itself: it is not repeated
        raise UsageError(
            "--database-password is not a reference", hint="give env:NAME or file:PATH, never the password"
        )
    reference = SecretReference(text, environment)

    def read_password() -> str:
        try:
            return reference.read()
        except UsageError as error:
            raise UsageError(error.message, hint="it is the reference of --database-password") from None

    return read_password
