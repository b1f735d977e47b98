"""Rules for header names: their syntax, and the names that a parameter must not set."""

from __future__ import annotations

import re

CONNECTION_HEADERS = frozenset(
    ("transfer-encoding", "connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade")
)
"""Headers that belong to one connection (RFC 9110 §7.6.1)."""

TRANSPORT_HEADERS = CONNECTION_HEADERS | {"host", "content-length", "expect"}
PROTOCOL_HEADERS = TRANSPORT_HEADERS | {"cookie", "proxy-authorization"}

SEPARATELY_DESCRIBED_HEADERS = {
    "accept": "the media type of its responses",
    "content-type": "the media type of its body",
    "authorization": "its security",
}
"""Names that OpenAPI 3.1.1 §4.8.12.1 excludes from parameters, each with the part that describes it instead."""

METHOD_OVERRIDE_HEADERS = frozenset(("x-http-method-override", "x-http-method", "x-method-override"))
"""Headers that make many servers treat a request as one of another method."""

SAFE_OVERRIDE_METHODS = ("GET", "HEAD")
"""The methods that an override header may ask for: safe ones, which need no consent (RFC 9110 §9.2.1)."""

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""The syntax of a header name or a method (RFC 9110 §5.6.2)."""


def header_refusal(name: str) -> str:
    """Return the reason why a header parameter of this name is left out, or ""."""
    if not TOKEN.fullmatch(name):
        return "it is not the name of a header"
    # A GET could become a DELETE on the server, after the user agreed to a read.
    if name.lower() in METHOD_OVERRIDE_HEADERS:
        return "with it a call would be another than the one that consent was asked for"
    if name.lower() in SEPARATELY_DESCRIBED_HEADERS:
        return f"{SEPARATELY_DESCRIBED_HEADERS[name.lower()]} says what is sent"
    return "it belongs to HTTP" if name.lower() in PROTOCOL_HEADERS else ""
