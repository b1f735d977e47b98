"""Waiting for what comes by itself, in another process or thread."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Event

PATIENCE_S = 120


def until(condition: Callable[[], object], *, pause_s: float = 0.005) -> None:
    """Come back when it is so. AssertionError after two minutes."""
    end, pause = time.monotonic() + PATIENCE_S, Event()
    while not condition():
        assert time.monotonic() < end, "what was waited for did not come"
        pause.wait(pause_s)
