"""Finds the description of an API from the address of the API alone: catalogs, links, and the usual places."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

from nlapi.errors import FetchError
from nlapi.openapi.download import DownloadCall
from nlapi.openapi.fetch import fetch
from nlapi.openapi.urls import is_http_url, origin, parse_url

# In seconds and bytes: several places are tried, and a description of an API of its own is rarely larger.
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
    """Return what is at a URL and its Link header; nothing where it cannot be had."""
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
