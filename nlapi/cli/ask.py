"""`nlapi ask` and `nlapi chat`: questions in plain English, one or several in a conversation."""

from __future__ import annotations

import asyncio
import shlex
from dataclasses import replace
from pathlib import Path
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


def _check_source(words: list[str]) -> None:
    """Raise UsageError, with the corrected command, where a description is in the place of words of the question.

    `nlapi call` takes it as its first word, `ask` with -a. A file may be any word; a name that is also a plain word
    (ads) has to be the first of several arguments. With registered APIs a question may mention a file (upload a.json),
    so that there only the first of several arguments is taken for a description.
    """
    from nlapi import bundled, registry

    first = words[0] if len(words) > 1 else ""
    registered = registry.read_registrations()
    if registered:
        source = first if first not in registered and _is_description_file(first) else ""
    else:
        pieces = (*words, *" ".join(words).split())
        source = first if first and bundled.is_bundled(first) else next(filter(_is_description_file, pieces), "")
    if not source:
        return
    question = " ".join(piece for word in words if word != source for piece in word.split() if piece != source)
    command = f"nlapi ask {_shell_text(question or 'QUESTION')} -a {shlex.quote(source)}"
    raise UsageError("which API? name it with -a", hint=command)


def _is_description_file(text: str) -> bool:
    return text.lower().endswith((".yaml", ".yml", ".json")) and Path(text).is_file()


def _shell_text(text: str) -> str:
    """Return a text in double quotes, or quoted as the shell needs it."""
    return shlex.quote(text) if set(text) & set('"$`\\\\!') else f'"{text}"'


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
        if not setup.sources:
            _check_source(words or [])
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
