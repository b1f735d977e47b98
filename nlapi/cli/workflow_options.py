"""Defines the arguments and options of `nlapi workflow`."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated

import typer

from nlapi.cli.options import FLAG, Auth, BaseUrl, Deadline, NoAuth, NoLog, Yes

File = Annotated[
    str,
    typer.Argument(
        metavar="FILE",
        help="An Arazzo document: a path, a URL, or - for standard input; or an API that has one registered.",
    ),
]
WorkflowId = Annotated[
    str, typer.Argument(metavar="ID", help="Its workflowId; not needed where the document has one workflow.")
]
SourceOverrides = Annotated[
    list[str] | None,
    typer.Option(
        "--source",
        metavar="[NAME=]SOURCE",
        help="Where a description is: a path, a URL or a registered API. Without NAME for the only one.",
    ),
]
Inputs = Annotated[
    list[str] | None,
    typer.Option("--input", "-i", metavar="NAME=VALUE", help="An input; NAME=@FILE reads a file, NAME=env:VAR too."),
]
Strict = Annotated[
    bool, typer.Option("--strict", metavar=FLAG, help="To the letter of the standard: what bends it fails.")
]


class RunOutput(StrEnum):
    """The output formats of a run."""

    TEXT = "text"
    JSON = "json"
    NDJSON = "ndjson"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """The options of a run, one field each, in the order of the help text."""

    yes: Yes = False
    values: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="STEP.ARGUMENT=VALUE",
            help="A value for a step where the answer that was to give it does not.",
        ),
    ] = None
    until: Annotated[str, typer.Option("--until", metavar="STEP", help="Stop after this step.")] = ""
    sources: SourceOverrides = None
    base_url: BaseUrl = None
    auth: Auth = field(default=None, repr=False)
    no_auth: NoAuth = False
    timeout: Deadline = None
    strict: Strict = False
    repair: Annotated[
        bool, typer.Option("--repair", metavar=FLAG, help="Run the document with its repairs, which are shown first.")
    ] = False
    no_log: NoLog = False
    output: Annotated[
        RunOutput | None, typer.Option("-o", "--output", help="text on a terminal, else json; ndjson has each event.")
    ] = None
