"""`nlapi tools`: the tools of a description, as a manifest or as a table."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from nlapi.cli import show, table, target
from nlapi.cli.options import Source, is_terminal

if TYPE_CHECKING:
    from nlapi.tools.tool import Tool

CHARS_PER_TOKEN = 4
"""A rule of thumb for English and JSON."""

EPILOG = """nlapi tools ads
nlapi tools openapi.yaml --format openai > tools.json"""


class Format(StrEnum):
    ANTHROPIC = "anthropic"
    OPENAI = "openai"
    MCP = "mcp"
    GEMINI = "gemini"


def register(app: typer.Typer) -> None:
    app.command(epilog=EPILOG)(tools)


def tools(
    source: Source,
    format: Annotated[Format | None, typer.Option("--format", "-f", help="The manifest to print.")] = None,
) -> None:
    """Make LLM tools from a description: a table on a terminal, a JSON manifest anywhere else or with --format."""
    import nlapi

    spec = target.load(source)
    made = nlapi.tools(spec)
    skipped = len(spec.operations) - len(made)
    if skipped:
        show.note(
            f"{skipped} of {len(spec.operations)} operations could not be converted; `nlapi check {source}` says why"
        )
    if format is None and is_terminal():
        _table(made)
    else:
        manifest = [tool.as_dict(format or Format.ANTHROPIC) for tool in made]
        show.write(show.json_text(manifest))


def _table(made: tuple[Tool, ...]) -> None:
    sizes = [len(json.dumps(tool.as_dict("anthropic"), ensure_ascii=False)) // CHARS_PER_TOKEN for tool in made]
    rows = [
        {
            "tool": tool.name,
            "effect": tool.effect.value,
            "arguments": ", ".join(f"{n}*" if n in tool.required else n for n in tool.input_schema["properties"]),
            "tokens": size,
        }
        for tool, size in zip(made, sizes, strict=True)
    ]
    table.table(rows, ("tool", "effect", "arguments", "tokens"))
    show.note(f"{len(made)} tools, about {sum(sizes):,} tokens; * is required")
