"""The routing keys of a running gateway: read again when their source changes, and one set for all on a database."""

from __future__ import annotations

import asyncio
import logging
import os
import stat
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from nlapi.errors import Issue, UsageError, file_faults
from nlapi.gateway.routing_keys.key_set import (
    KeySet,
    PublicSet,
    RoutingKey,
    decode_set,
    encode_set,
    fingerprints,
    generate_set,
    rotate,
)
from nlapi.gateway.store.database import StoreError
from nlapi.gateway.store.store import GatewayStore
from nlapi.gateway.workers.boundary import shared_boundary
from nlapi.system import others_can

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec


# Seconds between two looks at the file; a rotation waits several of them (`ACTIVATION_S`).
CHECK_INTERVAL_S = 1.0
MAX_FILE_BYTES = 16_384
FILE_SUFFIX = "-routing-keys.json"

_log = logging.getLogger(__name__)


class KeyRing:
    """The routing keys at one source, and what they are good for at the present time.

    `source` is `file:PATH`, `env:NAME`, or "" for keys that end with the process. A file that is missing is made when
    `creates`. `wall_clock` returns seconds since 1970. UsageError when the keys cannot be read.
    """

    def __init__(
        self,
        source: str = "",
        *,
        environment: Mapping[str, str] | None = None,
        creates: bool = False,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self.source = source
        self._environment = environment or {}
        self._wall_clock = wall_clock
        self._callbacks: list[Callable[[], None]] = []
        self._path: Path | None = Path(source.removeprefix("file:")) if source.startswith("file:") else None
        if source and self._path is None and not source.startswith("env:"):
            hint = "write file:PATH, or env:NAME for a variable with the JWK set"
            raise UsageError("the routing keys are not a reference", hint=hint)
        self._is_created = self._path is not None and creates and not self._path.exists()
        if self._path is not None and self._is_created:
            write_keys(self._path, generate_set(self._wall_clock()), replaces=False)
        shared_boundary.hide(self._path)
        self._file_state = _file_state(self._path)
        # Keys that end with the process are made when they are first used: they need the extra `gateway`, and the
        # gateway of `nlapi demo` runs without.
        self._keys = self._read() if source else None
        self._public = self.public_set() if source else None

    @classmethod
    def beside(cls, database: str, *, wall_clock: Callable[[], float] = time.time) -> KeyRing:
        """Return the keys of a database, `gateway.db-routing-keys.json` beside `gateway.db`, made when missing."""
        if database == ":memory:":
            return cls(wall_clock=wall_clock)
        return cls(default_source(database), creates=True, wall_clock=wall_clock)

    @property
    def keys(self) -> KeySet:
        """The keys as they were last read."""
        if self._keys is None:
            self._keys = self._read()
            self._public = self._keys.public_set(self._wall_clock())
        return self._keys

    def signing_key(self) -> RoutingKey:
        """Return the key that signs now."""
        return self.keys.signing_key(self._wall_clock())

    def verifying_keys(self) -> dict[str, ec.EllipticCurvePublicKey]:
        """Return the public keys that are good now, by kid."""
        return self.keys.verifying_keys(self._wall_clock())

    def public_set(self) -> PublicSet:
        """Return the public keys that are good now as a JWK set."""
        return self.keys.public_set(self._wall_clock())

    def discard_created(self) -> None:
        """Delete the file if this ring has made it: nothing was signed with its keys."""
        if self._path is not None and self._is_created:
            self._path.unlink(missing_ok=True)

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call `callback` whenever the public set has changed, after a rotation or when a key retires."""
        self._callbacks.append(callback)

    def rotate(self, overlap_s: float) -> None:
        """Add a new key, and let the one before verify for `overlap_s` seconds more; 0 refuses it at once.

        UsageError for keys of a variable, and when the file cannot be written.
        """
        if self.source.startswith("env:"):
            hint = "`nlapi gateway keys rotate --routing-keys file:PATH` makes a set; put its text into the variable"
            raise UsageError(f"keys in {self.source} cannot be rotated from here", hint=hint)
        keys = rotate(self.keys, self._wall_clock(), overlap_s)
        if self._path is not None:
            write_keys(self._path, keys, replaces=True)
            self._file_state = _file_state(self._path)
        self._keys = keys
        self._report()

    def refresh(self) -> None:
        """Read the file again when it has changed; an invalid file leaves the keys as they were."""
        state = _file_state(self._path)
        if state != self._file_state:
            self._file_state = state
            try:
                self._keys = self._read()
            except UsageError as error:
                _log.error("the routing keys were not read again, those before stay in use: %s", error)
        self._report()

    async def watch(self) -> None:
        """Look at the file and the time once a second, for ever."""
        while True:
            await asyncio.sleep(CHECK_INTERVAL_S)
            self.refresh()

    def _report(self) -> None:
        if self._keys is None:
            return
        public = self.public_set()
        if public != self._public:
            self._public = public
            for callback in self._callbacks:
                try:
                    callback()
                except Exception:  # the watch continues, or a later rotation would reach nobody
                    _log.exception("a change of the routing keys was not taken over")

    def _read(self) -> KeySet:
        if not self.source:
            return generate_set(self._wall_clock())
        if self._path is None:
            name = self.source.removeprefix("env:")
            if not (text := self._environment.get(name, "")):
                raise UsageError(f"the variable {name} is not set", hint="set it to a JWK set of private keys")
            return decode_set(text.encode("utf-8", "surrogateescape"), self.source)
        return decode_set(_read_private_file(self._path), str(self._path))


def default_source(database: str) -> str:
    """Return the source of the keys of a database."""
    return f"file:{database}{FILE_SUFFIX}"


def write_keys(path: Path, keys: KeySet, *, replaces: bool) -> None:
    """Write a set for the user alone, whole or not at all. UsageError when that fails.

    A file that is there already stays, unless `replaces`.
    """
    with file_faults(
        f"the routing keys cannot be written to {path}",
        UsageError,
        hint="name a file in a folder that the gateway's user may write, with --routing-keys file:PATH",
    ):
        # mkstemp makes it with mode 0600.
        handle, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
        with os.fdopen(handle, "wb") as stream:
            stream.write(encode_set(keys))
            stream.flush()
            os.fsync(stream.fileno())
        try:
            if replaces:
                Path(name).replace(path)
            else:
                # A link fails where another gateway was faster, whose keys are then read.
                with suppress(FileExistsError):
                    path.hardlink_to(name)
        finally:
            Path(name).unlink(missing_ok=True)


def _read_private_file(path: Path) -> bytes:
    """Return the content of a file. UsageError when it cannot be read, or everybody may read it."""
    hint = "make the file readable for the gateway's user alone"
    with file_faults(f"the routing keys cannot be read from {path}", UsageError, hint=hint), path.open("rb") as stream:
        # The mode of what is open: the name may be exchanged meanwhile.
        if others_can(os.fstat(stream.fileno()), stat.S_IRWXO):
            raise UsageError(f"everybody may use the private keys in {path}", hint=f"chmod 600 {path}")
        return stream.read(MAX_FILE_BYTES)


def _file_state(path: Path | None) -> tuple[int, int, int] | None:
    """Return a value that differs when a file was written or replaced; None without a file."""
    try:
        status = path.stat() if path is not None else None
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_ino, status.st_size) if status else None


REGISTER_INTERVAL_S = 2.0
"""seconds between two looks of a gateway whether its keys are still those of the database"""
_KID_CHARS = 12  # of a fingerprint, as `nlapi gateway keys list` shows them


def registered_keys(store: GatewayStore) -> tuple[str, ...]:
    """Return the fingerprints of the routing keys of a database, the newest last; () before its first gateway."""
    rows = store.database.rows("SELECT fingerprint FROM routing_keys ORDER BY number")
    return tuple(row["fingerprint"] for row in rows)


def replace_registered(store: GatewayStore, keys: tuple[str, ...]) -> None:
    """Make these the routing keys of a database, in the transaction of the caller."""
    store.database.execute("DELETE FROM routing_keys")
    store.database.execute_many("INSERT INTO routing_keys VALUES (?,?)", list(enumerate(keys)))


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
        if self._own != before or not registered:  # or an older copy of the database was put in its place
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
            await asyncio.sleep(REGISTER_INTERVAL_S)
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
