"""The rows of the gateway's database, and the conditions of its queries."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """A committed change; `document` is the JSON of the whole configuration after it.

    `restores` is the number of the revision that it restored; 0 when it is not a rollback.
    """

    # The fields are the columns of the table `revisions`, and `as_revision` fills them by name.

    number: int
    at: str
    who: str
    why: str
    summary: str = ""
    objectives: tuple[str, ...] = ()
    # An undo skips revisions that restore others by this number, and so goes further back (Publisher._before).
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


def revision_from_row(row: sqlite3.Row) -> Revision:
    """Return the Revision of a row."""
    objectives = tuple(json.loads(row["objectives"]))
    return Revision(**dict(row) | {"objectives": objectives, "document": json.loads(row["document"])})


def entry_from_row(row: sqlite3.Row) -> AuditEntry:
    """Return the Entry of a row."""
    return AuditEntry(**{key: value for key, value in dict(row).items() if key != "id"})


def body_from_row(row: sqlite3.Row) -> Mapping[str, Any]:
    """Return the JSON object in the column `body`."""
    body: Mapping[str, Any] = json.loads(row["body"])
    return body


def column_text(value: Any) -> str | None:
    """Return a value as the text of a column; None stays NULL."""
    return None if value is None else str(value)
