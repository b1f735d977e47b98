"""A queue in which those who wait take turns, so that nobody waits for all that somebody else has asked for."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Generic, TypeVar

T = TypeVar("T")


class TurnQueue(Generic[T]):
    """The calls that wait for a T, by the party that each is of."""

    def __init__(self) -> None:
        self._by_party: dict[str, deque[asyncio.Future[T]]] = {}

    def add(self, party: str, call: asyncio.Future[T]) -> None:
        self._by_party.setdefault(party, deque()).append(call)

    def next(self) -> asyncio.Future[T] | None:
        """Remove and return the next call that still waits, or None."""
        while self._by_party:
            party = next(iter(self._by_party))
            calls = self._by_party.pop(party)
            call = calls.popleft()
            if calls:
                self._by_party[party] = calls  # behind the others
            if not call.done():
                return call
        return None


# Seconds of a turn from which on a rest follows: the check of a body of 100 KB takes 8 ms and is ordinary use.
REST_FROM_S = 0.02


class Turns:
    """A lock whose waiting parties take turns, and that rests after a long turn for as long as the turn took.

    So work that holds the interpreter, in whatever thread, leaves the event loop half of the time.
    """

    def __init__(self) -> None:
        self._waiting: TurnQueue[None] = TurnQueue()
        self._is_taken = False

    @asynccontextmanager
    async def take(self, party: str) -> AsyncIterator[None]:
        """Hold the lock while the block runs."""
        if self._is_taken:
            call: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.add(party, call)
            try:
                await call
            except asyncio.CancelledError:
                if call.done() and not call.cancelled():
                    self._pass_on()
                raise
        self._is_taken = True
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        try:
            yield
        finally:
            taken = loop.time() - began_at
            loop.call_later(taken if taken >= REST_FROM_S else 0, self._pass_on)

    def _pass_on(self) -> None:
        if call := self._waiting.next():
            call.set_result(None)  # it stays taken
        else:
            self._is_taken = False
