"""Names of headers: what they may be made of, and which are not for parameters to set."""

from __future__ import annotations

import re

CONNECTION = frozenset(
    ("transfer-encoding", "connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade")
)
"""Headers that belong to the connection (RFC 9110 §7.6.1)."""

OF_CONNECTION = CONNECTION | {"host", "content-length", "expect"}
OF_HTTP = OF_CONNECTION | {"cookie", "proxy-authorization"}

DESCRIBED_ELSEWHERE = {
    "accept": "the media type of its responses",
    "content-type": "the media type of its body",
    "authorization": "its security",
}
"""Names that OpenAPI 3.1.1 §4.8.12.1 rules out for parameters -> what says the same."""

METHOD_OVERRIDES = frozenset(("x-http-method-override", "x-http-method", "x-method-override"))
"""Headers by which many servers take a request for one of another method."""

HARMLESS = ("GET", "HEAD")
"""What such a header may make of a call: no more than its own method may do."""

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""The name of a header or a method (RFC 9110 §5.6.2)."""


def refusal(name: str) -> str:
    """Why a header parameter of that name is left out; "" when it is not."""
    if not TOKEN.fullmatch(name):
        return "it is not the name of a header"
    if name.lower() in METHOD_OVERRIDES:
        return "with it a call would be another than the one that consent was asked for"
    if name.lower() in DESCRIBED_ELSEWHERE:
        return f"{DESCRIBED_ELSEWHERE[name.lower()]} says what is sent"
    return "it belongs to HTTP" if name.lower() in OF_HTTP else ""
