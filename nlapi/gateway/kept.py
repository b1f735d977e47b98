"""What the gateway keeps, row by row, and the conditions that rows are asked for by."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One change, as it was committed. `document` is the JSON of the whole configuration it made.

    `restores` is the number of the revision whose state it brought back; 0 when it is no rollback.
    """

    number: int
    at: str
    who: str
    why: str
    summary: str = ""
    objectives: tuple[str, ...] = ()
    restores: int = 0
    document: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRecord:
    """A token as it is kept: the sha256 of its secret, never the secret. Times are ISO 8601 in UTC."""

    name: str
    digest: str
    audience: str
    role: str = ""
    client: str = ""
    created_at: str
    expires_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A line of the audit log."""

    at: str
    who: str
    action: str
    target: str
    outcome: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of rows, and where the next one begins (0: there is none)."""

    rows: tuple[Any, ...]
    next: int
    total: int


class Where:
    """The conditions of a query and their values."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.values: list[str] = []

    def add(self, condition: str, value: str) -> None:
        """Adds a condition, unless its value is empty."""
        if value:
            self.parts.append(condition)
            self.values.append(value)

    def period(self, since: str, until: str) -> None:
        self.add("at >= ?", since)
        self.add("at < ?", until)

    def text(self) -> str:
        return f" WHERE {' AND '.join(self.parts)}" if self.parts else ""


def as_revision(row: sqlite3.Row) -> Revision:
    objectives = tuple(json.loads(row["objectives"]))
    return Revision(**dict(row) | {"objectives": objectives, "document": json.loads(row["document"])})


def as_entry(row: sqlite3.Row) -> Entry:
    return Entry(**{key: value for key, value in dict(row).items() if key != "id"})


def as_body(row: sqlite3.Row) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(row["body"])
    return found


def as_text(value: Any) -> str | None:
    return None if value is None else str(value)
