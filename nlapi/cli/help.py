"""`nlapi help`: the help of a command, or the list of every command with those inside it."""

from __future__ import annotations

import re
import shutil
from typing import TYPE_CHECKING, Annotated

import typer

from nlapi.cli.command_table import COMMANDS
from nlapi.cli.options import argument
from nlapi.cli.render import console

if TYPE_CHECKING:
    from typer._click import Command, Context

EPILOG = """nlapi help
nlapi help api add
nlapi help all"""


def help(
    context: typer.Context,
    words: Annotated[list[str] | None, argument("[COMMAND]", "A command; all lists every command.")] = None,
) -> None:
    """Show the help of a command; `nlapi help all` lists every command."""
    from nlapi.cli.app import app

    if words != ["all"]:
        app([*(words or ()), "--help"], prog_name="nlapi", standalone_mode=False)
        return
    group = ""
    for name, entry in COMMANDS.items():
        if entry.group != group:
            group = entry.group
            console.write(f"\n{group}")
        command = context.parent.command.get_command(context.parent, name) if context.parent else None  # type: ignore[attr-defined]
        for path, text in _entries(name, command, context):
            console.write(_line(path, text))


def _entries(path: str, command: Command | None, context: Context) -> list[tuple[str, str]]:
    """Return a command, or each of those inside it, with the first sentence of its help."""
    inner = getattr(command, "commands", {})
    if command is None or not inner:
        return [(path, (command.help or "") if command is not None else "")]
    return [
        line for name, entry in inner.items() if not entry.hidden for line in _entries(f"{path} {name}", entry, context)
    ]


def _line(path: str, text: str) -> str:
    width = shutil.get_terminal_size().columns
    first = re.split(r"\n|(?<=\.) ", text)[0]
    return console.shorten(f"  {path:<21} {first}", max(width, 60))
