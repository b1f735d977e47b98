"""Questions to the person at the terminal."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from nlapi.client.safe_text import strip_control


def read_line(prompt: str) -> str | None:
    """Return the typed line; None at the end of the input (Ctrl-D). Ctrl-C raises KeyboardInterrupt at once."""
    prompt = strip_control(prompt)
    with _interruptible():
        if sys.stdin.isatty() and sys.stdout.isatty():
            with suppress(ImportError):
                import readline  # noqa: F401 - importing it gives `input` its editing keys and its history
            try:
                return input(prompt)
            except EOFError:
                print(file=sys.stderr)
                return None
        # `input` would write the prompt to standard output, where an answer may go into a file.
        print(prompt, end="", file=sys.stderr, flush=True)
        typed = sys.stdin.readline()
        return typed.rstrip("\n") if typed else None


@contextmanager
def _interruptible() -> Iterator[None]:
    """Make Ctrl-C raise KeyboardInterrupt inside the block."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    # asyncio.run replaces the handler by one that only cancels its task, which the blocking read never notices.
    previous_handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, previous_handler)
