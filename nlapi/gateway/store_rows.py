"""The rows of the gateway's store as values: revisions with what they change, tokens, entries of the audit log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nlapi.gateway.store_database import Row


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
