"""The entry point of the command line: it completes words for a shell without the rest, else runs a command."""

from __future__ import annotations

import os
import sys
from typing import Any, NoReturn

# The variable in which a shell asks for completions, by the scripts of `nlapi --show-completion`.
COMPLETE = "_NLAPI_COMPLETE"


def main() -> NoReturn:
    """Run the command line and exit; every error is one line on standard error and its own exit code."""
    open_standard_streams()
    if os.environ.get(COMPLETE, "").startswith("complete_"):
        from nlapi.cli.completion import complete

        sys.exit(complete(os.environ))
    from nlapi.cli.session_channel import session_exit_code

    # Before all that the commands import: in a client's session each of them waits for this process.
    code = session_exit_code(sys.argv[1:])
    if code is None:
        from nlapi.cli.app import run

        code = run()
    sys.exit(code)


def open_standard_streams() -> None:
    """Open on the null device what the caller has closed of the standard streams (`>&-`)."""
    # The next file that is opened gets the number of a stream that is closed: a program that is started would write its
    # output into a transcript.
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            if descriptor != number:
                os.dup2(descriptor, number)
                os.close(descriptor)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8"))


def __getattr__(name: str) -> Any:
    """Import `app`, the commands, where a tool such as `typer nlapi.cli.main utils docs` looks for it."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from nlapi.cli.app import app

    return app


def __dir__() -> list[str]:
    return sorted([*globals(), "app"])
