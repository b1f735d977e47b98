"""A database of the gateway's store in PostgreSQL, from which several gateways serve at once."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from queue import Empty, LifoQueue
from typing import Any, TypeAlias

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict
from psycopg.rows import dict_row

from nlapi.errors import NlapiError, UsageError
from nlapi.gateway.store.database import (
    CommitUnknownError,
    Dialect,
    DuplicateRowError,
    Row,
    StoreDatabase,
    StoreError,
    StoreUnavailableError,
    Value,
)

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

    UsageError for an invalid URL, or one that has a password or another secret.
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
        """Lend a connection that answered just now while the block lasts. StoreError if none exists."""
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
            _log.warning("the last revision is still served, and changes are refused: %s", reason)
        self.is_connected = False


POSTGRES = Dialect(
    text='TEXT COLLATE "C"',
    row_key="BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
    by_key="",
    each_name="json_array_elements_text(objectives::json) AS each_name(value)",
    # Not by JSON: PostgreSQL refuses a whole document with \u0000 in any text. The quotes of texts are escaped in it,
    # so the pattern fits the member alone.
    input_tokens="""substring(body from '"usage":[{]"input_tokens":([0-9]+)')::bigint""",
    output_tokens="""substring(body from '"usage":[{][^}]*"output_tokens":([0-9]+)')::bigint""",
    dollars="""substring(body from '"usage":[{][^}]*"cost_usd":([0-9.e+-]+)')::double precision""",
)
# Writers take turns as SQLite's do. The lock is of the schema: two sets of gateways may share a database by schemas.
_LOCK_WRITERS = "SELECT pg_advisory_xact_lock(hashtext('nlapi gateway writer ' || current_schema()))"


class PostgresDatabase(StoreDatabase):
    """The tables of a gateway in the first schema of the connection's search path.

    A committed transaction survives whatever the server is set to survive. A thread has one connection within a
    transaction, and one for each statement outside of it.
    """

    dialect = POSTGRES
    is_shared = True

    def __init__(self, address: PostgresAddress) -> None:
        self.name = address.name
        self._connections = PostgresConnections(address)
        self._watch = PostgresWatch(address)
        self._local = threading.local()
        self._token_number = 0

    def rows(self, query: str, *values: Value) -> Sequence[Row]:
        with self._connection() as connection, _translated(connection):
            return connection.execute(_as_psycopg(query), _bound(values)).fetchall()

    def iterate(self, query: str) -> Iterator[Row]:
        yield from self.rows(query)

    def execute(self, statement: str, *values: Value) -> None:
        with self._connection() as connection, _translated(connection):
            connection.execute(_as_psycopg(statement), _bound(values))

    def execute_many(self, statement: str, rows: Iterable[Sequence[Value]]) -> None:
        with self._connection() as connection, _translated(connection):
            connection.cursor().executemany(_as_psycopg(statement), [_bound(row) for row in rows])

    def continue_counting(self, table: str) -> None:
        following = f"SELECT coalesce(max(id), 0) + 1 FROM {table}"  # noqa: S608 - a table of the store
        self.execute(f"SELECT setval(pg_get_serial_sequence(?, 'id'), ({following}), false)", table)

    @contextmanager
    def transaction(self, *, is_exclusive: bool = True) -> Iterator[None]:
        with self._block("BEGIN") as connection:
            if connection is None:
                yield
                return
            if is_exclusive:
                self.execute(_LOCK_WRITERS)
            yield
            if is_exclusive:
                self.execute(f"NOTIFY {CHANNEL}")

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        with self._block("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"):
            yield

    def has_table(self, name: str) -> bool:
        return self.rows("SELECT to_regclass(?) AS name", name)[0]["name"] is not None

    def version(self) -> int:
        if not self.has_table("store_version"):
            return 0
        rows = self.rows("SELECT version FROM store_version")
        return int(rows[0]["version"]) if rows else 0

    def set_version(self, version: int) -> None:
        self.execute("CREATE TABLE IF NOT EXISTS store_version (version INTEGER NOT NULL)")
        self.execute("DELETE FROM store_version")
        self.execute("INSERT INTO store_version VALUES (?)", version)

    def changes_elsewhere(self, *, fresh: bool) -> int:
        if fresh:
            self._watch.note_tokens(token_number(self.rows(TOKENS_QUERY)[0]))
        return self._watch.token_number

    @property
    def is_leader(self) -> bool:
        return self._watch.is_leader

    @property
    def is_reachable(self) -> bool:
        return self._watch.is_connected and self._connections.is_reachable

    def watch(self, on_change: Callable[[], object]) -> None:
        self._watch.start(on_change)

    def close(self) -> None:
        self._watch.stop()
        self._connections.close()

    @contextmanager
    def _connection(self) -> Iterator[RowConnection]:
        """Lend the connection of this thread's transaction, or any."""
        current: RowConnection | None = getattr(self._local, "connection", None)
        if current is not None:
            yield current
            return
        with self._connections.borrow() as connection:
            yield connection

    @contextmanager
    def _block(self, begin: str) -> Iterator[RowConnection | None]:
        """Run the `with` block in a transaction of this thread; None within another one."""
        if getattr(self._local, "connection", None) is not None:
            yield None
            return
        with self._connections.borrow() as connection:
            self._local.connection = connection
            try:
                self.execute(begin)
                yield connection
                self._commit(connection)
            except BaseException:
                with suppress(psycopg.Error), time_limit(connection):
                    connection.execute("ROLLBACK")
                raise
            finally:
                self._local.connection = None

    def _commit(self, connection: RowConnection) -> None:
        try:
            with time_limit(connection):
                connection.execute("COMMIT")
        except psycopg.Error as error:
            if connection.closed:
                raise CommitUnknownError("the database was lost during a commit") from error
            raise as_store_error(error, connection) from error


@contextmanager
def _translated(connection: RowConnection) -> Iterator[None]:
    """Raise the driver's errors as StoreError."""
    try:
        with time_limit(connection):
            yield
    except psycopg.Error as error:
        raise as_store_error(error, connection) from error


@lru_cache(maxsize=256)
def _as_psycopg(text: str) -> bytes:
    """Return a statement with the placeholders of psycopg."""
    return text.replace("?", "%s").encode()


def _bound(values: Sequence[Value]) -> list[Value]:
    # A text of PostgreSQL holds every character but U+0000, which anybody may send in a context.
    return [value.replace("\x00", "\ufffd") if isinstance(value, str) else value for value in values]
