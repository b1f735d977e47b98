"""`nlapi demo`: the main job, on this machine, from beginning to end."""

from __future__ import annotations

import asyncio
import shlex
import time
from typing import TYPE_CHECKING

import typer

from nlapi.cli import show

if TYPE_CHECKING:
    from nlapi.agent.events import Proposed
    from nlapi.openapi.spec import Spec
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


def register(app: typer.Typer) -> None:
    app.command(epilog="With ANTHROPIC_API_KEY set, Claude plans; without it the embedded planner does.")(demo)


def demo() -> None:
    """Show the main job: a sandbox of the bundled ads API, and questions to it in plain English.

    Nothing leaves this machine, unless ANTHROPIC_API_KEY is set: then Claude plans the calls.
    """
    import nlapi
    from nlapi.sandbox import running
    from nlapi.tools.run import Target

    spec = nlapi.load("ads")
    show.note(f"{spec.title}: {len(spec.operations)} operations, from the description that ships as `ads`.")
    with running(spec) as server:
        show.note(f"A sandbox of it runs on {server.url}, on this machine only.")
        code = asyncio.run(_ask_all(spec, Target(spec=spec, base_url=server.url, credentials={"bearer": "demo-token"})))
    show.note('The sandbox is stopped. Next: nlapi ask "..." -a YOUR-OPENAPI-FILE --dry-run')
    if code:
        raise typer.Exit(code)


async def _ask_all(spec: Spec, target: Target) -> int:
    """Ask every question; the worst exit code."""
    from nlapi.agent.policy import Policy
    from nlapi.cli import events
    from nlapi.cli.session import PlannerName, Session, has_key, make_planner
    from nlapi.tools.plan import ask

    targets = {spec: target}
    planner = make_planner(PlannerName.CLAUDE if has_key() else PlannerName.OFFLINE, targets, None)
    show.note(f"The planner is {planner.name}.")
    policy = Policy(secrets=tuple(target.credentials.values()))
    worst, started = 0, time.perf_counter()
    for title, question in QUESTIONS:
        _heading(title, question)
        render = events.Text(targets, dry_run=False)
        session = Session(planner=planner, targets=targets, render=render, policy=policy, consent=_consent)
        _, code = await session.answer(ask(question))
        worst = max(worst, code)
    show.note(f"\n{len(QUESTIONS)} questions answered in {time.perf_counter() - started:.2f} s.")
    return worst


def _heading(title: str, question: str) -> None:
    typer.echo(err=True)
    typer.secho(f"── {title} ", fg="cyan", bold=True, err=True)
    typer.secho(f"$ nlapi ask {shlex.quote(question)} -a ads", bold=True, err=True)


async def _consent(proposed: Proposed) -> bool:
    typer.secho(f"  {proposed.call.operation_id} needs consent; the demo says yes", fg="yellow", err=True)
    return True
