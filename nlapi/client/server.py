"""Which server a request goes to, and which servers a description may not send anybody to."""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import urlsplit

from nlapi.errors import UsageError
from nlapi.openapi.spec import Operation, Server

HINT = "name the server yourself with --base-url"


def server_url(operation: Operation, base_url: str | None = None) -> str:
    """The absolute URL that the operation's path is put behind, without a slash at its end.

    `base_url` is the user's word and may be any http(s) URL; the description's own server may not lead where a
    description has no business to lead (OpenAPI 3.1.1 §4.8.5). UsageError says why it was refused.
    """
    if base_url is not None:
        return _checked(base_url, f"base URL {base_url!r}", "such as http://127.0.0.1:8080")
    server = operation.servers[0]
    url = _expanded(server)
    if not re.match(r"[a-zA-Z][a-zA-Z0-9+.-]*:", url):
        raise UsageError(f"{operation.spec.source} names no server, only the relative URL {url!r}", hint=HINT)
    url = _checked(url, f"server {url!r} of {operation.spec.source}", HINT)
    if reason := _forbidden(urlsplit(url).hostname or "", operation.spec.source):
        raise UsageError(f"server {url!r} of {operation.spec.source} is {reason}", hint=HINT)
    return url


def _expanded(server: Server) -> str:
    """The server's URL with its variables at their defaults (OpenAPI 3.1.1 §4.8.6)."""

    def value(match: re.Match[str]) -> str:
        variable = server.variables.get(match[1])
        if variable is None:
            raise UsageError(f"server {server.url!r} uses {{{match[1]}}}, which is not described", hint=HINT)
        return variable.default or (variable.enum[0] if variable.enum else "")

    return re.sub(r"\{([^{}]+)\}", value, server.url)


def _checked(url: str, label: str, hint: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        raise UsageError(f"{label} is not a URL", hint=hint) from None
    if parts.scheme.lower() not in ("http", "https"):
        raise UsageError(f"{label} is not an http(s) URL", hint=hint)
    if not host:
        raise UsageError(f"{label} has no host", hint=hint)
    if parts.username is not None or parts.password is not None or "@" in parts.netloc:
        raise UsageError(f"{label} has credentials or another host (userinfo, `@`) in front of its host", hint=hint)
    if "?" in url or "#" in url or re.search(r"[\s\\\x00-\x1f\x7f]", url):
        raise UsageError(f"{label} has a query, a fragment, white space or a backslash", hint=hint)
    if any(segment in (".", "..") for segment in re.sub("%2e", ".", parts.path, flags=re.I).split("/")):
        raise UsageError(f"{label} has dot segments in its path", hint=hint)
    return url.rstrip("/")


def _forbidden(host: str, source: str) -> str:
    """Why a description from `source` may not name this host, or ""."""
    address = _address(host)
    if address is not None and (address.is_link_local or address.is_multicast or address.is_unspecified):
        return "a link-local or reserved address"
    private = address is not None and not address.is_global
    if source.startswith(("http://", "https://")) and (private or _is_local_name(host)):
        if host != (urlsplit(source).hostname or ""):
            return "in a private network, and the description came from elsewhere"
    return ""


def _is_local_name(host: str) -> bool:
    return host == "localhost" or host.endswith((".localhost", ".local", ".internal"))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address that a host is written as, in any of the forms that resolvers take (2852039166, 0xA9FEA9FE)."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        try:
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except (OSError, ValueError):
            return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
        return address.ipv4_mapped
    return address
