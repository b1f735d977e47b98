"""The networks that a request may reach, by who named its host: the user, the description, or a server that redirects.

Every connection of fetch and send is opened by `nlapi/openapi/connections.py` under this policy.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from nlapi.ip_addresses import ip_address, is_metadata_name, is_public, is_reserved
from nlapi.openapi.urls import HttpUrl, is_http_url, parse_url
from nlapi.openapi.urls import origin as parse_origin

# X509_V_ERR_CERT_HAS_EXPIRED, _NOT_YET_VALID, _HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH: `ssl` has no names for them.
_EXPIRED, _NOT_YET, _HOST_MISMATCH, _IP_MISMATCH = 10, 9, 62, 64


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionFailure:
    """A `reason` and a `hint`. `is_final`: another attempt would end the same way."""

    reason: str
    hint: str = ""
    is_final: bool = False


def explain_connection_error(error: BaseException) -> ConnectionFailure | None:
    """Return the reason why no connection was made; None for another kind of error."""
    import socket
    import ssl

    for cause in error_causes(error):
        if isinstance(cause, ConnectionRefusedError):
            return ConnectionFailure(reason="connection refused")
        if isinstance(cause, socket.gaierror):
            return ConnectionFailure(reason="the host name is not known")
        # Before SSLError, its base class. It is final: no retry changes a certificate.
        if isinstance(cause, ssl.SSLCertVerificationError):
            reason = f"its TLS certificate is not trusted: {cause.verify_message.rstrip('.')}"
            return ConnectionFailure(reason=reason, hint=_certificate_hint(cause.verify_code), is_final=True)
        if isinstance(cause, ssl.SSLError):
            return ConnectionFailure(reason="it does not answer in TLS", hint="is it an http:// address?")
    return None


def _certificate_hint(code: int) -> str:
    if code in (_EXPIRED, _NOT_YET):
        return "whoever runs it has to renew the certificate"
    if code in (_HOST_MISMATCH, _IP_MISMATCH):
        return "name the host as its certificate does"
    return (
        "if you know this server, set SSL_CERT_FILE to a file with its certificate, or with that of whoever signed it"
    )


def error_causes(error: BaseException) -> Iterable[BaseException]:
    """Yield an error and everything below it: causes, contexts and the members of groups."""
    visited, queue = set[int](), [error]
    while queue:
        current = queue.pop()
        if id(current) in visited:
            continue
        visited.add(id(current))
        yield current
        members = current.exceptions if isinstance(current, BaseExceptionGroup) else ()
        queue += [cause for cause in (current.__cause__, current.__context__, *members) if cause is not None]


class NetworkScope(StrEnum):
    """The networks that a host name may lead to.

    ANY: all, as the user named the host. LOCAL: all but link-local, metadata and multicast addresses, as the
    description is a file of the user or came from this very host in a private network. PUBLIC: the Internet only.
    """

    ANY = "any"
    LOCAL = "local"
    PUBLIC = "public"


class ForbiddenAddressError(Exception):
    """No address of a host is in the networks of its NetworkScope; nothing was connected to.

    `reason` completes "the host ...".
    """

    def __init__(self, host: str, address: str) -> None:
        self.reason = f"leads to {_network_of(address)}" + ("" if host == address else f" ({address})")
        super().__init__(f"{host} {self.reason}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOrigin:
    """Where a description came from: its URL, "" for a file of the user, and the networks that it may name.

    `network` is the scope of the servers at the host of `url`; servers elsewhere are PUBLIC. Without a URL it is that
    of all servers.
    """

    url: str = ""
    network: NetworkScope = NetworkScope.LOCAL

    def scope_of(self, address: HttpUrl) -> NetworkScope:
        """Return the networks that a server named by the description may be in."""
        if not self.url or parse_url(self.url).host == address.host:
            return self.network
        return NetworkScope.PUBLIC

    def as_extension(self) -> dict[str, str]:
        """Return the value of `x-nlapi-origin`, for a copy of the description in a file."""
        return {"url": self.url, "network": self.network.value}


ORIGIN_KEY = "x-nlapi-origin"
"""A key at the root of a copy of a description: the Origin of the original. It can only narrow what a file may name."""


def origin_of(source: str, network: NetworkScope, document: Mapping[str, Any]) -> NetworkOrigin:
    """Return the Origin of a description that was read from `source`, a URL or a file."""
    if is_http_url(source):
        return NetworkOrigin(url=source, network=network)
    stated = document.get(ORIGIN_KEY)
    if isinstance(stated, Mapping) and parse_origin(url := str(stated.get("url", ""))) is not None:
        scope = NetworkScope.LOCAL if stated.get("network") == NetworkScope.LOCAL else NetworkScope.PUBLIC
        return NetworkOrigin(url=url, network=scope)
    return NetworkOrigin()


def is_allowed(address: str, scope: NetworkScope) -> bool:
    """Return whether an IP address is in the networks of a scope."""
    if scope is NetworkScope.ANY:
        return True
    return is_public(address) if scope is NetworkScope.PUBLIC else not is_reserved(address)


def check_host(address: HttpUrl, scope: NetworkScope) -> None:
    """Raise ForbiddenAddressError for a host that is outside the scope by its writing alone, without a lookup."""
    if scope is NetworkScope.ANY:
        return
    if ip_address(address.host) is not None:
        is_outside = not is_allowed(address.host, scope)
    else:
        is_outside = is_metadata_name(address.host) or (scope is NetworkScope.PUBLIC and address.is_local_name)
    if is_outside:
        raise ForbiddenAddressError(address.host, address.host)


def scope_of_peer(address: str) -> NetworkScope:
    """Return the networks that servers at the host of a description may be in, by the address that it came from."""
    return NetworkScope.PUBLIC if is_public(address) else NetworkScope.LOCAL


def proxy_url(address: HttpUrl) -> str:
    """Return the proxy that the environment names for this address; "" for none. Loopback never has one."""
    # Imported here: it takes 15 ms, which a command that sends nothing need not wait for.
    from urllib.request import getproxies, proxy_bypass

    if address.is_loopback or proxy_bypass(f"{address.host}:{address.port}"):
        return ""
    proxies = getproxies()
    proxy = proxies.get(address.scheme) or proxies.get("all") or ""
    return proxy if "://" in proxy or not proxy else f"http://{proxy}"


def _network_of(address: str) -> str:
    if is_reserved(address):
        return "a link-local or reserved address"
    # "localhost" is not an IP address, and a name in a private network all the same.
    ip = ip_address(address)
    is_machine = ip is not None and ip.is_loopback
    return "an address in a private network" + (": this machine" if is_machine else "")
