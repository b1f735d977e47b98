"""Stores on disk what is slow to compute or fetch again: parsed descriptions by content, downloads by URL.

An entry is one line with the SHA-256 of its data, then the data. Pickle is never used, so that a damaged or foreign
file can only be rejected. Any error of the disk counts as a miss.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from nlapi.openapi.egress import NetworkScope
from nlapi.version import __version__

# The version is part of every key: an entry of one release is never read by another.
FORMAT = f"nlapi-cache-3-{__version__}"

# Limit of the folder; GitHub's description takes 7 MB parsed and 13 MB as downloaded, so about a dozen such fit.
MAX_BYTES = 256 * 1024 * 1024

# Bytes of a description from which on parsing it again costs more than reading an entry.
MIN_CACHED_BYTES = 16 * 1024

# Seconds that a download is used without revalidation, whatever its server allows: a conditional request is cheap.
MAX_FRESH = 600.0

# Seconds after which a temporary file that was never renamed is removed: its writer has died.
ABANDONED_AFTER = 3600.0

DuplicateKeys = list[tuple[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A stored download: `fresh_until` is in seconds since 1970; `etag` and `modified` are its validators.

    `network` is the scope of the address that it came from.
    """

    data: bytes
    etag: str = ""
    modified: str = ""
    fresh_until: float = 0.0
    network: NetworkScope = NetworkScope.PUBLIC

    @property
    def is_fresh(self) -> bool:
        return time.time() < self.fresh_until

    @property
    def validators(self) -> dict[str, str]:
        return {"etag": self.etag, "last-modified": self.modified}

    @property
    def conditions(self) -> dict[str, str]:
        """Return the headers of a conditional request (RFC 9110 §13.1)."""
        headers = {"if-none-match": self.etag, "if-modified-since": self.modified}
        return {name: value for name, value in headers.items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """A folder of entries. Safe under concurrent use: an entry is written to a temporary file and then renamed."""

    folder: Path
    max_bytes: int = MAX_BYTES

    def load(self, key: str) -> bytes | None:
        """Return the data stored under `key`, or None; a damaged entry is removed."""
        path = self._path(key)
        try:
            digest, _, data = path.read_bytes().partition(b"\n")
        except OSError:
            return None
        with suppress(OSError):
            if digest != _digest(data):
                path.unlink(missing_ok=True)
                return None
            # The modification time is the time of last use, which `_make_room` evicts by; access times are often not
            # recorded.
            os.utime(path)
        return data

    def store(self, key: str, data: bytes) -> None:
        """Store `data` under `key`, if there is room; the least recently used entries are removed for it."""
        if len(data) > self.max_bytes // 2:
            return
        name = ""
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.NamedTemporaryFile(dir=self.folder, suffix=".part", delete=False) as file:
                name = file.name
                file.writelines((_digest(data), b"\n", data))
            Path(name).replace(self._path(key))
            self._make_room()
        except OSError:
            if name:
                with suppress(OSError):
                    Path(name).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self.folder / hashlib.sha256(f"{FORMAT} {key}".encode()).hexdigest()

    def _make_room(self) -> None:
        entries = []
        for path in self.folder.iterdir():
            with suppress(OSError):  # another process may have removed it
                stat = path.stat()
                entries.append((stat.st_mtime, stat.st_size, path))
        total = sum(size for _, size, _ in entries)
        for used, size, path in sorted(entries, key=lambda entry: entry[0]):
            abandoned = path.suffix == ".part" and time.time() - used > ABANDONED_AFTER
            if abandoned or (total > self.max_bytes and path.suffix != ".part"):
                with suppress(OSError):
                    path.unlink()
                    total -= size

    def load_tree(self, data: bytes) -> tuple[object, DuplicateKeys] | None:
        """Return the tree parsed from exactly these bytes, and its duplicate keys; None when it is not stored."""
        import orjson

        stored = self.load(_content_key(data)) if len(data) >= MIN_CACHED_BYTES else None
        if stored is None:
            return None
        try:
            entry = orjson.loads(stored)
            return entry["tree"], [(str(key), int(line)) for key, line in entry["doubles"]]
        except (ValueError, LookupError, TypeError):
            return None

    def store_tree(self, data: bytes, tree: object, duplicates: DuplicateKeys) -> None:
        """Store the tree parsed from `data`; one that JSON cannot represent (integers over 64 bits) is not stored."""
        import orjson

        if len(data) >= MIN_CACHED_BYTES:
            with suppress(TypeError):
                self.store(_content_key(data), orjson.dumps({"doubles": duplicates, "tree": tree}))

    def load_download(self, url: str) -> Download | None:
        """Return the stored download of `url`, or None."""
        import orjson

        stored = self.load(f"url {url}")
        if stored is None:
            return None
        head, _, data = stored.partition(b"\n")
        try:
            metadata = orjson.loads(head)
            return Download(data=data, **{**metadata, "network": NetworkScope(metadata["network"])})
        except (ValueError, TypeError, KeyError):
            return None

    def store_download(self, url: str, data: bytes, headers: Mapping[str, str], network: NetworkScope) -> None:
        """Store a download as its headers allow (RFC 9111), if it can be fresh or be revalidated later."""
        import orjson

        control = _directives(headers.get("cache-control", ""))
        metadata = {
            "etag": headers.get("etag", ""),
            "modified": headers.get("last-modified", ""),
            "fresh_until": time.time() + _lifetime(control, headers.get("age", "")),
            "network": network.value,
        }
        useless = not (metadata["etag"] or metadata["modified"]) and not _lifetime(control, "")
        if "no-store" in control or headers.get("vary", "").strip() == "*" or useless:
            return
        self.store(f"url {url}", orjson.dumps(metadata) + b"\n" + data)


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()


def _content_key(data: bytes) -> str:
    return f"tree {hashlib.sha256(data).hexdigest()}"


def _directives(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.lower().split(","))
    return {name.strip(): value.strip(' "') for name, _, value in pairs if name.strip()}


def _lifetime(control: Mapping[str, str], age: str) -> float:
    """Return the seconds that a download stays fresh (RFC 9111 §4.2.1)."""
    max_age = control.get("max-age", "")
    if "no-cache" in control or not max_age.isascii() or not max_age.isdigit():
        return 0.0
    age_seconds = int(age) if age.isascii() and age.isdigit() else 0
    # Nine digits are 31 years; a longer number would only cost time to convert.
    return max(0.0, min(float(int(max_age[:9]) - age_seconds), MAX_FRESH))
