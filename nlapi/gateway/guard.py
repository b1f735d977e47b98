"""What is refused before anything is looked at: foreign hosts and origins, doubled and oversized headers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from urllib.parse import urlsplit

from nlapi.gateway.problem import Problem

LOOPBACK = frozenset(("127.0.0.1", "localhost", "[::1]"))
LONGEST_HEADER = 8 * 1024
MOST_HEADERS = 100
REPEATABLE = frozenset(
    ("accept", "accept-encoding", "accept-language", "cache-control", "cookie", "forwarded", "via", "warning",
     "x-forwarded-for", "connection", "te", "trailer", "baggage", "tracestate", "pragma", "if-none-match")
)  # fmt: skip
"""Headers that are lists (RFC 9110 §5.3); any other that is there twice is an attempt to be read in two ways."""


class Guard:
    """Lets a request through, or raises a Problem. `hosts` are the names it may be called by besides loopback's;
    "*" among them allows all, which is only for those who stand behind a proxy that checks."""

    def __init__(self, hosts: Iterable[str] = ()) -> None:
        self._hosts = LOOPBACK | {host.lower() for host in hosts}

    def check(self, headers: Sequence[tuple[bytes, bytes]]) -> dict[str, str]:
        """The headers by their names in small letters."""
        if len(headers) > MOST_HEADERS:
            raise Problem(431, f"there are more than {MOST_HEADERS} headers", code="many_headers")
        found: dict[str, str] = {}
        for raw, value in headers:
            name = raw.decode("latin-1")
            shown = name[:80]
            if name in found and name not in REPEATABLE:
                raise Problem(400, f"the header {shown} is there twice", code="doubled_header", path=f"header.{shown}")
            if len(value) > LONGEST_HEADER:
                raise Problem(431, f"the header {shown} is too long", code="long_header", path=f"header.{shown}")
            found[name] = value.decode("latin-1")
        if "transfer-encoding" in found and "content-length" in found:
            # RFC 9112 §6.1: what one server takes for the end of a body, another takes for the next request.
            raise Problem(400, "the body has two lengths", code="framing", path="header.transfer-encoding")
        if found.get("transfer-encoding", "chunked").lower() != "chunked":
            message = "the body comes in a transfer coding that is not taken"
            raise Problem(501, message, code="framing", path="header.transfer-encoding")
        self._host(found.get("host", ""))
        if "origin" in found:
            self._origin(found["origin"], found.get("host", ""))
        return found

    def _host(self, host: str) -> None:
        """A page that rebinds its own name to this address still sends that name (DNS rebinding)."""
        name = host.lower().rpartition(":")[0] if ":" in host.rpartition("]")[2] else host.lower()
        if name not in self._hosts and "*" not in self._hosts:
            hint = "call it by the address it listens on, or start it with --allow-host"
            raise Problem(421, f"this gateway is not {host[:80]!r}", code="wrong_host", hint=hint, path="header.host")

    def _origin(self, origin: str, host: str) -> None:
        """A browser says which page a request comes from; pages from elsewhere have no business here."""
        if urlsplit(origin).netloc.lower() != host.lower():
            raise Problem(
                403, f"requests from {origin[:80]!r} are not taken", code="foreign_origin", path="header.origin"
            )
