"""`nlapi demo`: the main job, on this machine, from beginning to end."""

from __future__ import annotations

import asyncio
import shlex
import time
from typing import TYPE_CHECKING

import typer

from nlapi.cli import show

if TYPE_CHECKING:
    from nlapi.agent.consent import Reply
    from nlapi.agent.events import Proposed
    from nlapi.agent.planner import Planner
    from nlapi.tools.run import Target

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
LOOK = (
    ("What does the gateway serve?", "which objectives are there?"),
    ("Which model is it?", "what serves continue-watching in Brazil?"),
    ("Try the new version on a few", "send 10 % of continue-watching to ranker v2 as a canary"),
)
JUDGE = (
    ("Is it any good?", "how is the ranker-v2 canary doing?"),
    ("Back again", "roll the ranker-v2 canary back"),
)


EPILOG = "With ANTHROPIC_API_KEY set, Claude plans; without it the embedded planner does."


def demo() -> None:
    """Show the main job: questions in plain English to a sandbox of the bundled ads API, then to a serving gateway.

    Nothing leaves this machine, unless ANTHROPIC_API_KEY is set: then Claude plans the calls.
    """
    code = max(_ads(), _gateway())
    show.note('Everything is stopped. Next: nlapi ask "..." -a YOUR-OPENAPI-FILE --dry-run')
    if code:
        raise typer.Exit(code)


def _ads() -> int:
    """The sandbox of the ads API; the worst exit code."""
    import nlapi
    from nlapi.sandbox import running
    from nlapi.tools.run import Target

    spec = nlapi.load("ads")
    show.note(f"{spec.title}: {len(spec.operations)} operations, from the description that ships as `ads`.")
    with running(spec) as server:
        show.note(f"A sandbox of it runs on {server.url}, on this machine only.")
        asking = _Asking("ads", Target(spec=spec, base_url=server.url, credentials={"bearer": "demo-token"}))
        asking.all(QUESTIONS)
    show.note(f"\n{asking.count} questions answered in {asking.seconds:.2f} s. The sandbox is stopped.")
    return asking.worst


def _gateway() -> int:
    """The serving gateway with its example objectives and traffic; the worst exit code."""
    import nlapi
    from nlapi.cli.demo_gateway import ADMIN, example
    from nlapi.tools.run import Target

    typer.echo(err=True)
    spec = nlapi.load("gateway")
    show.note(f"{spec.title}: {len(spec.operations)} operations, from the description that ships as `gateway`.")
    with example() as served:
        show.note(f"It serves three example objectives on {served.url}, on this machine only.")
        asking = _Asking("gateway", Target(spec=spec, base_url=served.url, credentials={ADMIN: served.token}))
        served.traffic()
        asking.all(LOOK)
        served.traffic()
        asking.all(JUDGE)
        served.traffic()
    show.note(f"\n{asking.count} questions answered in {asking.seconds:.2f} s. The gateway is stopped.")
    return asking.worst


class _Asking:
    """Asks one API; `worst` is the worst exit code, `seconds` how long the answers took."""

    def __init__(self, source: str, target: Target) -> None:
        from nlapi.cli.session import PlannerName, can_ask_claude, make_planner

        self.source = source
        self.target = target
        name = PlannerName.CLAUDE if can_ask_claude() else PlannerName.OFFLINE
        self.planner: Planner = make_planner(name, {target.spec: target}, None)
        self.worst, self.count, self.seconds = 0, 0, 0.0
        show.note(f"The planner is {self.planner.name}.")

    def all(self, questions: tuple[tuple[str, str], ...]) -> None:
        started = time.perf_counter()
        for title, question in questions:
            self.worst = max(self.worst, asyncio.run(self._answered(title, question)))
            self.count += 1
        self.seconds += time.perf_counter() - started

    async def _answered(self, title: str, question: str) -> int:
        from nlapi.agent.policy import Policy
        from nlapi.cli import events
        from nlapi.cli.session import Session
        from nlapi.tools.plan import ask

        _heading(title, question, self.source)
        targets = {self.target.spec: self.target}
        session = Session(
            planner=self.planner,
            targets=targets,
            render=events.Text(targets, dry_run=False),
            policy=Policy(secrets=tuple(self.target.credentials.values())),
            consent=_consent,
        )
        _, code = await session.answer(ask(question))
        return code


def _heading(title: str, question: str, source: str) -> None:
    typer.echo(err=True)
    typer.secho(f"── {title} ", fg="cyan", bold=True, err=True)
    typer.secho(f"$ nlapi ask {shlex.quote(question)} -a {source}", bold=True, err=True)


async def _consent(proposed: tuple[Proposed, ...]) -> Reply:
    from nlapi.agent.consent import Reply

    for change in proposed:
        typer.secho(f"  {change.call.operation_id} needs consent; the demo says yes", fg="yellow", err=True)
    return Reply(agreed=True)
