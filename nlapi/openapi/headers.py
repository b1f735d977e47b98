"""Names of headers: what they may be made of, and which are not for parameters to set."""

from __future__ import annotations

import re

CONNECTION = frozenset(
    ("transfer-encoding", "connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade")
)
"""Headers that belong to the connection (RFC 9110 §7.6.1)."""

NOT_PARAMETERS = CONNECTION | {
    *("accept", "content-type", "authorization", "proxy-authorization", "host", "content-length", "cookie", "expect"),
    *("x-http-method-override", "x-http-method", "x-method-override"),
}
"""Headers that a parameter may not set: OpenAPI 3.1.1 §4.8.12.1 rules out three; the others belong to HTTP, or would
make another method of a call than the one that consent was asked for."""

TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""The name of a header or a method (RFC 9110 §5.6.2)."""
