"""Runs local versions in the event loop or in threads, and leaves them although a call hangs."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeAlias

from nlapi.gateway.bulkhead import Bulkhead, share_limit
from nlapi.gateway.inference import FailureKind, InferenceError, InferenceRequest, InferenceResult, Runner
from nlapi.gateway.worker_processes import HANG_GRACE_S, LOCAL_SHARE_PERCENT, ProcessRunner
from nlapi.gateway.workflow import Mode, Pipeline, Workflow, find_folder, load_workflow, read_manifest, run_pipeline
from nlapi.routing.model import Context

Job: TypeAlias = tuple[Future[Any], Callable[[], Any]]

_log = logging.getLogger(__name__)

# Niceness of a process that runs copies for shadows: it must not take CPU from the requests.
SHADOW_NICENESS = 10
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


async def open_runner(source: str, root: Path, *, shadow: bool = False, digest: str = "") -> Runner:
    """Load the version at `source` in a thread and return its runner, which takes calls of this event loop.

    With a `digest` only that content is loaded, also by a worker process that is started later.
    A `shadow` runs in one separate process at low priority, whatever its manifest says.
    DescriptionError when it cannot be loaded, OSError when no process can be started.
    """
    runner = await asyncio.to_thread(_load_runner, source, root, shadow, digest)
    if isinstance(runner, ProcessRunner):
        await runner.connect()
    return runner


def _load_runner(source: str, root: Path, shadow: bool, digest: str) -> Runner:
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


class ThreadRunner:
    """A runner in threads, with a bounded queue in front of them and a deadline for each call."""

    def __init__(self, workflow: Workflow) -> None:
        self._workflow = workflow
        self._manifest = workflow.manifest
        slots = self._manifest.workers + self._manifest.max_waiting
        limit = share_limit(slots, LOCAL_SHARE_PERCENT)
        self._bulkhead = Bulkhead("this version", limit, limit)
        self._free_slots = slots
        self._hanging: set[Future[InferenceResult]] = set()
        self._pool = DaemonThreadPool(self._manifest.workers, self._manifest.folder.name)

    async def run(self, request: InferenceRequest, timeout_s: float, *, repeatable: bool) -> InferenceResult:
        """Return the version's output; a late thread runs to its end, and nobody waits for it."""
        self._bulkhead.enter(request)
        try:
            return await self._run(request, timeout_s)
        finally:
            self._bulkhead.leave(request)

    async def close(self) -> None:
        """Stop the workers and unload the version's code."""
        self._pool.shutdown(wait=False)
        self._workflow.unload()

    async def _run(self, request: InferenceRequest, timeout_s: float) -> InferenceResult:
        if self._free_slots <= 0:
            raise InferenceError(FailureKind.UNAVAILABLE, "too many calls wait for a worker", executed=False)
        deadline = time.monotonic() + timeout_s
        job = self._pool.submit(_run_in_thread, self._workflow.pipeline, request.input, request.context, deadline)
        self._free_slots -= 1
        future = asyncio.wrap_future(job)
        future.add_done_callback(lambda finished: self._finish_call(job, finished))
        try:
            async with asyncio.timeout(timeout_s):
                return await asyncio.shield(future)
        except TimeoutError:
            asyncio.get_running_loop().call_later(HANG_GRACE_S, self._check_hanging, job)
            raise _timeout_error(timeout_s) from None

    def _finish_call(self, job: Future[InferenceResult], future: asyncio.Future[InferenceResult]) -> None:
        if job in self._hanging:
            self._hanging.discard(job)
        else:
            self._free_slots += 1
        if not future.cancelled():
            future.exception()  # after a timeout nobody awaits it, and asyncio would log an unretrieved exception

    def _check_hanging(self, job: Future[InferenceResult]) -> None:
        """Count a call that still runs after its deadline as hanging, and replace its worker."""
        if job.running():
            self._hanging.add(job)
            self._free_slots += 1
            if len(self._hanging) <= MAX_HANGING_THREADS * self._manifest.workers:
                self._pool.replace_thread(job)
                _log.warning("a call of %s hangs; another worker takes its place", self._manifest.folder.name)


def _run_in_thread(pipeline: Pipeline, value: Any, context: Context, deadline: float) -> InferenceResult:
    if time.monotonic() >= deadline:
        raise InferenceError(FailureKind.UNAVAILABLE, "no thread was free in time", executed=False)
    return run_pipeline(pipeline, value, context)


def _timeout_error(timeout_s: float) -> InferenceError:
    """Return the failure of a version that did not answer in time."""
    return InferenceError(FailureKind.TIMEOUT, f"no answer within {timeout_s * 1000:.0f} ms", executed=True)
