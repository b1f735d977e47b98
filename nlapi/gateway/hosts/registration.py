"""Keeps a host registered at its gateways: a heartbeat to each address that the names of the gateways have."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from nlapi.errors import DescriptionError, NlapiError, UsageError
from nlapi.gateway.hosts.messages import INTERVAL_S, MAX_LOADS, HostDemand, HostedContent, HostHeartbeat
from nlapi.gateway.inference import Runner
from nlapi.gateway.versions.artifacts import ArtifactStore, short_digest
from nlapi.gateway.versions.content_digest import remove_tree
from nlapi.gateway.workers.processes import open_runner, try_loading
from nlapi.routing.model import VersionRef

if TYPE_CHECKING:
    import httpx2


Fetch = Callable[[str], Awaitable[None]]
"""Stores the content with a digest. DescriptionError when that is not possible."""

# Longer than the longest request of the revision before usually takes; an undo within it finds the version loaded.
UNLOAD_DELAY_S = 30.0
RELOAD_S = 5.0
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
                    async with asyncio.timeout(RELOAD_S):
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
            self.failed[content], self._retry_at[content] = reason[:2000], time.monotonic() + RELOAD_S
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


HeaderSource = Callable[[], dict[str, str]]
"""Returns the headers of a request, with the token as it is now."""


class ContentReader:
    """Reads contents from one gateway."""

    def __init__(self, client: httpx2.AsyncClient, headers: HeaderSource) -> None:
        self._client = client
        self._headers = headers

    async def fetch(self, digest: str, artifacts: ArtifactStore) -> None:
        """Store the content with a digest. DescriptionError when it cannot be read, or has another digest."""
        listing = await self._get(f"/v1/content/{digest}")
        incoming = artifacts.create_incoming()
        try:
            files = listing.json()["files"]
            if len(files) > artifacts.limits.files:
                raise DescriptionError(f"it has more than {artifacts.limits.files:,} files")
            remaining = artifacts.limits.total_bytes
            for item in files:
                remaining -= await self._fetch_file(digest, str(item["name"]), incoming, remaining)
            stored = artifacts.add(incoming)
        finally:
            remove_tree(incoming)
        if stored != digest:
            artifacts.delete([stored])
            raise DescriptionError(
                f"the gateway sent the content {short_digest(stored)} for {short_digest(digest)}",
                hint="its stored content is damaged: reload the version",
            )

    async def _fetch_file(self, digest: str, name: str, folder: Path, limit: int) -> int:
        """Write a file below a folder and return its size."""
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or "\\" in name or "\0" in name or not path.parts:
            raise DescriptionError(f"{name[:200]!r} leads out of the content")
        file = folder.joinpath(*path.parts)
        file.parent.mkdir(parents=True, exist_ok=True)
        size = 0
        with file.open("xb") as stream:
            while part := (await self._get(f"/v1/content/{digest}/part", file=name, offset=size)).content:
                size += len(part)
                if size > limit:
                    raise DescriptionError(f"it is larger than {limit:,} bytes")
                stream.write(part)
        return size

    async def _get(self, path: str, **query: str | int) -> httpx2.Response:
        import httpx2

        try:
            response = await self._client.get(path, params=query, headers=self._headers())
        except httpx2.HTTPError as error:
            raise DescriptionError(f"the gateway does not answer: {type(error).__name__}") from error
        if response.status_code != 200:
            raise DescriptionError(f"the gateway answered {response.status_code} to {path}")
        return response


# Seconds until a heartbeat without an answer is repeated: a gateway that was restarted waits for its hosts.
RETRY_S = 0.2
# Seconds until one that was refused is, as for its token; each refusal is a line of the gateway's audit log.
REFUSED_RETRY_S = 5.0
RESOLVE_INTERVAL_S = 5.0
"""seconds between two look-ups of the names of gateways"""
REPLY_TIMEOUT_S = 5 * INTERVAL_S


@dataclass(frozen=True, slots=True, kw_only=True)
class HostIdentity:
    """The name of a host, its shard, and the source of its token."""

    name: str
    shard: str
    read_token: Callable[[], str]

    def headers(self) -> dict[str, str]:
        """Return the header with the token as it is now. UsageError if none exists."""
        return {"Authorization": f"Bearer {self.read_token()}"}


class HeartbeatRefusedError(NlapiError):
    """A gateway answered to a heartbeat, and did not take it."""


class GatewayRegistration:
    """The registration of a host at one gateway."""

    def __init__(
        self,
        gateway: str,
        client: httpx2.AsyncClient,
        identity: HostIdentity,
        url: str,
        versions: HostedVersions,
        artifacts: ArtifactStore,
    ) -> None:
        self._gateway = gateway
        self._client = client
        self._identity = identity
        self._url = url
        self._versions = versions
        self._artifacts = artifacts
        self._reader = ContentReader(client, identity.headers)
        self._known_demand = ""
        self._changed = asyncio.Event()
        self._failure = ""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def report(self) -> None:
        """Send a heartbeat now, as something has changed."""
        self._changed.set()

    async def leave(self) -> None:
        """Tell the gateway that the host drains: it gets no call after the answer."""
        await self.stop()
        with suppress(NlapiError):  # a gateway that is gone sends no calls either
            await self._send(draining=True)
        await self._client.aclose()

    async def stop(self) -> None:
        """Send no further heartbeat."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        # Two heartbeats at once: one whose answer is held until there is something to load, and reports meanwhile.
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._report())

    async def _listen(self) -> None:
        while True:
            tag = self._known_demand
            try:
                await self._beat(tag)
            except NlapiError as error:
                # The gateway may have been restarted, and knows neither this host nor the tag.
                self._known_demand = ""
                self._log_failure(error.message)
                await asyncio.sleep(REFUSED_RETRY_S if isinstance(error, HeartbeatRefusedError) else RETRY_S)
            else:
                if tag == self._known_demand:  # a gateway that drains answers at once
                    await asyncio.sleep(RETRY_S)

    async def _report(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            with suppress(NlapiError):  # `_listen` repeats it, and logs why
                await self._beat("")

    async def _beat(self, tag: str) -> None:
        demand = await self._send(tag=tag)
        if self._failure:
            _log.warning("%s answers again", self._gateway)
            self._failure = ""
        if demand.tag != self._known_demand:
            self._known_demand = demand.tag
            self._versions.demand(self._gateway, demand, partial(self._reader.fetch, artifacts=self._artifacts))

    async def _send(self, *, tag: str = "", draining: bool = False) -> HostDemand:
        """Send a heartbeat and return what is demanded. HeartbeatRefusedError when the gateway does not take it,
        UsageError when it does not answer.
        """
        import httpx2

        heartbeat = HostHeartbeat(
            shard=self._identity.shard,
            url=self._url,
            draining=draining,
            ready=self._versions.ready,
            failed=dict(self._versions.failed),
            demand=tag,
        )
        path = f"/v1/hosts/{self._identity.name}/heartbeat"
        try:
            response = await self._client.post(path, json=heartbeat.as_json(), headers=self._identity.headers())
        except httpx2.HTTPError as error:
            raise UsageError(f"no answer: {type(error).__name__}") from error
        if response.status_code != 200:
            raise HeartbeatRefusedError(f"it answered {response.status_code}: {_detail(response)}")
        try:
            return HostDemand.from_json(response.json())
        except (ValueError, KeyError, TypeError) as error:
            raise HeartbeatRefusedError("it gave no list of versions", hint="give the address of a gateway") from error

    def _log_failure(self, reason: str) -> None:
        if reason != self._failure:  # once, and not five times a second
            _log.warning("the heartbeat to %s failed: %s", self._gateway, reason)
            self._failure = reason


class HostRegistrations:
    """The registrations of a host at all addresses of its gateways."""

    def __init__(
        self, gateways: tuple[str, ...], identity: HostIdentity, versions: HostedVersions, artifacts: ArtifactStore
    ) -> None:
        self._gateways = gateways
        self._identity = identity
        self._versions = versions
        self._artifacts = artifacts
        self._registrations: dict[str, GatewayRegistration] = {}

    async def run(self, url: str) -> None:
        """Keep the host registered as callable at `url`, for ever."""
        while True:
            resolved = [await resolve_gateway(gateway) for gateway in self._gateways]
            addresses = [address for current in resolved for address in current or ()]
            for address in addresses:
                if address.key not in self._registrations:
                    self._registrations[address.key] = GatewayRegistration(
                        address.key, address.open(), self._identity, url, self._versions, self._artifacts
                    )
            # A name that cannot be looked up now says nothing: without its gateways all versions would be unloaded.
            if all(resolved):
                for key in self._registrations.keys() - {address.key for address in addresses}:
                    await self._registrations.pop(key).stop()
                    self._versions.withdraw(key)
            await asyncio.sleep(RESOLVE_INTERVAL_S)

    def report(self) -> None:
        """Tell all gateways that something has changed."""
        for registration in self._registrations.values():
            registration.report()

    async def leave(self) -> None:
        """Tell all gateways that the host drains."""
        registrations, self._registrations = self._registrations, {}
        await asyncio.gather(*(registration.leave() for registration in registrations.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayAddress:
    """One address of a gateway: its URL, and the address that the name of the URL stands for."""

    url: str
    ip: str

    @property
    def key(self) -> str:
        """Its name in messages, and the same for the same gateway."""
        return self.url if self.ip in self.url else f"{self.url} ({self.ip})"

    def open(self) -> httpx2.AsyncClient:
        """Return a client that connects to the address by the name of the URL."""
        import httpcore2
        import httpx2

        parts = urlsplit(self.url)
        ip = f"[{self.ip}]" if ":" in self.ip else self.ip
        port = f":{parts.port}" if parts.port else ""
        verify: ssl.SSLContext = httpcore2.default_ssl_context()

        async def set_server_name(request: httpx2.Request) -> None:
            request.extensions["sni_hostname"] = parts.hostname or ""

        return httpx2.AsyncClient(
            base_url=f"{parts.scheme}://{ip}{port}{parts.path.rstrip('/')}",
            headers={"Host": parts.netloc, "User-Agent": "nlapi-host"},
            timeout=httpx2.Timeout(REPLY_TIMEOUT_S),
            trust_env=False,
            verify=verify,
            event_hooks={"request": [set_server_name]} if parts.scheme == "https" else {},
        )


async def resolve_gateway(url: str) -> list[GatewayAddress] | None:
    """Return all addresses of the name in a URL, IPv4 where it has any; None when it cannot be looked up now."""
    parts = urlsplit(url)
    loop = asyncio.get_running_loop()
    try:
        rows = await loop.getaddrinfo(parts.hostname, parts.port or 0, type=socket.SOCK_STREAM)
    except OSError as error:
        _log.warning("%s has no address: %s", parts.hostname, error)
        return None
    families = {family for family, *_ in rows}
    preferred = socket.AF_INET if socket.AF_INET in families else socket.AF_INET6
    ips = sorted({str(address[0]) for family, *_, address in rows if family == preferred})
    return [GatewayAddress(url=url, ip=ip) for ip in ips]


def _detail(response: httpx2.Response) -> str:
    try:
        return str(response.json()["detail"])[:300]
    except (ValueError, KeyError, TypeError):
        return ""
