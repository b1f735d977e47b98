"""`nlapi gateway`: start the serving gateway, make tokens, and show its traffic."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from nlapi.cli import control_plane, gateway_keys, gateway_migrate, gateway_state, gateway_traffic
from nlapi.cli import gateway_host as hosting
from nlapi.cli.gateway_planes import DataPlaneSetup, plane_setup_options
from nlapi.cli.gateway_run import GatewaySetup, run_gateway, setup_options
from nlapi.cli.gateway_tokens import token
from nlapi.cli.options import flag
from nlapi.errors import UsageError
from nlapi.extras import require_extra

EXAMPLE = "examples/gateway"

app = typer.Typer(
    name="gateway",
    help="Ask for an objective, get the right model: the serving gateway.",
    no_args_is_help=True,
    epilog="""nlapi gateway serve --example
nlapi gateway status
nlapi ask "what serves continue-watching in Brazil?" -a gateway --auth admin=env:NLAPI_GATEWAY_TOKEN""",
)


@app.command(epilog="nlapi gateway serve --config gateway.json --models models/")
@setup_options
@plane_setup_options
def serve(
    setup: GatewaySetup,
    plane_setup: DataPlaneSetup,
    example: Annotated[bool, flag("--example", "Serve the three objectives that nlapi ships.")] = False,
) -> None:
    """Start the gateway on this machine, and serve until it is stopped.

    It continues with the last revision of its database, and deletes old ones that nothing needs. When there is no
    token yet, the first one is made and shown once.
    """
    require_extra("gateway", "`nlapi gateway serve`")
    if example and (setup.config or setup.models):
        raise UsageError("--example brings its own configuration and models", hint="leave out --config and --models")
    if example:
        from nlapi import bundled

        folder = bundled.folder(EXAMPLE)
        setup = replace(setup, config=folder / "configuration.json", models=folder / "models")
    run_gateway(setup, plane_setup.plane_options(setup.tls_cert, setup.tls_key, setup.tls_client_ca))


app.command(epilog="nlapi gateway token ana --for operator --days 30")(token)


app.command(epilog=gateway_traffic.STATUS)(gateway_traffic.status)
app.command(epilog=gateway_traffic.TRAFFIC)(gateway_traffic.traffic)
app.command(epilog=hosting.EPILOG)(hosting.host)
app.command(epilog=gateway_state.APPLY)(gateway_state.apply)
app.command(epilog=gateway_migrate.EPILOG)(gateway_migrate.migrate)
app.add_typer(gateway_keys.app)
app.command("control-plane", epilog=control_plane.EXAMPLE)(control_plane.control_plane)
app.command("diff", epilog=gateway_state.DIFF)(gateway_state.diff_file)
app.command(epilog=gateway_state.EXPORT)(gateway_state.export)
