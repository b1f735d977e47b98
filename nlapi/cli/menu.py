"""The menu of the likeliest operations for a question that was not understood."""

from __future__ import annotations

from nlapi.agent.events import ChoiceOffered
from nlapi.cli.plain import plain_text
from nlapi.cli.prompt import read_line
from nlapi.client.safe_text import single_line
from nlapi.errors import MissingError
from nlapi.openapi.spec import Operation
from nlapi.tools.tool import Call


def menu_lines(offered: ChoiceOffered) -> list[str]:
    """Return the lines of the menu, one choice each."""
    return [f"{number}. {_describe_choice(call)}" for number, call in enumerate(offered.choices, 1)]


def choose_operation(offered: ChoiceOffered, *, ask: bool) -> Operation:
    """Return the operation of the typed number. MissingError without a valid number, or when nobody can be asked."""
    count = len(offered.choices)
    answer = (read_line(f"1 to {count}, or nothing: ") or "").strip() if ask else ""
    if answer.isdecimal() and 1 <= int(answer) <= count:
        return offered.choices[int(answer) - 1].tool.operation
    # A script gets exit code 7 and the names, which `nlapi call` takes.
    names = ", ".join(single_line(call.operation_id) for call in offered.choices)
    raise MissingError(f"the question may mean any of {names}", hint="ask in other words, or use `nlapi call`")


def _describe_choice(call: Call) -> str:
    operation = call.tool.operation
    description = plain_text(operation.summary).rstrip(".") or single_line(operation.path)
    arguments = ", ".join(f"{name}={value}" for name, value in call.arguments.items())
    return f"{description}{f' ({single_line(arguments)})' if arguments else ''}: {single_line(operation.id)}"
