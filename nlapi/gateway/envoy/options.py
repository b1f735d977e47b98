"""The settings of the data plane that are not part of a revision: addresses, certificates, logs and times."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field


def system_authorities() -> str:
    """Return the file with the authorities that this system trusts; `SSL_CERT_FILE` names another one."""
    return ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"


# Envoy reads the files, perhaps on another machine: they are paths there, and texts here.
@dataclass(frozen=True, slots=True, kw_only=True)
class ShardCertificates:
    """The files of TLS to shards: the authorities that sign theirs, and the certificate and key that Envoy shows."""

    authorities: str = field(default_factory=system_authorities)
    certificate: str = ""
    key: str = ""
    is_pinned: bool = False
    """whether `authorities` is the very certificate of the other side, whatever names are in it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerCertificate:
    """The files of the listener's certificate and key, and of the authorities of clients; "" asks for none."""

    certificate: str
    key: str
    client_authorities: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPlaneOptions:
    """The settings of an Envoy that serves one gateway. Times are in seconds."""

    host: str = "127.0.0.1"
    port: int = 8710
    gateway_address: tuple[str, int] = ("127.0.0.1", 8700)
    """where Envoy reaches the gateway"""
    gateway_certificates: ShardCertificates | None = None
    """for a gateway that speaks TLS"""
    certificate: ListenerCertificate | None = None
    shard_certificates: ShardCertificates = field(default_factory=ShardCertificates)
    access_log: str = ""
    """the file of the access log; "" for none"""
    otlp_url: str = ""
    """the collector of OpenTelemetry that gets spans by OTLP over HTTP; "" for none"""
    otlp_percent: float = 100.0
    """the share of requests without a traceparent that are traced"""
    audience: str = "nlapi"
    """the audience that routing keys have to be for"""
    keep_alive_s: float = 75.0
    read_s: float = 60.0
    drain_delay_s: float = 0.0
    """how long Envoy still accepts connections while its readiness probe fails"""
