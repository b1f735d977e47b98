"""Checks of a request's headers: host, origin, size, and headers that two parsers could read in two ways."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from nlapi.gateway.problem import GatewayProblem

LOOPBACK_HOSTS = frozenset(("127.0.0.1", "localhost", "[::1]"))
# 8 KiB for one header and 100 headers, as Apache httpd by default (LimitRequestFieldSize, LimitRequestFields).
MAX_HEADER_BYTES = 8 * 1024
MAX_HEADERS = 100
REPEATABLE_HEADERS = frozenset(
    ("accept", "accept-encoding", "accept-language", "cache-control", "cookie", "forwarded", "via", "warning",
     "x-forwarded-for", "connection", "te", "trailer", "baggage", "tracestate", "pragma", "if-none-match")
)  # fmt: skip
"""Headers that may be repeated because their value is a list (RFC 9110 §5.3)."""


class RequestGuard:
    """The header checks of every request.

    `hosts` are the accepted host names besides those of loopback; "*" accepts all, which is safe only behind a proxy
    that checks the host.
    """

    def __init__(self, hosts: Iterable[str] = ()) -> None:
        self._hosts = LOOPBACK_HOSTS | {host.lower() for host in hosts}

    def check(self, headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
        """Return the headers by their lower-case names. Problem 400, 403, 421, 431 or 501 when one is refused."""
        if len(headers) > MAX_HEADERS:
            raise GatewayProblem(431, f"there are more than {MAX_HEADERS} headers", code="many_headers")
        by_name: dict[str, str] = {}
        for raw_name, value in headers:
            name = raw_name.decode("latin-1")
            short_name = name[:80]
            # A proxy may use the first of two equal headers and a server the last (request smuggling).
            if name in by_name and name not in REPEATABLE_HEADERS:
                raise GatewayProblem(400, f"the header {short_name} is there twice", code="doubled_header", path=f"header.{short_name}")
            if len(value) > MAX_HEADER_BYTES:
                raise GatewayProblem(431, f"the header {short_name} is too long", code="long_header", path=f"header.{short_name}")
            by_name[name] = value.decode("latin-1")
        if "transfer-encoding" in by_name and "content-length" in by_name:
            # RFC 9112 §6.1: one server ends the body by the length, another by the chunks; the rest is a new request.
            raise GatewayProblem(400, "the body has two lengths", code="framing", path="header.transfer-encoding")
        if by_name.get("transfer-encoding", "chunked").lower() != "chunked":
            message = "the body comes in a transfer coding that is not taken"
            raise GatewayProblem(501, message, code="framing", path="header.transfer-encoding")
        self._check_host(by_name.get("host", ""))
        if "origin" in by_name:
            self._check_origin(by_name["origin"], by_name.get("host", ""))
        return by_name

    def _check_host(self, host: str) -> None:
        # DNS rebinding: a page whose name was pointed at this address still sends that name as its host.
        name = host.lower().rpartition(":")[0] if ":" in host.rpartition("]")[2] else host.lower()
        if name not in self._hosts and "*" not in self._hosts:
            hint = "call it by the address it listens on, or start it with --allow-host"
            raise GatewayProblem(421, f"this gateway is not {host[:80]!r}", code="wrong_host", hint=hint, path="header.host")

    def _check_origin(self, origin: str, host: str) -> None:
        # A browser sends the origin of the page; a request from another site's page is cross-site request forgery.
        if urlsplit(origin).netloc.lower() != host.lower():
            raise GatewayProblem(
                403, f"requests from {origin[:80]!r} are not taken", code="foreign_origin", path="header.origin"
            )
