"""The tables of the gateway's store, and the steps that bring an older database to the present version."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from nlapi.errors import NlapiError
from nlapi.gateway import shared_artifacts, version_digests
from nlapi.gateway.store_database import Row, StoreDatabase
from nlapi.routing.change import ENTITY_KINDS

Json: TypeAlias = dict[str, Any]
Migration: TypeAlias = Callable[[StoreDatabase], None]
ItemKey: TypeAlias = tuple[str, str]
"""The kind and the name of an entity in a document: ("rules", "tv-brazil"), ("versions", "ranker@v8")."""


def _create_tables(database: StoreDatabase) -> None:
    """Create the tables of version 1, in which a revision holds its whole document."""
    _create(
        database,
        """CREATE TABLE revisions (
             number INTEGER PRIMARY KEY, at {text} NOT NULL, who {text} NOT NULL, why {text} NOT NULL,
             summary {text} NOT NULL, objectives {text} NOT NULL, restores INTEGER NOT NULL,
             document {text} NOT NULL)""",
        """CREATE TABLE tokens (
             name {text} PRIMARY KEY, digest {text} NOT NULL UNIQUE, audience {text} NOT NULL, role {text} NOT NULL,
             client {text} NOT NULL, created_at {text} NOT NULL, expires_at {text})""",
        """CREATE TABLE audit (
             id {row_key}, at {text} NOT NULL, who {text} NOT NULL, action {text} NOT NULL, target {text} NOT NULL,
             outcome {text} NOT NULL, detail {text} NOT NULL)""",
        """CREATE TABLE decisions (
             id {row_key}, request_id {text} NOT NULL, at {text} NOT NULL, objective {text} NOT NULL,
             model {text} NOT NULL, version {text} NOT NULL, "user" {text}, client {text}, experiment {text},
             canary {text}, failed INTEGER NOT NULL, body {text} NOT NULL)""",
        "CREATE INDEX decisions_by_request ON decisions (request_id)",
        "CREATE INDEX decisions_by_time ON decisions (at)",
        "CREATE INDEX audit_by_time ON audit (at)",
    )
    if database.is_shared:
        _create(database, *shared_artifacts.TABLES)


def _create(database: StoreDatabase, *statements: str) -> None:
    for statement in statements:
        database.execute(database.dialect.statement(statement))


def _split_documents(database: StoreDatabase) -> None:
    """Replace the documents of revisions by items, each with the first and the last revision that has it."""
    # An item that stays the same over 200 revisions is one row. `last` is NULL while the item is current, so any
    # revision is one query, and no chain of differences has to be replayed (docs/design/033-change-at-scale.md).
    _create(
        database,
        """CREATE TABLE items (
             id {row_key}, kind {text} NOT NULL, name {text} NOT NULL, first INTEGER NOT NULL, last INTEGER,
             body {text} NOT NULL)""",
        "CREATE UNIQUE INDEX current_items ON items (kind, name) WHERE last IS NULL",
        "CREATE INDEX items_by_last ON items (last)",
        "CREATE INDEX items_by_first ON items (first)",
        # The pruned revisions that changed an objective: an undo must not skip one of them unnoticed.
        """CREATE TABLE pruned_changes (
             objective {text} NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (objective, number)) {by_key}""",
    )
    items: dict[ItemKey, str] = {}
    # Row by row: the documents of 400 revisions of 5,000 rules were 318 MiB.
    for row in database.iterate("SELECT number, document FROM revisions ORDER BY number"):
        number, document_items = row["number"], items_of_document(json.loads(row["document"]))
        changed = [key for key in {**items, **document_items} if items.get(key) != document_items.get(key)]
        write_items(database, number, ((key, document_items.get(key)) for key in changed))
        items = document_items
    # Not DROP COLUMN, which SQLite has since 3.35 only.
    columns = "number, at, who, why, summary, objectives, restores"
    _create(
        database,
        """CREATE TABLE revisions_without_documents (
             number INTEGER PRIMARY KEY, at {text} NOT NULL, who {text} NOT NULL, why {text} NOT NULL,
             summary {text} NOT NULL, objectives {text} NOT NULL, restores INTEGER NOT NULL)""",
    )
    database.execute(f"INSERT INTO revisions_without_documents SELECT {columns} FROM revisions")  # noqa: S608 - names of the store
    database.execute("DROP TABLE revisions")
    database.execute("ALTER TABLE revisions_without_documents RENAME TO revisions")


_MIGRATIONS: tuple[Migration, ...] = (_create_tables, version_digests.create_table, _split_documents)
"""Entry i brings a database from version i to i + 1. Steps are only added, never edited."""

SCHEMA_VERSION = len(_MIGRATIONS)


def database_version(database: StoreDatabase) -> int:
    """Return the version of a database; 0 for an empty one. NlapiError when it is newer than this program."""
    version = database.version()
    if version > SCHEMA_VERSION:
        raise NlapiError(f"the gateway's store is of version {version}", hint="a newer nlapi made it")
    return version


def migrate(database: StoreDatabase) -> None:
    """Run the steps that a database lacks. The caller has begun a transaction, which a kill undoes as a whole."""
    version = database_version(database)
    for number in range(version, SCHEMA_VERSION):
        _MIGRATIONS[number](database)
    if not version:
        write_store_id(database, secrets.token_hex(8))
    database.set_version(SCHEMA_VERSION)


def write_items(database: StoreDatabase, number: int, changes: Iterable[tuple[ItemKey, str | None]]) -> None:
    """Write what revision `number` changes: the new body of each item, None for one that it removes."""
    rows = [(number, *key, body) for key, body in changes]
    ended = "UPDATE items SET last = ? - 1 WHERE kind = ? AND name = ? AND last IS NULL"
    database.execute_many(ended, [row[:3] for row in rows])
    begun = "INSERT INTO items (first, kind, name, body) VALUES (?,?,?,?)"
    database.execute_many(begun, [row for row in rows if row[3] is not None])


def item_body(item: Mapping[str, Any]) -> str:
    """Return the text of an item's row."""
    return json.dumps(item, separators=(",", ":"))


