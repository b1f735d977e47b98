"""A clock that tests move."""

from __future__ import annotations


class Clock:
    """Seconds, which pass when `now` is set."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now
