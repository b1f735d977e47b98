"""Runs local versions in the event loop, in threads or in worker processes, and stops them although a call hangs."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import suppress
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path
from queue import SimpleQueue
from types import FrameType
from typing import Any, TypeAlias

from nlapi.errors import DescriptionError
from nlapi.gateway.inference import FailureKind, InferenceError, InferenceRequest, InferenceResult, Runner
from nlapi.gateway.workflow import Mode, ModelManifest, Pipeline, Workflow, find_folder, load_workflow, read_manifest
from nlapi.routing.model import Context

Job: TypeAlias = tuple[Future[Any], Callable[[], Any]]

_log = logging.getLogger(__name__)

# Niceness of a process that runs copies for shadows: it must not take CPU from the requests.
SHADOW_NICENESS = 10
HANG_GRACE_S = 1.0
"""seconds after its deadline until a call counts as hanging, and until the processes of a stopped pool are killed"""
# Hanging threads that are replaced, for each worker. A thread cannot be killed and keeps its memory, so there is an end
# to it (docs/design/012-serving-engine.md).
MAX_HANGING_THREADS = 8


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


def _stop_pool(executor: Executor, within_s: float) -> None:
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


def open_runner(source: str, root: Path, *, shadow: bool = False, digest: str = "") -> Runner:
    """Load the version at `source` and return its runner. DescriptionError when it cannot be loaded.

    With a `digest` only that content is loaded, also by a worker process that is started later.
    A `shadow` runs in one separate process at low priority, whatever its manifest says.
    """
    # In this process a shadow would hold the interpreter's lock while requests wait for it.
    manifest = replace(read_manifest(find_folder(source, root)), digest=digest)
    if shadow:
        return ProcessRunner(replace(manifest, mode=Mode.PROCESS, workers=1), nice=SHADOW_NICENESS)
    if manifest.mode is Mode.PROCESS:
        return ProcessRunner(manifest)
    workflow = load_workflow(manifest)
    return ThreadRunner(workflow) if manifest.mode is Mode.THREAD else InlineRunner(workflow)


class InlineRunner:
    """A runner in the event loop."""

    def __init__(self, workflow: Workflow) -> None:
        self._workflow = workflow
        self._pipeline = workflow.pipeline

    async def run(self, request: InferenceRequest, timeout_s: float, *, repeatable: bool) -> InferenceResult:
        """Return the version's output; the timeout interrupts asynchronous stages only."""
        if not self._pipeline.is_async:
            return self._pipeline.run(request.input, request.context)
        try:
            async with asyncio.timeout(timeout_s):
                return await self._pipeline.run_async(request.input, request.context)
        except TimeoutError:
            raise _timeout_error(timeout_s) from None

    async def close(self) -> None:
        """Unload the version's code."""
        self._workflow.unload()


