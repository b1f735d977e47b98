"""Defines the options of the commands that start a gateway, and opens what they name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from nlapi.cli.options import option
from nlapi.errors import UsageError
from nlapi.registry import user_folder

if TYPE_CHECKING:
    from nlapi.gateway.http.server import ServerTimeouts
    from nlapi.gateway.http.tls import ServerCertificate
    from nlapi.gateway.store.store import GatewayStore

# The author in the audit log of what is done here, where write access to the database is enough and no token is needed.
COMMAND_LINE = "command-line"


class LogFormat(StrEnum):
    """The formats of the gateway's log on standard error."""

    TEXT = "text"
    JSON = "json"


Database = Annotated[
    str | None,
    option(
        "--database FILE|URL",
        "Where to store revisions and tokens: a file, or postgresql://USER@HOST/NAME. Default: your data folder.",
    ),
]
DatabasePassword = Annotated[
    str | None,
    option(
        "--database-password REFERENCE",
        "The password of a PostgreSQL database: env:NAME or file:PATH. Default: libpq's PGPASSFILE.",
    ),
]
Artifacts = Annotated[
    Path | None,
    option(
        "--artifacts DIR",
        "Where to store the files of versions: a folder for this gateway alone. Default: beside the database file.",
    ),
]


DrainDelay = Annotated[
    float,
    option(
        "--drain-delay SECONDS",
        "How long to accept requests after SIGTERM while /readyz answers 503, so that load balancers notice.",
        min=0,
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerOptions:
    """The options of a server that gateways or clients call: its certificate, its times, and what its versions see."""

    # A field's type carries its option, as in `Setup`.
    tls_cert: Annotated[
        Path | None, option("--tls-cert FILE", "Serve https with this certificate and its chain, in PEM.")
    ] = None
    tls_key: Annotated[
        Path | None, option("--tls-key FILE", "Its private key. Both are read again when they change, and on SIGHUP.")
    ] = None
    tls_client_ca: Annotated[
        Path | None,
        option("--tls-client-ca FILE", "Accept only clients with a certificate from these authorities (mTLS)."),
    ] = None
    probe_port: Annotated[
        int | None,
        option(
            "--probe-port PORT",
            "A second port, without TLS, that answers /livez and /readyz alone. The first port answers them too.",
            min=1,
            max=65535,
        ),
    ] = None
    keep_alive: Annotated[
        float,
        option(
            "--keep-alive SECONDS",
            "How long a connection stays open without a request. Set it higher than in the proxy in front.",
            min=0.1,
        ),
    ] = 75
    read_timeout: Annotated[
        float, option("--read-timeout SECONDS", "How long a request with its body may take to arrive.", min=0.1)
    ] = 60
    drain_timeout: Annotated[
        float, option("--drain-timeout SECONDS", "How long requests in flight may take at shutdown.", min=0)
    ] = 30
    drain_delay: DrainDelay = 0
    worker_user: Annotated[
        str | None,
        option(
            "--worker-user NAME",
            "The user that versions run as if the gateway is root. Default: nobody, if it can read the interpreter.",
        ),
    ] = None
    worker_variable: Annotated[
        list[str] | None,
        option(
            "--worker-variable NAME",
            "A variable of the environment that versions get too, besides the usual ones such as PATH and TZ.",
        ),
    ] = None

    @property
    def timeouts(self) -> ServerTimeouts:
        """The times that the server grants its clients and itself."""
        from nlapi.gateway.http.server import ServerTimeouts

        return ServerTimeouts(
            keep_alive_s=self.keep_alive,
            read_s=self.read_timeout,
            drain_s=self.drain_timeout,
            drain_delay_s=self.drain_delay,
        )

    def set_boundary(self, *files: Path | None) -> None:
        """Set the variables that the code of versions sees; hide `files` and the user's own files of nlapi."""
        from nlapi.gateway.workers.boundary import shared_boundary

        shared_boundary.configure(os.environ, variables=self.worker_variable or (), user=self.worker_user)
        shared_boundary.hide(*files, user_folder("config"), user_folder("data"))
        # The files of secrets that libpq reads by itself (PostgreSQL's manual, "Environment Variables").
        for name, default in (
            ("PGPASSFILE", "~/.pgpass"),
            ("PGSERVICEFILE", "~/.pg_service.conf"),
            ("PGSSLKEY", "~/.postgresql/postgresql.key"),
        ):
            file = Path(os.environ.get(name) or default).expanduser()
            if file.exists():  # what is beside a hidden file has to be there when a worker starts
                shared_boundary.hide(file)

    def read_certificate(self) -> ServerCertificate | None:
        """Return the certificate of the options, or None without them. UsageError when one is missing or unusable."""
        certificate, key = self.tls_cert, self.tls_key
        if certificate is None and key is None and self.tls_client_ca is None:
            return None
        if certificate is None or key is None:
            missing = "--tls-cert" if certificate is None else "--tls-key"
            raise UsageError(f"{missing} is missing", hint="TLS needs both --tls-cert FILE and --tls-key FILE")
        from nlapi.gateway.http.tls import CertificateFiles, ServerCertificate

        return ServerCertificate(CertificateFiles(certificate=certificate, key=key, client_ca=self.tls_client_ca))


def open_database(database: str | None, password: str | None) -> GatewayStore:
    """Return the store of the options, by default the file in the user's data folder. NlapiError when it cannot be."""
    from nlapi.gateway.store.store import open_store

    return open_store(database or default_database(), password=password or "", environment=os.environ)


def default_database() -> Path:
    """Return the path of the database in the user's data folder, which is made."""
    folder = user_folder("data")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder / "gateway.db"


def key_base(store: GatewayStore) -> str:
    """Return the path beside which the routing keys of a store are: its file, or that of the user's data folder.

    The gateways of one machine that share a database share these too; those of several machines are given
    `--routing-keys`.
    """
    return str(default_database()) if store.is_shared else store.path


def add_audit_entry(store: GatewayStore, action: str, detail: str) -> None:
    """Add an entry to the gateway's audit log, as changes over HTTP do."""
    from nlapi.gateway.control.access import format_time, utc_now
    from nlapi.gateway.store.store import AuditEntry

    entry = AuditEntry(
        at=format_time(utc_now()), who=COMMAND_LINE, action=action, target="", outcome="done", detail=detail
    )
    store.add_audit_entry(entry)
