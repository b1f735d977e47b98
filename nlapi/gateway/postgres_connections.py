"""Connections to PostgreSQL: opened when they are needed, dropped when they break, with errors of the store."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from queue import Empty, LifoQueue
from typing import Any, TypeAlias

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from nlapi.errors import UsageError
from nlapi.gateway.store_database import DuplicateRowError, StoreError, StoreUnavailableError

RowConnection: TypeAlias = psycopg.Connection[dict[str, Any]]

MAX_CONNECTIONS = 4
"""connections of one gateway for queries; the watch has one more"""
BORROW_TIMEOUT_S = 10.0
# Seconds until a statement is given up whose server does not answer, as when its disk hangs: libpq has no such limit,
# and each waiting statement holds a thread that requests may need.
STATEMENT_TIMEOUT_S = 15.0
CHECK_TIMEOUT_S = 3.0
"""seconds until an idle connection has to have answered"""
# Seconds after a refused connection in which the next callers get its reason at once: a database that is gone must not
# make each of them wait.
RETRY_INTERVAL_S = 0.25
# A server that vanished, as in a cut network, is noticed within about ten seconds. All can be overridden in the URL.
_DEFAULTS = {
    "connect_timeout": "3",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "application_name": "nlapi-gateway",
}
# A gateway that stops in the midst of a transaction must not hold the others up for longer.
_SESSION = """
SELECT set_config('lock_timeout', '10s', false), set_config('statement_timeout', '14s', false),
  set_config('idle_in_transaction_session_timeout', '30s', false)
