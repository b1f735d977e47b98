"""The versions that a host runs: loaded when a gateway demands them, unloaded when none does any more."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

from nlapi.errors import DescriptionError, NlapiError
from nlapi.gateway.artifacts import ArtifactStore, short_digest
from nlapi.gateway.hosts.messages import MAX_LOADS, HostDemand, HostedContent
from nlapi.gateway.inference import Runner
from nlapi.gateway.worker_processes import open_runner, try_loading
from nlapi.routing.model import VersionRef

Fetch = Callable[[str], Awaitable[None]]
"""Stores the content with a digest. DescriptionError when that is not possible."""

# Longer than the longest request of the revision before usually takes; an undo within it finds the version loaded.
UNLOAD_DELAY_S = 30.0
RETRY_S = 5.0
"""seconds until a content that could not be loaded is tried again"""

_log = logging.getLogger(__name__)


class HostedVersion:
    """A content that is loaded, with its calls in flight."""

    def __init__(self, content: HostedContent, runner: Runner) -> None:
        self.content = content
        self.runner = runner
        self.in_flight = 0
        self.demanded_at = time.monotonic()

    @contextmanager
    def call(self) -> Iterator[Runner]:
        """Give its runner, which stays open while the block lasts."""
        self.in_flight += 1
        try:
            yield self.runner
        finally:
            self.in_flight -= 1


class HostedVersions:
    """All contents of a host. `on_change` is called when one was loaded, failed or was unloaded."""

    def __init__(self, artifacts: ArtifactStore, on_change: Callable[[], None]) -> None:
        self._artifacts = artifacts
        self._on_change = on_change
        self._demands: dict[str, HostDemand] = {}
        """the last demand of each gateway, by its address"""
        self._loaded: dict[HostedContent, HostedVersion] = {}
        self._loading: set[HostedContent] = set()
        self.refs: frozenset[VersionRef] = frozenset()
        """the versions that are demanded, by name"""
        self.failed: dict[HostedContent, str] = {}
        self._retry_at: dict[HostedContent, float] = {}
        self._fetchers: dict[str, Fetch] = {}
        self._wake = asyncio.Event()

    @property
    def ready(self) -> frozenset[HostedContent]:
        """The contents that it can run."""
        return frozenset(self._loaded)

    @property
    def is_complete(self) -> bool:
        """Whether it has heard a gateway, and has loaded or refused all that is demanded."""
        return bool(self._demands) and not self._missing(is_tried=False)

    @property
    def in_flight(self) -> int:
        return sum(version.in_flight for version in self._loaded.values())

    def demand(self, gateway: str, demand: HostDemand, fetch: Fetch) -> None:
        """Take the list of a gateway, whose contents `fetch` downloads."""
        self._demands[gateway], self._fetchers[gateway] = demand, fetch
        self._update()

    def withdraw(self, gateway: str) -> None:
        """Forget the list of a gateway that is gone for good."""
        self._demands.pop(gateway, None)
        self._fetchers.pop(gateway, None)
        self._update()

    def _update(self) -> None:
        demands = self._demands.values()
        self.refs = frozenset(ref for demand in demands for refs in demand.versions.values() for ref in refs)
        self._wake.set()

    def find(self, content: HostedContent | None, ref: VersionRef) -> HostedVersion | None:
        """Return a loaded content, by itself or by the name of a version; None when it is not loaded."""
        if content is None:
            names = (
                candidate
                for demand in self._demands.values()
                for candidate, refs in demand.versions.items()
                if ref in refs
            )
            content = next((candidate for candidate in names if not candidate.shadow), None)
        return self._loaded.get(content) if content is not None else None

    async def run(self) -> None:
        """Load and unload, for ever. A version that takes long to load holds no other up while there is a slot."""
        async with asyncio.TaskGroup() as loads:
            while True:
                self._wake.clear()
                for content, fetchers in self._loadable():
                    self._loading.add(content)
                    loads.create_task(self._load(content, fetchers))
                await self._unload()
                with suppress(TimeoutError):
                    async with asyncio.timeout(RETRY_S):
                        await self._wake.wait()

    async def close(self) -> None:
        """Stop all versions."""
        loaded, self._loaded = self._loaded, {}
        await asyncio.gather(*(version.runner.close() for version in loaded.values()), return_exceptions=True)

    def _demanded(self) -> dict[HostedContent, list[Fetch]]:
        demanded: dict[HostedContent, list[Fetch]] = {}
        for gateway, demand in self._demands.items():
            for content in demand.versions:
                demanded.setdefault(content, []).append(self._fetchers[gateway])
        return demanded

    def _missing(self, *, is_tried: bool) -> dict[HostedContent, list[Fetch]]:
        """Return what is demanded and not loaded; with `is_tried` also what failed a while ago, else nothing of it."""
        now = time.monotonic()
        return {
            content: fetchers
            for content, fetchers in self._demanded().items()
            if content not in self._loaded
            and (content not in self.failed or (is_tried and now >= self._retry_at[content]))
        }

    def _loadable(self) -> Iterator[tuple[HostedContent, Sequence[Fetch]]]:
        """Yield what is to be loaded now: no more than MAX_LOADS at once, and each content by one load."""
        for content, fetchers in self._missing(is_tried=True).items():
            if len(self._loading) >= MAX_LOADS:
                return
            if all(content.digest != other.digest for other in self._loading):
                yield content, fetchers

    async def _load(self, content: HostedContent, fetchers: Sequence[Fetch]) -> None:
        try:
            # A damaged copy, as of a full disk, is downloaded again.
            if not await asyncio.to_thread(self._artifacts.is_sound, content.digest):
                await _fetch_any(content.digest, fetchers)
            runner = await self._open(content)
        except (NlapiError, OSError, ValueError, KeyError, TypeError) as error:
            reason = getattr(error, "message", "") or f"{type(error).__name__}: {error}"
            _log.warning("%s is not loaded: %s", short_digest(content.digest), reason)
            self.failed[content], self._retry_at[content] = reason[:2000], time.monotonic() + RETRY_S
        else:
            self.failed.pop(content, None)
            self._loaded[content] = HostedVersion(content, runner)
        finally:
            self._loading.discard(content)
        self._on_change()
        self._wake.set()  # the next one may begin

    async def _open(self, content: HostedContent) -> Runner:
        folder = self._artifacts.path(content.digest)
        # Code that ends or blocks its process at import must not end the host.
        (fault,) = await asyncio.to_thread(try_loading, [folder])
        if fault is not None:
            raise DescriptionError(fault.message, hint=fault.hint)
        return await open_runner(folder.name, folder.parent, shadow=content.shadow, digest=content.digest)

    async def _unload(self) -> None:
        now, demanded = time.monotonic(), self._demanded()
        for content in list(self.failed):
            if content not in demanded:
                del self.failed[content]
        for content, version in list(self._loaded.items()):
            if content in demanded:
                version.demanded_at = now
            elif now >= version.demanded_at + UNLOAD_DELAY_S and not version.in_flight:
                del self._loaded[content]
                self._on_change()
                await version.runner.close()
                _log.info("%s is unloaded", short_digest(content.digest))
        if self._demands:
            used = {content.digest for content in (*demanded, *self._loaded, *self._loading)}
            await asyncio.to_thread(self._artifacts.prune, used)


async def _fetch_any(digest: str, fetchers: Sequence[Fetch]) -> None:
    """Store a content from the first gateway that has it. DescriptionError of the last one when none has."""
    for fetch in fetchers[:-1]:
        with suppress(DescriptionError):
            return await fetch(digest)
    return await fetchers[-1](digest)
