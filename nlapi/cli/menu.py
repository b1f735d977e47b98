"""The menu of the likeliest operations for a question that was not understood."""

from __future__ import annotations

from nlapi.agent.events import Offered
from nlapi.cli.plain import plain
from nlapi.cli.prompt import line
from nlapi.client.clean import one_line
from nlapi.errors import MissingError
from nlapi.openapi.spec import Operation
from nlapi.tools.tool import Call


def lines(offered: Offered) -> list[str]:
    """Return the lines of the menu, one choice each."""
    return [f"{number}. {_meaning(call)}" for number, call in enumerate(offered.choices, 1)]


def choose(offered: Offered, *, ask: bool) -> Operation:
    """Return the operation of the typed number. MissingError without a valid number, or when nobody can be asked."""
    count = len(offered.choices)
    typed = (line(f"1 to {count}, or nothing: ") or "").strip() if ask else ""
    if typed.isdecimal() and 1 <= int(typed) <= count:
        return offered.choices[int(typed) - 1].tool.operation
    # A script gets exit code 7 and the names, which `nlapi call` takes.
    names = ", ".join(one_line(call.operation_id) for call in offered.choices)
    raise MissingError(f"the question may mean any of {names}", hint="ask in other words, or use `nlapi call`")


def _meaning(call: Call) -> str:
    operation = call.tool.operation
    does = plain(operation.summary).rstrip(".") or one_line(operation.path)
    said = ", ".join(f"{name}={value}" for name, value in call.arguments.items())
    return f"{does}{f' ({one_line(said)})' if said else ''}: {one_line(operation.id)}"
