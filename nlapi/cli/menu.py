"""A choice among the likeliest operations: made at the terminal, or left to the next command."""

from __future__ import annotations

from nlapi.agent.events import Offered
from nlapi.cli import prompt
from nlapi.cli.plain import plain
from nlapi.client.clean import one_line
from nlapi.errors import MissingError
from nlapi.openapi.spec import Operation
from nlapi.tools.tool import Call


def lines(offered: Offered) -> list[str]:
    """The menu, one choice a line."""
    return [f"{number}. {_meaning(call)}" for number, call in enumerate(offered.choices, 1)]


def choose(offered: Offered, *, ask: bool) -> Operation:
    """The operation of the number that is typed at the terminal. MissingError when none is, or nobody can be asked."""
    count = len(offered.choices)
    typed = (prompt.line(f"1 to {count}, or nothing: ") or "").strip() if ask else ""
    if typed.isdecimal() and 1 <= int(typed) <= count:
        return offered.choices[int(typed) - 1].tool.operation
    names = ", ".join(one_line(call.operation_id) for call in offered.choices)
    raise MissingError(f"the question may mean any of {names}", hint="ask in other words, or use `nlapi call`")


def _meaning(call: Call) -> str:
    operation = call.tool.operation
    does = plain(operation.summary).rstrip(".") or one_line(operation.path)
    said = ", ".join(f"{name}={value}" for name, value in call.arguments.items())
    return f"{does}{f' ({one_line(said)})' if said else ''}: {one_line(operation.id)}"
