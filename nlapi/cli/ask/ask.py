"""`nlapi ask` and `nlapi chat`: questions in plain English, one or several in a conversation, or the last one again."""

from __future__ import annotations

import asyncio
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from nlapi.cli.options import ConversationFormat, Setup, argument, conversation_options, flag
from nlapi.cli.render import console
from nlapi.errors import NlapiError, UsageError
from nlapi.openapi.spec import Effect

ASK = """nlapi ask "show the active campaigns" -a ads --dry-run
nlapi ask "pause the summer campaign" -a ads --yes
nlapi ask "pause the Summer Sale campaign" -a ads --plan pause.yaml
nlapi ask "list the campaigns" -a ads -o csv
echo "list the campaigns" | nlapi ask - -a ads
nlapi ask --again
nlapi ask "which boards are empty?" -a openapi.yaml --auth bearer=env:TOKEN --set team=7"""

CHAT = """nlapi chat -a ads --base-url http://127.0.0.1:8080"""


FAREWELLS = ("", "exit", "quit", "bye")


def question_of(words: list[str], example: str) -> str:
    """Return the question in the words of a command line, or on standard input. UsageError when it is empty."""
    if words in ([], ["-"]) and not sys.stdin.isatty():
        words = [" ".join(sys.stdin.read().split())]
    # Bytes of the command line that are not UTF-8 are surrogates in Python, which no request or transcript can hold.
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
    words: Annotated[
        list[str] | None, argument("QUESTION", "What you want, in plain English; - reads it from standard input.")
    ] = None,
    again: Annotated[bool, flag("--again", "Ask the same APIs the last question again.")] = False,
) -> None:
    """Ask an API in plain English. Changes are shown and need your consent.

    Exits with 3, 4 or 5 if the API's last answer was 3xx, 4xx or 5xx, with 6 without your consent, with 7 if something
    is missing, with 8 if the model refused or its answer was cut off.
    """
    from nlapi.cli.ask.session import open_log, open_session
    from nlapi.tools.plan import ask as begin

    if again:
        question, setup = last_question(setup, words or [])
    else:
        question = question_of(words or [], 'nlapi ask "list the campaigns" -a ads')
        if not setup.sources:
            _check_source(words or [])
    session = open_session(setup)
    if setup.plan or setup.plan_to is not None:
        from nlapi.cli.ask.plan import show_plan

        asyncio.run(show_plan(session, setup, begin(question, session.known_values)))
        return
    with open_log(not setup.no_log, session.policy) as session.log:
        _, code = asyncio.run(session.answer(begin(question, session.known_values)))
    if code:
        raise typer.Exit(code)


@conversation_options("dry_run", "output", "plan", "plan_to")
def chat(setup: Setup) -> None:
    """Talk to an API. Each question knows the ones before it.

    /help lists the commands of a chat, such as /cost and /model. An empty line, exit or Ctrl-D ends it. --max-usd
    applies to the whole chat, --max-steps and --max-seconds to each question.
    """
    from nlapi.cli.ask.chat_commands import ChatCommands
    from nlapi.cli.ask.prompts import read_line
    from nlapi.cli.ask.session import open_conversation, open_log
    from nlapi.tools.plan import Conversation

    session, planners = open_conversation(replace(setup, output=ConversationFormat.TEXT))
    session.face = "chat"
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


def last_question(setup: Setup, words: Sequence[str]) -> tuple[str, Setup]:
    """Return the last question and the options that it was asked with. UsageError beside another question.

    Where it changed something the last time, `--yes` consents to nothing: the change would be made twice.
    """
    from nlapi.agent.records.transcripts import read_transcript
    from nlapi.cli.log import find_transcript, resumed_setup

    if words:
        raise UsageError("--again asks the last question, and there is another one", hint="leave one of them out")
    records = read_transcript(find_transcript("last")).records
    asked = [record for record in records if record.get("event") == "asked"]
    if not asked:
        raise UsageError("the last transcript has no question", hint="`nlapi log list` shows them")
    question = str(asked[-1].get("question") or "")
    console.dim(f"again: {question}")
    setup = replace(setup, known_values=[*_known_values(asked[-1]), *(setup.known_values or ())] or None)
    setup = resumed_setup(setup, records) if not setup.sources else setup
    if _has_changed(records) and (setup.yes or setup.yes_to is not None):
        console.note("it changed something the last time, so --yes is not enough: you are asked")
        setup = replace(setup, yes=False, yes_to=None)
    return question, setup


def _known_values(record: Mapping[str, Any]) -> Iterator[str]:
    """Yield the values that were given with `--set`, as options."""
    known = record.get("known")
    for name, value in known.items() if isinstance(known, Mapping) else ():
        if isinstance(value, str) and "***" not in value:
            yield f"{name}={value}"


def _has_changed(records: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether a change may have been carried out since the last question was asked."""
    last = max(index for index, record in enumerate(records) if record.get("event") == "asked")
    later = records[last:]
    has_change = any(
        record.get("event") in ("proposed", "workflow") and record.get("effect") != Effect.READ for record in later
    )
    was_sent = any(record.get("event") == "stepped" and isinstance(record.get("result"), Mapping) for record in later)
    return has_change and was_sent
