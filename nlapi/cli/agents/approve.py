"""`nlapi approve`: the answer to a change that an MCP server asks about, where its client cannot ask."""

from __future__ import annotations

import sys
import time
from typing import Annotated

from nlapi.cli.options import ListOutput, argument
from nlapi.cli.render import console, table
from nlapi.errors import ConsentError, NlapiError, UsageError
from nlapi.mcp.terminal_questions import TerminalQuestion, waiting_questions

EPILOG = """nlapi approve
nlapi approve k7q2p"""

# In seconds. The server looks for an answer three times a second, and an API may take its time.
PATIENCE = 120.0
INTERVAL = 0.1


def approve(
    code: Annotated[str, argument("CODE", "The code in the answer of the client. Lists what waits without it.")] = "",
    output: ListOutput = None,
) -> None:
    """Answer a change that an MCP server asks about, where its client cannot ask.

    The server shows the exact request here, and sends it after your yes. Questions end after ten minutes.
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
    agrees = _ask(question)
    question.reply(agrees=agrees)
    console.note(_outcome(question, agrees=agrees))


def _list(questions: list[TerminalQuestion], output: ListOutput) -> None:
    rows = [
        {
            "code": question.code,
            "question": question.text.split("\n")[0],
            "seconds": max(0, round(question.ends - time.time())),
        }
        for question in questions
    ]
    table.print_list(rows, output, ("code", "question", "seconds"), empty="no question waits")


def _ask(question: TerminalQuestion) -> bool:
    """Return the user's answer. ConsentError without a terminal to ask in."""
    from nlapi.cli.ask.prompts import YES, read_answer

    if not sys.stdin.isatty():
        raise ConsentError("nothing was answered: there is no terminal to ask in", hint="run it in a terminal yourself")
    console.note(question.text)
    return read_answer(f"{question.title} [y/N]: ").lower() in YES


def _outcome(question: TerminalQuestion, *, agrees: bool) -> str:
    """Return what came of an answer. NlapiError where the server does not say."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if (outcome := question.take_outcome()) is not None:
            return outcome
        if not question.is_running:
            break
        time.sleep(INTERVAL)
    if not agrees:
        return "The user declined; nothing was sent."
    raise NlapiError(
        "the server has not said what came of it: it may or may not have been sent",
        hint="look at the state of the API before you send it again",
    )
