"""`nlapi effects`: what each operation of an API does, written down for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nlapi.cli.options import Overlays, Root, Source, option
from nlapi.cli.render import console
from nlapi.errors import UsageError, file_faults

app = typer.Typer(help="Export what each operation does, for other programs.", no_args_is_help=True)

EXPORT = """nlapi effects export openapi.yaml -o effects.overlay.yaml
nlapi effects export shop"""


@app.command(epilog=EXPORT)
def export(
    source: Source,
    output: Annotated[Path | None, option("-o --output FILE", "Where to; standard output if not given.")] = None,
    overlays: Overlays = None,
    root: Root = None,
) -> None:
    """Write an OpenAPI Overlay 1.1 that says of each operation whether it reads, changes or takes away.

    ChatGPT's actions and Copilot read `x-openai-isConsequential`, clients of MCP the hints of `x-mcp`, nlapi
    `x-nlapi-effect`.
    """
    import yaml

    from nlapi.cli.target import load
    from nlapi.resources.effect_overlay import export_overlay

    document = export_overlay(load(source, overlays, root))
    text = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=110)
    if output is None:
        console.write(text, end="")
        return
    with file_faults(f"{output} cannot be written", UsageError):
        output.write_text(text, encoding="utf-8")
