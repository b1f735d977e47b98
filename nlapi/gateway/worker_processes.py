"""Runs local versions in worker processes, each by itself: one that ends, hangs or leaks memory is replaced alone."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Coroutine
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from pickle import PicklingError
from types import FrameType
from typing import Any, TypeAlias

from nlapi.errors import DescriptionError
from nlapi.gateway.bulkhead import Bulkhead, share_limit
from nlapi.gateway.circuit_breaker import CircuitBreaker
from nlapi.gateway.inference import FailureKind, InferenceError, InferenceRequest, InferenceResult
from nlapi.gateway.workflow import ModelManifest, load_workflow, run_pipeline
from nlapi.routing.model import Context

_log = logging.getLogger(__name__)

HANG_GRACE_S = 1.0
"""seconds after its deadline until the process of a call is killed, and from the end of a runner until its processes"""

MAX_START_PAUSE_S = 30.0
"""seconds between two starts of a worker that ends while it loads its version, at most"""

DESTROYER_S = 60.0
"""seconds within which the second worker that ends in a caller's call is held against the caller"""

# Seconds for which such a caller is refused the first time. A new worker is there after 1 to 3 s.
DESTROYER_PAUSE_S = 5.0

# The part of the waiting calls, and of the calls in flight, that one objective and one client may have.
LOCAL_SHARE_PERCENT = 80.0

# A worker is replaced when it has grown by half of what its calls may take: before they begin to fail.
REPLACE_AT = 0.5

Answer: TypeAlias = tuple[InferenceResult | InferenceError, int]
"""the outcome of a call and the resident memory of its worker after it, in bytes"""


class Worker:
    """One process that loads a version and runs one call at a time."""

    # A pool of one process each: in a pool of several, the end of one fails the calls of all.
    def __init__(self, manifest: ModelManifest, nice: int) -> None:
        # spawn: a fork of a process with threads copies locks that no thread of the child releases.
        self._executor = ProcessPoolExecutor(
            1, mp_context=multiprocessing.get_context("spawn"), initializer=_start_worker, initargs=(nice,)
        )
        self.loaded: Future[int] = self._executor.submit(_load_version, manifest)
        """its resident memory once the version is loaded, in bytes; DescriptionError when it cannot be loaded"""
        self.is_retired = False
        """whether it gets no more calls"""

    def submit(self, value: object, context: Context, deadline: float) -> Future[Answer]:
        """Run the version until `deadline` on the monotonic clock, which all processes of a machine share."""
        return self._executor.submit(_run_in_worker, value, context, deadline)

    def kill(self) -> None:
        """Kill the process; its call fails with BrokenExecutor."""
        # Python 3.14 has ProcessPoolExecutor.kill_workers(); before, the processes are only in a private attribute.
        processes: list[BaseProcess] = list((getattr(self._executor, "_processes", None) or {}).values())
        for process in processes:
            with suppress(ValueError):  # the process has ended meanwhile, and its handle is closed
                process.kill()

    def stop(self) -> None:
        """Let the process end, kill it when it has not ended within HANG_GRACE_S, and wait for it."""
        timer = threading.Timer(HANG_GRACE_S, self.kill)
        timer.daemon = True
        timer.start()
        self._executor.shutdown(wait=True)
        timer.cancel()


class WaitingCalls:
    """The calls that wait for a worker. The objectives take turns, so that none waits for all calls of another."""

    def __init__(self) -> None:
        self._by_objective: dict[str, deque[asyncio.Future[Worker]]] = {}

    def add(self, objective: str, call: asyncio.Future[Worker]) -> None:
        self._by_objective.setdefault(objective, deque()).append(call)

    def next(self) -> asyncio.Future[Worker] | None:
        """Remove and return the next call that still waits, or None."""
        while self._by_objective:
            objective = next(iter(self._by_objective))
            calls = self._by_objective.pop(objective)
            call = calls.popleft()
            if calls:
                self._by_objective[objective] = calls  # behind the others
            if not call.done():
                return call
        return None


