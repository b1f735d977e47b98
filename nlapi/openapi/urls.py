"""Parses http(s) URLs and classifies their hosts as loopback, reserved or public."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote

from nlapi.errors import UsageError
from nlapi.ip_addresses import ip_address

_URL = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#]*)(?P<target>[^#]*)", re.IGNORECASE)
# No `%`: some clients decode it (RFC 3986 §3.2.2) and would go to another host than others.
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:@%\\<>]+)(?::(?P<port>[0-9]{0,5}))?")
_PLACEHOLDER = re.compile(r"\.(?:example(?:\.(?:com|net|org))?|invalid|test)\Z")
_PORTS = {"http": 80, "https": 443}


def is_http_url(text: str) -> bool:
    """Return whether a text begins as an http(s) URL; the scheme may be in capitals (RFC 3986 §3.1)."""
    return text[:8].lower().startswith(("http://", "https://"))


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpUrl:
    """An http(s) URL split into its parts, without any rewriting. `target` is the request target (RFC 9112 §3.2.1).

    `host` is in lower case and ASCII, an IPv6 address without its brackets.
    """

    scheme: str
    host: str
    port: int
    target: str

    @property
    def origin(self) -> tuple[str, str, int]:
        return self.scheme, self.host, self.port

    @property
    def explicit_port(self) -> int | None:
        """Return the port, or None when it is the default port of the scheme."""
        return None if self.port == _PORTS[self.scheme] else self.port

    @property
    def authority(self) -> str:
        """Return host and port as in a Host header: brackets around IPv6, no default port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.explicit_port}" if self.explicit_port else host

    @property
    def site(self) -> str:
        """Return `http://host:port`, for messages."""
        return f"{self.scheme}://{self.authority}"

    def upgraded(self, target: str) -> HttpUrl:
        """Return the URL of a target by https on the default port of the same host."""
        return HttpUrl(scheme="https", host=self.host, port=_PORTS["https"], target=target)

    @property
    def path(self) -> str:
        """Return the target without its query, for messages: a query may hold an API key."""
        return self.target.partition("?")[0]

    @property
    def is_loopback(self) -> bool:
        address = ip_address(self.host)
        if address is None:
            name = self.host.rstrip(".")
            # RFC 6761 §6.3 reserves these names for loopback; a trailing dot is the DNS root.
            return name == "localhost" or name.endswith(".localhost")
        return address.is_loopback or address.is_unspecified

    @property
    def is_local_name(self) -> bool:
        """Return whether the host is a name that is never of the Internet: without a dot, or below a name for that.

        RFC 6761 §6.3, RFC 6762 §3, RFC 8375.
        """
        name = self.host.rstrip(".")
        if ip_address(name) is not None:
            return False
        return self.is_loopback or "." not in name or name.endswith((".local", ".internal", ".home.arpa"))

    @property
    def is_placeholder(self) -> bool:
        """Return whether the host is a name that is reserved for examples and tests (RFC 2606): no API runs there."""
        return bool(_PLACEHOLDER.search(f".{self.host.rstrip('.')}"))


def parse_url(url: str) -> HttpUrl:
    """Return the HttpUrl of an absolute http(s) URL. UsageError when it is not one, or when it holds a password."""
    match = _URL.match(url)
    # Control characters and spaces could split the request line or a header.
    if any(char <= " " or char == "\x7f" for char in url) or not match:
        raise UsageError(f"not an http(s) URL: {url[:200]!r}", hint="give a base URL such as https://api.example.com")
    scheme, authority, target = match["scheme"].lower(), match["authority"], match["target"]
    # User info is refused, as `https://api.example.com@evil.example` would send the request to the second host.
    if "@" in authority:
        message = "a URL with a user name or password before its host is not used"
        raise UsageError(message, hint="use --auth SCHEME=VALUE")
    parts = _AUTHORITY.fullmatch(authority)
    if not parts or int(parts["port"] or 0) > 65535:
        raise UsageError(f"{authority[:200]!r} is not a host and port")
    host = _encode_host(parts["host"].strip("[]").lower())
    port = int(parts["port"] or 0) or _PORTS[scheme]
    target = target if target.startswith("/") else f"/{target}"
    return HttpUrl(scheme=scheme, host=host, port=port, target=_percent_encode(target))


def redact_url(url: str) -> str:
    """Return a URL for messages and transcripts: without user info, query and fragment, which may hold secrets."""
    return re.sub(r"//[^/?#]*@", "//", url).partition("?")[0].partition("#")[0][:200]


def origin(url: str) -> tuple[str, str, int] | None:
    """Return (scheme, host, port) of a URL, or None when it is not an absolute http(s) URL."""
    try:
        return parse_url(url).origin
    except UsageError:
        return None


def _encode_host(host: str) -> str:
    if host.isascii():
        # RFC 1035 §2.3.4; a trailing dot is the DNS root.
        if not all(0 < len(label) < 64 for label in host.removesuffix(".").split(".")):
            raise UsageError(f"{host[:200]!r} is not a host name")
        return host
    # Imported here: it is needed only for names outside ASCII, and costs start-up time.
    import idna

    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except idna.IDNAError:
        raise UsageError(f"{host[:200]!r} is not a host name") from None


def _percent_encode(target: str) -> str:
    """Return the target with characters outside ASCII percent-encoded as UTF-8; the rest is unchanged."""
    if target.isascii():
        return target
    return "".join(char if char.isascii() else quote(char.encode("utf-8", "replace")) for char in target)
