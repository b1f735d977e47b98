"""Changes of a description noticed: a file by its time and size, a URL by a request now and then."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread
from anyio.abc import TaskStatus

from nlapi.errors import NlapiError
from nlapi.mcp.tool_listing import ToolCatalogue
from nlapi.mcp.server_state import ServerState
from nlapi.mcp.server import ChangeNotifier

if TYPE_CHECKING:
    from nlapi.openapi.cache import Cache

# In seconds between two checks of the files: a `stat` each.
FILE_INTERVAL = 1.0

# In seconds between two requests. The server answers 304 where it knows ETag or Last-Modified.
URL_INTERVAL = 30.0

Fingerprints = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class DescriptionWatch:
    """A task that serves a description anew when one of its `sources`, or of its files on this machine, has changed.

    `load` reads it.
    """

    state: ServerState
    sources: tuple[str, ...]
    load: Callable[[], ToolCatalogue]

    async def __call__(self, notify_clients: ChangeNotifier, *, task_status: TaskStatus[None]) -> None:
        """Run until cancelled. A description that cannot be read leaves the old one in its place."""
        remote = any(is_url(source) for source in self.sources)
        fingerprints = await anyio.to_thread.run_sync(self._fingerprints)
        task_status.started()
        while True:
            await asyncio.sleep(URL_INTERVAL if remote else FILE_INTERVAL)
            current = await anyio.to_thread.run_sync(self._fingerprints)
            # Editors replace a file by rename, so for a moment there may be none.
            if current == fingerprints or any(current[source] is None for source in self.sources):
                continue
            fingerprints = current
            try:
                catalogue = await anyio.to_thread.run_sync(self.load)
            except NlapiError as error:
                self.state.report(f"the description has changed and cannot be used, the old one stays: {error}")
                continue
            self.state.replace_catalogue(catalogue)
            fingerprints = {**await anyio.to_thread.run_sync(self._fingerprints), **fingerprints}
            fingerprints = {watched: fingerprints[watched] for watched in self._watched_sources()}
            self.state.report(f"the description has changed: {len(catalogue.operations):,} operations now")
            await notify_clients()

    def _watched_sources(self) -> list[str]:
        """Return the sources, and the other files of the description that are on this machine."""
        files = (file for file in self.state.spec.files if not is_url(file))
        return list(dict.fromkeys((*self.sources, *files)))

    def _fingerprints(self) -> Fingerprints:
        """Return a fingerprint of each source, which differs once it has changed; None for one that cannot be read."""
        cache = self.state.spec.cache
        return {source: _url_fingerprint(source, cache) if is_url(source) else _file_fingerprint(source) for source in self._watched_sources()}


def is_url(source: str) -> bool:
    return source.lower().startswith(("http://", "https://"))


def _file_fingerprint(source: str) -> tuple[int, ...] | None:
    try:
        status = Path(source).expanduser().stat()
    except OSError:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def _url_fingerprint(source: str, cache: Cache | None) -> str | None:
    from nlapi.openapi.fetch import fetch

    try:
        return hashlib.sha256(fetch(source, cache=cache).data).hexdigest()
    except NlapiError:
        return None
