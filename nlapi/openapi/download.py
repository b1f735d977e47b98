"""Downloads a description under limits: redirects, size, one deadline, and networks that the user or the host named."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

from nlapi.errors import FetchError, UsageError
from nlapi.ip_addresses import ip_address
from nlapi.openapi.cache import Cache
from nlapi.openapi.connection_errors import ConnectionFailure, explain_connection_error
from nlapi.openapi.egress import ForbiddenAddressError, NetworkScope, check_host, proxy_url, scope_of_peer
from nlapi.openapi.urls import HttpUrl, is_http_url, parse_url, redact_url

if TYPE_CHECKING:
    import ssl

    import httpx2

# Seconds for a whole download, redirects included: a server that sends a byte at a time must end too.
DEADLINE = 30.0

MAX_REDIRECTS = 5

_HEADERS = {"accept": "application/json, application/yaml;q=0.9, */*;q=0.5"}
_SIGN_IN_HINT = "it is not for everybody: download the description, and give the file"
_HINTS = {
    401: _SIGN_IN_HINT,
    403: _SIGN_IN_HINT,
    404: "give the address of the description itself, often .../openapi.json or .../swagger.json",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedDescription:
    """A description as bytes. `source` is its final location, after redirects; relative servers resolve against it.

    `network` are the networks that servers at the host of `source` may be in: where it came from itself.
    """

    data: bytes
    source: str
    network: NetworkScope = NetworkScope.LOCAL


def too_large_error(source: str, max_bytes: int) -> FetchError:
    return FetchError(f"{source} is larger than {max_bytes / 2**20:.3g} MB")


@dataclass(slots=True, kw_only=True)
class DownloadCall:
    """One download of `url`, in `seconds` for everything, so that slow headers count too."""

    url: str
    max_bytes: int
    seconds: float
    cache: Cache | None
    same_origin: bool

    def run(self, scope: NetworkScope) -> FetchedDescription:
        """Return the description; the host of `url` may be in the networks of `scope`. FetchError gives the reason."""
        cached = self.cache.load_download(self.url) if self.cache else None
        if cached and cached.is_fresh and len(cached.data) <= self.max_bytes:
            return _description(cached.data, self.url, cached.network)
        from nlapi.wait import wait

        return wait(self._download(scope))

    def read_with_links(self) -> tuple[bytes, str]:
        """Return what is at `url`, whatever it is, and its Link header (RFC 8288 §3); a redirect is not followed."""
        from nlapi.wait import wait

        return wait(self._read_with_links())

    async def _read_with_links(self) -> tuple[bytes, str]:
        import asyncio

        import httpcore2
        import httpx2

        address = _parse_source_url(self.url)
        try:
            async with (
                asyncio.timeout(self.seconds),
                self._open(address, httpcore2.default_ssl_context(), NetworkScope.ANY) as response,
            ):
                links = ", ".join(response.headers.get_list("link"))
                data = await _read_body(response, self.url, self.max_bytes) if response.is_success else b""
                return data, links
        except (
            TimeoutError,
            httpx2.HTTPError,
            httpx2.InvalidURL,
            httpcore2.NetworkError,
            httpcore2.ProtocolError,
        ) as error:
            raise FetchError(f"{redact_url(self.url)} cannot be read: {type(error).__name__}") from None

    async def _download(self, scope: NetworkScope) -> FetchedDescription:
        import asyncio

        import httpcore2
        import httpx2

        first = _parse_source_url(self.url)
        context = httpcore2.default_ssl_context()
        try:
            async with asyncio.timeout(self.seconds):
                for _ in range(MAX_REDIRECTS + 1):
                    address = _parse_source_url(self.url)
                    if self.same_origin and address.origin != first.origin:
                        raise FetchError(f"{first.site} redirects to {address.site}, another server")
                    # The user chose the first server, which may be private; a redirect must not choose a private one
                    # (SSRF), also not another port, and the name of the first must not lead to one later.
                    is_first = address.origin == first.origin or address == first.upgraded(address.target)
                    hop_scope = scope if is_first else NetworkScope.PUBLIC
                    async with self._open(address, context, hop_scope) as response:
                        network = _network(address, response)
                        if (description := await self._read(response, network)) is not None:
                            return description
                    scope = network if is_first else scope
        except ForbiddenAddressError as error:
            address = _parse_source_url(self.url)
            target = address.site if address.origin == first.origin else f"redirected to {address.site}, which"
            raise FetchError(f"{target} {error.reason}", hint="name that URL if you trust it") from None
        except UsageError as error:
            raise FetchError(error.message, hint=error.hint) from None
        except (TimeoutError, httpx2.TimeoutException, httpcore2.TimeoutException):
            raise FetchError(
                f"{redact_url(self.url)} did not answer in time", hint="is it reachable from here?"
            ) from None
        except httpx2.InvalidURL as error:
            raise FetchError(f"{redact_url(self.url)} is no URL: {error}") from None
        except (httpx2.HTTPError, httpcore2.NetworkError, httpcore2.ProtocolError, httpcore2.ProxyError) as error:
            failure = explain_connection_error(error) or ConnectionFailure(reason=str(error))
            hint = failure.hint or "is it reachable from here?"
            raise FetchError(f"{redact_url(self.url)} cannot be fetched: {failure.reason}", hint=hint) from None
        raise FetchError(f"{redact_url(self.url)}: more than {MAX_REDIRECTS} redirects")

    @asynccontextmanager
    async def _open(
        self, address: HttpUrl, context: ssl.SSLContext, scope: NetworkScope
    ) -> AsyncIterator[httpx2.Response]:
        """Send one GET and yield its response, whose body is still to be read."""
        import httpx2

        from nlapi.openapi.connections import CheckedBackend, open_pool
        from nlapi.openapi.pool_transport import PoolTransport

        check_host(address, scope)
        proxy = proxy_url(address)
        backend = CheckedBackend(NetworkScope.ANY if proxy else scope)
        cached = self.cache.load_download(self.url) if self.cache else None
        conditions = cached.conditions if cached else {}
        async with (
            PoolTransport(open_pool(proxy, backend, context)) as transport,
            httpx2.AsyncClient(transport=transport, timeout=self.seconds, headers=_HEADERS) as client,
            # The URL that was checked: another library may read another host in what was written.
            client.stream("GET", f"{address.site}{address.target}", headers=conditions) as response,
        ):
            yield response

    async def _read(self, response: httpx2.Response, network: NetworkScope) -> FetchedDescription | None:
        """Return the description in a response; for a redirect None, with its target in `url`."""
        url = self.url
        cached = self.cache.load_download(url) if self.cache and response.status_code == 304 else None
        if cached:
            return self._store(cached.data, {**cached.validators, **response.headers}, network)
        if response.is_redirect:
            self.url = _redirect_target(url, response.headers.get("location", ""))
            return None
        if not response.is_success:
            hint = _HINTS.get(response.status_code, "is this the right address?")
            raise FetchError(f"{redact_url(url)} answered {response.status_code}", hint=hint)
        return self._store(await _read_body(response, url, self.max_bytes), response.headers, network)

    def _store(self, data: bytes, headers: Mapping[str, str], network: NetworkScope) -> FetchedDescription:
        if self.cache:
            self.cache.store_download(self.url, data, headers, network)
        return _description(data, self.url, network)


def _description(data: bytes, url: str, network: NetworkScope) -> FetchedDescription:
    return FetchedDescription(data=data, source=redact_url(url), network=network)


def _network(address: HttpUrl, response: httpx2.Response) -> NetworkScope:
    """Return the networks that servers at this host may be in: those of the address that answered."""
    stream = response.extensions.get("network_stream")
    peer = stream.get_extra_info("server_addr") if stream is not None else None
    if proxy_url(address) or not peer:
        # The proxy's address says nothing; what is written as an address, or is a local name, does.
        is_local = address.is_local_name or (ip_address(address.host) is not None)
        return scope_of_peer(address.host) if is_local else NetworkScope.PUBLIC
    return scope_of_peer(str(peer[0]))


def _parse_source_url(url: str) -> HttpUrl:
    try:
        return parse_url(url)
    except UsageError as error:
        raise FetchError(error.message, hint="such as https://example.com/openapi.json") from None


def _redirect_target(url: str, location: str) -> str:
    try:
        target = urljoin(url, location)
    except ValueError:
        raise FetchError(f"{redact_url(url)} redirects to what is no URL") from None
    if not is_http_url(target):
        raise FetchError(f"{redact_url(url)} redirects to {redact_url(target)}, which is not http(s)")
    if url.lower().startswith("https://") and target.lower().startswith("http://"):
        raise FetchError(
            f"{redact_url(url)} redirects from https to http", hint="name the http address yourself if you trust it"
        )
    return target


async def _read_body(response: Any, url: str, max_bytes: int) -> bytes:
    data = bytearray()
    async for chunk in response.aiter_bytes():
        data += chunk
        if len(data) > max_bytes:
            raise too_large_error(redact_url(url), max_bytes)
    return bytes(data)
