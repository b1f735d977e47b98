"""The runners of local versions: in the event loop, in threads, or in worker processes."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

from nlapi.errors import DescriptionError
from nlapi.gateway.calls import Ask, Failed, FailureKind, Ran, Runner
from nlapi.gateway.stages import Pipeline
from nlapi.gateway.workers import Daemons, end
from nlapi.gateway.workflow import Manifest, Mode, Workflow, find, load, read
from nlapi.routing.nouns import Context

_log = logging.getLogger(__name__)

# Niceness of a process that runs copies for shadows: it must not take CPU from the requests.
POLITE = 10
STUCK_S = 1.0
"""seconds after its deadline until a call counts as hanging, and until the processes of a stopped pool are killed"""
# Hanging threads that are replaced, for each worker. A thread cannot be killed and keeps its memory, so there is an end
# to it (docs/design/012-serving-engine.md).
MOST_STUCK = 8


def open_runner(source: str, root: Path, *, shadow: bool = False) -> Runner:
    """Load the version at `source` and return its runner. DescriptionError when it cannot be loaded.

    A `shadow` runs in one separate process at low priority, whatever its manifest says.
    """
    # In this process a shadow would hold the interpreter's lock while requests wait for it.
    manifest = read(find(source, root))
    if shadow:
        return Processes(replace(manifest, mode=Mode.PROCESS, workers=1), nice=POLITE)
    if manifest.mode is Mode.PROCESS:
        return Processes(manifest)
    workflow = load(manifest)
    return Threads(workflow) if manifest.mode is Mode.THREAD else Inline(workflow)


class Inline:
    """A runner in the event loop."""

    def __init__(self, workflow: Workflow) -> None:
        self._workflow = workflow
        self._pipeline = workflow.pipeline

    async def run(self, ask: Ask, timeout_s: float, *, repeatable: bool) -> Ran:
        """Return the version's output; the timeout interrupts asynchronous stages only."""
        if not self._pipeline.asynchronous:
            return self._pipeline.run(ask.input, ask.context)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._pipeline.run_async(ask.input, ask.context)
        except TimeoutError:
            raise too_slow(timeout_s) from None

    async def close(self) -> None:
        """Unload the version's code."""
        self._workflow.unload()


class _Pooled:
    """The common part of threads and processes: an executor, a bounded queue in front of it, and a deadline."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._room = manifest.workers + manifest.waiting
        self._hanging: set[Future[Ran]] = set()
        self._latest = 0.0
        """the latest deadline of all calls so far"""
        self._executor: Executor = self._start()

    def _start(self) -> Executor:
        raise NotImplementedError

    def _replace(self, executor: Executor, job: Future[Ran]) -> bool:
        """Replace the worker of a hanging call; return False when one is being replaced or too many hang."""
        raise NotImplementedError

    async def _submit(self, timeout_s: float, function: Callable[..., Ran], *given: Any) -> Ran:
        """Run a function in the executor, with the arguments and its deadline on the monotonic clock."""
        if self._room <= 0:
            raise Failed(FailureKind.UNAVAILABLE, "too many calls wait for a worker", ran=False)
        executor, deadline = self._executor, time.monotonic() + timeout_s
        self._latest = max(self._latest, deadline)
        try:
            job = executor.submit(function, *given, deadline)
            self._room -= 1
            future = asyncio.wrap_future(job)
            future.add_done_callback(lambda one: self._leave(job, one))
            async with asyncio.timeout(timeout_s):
                # Shielded: when a pool breaks, ProcessPoolExecutor fails the waiting calls, and that raises at the
                # first one that was cancelled.
                return await asyncio.shield(future)
        except TimeoutError:
            asyncio.get_running_loop().call_later(STUCK_S, self._look, executor, job)
            raise too_slow(timeout_s) from None
        except BrokenExecutor as error:
            if self._executor is executor:  # only the first of its calls that fail starts the next pool
                _log.warning("a worker of %s died; starting new ones", self._manifest.folder.name)
                self._executor = self._start()
            raise Failed(FailureKind.ERROR, "its worker process died", ran=True) from error

    def _leave(self, job: Future[Ran], future: asyncio.Future[Ran]) -> None:
        if job in self._hanging:
            self._hanging.discard(job)
        else:
            self._room += 1
        if not future.cancelled():
            future.exception()  # after a timeout nobody awaits it, and asyncio would log an unretrieved exception

    def _look(self, executor: Executor, job: Future[Ran]) -> None:
        """Count a call that still runs after its deadline as hanging, and replace its worker."""
        # A late call is not started, and a running one is interrupted by a timer: one that still runs ignores both.
        if job.running() and self._executor is executor:
            self._hanging.add(job)
            self._room += 1
            if self._replace(executor, job):
                _log.warning("a call of %s hangs; another worker takes its place", self._manifest.folder.name)


class Threads(_Pooled):
    """A runner in threads."""

    def __init__(self, workflow: Workflow) -> None:
        super().__init__(workflow.manifest)
        self._workflow = workflow

    def _start(self) -> Daemons:
        return Daemons(self._manifest.workers, self._manifest.folder.name)

    def _replace(self, executor: Executor, job: Future[Ran]) -> bool:
        if not isinstance(executor, Daemons) or len(self._hanging) > MOST_STUCK * self._manifest.workers:
            return False
        executor.replace(job)
        return True

    async def run(self, ask: Ask, timeout_s: float, *, repeatable: bool) -> Ran:
        """Return the version's output; a late thread runs to its end, and nobody waits for it."""
        return await self._submit(timeout_s, _run_in_thread, self._workflow.pipeline, ask.input, ask.context)

    async def close(self) -> None:
        """Stop the workers and unload the version's code."""
        self._executor.shutdown(wait=False)
        self._workflow.unload()


