"""The items of a sandbox in SQLite, with their kind, id, parents and JSON."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

# `gone` holds deleted ids, so that an open kind does not create them again; `counter` the next index of a kind, so that
# no id is used twice; `mark` the parents below which samples exist; `shown` the ids of other items that answers have
# shown, with what they showed of these. With `--database` they stay between runs.
SCHEMA = """
CREATE TABLE IF NOT EXISTS thing (
    number INTEGER PRIMARY KEY AUTOINCREMENT, entity TEXT NOT NULL, key TEXT NOT NULL, place INTEGER NOT NULL,
    scope TEXT NOT NULL, data TEXT NOT NULL, sampled INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS thing_key ON thing (entity, key);
CREATE TABLE IF NOT EXISTS gone (entity TEXT NOT NULL, key TEXT NOT NULL, scope TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS counter (entity TEXT PRIMARY KEY, next INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS mark (name TEXT PRIMARY KEY);
CREATE TABLE IF NOT EXISTS shown (
    entity TEXT NOT NULL, key TEXT NOT NULL, data TEXT NOT NULL, PRIMARY KEY (entity, key)
);
"""

# The parents of an item: kind -> id.
Scope = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredItem:
    """A stored item. `index` is its number among its kind; a `sampled` row is a fixture, not created by a client."""

    number: int = 0
    entity: str
    key: str
    index: int = 0
    scope: Scope = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    sampled: bool = False


class ItemStore:
    """Rows by kind and id, in a database file or ":memory:"."""

    def __init__(self, database: str = ":memory:") -> None:
        # The server may run in another thread than the one that created the store; requests come one at a time.
        self._db = sqlite3.connect(database, check_same_thread=False, isolation_level=None)
        self._db.executescript(SCHEMA)
        # Whether a client's change is in the transaction: an item made, changed or removed, but not by a sample.
        self.is_changed = False

    def close(self) -> None:
        self._db.close()

    def begin(self) -> None:
        self._db.execute("BEGIN")
        self.is_changed = False

    def commit(self) -> None:
        self._db.execute("COMMIT")

    def rollback(self) -> None:
        self._db.execute("ROLLBACK")

    def rows(self, entity: str, scope: Scope | None = None, limit: int = -1) -> list[StoredItem]:
        """Return the rows of a kind below all parents in `scope`, of the first `limit` in the order of creation."""
        cursor = self._db.execute(f"{SELECT} WHERE entity = ? ORDER BY number LIMIT ?", (entity, limit))
        return [row for row in map(_row, cursor) if _is_below(row, scope or {})]

    def find(self, entity: str, key: str, scope: Scope | None = None) -> StoredItem | None:
        cursor = self._db.execute(f"{SELECT} WHERE entity = ? AND key = ?", (entity, key))
        return next((row for row in map(_row, cursor) if _is_below(row, scope or {})), None)

    def count(self, entity: str) -> int:
        """Return the number of items of a kind, deleted ones included: the `index` of the next one."""
        record = self._db.execute("SELECT next FROM counter WHERE entity = ?", (entity,)).fetchone()
        return int(record[0]) if record else 0

    def add(self, row: StoredItem) -> StoredItem:
        self.is_changed = self.is_changed or not row.sampled
        values = (row.entity, row.key, row.index, _text(row.scope), _text(row.data), row.sampled)
        cursor = self._db.execute(
            "INSERT INTO thing (entity, key, place, scope, data, sampled) VALUES (?, ?, ?, ?, ?, ?)", values
        )
        counted = (row.entity, row.index + 1)
        self._db.execute("INSERT INTO counter VALUES (?, ?) ON CONFLICT DO UPDATE SET next = excluded.next", counted)
        self._db.execute("DELETE FROM gone WHERE entity = ? AND key = ? AND scope = ?", (*values[:2], values[3]))
        return _row((cursor.lastrowid, *values))

    def change(self, row: StoredItem, data: Mapping[str, object], scope: Scope | None = None) -> StoredItem:
        self.is_changed = True
        scope = row.scope if scope is None else scope
        values = (_text(scope), _text(data), row.number)
        self._db.execute("UPDATE thing SET scope = ?, data = ? WHERE number = ?", values)
        return _row((row.number, row.entity, row.key, row.index, values[0], values[1], row.sampled))

    def remove(self, row: StoredItem) -> None:
        self.is_changed = True
        self._db.execute("DELETE FROM thing WHERE number = ?", (row.number,))
        self.mark_deleted(row.entity, row.key, row.scope)

    def mark_deleted(self, entity: str, key: str, scope: Scope) -> None:
        """Record that an item is deleted, so that an open kind does not create it again."""
        self._db.execute("INSERT INTO gone VALUES (?, ?, ?)", (entity, key, _text(scope)))

    def is_deleted(self, entity: str, key: str, scope: Scope) -> bool:
        cursor = self._db.execute("SELECT scope FROM gone WHERE entity = ? AND key = ?", (entity, key))
        return any(scope.items() <= json.loads(text).items() for (text,) in cursor)

    def has_deleted(self, entity: str, scope: Scope) -> bool:
        """Return whether an item of a kind below all parents in `scope` has been deleted."""
        cursor = self._db.execute("SELECT scope FROM gone WHERE entity = ?", (entity,))
        return any(scope.items() <= json.loads(text).items() for (text,) in cursor)

    def show(self, entity: str, key: str, data: Mapping[str, object]) -> None:
        """Record that an answer has shown the id of an item, with these fields of it."""
        self._db.execute("INSERT OR IGNORE INTO shown VALUES (?, ?, ?)", (entity, key, _text(data)))

    def shown(self, entity: str, key: str) -> dict[str, Any] | None:
        """Return the fields of an item that an answer has shown; None where no answer has shown its id."""
        record = self._db.execute("SELECT data FROM shown WHERE entity = ? AND key = ?", (entity, key)).fetchone()
        return dict(json.loads(record[0])) if record else None

    def mark(self, name: str) -> bool:
        """Set a mark, and return whether it is new."""
        return self._db.execute("INSERT OR IGNORE INTO mark VALUES (?)", (name,)).rowcount == 1


# The key of a singleton such as `/account/settings`: no segment of a path is empty, while "-" is a name that some have.
SINGLETON_KEY = ""

SELECT = "SELECT number, entity, key, place, scope, data, sampled FROM thing"


def _row(values: tuple[Any, ...]) -> StoredItem:
    number, entity, key, index, scope, data, sampled = values
    return StoredItem(
        number=number,
        entity=entity,
        key=key,
        index=index,
        scope=json.loads(scope),
        data=json.loads(data),
        sampled=bool(sampled),
    )


def _is_below(row: StoredItem, scope: Scope) -> bool:
    return all(row.scope.get(name) == value for name, value in scope.items())


def scopes_agree(left: Scope, right: Scope) -> bool:
    """Return whether two scopes have the same parent for each kind that both contain."""
    return all(right.get(name, value) == value for name, value in left.items())


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=False)