class ProcessRunner:
    """A runner of a version in worker processes. DescriptionError when they cannot load it."""

    def __init__(self, manifest: ModelManifest, *, nice: int = 0) -> None:
        self._manifest = manifest
        self._nice = nice
        self._workers = {self._start_worker() for _ in range(manifest.workers)}
        self._idle: deque[Worker] = deque(self._workers)
        self._waiting = WaitingCalls()
        self._waiting_count = 0
        self._tasks: set[asyncio.Task[None]] = set()
        slots = manifest.workers + manifest.max_waiting
        limit = share_limit(slots, LOCAL_SHARE_PERCENT)
        self._bulkhead = Bulkhead("this version", limit, limit)
        self._destroyers: dict[tuple[str, str], CircuitBreaker] = {}
        """(objective, client) -> a breaker, for those whose calls ended a second worker within DESTROYER_S"""
        self._ended_at: dict[tuple[str, str], float] = {}
        try:
            # Loading takes longer than the timeout of many a request.
            self._memory_limit = max(worker.loaded.result() for worker in self._workers)
        except BrokenExecutor as error:
            self._stop_all()
            raise DescriptionError("its worker processes end while they load it") from error
        except BaseException:
            self._stop_all()
            raise
        self._memory_limit += int(manifest.memory_mb * 2**20 * REPLACE_AT)

    async def run(self, request: InferenceRequest, timeout_s: float, *, repeatable: bool) -> InferenceResult:
        """Return the version's output; the worker is interrupted at the deadline. InferenceError when there is none."""
        self._bulkhead.enter(request)
        try:
            return await self._run(request, timeout_s)
        finally:
            self._bulkhead.leave(request)

    async def close(self) -> None:
        """Stop the workers, including those that hang."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(asyncio.to_thread(worker.stop) for worker in self._workers))

    async def _run(self, request: InferenceRequest, timeout_s: float) -> InferenceResult:
        deadline = time.monotonic() + timeout_s
        job: Future[Answer] | None = None
        try:
            async with asyncio.timeout(timeout_s):
                worker = await self._take_worker(request)
                job = worker.submit(request.input, dict(request.context), deadline)
                answer = asyncio.wrap_future(job)
                answer.add_done_callback(self._finish_call(worker, request))
                # Shielded: the worker is busy until its call has ended, whoever waits for it.
                outcome, _ = await asyncio.shield(answer)
        except TimeoutError:
            if job is not None:
                asyncio.get_running_loop().call_later(HANG_GRACE_S, self._kill_hanging, worker, job)
            text = f"no answer within {timeout_s * 1000:.0f} ms"
            raise InferenceError(FailureKind.TIMEOUT, text, executed=job is not None) from None
        except BrokenExecutor as error:
            raise InferenceError(FailureKind.ERROR, "its worker process died", executed=True) from error
        except (PicklingError, TypeError, ValueError, AttributeError) as error:  # what pickle raises
            text = f"its output cannot leave its process: {type(error).__name__}"
            raise InferenceError(FailureKind.ERROR, text, executed=True) from error
        if isinstance(outcome, InferenceError):
            raise outcome
        return outcome

    async def _take_worker(self, request: InferenceRequest) -> Worker:
        """Return a free worker. InferenceError UNAVAILABLE when too many calls wait, or the caller ends workers."""
        self._check_destroyer(request)
        if self._idle:
            return self._idle.popleft()
        if self._waiting_count >= self._manifest.max_waiting:
            raise InferenceError(FailureKind.UNAVAILABLE, "too many calls wait for a worker", executed=False)
        call: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
        self._waiting.add(request.objective, call)
        self._waiting_count += 1
        try:
            worker = await call
            try:
                self._check_destroyer(request)  # another call of theirs may have ended a worker meanwhile
            except InferenceError:
                self._release_worker(worker)
                raise
            return worker
        except asyncio.CancelledError:
            if call.done() and not call.cancelled():
                self._release_worker(call.result())
            raise
        finally:
            self._waiting_count -= 1

    # While a new worker starts, the callers of the version wait: who ends them waits longer each time.
    def _check_destroyer(self, request: InferenceRequest) -> None:
        breaker = self._destroyers.get((request.objective, request.client))
        if breaker is not None and not breaker.allows_call:
            text = f"calls of client {request.client!r} for objective {request.objective!r} end its worker processes"
            raise InferenceError(FailureKind.UNAVAILABLE, text, executed=False)

    def _record_destroyer(self, request: InferenceRequest) -> None:
        key, now = (request.objective, request.client), time.monotonic()
        if now - self._ended_at.get(key, float("-inf")) < DESTROYER_S:
            self._destroyers.setdefault(key, CircuitBreaker(time.monotonic, DESTROYER_PAUSE_S)).eject()
        self._ended_at[key] = now

    def _release_worker(self, worker: Worker) -> None:
        """Give the worker to the next call that waits."""
        if worker.is_retired:
            self._create_task(self._stop(worker))
        elif call := self._waiting.next():
            call.set_result(worker)
        else:
            self._idle.append(worker)

    def _finish_call(self, worker: Worker, request: InferenceRequest) -> Callable[[asyncio.Future[Answer]], None]:
        def finish(answer: asyncio.Future[Answer]) -> None:
            error = None if answer.cancelled() else answer.exception()
            if isinstance(error, BrokenExecutor):
                _log.warning("a worker of %s died; starting another", self._manifest.folder.name)
                self._record_destroyer(request)
                self._create_task(self._replace(worker))
                return
            memory = 0 if answer.cancelled() or error else answer.result()[1]
            if memory > self._memory_limit and not worker.is_retired:
                _log.warning("a worker of %s has grown to %d MiB", self._manifest.folder.name, memory // 2**20)
                worker.is_retired = True
                self._create_task(self._replace(worker, is_alive=True))
            self._release_worker(worker)

        return finish

    def _kill_hanging(self, worker: Worker, job: Future[Answer]) -> None:
        # A late call is not started, and a running one is interrupted by a timer: one that still runs ignores both.
        if not job.done():
            _log.warning("a call of %s hangs; its worker is killed", self._manifest.folder.name)
            worker.kill()

    async def _replace(self, worker: Worker, *, is_alive: bool = False) -> None:
        """Start a worker in place of one, however often that takes; one that is alive is stopped after its call."""
        if not is_alive:
            await self._stop(worker)
        pause_s = 1.0
        while True:
            started = self._start_worker()
            self._workers.add(started)
            try:
                await asyncio.wrap_future(started.loaded)
            except (BrokenExecutor, DescriptionError) as error:
                _log.warning("a worker of %s cannot start: %s", self._manifest.folder.name, error)
                await self._stop(started)
                await asyncio.sleep(pause_s)
                pause_s = min(MAX_START_PAUSE_S, 2 * pause_s)
            else:
                self._release_worker(started)
                return

    def _start_worker(self) -> Worker:
        return Worker(self._manifest, self._nice)

    async def _stop(self, worker: Worker) -> None:
        await asyncio.to_thread(worker.stop)
        self._workers.discard(worker)

    def _stop_all(self) -> None:
        for worker in self._workers:
            worker.stop()

    def _create_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


# The version of this worker process: a ProcessPoolExecutor has no other place for what it loads.
_run_version: Callable[[object, Context], InferenceResult] | None = None


def _start_worker(nice: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the gateway, which stops its workers
    if nice and hasattr(os, "nice"):
        os.nice(nice)
    threading.Thread(target=_end_with_gateway, name="end-with-gateway", daemon=True).start()


def _end_with_gateway() -> None:
    # A worker holds both ends of its queue, and would wait for ever for a gateway that was killed.
    gateway = multiprocessing.parent_process()
    if gateway is not None:
        gateway.join()
        os._exit(1)


def _load_version(manifest: ModelManifest) -> int:
    """Load the version, limit the memory that its calls may take, and return the resident memory in bytes."""
    global _run_version
    pipeline = load_workflow(manifest).pipeline
    _run_version = lambda value, context: run_pipeline(pipeline, value, context)  # noqa: E731
    _limit_memory(manifest.memory_mb * 2**20)
    return _resident_memory()


def _run_in_worker(value: object, context: Context, deadline: float) -> Answer:
    remaining_s = deadline - time.monotonic()
    if _run_version is None or remaining_s <= 0:
        late = InferenceError(FailureKind.UNAVAILABLE, "the worker was not ready in time", executed=False)
        return late, _resident_memory()
    has_timer = hasattr(signal, "setitimer")
    if has_timer:
        signal.signal(signal.SIGALRM, _raise_timeout)
        signal.setitimer(signal.ITIMER_REAL, remaining_s)
    outcome: InferenceResult | InferenceError
    try:
        outcome = _run_version(value, context)
    except InferenceError as failure:
        outcome = failure
    finally:
        if has_timer:
            signal.setitimer(signal.ITIMER_REAL, 0)
    return outcome, _resident_memory()


def _raise_timeout(number: int, frame: FrameType | None) -> None:
    raise TimeoutError


def _limit_memory(size: int) -> None:
    """Let this process take `size` bytes more than it has; allocations beyond raise MemoryError. Linux only."""
    # RLIMIT_DATA and not RLIMIT_AS: numpy and onnxruntime reserve far more addresses than they use.
    if sys.platform == "linux":
        import resource

        fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
        limit = int(fields["VmData"].split()[0]) * 1024 + size
        hard_limit = resource.getrlimit(resource.RLIMIT_DATA)[1]
        if hard_limit == resource.RLIM_INFINITY or limit < hard_limit:
            resource.setrlimit(resource.RLIMIT_DATA, (limit, hard_limit))


def _resident_memory() -> int:
    """Return the resident memory of this process in bytes; 0 where the system does not say."""
    if sys.platform != "linux":
        return 0
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
