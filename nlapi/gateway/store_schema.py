"""The tables of the gateway's store, and the steps that bring an older database to the present version."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any, TypeAlias

from nlapi.errors import NlapiError
from nlapi.gateway import version_digests
from nlapi.routing.change import ENTITY_KINDS

Json: TypeAlias = dict[str, Any]
Migration: TypeAlias = Callable[[sqlite3.Connection], None]
ItemKey: TypeAlias = tuple[str, str]
"""The kind and the name of an entity in a document: ("rules", "tv-brazil"), ("versions", "ranker@v8")."""


def _create_tables(database: sqlite3.Connection) -> None:
    """Create the tables of version 1, in which a revision holds its whole document."""
    for statement in (
        """CREATE TABLE revisions (
             number INTEGER PRIMARY KEY, at TEXT NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL,
             summary TEXT NOT NULL, objectives TEXT NOT NULL, restores INTEGER NOT NULL, document TEXT NOT NULL)""",
        """CREATE TABLE tokens (
             name TEXT PRIMARY KEY, digest TEXT NOT NULL UNIQUE, audience TEXT NOT NULL, role TEXT NOT NULL,
             client TEXT NOT NULL, created_at TEXT NOT NULL, expires_at TEXT)""",
        """CREATE TABLE audit (
             id INTEGER PRIMARY KEY, at TEXT NOT NULL, who TEXT NOT NULL, action TEXT NOT NULL, target TEXT NOT NULL,
             outcome TEXT NOT NULL, detail TEXT NOT NULL)""",
        """CREATE TABLE decisions (
             id INTEGER PRIMARY KEY, request_id TEXT NOT NULL, at TEXT NOT NULL, objective TEXT NOT NULL,
             model TEXT NOT NULL, version TEXT NOT NULL, user TEXT, client TEXT, experiment TEXT, canary TEXT,
             failed INTEGER NOT NULL, body TEXT NOT NULL)""",
        "CREATE INDEX decisions_by_request ON decisions (request_id)",
        "CREATE INDEX decisions_by_time ON decisions (at)",
        "CREATE INDEX audit_by_time ON audit (at)",
    ):
        database.execute(statement)


def _split_documents(database: sqlite3.Connection) -> None:
    """Replace the documents of revisions by items, each with the first and the last revision that has it."""
    # An item that stays the same over 200 revisions is one row. `last` is NULL while the item is current, so any
    # revision is one query, and no chain of differences has to be replayed (docs/design/033-change-at-scale.md).
    for statement in (
        """CREATE TABLE items (
             id INTEGER PRIMARY KEY, kind TEXT NOT NULL, name TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER,
             body TEXT NOT NULL)""",
        "CREATE UNIQUE INDEX current_items ON items (kind, name) WHERE last IS NULL",
        "CREATE INDEX items_by_last ON items (last)",
        "CREATE INDEX items_by_first ON items (first)",
        # The pruned revisions that changed an objective: an undo must not skip one of them unnoticed.
        """CREATE TABLE pruned_changes (
             objective TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (objective, number)) WITHOUT ROWID""",
    ):
        database.execute(statement)
    items: dict[ItemKey, str] = {}
    # Row by row: the documents of 400 revisions of 5,000 rules were 318 MiB.
    for number, text in database.execute("SELECT number, document FROM revisions ORDER BY number"):
        document_items = items_of_document(json.loads(text))
        changed = [key for key in {**items, **document_items} if items.get(key) != document_items.get(key)]
        write_items(database, number, ((key, document_items.get(key)) for key in changed))
        items = document_items
    # Not DROP COLUMN, which SQLite has since 3.35 only.
    columns = "number, at, who, why, summary, objectives, restores"
    database.execute(
        """CREATE TABLE revisions_without_documents (
             number INTEGER PRIMARY KEY, at TEXT NOT NULL, who TEXT NOT NULL, why TEXT NOT NULL,
             summary TEXT NOT NULL, objectives TEXT NOT NULL, restores INTEGER NOT NULL)"""
    )
    database.execute(f"INSERT INTO revisions_without_documents SELECT {columns} FROM revisions")  # noqa: S608
    database.execute("DROP TABLE revisions")
    database.execute("ALTER TABLE revisions_without_documents RENAME TO revisions")


_MIGRATIONS: tuple[Migration, ...] = (_create_tables, version_digests.create_table, _split_documents)
"""Entry i brings a database from version i to i + 1. Steps are only added, never edited."""

SCHEMA_VERSION = len(_MIGRATIONS)


def database_version(database: sqlite3.Connection) -> int:
    """Return the version of a database; 0 for an empty file. NlapiError when it is newer than this program."""
    version = int(database.execute("PRAGMA user_version").fetchone()[0])
    if version > SCHEMA_VERSION:
        raise NlapiError(f"the gateway's store is of version {version}", hint="a newer nlapi made it")
    return version


def migrate(database: sqlite3.Connection) -> None:
    """Run the steps that a database lacks. The caller has begun a transaction, which a kill undoes as a whole."""
    for number in range(database_version(database), SCHEMA_VERSION):
        _MIGRATIONS[number](database)
    database.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def shrink(database: sqlite3.Connection) -> None:
    """Return the free pages of a database to the file system, and let later ones be returned step by step."""
    # A disk that is full, or another reader, is no reason not to start: the pages are used again anyway.
    with suppress(sqlite3.Error):
        database.execute("PRAGMA auto_vacuum=INCREMENTAL")
        database.execute("VACUUM")


def write_items(database: sqlite3.Connection, number: int, changes: Iterable[tuple[ItemKey, str | None]]) -> None:
    """Write what revision `number` changes: the new body of each item, None for one that it removes."""
    rows = [(number, *key, body) for key, body in changes]
    ended = "UPDATE items SET last = ? - 1 WHERE kind = ? AND name = ? AND last IS NULL"
    database.executemany(ended, [row[:3] for row in rows])
    begun = "INSERT INTO items (first, kind, name, body) VALUES (?,?,?,?)"
    database.executemany(begun, [row for row in rows if row[3] is not None])


def item_body(item: Mapping[str, Any]) -> str:
    """Return the text of an item's row."""
    return json.dumps(item, separators=(",", ":"))


def items_of_document(document: Mapping[str, Any]) -> dict[ItemKey, str]:
    """Return the body of each item of a configuration document."""
    return {
        (kind, _item_name(kind, item)): item_body(item)
        for kind in ENTITY_KINDS.values()
        for item in document.get(kind, ())
    }


def document_of_items(rows: Iterable[tuple[str, str]]) -> Json:
    """Return the document of (kind, body) rows: every kind as a list, rules by position, all else by name."""
    bodies: dict[str, list[str]] = {kind: [] for kind in ENTITY_KINDS.values()}
    for kind, body in rows:
        bodies[kind].append(body)
    document: Json = {}
    for kind, texts in bodies.items():
        # One parse for all items of a kind takes half the time of one for each (10,000 rules: 30 ms).
        items: list[Json] = json.loads(f"[{','.join(texts)}]")
        document[kind] = sorted(items, key=_version_order if kind == "versions" else _item_order)
    return document


def _item_order(item: Mapping[str, Any]) -> tuple[int, str]:
    return item.get("position", 0), item["name"]


def _version_order(item: Mapping[str, Any]) -> tuple[str, str]:
    return item["model"], item["version"]


def _item_name(kind: str, item: Mapping[str, Any]) -> str:
    return f"{item['model']}@{item['version']}" if kind == "versions" else item["name"]
