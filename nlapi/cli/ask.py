"""`nlapi ask` and `nlapi chat`: questions in plain English, one or several in a conversation."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Annotated

import typer

from nlapi.cli import console
from nlapi.cli.options import FLAG, ConversationFormat, Setup, conversation_options
from nlapi.errors import NlapiError, UsageError

ASK = """nlapi ask "show the active campaigns" -a ads --dry-run
nlapi ask "pause the summer campaign" -a ads --yes
nlapi ask "pause the Summer Sale campaign" -a ads --plan pause.yaml
nlapi ask "list the campaigns" -a ads -o csv
nlapi ask --again
nlapi ask "which boards are empty?" -a openapi.yaml --auth bearer=env:TOKEN --set team=7"""

CHAT = """nlapi chat -a ads --base-url http://127.0.0.1:8080"""

Question = Annotated[list[str] | None, typer.Argument(metavar="QUESTION", help="What you want, in plain English.")]


FAREWELLS = ("", "exit", "quit", "bye")


def question_of(words: list[str], example: str) -> str:
    """Return the question in the words of a command line. UsageError when it is empty."""
    # Bytes of the command line that are no UTF-8 are surrogates in Python, which no request or transcript can hold.
    question = " ".join(words).strip().encode("utf-8", "replace").decode()
    if not question:
        raise UsageError("the question is empty", hint=f"such as {example}")
    return question


@conversation_options()
def ask(
    setup: Setup,
    words: Question = None,
    again: Annotated[
        bool, typer.Option("--again", metavar=FLAG, help="Ask the last question again, to the same APIs.")
    ] = False,
) -> None:
    """Ask an API in plain English: calls are planned, shown, and sent; a change asks you first.

    Exits with 3, 4 or 5 when the API's last answer was 3xx, 4xx or 5xx, 6 without your consent, 7 when it needs more,
    8 when the model refused or its answer was cut.
    """
    from nlapi.cli.session import open_log, open_session
    from nlapi.tools.plan import ask as begin

    if again:
        from nlapi.cli.repeat import last_question

        question, setup = last_question(setup, words or [])
    else:
        question = question_of(words or [], 'nlapi ask "list the campaigns" -a ads')
    session = open_session(setup)
    if setup.plan or setup.plan_to is not None:
        from nlapi.cli.plan import show_plan

        asyncio.run(show_plan(session, setup, begin(question, session.known_values)))
        return
    with open_log(not setup.no_log, session.policy) as session.log:
        _, code = asyncio.run(session.answer(begin(question, session.known_values)))
    if code:
        raise typer.Exit(code)


@conversation_options("dry_run", "output", "plan", "plan_to")
def chat(setup: Setup) -> None:
    """Talk with an API: one question after the other, each knowing the ones before.

    /cost, /tools, /model and /plan show and choose what is behind the answers; /help lists them. An empty line, exit,
    quit, bye or Ctrl-D ends it. --max-usd holds for the whole chat, --max-steps and --max-seconds for each question.
    """
    from nlapi.cli.chat_commands import ChatCommands
    from nlapi.cli.prompts import read_line
    from nlapi.cli.session import open_conversation, open_log
    from nlapi.tools.plan import Conversation

    session, planners = open_conversation(replace(setup, output=ConversationFormat.TEXT))
    commands = ChatCommands(session, planners, setup.planner, setup.model)
    session.conversation = Conversation(turns=(), known_values=session.known_values)
    titles = ", ".join(spec.title for spec in session.targets)
    console.dim(f"{titles}: say what you want in plain English; /help lists commands, exit or an empty line ends it.")
    with open_log(not setup.no_log, session.policy) as session.log:
        while (line := (read_line("you: ") or "").strip()).lower() not in FAREWELLS:
            try:
                if not commands.run(line):
                    asyncio.run(session.answer(session.conversation.with_question(line)))
            except NlapiError as error:
                # One failed question does not end a chat; the conversation is kept up to the last answer.
                console.error(str(error))
