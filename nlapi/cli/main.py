"""The entry point of the command line: its subcommands, and the exit code of every error."""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated, NoReturn

import typer

from nlapi.cli import (
    api,
    ask,
    auth,
    call,
    check,
    console,
    demo,
    find,
    gateway,
    log,
    mcp,
    plugin,
    policy,
    sandbox,
    tools,
    workflow,
)
from nlapi.cli.options import PLAN_TO, YES_TO, expand_optional_values
from nlapi.errors import NlapiError
from nlapi.version import __version__

# 128 + SIGINT, the exit code that a shell expects after Ctrl-C.
INTERRUPTED = 130

EXAMPLES = """nlapi demo
nlapi ask "list the campaigns" -a ads --dry-run
nlapi find ads "pause a campaign"
nlapi call ads listCampaigns limit=5 --curl"""

app = typer.Typer(
    name="nlapi",
    help="Talk to any HTTP API in plain English, from its OpenAPI description.",
    epilog=EXAMPLES,
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(is_requested: bool) -> None:
    if is_requested:
        typer.echo(f"nlapi {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option("--version", metavar="", callback=_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Talk to any HTTP API in plain English, from its OpenAPI description."""


app.command(epilog=ask.ASK)(ask.ask)
app.command(epilog=ask.CHAT)(ask.chat)
app.command(epilog=call.EPILOG)(call.call)
app.command(epilog=tools.EPILOG)(tools.tools)
app.command(epilog=find.EPILOG)(find.find)
app.command(epilog=check.EPILOG)(check.check)
app.command(epilog=mcp.EPILOG)(mcp.mcp)
app.command(epilog=sandbox.EPILOG)(sandbox.sandbox)
app.command(epilog=demo.EPILOG)(demo.demo)
app.add_typer(api.app, name="api")
app.add_typer(auth.app, name="auth")
app.add_typer(log.app, name="log")
app.add_typer(policy.app, name="policy")
app.add_typer(gateway.app, name="gateway")
app.add_typer(plugin.app, name="plugin")
app.add_typer(workflow.app, name="workflow")


def main() -> NoReturn:
    """Run the command line and exit; every error is one line on standard error and its own exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal in an ASCII or Windows code page cannot show every character of an API's answer.
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_run())


def _run() -> int:
    try:
        code = app(expand_optional_values(sys.argv[1:]), prog_name="nlapi", standalone_mode=False)
        console.flush()
    except NlapiError as error:
        console.error(str(error))
        code = error.exit_code
    except typer.TyperException as error:
        _report_usage_error(error)
        code = error.exit_code
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except console.OutputClosed:
        code = 0
    except Exception as error:
        if os.environ.get("NLAPI_DEBUG"):
            raise
        console.error(f"{type(error).__name__}: {error} (this is a fault of nlapi; NLAPI_DEBUG=1 shows where)")
        code = 1
    if code == INTERRUPTED:
        console.note("\ninterrupted")
    _close_stdout()
    return int(code or 0)


def _report_usage_error(error: typer.TyperException) -> None:
    """Print the error of a command line that typer refuses; without a message, typer has printed the help."""
    message = (
        error.format_message()
        .replace("Value error, ", "")
        .replace(YES_TO, "--yes")
        .replace(PLAN_TO, "--plan")
        .rstrip(".")
    )
    context = getattr(error, "ctx", None)
    if message:
        hint = f" ({context.command_path} -h shows how)" if context else ""
        console.error(f"{message[0].lower()}{message[1:]}{hint}")


def _close_stdout() -> None:
    """Flush standard output, and redirect it where its reader has gone."""
    # The interpreter flushes again at exit, and would print a traceback for a closed pipe.
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
