"""Reads the files of a description, from a path, a URL, standard input or a bundled name, under limits."""

from __future__ import annotations

import json
import posixpath
import re
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urljoin

from nlapi import bundled
from nlapi.errors import FetchError, NlapiError, UsageError
from nlapi.ip_addresses import ip_address
from nlapi.openapi.cache import Cache
from nlapi.openapi.document import read_tree
from nlapi.openapi.egress import (
    ConnectionFailure,
    ForbiddenAddressError,
    NetworkScope,
    check_host,
    explain_connection_error,
    proxy_url,
    scope_of_peer,
)
from nlapi.openapi.urls import HttpUrl, is_http_url, origin, parse_url, redact_url

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
            raise FetchError(f"{redact_url(self.url)} is not a URL: {error}") from None
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

        from nlapi.openapi.connections import CheckedBackend, PoolTransport, open_pool

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
        raise FetchError(f"{redact_url(url)} redirects to something that is not a URL") from None
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


STANDARD_INPUT = "standard input"
"""The source of what was read from "-"."""

# GitHub's description is 13 MB; a server may send without end, so there is a limit.
MAX_BYTES = 64 * 1024 * 1024

# DigitalOcean's description has 2,907 files, the most of any known.
MAX_FILES = 10_000

# Seconds for all downloads together; the files are fetched one after the other.
MAX_DOWNLOAD_SECONDS = 120.0


_SCOPE = ContextVar("scope", default=NetworkScope.ANY)


@contextmanager
def within_networks(scope: NetworkScope) -> Iterator[None]:
    """Let URLs that are fetched in the block, named by a document and no user, be in these networks alone."""
    token = _SCOPE.set(scope)
    try:
        yield
    finally:
        _SCOPE.reset(token)


def fetch(
    source: str,
    *,
    max_bytes: int = MAX_BYTES,
    deadline: float = DEADLINE,
    cache: Cache | None = None,
    same_origin: bool = False,
    scope: NetworkScope | None = None,
) -> FetchedDescription:
    """Return the bytes of a description. FetchError gives the reason when they are not available.

    `source` is "-" (standard input), an http(s) URL, a path, or the name of a description that nlapi ships. `deadline`
    is in seconds. A download is stored in `cache` as its server allows. With `same_origin` no redirect to another
    origin is followed. `scope` are the networks that the host of a URL may be in: any where the user named it, and
    those of `within_networks` where a document did.
    """
    if source == "-":
        return FetchedDescription(
            data=_read_limited(sys.stdin.buffer, STANDARD_INPUT, max_bytes), source=STANDARD_INPUT
        )
    scheme = source.partition("://")[0].lower() if "://" in source else ""
    if scheme in ("http", "https"):
        call = DownloadCall(url=source, max_bytes=max_bytes, seconds=deadline, cache=cache, same_origin=same_origin)
        return call.run(_SCOPE.get() if scope is None else scope)
    if scheme:
        raise FetchError(
            f"{redact_url(source)}: nlapi reads http and https URLs and files", hint="give a path or an http(s) URL"
        )
    return _read_file(source, max_bytes)


def _read_file(source: str, max_bytes: int) -> FetchedDescription:
    try:
        with Path(source).expanduser().open("rb") as file:
            return FetchedDescription(data=_read_limited(file, source, max_bytes), source=source)
    except IsADirectoryError:
        if shipped := bundled.spec(source):
            return FetchedDescription(data=shipped[1], source=source)
        hint = "name the file in it that begins with `openapi:`"
        raise FetchError(f"{source or '.'} is a folder", hint=hint) from None
    except (FileNotFoundError, NotADirectoryError, RuntimeError, ValueError):  # no such home, a NUL in the name
        if shipped := bundled.spec(source):
            return FetchedDescription(data=shipped[1], source=source)
        raise FetchError(f"no such file: {source[:200]}", hint=_missing_file_hint(source)) from None
    except OSError as error:
        raise FetchError(f"{source[:200]} cannot be read: {error.strerror}") from None


def _missing_file_hint(source: str) -> str:
    """Return a hint for a name that is not a file: a URL without a scheme, or the accepted forms."""
    if re.match(r"(?:localhost|[\w-]+(?:\.[\w-]+)+)(?::\d+)?/|[\w.-]+:\d+$", source):
        return f"a URL begins with its scheme: http://{source[:200]} or https://{source[:200]}"
    names = ", ".join(bundled.spec_names())
    return f"give a path, a URL, a bundled name ({names}), or one of `nlapi api list`"


def _read_limited(stream: Any, source: str, max_bytes: int) -> bytes:
    # One byte more than allowed: a pipe has no size to ask for.
    data: bytes = stream.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise too_large_error(source, max_bytes)
    return data


# A `$ref` to another file, in JSON or YAML, or text that looks like one: a false match only costs one walk. A map or a
# list is that of a path or a property with this name, as Microsoft Graph has them.
EXTERNAL_REF = re.compile(rb"""\$ref["']?\s*:\s*(?:["'][^\s"'#]|[^\s"'#{\[])""")


