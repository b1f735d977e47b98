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
from nlapi.openapi.address import Address, is_public, parse, shown
from nlapi.openapi.cache import Cache
from nlapi.openapi.unreachable import Unreachable, explain_unreachable

# GitHub's description is 13 MB; a server may send without end, so there is a limit.
MAX_BYTES = 64 * 1024 * 1024

# Seconds for a whole download, redirects included: a server that sends a byte at a time must end too.
DEADLINE = 30.0

MAX_REDIRECTS = 5

_SIGN_IN = "it is not for everybody: download the description, and give the file"
_HINTS = {
    401: _SIGN_IN,
    403: _SIGN_IN,
    404: "give the address of the description itself, often .../openapi.json or .../swagger.json",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
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
) -> Fetched:
    """Return the bytes of a description. FetchError gives the reason when they are not available.

    `source` is "-" (standard input), an http(s) URL, a path, or the name of a description that nlapi ships. `deadline`
    is in seconds. A download is stored in `cache` as its server allows. With `same_origin` no redirect to another
    origin is followed.
    """
    if source == "-":
        return Fetched(data=_capped(sys.stdin.buffer, "standard input", max_bytes), source="standard input")
    scheme = source.partition("://")[0].lower() if "://" in source else ""
    if scheme in ("http", "https"):
        return _download(source, max_bytes, deadline, cache, same_origin)
    if scheme:
        raise FetchError(
            f"{shown(source)}: nlapi reads http and https URLs and files", hint="give a path or an http(s) URL"
        )
    return _read_file(source, max_bytes)


def _read_file(source: str, max_bytes: int) -> Fetched:
    try:
        with Path(source).expanduser().open("rb") as file:
            return Fetched(data=_capped(file, source, max_bytes), source=source)
    except IsADirectoryError:
        if shipped := bundled.spec(source):
            return Fetched(data=shipped[1], source=source)
        hint = "name the file in it that begins with `openapi:`"
        raise FetchError(f"{source or '.'} is a folder", hint=hint) from None
    except (FileNotFoundError, NotADirectoryError, RuntimeError, ValueError):  # no such home, a NUL in the name
        if shipped := bundled.spec(source):
            return Fetched(data=shipped[1], source=source)
        raise FetchError(f"no such file: {source[:200]}", hint=_instead_of_file(source)) from None
    except OSError as error:
        raise FetchError(f"{source[:200]} cannot be read: {error.strerror}") from None


def _instead_of_file(source: str) -> str:
    """Return a hint for a name that is not a file: a URL without a scheme, or the accepted forms."""
    if re.match(r"(?:localhost|[\w-]+(?:\.[\w-]+)+)(?::\d+)?/|[\w.-]+:\d+$", source):
        return f"a URL begins with its scheme: http://{source[:200]} or https://{source[:200]}"
    names = ", ".join(bundled.spec_names())
    return f"give a path, a URL, a bundled name ({names}), or one of `nlapi api list`"


def _capped(stream: Any, source: str, max_bytes: int) -> bytes:
    # One byte more than allowed: a pipe has no size to ask for.
    data: bytes = stream.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise _too_large(source, max_bytes)
    return data


def _too_large(source: str, max_bytes: int) -> FetchError:
    return FetchError(f"{source} is larger than {max_bytes / 2**20:.3g} MB")


def _download(url: str, max_bytes: int, seconds: float, cache: Cache | None, same_origin: bool) -> Fetched:
    """Download under one deadline for everything, so that slow headers count too."""
    kept = cache.download(url) if cache else None
    if kept and kept.is_fresh and len(kept.data) <= max_bytes:
        return Fetched(data=kept.data, source=shown(url))
    from nlapi.wait import wait

    return wait(_followed(url, max_bytes, seconds, cache, same_origin))


async def _followed(url: str, max_bytes: int, seconds: float, cache: Cache | None, same_origin: bool) -> Fetched:
    import asyncio

    import httpcore2
    import httpx2

    named = _address(url)
    headers = {"accept": "application/json, application/yaml;q=0.9, */*;q=0.5"}
    try:
        async with (
            asyncio.timeout(seconds),
            httpx2.AsyncClient(
                timeout=seconds,
                headers=headers,
                trust_env=not named.is_loopback,  # a proxy cannot reach this machine's loopback
                verify=httpcore2.default_ssl_context(),  # with trust_env=False, SSL_CERT_FILE would be ignored
            ) as client,
        ):
            for _ in range(MAX_REDIRECTS + 1):
                address = _address(url)
                if same_origin and address.origin != named.origin:
                    raise FetchError(f"{named.site} redirects to {address.site}, another server")
                # The user chose the first host, which may be private; a redirect must not choose a private one (SSRF).
                if address.host != named.host:
                    _refuse_private(address)
                kept = cache.download(url) if cache else None
                async with client.stream("GET", url, headers=kept.conditions if kept else {}) as response:
                    if kept and response.status_code == 304:
                        return _kept(cache, url, kept.data, {**kept.validators, **response.headers})
                    if response.is_redirect:
                        url = _next(url, response.headers.get("location", ""))
                        continue
                    if not response.is_success:
                        hint = _HINTS.get(response.status_code, "is this the right address?")
                        raise FetchError(f"{shown(url)} answered {response.status_code}", hint=hint)
                    return _kept(cache, url, await _whole(response, url, max_bytes), response.headers)
    except (TimeoutError, httpx2.TimeoutException):
        raise FetchError(f"{shown(url)} did not answer in time", hint="is it reachable from here?") from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        unreachable = explain_unreachable(error) or Unreachable(reason=str(error))
        hint = unreachable.hint or "is it reachable from here?"
        raise FetchError(f"{shown(url)} cannot be fetched: {unreachable.reason}", hint=hint) from None
    raise FetchError(f"{shown(url)}: more than {MAX_REDIRECTS} redirects")


def _kept(cache: Cache | None, url: str, data: bytes, headers: Mapping[str, str]) -> Fetched:
    if cache:
        cache.keep_download(url, data, headers)
    return Fetched(data=data, source=shown(url))


def _address(url: str) -> Address:
    try:
        return parse(url)
    except UsageError as error:
        raise FetchError(error.message, hint="such as https://example.com/openapi.json") from None


def _next(url: str, location: str) -> str:
    try:
        target = urljoin(url, location)
    except ValueError:
        raise FetchError(f"{shown(url)} redirects to what is no URL") from None
    if not target.startswith(("http://", "https://")):
        raise FetchError(f"{shown(url)} redirects to {shown(target)}, which is not http(s)")
    if url.startswith("https://") and target.startswith("http://"):
        raise FetchError(
            f"{shown(url)} redirects from https to http", hint="name the http address yourself if you trust it"
        )
    return target


async def _whole(response: Any, url: str, max_bytes: int) -> bytes:
    data = bytearray()
    async for chunk in response.aiter_bytes():
        data += chunk
        if len(data) > max_bytes:
            raise _too_large(shown(url), max_bytes)
    return bytes(data)


def _refuse_private(address: Address) -> None:
    """Refuse a redirect from the host that the user gave into a private network."""
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(address.host, address.port)}
    except OSError:
        raise FetchError(f"{address.site}: the host {address.host} is not known") from None
    if not all(map(is_public, found)):
        raise FetchError(
            f"redirected to {address.site}, an address in a private network", hint="name that URL if you trust it"
        )
