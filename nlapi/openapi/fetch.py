"""The bytes of a description, from a path, a URL, standard input or a bundled name, under limits."""

from __future__ import annotations

import socket
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from nlapi import resources
from nlapi.errors import FetchError, UsageError
from nlapi.openapi.address import Address, is_public, parse

MAX_BYTES = 64 * 1024 * 1024
"""The largest description that is read; GitHub's is 13 MB."""

DEADLINE = 30.0
"""Seconds for a whole download, redirects included."""

MAX_REDIRECTS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """`source` is where the bytes came from, after redirects; relative servers are resolved against it."""

    data: bytes
    source: str


def fetch(source: str) -> Fetched:
    """The bytes of a description. FetchError says why they cannot be had.

    `source` is "-" (standard input), an http(s) URL, a path, or the name of a description that nlapi ships.
    """
    if source == "-":
        return Fetched(data=_capped(sys.stdin.buffer, "standard input"), source="standard input")
    scheme = source.partition("://")[0].lower() if "://" in source else ""
    if scheme in ("http", "https"):
        return _download(source)
    if scheme:
        raise FetchError(f"{source}: nlapi reads http and https URLs and files", hint="give a path or an http(s) URL")
    path = Path(source).expanduser()
    if path.is_file():
        return _read_file(path, source)
    bundled = resources.spec(source)
    if bundled:
        return Fetched(data=bundled[1], source=source)
    raise _missing(path, source)


def _missing(path: Path, source: str) -> FetchError:
    names = ", ".join(resources.spec_names())
    if path.is_dir():
        return FetchError(f"{source} is a folder", hint="name the file in it that begins with `openapi:`")
    return FetchError(f"no such file: {source}", hint=f"give a path, a URL, or a bundled name ({names})")


def _read_file(path: Path, source: str) -> Fetched:
    try:
        with path.open("rb") as file:
            return Fetched(data=_capped(file, source), source=source)
    except OSError as error:
        raise FetchError(f"{source} cannot be read: {error.strerror}") from None


def _capped(stream: Any, source: str) -> bytes:
    data: bytes = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise _too_large(source)
    return data


def _too_large(source: str) -> FetchError:
    return FetchError(f"{source} is larger than {MAX_BYTES // 2**20} MB")


def _download(url: str) -> Fetched:
    import httpx2

    named = _address(url)
    deadline = time.monotonic() + DEADLINE
    headers = {"accept": "application/json, application/yaml;q=0.9, */*;q=0.5"}
    with httpx2.Client(timeout=10.0, headers=headers, trust_env=not named.is_loopback) as client:
        for _ in range(MAX_REDIRECTS + 1):
            if (address := _address(url)).host != named.host:
                _refuse_private(address)
            try:
                with client.stream("GET", url) as response:
                    if response.is_redirect:
                        url = _next(url, response.headers.get("location", ""))
                        continue
                    if not response.is_success:
                        raise FetchError(f"{url} answered {response.status_code}", hint="is this the right address?")
                    return Fetched(data=_stream(response, url, deadline), source=url)
            except httpx2.TimeoutException:
                raise FetchError(f"{url} did not answer in time", hint="is it reachable from here?") from None
            except (httpx2.HTTPError, httpx2.InvalidURL) as error:
                raise FetchError(f"{url} cannot be fetched: {error}", hint="is it reachable from here?") from None
    raise FetchError(f"{url}: more than {MAX_REDIRECTS} redirects")


def _address(url: str) -> Address:
    try:
        return parse(url)
    except UsageError as error:
        raise FetchError(error.message, hint="such as https://example.com/openapi.json") from None


def _next(url: str, location: str) -> str:
    target = urljoin(url, location)
    if not target.startswith(("http://", "https://")):
        raise FetchError(f"{url} redirects to {target}, which is not http(s)")
    if url.startswith("https://") and target.startswith("http://"):
        raise FetchError(f"{url} redirects from https to http", hint="name the http address yourself if you trust it")
    return target


def _stream(response: Any, url: str, deadline: float) -> bytes:
    data = bytearray()
    for chunk in response.iter_bytes():
        data += chunk
        if len(data) > MAX_BYTES:
            raise _too_large(url)
        if time.monotonic() > deadline:
            raise FetchError(f"{url} took longer than {DEADLINE:.0f} s")
    return bytes(data)


def _refuse_private(address: Address) -> None:
    """A redirect may not lead from a host that the user named into a network that only this machine can see."""
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(address.host, address.port)}
    except OSError:
        raise FetchError(f"{address.site}: the host {address.host} is not known") from None
    if not all(map(is_public, found)):
        raise FetchError(
            f"redirected to {address.site}, an address in a private network", hint="name that URL if you trust it"
        )
