"""The `nlapi` command: its subcommands, and how every error ends."""

from __future__ import annotations

import os
import sys
from typing import Annotated, NoReturn

import typer

from nlapi.cli import api, ask, call, check, demo, find, log, sandbox, tools
from nlapi.errors import NlapiError
from nlapi.version import __version__

app = typer.Typer(
    name="nlapi",
    help="Talk to any HTTP API in plain English, from its OpenAPI description.",
    epilog='Try: nlapi demo · nlapi ask "list the campaigns" -a ads --dry-run · nlapi tools ads',
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"nlapi {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Talk to any HTTP API in plain English, from its OpenAPI description."""


for _module in (ask, call, tools, find, check, sandbox, demo):
    _module.register(app)
app.add_typer(api.app, name="api")
app.add_typer(log.app, name="log")


def main() -> NoReturn:
    """Run the command line. Every error nlapi raises on purpose ends in one line on stderr and its own exit code."""
    try:
        app(standalone_mode=True)
    except NlapiError as error:
        report(error)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    sys.exit(0)


def report(error: NlapiError) -> None:
    """One line: what went wrong, and what to do next."""
    from nlapi.client.clean import clean

    typer.secho("error: ", fg="red", bold=True, err=True, nl=False)
    typer.echo(" ".join(clean(str(error)).split()), err=True)
