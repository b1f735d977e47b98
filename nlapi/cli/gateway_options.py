"""Defines the options of `nlapi gateway serve` that concern its operation behind proxies and orchestrators."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nlapi.errors import UsageError
from nlapi.registry import user_folder

if TYPE_CHECKING:
    from nlapi.gateway.store import GatewayStore
    from nlapi.gateway.tls import ServerCertificate

# The author in the audit log of what is done here, where write access to the database is enough and no token is needed.
COMMAND_LINE = "command-line"


class LogFormat(StrEnum):
    """The formats of the gateway's log on standard error."""

    TEXT = "text"
    JSON = "json"


Database = Annotated[
    Path | None,
    typer.Option(
        "--database", metavar="FILE", help="Where revisions and tokens are kept, if not with the user's data."
    ),
]
LogFormatOption = Annotated[
    LogFormat,
    typer.Option(
        "--log-format", help="json writes a line for each request, decision and message; text for messages alone."
    ),
]
ProbePort = Annotated[
    int | None,
    typer.Option(
        "--probe-port",
        metavar="PORT",
        min=1,
        max=65535,
        help="A second port, without TLS, that answers /livez and /readyz alone. The first port answers them too.",
    ),
]
KeepAlive = Annotated[
    float,
    typer.Option(
        "--keep-alive",
        metavar="SECONDS",
        min=0.1,
        help="How long a connection stays open without a request. Longer than the proxy in front keeps its own.",
    ),
]
ReadTimeout = Annotated[
    float,
    typer.Option(
        "--read-timeout", metavar="SECONDS", min=0.1, help="How long a request with its body may take to arrive."
    ),
]
DrainTimeout = Annotated[
    float,
    typer.Option("--drain-timeout", metavar="SECONDS", min=0, help="How long requests in flight may take at the end."),
]
DrainDelay = Annotated[
    float,
    typer.Option(
        "--drain-delay",
        metavar="SECONDS",
        min=0,
        help="How long to go on accepting after SIGTERM while /readyz is a 503, for load balancers to notice.",
    ),
]
TlsCert = Annotated[
    Path | None,
    typer.Option("--tls-cert", metavar="FILE", help="Serve https with this certificate and its chain, in PEM."),
]
TlsKey = Annotated[
    Path | None,
    typer.Option(
        "--tls-key", metavar="FILE", help="Its private key. Both are read again when they change, and on SIGHUP."
    ),
]
TlsClientCa = Annotated[
    Path | None,
    typer.Option(
        "--tls-client-ca", metavar="FILE", help="Refuse clients without a certificate of these authorities (mTLS)."
    ),
]


def read_certificate(certificate: Path | None, key: Path | None, client_ca: Path | None) -> ServerCertificate | None:
    """Return the certificate of the options, or None without them. UsageError when one is missing or unusable."""
    if certificate is None and key is None and client_ca is None:
        return None
    if certificate is None or key is None:
        missing = "--tls-cert" if certificate is None else "--tls-key"
        raise UsageError(f"{missing} is missing", hint="TLS needs both --tls-cert FILE and --tls-key FILE")
    from nlapi.gateway.tls import CertificateFiles, ServerCertificate

    return ServerCertificate(CertificateFiles(certificate=certificate, key=key, client_ca=client_ca))


def database_file(path: Path | None) -> Path:
    """Return the file of a gateway's database: `path`, or that in the user's data folder."""
    if path is not None:
        return path
    folder = user_folder("data")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder / "gateway.db"


def add_audit_entry(store: GatewayStore, action: str, detail: str) -> None:
    """Add an entry to the gateway's audit log, as changes over HTTP do."""
    from nlapi.gateway.access import format_time, utc_now
    from nlapi.gateway.store import AuditEntry

    entry = AuditEntry(
        at=format_time(utc_now()), who=COMMAND_LINE, action=action, target="", outcome="done", detail=detail
    )
    store.add_audit_entry(entry)
