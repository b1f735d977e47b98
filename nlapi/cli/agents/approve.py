"""`nlapi approve`: the answer to a change that an MCP server asks about, where its client cannot ask."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from nlapi.cli.options import ListOutput, argument
from nlapi.cli.render import console, table
from nlapi.errors import ConsentError, NlapiError, OutcomeUnknownError, UsageError
from nlapi.mcp.terminal_questions import TerminalQuestion, waiting_questions

EPILOG = """nlapi approve
nlapi approve k7q2p"""


def approve(
    code: Annotated[str, argument("CODE", "The code in the answer of the client. Lists what waits without it.")] = "",
    output: ListOutput = None,
) -> None:
    """Answer a change that an MCP server asks about, where its client cannot ask.

    You see the exact request here, and the server sends it after your yes. Questions end after ten minutes. Exits with
    6 if your answer was no or was not taken, 1 if it failed, and 3, 4 or 5 for an answer of the API that is not a
    success.
    """
    questions = waiting_questions()
    if not code:
        _list(questions, output)
        return
    question = next((entry for entry in questions if entry.code == code.lower()), None)
    if question is None:
        raise UsageError(
            f"no question {code!r} waits: it was answered, its ten minutes are over, or its server has ended",
            hint="`nlapi approve` lists the questions that wait",
        )
    try:
        outcome = question.answer(agrees=_agrees(question))
    except (OSError, EOFError, ValueError):
        raise OutcomeUnknownError(
            "the server ended before it said what came of it: after a yes it may or may not have been sent",
            hint="look at the state of the API before you send it again",
        ) from None
    status, text = outcome.get("status"), str(outcome.get("text", ""))
    if outcome.get("state") not in ("answered", "unknown"):
        raise ConsentError(text)
    if status is None and outcome.get("failed"):
        raise NlapiError(text)
    console.note(text)
    if isinstance(status, int) and status >= 300:
        raise typer.Exit(status // 100)


def _list(questions: list[TerminalQuestion], output: ListOutput) -> None:
    rows = [
        {"code": question.code, "question": question.text.split("\n")[0], "seconds": question.seconds}
        for question in questions
    ]
    table.print_list(rows, output, ("code", "question", "seconds"), empty="no question waits")


def _agrees(question: TerminalQuestion) -> bool:
    """Return the user's answer. ConsentError without a terminal to ask in."""
    from nlapi.cli.ask.prompts import YES, read_answer

    if not sys.stdin.isatty():
        raise ConsentError("nothing was answered: there is no terminal to ask in", hint="run it in a terminal yourself")
    console.note(question.text)
    return read_answer(f"{question.title} [y/N]: ").lower() in YES
