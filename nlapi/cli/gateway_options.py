"""Defines the options of `nlapi gateway serve` that concern its operation behind proxies and orchestrators."""

from __future__ import annotations

from typing import Annotated

import typer

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
