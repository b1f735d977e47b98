"""`nlapi gateway`: start the serving gateway or a host of it, move its database, make tokens, and show its traffic."""

from __future__ import annotations

import logging
import os
import re
import socket
import sys
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

import typer

from nlapi.cli.gateway import keys as gateway_keys
from nlapi.cli.gateway import planes as gateway_planes
from nlapi.cli.gateway import state as gateway_state
from nlapi.cli.gateway import traffic as gateway_traffic
from nlapi.cli.gateway.options import Artifacts, DrainDelay, ServerOptions, default_database, open_database
from nlapi.cli.gateway.planes import DataPlaneSetup, EnvoyOptions, envoy_options, plane_setup_options
from nlapi.cli.gateway.run import GatewaySetup, run_gateway, setup_options
from nlapi.cli.gateway.tokens import token
from nlapi.cli.options import flag, option, options_of
from nlapi.cli.render import console
from nlapi.errors import UsageError, require_extra

EXAMPLE = "examples/gateway"

app = typer.Typer(
    name="gateway",
    help="Serve models by objective: clients name a purpose, and rules choose the model.",
    no_args_is_help=True,
    epilog="""nlapi gateway serve --example
nlapi gateway status
nlapi ask "what serves continue-watching in Brazil?" -a gateway --auth admin=env:NLAPI_GATEWAY_TOKEN""",
)


@app.command(epilog="nlapi gateway serve --config gateway.json --models models/")
@setup_options
@envoy_options
@plane_setup_options
def serve(
    setup: GatewaySetup,
    plane_setup: DataPlaneSetup,
    envoy_options: EnvoyOptions,
    example: Annotated[bool, flag("--example", "Serve the three objectives that nlapi ships.")] = False,
) -> None:
    """Start the gateway on this machine.

    It continues with the last revision in its database, and deletes old unused ones. The first start makes a token and
    shows it once.
    """
    require_extra("gateway", "`nlapi gateway serve`")
    if example and (setup.config or setup.models):
        raise UsageError("--example brings its own configuration and models", hint="leave out --config and --models")
    if example:
        from nlapi import bundled

        folder = bundled.folder(EXAMPLE)
        setup = replace(setup, config=folder / "configuration.json", models=folder / "models")
    files = (setup.tls_cert, setup.tls_key, setup.tls_client_ca)
    run_gateway(setup, plane_setup.plane_options(envoy_options, *files))


HOST = """nlapi gateway token host-1 --for host --token-file host.token
nlapi gateway host --shard ranking --gateway http://127.0.0.1:8700 --token file:host.token"""
HOST_PORT = 8800


@dataclass(frozen=True, slots=True, kw_only=True)
class HostSetup(ServerOptions):
    """The options of a serving host."""

    shard: Annotated[str, option("--shard NAME", "The shard (protocol `host`) that it serves.")]
    gateway: Annotated[
        list[str] | None, option("--gateway URL", "A gateway to register with, at every address its name resolves to.")
    ] = None
    token: Annotated[str, option("--token REFERENCE", "The token for hosts: env:NAME or file:PATH.")] = (
        "env:NLAPI_HOST_TOKEN"  # noqa: S105 - a reference
    )
    name: Annotated[str | None, option("--name", "A unique name for the host. Default: machine and port.")] = None
    listen: Annotated[str, option("--host ADDRESS", "The address to listen on.")] = "127.0.0.1"
    port: Annotated[int, option("--port -p", "The port; 0 picks a free one.", min=0, max=65535)] = HOST_PORT
    url: Annotated[str | None, option("--url URL", "The URL where gateways call it. Default: where it listens.")] = None
    data: Annotated[
        Path | None, option("--data DIR", "The folder for the content of versions. Default: a temporary one.")
    ] = None
    drain_delay: DrainDelay = 1


