"""`nlapi find`: the operations that some words are about."""

from __future__ import annotations

from typing import Annotated

import typer

from nlapi.cli import table, target
from nlapi.cli.options import Exclude, Include, ListOutput, Overlays, Root, Source
from nlapi.cli.plain import plain
from nlapi.errors import UsageError

EPILOG = """nlapi find ads "pause a campaign"
nlapi find openapi.yaml invoices -n 3 -o json"""


def register(app: typer.Typer) -> None:
    app.command(epilog=EPILOG)(find)


def find(
    source: Source,
    words: Annotated[list[str], typer.Argument(metavar="WORDS", help="What you want to do, in your own words.")],
    limit: Annotated[int, typer.Option("-n", "--limit", metavar="N", min=1, help="How many to show.")] = 10,
    output: ListOutput = None,
    include: Include = None,
    exclude: Exclude = None,
    overlays: Overlays = None,
    root: Root = None,
) -> None:
    """Find the operations that some words are about, the likeliest first. Exits with 1 when there is none."""
    from nlapi.tools.index import Index

    if not " ".join(words).strip():
        raise UsageError("there are no words to look for", hint='such as nlapi find ads "pause a campaign"')
    spec = target.load(source, overlays, root)
    found = Index.of(target.select(spec, include, exclude)).search(" ".join(words), k=limit)
    rows = [
        {
            "operation": operation.id,
            "method": operation.method,
            "path": operation.path,
            "summary": plain(operation.summary or operation.description.partition("\n\n")[0]),
            "score": round(score, 2),
        }
        for operation, score in found
    ]
    empty = f"nothing in {spec.title} is about that (`nlapi tools {source}` shows all that it has)"
    table.listing(rows, output, ("operation", "method", "path", "summary"), empty=empty)
    if not rows:
        raise typer.Exit(1)
