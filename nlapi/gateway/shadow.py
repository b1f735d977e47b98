"""Copies of requests for shadow versions: a bounded queue for each shadow, from which excess copies are dropped."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from nlapi.gateway.calls import Ask, Failed, Ran, Runner

_log = logging.getLogger(__name__)

# Copies of one shadow that wait; more are dropped. Without a bound a slow or dead shadow holds memory and connections:
# Envoy held 1,024 connections for a shadow at a dead port.
LONGEST = 64

AT_ONCE = 4
"""copies of one shadow in flight"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """One copied request with its runner; `finished` is called in any case."""

    shadow: str
    ask: Ask
    runner: Runner
    timeout_s: float
    answered: Callable[[Ran | Failed], Ran | Failed]
    """checks and counts the result; returns the result, or the failure that it counts as"""
    finished: Callable[[], None]


class Shadows:
    """The queues of copies, one for each shadow; no request waits for a copy."""

    def __init__(self, outcomes: Counter[tuple[str, str]]) -> None:
        self._waiting: dict[str, deque[Copy]] = {}
        self._running: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self.outcomes = outcomes
        """(shadow, "ok" | "error" | "dropped") -> copies"""

    def offer(self, copy: Copy) -> bool:
        """Run or queue a copy, or drop it when the queue is full; return whether it was accepted."""
        name = copy.shadow
        if self._running[name] < AT_ONCE:
            self._running[name] += 1
            task = asyncio.get_running_loop().create_task(self._work(copy))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return True
        line = self._waiting.setdefault(name, deque())
        if len(line) >= LONGEST:
            self.outcomes[name, "dropped"] += 1
            copy.finished()
            return False
        line.append(copy)
        return True

    async def close(self) -> None:
        """Drop the waiting copies and cancel the running ones."""
        for line in self._waiting.values():
            while line:
                self._drop(line.popleft())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _work(self, copy: Copy | None) -> None:
        name = copy.shadow if copy else ""
        try:
            while copy is not None:
                await self._run(copy)
                line = self._waiting.get(name)
                copy = line.popleft() if line else None
        finally:
            self._running[name] -= 1

    async def _run(self, copy: Copy) -> None:
        try:
            result: Ran | Failed = await copy.runner.run(copy.ask, copy.timeout_s, repeatable=False)
        except Failed as failure:
            result = failure
        except Exception:
            _log.exception("shadow %s", copy.shadow)
            self.outcomes[copy.shadow, "error"] += 1
            return
        finally:
            copy.finished()
        result = copy.answered(result)
        self.outcomes[copy.shadow, "error" if isinstance(result, Failed) else "ok"] += 1

    def _drop(self, copy: Copy) -> None:
        self.outcomes[copy.shadow, "dropped"] += 1
        copy.finished()
