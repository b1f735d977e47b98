"""`nlapi find`: the operations that some words are about."""

from __future__ import annotations

from typing import Annotated

import typer

from nlapi.cli import show, target
from nlapi.cli.options import Listing, Source


def register(app: typer.Typer) -> None:
    app.command(epilog='nlapi find ads "pause a campaign"')(find)


def find(
    source: Source,
    words: Annotated[list[str], typer.Argument(help="What you want to do, in your own words.")],
    limit: Annotated[int, typer.Option("-n", "--limit", min=1, help="How many to show.")] = 10,
    output: Annotated[Listing | None, typer.Option("-o", "--output")] = None,
) -> None:
    """Find the operations that some words are about, the likeliest first."""
    from nlapi.tools.index import Index

    spec = target.load(source)
    found = Index(spec.operations).search(" ".join(words), k=limit)
    rows = [
        {
            "operation": operation.id,
            "method": operation.method,
            "path": operation.path,
            "summary": operation.summary or operation.description.partition("\n")[0],
            "score": round(score, 2),
        }
        for operation, score in found
    ]
    show.listing(
        rows, output, ("operation", "method", "path", "summary"), empty=f"nothing in {spec.title} is about that"
    )
    if not rows:
        raise typer.Exit(1)
