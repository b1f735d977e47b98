"""The command line as a whole: its subcommands, and the exit code of every error."""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated

import typer

from nlapi.cli.lazy_commands import CommandEntry, LazyGroup
from nlapi.errors import NlapiError
from nlapi.version import __version__

# 128 + SIGINT, the exit code that a shell expects after Ctrl-C.
INTERRUPTED = 130

EXAMPLES = """nlapi demo
nlapi ask "list the campaigns" -a ads --dry-run
nlapi find ads "pause a campaign"
nlapi call ads listCampaigns limit=5 --curl"""

COMMANDS = {
    "ask": CommandEntry(
        module="nlapi.cli.ask",
        attribute="ask",
        epilog="ASK",
        help="Ask an API in plain English: calls are planned, shown, and sent; a change asks you first.",
    ),
    "chat": CommandEntry(
        module="nlapi.cli.ask",
        attribute="chat",
        epilog="CHAT",
        help="Talk with an API: one question after the other, each knowing the ones before.",
    ),
    "call": CommandEntry(
        module="nlapi.cli.call",
        attribute="call",
        epilog="EPILOG",
        command_class="CallCommand",
        help="Call one operation: check its arguments, build the request by the description, and send it.",
    ),
    "describe": CommandEntry(
        module="nlapi.cli.describe",
        attribute="describe",
        epilog="EPILOG",
        help="Describe an API: its resources and what one can do with each, one resource, or one operation with an "
        "example.",
    ),
    "tools": CommandEntry(
        module="nlapi.cli.tools",
        attribute="tools",
        epilog="EPILOG",
        help="Make LLM tools from a description: a table on a terminal, a JSON manifest anywhere else or with "
        "--format.",
    ),
    "find": CommandEntry(
        module="nlapi.cli.find",
        attribute="find",
        epilog="EPILOG",
        help="Find the operations that match some words, the likeliest first. Exits with 1 when there is none.",
    ),
    "check": CommandEntry(
        module="nlapi.cli.check",
        attribute="check",
        epilog="EPILOG",
        help="Check a description for lost operations, violations of the standard, and what is unclear to a model.",
    ),
    "mcp": CommandEntry(
        module="nlapi.cli.mcp",
        attribute="mcp",
        epilog="EPILOG",
        help="Serve any API as an MCP server: over stdio for a client that starts it, or over HTTP.",
    ),
    "sandbox": CommandEntry(
        module="nlapi.cli.sandbox",
        attribute="sandbox",
        epilog="EPILOG",
        help="Serve any description as a stateful API on this machine: a stage to rehearse on.",
    ),
    "demo": CommandEntry(
        module="nlapi.cli.demo",
        attribute="demo",
        epilog="EPILOG",
        help="Show the main job: questions in plain English to a sandbox of the bundled ads API, then to a serving "
        "gateway.",
    ),
    "api": CommandEntry(
        module="nlapi.cli.api",
        help="Register APIs under short names, with their base URL, credentials and fixed values.",
    ),
    "log": CommandEntry(
        module="nlapi.cli.log", help="What was asked, planned, sent and answered; without a command, the list of it."
    ),
    "completion": CommandEntry(
        module="nlapi.cli.completion_scripts",
        attribute="completion",
        epilog="EPILOG",
        help="Print the script by which a shell completes APIs, operations, arguments, choices and ids.",
    ),
    "policy": CommandEntry(
        module="nlapi.cli.policy",
        help="What is sent without a question, only after one, or never; without a command, the rules.",
    ),
    "gateway": CommandEntry(
        module="nlapi.cli.gateway", help="Ask for an objective, get the right model: the serving gateway."
    ),
    "plugin": CommandEntry(
        module="nlapi.cli.plugin", help="Make a Claude Code plugin that operates an API in plain English."
    ),
    "workflow": CommandEntry(
        module="nlapi.cli.workflow",
        help="Check, show and run workflows: several calls as one document (Arazzo 1.0 and 1.1).",
    ),
}


class Commands(LazyGroup):
    """The commands of `nlapi`."""

    entries = COMMANDS


app = typer.Typer(
    name="nlapi",
    cls=Commands,
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


def run() -> int:
    """Run the command line and return its exit code; every error is one line on standard error."""
    from nlapi.cli import console
    from nlapi.cli.options import expand_optional_values

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal in an ASCII or Windows code page cannot show every character of an API's answer.
            stream.reconfigure(errors="backslashreplace")
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
    from nlapi.cli import console
    from nlapi.cli.options import PLAN_TO, YES_TO

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
