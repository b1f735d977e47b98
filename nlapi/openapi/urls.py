"""Parses http(s) URLs and classifies their hosts as loopback, reserved or public."""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

from nlapi.errors import UsageError

_URL = re.compile(r"(?P<scheme>https?)://(?P<authority>[^/?#]*)(?P<target>[^#]*)", re.IGNORECASE)
# No `%`: some clients decode it (RFC 3986 §3.2.2) and would go to another host than others.
_AUTHORITY = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^\[\]:@%\\<>]+)(?::(?P<port>[0-9]{0,5}))?")
# Ranges that embed an IPv4 address in the low 32 bits: ::/96 (IPv4-compatible, RFC 4291 §2.5.5.1) and 64:ff9b::/96
# (NAT64, RFC 6052 §2.1). A private IPv4 address must not pass as public in this form.
_IPV4_EMBEDDING_RANGES = (ipaddress.IPv6Network("::/96"), ipaddress.IPv6Network("64:ff9b::/96"))
_PORTS = {"http": 80, "https": 443}
# Services that give the credentials of a cloud machine, outside 169.254.0.0/16: those of Alibaba, Azure's agent and
# Oracle (classic), and over IPv6 of AWS (instances and pods), Google, Oracle and Scaleway.
_METADATA = tuple(
    map(
        ipaddress.ip_network,
        (
            *("100.100.100.200", "168.63.129.16", "192.0.0.192"),
            *("fd00:ec2::/32", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:42::42"),
        ),
    )
)
# Names of such services, for a proxy that looks names up itself.
_METADATA_NAMES = frozenset(("metadata", "metadata.google.internal", "metadata.goog", "metadata.tencentyun.com"))
# The only IPv6 addresses that are given out for the Internet (IANA, RFC 4291 §2.4). What Python takes for global
# has site-local addresses, translated IPv4 ones (RFC 2765, RFC 8215) and unassigned ranges in it.
_INTERNET_V6 = ipaddress.IPv6Network("2000::/3")
# Ranges that some versions of Python take for global: documentation and protocol assignments (RFC 9637, RFC 6890).
_SPECIAL = (ipaddress.ip_network("3fff::/20"), ipaddress.ip_network("192.0.0.0/24"))


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
    def is_metadata_name(self) -> bool:
        """Return whether the host is the name of a cloud's metadata service."""
        return self.host.rstrip(".") in _METADATA_NAMES

    @property
    def is_local_name(self) -> bool:
        """Return whether the host is a name that is never of the Internet: without a dot, or below a name for that.

        RFC 6761 §6.3, RFC 6762 §3, RFC 8375.
        """
        name = self.host.rstrip(".")
        if ip_address(name) is not None:
            return False
        return self.is_loopback or "." not in name or name.endswith((".local", ".internal", ".home.arpa"))


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


def is_public(address: str) -> bool:
    """Return whether an IP address belongs to the public Internet."""
    ip = ip_address(address)
    if ip is None or not ip.is_global or ip.is_multicast or _is_in(ip, (*_METADATA, *_SPECIAL)):
        return False
    return ip.version == 4 or ip in _INTERNET_V6


def is_reserved(address: str) -> bool:
    """Return whether an IP address is link-local, multicast or unspecified, or that of a cloud's metadata service."""
    ip = ip_address(address)
    return ip is not None and (ip.is_link_local or ip.is_multicast or ip.is_unspecified or _is_in(ip, _METADATA))


def _is_in(
    ip: ipaddress.IPv4Address | ipaddress.IPv6Address,
    networks: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network],
) -> bool:
    return any(ip in network for network in networks)


def ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """Return the IP address that a host is written as, in any form that resolvers accept (2852039166, 0xA9FEA9FE); None
    for a name.
    """
    host = host.partition("%")[0].rstrip(".")
    try:
        ip = ipaddress.ip_address(host)
    except ValueError:
        try:
            # `inet_aton` reads decimal, octal and shortened forms as the resolver does, so that none of them hides a
            # private address.
            return ipaddress.IPv4Address(socket.inet_aton(host))
        except (OSError, ValueError):
            return None
    return _embedded_ipv4(ip) if isinstance(ip, ipaddress.IPv6Address) else ip


def _embedded_ipv4(ip: ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the IPv4 address inside an IPv6 one (RFC 4291 §2.5.5, RFC 6052, RFC 3056), else the address itself."""
    if any(ip in network for network in _IPV4_EMBEDDING_RANGES) and int(ip) & 0xFF000000:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip


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
