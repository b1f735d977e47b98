"""Keeps a host registered at its gateways: a heartbeat to each address that the names of the gateways have."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from nlapi.errors import NlapiError, UsageError
from nlapi.gateway.ray.messages import INTERVAL_S, HostDemand, HostHeartbeat

if TYPE_CHECKING:
    import httpx2

# Seconds until a heartbeat without an answer is repeated: a gateway that was restarted waits for its hosts.
RETRY_S = 0.2
# Seconds until one that was refused is, as for its token; each refusal is a line of the gateway's audit log.
REFUSED_RETRY_S = 5.0
RESOLVE_INTERVAL_S = 5.0
"""seconds between two look-ups of the names of gateways"""
REPLY_TIMEOUT_S = 5 * INTERVAL_S

_log = logging.getLogger(__name__)

ReadHeartbeat = Callable[[str], HostHeartbeat]
"""Returns the heartbeat of now, from the tag of the demand that is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostIdentity:
    """The name of a host, and the source of its token."""

    name: str
    read_token: Callable[[], str]

    def headers(self) -> dict[str, str]:
        """Return the header with the token as it is now. UsageError if none exists."""
        return {"Authorization": f"Bearer {self.read_token()}"}


class HeartbeatRefusedError(NlapiError):
    """A gateway answered to a heartbeat, and did not take it."""


class GatewayLink:
    """The registration at one gateway, which says what should run."""

    def __init__(self, address: GatewayAddress, identity: HostIdentity, read: ReadHeartbeat, wake: asyncio.Event):
        self.demand: HostDemand | None = None
        """the last answer; it stays while the gateway is away"""
        self._name = address.key
        self._client = address.open()
        self._extensions = address.extensions
        self._identity = identity
        self._read = read
        self._wake = wake
        self._known_tag = ""
        self._changed = asyncio.Event()
        self._failure = ""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def report(self) -> None:
        """Send a heartbeat now, as something has changed."""
        self._changed.set()

    async def close(self) -> None:
        """Send no further heartbeat."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._client.aclose()

    async def _run(self) -> None:
        # Two heartbeats at once: one whose answer is held until there is something to load, and reports meanwhile.
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._report())

    async def _listen(self) -> None:
        while True:
            tag = self._known_tag
            try:
                await self._beat(tag)
            except NlapiError as error:
                # The gateway may have been restarted, and knows neither this host nor the tag.
                self._known_tag = ""
                self._log_failure(error.message)
                await asyncio.sleep(REFUSED_RETRY_S if isinstance(error, HeartbeatRefusedError) else RETRY_S)
            except Exception:  # the link must not end: nobody would hear of what comes later
                _log.exception("the heartbeat to %s failed", self._name)
                await asyncio.sleep(REFUSED_RETRY_S)
            else:
                if tag == self._known_tag:  # a gateway that drains answers at once
                    await asyncio.sleep(RETRY_S)

    async def _report(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            with suppress(NlapiError):  # `_listen` repeats it, and logs why
                await self._beat("")

    async def _beat(self, tag: str) -> None:
        demand = await self._send(tag)
        if self._failure:
            _log.warning("%s answers again", self._name)
            self._failure = ""
        if demand.tag != self._known_tag:
            self._known_tag = demand.tag
            self.demand = demand
            self._wake.set()

    async def _send(self, tag: str) -> HostDemand:
        """Send a heartbeat and return what is demanded. HeartbeatRefusedError when the gateway does not take it,
        UsageError when it does not answer.
        """
        import httpx2

        path = f"/v1/hosts/{self._identity.name}/heartbeat"
        try:
            response = await self._client.post(
                path, json=self._read(tag).as_json(), headers=self._identity.headers(), extensions=self._extensions
            )
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
            _log.warning("the heartbeat to %s failed: %s", self._name, reason)
            self._failure = reason


class GatewayLinks:
    """The links to all addresses of the gateways. `wake` is set when one of them demands something else."""

    def __init__(self, gateways: tuple[str, ...], identity: HostIdentity, read: ReadHeartbeat) -> None:
        self.wake = asyncio.Event()
        self._gateways = gateways
        self._identity = identity
        self._read = read
        self._links: dict[str, GatewayLink] = {}
        self._is_resolved = False

    async def run(self) -> None:
        """Keep a link to each address, for ever."""
        while True:
            resolved = [await asyncio.to_thread(resolve_gateway, gateway) for gateway in self._gateways]
            addresses = {address.key: address for current in resolved for address in current or ()}
            for key, address in addresses.items():
                if key not in self._links:
                    self._links[key] = GatewayLink(address, self._identity, self._read, self.wake)
            # A name that cannot be looked up now says nothing: without its gateways all versions would be unloaded.
            self._is_resolved = all(resolved)
            if self._is_resolved:
                for key in self._links.keys() - addresses.keys():
                    await self._links.pop(key).close()
                    self.wake.set()
            await asyncio.sleep(RESOLVE_INTERVAL_S)

    @property
    def is_complete(self) -> bool:
        """Whether every gateway has said since the start what it demands."""
        return self._is_resolved and all(link.demand is not None for link in self._links.values())

    def demands(self) -> list[HostDemand]:
        """Return what each gateway demanded last."""
        return [link.demand for link in self._links.values() if link.demand is not None]

    def report(self) -> None:
        """Tell all gateways that something has changed."""
        for link in self._links.values():
            link.report()

    async def close(self) -> None:
        """End all links."""
        await asyncio.gather(*(link.close() for link in self._links.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayAddress:
    """One address of a gateway: its URL, and the address that the name of the URL stands for."""

    url: str
    ip: str

    @property
    def key(self) -> str:
        """Its name in messages, and the same for the same gateway."""
        return self.url if self.ip in self.url else f"{self.url} ({self.ip})"

    @property
    def base_url(self) -> str:
        """The URL with the address in place of the name."""
        parts = urlsplit(self.url)
        ip = f"[{self.ip}]" if ":" in self.ip else self.ip
        return f"{parts.scheme}://{ip}{f':{parts.port}' if parts.port else ''}{parts.path.rstrip('/')}"

    @property
    def headers(self) -> dict[str, str]:
        """The headers of each request."""
        return {"Host": urlsplit(self.url).netloc, "User-Agent": "nlapi-ray"}

    @property
    def extensions(self) -> dict[str, str]:
        """What each request says of TLS: the name that the certificate has to be of."""
        parts = urlsplit(self.url)
        return {"sni_hostname": parts.hostname or ""} if parts.scheme == "https" else {}

    def open(self) -> httpx2.AsyncClient:
        """Return a client that connects to the address by the name of the URL."""
        import httpcore2
        import httpx2

        return httpx2.AsyncClient(
            base_url=self.base_url,
            headers=self.headers,
            timeout=httpx2.Timeout(REPLY_TIMEOUT_S),
            trust_env=False,
            verify=httpcore2.default_ssl_context(),
        )


def resolve_gateway(url: str) -> list[GatewayAddress] | None:
    """Return all addresses of the name in a URL, IPv4 where it has any; None when it cannot be looked up now.

    It blocks; call it in a thread.
    """
    parts = urlsplit(url)
    try:
        rows = socket.getaddrinfo(parts.hostname, parts.port or 0, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as error:  # a label of more than 63 characters is a UnicodeError
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
