"""Copies the store in a file into a database of several gateways, whole or not at all, and as often as one likes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any

from nlapi.errors import DescriptionError, NlapiError
from nlapi.gateway.store.database import StoreDatabase, StoreError
from nlapi.gateway.store.schema import read_store_id, replace_store_id
from nlapi.gateway.store.store import GatewayStore
from nlapi.gateway.versions.artifacts import ArtifactStore

# Rows of one statement: decisions of an LLM have some kilobytes each, and a statement has 15 s.
_BATCH = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class _Table:
    """A table of the store, its key, and whether the database counts the key up."""

    name: str
    key: str
    is_counted: bool = False


_TABLES = (
    _Table(name="revisions", key="number"),
    _Table(name="items", key="id", is_counted=True),
    _Table(name="pruned_changes", key="objective, number"),
    _Table(name="version_digests", key="model, version, source"),
    _Table(name="tokens", key="name"),
    _Table(name="audit", key="id", is_counted=True),
    _Table(name="decisions", key="id", is_counted=True),
    _Table(name="outcomes", key="id", is_counted=True),
    _Table(name="daily_spending", key="id", is_counted=True),
)
# What only grows. A gateway that has changed anything has written a last row that is its own.
_HISTORIES = tuple(table for table in _TABLES if table.name in ("revisions", "audit", "decisions"))


class CopyOutcome(StrEnum):
    """What a copy has found and done."""

    COPIED = "copied"
    """the target was empty"""
    COMPLETED = "completed"
    """the target had an older state of the source"""
    UNCHANGED = "unchanged"
    """the target has all of the source already"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreCopy:
    """The result of a copy: the rows by table that the source has, and the content that could not be read."""

    outcome: CopyOutcome
    rows: dict[str, int]
    contents: int
    """versions' contents that were sent"""
    problems: tuple[str, ...] = ()


def copy_store(source: GatewayStore, artifacts: ArtifactStore, target: GatewayStore) -> StoreCopy:
    """Make what a store holds, with the content of its versions in `artifacts`, that of an empty database.

    A copy that was interrupted is completed by another one: contents are sent once each by their digest, and all rows
    are one transaction. NlapiError, with nothing changed, when the target has data that the source lacks.
    """
    if not source.last_number():
        raise NlapiError(f"{source.path} has no revision", hint="name the --database that a gateway has served from")
    with target.database.snapshot():  # before minutes are spent on contents
        _compare(source, target)
    sent, problems = _send_contents(source, artifacts, target)
    # No other program writes to the source meanwhile, such as `nlapi gateway token`.
    with source.transaction(), target.transaction():
        outcome = _compare(source, target)
        if outcome is not CopyOutcome.UNCHANGED:
            for table in _TABLES:
                target.database.execute(f"DELETE FROM {table.name}")  # noqa: S608 - names of the store
            for table in _TABLES:
                _copy_table(source.database, target.database, table)
            replace_store_id(target.database, read_store_id(source.database))
            _check_contents(source, target, problems)
        rows = {table.name: _count(source.database, table) for table in _TABLES}
    return StoreCopy(outcome=outcome, rows=rows, contents=sent, problems=tuple(problems.values()))


def _compare(source: GatewayStore, target: GatewayStore) -> CopyOutcome:
    """Return what there is to do. NlapiError when the target has another history than the source."""
    if _contains(target.database, source.database):
        return CopyOutcome.UNCHANGED
    if _contains(source.database, target.database):
        is_empty = not any(_count(target.database, table) for table in _HISTORIES)
        return CopyOutcome.COPIED if is_empty else CopyOutcome.COMPLETED
    hint = "nothing was changed; name an empty database, or another schema with options=-csearch_path%3DNAME"
    raise NlapiError(f"{target.path} holds what {source.path} does not", hint=hint)


def _contains(whole: StoreDatabase, part: StoreDatabase) -> bool:
    """Return whether the newest rows of one database are in another, which then has all that led to them."""
    for table in _HISTORIES:
        newest = _row(part, f"SELECT * FROM {table.name} ORDER BY {table.key} DESC LIMIT 1")  # noqa: S608 - names of the store
        if newest is None:
            continue
        number = newest[table.key]
        row = _row(whole, f"SELECT * FROM {table.name} WHERE {table.key} = ?", number)  # noqa: S608 - names of the store
        if row is None and table.name == "decisions":
            # The oldest are deleted where there are too many.
            oldest = _row(whole, "SELECT min(id) AS id FROM decisions")
            if oldest and oldest["id"] is not None and oldest["id"] > number:
                continue
        if row != newest:
            return False
    return True


def _row(database: StoreDatabase, query: str, *values: int) -> dict[str, Any] | None:
    return next((_portable(row) for row in database.rows(query, *values)), None)


def _portable(row: Any) -> dict[str, Any]:
    """Return a row as both databases hold it: PostgreSQL has no U+0000 in texts (`_bound` in its module)."""
    return {name: value.replace("\x00", "\ufffd") if isinstance(value, str) else value for name, value in _items(row)}


def _items(row: Any) -> Iterator[tuple[str, Any]]:
    return ((name, row[name]) for name in row.keys())  # noqa: SIM118 - a Row of sqlite3 iterates over its values


def _count(database: StoreDatabase, table: _Table) -> int:
    return int(database.rows(f"SELECT count(*) AS number FROM {table.name}")[0]["number"])  # noqa: S608 - names of the store


def _copy_table(source: StoreDatabase, target: StoreDatabase, table: _Table) -> None:
    rows = source.iterate(f"SELECT * FROM {table.name} ORDER BY {table.key}")  # noqa: S608 - names of the store
    while batch := [dict(_items(row)) for row in islice(rows, _BATCH)]:
        names = list(batch[0])
        columns, places = ", ".join(f'"{name}"' for name in names), ", ".join("?" * len(names))
        insertion = f"INSERT INTO {table.name} ({columns}) VALUES ({places})"  # noqa: S608 - names of the store
        target.execute_many(insertion, [tuple(row.values()) for row in batch])
    if table.is_counted:
        target.continue_counting(table.name)


def _send_contents(source: GatewayStore, artifacts: ArtifactStore, target: GatewayStore) -> tuple[int, dict[str, str]]:
    """Send the contents that the target lacks; return their number, and a problem by digest for what is not sound."""
    sent, problems = 0, {}
    if target.artifacts is None:
        return 0, {}
    for item in sorted(source.version_digests(), key=lambda item: item.digest):
        digest, name = item.digest, f"{item.model}@{item.version}"
        if not digest:
            problems[name] = f"{name} was never copied by its gateway: it is taken from its folder, {item.source}"
        elif digest not in problems and not target.artifacts.has(digest):
            try:
                target.artifacts.add(digest, artifacts.verify(digest))
                sent += 1
            except DescriptionError as error:
                problems[digest] = f"{name}: {error.message}"
    return sent, problems


def _check_contents(source: GatewayStore, target: GatewayStore, problems: dict[str, str]) -> None:
    """StoreError when a gateway on the target has deleted content meanwhile that no revision there had."""
    digests = {item.digest for item in source.version_digests()} - {"", *problems}
    if target.artifacts is not None and target.artifacts.missing(digests):
        raise StoreError("the content of a version was deleted meanwhile", hint="run the command again")
