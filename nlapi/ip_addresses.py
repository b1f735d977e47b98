"""Reads the IP addresses that hosts are written as, and classifies them as public or reserved."""

from __future__ import annotations

import ipaddress
import socket

# Ranges that embed an IPv4 address in the low 32 bits: ::/96 (IPv4-compatible, RFC 4291 §2.5.5.1) and 64:ff9b::/96
# (NAT64, RFC 6052 §2.1). A private IPv4 address must not pass as public in this form.
_IPV4_EMBEDDING_RANGES = (ipaddress.IPv6Network("::/96"), ipaddress.IPv6Network("64:ff9b::/96"))
# Services that give the credentials of a cloud machine, outside 169.254.0.0/16: those of Alibaba, Azure's agent and
# Oracle (classic), and of AWS and Google over IPv6.
_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254", "fd20:ce::254"),
    )
)


def is_public(address: str) -> bool:
    """Return whether an IP address belongs to the public Internet."""
    ip = ip_address(address)
    return ip is not None and ip.is_global and not ip.is_multicast and ip not in _METADATA


def is_reserved(address: str) -> bool:
    """Return whether an IP address is link-local, multicast or unspecified, or that of a cloud's metadata service."""
    ip = ip_address(address)
    return ip is not None and (ip.is_link_local or ip.is_multicast or ip.is_unspecified or ip in _METADATA)


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