class Processes(_Pooled):
    """A runner in processes that have each loaded the version; a process that dies is replaced."""

    def __init__(self, manifest: Manifest, *, nice: int = 0) -> None:
        self._nice = nice
        self._starting: list[Future[None]] = []
        self._renewing: asyncio.Task[None] | None = None
        self._apart: list[Executor] = []
        """pools without new calls: one that is not ready yet, one that was replaced"""
        load(manifest).unload()  # a fault of the version is raised here, where its message is not lost in a worker
        super().__init__(manifest)
        try:
            for started in self._starting:  # starting a worker takes longer than the timeout of many a request
                started.result()
        except BrokenExecutor as error:
            raise DescriptionError("its worker processes end as soon as they are started") from error

    def _start(self) -> ProcessPoolExecutor:
        # spawn: a fork of a process with threads copies locks that no thread of the child releases.
        executor = ProcessPoolExecutor(
            self._manifest.workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start_worker,
            initargs=(self._manifest, self._nice),
        )
        self._starting = [executor.submit(_started) for _ in range(self._manifest.workers)]
        return executor

    async def run(self, ask: Ask, timeout_s: float, *, repeatable: bool) -> Ran:
        """Return the version's output; the worker is interrupted at the deadline."""
        # All processes of a machine share the monotonic clock, so a deadline includes the time in the queue.
        return await self._submit(timeout_s, _run_in_worker, ask.input, dict(ask.context))

    def _replace(self, executor: Executor, job: Future[Ran]) -> bool:
        if self._renewing is not None and not self._renewing.done():
            return False
        self._renewing = asyncio.get_running_loop().create_task(self._renew(executor))
        return True

    async def _renew(self, old: Executor) -> None:
        """Start a pool in place of one in which a call hangs; the old one still answers its other calls."""
        fresh = self._start()
        self._apart.append(fresh)
        try:
            await asyncio.gather(*(asyncio.shield(asyncio.wrap_future(one)) for one in self._starting))
        except BrokenExecutor:
            _log.warning("new workers of %s end as soon as they are started", self._manifest.folder.name)
        else:
            if self._executor is old:
                self._executor, self._apart = fresh, [old]
        await asyncio.sleep(max(0.0, self._latest - time.monotonic()))
        await self._end_apart()

    async def _end_apart(self) -> None:
        while self._apart:
            await asyncio.to_thread(end, self._apart.pop(), STUCK_S)

    async def close(self) -> None:
        """Stop the workers, including those that hang."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.gather(self._renewing, return_exceptions=True)
        self._apart.append(self._executor)
        await self._end_apart()


# The version of this worker process: a ProcessPoolExecutor has no other place for what its initializer loads.
_loaded: Workflow | None = None


def _start_worker(manifest: Manifest, nice: int) -> None:
    global _loaded
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the gateway, which stops its workers
    if nice and hasattr(os, "nice"):
        os.nice(nice)
    threading.Thread(target=_end_with_gateway, name="end-with-gateway", daemon=True).start()
    _loaded = load(manifest)


def _end_with_gateway() -> None:
    # A worker holds both ends of its queue, and would wait for ever for a gateway that was killed.
    gateway = multiprocessing.parent_process()
    if gateway is not None:
        gateway.join()
        os._exit(1)


def _started() -> None:
    """Do nothing: its result shows that a worker has loaded its version."""


def _run_in_worker(given: Any, context: Context, deadline: float) -> Ran:
    left = deadline - time.monotonic()
    if _loaded is None or left <= 0:
        raise Failed(FailureKind.UNAVAILABLE, "the worker was not ready in time", ran=False)
    if not hasattr(signal, "setitimer"):
        return _run(_loaded.pipeline, given, context)
    signal.signal(signal.SIGALRM, _interrupt)
    signal.setitimer(signal.ITIMER_REAL, left)
    try:
        return _run(_loaded.pipeline, given, context)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _run_in_thread(pipeline: Pipeline, given: Any, context: Context, deadline: float) -> Ran:
    if time.monotonic() >= deadline:
        raise Failed(FailureKind.UNAVAILABLE, "no thread was free in time", ran=False)
    return _run(pipeline, given, context)


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise TimeoutError


def _run(pipeline: Pipeline, given: Any, context: Context) -> Ran:
    if pipeline.asynchronous:
        return asyncio.run(pipeline.run_async(given, context))
    return pipeline.run(given, context)


def too_slow(timeout_s: float) -> Failed:
    """Return the failure of a version that did not answer in time."""
    return Failed(FailureKind.TIMEOUT, f"no answer within {timeout_s * 1000:.0f} ms", ran=True)
