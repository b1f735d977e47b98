"""Shows a text in the user's pager, as git does."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from nlapi.system import IS_WINDOWS

# What a shell, `env` and their like answer for a program that cannot be run or found.
_NOT_RUN = (126, 127)


def show_in_pager(text: str) -> bool:
    """Show a text in `$PAGER`, else in `less`; return False where it is still to be printed."""
    try:
        # `less` warns and waits on a terminal without a movable cursor, as the shell in Emacs is.
        default = "" if os.environ.get("TERM") in ("dumb", "emacs") else "less"
        command = shlex.split(os.environ.get("PAGER", default))
        if IS_WINDOWS or command in ([], ["cat"]):
            return False
        content = text.encode(sys.stdout.encoding, sys.stdout.errors or "strict")
        # The options that git sets where nobody has set others.
        environment = {**os.environ, "LESS": os.environ.get("LESS", "FRX")}
        with _ctrl_c_for_pager():
            # A pager that ends before it has read everything is no error to `run`.
            done = subprocess.run(command, input=content, env=environment, check=False)
    except (OSError, ValueError):  # the program is missing, or a quotation mark in $PAGER is open
        return False
    return done.returncode not in _NOT_RUN


@contextmanager
def _ctrl_c_for_pager() -> Iterator[None]:
    """Leave Ctrl-C, which a terminal sends to both, to the pager."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # A function: SIG_IGN would be inherited by the pager.
    previous_handler = signal.signal(signal.SIGINT, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous_handler)