# Not a step of the migrations: a store that was there before there were ids has none, so that the keys which its
# gateways have signed stay good, and a program of that time still opens a new one.
def write_store_id(database: StoreDatabase, store_id: str) -> None:
    """Create the table with the id of a store, in the transaction of the caller."""
    _create(database, "CREATE TABLE store_identity (id {text} NOT NULL)")
    database.execute("INSERT INTO store_identity VALUES (?)", store_id)


def replace_store_id(database: StoreDatabase, store_id: str) -> None:
    """Give a store the id of another one, or none, in the transaction of the caller."""
    if not database.has_table("store_identity"):
        write_store_id(database, store_id)
    database.execute("DELETE FROM store_identity")
    if store_id:
        database.execute("INSERT INTO store_identity VALUES (?)", store_id)


def read_store_id(database: StoreDatabase) -> str:
    """Return the id of a store, the same for all gateways on it; "" for one of an older program."""
    if not database.has_table("store_identity"):
        return ""
    return str(next((row["id"] for row in database.rows("SELECT id FROM store_identity")), ""))


def items_of_document(document: Mapping[str, Any]) -> dict[ItemKey, str]:
    """Return the body of each item of a configuration document."""
    return {
        (kind, _item_name(kind, item)): item_body(item)
        for kind in ENTITY_KINDS.values()
        for item in document.get(kind, ())
    }


def document_of_items(rows: Iterable[Row]) -> Json:
    """Return the document of rows of items: every kind as a list, rules by position, all else by name."""
    bodies: dict[str, list[str]] = {kind: [] for kind in ENTITY_KINDS.values()}
    for row in rows:
        bodies[row["kind"]].append(row["body"])
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