def may_have_external_refs(data: bytes) -> bool:
    """Return whether a description may have a `$ref` to another file. Takes 5 ms on GitHub's 13 MB."""
    return bool(EXTERNAL_REF.search(data))


@dataclass(slots=True, kw_only=True)
class DescriptionFiles:
    """The files beside `root`, a path or a URL. LookupError gives the reason when one is not available.

    A file is identified by its place: for a local root its path from the root's folder, else its URL. Downloads are
    limited to the root's own origin, and to the networks of `network`. Local files must be in the root's folder or in
    `within`. Names that begin with a dot are never read (docs/design/005).
    """

    root: str
    network: NetworkScope = NetworkScope.LOCAL
    within: str = ""
    cache: Cache | None = None
    max_files: int = MAX_FILES
    max_bytes: int = MAX_BYTES
    _trees: dict[str, object] = field(default_factory=dict)
    _reasons: dict[str, str] = field(default_factory=dict)
    _requested: dict[str, None] = field(default_factory=dict)
    _count: int = 0
    _bytes: int = 0
    _deadline: float = 0.0
    _locations: dict[tuple[str, str], str] = field(default_factory=dict)
    _folder: str = ""
    _boundary: str = ""

    @property
    def is_remote(self) -> bool:
        return is_http_url(self.root)

    def locate(self, path: str, beside: str) -> str:
        """Return the place of `path` as written in the file `beside`; "" is the root, for both."""
        key = path.replace("\\", "/"), beside if self.is_remote else posixpath.dirname(beside)
        if key not in self._locations:
            self._locations[key] = (self._locate_url if self.is_remote else self._locate_path)(*key)
        return self._locations[key]

    def _locate_url(self, path: str, beside: str) -> str:
        try:
            url = urljoin(beside or self.root, path)
        except ValueError:
            raise LookupError(f"{path!r} is not a URL") from None
        if origin(url) is None or origin(url) != origin(self.root):
            raise LookupError(f"{path!r} is not on the server that the description came from")
        return "" if url == self.root.partition("#")[0] else url

    def _locate_path(self, path: str, beside: str) -> str:
        if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+:", path):
            raise LookupError(f"{path!r} is elsewhere; files may name only files in the folder of {self.root}")
        full = posixpath.normpath(posixpath.join(self.folder, beside, unquote(path)))
        try:
            # Both forms are checked: the written path could be inside while a symbolic link leads outside.
            real = Path(full).resolve().as_posix()
        except (OSError, RuntimeError, ValueError):  # a loop of links, a NUL in the name
            real = ""
        if not (self._is_inside(full) and self._is_inside(real)):
            raise LookupError(
                f"{path!r} is outside the folder of {self.root}; to allow it, name a folder above both with --root"
            )
        location = posixpath.relpath(full, self.folder)
        if any(
            part.startswith(".") and part != ".."
            for candidate in (full, real)
            for part in posixpath.relpath(candidate, self.folder).split("/")
        ):
            raise LookupError(f"{path!r} is hidden: a description is not shown files whose names begin with a dot")
        return "" if location == Path(self.root).name else location

    def _is_inside(self, path: str) -> bool:
        return any(path.startswith(f"{folder.rstrip('/')}/") for folder in (self.folder, self.boundary))

    @property
    def folder(self) -> str:
        """Return the folder of a local root, with links followed; LookupError when the root is not a file."""
        if not self._folder:
            path = Path(self.root).expanduser()
            if not path.exists():
                raise LookupError(f"it leads into another file, and {self.root} is in no folder")
            self._folder = path.parent.resolve().as_posix()
        return self._folder

    @property
    def boundary(self) -> str:
        """Return the widest folder that files may be in: `within`, else the root's folder."""
        if not self._boundary:
            self._boundary = Path(self.within).expanduser().resolve().as_posix() if self.within else self.folder
        return self._boundary

    def tree(self, location: str) -> Any:
        """Return the tree of a file, the same object at each call."""
        if location not in self._trees:
            data = self._read_once(location)
            try:
                self._trees[location] = read_tree(data, self._display_path(location), self.cache)[0]
            except NlapiError as error:
                raise self._failure(location, error.message) from None
        return self._trees[location]

    @property
    def requested(self) -> tuple[str, ...]:
        """Return the path or URL of each requested file, including those that were not available."""
        return tuple(location if self.is_remote else str(Path(self.folder) / location) for location in self._requested)

    def _read_once(self, location: str) -> bytes:
        if location in self._reasons:
            raise LookupError(self._reasons[location])
        self._requested[location] = None
        if self._count >= self.max_files:
            raise LookupError(f"the description has more than {self.max_files:,} files")
        self._count += 1
        try:
            data = self._read(location)
        except NlapiError as error:
            raise self._failure(location, error.message) from None
        self._bytes += len(data)
        return data

    def _read(self, location: str) -> bytes:
        remaining = self.max_bytes - self._bytes
        if remaining <= 0:
            raise self._failure(
                location, f"the files of the description are larger than {self.max_bytes / 2**20:.3g} MB"
            )
        if not self.is_remote:
            path = Path(self.folder) / location
            try:
                is_file = path.is_file()
            except OSError:  # a name that is too long
                is_file = False
            if not is_file:
                raise self._failure(location, f"no such file: {self._display_path(location)[:200]}")
            return fetch(str(path), max_bytes=remaining).data
        # The clock starts with the first download, not when the root was read.
        self._deadline = self._deadline or time.monotonic() + MAX_DOWNLOAD_SECONDS
        seconds = min(DEADLINE, self._deadline - time.monotonic())
        if seconds <= 0:
            raise self._failure(location, f"the files of the description did not arrive in {MAX_DOWNLOAD_SECONDS:g} s")
        return fetch(
            location,
            max_bytes=remaining,
            deadline=seconds,
            cache=self.cache,
            same_origin=True,
            scope=self.network,
        ).data

    def _failure(self, location: str, reason: str) -> LookupError:
        self._reasons[location] = reason
        return LookupError(reason)

    def _display_path(self, location: str) -> str:
        return (
            location if self.is_remote else posixpath.normpath(posixpath.join(posixpath.dirname(self.root), location))
        )


