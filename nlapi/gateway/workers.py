"""Executors that can stop although a call in them hangs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Executor, Future
from contextlib import suppress
from multiprocessing.process import BaseProcess
from queue import SimpleQueue
from typing import Any, TypeAlias

Job: TypeAlias = tuple[Future[Any], Callable[[], Any]]


# A version that hangs must not keep the gateway from stopping: the interpreter waits at its end for the threads of a
# ThreadPoolExecutor, and not for daemon threads.
class DaemonThreadPool(Executor):
    """A pool of daemon threads."""

    def __init__(self, count: int, name: str) -> None:
        self._jobs: SimpleQueue[Job | None] = SimpleQueue()
        self._name = name
        self._count = 0
        self.hanging: set[Future[Any]] = set()
        """the calls that hang; each thread of them has been replaced, and ends when its call returns"""
        for _ in range(count):
            self._start_thread()

    def replace_thread(self, future: Future[Any]) -> None:
        """Start another thread in place of one in which a call hangs."""
        self.hanging.add(future)
        self._start_thread()

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **keywords: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self._jobs.put((future, lambda: function(*arguments, **keywords)))
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let the threads end after the submitted calls, without waiting for them."""
        for _ in range(self._count):
            self._jobs.put(None)

    def _start_thread(self) -> None:
        self._count += 1
        threading.Thread(target=self._run_jobs, name=f"{self._name}-{self._count}", daemon=True).start()

    def _run_jobs(self) -> None:
        while job := self._jobs.get():
            _run_job(*job)
            if job[0] in self.hanging:
                self.hanging.discard(job[0])
                return
            del job  # else the thread would hold a request's input until the next one arrives


def _run_job(future: Future[Any], run: Callable[[], Any]) -> None:
    if future.set_running_or_notify_cancel():
        try:
            future.set_result(run())
        except BaseException as error:
            future.set_exception(error)


def stop_pool(executor: Executor, within_s: float) -> None:
    """Stop the processes of a pool, kill those that have not ended within `within_s` seconds, and wait for them."""
    # Python 3.14 has ProcessPoolExecutor.kill_workers(); before, the processes are only in a private attribute.
    processes: list[BaseProcess] = list((getattr(executor, "_processes", None) or {}).values())
    kill_timer = threading.Timer(within_s, _kill_processes, [processes])
    kill_timer.daemon = True
    kill_timer.start()
    executor.shutdown(wait=True)
    kill_timer.cancel()


def _kill_processes(processes: Iterable[BaseProcess]) -> None:
    for process in processes:
        with suppress(ValueError):  # the process has ended meanwhile, and its handle is closed
            process.kill()
