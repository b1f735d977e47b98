"""The options that several commands share."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer


class Output(StrEnum):
    """How an answer is printed."""

    JSON = "json"
    NDJSON = "ndjson"
    TABLE = "table"
    RAW = "raw"


class Listing(StrEnum):
    """How nlapi's own lists are printed."""

    JSON = "json"
    TABLE = "table"


Source = Annotated[
    str, typer.Argument(help="A path, a URL, - for stdin, a registered API, or a bundled name such as ads.")
]
BaseUrl = Annotated[
    str | None, typer.Option("--base-url", metavar="URL", help="Where the API runs, if not where its description says.")
]
Auth = Annotated[
    list[str] | None,
    typer.Option("--auth", metavar="SCHEME=VALUE", help="A credential; SCHEME=env:NAME reads it from the environment."),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Consent to changes in advance.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show the request; send nothing.")]
Deadline = Annotated[
    float | None, typer.Option("--timeout", metavar="SECONDS", help="The longest that one exchange may take.")
]


def is_terminal() -> bool:
    """Is somebody reading standard output?"""
    return sys.stdout.isatty()


def is_interactive() -> bool:
    """Is somebody there who can answer a question?"""
    return sys.stdin.isatty() and sys.stderr.isatty()
