"""Runs a gateway's server until it is stopped, with its data plane."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from nlapi.cli import console
from nlapi.cli.gateway_client import TOKEN

if TYPE_CHECKING:
    from nlapi.cli.gateway_planes import PlaneOptions
    from nlapi.gateway.app import Gateway
    from nlapi.gateway.logs import EventLog
    from nlapi.gateway.server import ServerTimeouts
    from nlapi.gateway.starting_probes import StartingProbes
    from nlapi.gateway.tls import ServerCertificate


def run_gateway(
    gateway: Gateway,
    host: str,
    port: int,
    timeouts: ServerTimeouts,
    probes: StartingProbes | None,
    certificate: ServerCertificate | None,
    events: EventLog | None,
    *,
    on_ready: Callable[[], None],
    plane: PlaneOptions | None = None,
    audience: str = "",
) -> None:
    """Serve until it is stopped, or raise the error that prevented the start. `on_ready` is called once it serves."""
    from nlapi.gateway.problems import GatewayProblem
    from nlapi.gateway.server import serve as run

    def report_ready(url: str) -> None:
        on_ready()
        _show_address(url, notes=events is None)
        if events:
            events.write("ready", {"url": url, "revision": gateway.publisher.revision})

    def on_drain() -> None:
        gateway.begin_drain()
        if events:
            events.write("draining", {"requests_in_flight": gateway.engine.in_flight})

    try:
        run(
            gateway,
            host=host,
            port=port,
            ready=report_ready,
            timeouts=timeouts,
            probe_listener=probes.take() if probes else None,
            on_drain=on_drain,
            certificate=certificate,
            on_bound=lambda url: plane.attach(gateway, url, audience, timeouts) if plane else None,
            before_close=gateway.close_data_plane,
        )
    except SystemExit:
        # uvicorn exits by itself when start-up fails, without the cause.
        if gateway.failure is None:
            raise
    if gateway.failure is not None:
        issues = gateway.failure.issues if isinstance(gateway.failure, GatewayProblem) else ()
        for issue in issues if len(issues) > 1 else ():
            console.note(str(issue))
        raise gateway.failure


def _show_address(url: str, *, notes: bool) -> None:
    # The URL alone on standard output, for a script that waits for it.
    console.write(url)
    sys.stdout.flush()
    if not notes:
        return
    console.note(f"the gateway serves on {url}; Ctrl-C stops it. In another terminal:")
    console.note(f'  nlapi ask "which objectives are there?" -a gateway --base-url {url} --auth admin=env:{TOKEN}')
    console.note(f"  nlapi gateway status --base-url {url}")
