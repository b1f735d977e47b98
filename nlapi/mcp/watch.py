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
from nlapi.mcp.catalogue import Catalogue
from nlapi.mcp.served import Served
from nlapi.mcp.server import Changed

if TYPE_CHECKING:
    from nlapi.openapi.cache import Cache

# In seconds between two checks of the files: a `stat` each.
EVERY = 1.0

# In seconds between two requests. The server answers 304 where it knows ETag or Last-Modified.
EVERY_URL = 30.0

Marks = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A task that serves a description anew when one of its `sources`, or of its files on this machine, has changed.

    `load` reads it.
    """

    served: Served
    sources: tuple[str, ...]
    load: Callable[[], Catalogue]

    async def __call__(self, changed: Changed, *, task_status: TaskStatus[None]) -> None:
        """Run until cancelled. A description that cannot be read leaves the old one in its place."""
        remote = any(is_url(source) for source in self.sources)
        marks = await anyio.to_thread.run_sync(self._marks)
        task_status.started()
        while True:
            await asyncio.sleep(EVERY_URL if remote else EVERY)
            now = await anyio.to_thread.run_sync(self._marks)
            # Editors replace a file by rename, so for a moment there may be none.
            if now == marks or any(now[source] is None for source in self.sources):
                continue
            marks = now
            try:
                catalogue = await anyio.to_thread.run_sync(self.load)
            except NlapiError as error:
                self.served.say(f"the description has changed and cannot be used, the old one stays: {error}")
                continue
            self.served.change(catalogue)
            marks = {**await anyio.to_thread.run_sync(self._marks), **marks}
            marks = {place: marks[place] for place in self._places()}
            self.served.say(f"the description has changed: {len(catalogue.operations):,} operations now")
            await changed()

    def _places(self) -> list[str]:
        """Return the sources, and the other files of the description that are on this machine."""
        files = (file for file in self.served.spec.files if not is_url(file))
        return list(dict.fromkeys((*self.sources, *files)))

    def _marks(self) -> Marks:
        """Return a fingerprint of each source, which differs once it has changed; None for one that cannot be read."""
        cache = self.served.spec.cache
        return {one: _of_url(one, cache) if is_url(one) else _of_file(one) for one in self._places()}


def is_url(source: str) -> bool:
    return source.lower().startswith(("http://", "https://"))


def _of_file(source: str) -> tuple[int, ...] | None:
    try:
        about = Path(source).expanduser().stat()
    except OSError:
        return None
    return (about.st_mtime_ns, about.st_size, about.st_ino)


def _of_url(source: str, cache: Cache | None) -> str | None:
    from nlapi.openapi.fetch import fetch

    try:
        return hashlib.sha256(fetch(source, cache=cache).data).hexdigest()
    except NlapiError:
        return None
