"""`nlapi find`: search for operations by words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from nlapi.cli import console, table, target
from nlapi.cli.console import plain_text
from nlapi.cli.options import Exclude, Include, ListOutput, Overlays, Root, Source
from nlapi.errors import UsageError

if TYPE_CHECKING:
    from nlapi.openapi.spec import Operation

EPILOG = """nlapi find ads "pause a campaign"
nlapi find openapi.yaml invoices -n 3 -o json"""


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
    """Find the operations that match some words, the likeliest first. Exits with 1 when there is none."""
    from nlapi.tools.index import Index
    from nlapi.tools.spelling import correct_spelling

    typed = " ".join(words)
    if not typed.strip():
        raise UsageError("there are no words to look for", hint='such as nlapi find ads "pause a campaign"')
    spec = target.load(source, overlays, root)
    index = Index.of(target.select(spec, include, exclude))
    # Misspelt words are corrected against the words of this description only, and the correction is shown.
    query = correct_spelling(typed, index)
    if query != typed:
        console.note(f"read as: {query}")
    # JSON has the score as well; a table has no room for it, and its order says enough.
    results = index.search(query, limit=limit)
    if table.is_json(output):
        table.print_list([{**_row(operation), "score": round(score, 2)} for operation, score in results], output, ())
    else:
        rows = [_row(operation) for operation, _ in results]
        table_rows = [{**row, "request": f"{row['method']} {row['path']}"} for row in rows]
        empty = f"nothing in {spec.title} is about that (`nlapi tools {source}` shows all that it has)"
        table.print_list(table_rows, output, ("operation", "effect", "request", "summary"), empty=empty)
    if not results:
        raise typer.Exit(1)


def _row(operation: Operation) -> dict[str, str]:
    return {
        "operation": operation.id,
        "effect": operation.effect.value,
        "method": operation.method,
        "path": operation.path,
        "summary": plain_text(operation.summary or operation.description.partition("\n\n")[0]),
    }
