"""Reads the IP addresses that hosts are written as, and classifies them as public or reserved."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable

# Ranges that embed an IPv4 address in the low 32 bits: ::/96 (IPv4-compatible, RFC 4291 §2.5.5.1) and 64:ff9b::/96
# (NAT64, RFC 6052 §2.1). A private IPv4 address must not pass as public in this form.
_IPV4_EMBEDDING_RANGES = (ipaddress.IPv6Network("::/96"), ipaddress.IPv6Network("64:ff9b::/96"))
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
# The only IPv6 addresses that are given out for the Internet (IANA, RFC 4291 §2.4). What Python takes for global
# has site-local addresses, translated IPv4 ones (RFC 2765, RFC 8215) and unassigned ranges in it.
_INTERNET_V6 = ipaddress.IPv6Network("2000::/3")
# Ranges that some versions of Python take for global: documentation and protocol assignments (RFC 9637, RFC 6890).
_SPECIAL = (ipaddress.ip_network("3fff::/20"), ipaddress.ip_network("192.0.0.0/24"))


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