"""
_MAX_REASON = 300
# With one of these keys of a SCRAM exchange a client needs no password (RFC 5802 §3); libpq marks them as internal.
_SCRAM_KEYS = frozenset({"scram_client_key", "scram_server_key"})
_SERVICE_HINT = "leave it out: give service=NAME, and write {name} into the file of PGSERVICEFILE, for its user alone"
_SECRET_HINTS = {"password": "leave it out, and give --database-password env:NAME or file:PATH, or PGPASSFILE"}


def _secret_parameters() -> frozenset[str]:
    """Return the parameters of a URL that are secrets: those that libpq shows as stars, and the keys of SCRAM."""
    shown = psycopg.pq.Conninfo.get_defaults()
    return frozenset(item.keyword.decode() for item in shown if item.dispchar == b"*") | _SCRAM_KEYS


class PostgresAddress:
    """The address of a database, and the reference to its password, which stands in neither URL nor name.

    UsageError for a URL that is none, or that has a password or another secret.
    """

    def __init__(self, url: str, read_password: Callable[[], str] | None = None) -> None:
        hint = "such as postgresql://nlapi@db.internal:5432/gateway?sslmode=verify-full"
        try:
            self._parameters: Mapping[str, Any] = conninfo_to_dict(url)
        except psycopg.ProgrammingError:  # its text may repeat the password
            raise UsageError("the --database is not the URL of a PostgreSQL database", hint=hint) from None
        if secret := next((name for name in sorted(_secret_parameters()) if self._parameters.get(name)), ""):
            hint = _SECRET_HINTS.get(secret, _SERVICE_HINT.format(name=secret))
            title = "password" if secret == "password" else f"secret, {secret}"  # noqa: S105 - the parameter's name
            raise UsageError(f"the URL of --database has a {title}, which other users of the machine see", hint=hint)
        self._read_password = read_password
        parts = {name: str(self._parameters.get(name, "")) for name in ("user", "host", "port", "dbname")}
        user = f"{parts['user']}@" if parts["user"] else ""
        port = f":{parts['port']}" if parts["port"] else ""
        self.name = f"postgresql://{user}{parts['host']}{port}/{parts['dbname']}"

    def connect(self) -> RowConnection:
        """Open a connection. StoreError when that is not possible."""
        # Read each time: a password that is replaced while the gateway serves is the next connection's.
        try:
            password = {"password": self._read_password()} if self._read_password else {}
        except UsageError as error:
            message = f"the database cannot be reached: {error.message}"
            raise StoreUnavailableError(message, hint=error.hint) from None
        try:
            connection = psycopg.connect(
                **{**_DEFAULTS, **self._parameters, **password},
                autocommit=True,
                row_factory=dict_row,
                prepare_threshold=None,  # poolers such as PgBouncer hand a session from one client to another
            )
            with time_limit(connection, CHECK_TIMEOUT_S):
                connection.execute(_SESSION)
        except psycopg.Error as error:
            raise as_store_error(error, None) from None
        return connection


class PostgresConnections:
    """At most MAX_CONNECTIONS connections to one address."""

    # psycopg_pool was tried: a caller waits for its time-out when the server is gone and learns no reason, and after a
    # long outage it tries again minutes later (docs/design/043-store.md).

    def __init__(self, address: PostgresAddress) -> None:
        self._address = address
        self._idle: LifoQueue[RowConnection] = LifoQueue()
        self._free = threading.Semaphore(MAX_CONNECTIONS)
        self._failure: StoreError | None = None
        self._failed_at = 0.0
        self._is_closed = False

    @property
    def is_reachable(self) -> bool:
        """Whether the last connection could be opened."""
        return self._failure is None

    @contextmanager
    def borrow(self) -> Iterator[RowConnection]:
        """Lend a connection that answered just now while the block lasts. StoreError when there is none."""
        if not self._free.acquire(timeout=BORROW_TIMEOUT_S):
            message = f"all {MAX_CONNECTIONS} connections to the database have been busy for {BORROW_TIMEOUT_S:g} s"
            raise StoreUnavailableError(message)
        try:
            connection = self._idle_connection() or self._open()
            try:
                yield connection
            finally:
                if connection.closed or self._is_closed or not _is_idle(connection):
                    connection.close()
                else:
                    self._idle.put(connection)
        finally:
            self._free.release()

    def _idle_connection(self) -> RowConnection | None:
        """Return an idle connection that still works; the server may have been restarted since it was used."""
        while True:
            try:
                connection = self._idle.get_nowait()
            except Empty:
                return None
            try:
                with time_limit(connection, CHECK_TIMEOUT_S):
                    connection.execute("")
            except psycopg.Error:
                connection.close()
            else:
                return connection

    def _open(self) -> RowConnection:
        if self._failure is not None and time.monotonic() - self._failed_at < RETRY_INTERVAL_S:
            raise type(self._failure)(self._failure.message, hint=self._failure.hint)
        try:
            connection = self._address.connect()
        except StoreError as error:
            self._failure, self._failed_at = error, time.monotonic()
            raise
        self._failure = None
        return connection

    def close(self) -> None:
        """Close all connections; one that is lent is closed when it comes back."""
        self._is_closed = True
        with suppress(Empty):
            while True:
                self._idle.get_nowait().close()


@contextmanager
def time_limit(connection: RowConnection, seconds: float = STATEMENT_TIMEOUT_S) -> Iterator[None]:
    """Break a connection whose statement in the `with` block takes too long."""
    timer = threading.Timer(seconds, _cut, (connection,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _cut(connection: RowConnection) -> None:
    # The thread that waits has the connection; only its socket can be ended from here.
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as copy:
        copy.shutdown(socket.SHUT_RDWR)


def _is_idle(connection: RowConnection) -> bool:
    return connection.info.transaction_status is psycopg.pq.TransactionStatus.IDLE


def as_store_error(error: psycopg.Error, connection: RowConnection | None) -> StoreError:
    """Return the StoreError for an error of the driver; its text has neither address nor password."""
    text = " ".join(str(error).split("\n")[0].split())
    reason = text.rpartition(" failed: ")[2].removeprefix("FATAL: ").strip()[:_MAX_REASON]
    if isinstance(error, errors.UniqueViolation):
        return DuplicateRowError(reason)
    # Without a state the error is of the client: no connection, or the end of one.
    is_lost = connection is None or connection.closed or error.sqlstate is None
    if is_lost and isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        return StoreUnavailableError(f"the database cannot be reached: {reason}")
    return StoreError(f"the database refused it: {reason}")
