"""Stores the manifest of a whole description beside its parsed tree, by what the file holds and what was asked for."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import nlapi
from nlapi import bundled, registry
from nlapi.cli import console
from nlapi.errors import NlapiError
from nlapi.registry import Registration

if TYPE_CHECKING:
    from nlapi.openapi.cache import Cache
    from nlapi.openapi.spec import Spec

# Characters of a manifest that is stored; that of GitHub's 1,223 operations has 2 million, the longest 200.
MAX_STORED = 8_000_000

# The packages whose code decides on a manifest.
_PACKAGES = ("openapi", "resources", "tools", "client")


class StoredManifest:
    """The manifest of one source with some options. Only what was made without a note is stored."""

    def __init__(self, source: str, options: Iterable[object]) -> None:
        registered = registry.find_registration(source) or Registration(source=source)
        # A pipe (`<(curl ...)`) can be read once only.
        is_file = bundled.is_bundled(registered.source) or Path(registered.source).is_file()
        self._source = registered.source if is_file and not registered.overlays and not registered.root else ""
        self._options = " ".join(map(str, (source, *options)))
        self._key = self._current_key()

    @cached_property
    def _cache(self) -> Cache:
        from nlapi.openapi.cache import Cache

        return Cache(folder=Path(registry.user_folder("cache")))

    def write(self) -> bool:
        """Write the stored manifest; False where there is none for what the file holds now."""
        content = self._cache.load(self._key) if self._key and _is_own_folder(self._cache.folder) else None
        if content is not None:
            console.write_bytes(content)
        return content is not None

    def stored(self, spec: Spec, parts: Iterable[str]) -> Iterator[str]:
        """Yield the parts of a manifest, and store them when the last one was taken."""
        collected: list[str] = []
        size = 0
        for part in parts:
            yield part
            size += len(part)
            if size <= MAX_STORED:
                collected.append(part)
            else:
                collected.clear()
        # A file that was changed while it was read is stored under neither content, and what other files say is in no
        # key.
        if self._key and size <= MAX_STORED and not spec.files and self._current_key() == self._key:
            self._cache.store(self._key, "".join(collected).encode())

    def _current_key(self) -> str:
        """Return the key for what the file holds now; "" where it cannot be read, or is none."""
        from nlapi.openapi.fetch import fetch

        if not self._source:
            return ""
        with suppress(NlapiError):
            return f"manifest {hashlib.sha256(fetch(self._source).data).hexdigest()} {_code_state()} {self._options}"
        return ""


def _is_own_folder(folder: Path) -> bool:
    """Return whether nobody else can write into a folder: what lies there is printed as it is."""
    with suppress(OSError):
        return os.name == "nt" or not folder.stat().st_mode & 0o022
    return False


def _code_state() -> str:
    """Return what changes with the code of a checkout, which keeps its version."""
    state = hashlib.sha256()
    for package in _PACKAGES:
        with os.scandir(Path(nlapi.__file__).with_name(package)) as entries:
            for entry in sorted(entries, key=lambda entry: entry.name):
                if entry.name.endswith((".py", ".toml")):
                    stat = entry.stat()
                    state.update(f"{entry.name} {stat.st_mtime_ns} {stat.st_size} ".encode())
    return state.hexdigest()
