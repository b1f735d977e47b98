"""Reads the IP addresses that hosts are written as, and classifies addresses and names as public or reserved.

It has the one list of the services that clouds give their machines' credentials at: nlapi's own requests and the
gateway's shards are both held to it.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable, Iterator
from typing import TypeAlias

IpAddress: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

# Ranges in which an address *is* the IPv4 address in its low 32 bits: ::/96 (IPv4-compatible, RFC 4291 §2.5.5.1),
# ::ffff:0:0/96 (IPv4-mapped, §2.5.5.2), ::ffff:0:0:0/96 (IPv4-translated, RFC 2765 §2.1) and 64:ff9b::/96 (NAT64, RFC
# 6052 §2.1). A private IPv4 address must not pass as public in these forms.
_IPV4_RANGES = tuple(map(ipaddress.IPv6Network, ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96", "64:ff9b::/96")))
# 6to4 (RFC 3056 §2) has it in bits 16 to 48.
_6TO4 = ipaddress.IPv6Network("2002::/16")
# NAT64 of a network's own (RFC 8215): the bit that the IPv4 address begins at depends on the length of the prefix, and
# bits 64 to 71 are left out (RFC 6052 §2.2).
_LOCAL_NAT64 = ipaddress.IPv6Network("64:ff9b:1::/48")
_LOCAL_NAT64_STARTS = (48, 56, 64, 96)
# Teredo (RFC 4380 §4): the server's address after the prefix, and the client's with all bits inverted at the end.
_TEREDO = ipaddress.IPv6Network("2001::/32")
# ISATAP (RFC 5214 §6.1): these bits before the last 32, in any network.
_ISATAP_MARKS = (0x00005EFE, 0x02005EFE)

# Services that give the credentials of a cloud machine, outside 169.254.0.0/16: those of Alibaba, Azure's agent, Oracle
# (classic) and Volcengine, and over IPv6 of AWS (instances and pods), Google, Oracle and Scaleway.
_METADATA = tuple(
    map(
        ipaddress.ip_network,
        (
            *("100.100.100.200", "168.63.129.16", "192.0.0.192", "100.96.0.96"),
            *("fd00:ec2::/32", "fd20:ce::254", "fd00:c1::a9fe:a9fe", "fd00:42::42"),
        ),
    )
)
# Their names. A short one is completed by the machine's search domain.
_METADATA_NAMES = frozenset(
    (
        *("metadata", "metadata.google.internal", "metadata.goog"),  # Google
        *("instance-data", "instance-data.ec2.internal"),  # AWS
        *("metadata.azure.internal", "metadata.azure.com"),  # Azure
        *("metadata.tencentyun.com", "metadata.tencentyun.internal"),  # Tencent
        *("metadata.packet.net", "metadata.platformequinix.com"),  # Equinix Metal
        *("metadata.oraclecloud.com", "api.metadata.cloud.ibm.com", "metadata.exoscale.com", "metadata.scaleway.com"),
        *("rancher-metadata", "rancher-metadata.rancher.internal"),
    )
)
# Outside its first region, AWS's search domain is `eu-west-1.compute.internal`.
_AWS_NAME = ("instance-data.", ".compute.internal")
# The only IPv6 addresses that are given out for the Internet (IANA, RFC 4291 §2.4). What Python takes for global
# has site-local addresses, translated IPv4 ones (RFC 2765, RFC 8215) and unassigned ranges in it.
_INTERNET_V6 = ipaddress.IPv6Network("2000::/3")
# Ranges that some versions of Python take for global: documentation and protocol assignments (RFC 9637, RFC 6890).
_SPECIAL = (ipaddress.ip_network("3fff::/20"), ipaddress.ip_network("192.0.0.0/24"))


def is_public(address: str) -> bool:
    """Return whether an IP address belongs to the public Internet."""
    ip = ip_address(address)
    if ip is None or not ip.is_global or ip.is_multicast or _is_in(ip, _SPECIAL) or is_reserved(address):
        return False
    return ip.version == 4 or ip in _INTERNET_V6


def is_reserved(address: str) -> bool:
    """Return whether an IP address is link-local, multicast or unspecified, or that of a cloud's metadata service.

    So is an IPv6 address that has such an IPv4 address in it, in whatever form of transition.
    """
    ip = ip_address(address)
    if ip is None:
        return False
    if ip.is_multicast or ip.is_unspecified:
        return True
    return any(part.is_link_local or _is_in(part, _METADATA) for part in (ip, *_tunnel_addresses(ip)))


def is_metadata_name(host: str) -> bool:
    """Return whether a host is a name that a cloud gives its metadata service, or a name below it."""
    name = host.rstrip(".").lower()
    prefix, suffix = _AWS_NAME
    if name.startswith(prefix) and name.endswith(suffix):
        return True
    labels = name.split(".")
    return name in _METADATA_NAMES or any(
        ".".join(labels[start:]) in _METADATA_NAMES for start in range(len(labels) - 1)
    )


def _is_in(ip: IpAddress, networks: Iterable[ipaddress.IPv4Network | ipaddress.IPv6Network]) -> bool:
    return any(ip in network for network in networks)


def ip_address(host: str) -> IpAddress | None:
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


def _embedded_ipv4(ip: ipaddress.IPv6Address) -> IpAddress:
    """Return the IPv4 address that an IPv6 one stands for (RFC 4291 §2.5.5, RFC 6052, RFC 3056), else the address."""
    if _is_in(ip, _IPV4_RANGES) and int(ip) & 0xFF000000:
        return _bits(ip, 96)
    return _bits(ip, 16) if ip in _6TO4 else ip


def _tunnel_addresses(ip: IpAddress) -> Iterator[ipaddress.IPv4Address]:
    """Yield the IPv4 addresses that a packet to an IPv6 address may be passed on to by a tunnel or a translator."""
    if ip.version == 4:
        return
    if ip in _LOCAL_NAT64:
        yield from (_bits(ip, start) for start in _LOCAL_NAT64_STARTS)
    elif ip in _TEREDO:
        yield _bits(ip, 32)
        yield ipaddress.IPv4Address(int(_bits(ip, 96)) ^ 0xFFFFFFFF)
    if int(_bits(ip, 64)) in _ISATAP_MARKS:
        yield _bits(ip, 96)


def _bits(ip: ipaddress.IPv6Address, start: int) -> ipaddress.IPv4Address:
    """Return the 32 bits of an address from bit `start` as an IPv4 address, without bits 64 to 71 where they cross."""
    value = int(ip)
    if start in (48, 56, 64) and ip in _LOCAL_NAT64:
        # The reserved octet is taken out, so that the rest is 120 bits long.
        value = (value >> 64 << 56) | (value & (1 << 56) - 1)
        return ipaddress.IPv4Address((value >> (88 - start)) & 0xFFFFFFFF)
    return ipaddress.IPv4Address((value >> (96 - start)) & 0xFFFFFFFF)
