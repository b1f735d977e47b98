"""Reads the bytes of a description from a path, a URL, standard input or a bundled name, under limits."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from nlapi import bundled
from nlapi.errors import FetchError, UsageError
from nlapi.openapi.urls import HttpUrl, is_public, parse_url, redact_url
from nlapi.openapi.cache import Cache
from nlapi.openapi.connection_errors import ConnectionFailure, explain_connection_error

# GitHub's description is 13 MB; a server may send without end, so there is a limit.
MAX_BYTES = 64 * 1024 * 1024

# Seconds for a whole download, redirects included: a server that sends a byte at a time must end too.
DEADLINE = 30.0

MAX_REDIRECTS = 5

_SIGN_IN_HINT = "it is not for everybody: download the description, and give the file"
_HINTS = {
    401: _SIGN_IN_HINT,
    403: _SIGN_IN_HINT,
    404: "give the address of the description itself, often .../openapi.json or .../swagger.json",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchedDescription:
    """A description as bytes. `source` is its final location, after redirects; relative servers resolve against it."""

    data: bytes
    source: str


def fetch(
    source: str,
    *,
    max_bytes: int = MAX_BYTES,
    deadline: float = DEADLINE,
    cache: Cache | None = None,
    same_origin: bool = False,
) -> FetchedDescription:
    """Return the bytes of a description. FetchError gives the reason when they are not available.

    `source` is "-" (standard input), an http(s) URL, a path, or the name of a description that nlapi ships. `deadline`
    is in seconds. A download is stored in `cache` as its server allows. With `same_origin` no redirect to another
    origin is followed.
    """
    if source == "-":
        return FetchedDescription(data=_read_limited(sys.stdin.buffer, "standard input", max_bytes), source="standard input")
    scheme = source.partition("://")[0].lower() if "://" in source else ""
    if scheme in ("http", "https"):
        return _download(source, max_bytes, deadline, cache, same_origin)
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
        raise _too_large_error(source, max_bytes)
    return data


def _too_large_error(source: str, max_bytes: int) -> FetchError:
    return FetchError(f"{source} is larger than {max_bytes / 2**20:.3g} MB")


def _download(url: str, max_bytes: int, seconds: float, cache: Cache | None, same_origin: bool) -> FetchedDescription:
    """Download under one deadline for everything, so that slow headers count too."""
    cached = cache.load_download(url) if cache else None
    if cached and cached.is_fresh and len(cached.data) <= max_bytes:
        return FetchedDescription(data=cached.data, source=redact_url(url))
    from nlapi.wait import wait

    return wait(_follow_redirects(url, max_bytes, seconds, cache, same_origin))


async def _follow_redirects(url: str, max_bytes: int, seconds: float, cache: Cache | None, same_origin: bool) -> FetchedDescription:
    import asyncio

    import httpcore2
    import httpx2

    first_address = _parse_source_url(url)
    headers = {"accept": "application/json, application/yaml;q=0.9, */*;q=0.5"}
    try:
        async with (
            asyncio.timeout(seconds),
            httpx2.AsyncClient(
                timeout=seconds,
                headers=headers,
                trust_env=not first_address.is_loopback,  # a proxy cannot reach this machine's loopback
                verify=httpcore2.default_ssl_context(),  # with trust_env=False, SSL_CERT_FILE would be ignored
            ) as client,
        ):
            for _ in range(MAX_REDIRECTS + 1):
                address = _parse_source_url(url)
                if same_origin and address.origin != first_address.origin:
                    raise FetchError(f"{first_address.site} redirects to {address.site}, another server")
                # The user chose the first host, which may be private; a redirect must not choose a private one (SSRF).
                if address.host != first_address.host:
                    _refuse_private(address)
                cached = cache.load_download(url) if cache else None
                async with client.stream("GET", url, headers=cached.conditions if cached else {}) as response:
                    if cached and response.status_code == 304:
                        return _store_download(cache, url, cached.data, {**cached.validators, **response.headers})
                    if response.is_redirect:
                        url = _redirect_target(url, response.headers.get("location", ""))
                        continue
                    if not response.is_success:
                        hint = _HINTS.get(response.status_code, "is this the right address?")
                        raise FetchError(f"{redact_url(url)} answered {response.status_code}", hint=hint)
                    return _store_download(cache, url, await _read_body(response, url, max_bytes), response.headers)
    except (TimeoutError, httpx2.TimeoutException):
        raise FetchError(f"{redact_url(url)} did not answer in time", hint="is it reachable from here?") from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        failure = explain_connection_error(error) or ConnectionFailure(reason=str(error))
        hint = failure.hint or "is it reachable from here?"
        raise FetchError(f"{redact_url(url)} cannot be fetched: {failure.reason}", hint=hint) from None
    raise FetchError(f"{redact_url(url)}: more than {MAX_REDIRECTS} redirects")


def _store_download(cache: Cache | None, url: str, data: bytes, headers: Mapping[str, str]) -> FetchedDescription:
    if cache:
        cache.store_download(url, data, headers)
    return FetchedDescription(data=data, source=redact_url(url))


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
    if not target.startswith(("http://", "https://")):
        raise FetchError(f"{redact_url(url)} redirects to {redact_url(target)}, which is not http(s)")
    if url.startswith("https://") and target.startswith("http://"):
        raise FetchError(
            f"{redact_url(url)} redirects from https to http", hint="name the http address yourself if you trust it"
        )
    return target


async def _read_body(response: Any, url: str, max_bytes: int) -> bytes:
    data = bytearray()
    async for chunk in response.aiter_bytes():
        data += chunk
        if len(data) > max_bytes:
            raise _too_large_error(redact_url(url), max_bytes)
    return bytes(data)


def _refuse_private(address: HttpUrl) -> None:
    """Refuse a redirect from the host that the user gave into a private network."""
    try:
        addresses = {str(info[4][0]) for info in socket.getaddrinfo(address.host, address.port)}
    except OSError:
        raise FetchError(f"{address.site}: the host {address.host} is not known") from None
    if not all(map(is_public, addresses)):
        raise FetchError(
            f"redirected to {address.site}, an address in a private network", hint="name that URL if you trust it"
        )
