"""Watches a shared PostgreSQL database for the commits of other gateways, and holds the leader's lock."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress

import psycopg

from nlapi.errors import NlapiError
from nlapi.gateway.postgres_connections import PostgresAddress, RowConnection, time_limit
from nlapi.gateway.store_database import Row

CHANNEL = "nlapi_gateway"
# Seconds between two looks where no notification comes, as behind a pooler: "within a second" holds without them.
POLL_INTERVAL_S = 0.5
TOKENS_QUERY = """
SELECT md5(string_agg(digest || coalesce(expires_at, '-'), ',' ORDER BY name)) AS tokens FROM tokens
"""
_STATE = f"""
SELECT (SELECT number || ' ' || at FROM revisions ORDER BY number DESC LIMIT 1) AS head, ({TOKENS_QUERY}) AS tokens
"""  # noqa: S608 - two constants of this file
# Held by a session until it ends, however it ends.
_LEAD = "SELECT pg_try_advisory_lock(hashtext('nlapi gateway leader ' || current_schema())) AS is_leader"

_log = logging.getLogger(__name__)


def token_number(row: Row) -> int:
    """Return a number for the state of the tokens in a row of TOKENS_QUERY."""
    return int((row["tokens"] or "0")[:15], 16)


class PostgresWatch:
    """One connection in a thread that listens, looks, and is the leader when no other gateway is."""

    def __init__(self, address: PostgresAddress) -> None:
        self._address = address
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._on_change: Callable[[], object] = lambda: None
        self._state: tuple[str, str | None] | None = None
        self.is_leader = False
        self.is_connected = True
        self.token_number = 0

    def start(self, on_change: Callable[[], object]) -> None:
        """Watch until `stop`; `on_change` is called after a change of the revision or of the tokens."""
        self._on_change = on_change
        self._thread = threading.Thread(target=self._run, name="store-watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(2 * POLL_INTERVAL_S)
        self.is_leader = False

    def note_tokens(self, number: int) -> None:
        """Note the state of the tokens that a query has read."""
        self.token_number = number

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with self._address.connect() as connection:
                    connection.execute(f"LISTEN {CHANNEL}")
                    self._note_connected()
                    while not self._stopping.is_set():
                        with time_limit(connection):
                            self._look(connection)
                        for _ in connection.notifies(timeout=POLL_INTERVAL_S, stop_after=1):
                            pass
            except (psycopg.Error, NlapiError) as error:
                self._note_lost(error)
            self._stopping.wait(POLL_INTERVAL_S)
        self.is_leader = False

    def _look(self, connection: RowConnection) -> None:
        if not self.is_leader:
            row = connection.execute(_LEAD).fetchone()
            self.is_leader = bool(row and row["is_leader"])
        state = connection.execute(_STATE).fetchone()
        if state is None:
            return
        self.token_number = token_number(state)
        if (state["head"], state["tokens"]) != self._state:
            self._state = state["head"], state["tokens"]
            with suppress(RuntimeError):  # the event loop has ended meanwhile
                self._on_change()

    def _note_connected(self) -> None:
        if not self.is_connected:
            _log.warning("the database is there again")
        self.is_connected = True
        self._state = None  # it may be another server, or a restored backup

    def _note_lost(self, error: Exception) -> None:
        # Another gateway may lead from now on.
        self.is_leader = False
        if self.is_connected and not self._stopping.is_set():
            reason = str(error).split("\n")[0]
            _log.warning("serving goes on with the last revision, and changes are refused: %s", reason)
        self.is_connected = False
