"""The tables of the gateway's store, and the steps that bring an older database to the present version."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import astuple, dataclass
from importlib.resources import files
from typing import Any, TypeAlias

from nlapi.errors import NlapiError
from nlapi.gateway.store.database import Row, StoreDatabase
from nlapi.routing.change import ENTITY_KINDS

# A digest that is stored stays: only the empty one of an older database is replaced.
_WRITE = """
INSERT INTO version_digests VALUES (?,?,?,?)
ON CONFLICT (model, version, source) DO UPDATE SET digest = excluded.digest WHERE version_digests.digest = ''
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionDigest:
    """The digest of the content that a version's source had when the version was registered; "" when it is unknown."""

    # The fields are the columns of the table, in its order.

    model: str
    version: str
    source: str
    digest: str


def item_key(item: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return model, version and source of a version in a stored document."""
    return item.get("model", ""), item.get("version", ""), item.get("source", "")


def read_digests(database: StoreDatabase) -> tuple[VersionDigest, ...]:
    """Return all rows."""
    rows = database.rows("SELECT model, version, source, digest FROM version_digests")
    return tuple(VersionDigest(**dict(row)) for row in rows)


def write_digests(database: StoreDatabase, digests: Iterable[VersionDigest]) -> None:
    """Add rows in the transaction of the caller."""
    database.execute_many(_WRITE, [astuple(item) for item in digests])


def delete_unused_digests(database: StoreDatabase, used: Collection[tuple[str, str, str]]) -> None:
    """Delete the rows whose model, version and source are not in `used`, in the transaction of the caller."""
    rows = database.rows("SELECT model, version, source FROM version_digests WHERE digest <> ''")
    unused = [key for row in rows if (key := (row["model"], row["version"], row["source"])) not in used]
    database.execute_many("DELETE FROM version_digests WHERE model = ? AND version = ? AND source = ?", unused)


Json: TypeAlias = dict[str, Any]
Migration: TypeAlias = Callable[[StoreDatabase], None]
ItemKey: TypeAlias = tuple[str, str]
"""The kind and the name of an entity in a document: ("rules", "tv-brazil"), ("versions", "ranker@v8")."""


# A version of a revision that was committed before there were digests: it is copied at the next start. What a remote
# shard has is not.
_FIND_VERSIONS = """
INSERT OR IGNORE INTO version_digests
SELECT json_extract(item.value, '$.model'), json_extract(item.value, '$.version'),
  json_extract(item.value, '$.source'), ''
FROM revisions, json_each(revisions.document, '$.versions') AS item
WHERE json_extract(item.value, '$.source') <> '' AND NOT EXISTS (
  SELECT 1 FROM json_each(revisions.document, '$.shards') AS shard
  WHERE json_extract(shard.value, '$.name') = json_extract(item.value, '$.shard')
    AND json_extract(shard.value, '$.protocol') <> 'local')
"""


def _create_tables(database: StoreDatabase) -> None:
    """Create the tables of version 1, in which a revision holds its whole document."""
    _create(database, "first")
    if database.is_shared:
        _create(database, "shared artifacts")


def _create_digests(database: StoreDatabase) -> None:
    """Create the table of digests, with an empty digest for each version that a stored revision names."""
    _create(database, "version digests")
    # Only SQLite had databases before there were digests, and only its dialect can look into their documents.
    if database.rows("SELECT number FROM revisions LIMIT 1"):
        database.execute(_FIND_VERSIONS)


def _create(database: StoreDatabase, step: str) -> None:
    """Carry out the statements of a step of tables.sql."""
    script = files("nlapi.gateway.store").joinpath("tables.sql").read_text(encoding="utf-8")
    statements, _, _ = script.partition(f"-- step: {step}\n")[2].partition("-- step: ")
    for statement in statements.rstrip().removesuffix(";").split(";\n"):
        database.execute(database.dialect.statement(statement))


def _split_documents(database: StoreDatabase) -> None:
    """Replace the documents of revisions by items, each with the first and the last revision that has it."""
    _create(database, "items")
    items: dict[ItemKey, str] = {}
    # Row by row: the documents of 400 revisions of 5,000 rules were 318 MiB.
    for row in database.iterate("SELECT number, document FROM revisions ORDER BY number"):
        number, document_items = row["number"], items_of_document(json.loads(row["document"]))
        changed = [key for key in {**items, **document_items} if items.get(key) != document_items.get(key)]
        write_items(database, number, ((key, document_items.get(key)) for key in changed))
        items = document_items
    _create(database, "revisions without documents")


def _create_key_fingerprints(database: StoreDatabase) -> None:
    """Create the table of the routing keys of the gateways on a database."""
    _create(database, "routing keys")


def _create_outcomes(database: StoreDatabase) -> None:
    """Create the table of what came of answers."""
    _create(database, "outcomes")


def _create_spending(database: StoreDatabase) -> None:
    """Create the table of what was spent of budgets."""
    _create(database, "spending")


def _create_daily_spending(database: StoreDatabase) -> None:
    """Create the table of the usage of language models on each day, with that of the stored decisions."""
    _create(database, "daily spending")


_MIGRATIONS: tuple[Migration, ...] = (
    _create_tables,
    _create_digests,
    _split_documents,
    _create_key_fingerprints,
    _create_outcomes,
    _create_spending,
    _create_daily_spending,
)
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
    _create(database, "identity")
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
        (kind, (f"{item['model']}@{item['version']}" if kind == "versions" else item["name"])): item_body(item)
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
