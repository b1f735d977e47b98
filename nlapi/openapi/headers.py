"""Rules for header names: their syntax, and the names that a parameter must not set."""

from __future__ import annotations

import re

CONNECTION = frozenset(
    ("transfer-encoding", "connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade")
)
"""Headers that belong to one connection (RFC 9110 §7.6.1)."""

OF_CONNECTION = CONNECTION | {"host", "content-length", "expect"}
OF_HTTP = OF_CONNECTION | {"cookie", "proxy-authorization"}

DESCRIBED_ELSEWHERE = {
    "accept": "the media type of its responses",
    "content-type": "the media type of its body",
    "authorization": "its security",
}
"""Names that OpenAPI 3.1.1 §4.8.12.1 excludes from parameters, each with the part that describes it instead."""

METHOD_OVERRIDES = frozenset(("x-http-method-override", "x-http-method", "x-method-override"))
"""Headers that make many servers treat a request as one of another method."""

HARMLESS = ("GET", "HEAD")
"""The methods that an override header may ask for: safe ones, which need no consent (RFC 9110 §9.2.1)."""

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""The syntax of a header name or a method (RFC 9110 §5.6.2)."""


def refusal(name: str) -> str:
    """Return the reason why a header parameter of this name is left out, or ""."""
    if not TOKEN.fullmatch(name):
        return "it is not the name of a header"
    # A GET could become a DELETE on the server, after the user agreed to a read.
    if name.lower() in METHOD_OVERRIDES:
        return "with it a call would be another than the one that consent was asked for"
    if name.lower() in DESCRIBED_ELSEWHERE:
        return f"{DESCRIBED_ELSEWHERE[name.lower()]} says what is sent"
    return "it belongs to HTTP" if name.lower() in OF_HTTP else ""
