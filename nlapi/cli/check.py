"""`nlapi check`: what is wrong with a description."""

from __future__ import annotations

from dataclasses import asdict

import typer

from nlapi.cli import show, target
from nlapi.cli.options import Listing, ListOutput, Source, is_terminal

EPILOG = """nlapi check openapi.yaml
nlapi check https://example.com/openapi.json -o json"""


def register(app: typer.Typer) -> None:
    app.command(epilog=EPILOG)(check)


def check(source: Source, output: ListOutput = None) -> None:
    """Check a description: what loses operations, what breaks the standard, what a model will stumble over.

    Exits with 1 when an operation is lost.
    """
    from nlapi.openapi.check import check as find_issues
    from nlapi.openapi.issue import Level

    spec = target.load(source)
    with show.working(f"checking {len(spec.operations)} operations of {spec.title}"):
        issues = find_issues(spec)
    if output is Listing.JSON or (output is None and not is_terminal()):
        show.write(show.json_text([{**asdict(issue), "level": issue.level.value} for issue in issues]))
    else:
        for issue in issues:
            show.write(" ".join(str(issue).split()))
    counts = {level: sum(issue.level is level for issue in issues) for level in Level}
    usable = sum(operation.usable for operation in spec.operations)
    show.note(
        f"{spec.title}: {usable} of {len(spec.operations)} operations usable; {counts[Level.ERROR]} errors, "
        f"{counts[Level.WARNING]} warnings, {counts[Level.INFO]} remarks"
    )
    if counts[Level.ERROR]:
        raise typer.Exit(1)
