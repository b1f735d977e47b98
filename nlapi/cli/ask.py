"""`nlapi ask` and `nlapi chat`: a question in plain English, or a conversation."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from nlapi.cli import show
from nlapi.cli.options import (
    Across,
    Auth,
    BaseUrl,
    Deadline,
    DryRun,
    Known,
    Model,
    NoLog,
    Planner,
    PlannerName,
    Sources,
    Telling,
    Told,
    Yes,
)
from nlapi.errors import NlapiError, UsageError

ASK = """nlapi ask "show the active campaigns" -a ads --dry-run
nlapi ask "pause the summer campaign" -a ads --yes
nlapi ask "which boards are empty?" -a openapi.yaml --auth bearer=env:TOKEN --set team=7"""

CHAT = """nlapi chat -a ads --base-url http://127.0.0.1:8080"""


def register(app: typer.Typer) -> None:
    app.command(epilog=ASK)(ask)
    app.command(epilog=CHAT)(chat)


def ask(
    words: Annotated[list[str], typer.Argument(metavar="QUESTION", help="What you want, in plain English.")],
    sources: Sources = None,
    planner: Planner = PlannerName.AUTO,
    model: Model = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    across: Across = False,
    output: Told = None,
    known: Known = None,
    base_url: BaseUrl = None,
    auth: Auth = None,
    timeout: Deadline = None,
    no_log: NoLog = False,
) -> None:
    """Ask an API in plain English: calls are planned, shown, and sent; a change asks you first.

    Exits with 3, 4 or 5 when the API's last answer was 3xx, 4xx or 5xx, 6 without your consent, 7 when it needs more.
    """
    from nlapi.cli.session import Setup, open_log, open_session
    from nlapi.tools.plan import ask as begin

    question = " ".join(words).strip().encode("utf-8", "replace").decode()
    if not question:
        raise UsageError("the question is empty", hint='such as nlapi ask "list the campaigns" -a ads')
    session = open_session(
        Setup(
            sources=sources,
            base_url=base_url,
            auth=auth,
            known=known,
            planner=planner,
            model=model,
            yes=yes,
            across=across,
            dry_run=dry_run,
            output=output,
            timeout=timeout,
        )
    )
    with open_log(not no_log, session.policy) as session.log:
        _, code = asyncio.run(session.answer(begin(question, session.known)))
    if code:
        raise typer.Exit(code)


def chat(
    sources: Sources = None,
    planner: Planner = PlannerName.AUTO,
    model: Model = None,
    yes: Yes = False,
    across: Across = False,
    known: Known = None,
    base_url: BaseUrl = None,
    auth: Auth = None,
    timeout: Deadline = None,
    no_log: NoLog = False,
) -> None:
    """Talk with an API: one question after the other, each knowing the ones before.

    An empty line or Ctrl-D ends it.
    """
    from nlapi.cli import prompt
    from nlapi.cli.session import Setup, open_log, open_session
    from nlapi.tools.plan import Conversation

    session = open_session(
        Setup(
            sources=sources,
            base_url=base_url,
            auth=auth,
            known=known,
            planner=planner,
            model=model,
            yes=yes,
            across=across,
            output=Telling.TEXT,
            timeout=timeout,
        )
    )
    session.conversation = Conversation(turns=(), known=session.known)
    with open_log(not no_log, session.policy) as session.log:
        while question := (prompt.line("you: ") or "").strip():
            try:
                asyncio.run(session.answer(session.conversation.asked(question)))
            except NlapiError as error:
                show.error(str(error))
