"""Copies of requests for shadow versions: a bounded queue for each shadow, from which excess copies are dropped."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from nlapi.gateway.inference import InferenceRequest, InferenceError, InferenceResult, Runner

_log = logging.getLogger(__name__)

# Copies of one shadow that wait; more are dropped. Without a bound a slow or dead shadow holds memory and connections:
# Envoy held 1,024 connections for a shadow at a dead port.
MAX_WAITING_COPIES = 64

MAX_RUNNING_COPIES = 4
"""copies of one shadow in flight"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShadowCopy:
    """One copied request with its runner; `finished` is called in any case."""

    shadow: str
    request: InferenceRequest
    runner: Runner
    timeout_s: float
    on_result: Callable[[InferenceResult | InferenceError], InferenceResult | InferenceError]
    """checks and counts the result; returns the result, or the failure that it counts as"""
    on_finished: Callable[[], None]


class ShadowQueue:
    """The queues of copies, one for each shadow; no request waits for a copy."""

    def __init__(self, outcomes: Counter[tuple[str, str]]) -> None:
        self._waiting: dict[str, deque[ShadowCopy]] = {}
        self._running: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self.outcomes = outcomes
        """(shadow, "ok" | "error" | "dropped") -> copies"""

    def offer(self, copy: ShadowCopy) -> bool:
        """Run or queue a copy, or drop it when the queue is full; return whether it was accepted."""
        name = copy.shadow
        if self._running[name] < MAX_RUNNING_COPIES:
            self._running[name] += 1
            task = asyncio.get_running_loop().create_task(self._run_queue(copy))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return True
        queue = self._waiting.setdefault(name, deque())
        if len(queue) >= MAX_WAITING_COPIES:
            self.outcomes[name, "dropped"] += 1
            copy.on_finished()
            return False
        queue.append(copy)
        return True

    async def close(self) -> None:
        """Drop the waiting copies and cancel the running ones."""
        for queue in self._waiting.values():
            while queue:
                self._drop(queue.popleft())
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run_queue(self, copy: ShadowCopy | None) -> None:
        name = copy.shadow if copy else ""
        try:
            while copy is not None:
                await self._run(copy)
                queue = self._waiting.get(name)
                copy = queue.popleft() if queue else None
        finally:
            self._running[name] -= 1

    async def _run(self, copy: ShadowCopy) -> None:
        try:
            result: InferenceResult | InferenceError = await copy.runner.run(copy.request, copy.timeout_s, repeatable=False)
        except InferenceError as failure:
            result = failure
        except Exception:
            _log.exception("shadow %s", copy.shadow)
            self.outcomes[copy.shadow, "error"] += 1
            return
        finally:
            copy.on_finished()
        result = copy.on_result(result)
        self.outcomes[copy.shadow, "error" if isinstance(result, InferenceError) else "ok"] += 1

    def _drop(self, copy: ShadowCopy) -> None:
        self.outcomes[copy.shadow, "dropped"] += 1
        copy.on_finished()