class _PooledRunner:
    """The common part of threads and processes: an executor, a bounded queue in front of it, and a deadline."""

    def __init__(self, manifest: ModelManifest) -> None:
        self._manifest = manifest
        self._free_slots = manifest.workers + manifest.max_waiting
        self._hanging: set[Future[InferenceResult]] = set()
        self._latest_deadline = 0.0
        """the latest deadline of all calls so far"""
        self._executor: Executor = self._create_executor()

    def _create_executor(self) -> Executor:
        raise NotImplementedError

    def _replace_worker(self, executor: Executor, job: Future[InferenceResult]) -> bool:
        """Replace the worker of a hanging call; return False when one is being replaced or too many hang."""
        raise NotImplementedError

    async def _submit(
        self, timeout_s: float, function: Callable[..., InferenceResult], *arguments: Any
    ) -> InferenceResult:
        """Run a function in the executor, with the arguments and its deadline on the monotonic clock."""
        if self._free_slots <= 0:
            raise InferenceError(FailureKind.UNAVAILABLE, "too many calls wait for a worker", executed=False)
        executor, deadline = self._executor, time.monotonic() + timeout_s
        self._latest_deadline = max(self._latest_deadline, deadline)
        try:
            job = executor.submit(function, *arguments, deadline)
            self._free_slots -= 1
            future = asyncio.wrap_future(job)
            future.add_done_callback(lambda finished: self._finish_call(job, finished))
            async with asyncio.timeout(timeout_s):
                # Shielded: when a pool breaks, ProcessPoolExecutor fails the waiting calls, and that raises at the
                # first one that was cancelled.
                return await asyncio.shield(future)
        except TimeoutError:
            asyncio.get_running_loop().call_later(HANG_GRACE_S, self._check_hanging, executor, job)
            raise _timeout_error(timeout_s) from None
        except BrokenExecutor as error:
            if self._executor is executor:  # only the first of its calls that fail starts the next pool
                _log.warning("a worker of %s died; starting new ones", self._manifest.folder.name)
                self._executor = self._create_executor()
            raise InferenceError(FailureKind.ERROR, "its worker process died", executed=True) from error

    def _finish_call(self, job: Future[InferenceResult], future: asyncio.Future[InferenceResult]) -> None:
        if job in self._hanging:
            self._hanging.discard(job)
        else:
            self._free_slots += 1
        if not future.cancelled():
            future.exception()  # after a timeout nobody awaits it, and asyncio would log an unretrieved exception

    def _check_hanging(self, executor: Executor, job: Future[InferenceResult]) -> None:
        """Count a call that still runs after its deadline as hanging, and replace its worker."""
        # A late call is not started, and a running one is interrupted by a timer: one that still runs ignores both.
        if job.running() and self._executor is executor:
            self._hanging.add(job)
            self._free_slots += 1
            if self._replace_worker(executor, job):
                _log.warning("a call of %s hangs; another worker takes its place", self._manifest.folder.name)


class ThreadRunner(_PooledRunner):
    """A runner in threads."""

    def __init__(self, workflow: Workflow) -> None:
        super().__init__(workflow.manifest)
        self._workflow = workflow

    def _create_executor(self) -> DaemonThreadPool:
        return DaemonThreadPool(self._manifest.workers, self._manifest.folder.name)

    def _replace_worker(self, executor: Executor, job: Future[InferenceResult]) -> bool:
        if (
            not isinstance(executor, DaemonThreadPool)
            or len(self._hanging) > MAX_HANGING_THREADS * self._manifest.workers
        ):
            return False
        executor.replace_thread(job)
        return True

    async def run(self, request: InferenceRequest, timeout_s: float, *, repeatable: bool) -> InferenceResult:
        """Return the version's output; a late thread runs to its end, and nobody waits for it."""
        return await self._submit(timeout_s, _run_in_thread, self._workflow.pipeline, request.input, request.context)

    async def close(self) -> None:
        """Stop the workers and unload the version's code."""
        self._executor.shutdown(wait=False)
        self._workflow.unload()


