"""`nlapi demo`: questions in plain English to a sandbox and a gateway on this machine."""

from __future__ import annotations

import asyncio
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from nlapi import bundled
from nlapi.cli.gateway.client import TOKEN
from nlapi.cli.gateway.commands import EXAMPLE
from nlapi.cli.gateway.run import GatewaySetup
from nlapi.cli.render import console
from nlapi.errors import NlapiError

if TYPE_CHECKING:
    from nlapi.agent.events import CallProposed, ConsentReply, Planner
    from nlapi.tools.sending.run import Target

# The security scheme of the token in specs/gateway.yaml.
ADMIN = "admin"
# Requests a second, and seconds. 200 requests are enough for a canary's tenth of them to be counted.
RATE, SECONDS = 200, 1
DRAIN_S = 2
PATIENCE_S = 30.0

QUESTIONS = (
    ("What is there?", "list the active campaigns"),
    ("By its name, not its id", "get the campaign Summer Sale"),
    (
        "Make something",
        'create a campaign called "Back to School" with the objective reach and a budget of $50 a day',
    ),
    ("Two steps: find it, then list what is in it", "show the ads of the campaign Summer Sale"),
    ("Two steps: find it, then change it", "pause the campaign Summer Sale"),
)
GATEWAY_QUESTIONS = (
    ("What does the gateway serve?", "which objectives are there?"),
    ("Which model is it?", "what serves continue-watching in Brazil?"),
    ("Try the new version on a few", "send 10 % of continue-watching to ranker v2 as a canary"),
)
CANARY_QUESTIONS = (
    ("Is it any good?", "how is the ranker-v2 canary doing?"),
    ("Back again", "roll the ranker-v2 canary back"),
)

EPILOG = "nlapi demo"


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
        console.note(
            f"\n{RATE * SECONDS} made-up requests were sent; those for continue-watching were served {shares}."
        )


@contextmanager
def run_example() -> Iterator[DemoGateway]:
    """Run the gateway with the example objectives, its store in memory, while the block lasts."""
    from nlapi.gateway.control.access import Access, Audience, Role
    from nlapi.gateway.http.server import ServerTimeouts, run_in_thread
    from nlapi.gateway.store.store import GatewayStore

    folder = bundled.folder(EXAMPLE)
    store = GatewayStore()
    try:
        access = Access(store)
        token = access.create_token("demo", Audience.ADMIN, role=Role.OPERATOR)[1]
        traffic_token = access.create_token("web", Audience.SERVE)[1]
        app = GatewaySetup(config=folder / "configuration.json", models=folder / "models").build(store)
        with run_in_thread(app, timeouts=ServerTimeouts(drain_s=DRAIN_S)) as url:
            yield DemoGateway(url=url, script=folder / "traffic.py", token=token, traffic_token=traffic_token)
    finally:
        store.close()


def demo() -> None:
    """Watch questions answered by a sandbox of an ads API and by a gateway.

    Nothing leaves this machine unless ANTHROPIC_API_KEY is set; then Claude plans the calls.
    """
    code = max(_ads(), _gateway())
    console.note('Everything is stopped. Next: nlapi ask "..." -a YOUR-OPENAPI-FILE --dry-run')
    if code:
        raise typer.Exit(code)


def _ads() -> int:
    """Ask a sandbox of the ads API, and return the worst exit code."""
    import nlapi
    from nlapi.sandbox import running
    from nlapi.tools.sending.run import Target

    spec = nlapi.load("ads")
    console.note(f"{spec.title}: {len(spec.operations)} operations, from the description that ships as `ads`.")
    with running(spec) as server:
        console.note(f"A sandbox of it runs on {server.url}, on this machine only.")
        session = _DemoSession("ads", Target(spec=spec, base_url=server.url, credentials={"bearer": "demo-token"}))
        session.ask_all(QUESTIONS)
    console.note(f"\n{session.count} questions answered in {session.seconds:.2f} s. The sandbox is stopped.")
    return session.worst_code


def _gateway() -> int:
    """Ask the gateway with its example objectives and traffic, and return the worst exit code."""
    import nlapi
    from nlapi.tools.sending.run import Target

    typer.echo(err=True)
    spec = nlapi.load("gateway")
    console.note(f"{spec.title}: {len(spec.operations)} operations, from the description that ships as `gateway`.")
    with run_example() as gateway:
        console.note(f"It serves three example objectives on {gateway.url}, on this machine only.")
        session = _DemoSession("gateway", Target(spec=spec, base_url=gateway.url, credentials={ADMIN: gateway.token}))
        # Traffic before each group of questions, so that its answers have something to count, and after the rollback.
        gateway.send_traffic()
        session.ask_all(GATEWAY_QUESTIONS)
        gateway.send_traffic()
        session.ask_all(CANARY_QUESTIONS)
        gateway.send_traffic()
    console.note(f"\n{session.count} questions answered in {session.seconds:.2f} s. The gateway is stopped.")
    return session.worst_code


class _DemoSession:
    """The questions of the demo to one API, with the worst exit code and the seconds that the answers took."""

    def __init__(self, source: str, target: Target) -> None:
        from nlapi.cli.ask.planners import PlannerFactory, can_ask_model
        from nlapi.cli.options import PlannerName

        self.source = source
        self.target = target
        name = PlannerName.MODEL if can_ask_model() else PlannerName.OFFLINE
        self.planner: Planner = PlannerFactory(targets={target.spec: target}).create(name)
        self.worst_code, self.count, self.seconds = 0, 0, 0.0
        console.note(f"The planner is {self.planner.name}.")

    def ask_all(self, questions: tuple[tuple[str, str], ...]) -> None:
        started = time.perf_counter()
        # The clock runs from question to question, so the figure includes planning, calls and printing.
        for title, question in questions:
            self.worst_code = max(self.worst_code, asyncio.run(self._ask(title, question)))
            self.count += 1
        self.seconds += time.perf_counter() - started

    async def _ask(self, title: str, question: str) -> int:
        from nlapi.agent.policy import Policy
        from nlapi.cli.ask.events import TextRenderer
        from nlapi.cli.ask.session import Session
        from nlapi.tools.plan import ask

        _heading(title, question, self.source)
        targets = {self.target.spec: self.target}
        session = Session(
            planner=self.planner,
            targets=targets,
            render=TextRenderer(targets, dry_run=False, verbose=True),
            policy=Policy(secrets=tuple(self.target.credentials.values())),
            consent=_consent,
        )
        _, code = await session.answer(ask(question))
        return code


def _heading(title: str, question: str, source: str) -> None:
    typer.echo(err=True)
    typer.secho(f"── {title} ", fg="cyan", bold=True, err=True)
    typer.secho(f"$ nlapi ask {shlex.quote(question)} -a {source}", bold=True, err=True)


async def _consent(proposed: tuple[CallProposed, ...]) -> ConsentReply:
    from nlapi.agent.events import ConsentReply

    # The demo runs without a person, and notes each consent: an ordinary session never agrees by itself.
    for change in proposed:
        typer.secho(f"  {change.call.operation_id} needs consent; the demo says yes", fg="yellow", err=True)
    return ConsentReply(is_agreed=True)
