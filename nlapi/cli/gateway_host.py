"""`nlapi gateway host`: serves the versions of a shard on a machine of its own."""

from __future__ import annotations

import logging
import os
import re
import socket
import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from nlapi.cli import console
from nlapi.cli.gateway_options import (
    DrainDelay,
    DrainTimeout,
    KeepAlive,
    ProbePort,
    ReadTimeout,
    TlsCert,
    TlsClientCa,
    TlsKey,
    WorkerUser,
    WorkerVariable,
    read_certificate,
    set_boundary,
)
from nlapi.cli.options import option
from nlapi.errors import UsageError
from nlapi.extras import require_extra

EPILOG = """nlapi gateway token host-1 --for host --token-file host.token
nlapi gateway host --shard ranking --gateway http://127.0.0.1:8700 --token file:host.token"""
HOST_PORT = 8800


def host(
    shard: Annotated[str, option("--shard NAME", "The shard of protocol host that it serves.")],
    gateway: Annotated[
        list[str] | None, option("--gateway URL", "A gateway to register at; all addresses of its name are meant.")
    ] = None,
    token: Annotated[
        str, option("--token REFERENCE", "Where the token for hosts is: env:NAME or file:PATH.")
    ] = "env:NLAPI_HOST_TOKEN",  # noqa: S107 - a reference
    name: Annotated[
        str | None, option("--name", "Its name, which no other host has. Made of machine and port if not.")
    ] = None,
    listen: Annotated[str, option("--host ADDRESS", "The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, option("--port -p", "0 takes a free one.", min=0, max=65535)] = HOST_PORT,
    url: Annotated[str | None, option("--url URL", "Where gateways call it, if not where it listens.")] = None,
    data: Annotated[
        Path | None, option("--data DIR", "Where the content of versions is kept; a temporary one if not.")
    ] = None,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    tls_client_ca: TlsClientCa = None,
    probe_port: ProbePort = None,
    keep_alive: KeepAlive = 75,
    read_timeout: ReadTimeout = 60,
    drain_timeout: DrainTimeout = 30,
    drain_delay: DrainDelay = 1,
    worker_user: WorkerUser = None,
    worker_variable: WorkerVariable = None,
) -> None:
    """Serve the versions of a shard on this machine: a host that registers at a gateway and loads what it is sent.

    It runs the code of the versions that the gateway has. SIGTERM drains it: the gateway sends no further calls, and
    those in flight are finished.
    """
    from nlapi.gateway.artifacts import ArtifactStore
    from nlapi.gateway.hosts.app import ServingHostApp
    from nlapi.gateway.hosts.registration import HostIdentity
    from nlapi.gateway.secret_references import SecretReference, is_reference
    from nlapi.gateway.server import ServerTimeouts
    from nlapi.gateway.server import serve as run
    from nlapi.gateway.starting_probes import open_probes

    require_extra("gateway", "`nlapi gateway host`")
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    gateways = tuple(gateway or ["http://127.0.0.1:8700"])
    for address in (*gateways, *([url] if url else [])):
        _check_url(address)
    if not is_reference(token):
        raise UsageError("--token is no reference", hint="env:NAME or file:PATH; a token itself would stand in `ps`")
    if listen in ("0.0.0.0", "::") and not url:  # noqa: S104 - a comparison
        raise UsageError(f"{listen} is no address to be called at", hint="give --url http://ADDRESS:PORT")
    set_boundary(worker_user, worker_variable)
    secret = SecretReference(token, os.environ)
    secret.read()  # at once: an error in the option must not end as a heartbeat that is refused
    certificate = read_certificate(tls_cert, tls_key, tls_client_ca)
    identity = HostIdentity(name=name or _default_name(port), shard=shard, read_token=secret.read)
    app = ServingHostApp(gateways, identity, ArtifactStore(data))

    def on_ready(own_url: str) -> None:
        # The URL alone on standard output, for a script that waits for it.
        console.write(own_url)
        sys.stdout.flush()
        app.announce(url or own_url)

    with open_probes(listen, probe_port) as probes:
        run(
            app,
            host=listen,
            port=port,
            ready=on_ready,
            timeouts=ServerTimeouts(
                keep_alive_s=keep_alive, read_s=read_timeout, drain_s=drain_timeout, drain_delay_s=drain_delay
            ),
            probe_listener=probes.take() if probes else None,
            on_drain=app.begin_drain,
            certificate=certificate,
        )


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise UsageError(f"{url!r} is no http or https URL", hint="such as http://127.0.0.1:8700")


def _default_name(port: int) -> str:
    # With port 0 the process's number tells hosts of one machine apart.
    return re.sub(r"[^A-Za-z0-9-]", "-", f"{socket.gethostname()}-{port or os.getpid()}")[:80].strip("-")
