"""Keeps gateways on one database to one set of routing keys: its public identity is in the database."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress

from nlapi.errors import UsageError
from nlapi.gateway.routing_keys.key_ring import KeyRing
from nlapi.gateway.routing_keys.key_set import fingerprints
from nlapi.gateway.store import GatewayStore
from nlapi.gateway.store_database import StoreError
from nlapi.issue import Issue

CHECK_INTERVAL_S = 2.0
"""seconds between two looks of a gateway whether its keys are still those of the database"""
_TABLE = "routing_key_identity"
_KID_CHARS = 12  # of a fingerprint, as `nlapi gateway keys list` shows them

_log = logging.getLogger(__name__)


def registered_keys(store: GatewayStore) -> tuple[str, ...]:
    """Return the fingerprints of the routing keys of a database, the newest last; () before its first gateway."""
    if not store.database.has_table(_TABLE):
        return ()
    rows = store.database.rows(f"SELECT fingerprint FROM {_TABLE} ORDER BY number")  # noqa: S608 - a name of ours
    return tuple(row["fingerprint"] for row in rows)


def replace_registered(store: GatewayStore, keys: tuple[str, ...]) -> None:
    """Make these the routing keys of a database, in the transaction of the caller."""
    database = store.database
    if not database.has_table(_TABLE):
        statement = f"CREATE TABLE {_TABLE} (number INTEGER PRIMARY KEY, fingerprint {{text}} NOT NULL)"
        database.execute(database.dialect.statement(statement))
    database.execute(f"DELETE FROM {_TABLE}")  # noqa: S608 - a name of ours
    database.execute_many(f"INSERT INTO {_TABLE} VALUES (?,?)", list(enumerate(keys)))  # noqa: S608 - as above


def missing_keys(store: GatewayStore, location: str) -> UsageError:
    """Return the error for keys that are not here, where a database has some already."""
    kid = _kid(registered_keys(store))
    return UsageError(f"the database {store.path} has routing keys ({kid}), and {location} is not there", hint=_HINT)


class KeyRegistration:
    """The keys of one gateway, and whether they are those of its database.

    Only fingerprints are in the database: whoever reads it, or a backup of it, can sign nothing.
    """

    def __init__(self, store: GatewayStore, ring: KeyRing) -> None:
        self._store = store
        self._ring = ring
        self._own = fingerprints(ring.keys)
        self._foreign = ""
        """the kid of the database's keys where they are others"""

    def join(self) -> None:
        """Register the keys at a database that has none, or whose keys they have rotated.

        Of two gateways that do so at once, one does. UsageError when the database has others, or newer ones: then a
        file of keys that was made for this start is deleted again.
        """
        with self._store.transaction():
            registered = registered_keys(self._store)
            if not registered or _rotates(self._own, registered):
                replace_registered(self._store, self._own)
                return
        if self._own[-1] != registered[-1]:
            self._ring.discard_created()
            relation = "older than" if self._own[-1] in registered else "not"
            message = (
                f"the routing keys in {self._ring.source} ({_kid(self._own)}) are {relation} those of the database"
            )
            raise UsageError(f"{message} {self._store.path} ({_kid(registered)})", hint=_HINT)

    def check(self) -> None:
        """Register the keys after a rotation, and note whether the database has others."""
        before, self._own = self._own, fingerprints(self._ring.keys)
        registered = registered_keys(self._store)
        if self._own != before:
            with self._store.transaction():
                registered = registered_keys(self._store)
                # Without an overlap (`--overlap 0`) nothing of the set before is in the new one.
                if not registered or registered[-1] == before[-1] or _rotates(self._own, registered):
                    replace_registered(self._store, self._own)
                    registered = self._own
        foreign = "" if self._own[-1] == registered[-1] else _kid(registered)
        if foreign and foreign != self._foreign:
            _log.error("the database has other routing keys (%s) than this gateway (%s)", foreign, _kid(self._own))
        self._foreign = foreign

    async def watch(self) -> None:
        """Check from time to time, for ever."""
        while True:
            await asyncio.sleep(CHECK_INTERVAL_S)
            with suppress(StoreError):  # the database is gone for a while
                await asyncio.to_thread(self.check)

    def issues(self) -> Iterator[Issue]:
        """Yield an ERROR where the database has other keys."""
        if self._foreign:
            message = f"the database has other routing keys ({self._foreign}) than this gateway ({_kid(self._own)})"
            yield Issue.error("routing_keys", message, _HINT, "other-keys")


_HINT = (
    "copy the file of keys from a gateway of this database (gateway.db-routing-keys.json in its user's data folder) "
    "and name it with --routing-keys file:PATH; where no machine has it, `nlapi gateway keys create --replace` makes "
    "others"
)


def _rotates(own: tuple[str, ...], registered: tuple[str, ...]) -> bool:
    """Return whether keys are those of the database after a rotation: the newest there is not the newest here."""
    return registered[-1] in own[:-1]


def _kid(keys: tuple[str, ...]) -> str:
    return keys[-1][:_KID_CHARS]
