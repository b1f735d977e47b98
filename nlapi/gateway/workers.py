"""Executors that end although what they run does not: a version that hangs must not keep the gateway from stopping."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from contextlib import suppress
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from typing import Any, TypeAlias

Job: TypeAlias = tuple[Future[Any], Callable[[], Any]]


class Daemons(Executor):
    """Threads that the interpreter does not wait for at its end, as it does for those of ThreadPoolExecutor."""

    def __init__(self, count: int, name: str) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._name = name
        self._count = 0
        self.stuck: set[Future[Any]] = set()
        """what hangs: another thread works in the place of each of their threads, which end when they come back"""
        for _ in range(count):
            self._begin()

    def replace(self, future: Future[Any]) -> None:
        """One thread more, in the place of the one that a call hangs in."""
        self.stuck.add(future)
        self._begin()

    def submit(self, function: Callable[..., Any], /, *given: Any, **named: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._jobs.put((future, lambda: function(*given, **named)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Its threads end when they have done what was submitted; they are not waited for."""
        for _ in range(self._count):
            self._jobs.put(None)

    def _begin(self) -> None:
        self._count += 1
        threading.Thread(target=self._work, name=f"{self._name}-{self._count}", daemon=True).start()

    def _work(self) -> None:
        while job := self._jobs.get():
            _carry_out(*job)
            if job[0] in self.stuck:
                self.stuck.discard(job[0])
                return
            del job  # what was asked is not kept until something else is


def _carry_out(future: Future[Any], run: Callable[[], Any]) -> None:
    if future.set_running_or_notify_cancel():
        try:
            future.set_result(run())
        except BaseException as error:
            future.set_exception(error)


def end(executor: Executor, within_s: float) -> None:
    """Stop a pool's processes, and kill those that have not ended in time. It waits for them."""
    # Python 3.14 has kill_workers; before, there is no public way to the processes.
    processes: list[BaseProcess] = list((getattr(executor, "_processes", None) or {}).values())
    killing = threading.Timer(within_s, _kill, [processes])
    killing.daemon = True
    killing.start()
    executor.shutdown(wait=True)
    killing.cancel()


def _kill(processes: Iterable[BaseProcess]) -> None:
    for one in processes:
        with suppress(ValueError):  # it has ended, and was closed
            one.kill()
