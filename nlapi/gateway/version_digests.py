"""The table of the store that binds the names of versions to the digests of their content."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import astuple, dataclass
from typing import Any

from nlapi.gateway.store_database import StoreDatabase

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
    return tuple(
        VersionDigest(model=row["model"], version=row["version"], source=row["source"], digest=row["digest"])
        for row in rows
    )


def write_digests(database: StoreDatabase, digests: Iterable[VersionDigest]) -> None:
    """Add rows in the transaction of the caller."""
    database.execute_many(_WRITE, [astuple(item) for item in digests])


def delete_unused(database: StoreDatabase, used: Collection[tuple[str, str, str]]) -> None:
    """Delete the rows whose model, version and source are not in `used`, in the transaction of the caller."""
    rows = database.rows("SELECT model, version, source FROM version_digests WHERE digest <> ''")
    unused = [key for row in rows if (key := (row["model"], row["version"], row["source"])) not in used]
    database.execute_many("DELETE FROM version_digests WHERE model = ? AND version = ? AND source = ?", unused)
