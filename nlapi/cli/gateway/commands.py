"""`nlapi gateway`: start the serving gateway, connect it with Ray, move its database, make tokens, show traffic."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from nlapi.cli.gateway import keys as gateway_keys
from nlapi.cli.gateway import planes as gateway_planes
from nlapi.cli.gateway import ray as gateway_ray
from nlapi.cli.gateway import state as gateway_state
from nlapi.cli.gateway import traffic as gateway_traffic
from nlapi.cli.gateway.options import Artifacts, default_database, open_database
from nlapi.cli.gateway.planes import DataPlaneSetup, EnvoyOptions, envoy_options, plane_setup_options
from nlapi.cli.gateway.run import GatewaySetup, run_gateway, setup_options
from nlapi.cli.gateway.tokens import token
from nlapi.cli.options import flag, option
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
app.command("ray", epilog=gateway_ray.EXAMPLES)(gateway_ray.ray)
app.command(epilog=gateway_state.APPLY)(gateway_state.apply)
app.command(epilog=MIGRATE)(migrate)
app.add_typer(gateway_keys.app)
app.command("control-plane", epilog=gateway_planes.CONTROL_PLANE)(gateway_planes.control_plane)
app.command("diff", epilog=gateway_state.DIFF)(gateway_state.diff_file)
app.command(epilog=gateway_state.EXPORT)(gateway_state.export)