class ProcessRunner(_PooledRunner):
    """A runner in processes that have each loaded the version; a process that dies is replaced."""

    def __init__(self, manifest: ModelManifest, *, nice: int = 0) -> None:
        self._nice = nice
        self._start_futures: list[Future[None]] = []
        self._renewal: asyncio.Task[None] | None = None
        self._retired_pools: list[Executor] = []
        """pools without new calls: one that is not ready yet, one that was replaced"""
        # A fault of the version was reported by its trial (load_trial.py); here its message would be lost.
        super().__init__(manifest)
        try:
            for (
                start_future
            ) in self._start_futures:  # starting a worker takes longer than the timeout of many a request
                start_future.result()
        except BrokenExecutor as error:
            raise DescriptionError("its worker processes end as soon as they are started") from error

    def _create_executor(self) -> ProcessPoolExecutor:
        # spawn: a fork of a process with threads copies locks that no thread of the child releases.
        executor = ProcessPoolExecutor(
            self._manifest.workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start_worker,
            initargs=(self._manifest, self._nice),
        )
        self._start_futures = [executor.submit(_confirm_start) for _ in range(self._manifest.workers)]
        return executor

    async def run(self, request: InferenceRequest, timeout_s: float, *, repeatable: bool) -> InferenceResult:
        """Return the version's output; the worker is interrupted at the deadline."""
        # All processes of a machine share the monotonic clock, so a deadline includes the time in the queue.
        return await self._submit(timeout_s, _run_in_worker, request.input, dict(request.context))

    def _replace_worker(self, executor: Executor, job: Future[InferenceResult]) -> bool:
        if self._renewal is not None and not self._renewal.done():
            return False
        self._renewal = asyncio.get_running_loop().create_task(self._renew_pool(executor))
        return True

    async def _renew_pool(self, old_pool: Executor) -> None:
        """Start a pool in place of one in which a call hangs; the old one still answers its other calls."""
        new_pool = self._create_executor()
        self._retired_pools.append(new_pool)
        try:
            await asyncio.gather(
                *(asyncio.shield(asyncio.wrap_future(start_future)) for start_future in self._start_futures)
            )
        except BrokenExecutor:
            _log.warning("new workers of %s end as soon as they are started", self._manifest.folder.name)
        else:
            if self._executor is old_pool:
                self._executor, self._retired_pools = new_pool, [old_pool]
        await asyncio.sleep(max(0.0, self._latest_deadline - time.monotonic()))
        await self._end_retired()

    async def _end_retired(self) -> None:
        while self._retired_pools:
            await asyncio.to_thread(_stop_pool, self._retired_pools.pop(), HANG_GRACE_S)

    async def close(self) -> None:
        """Stop the workers, including those that hang."""
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.gather(self._renewal, return_exceptions=True)
        self._retired_pools.append(self._executor)
        await self._end_retired()


# The version of this worker process: a ProcessPoolExecutor has no other place for what its initializer loads.
_worker_workflow: Workflow | None = None


def _start_worker(manifest: ModelManifest, nice: int) -> None:
    global _worker_workflow
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the gateway, which stops its workers
    if nice and hasattr(os, "nice"):
        os.nice(nice)
    threading.Thread(target=_end_with_gateway, name="end-with-gateway", daemon=True).start()
    _worker_workflow = load_workflow(manifest)


def _end_with_gateway() -> None:
    # A worker holds both ends of its queue, and would wait for ever for a gateway that was killed.
    gateway = multiprocessing.parent_process()
    if gateway is not None:
        gateway.join()
        os._exit(1)


def _confirm_start() -> None:
    """Do nothing: its result shows that a worker has loaded its version."""


def _run_in_worker(value: Any, context: Context, deadline: float) -> InferenceResult:
    remaining_s = deadline - time.monotonic()
    if _worker_workflow is None or remaining_s <= 0:
        raise InferenceError(FailureKind.UNAVAILABLE, "the worker was not ready in time", executed=False)
    if not hasattr(signal, "setitimer"):
        return _run_pipeline(_worker_workflow.pipeline, value, context)
    signal.signal(signal.SIGALRM, _raise_timeout)
    signal.setitimer(signal.ITIMER_REAL, remaining_s)
    try:
        return _run_pipeline(_worker_workflow.pipeline, value, context)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _run_in_thread(pipeline: Pipeline, value: Any, context: Context, deadline: float) -> InferenceResult:
    if time.monotonic() >= deadline:
        raise InferenceError(FailureKind.UNAVAILABLE, "no thread was free in time", executed=False)
    return _run_pipeline(pipeline, value, context)


def _raise_timeout(number: int, frame: FrameType | None) -> None:
    raise TimeoutError


def _run_pipeline(pipeline: Pipeline, value: Any, context: Context) -> InferenceResult:
    if pipeline.is_async:
        return asyncio.run(pipeline.run_async(value, context))
    return pipeline.run(value, context)


def _timeout_error(timeout_s: float) -> InferenceError:
    """Return the failure of a version that did not answer in time."""
    return InferenceError(FailureKind.TIMEOUT, f"no answer within {timeout_s * 1000:.0f} ms", executed=True)
