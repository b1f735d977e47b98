"""Which server a request goes to, and which servers a description may not send anybody to."""

from __future__ import annotations

import re

from nlapi.errors import UsageError
from nlapi.openapi.address import Address, parse, shown
from nlapi.openapi.parts import Server
from nlapi.openapi.spec import Operation

_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")
HINT = "name the server yourself with --base-url"


def server_url(operation: Operation, base_url: str | None = None) -> str:
    """The absolute URL that the operation's path is put behind, without a slash at its end.

    It is the first that is absolute, as a relative one in a file leads nowhere.

    `base_url` is the user's word and may be any http(s) URL; the description's own server may not lead where a
    description has no business to lead (OpenAPI 3.1.1 §4.8.5). UsageError says why it was refused.
    """
    if base_url is not None:
        _checked(base_url, f"base URL {shown(base_url)!r}", "such as http://127.0.0.1:8080")
        return base_url.rstrip("/")
    url = next(filter(_SCHEME.match, map(expanded, operation.servers)), "") or expanded(operation.servers[0])
    if not _SCHEME.match(url):
        raise UsageError(f"{operation.spec.source} names no server, only the relative URL {url!r}", hint=HINT)
    label = f"server {shown(url)!r} of {operation.spec.source}"
    if reason := _forbidden(_checked(url, label, HINT), operation.spec.source):
        raise UsageError(f"{label} is {reason}", hint=HINT)
    return url.rstrip("/")


def expanded(server: Server) -> str:
    """The server's URL with its variables at their defaults (OpenAPI 3.1.1 §4.8.6)."""

    def value(match: re.Match[str]) -> str:
        variable = server.variables.get(match[1])
        if variable is None:
            raise UsageError(f"server {server.url!r} uses {{{match[1]}}}, which is not described", hint=HINT)
        return variable.default or (variable.enum[0] if variable.enum else "")

    return re.sub(r"\{([^{}]+)\}", value, server.url)


def _checked(url: str, label: str, hint: str) -> Address:
    try:
        address = parse(url)
    except UsageError as error:
        raise UsageError(f"{label}: {error.message}", hint=hint) from None
    if "?" in url or "#" in url or "\\" in url:
        raise UsageError(f"{label} has a query, a fragment or a backslash in it", hint=hint)
    if any(segment in (".", "..") for segment in re.sub("%2e", ".", address.path, flags=re.I).split("/")):
        raise UsageError(f"{label} has dot segments in its path", hint=hint)
    return address


def _forbidden(address: Address, source: str) -> str:
    """Why a description from `source` may not name this server, or ""."""
    if address.is_link_local:
        return "a link-local or reserved address"
    from_elsewhere = source.startswith(("http://", "https://")) and parse(source).host != address.host
    return (
        "in a private network, and the description came from elsewhere" if from_elsewhere and address.is_private else ""
    )
