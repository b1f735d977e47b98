"""What is slow to have again, kept on disk: parsed descriptions by their content, downloads by their URL.

An entry is a line with the SHA-256 of what follows, then that. Never pickle: a damaged or foreign file can only be
refused. Whatever goes wrong with the disk, the answer is that nothing was kept.
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
from typing import Any

from nlapi.version import __version__

FORMAT = f"nlapi-cache-2-{__version__}"
"""What one version keeps, another does not read."""

MAX_BYTES = 256 * 1024 * 1024
"""Everything in the folder; GitHub's description takes 7 MB parsed and 13 MB as it was downloaded."""

WORTH_KEEPING = 16 * 1024
"""Bytes of a description from which on reading it again costs more than reading an entry."""

MAX_FRESH = 600.0
"""Seconds that a download is used without asking again, whatever its server allows: asking is cheap."""

ABANDONED = 3600.0
"""Seconds after which a file that was never finished is removed."""

Doubles = list[tuple[str, int]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Download:
    """A download that was kept: `fresh_until` in seconds since 1970, and what its server knows it by."""

    data: bytes
    etag: str = ""
    modified: str = ""
    fresh_until: float = 0.0

    @property
    def is_fresh(self) -> bool:
        return time.time() < self.fresh_until

    @property
    def validators(self) -> dict[str, str]:
        return {"etag": self.etag, "last-modified": self.modified}

    @property
    def conditions(self) -> dict[str, str]:
        """The headers that ask for it only if it has changed (RFC 9110 §13.1)."""
        named = {"if-none-match": self.etag, "if-modified-since": self.modified}
        return {name: value for name, value in named.items() if value}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """A folder of entries. Safe under concurrent use: an entry is written beside its place and then renamed."""

    folder: Path
    max_bytes: int = MAX_BYTES

    def get(self, key: str) -> bytes | None:
        """What was kept under `key`, or None; a damaged entry is removed."""
        path = self._path(key)
        try:
            digest, _, data = path.read_bytes().partition(b"\n")
        except OSError:
            return None
        with suppress(OSError):
            if digest != _digest(data):
                path.unlink(missing_ok=True)
                return None
            os.utime(path)
        return data

    def put(self, key: str, data: bytes) -> None:
        """Keep `data` under `key`, if there is room; the entries that were not used for longest make it."""
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
        found = []
        for path in self.folder.iterdir():
            with suppress(OSError):  # another process may have removed it
                about = path.stat()
                found.append((about.st_mtime, about.st_size, path))
        total = sum(size for _, size, _ in found)
        for used, size, path in sorted(found, key=lambda one: one[0]):
            abandoned = path.suffix == ".part" and time.time() - used > ABANDONED
            if abandoned or (total > self.max_bytes and path.suffix != ".part"):
                with suppress(OSError):
                    path.unlink()
                    total -= size

    def tree(self, data: bytes) -> tuple[Any, Doubles] | None:
        """The tree that was parsed from these very bytes, and its duplicate keys."""
        import orjson

        kept = self.get(_content_key(data)) if len(data) >= WORTH_KEEPING else None
        if kept is None:
            return None
        try:
            entry = orjson.loads(kept)
            return entry["tree"], [(str(key), int(line)) for key, line in entry["doubles"]]
        except (ValueError, LookupError, TypeError):
            return None

    def keep_tree(self, data: bytes, tree: Any, doubles: Doubles) -> None:
        """Keep what was parsed from `data`; a tree that JSON cannot hold (integers over 64 bits) is not kept."""
        import orjson

        if len(data) >= WORTH_KEEPING:
            with suppress(TypeError):
                self.put(_content_key(data), orjson.dumps({"doubles": doubles, "tree": tree}))

    def download(self, url: str) -> Download | None:
        """What was downloaded from `url` before."""
        import orjson

        kept = self.get(f"url {url}")
        if kept is None:
            return None
        head, _, data = kept.partition(b"\n")
        try:
            return Download(data=data, **orjson.loads(head))
        except (ValueError, TypeError):
            return None

    def keep_download(self, url: str, data: bytes, headers: Mapping[str, str]) -> None:
        """Keep a download as its headers allow (RFC 9111), if it can be fresh or be asked about later."""
        import orjson

        control = _directives(headers.get("cache-control", ""))
        about = {
            "etag": headers.get("etag", ""),
            "modified": headers.get("last-modified", ""),
            "fresh_until": time.time() + _lifetime(control, headers.get("age", "")),
        }
        useless = not (about["etag"] or about["modified"]) and not _lifetime(control, "")
        if "no-store" in control or headers.get("vary", "").strip() == "*" or useless:
            return
        self.put(f"url {url}", orjson.dumps(about) + b"\n" + data)


def _digest(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()


def _content_key(data: bytes) -> str:
    return f"tree {hashlib.sha256(data).hexdigest()}"


def _directives(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.lower().split(","))
    return {name.strip(): value.strip(' "') for name, _, value in pairs if name.strip()}


def _lifetime(control: Mapping[str, str], age: str) -> float:
    """Seconds that a download stays fresh."""
    most = control.get("max-age", "")
    if "no-cache" in control or not most.isascii() or not most.isdigit():
        return 0.0
    spent = int(age) if age.isascii() and age.isdigit() else 0
    return max(0.0, min(float(int(most[:9]) - spent), MAX_FRESH))
