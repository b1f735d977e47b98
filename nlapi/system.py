"""What a lock, a signal, a terminal or a file's mode is on Linux, macOS and Windows (docs/platforms.md)."""

from __future__ import annotations

import os
import signal
import stat
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

IS_LINUX = sys.platform == "linux"
IS_MACOS = sys.platform == "darwin"
IS_WINDOWS = sys.platform == "win32"

HAS_LOCKS = fcntl is not None
CAN_FORK = hasattr(os, "fork")
HAS_TIMER = hasattr(signal, "setitimer")
PAGE_SIZE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0


def lock(descriptor: int, *, wait: bool = True) -> None:
    """Lock an open file or folder until it is closed. OSError if another process has it, unless `wait`."""
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))


def unlock(descriptor: int) -> None:
    """Release a lock, and leave the file open."""
    if fcntl is not None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def others_can(status: os.stat_result, bits: int) -> bool:
    """Return whether a file's mode gives others one of the rights `bits`. On Windows it says nothing: False."""
    return not IS_WINDOWS and bool(stat.S_IMODE(status.st_mode) & bits)


def drop_typed_ahead() -> None:
    """Forget what was typed at the terminal of standard input and not read yet."""
    if sys.platform == "win32":
        import msvcrt

        while msvcrt.kbhit():
            msvcrt.getwch()
    else:
        import termios

        termios.tcflush(sys.stdin, termios.TCIFLUSH)


def has_display(environment: Mapping[str, str]) -> bool:
    """Return whether a browser can open a window."""
    return IS_MACOS or IS_WINDOWS or any(map(environment.get, ("DISPLAY", "WAYLAND_DISPLAY")))


def handle_signals(loop: AbstractEventLoop, names: Iterable[str], handle: Callable[[], object]) -> Callable[[], None]:
    """Call `handle` at signals, where this system and thread can, and return what takes that back."""
    handled = []
    with suppress(ValueError, RuntimeError, NotImplementedError, AttributeError):
        for name in names:
            loop.add_signal_handler(number := getattr(signal, name), handle)
            handled.append(number)

    def take_back() -> None:
        for number in handled:
            loop.remove_signal_handler(number)

    return take_back


def raise_file_limit(needed: int) -> int:
    """Let this process open `needed` files, as far as it may, and return how many it may open."""
    with suppress(ImportError, ValueError, OSError):  # Windows has no such limit
        import resource

        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if resource.RLIM_INFINITY != soft < needed:
            soft = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        return needed if soft == resource.RLIM_INFINITY else soft
    return needed
