"""The entry point of the command line: it completes words for a shell without the rest, else runs a command."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

# The variable in which a shell asks for completions, by the scripts of `nlapi --show-completion`.
COMPLETE = "_NLAPI_COMPLETE"


def main() -> NoReturn:
    """Run the command line and exit; every error is one line on standard error and its own exit code."""
    # What is imported stays: looking through it for cycles takes a twelfth of the CPU of a short command.
    gc.set_threshold(100_000)
    open_standard_streams()
    if os.environ.get(COMPLETE, "").startswith("complete_"):
        from nlapi.cli.completion.complete import complete

        sys.exit(complete(os.environ))
    # Before all that the commands import: in a client's session each of them waits for this process.
    code = session_exit_code(sys.argv[1:])
    if code is None:
        from nlapi.cli.app import run

        code = run()
    sys.exit(code)


def session_exit_code(words: Sequence[str]) -> int | None:
    """Have a session's broker do what a command line says, and return its exit code.

    None for a command line outside a session, and where no broker runs: then it is run as any other.
    """
    is_handed_over = words[:2] == ["plugin", "command"] and words[4:5] == ["--"]
    is_question = words[:2] == ["plugin", "consent"]
    is_agreed = words[:1] in (["call"], ["batch"]) and any(
        word in ("--yes", "-y") or word.startswith("--yes=") for word in words
    )
    if not (is_handed_over or is_question or is_agreed):
        return None
    from pathlib import Path

    from nlapi.cli.agents import session_channel
    from nlapi.errors import NlapiError

    try:
        if is_handed_over:
            return session_channel.hand_over(Path(words[3]), "command", words[5:])
        return session_channel.answer_question() if is_question else session_channel.hand_to_session(words)
    except NlapiError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("\ninterrupted", file=sys.stderr)
        return 130


def open_standard_streams() -> None:
    """Open on the null device each standard stream that the caller has closed (`>&-`)."""
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
