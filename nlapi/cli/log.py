"""`nlapi log`: what was asked, planned, sent and answered."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from nlapi.cli import show
from nlapi.cli.ask import AskOutput, Chosen, Model, PlannerChoice, make_session
from nlapi.cli.options import Auth, BaseUrl, Deadline, Listing, Yes
from nlapi.client.clean import clean
from nlapi.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from nlapi.agent.log import Record

app = typer.Typer(help="What was asked, planned, sent and answered.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(help="The beginning of an id that `nlapi log list` shows, or `last`.")]


@app.command("list")
def list_(
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, help="How many to show.")] = 20,
    output: Annotated[Listing | None, typer.Option("-o", "--output")] = None,
) -> None:
    """Show the transcripts, the newest first."""
    from nlapi.agent.log import entries
    from nlapi.cli.session import log_folder

    rows = [
        {"id": e.id, "started": e.started[:19], "question": e.question, "turns": e.turns, "changes": e.changes}
        for e in entries(log_folder())[:limit]
    ]
    show.listing(rows, output, ("id", "started", "question", "turns", "changes"), empty="no transcript is kept yet")


@app.command("show")
def show_(id: Id, output: Annotated[Listing | None, typer.Option("-o", "--output")] = None) -> None:
    """Show one transcript: every question, call, consent and answer."""
    from nlapi.agent.log import read
    from nlapi.cli.options import is_terminal

    records = read(_find(id))
    if output is Listing.JSON or (output is None and not is_terminal()):
        for record in records:
            show.write(json.dumps(record, ensure_ascii=False))
        return
    for record in records:
        if line := _line(record):
            show.write(clean(line))


@app.command()
def resume(
    id: Id,
    question: Annotated[str, typer.Argument(help="What to ask next.")],
    planner: Chosen = PlannerChoice.AUTO,
    model: Model = None,
    yes: Yes = False,
    base_url: BaseUrl = None,
    auth: Auth = None,
    timeout: Deadline = None,
    output: Annotated[AskOutput | None, typer.Option("-o", "--output")] = None,
) -> None:
    """Go on with a conversation: ask something that builds on what was said before."""
    from nlapi.agent.log import Log, read
    from nlapi.agent.resume import resume as rebuild
    from nlapi.openapi.spec import Operation
    from nlapi.tools.compile import compile_tool
    from nlapi.tools.tool import Tool

    path = _find(id)
    records = read(path)
    sources = next((record["sources"] for record in records if record.get("event") == "asked"), None)
    session, _ = make_session(sources, planner, model, False, yes, output, None, base_url, auth, timeout)

    def tool(source: str, operation: str) -> Tool:
        specs = [spec for spec in session.targets if spec.source == source]
        if not specs:
            raise UsageError(f"the transcript speaks of {source}, which could not be opened")
        found: Operation = specs[0].operation(operation)
        return compile_tool(found)

    conversation = rebuild(records, tool).asked(question)
    with Log.open(path, secrets=session.policy.secrets) as session.log:
        _, code = asyncio.run(session.answer(conversation))
    if code:
        raise typer.Exit(code)


def _find(id: str) -> Path:
    from nlapi.agent.log import entries
    from nlapi.cli.session import log_folder

    every = entries(log_folder())
    found = every[:1] if id == "last" else [entry for entry in every if entry.id.startswith(id)]
    if len(found) != 1:
        problem = f"{len(found)} transcripts begin with {id!r}" if found else f"there is no transcript {id!r}"
        raise UsageError(problem, hint="`nlapi log list` shows them")
    return found[0].path


def _line(record: Record) -> str:
    at = str(record.get("at", ""))[11:19]
    text: dict[str, Any] = {
        "asked": lambda: f"? {record.get('question')}",
        "planned": lambda: f"  {record.get('planner')}: {record.get('understood')}" if record.get("understood") else "",
        "proposed": lambda: f"→ {record.get('method')} {record.get('url')} ({record.get('effect')})",
        "stepped": lambda: f"← {_outcome(record)}",
        "needed": lambda: f"  needs {', '.join(one.get('argument', '') for one in record.get('missing', ()))}",
        "answered": lambda: f"= {record.get('text')}",
    }
    made = text.get(str(record.get("event")), lambda: "")()
    return f"{at} {made}" if made else ""


def _outcome(record: Record) -> str:
    result = record.get("result")
    if isinstance(result, dict):
        return f"{result.get('status')} {show.reason(int(result.get('status', 0)))}"
    return f"{record.get('outcome')}: {record.get('message')}"