# In seconds and bytes: several places are tried, and a description of a single API is rarely larger.
PROBE_SECONDS = 10.0
PROBE_BYTES = 64 * 1024 * 1024

API_CATALOG = "/.well-known/api-catalog"
# Where frameworks put it: FastAPI, Spring, ASP.NET, Swagger UI, Rails and others.
USUAL_PLACES = (
    "/openapi.json",
    "/openapi.yaml",
    "/swagger.json",
    "/v3/api-docs",
    "/swagger/v1/swagger.json",
    "/api-docs",
    "/api/openapi.json",
    "/api/swagger.json",
    "/v2/api-docs",
    "/.well-known/openapi.json",
)
_DESCRIPTION = re.compile(rb"""["']?(?:openapi|swagger)["']?\s*:\s*["']?[23]""")
_LINK = re.compile(r"<([^<>]*)>((?:\s*;\s*[\w-]+\s*=\s*(?:\"[^\"]*\"|[^\s;,]+))*)")


def is_bare(source: str) -> bool:
    """Return whether a source is the address of a server, without a path that could be that of a description."""
    return is_http_url(source) and parse_url(source).path.rstrip("/") == ""


def discover_description(source: str) -> str:
    """Return the URL of the description of the API at `source`, a bare origin. FetchError when none is found.

    Asked are the server's links (`service-desc`, RFC 8631), its API catalog (RFC 9727), and then the usual places, on
    that server alone.
    """
    site = parse_url(source).site
    tried: list[str] = []
    for url in _candidates(site):
        if url in tried:
            continue
        tried.append(url)
        if _is_description(url):
            return url
    message = f"{site} has no description of an API at {', '.join(parse_url(url).path for url in tried)[:300]}"
    raise FetchError(message, hint="give the address of the description itself, or a file")


def _candidates(site: str) -> Iterator[str]:
    data, links = _read(f"{site}/")
    if _DESCRIPTION.search(data[:4000]):
        yield f"{site}/"
    yield from _linked(site, links, "service-desc")
    catalogs = [*_linked(site, links, "api-catalog"), f"{site}{API_CATALOG}"]
    for catalog in dict.fromkeys(catalogs):
        yield from _catalog_entries(site, _read(catalog)[0])
    yield from (f"{site}{path}" for path in USUAL_PLACES)


def _read(url: str) -> tuple[bytes, str]:
    """Return the content of a URL and its Link header; nothing if it cannot be fetched."""
    call = DownloadCall(url=url, max_bytes=1024 * 1024, seconds=PROBE_SECONDS, cache=None, same_origin=True)
    try:
        return call.read_with_links()
    except FetchError:
        return b"", ""


def _linked(site: str, header: str, relation: str) -> list[str]:
    """Return the targets of the links with a relation (RFC 8288 §3) that are on the server itself."""
    found = []
    for target, parameters in _LINK.findall(header):
        relations = re.search(r"\brel\s*=\s*(?:\"([^\"]*)\"|([^\s;,]+))", parameters)
        names = (relations[1] or relations[2] or "").lower().split() if relations else []
        if relation in names:
            found.append(urljoin(f"{site}/", target))
    return [url for url in found if origin(url) == origin(site)]


def _catalog_entries(site: str, data: bytes) -> Iterator[str]:
    """Yield the descriptions in an API catalog, a linkset in JSON (RFC 9264 §4.2), that are on the server itself."""
    try:
        sets: Any = json.loads(data or b"{}").get("linkset", [])
    except (ValueError, AttributeError, RecursionError):
        return
    for entry in sets if isinstance(sets, list) else ():
        links = entry.get("service-desc", []) if isinstance(entry, dict) else []
        for link in links if isinstance(links, list) else ():
            href = link.get("href") if isinstance(link, dict) else None
            if isinstance(href, str) and origin(url := urljoin(f"{site}/", href)) == origin(site):
                yield url


def _is_description(url: str) -> bool:
    try:
        data = fetch(url, max_bytes=PROBE_BYTES, deadline=PROBE_SECONDS, same_origin=True).data
    except FetchError:
        return False
    return _DESCRIPTION.search(data[:4000]) is not None or _DESCRIPTION.search(data) is not None
