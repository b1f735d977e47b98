"""`nlapi ask` and `nlapi chat`: a question in plain English, or a conversation."""

from __future__ import annotations

import asyncio
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from nlapi.cli import profile, show
from nlapi.cli.options import Auth, BaseUrl, Deadline, DryRun, Yes, is_terminal
from nlapi.errors import NlapiError, UsageError

if TYPE_CHECKING:
    from nlapi.cli.session import Session


class AskOutput(StrEnum):
    TEXT = "text"
    NDJSON = "ndjson"


class PlannerChoice(StrEnum):
    AUTO = "auto"
    CLAUDE = "claude"
    OFFLINE = "offline"


Sources = Annotated[
    list[str] | None, typer.Option("-a", "--api", metavar="SOURCE", help="The API to ask; may be given several times.")
]
Chosen = Annotated[
    PlannerChoice, typer.Option("--planner", help="auto is claude when ANTHROPIC_API_KEY is set, else offline.")
]
Model = Annotated[str | None, typer.Option("--model", "-m", help="The Claude model to plan with.")]
Known = Annotated[
    list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="A value for an argument of that name.")
]
NoLog = Annotated[bool, typer.Option("--no-log", help="Keep no transcript.")]

EPILOG = 'nlapi ask "show the active campaigns" -a ads --dry-run · nlapi ask "pause the summer campaign" -a ads --yes'


def register(app: typer.Typer) -> None:
    app.command(epilog=EPILOG)(ask)
    app.command(epilog="nlapi chat -a ads --base-url http://127.0.0.1:8080")(chat)


def ask(
    question: Annotated[str, typer.Argument(help="What you want, in plain English.")],
    sources: Sources = None,
    planner: Chosen = PlannerChoice.AUTO,
    model: Model = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    output: Annotated[
        AskOutput | None, typer.Option("-o", "--output", help="text on a terminal, else ndjson: one event a line.")
    ] = None,
    known: Known = None,
    base_url: BaseUrl = None,
    auth: Auth = None,
    timeout: Deadline = None,
    no_log: NoLog = False,
) -> None:
    """Ask an API in plain English: calls are planned, shown, and sent; a change asks you first."""
    from nlapi.cli.session import open_log
    from nlapi.tools.plan import ask as begin

    if not question.strip():
        raise UsageError("the question is empty", hint='such as nlapi ask "list the campaigns" -a ads')
    session, values = make_session(sources, planner, model, dry_run, yes, output, known, base_url, auth, timeout)
    with open_log(not no_log, session.policy) as session.log:
        _, code = asyncio.run(session.answer(begin(question, values)))
    if code:
        raise typer.Exit(code)


def chat(
    sources: Sources = None,
    planner: Chosen = PlannerChoice.AUTO,
    model: Model = None,
    yes: Yes = False,
    known: Known = None,
    base_url: BaseUrl = None,
    auth: Auth = None,
    timeout: Deadline = None,
    no_log: NoLog = False,
) -> None:
    """Talk with an API: one question after the other, each knowing the ones before. An empty line or Ctrl-D ends it."""
    from nlapi.cli.main import report
    from nlapi.cli.session import open_log
    from nlapi.tools.plan import Conversation

    session, values = make_session(sources, planner, model, False, yes, AskOutput.TEXT, known, base_url, auth, timeout)
    conversation = Conversation(turns=(), known=values)
    with open_log(not no_log, session.policy) as session.log:
        while question := _line():
            try:
                conversation, _ = asyncio.run(session.answer(conversation.asked(question)))
            except NlapiError as error:
                report(error)


def _line() -> str:
    """The next line that is typed; "" at the end."""
    try:
        return str(typer.prompt("you", default="", show_default=False, err=True)).strip()
    except typer.Abort:
        return ""


def make_session(
    sources: list[str] | None,
    planner: PlannerChoice,
    model: str | None,
    dry_run: bool,
    yes: bool,
    output: AskOutput | None,
    known: list[str] | None,
    base_url: str | None,
    auth: list[str] | None,
    timeout: float | None,
) -> tuple[Session, dict[str, object]]:
    from nlapi.cli import events
    from nlapi.cli.call import limits
    from nlapi.cli.session import PlannerName, Session, confirm, make_planner, make_policy, open_targets

    with show.working("reading the description"):
        targets, values = open_targets(sources, base_url, auth, profile.pairs(known, "--set"))
        chosen = make_planner(PlannerName(planner.value), targets, model)
    as_text = output is AskOutput.TEXT or (output is None and is_terminal())
    session = Session(
        planner=chosen,
        targets=targets,
        render=events.Text(targets, dry_run=dry_run) if as_text else events.json_lines(targets),
        policy=make_policy(targets, yes=yes),
        consent=confirm,
        dry_run=dry_run,
        limits=limits(timeout),
    )
    return session, values
