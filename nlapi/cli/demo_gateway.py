"""The gateway of `nlapi demo`: the example objectives on a free port, with generated traffic."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from nlapi import bundled
from nlapi.cli import show
from nlapi.cli.gateway import EXAMPLE, build_gateway
from nlapi.cli.gateway_token import TOKEN
from nlapi.errors import NlapiError

# The security scheme of the token in specs/gateway.yaml.
ADMIN = "admin"
# Requests a second, and seconds. 200 requests are enough for a canary's tenth of them to be counted.
RATE, SECONDS = 200, 1
DRAIN_S = 2
PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoGateway:
    """A running gateway: `token` is for its admin, `traffic_token` for a client that sends requests."""

    url: str
    script: Path
    token: str = field(repr=False)
    traffic_token: str = field(repr=False)

    def send_traffic(self) -> None:
        """Send requests, and print the versions that served continue-watching. NlapiError when sending fails."""
        command = [sys.executable, str(self.script), self.url, "--rate", str(RATE), "--seconds", str(SECONDS)]
        environment = {**os.environ, TOKEN: self.traffic_token}
        try:
            process = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=PATIENCE_S, check=True
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise NlapiError(f"the demo's traffic could not be sent: {error}") from None
        rows = [line.split(maxsplit=2) for line in process.stdout.splitlines()]
        shares = ", ".join(f"{count} by {version}" for count, name, version in rows if name == "continue-watching:")
        show.note(f"\n{RATE * SECONDS} made-up requests were sent; those for continue-watching were served {shares}.")


@contextmanager
def run_example() -> Iterator[DemoGateway]:
    """Run the gateway with the example objectives, its store in memory, while the block lasts."""
    from nlapi.gateway.access import Access, Audience, Role
    from nlapi.gateway.server import run_in_thread
    from nlapi.gateway.store import GatewayStore

    folder = bundled.folder(EXAMPLE)
    store = GatewayStore()
    try:
        access = Access(store)
        token = access.create_token("demo", Audience.ADMIN, role=Role.OPERATOR)[1]
        traffic_token = access.create_token("web", Audience.SERVE)[1]
        app = build_gateway(store, folder / "configuration.json", folder / "models")
        with run_in_thread(app, drain_s=DRAIN_S) as url:
            yield DemoGateway(url=url, script=folder / "traffic.py", token=token, traffic_token=traffic_token)
    finally:
        store.close()
