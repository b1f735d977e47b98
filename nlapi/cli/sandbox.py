"""`nlapi sandbox`: a stand-in server for any description."""

from __future__ import annotations

from typing import Annotated

import typer

from nlapi.cli.options import Source


def register(app: typer.Typer) -> None:
    app.command(epilog="nlapi sandbox ads --port 8080")(sandbox)


def sandbox(
    source: Source,
    port: Annotated[int, typer.Option("--port", "-p", min=0, max=65535, help="0 takes a free one.")] = 8080,
    host: Annotated[str, typer.Option("--host", help="The address to listen on.")] = "127.0.0.1",
    seed: Annotated[int, typer.Option("--seed", help="Which sample data to start with.")] = 0,
) -> None:
    """Serve any description as a stateful API on this machine: a stage to rehearse on.

    What is created is kept until it stops; what the description forbids is refused. Any credential is accepted.
    """