@options_of(HostSetup, "setup")
def host(setup: HostSetup) -> None:
    """Serve the versions of a shard on this machine, for a gateway.

    It registers with the gateway, then loads and runs the versions it is sent. On SIGTERM, calls in flight finish and
    no new ones arrive.
    """
    from nlapi.gateway.hosts.app import ServingHostApp
    from nlapi.gateway.hosts.registration import HostIdentity
    from nlapi.gateway.http.server import open_probes
    from nlapi.gateway.http.server import serve as run
    from nlapi.gateway.shards.secret_references import SecretReference, is_reference
    from nlapi.gateway.versions.artifacts import ArtifactStore

    require_extra("gateway", "`nlapi gateway host`")
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    gateways = tuple(setup.gateway or ["http://127.0.0.1:8700"])
    for address in (*gateways, *([setup.url] if setup.url else [])):
        _check_url(address)
    if not is_reference(setup.token):
        raise UsageError("--token is not a reference", hint="env:NAME or file:PATH; a token itself would stand in `ps`")
    if setup.listen in ("0.0.0.0", "::") and not setup.url:  # noqa: S104 - a comparison
        raise UsageError(f"{setup.listen} is not an address to be called at", hint="give --url http://ADDRESS:PORT")
    setup.set_boundary()
    secret = SecretReference(setup.token, os.environ)
    secret.read()  # at once: an error in the option must not end as a heartbeat that is refused
    certificate = setup.read_certificate()
    identity = HostIdentity(name=setup.name or _default_name(setup.port), shard=setup.shard, read_token=secret.read)
    app = ServingHostApp(gateways, identity, ArtifactStore(setup.data))

    def on_ready(own_url: str) -> None:
        # The URL alone on standard output, for a script that waits for it.
        console.write(own_url)
        sys.stdout.flush()
        app.announce(setup.url or own_url)

    with open_probes(setup.listen, setup.probe_port) as probes:
        run(
            app,
            host=setup.listen,
            port=setup.port,
            ready=on_ready,
            timeouts=setup.timeouts,
            probe_listener=probes.take() if probes else None,
            on_drain=app.begin_drain,
            certificate=certificate,
        )


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise UsageError(f"{url!r} is not an http or https URL", hint="such as http://127.0.0.1:8700")


def _default_name(port: int) -> str:
    # With port 0 the process's number tells hosts of one machine apart.
    return re.sub(r"[^A-Za-z0-9-]", "-", f"{socket.gethostname()}-{port or os.getpid()}")[:80].strip("-")


MIGRATE = (
    """nlapi gateway migrate --to postgresql://nlapi@db.internal/gateway --to-password env:GATEWAY_DATABASE_PASSWORD"""
)

Source = Annotated[str | None, option("--database FILE", "The gateway's database file. Default: in your data folder.")]
Target = Annotated[str, option("--to URL", "An empty database: postgresql://USER@HOST/NAME.", show_default=False)]


def migrate(
    to: Target,
    database: Source = None,
    to_password: Annotated[
        str | None, option("--to-password REFERENCE", "The password: env:NAME or file:PATH.")
    ] = None,
    artifacts: Artifacts = None,
) -> None:
    """Copy a gateway's database file into PostgreSQL.

    Stop the gateway first; its file stays as it is. Run it again to complete an interrupted copy.
    """
    from nlapi.gateway.routing_keys.key_ring import FILE_SUFFIX
    from nlapi.gateway.store.copy import copy_store
    from nlapi.gateway.store.store import is_postgres_url
    from nlapi.gateway.versions.artifacts import ArtifactStore

    require_extra("gateway", "`nlapi gateway migrate`")
    file = Path(database or default_database())
    if (database and is_postgres_url(database)) or not file.is_file():
        raise UsageError(f"--database {file.name} is not a file of a gateway", hint="name the file, such as gateway.db")
    if not is_postgres_url(to):  # not repeated: it may have a password
        raise UsageError("--to is not a URL of a PostgreSQL database", hint="such as postgresql://nlapi@db/gateway")
    with closing(open_database(str(file), None)) as source:
        source.database.claim()
        contents = ArtifactStore(artifacts) if artifacts else ArtifactStore.beside(str(file))
        with closing(open_database(to, to_password)) as target:
            copy = copy_store(source, contents, target)
            console.write(
                f"{copy.outcome}: {copy.rows['revisions']} revisions, {copy.rows['tokens']} tokens, "
                f"{copy.rows['audit']} entries of the audit log, {copy.rows['decisions']} decisions; "
                f"{copy.contents} contents of versions sent"
            )
            for problem in copy.problems:
                console.note(problem)
            keys = Path(f"{file}{FILE_SUFFIX}")
            options = f" --routing-keys file:{keys}" if keys.exists() else ""
            console.note(f"start gateways on it with `nlapi gateway serve --database {target.path}{options}`")


app.command(epilog="nlapi gateway token ana --for operator --days 30")(token)
app.command(epilog=gateway_traffic.STATUS)(gateway_traffic.status)
app.command(epilog=gateway_traffic.TRAFFIC)(gateway_traffic.traffic)
app.command(epilog=HOST)(host)
app.command(epilog=gateway_state.APPLY)(gateway_state.apply)
app.command(epilog=MIGRATE)(migrate)
app.add_typer(gateway_keys.app)
app.command("control-plane", epilog=gateway_planes.CONTROL_PLANE)(gateway_planes.control_plane)
app.command("diff", epilog=gateway_state.DIFF)(gateway_state.diff_file)
app.command(epilog=gateway_state.EXPORT)(gateway_state.export)
