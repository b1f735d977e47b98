"""The command line as a whole: its subcommands, and the exit code of every error."""

from __future__ import annotations

import importlib
import os
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Annotated

import typer
from typer._click.exceptions import NoSuchOption

from nlapi.cli.command_table import COMMANDS
from nlapi.cli.lazy_commands import LazyGroup
from nlapi.cli.main import session_exit_code
from nlapi.cli.render.streams import adapt_stream
from nlapi.errors import NlapiError
from nlapi.version import __version__

# 128 + SIGINT, the exit code that a shell expects after Ctrl-C.
INTERRUPTED = 130

EXAMPLES = """nlapi demo
nlapi setup
nlapi ask "list the campaigns" -a ads --dry-run
nlapi find ads "pause a campaign"
nlapi call ads listCampaigns --help
nlapi call ads listCampaigns limit=5 --curl"""


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
    for stream in (sys.stdout, sys.stderr):
        # A terminal in an ASCII or Windows code page cannot show every character of an API's answer.
        adapt_stream(stream)
    words = sys.argv[1:]
    if not words or not {"-h", "--help"}.isdisjoint(words):
        _import_help()
    if words[:1] not in (["-h"], ["--help"]):
        return _run(words)
    # The help alone needs nothing of the commands.
    with suppress(OSError):
        app(words, prog_name="nlapi", standalone_mode=False)
    _close_stdout()
    return 0


def _import_help() -> None:
    """Import what prints help, without Markdown and tracebacks: a third of the time of `nlapi --help`, for nothing."""
    stand_ins = {name: ModuleType(name) for name in ("rich.markdown", "rich.traceback") if name not in sys.modules}
    for name, module in stand_ins.items():
        setattr(module, name.rpartition(".")[2].title(), object)
    sys.modules.update(stand_ins)
    try:
        importlib.import_module("typer.rich_utils")
    finally:
        for name in stand_ins:
            del sys.modules[name]


def _run(words: list[str]) -> int:
    from nlapi.cli.options import expand_optional_values

    def command() -> object:
        expanded = _expand(words)
        # In a session of a client the question is about an alias's meaning, as about the words themselves.
        code = session_exit_code(expanded) if expanded != words else None
        return app(expand_optional_values(expanded), prog_name="nlapi", standalone_mode=False) if code is None else code

    return run_guarded(command)


def run_guarded(command: Callable[[], object]) -> int:
    """Run a command and return its exit code; every error is one line on standard error."""
    from nlapi.cli.render import console

    try:
        code = command()
        console.flush()
    except typer.Exit as error:
        code = error.exit_code
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
        # Ctrl-C while a class is being made reaches us as the cause of a RuntimeError, up to Python 3.11.
        is_interrupt = isinstance(error.__cause__, KeyboardInterrupt)
        if os.environ.get("NLAPI_DEBUG") and not is_interrupt:
            raise
        code = INTERRUPTED if is_interrupt else 1
        if not is_interrupt:
            console.error(f"{type(error).__name__}: {error} (this is a fault of nlapi; NLAPI_DEBUG=1 shows where)")
    if code == INTERRUPTED:
        console.note("\ninterrupted")
    _close_stdout()
    return code if isinstance(code, int) else 0


def _expand(words: list[str]) -> list[str]:
    """Return the words of the command line with an alias, or an API in place of a command, filled in."""
    if words[:1] in (["--install-completion"], ["--show-completion"]):
        from nlapi.cli.render import console

        console.note("`nlapi completion` has a script that also knows operations and ids (docs/deprecations.md)")
    if not words or words[0] in COMMANDS or words[0].startswith("-"):
        return words
    from nlapi.cli.shorthand import expand

    return expand(words)


def _report_usage_error(error: typer.TyperException) -> None:
    """Print the error of a command line that typer refuses; without a message, typer has printed the help."""
    from nlapi.cli.options import PLAN_TO, YES_TO
    from nlapi.cli.render import console
    from nlapi.cli.shorthand import unknown_command, unknown_option

    context = getattr(error, "ctx", None)
    if isinstance(error, NoSuchOption):
        message = unknown_option(error.option_name, error.possibilities or ())
    else:
        message = error.format_message().replace("Value error, ", "")
    if context and (match := re.fullmatch(r"No such command '(\S+?)'\..*", message)):
        group = context.command_path.removeprefix("nlapi ")
        if meant := unknown_command(match[1], group):
            console.error(str(meant))
            return
    message = message.replace(YES_TO, "--yes").replace(PLAN_TO, "--plan").rstrip(".")
    if message:
        hint = f" ({context.command_path} -h shows how)" if context else ""
        console.error(f"{message[0].lower()}{message[1:]}{hint}")


def _close_stdout() -> None:
    """Flush standard output, and redirect it where its reader has gone or its disk is full."""
    # The interpreter flushes again at exit, and would print a traceback.
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
