"""Runs local versions, in worker processes, threads or the event loop: one that hangs or ends is replaced alone."""

from __future__ import annotations

import asyncio
import logging
import os
import select
import signal
import socket
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from pickle import PicklingError
from queue import SimpleQueue
from typing import Any, TypeAlias, cast

import msgspec

from nlapi.errors import DescriptionError, NlapiError
from nlapi.gateway.http.turn_queue import TurnQueue
from nlapi.gateway.inference import FailureKind, InferenceError, InferenceRequest, InferenceResult, Runner
from nlapi.gateway.shards.bulkhead import Bulkhead, share_limit
from nlapi.gateway.shards.circuit_breaker import CircuitBreaker
from nlapi.gateway.versions.workflow import (
    Mode,
    ModelManifest,
    Pipeline,
    Workflow,
    find_folder,
    load_workflow,
    read_manifest,
    run_pipeline,
)
from nlapi.gateway.workers.factory import FRAME_HEAD, MAX_FRAME_BYTES, Answer, LoadOutcome, encode_call, shared_factory
from nlapi.routing.model import Context

_log = logging.getLogger(__name__)

HANG_GRACE_S = 1.0
"""seconds after its deadline until the process of a call is killed, and from the end of a runner until its processes"""

LOAD_TIMEOUT_S = 120.0
"""seconds that the code and the trained model of one version may take to load"""

MAX_START_PAUSE_S = 30.0
"""seconds between two starts of a worker that ends while it loads its version, at most"""

DESTROYER_S = 60.0
"""seconds within which the second worker that ends in a caller's call is held against the caller"""

# Seconds for which such a caller is refused the first time. A new worker is there once the version is loaded again.
DESTROYER_PAUSE_S = 5.0

# The part of the waiting calls, and of the calls in flight, that one objective and one client may have.
LOCAL_SHARE_PERCENT = 80.0

# A worker is replaced when it has grown by half of what its calls may take: before they begin to fail.
REPLACE_AT = 0.5

_IMPORT_HINT = "check its behaviour on import"


class WorkerEndedError(Exception):
    """The process of a worker ended, and the calls in it are lost."""


class Worker(asyncio.Protocol):
    """One process that loads a version. `start` it in a thread, then `connect` it to the event loop.

    DescriptionError when the version cannot be loaded.
    """

    def __init__(self, connection: socket.socket, process: int, loaded: LoadOutcome) -> None:
        self.loaded = loaded
        self.is_retired = False
        """whether it gets no more calls"""
        self.on_end: Callable[[Worker], None] = lambda worker: None
        """called when its process has ended"""
        self._connection = connection
        self._process = process
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._calls: dict[int, asyncio.Future[Answer]] = {}
        self._call_count = 0
        self._ended = asyncio.Event()

    @classmethod
    def start(
        cls, manifest: ModelManifest, *, nice: int = 0, is_trial: bool = False, timeout_s: float = LOAD_TIMEOUT_S
    ) -> Worker:
        """Start a process and wait until it has loaded the version. OSError when no process can be started."""
        connection, process = shared_factory.start(manifest, nice=nice, is_trial=is_trial)
        try:
            loaded = _read_outcome(connection, timeout_s)
            if loaded is None:
                os.kill(process, signal.SIGKILL)
                loaded = LoadOutcome(fault=f"it is not loaded within {timeout_s:g} s", hint=_IMPORT_HINT)
            elif loaded.exit_code is not None:
                text = f"it ended its process while it was loaded (exit code {loaded.exit_code})"
                loaded = LoadOutcome(fault=text, hint=_IMPORT_HINT)
            if loaded.fault:
                raise DescriptionError(loaded.fault, hint=loaded.hint)
        except BaseException:
            connection.close()
            raise
        return cls(connection, process, loaded)

    @property
    def in_flight(self) -> int:
        """The number of its calls that have not ended."""
        return len(self._calls)

    async def connect(self) -> None:
        """Take its answers in this event loop from now on."""
        self._connection.setblocking(False)
        await asyncio.get_running_loop().create_unix_connection(lambda: self, sock=self._connection)

    def submit(self, value: object, context: Context, deadline: float) -> asyncio.Future[Answer]:
        """Run the version until `deadline` on the monotonic clock. WorkerEndedError when its process ends."""
        if self._transport is None:
            raise WorkerEndedError
        self._call_count += 1
        frame = encode_call((self._call_count, value, context, deadline))
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._calls[self._call_count] = answer
        self._transport.write(frame)
        return answer

    def kill(self) -> None:
        """Kill the process; its calls fail with WorkerEndedError."""
        # While its connection is open the process is there, or has ended this moment: its number stands for no other.
        if not self._ended.is_set():
            with suppress(ProcessLookupError):
                os.kill(self._process, signal.SIGKILL)

    async def stop(self) -> None:
        """Let the process end, kill it when it has not ended within HANG_GRACE_S, and wait for it."""
        if self._transport is None:
            self.discard()
            return
        if not self._ended.is_set():
            self._transport.write_eof()
        try:
            async with asyncio.timeout(HANG_GRACE_S):
                await self._ended.wait()
        except TimeoutError:
            self.kill()
            await self._ended.wait()

    def discard(self) -> None:
        """Close a worker that was never connected; its process ends by itself."""
        self._connection.close()

    # Called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast: the transports of uvloop do not inherit from asyncio's.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        received = self._received
        received += data
        while len(received) >= FRAME_HEAD.size:
            (size,) = FRAME_HEAD.unpack_from(received)
            end = FRAME_HEAD.size + size
            if size > MAX_FRAME_BYTES:
                self.kill()
                return
            if len(received) < end:
                return
            with memoryview(received) as view:
                frame = bytes(view[FRAME_HEAD.size : end])
            del received[:end]
            self._take_answer(frame)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended.set()
        calls, self._calls = self._calls, {}
        for answer in calls.values():
            if not answer.done():
                answer.set_exception(WorkerEndedError())
        self.on_end(self)

    def _take_answer(self, frame: bytes) -> None:
        try:
            answer = _ANSWERS.decode(frame)
        except msgspec.MsgspecError:  # the last words of a process that ends
            return
        waiting = self._calls.pop(answer.call, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)


_ANSWERS = msgspec.json.Decoder(Answer)


def _read_outcome(connection: socket.socket, timeout_s: float) -> LoadOutcome | None:
    """Return the first frame of a worker; None when it does not come in time."""
    deadline = time.monotonic() + timeout_s
    data, end = b"", FRAME_HEAD.size
    while len(data) < end or end == FRAME_HEAD.size:
        ready, _, _ = select.select([connection], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return None
        part = connection.recv(2**16)
        if not part:
            return LoadOutcome(fault="it ended its process while it was loaded", hint=_IMPORT_HINT)
        data += part
        if len(data) >= FRAME_HEAD.size:
            end = FRAME_HEAD.size + FRAME_HEAD.unpack_from(data)[0]
    # A trial that has ended since may have sent a second frame.
    return msgspec.json.decode(data[FRAME_HEAD.size : end], type=LoadOutcome)


class BoundedRunner(ABC):
    """A runner with a bounded number of calls, of which one objective and one client may have a part."""

    def __init__(self, slots: int) -> None:
        limit = share_limit(slots, LOCAL_SHARE_PERCENT)
        self._bulkhead = Bulkhead("this version", limit, limit)

    async def run(self, request: InferenceRequest, timeout_s: float, *, repeatable: bool) -> InferenceResult:
        """Return the version's output. InferenceError if none exists in time, or no place for the call."""
        with self._bulkhead.hold(request):
            return await self._run(request, timeout_s)

    @abstractmethod
    async def _run(self, request: InferenceRequest, timeout_s: float) -> InferenceResult:
        """Return the output of a call that has a place."""


class ProcessRunner(BoundedRunner):
    """A runner of a version in worker processes, each of which is interrupted at the deadline of its call.

    `connect` it to the event loop before it runs anything. DescriptionError when they cannot load the version. It
    blocks until they have: create it in a thread.
    """

    def __init__(self, manifest: ModelManifest, *, nice: int = 0) -> None:
        self._manifest = manifest
        self._nice = nice
        self._workers: set[Worker] = set()
        self._idle: deque[Worker] = deque()
        """the free places of the workers: one of each, and more of one that runs several calls at once"""
        self._waiting: TurnQueue[Worker] = TurnQueue()
        """the calls that wait for a worker; the objectives take turns"""
        self._waiting_count = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closing = False
        self._destroyers: dict[tuple[str, str], CircuitBreaker] = {}
        """(objective, client) -> a breaker, for those whose calls ended a second worker within DESTROYER_S"""
        self._ended_at: dict[tuple[str, str], float] = {}
        try:
            for _ in range(manifest.workers):
                self._workers.add(self._start_worker())
        except BaseException:
            for worker in self._workers:
                worker.discard()
            raise
        loaded = [worker.loaded for worker in self._workers]
        super().__init__(manifest.workers * loaded[0].calls + manifest.max_waiting)
        self._memory_limit = max(outcome.memory for outcome in loaded) + int(manifest.memory_mb * 2**20 * REPLACE_AT)

    async def connect(self) -> None:
        """Take the workers' answers in this event loop."""
        for worker in self._workers:
            await self._add_worker(worker)

    async def close(self) -> None:
        """Stop the workers, including those that hang."""
        self._is_closing = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(worker.stop() for worker in self._workers))

    async def _run(self, request: InferenceRequest, timeout_s: float) -> InferenceResult:
        deadline = time.monotonic() + timeout_s
        job: asyncio.Future[Answer] | None = None
        try:
            async with asyncio.timeout(timeout_s):
                worker = await self._take_worker(request)
                try:
                    job = worker.submit(request.input, request.context, deadline)
                except BaseException:
                    self._release_worker(worker)
                    raise
                job.add_done_callback(self._finish_call(worker, request))
                # Shielded: the worker is busy until its call has ended, whoever waits for it.
                answer = await asyncio.shield(job)
        except TimeoutError:
            if job is not None:
                asyncio.get_running_loop().call_later(HANG_GRACE_S, self._kill_hanging, worker, job)
            text = f"no answer within {timeout_s * 1000:.0f} ms"
            raise InferenceError(FailureKind.TIMEOUT, text, executed=job is not None) from None
        except WorkerEndedError as error:
            raise InferenceError(FailureKind.ERROR, "its worker process died", executed=True) from error
        except (PicklingError, TypeError, ValueError, AttributeError) as error:  # what pickle raises
            text = f"its input cannot get to its process: {type(error).__name__}"
            raise InferenceError(FailureKind.ERROR, text, executed=False) from error
        if answer.failure is not None:
            raise InferenceError(answer.failure, answer.message, executed=answer.executed)
        return InferenceResult(output=answer.output, stages=answer.stages)

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
        """Give a place of the worker to the next call that waits."""
        if worker not in self._workers:  # its process has ended
            return
        if worker.is_retired:
            if not worker.in_flight:
                self._create_task(self._stop(worker))
        elif call := self._waiting.next():
            call.set_result(worker)
        else:
            self._idle.append(worker)

    def _finish_call(self, worker: Worker, request: InferenceRequest) -> Callable[[asyncio.Future[Answer]], None]:
        def finish(job: asyncio.Future[Answer]) -> None:
            error = None if job.cancelled() else job.exception()
            if isinstance(error, WorkerEndedError):
                self._record_destroyer(request)
                return
            memory = 0 if job.cancelled() or error else job.result().memory
            if memory > self._memory_limit and not worker.is_retired:
                _log.warning("a worker of %s has grown to %d MiB", self._manifest.folder.name, memory // 2**20)
                worker.is_retired = True
                self._idle = deque(idle for idle in self._idle if idle is not worker)
                self._create_task(self._replace())
            self._release_worker(worker)

        return finish

    def _end_worker(self, worker: Worker) -> None:
        """Start another worker in place of one that has ended."""
        self._workers.discard(worker)
        self._idle = deque(idle for idle in self._idle if idle is not worker)
        if not worker.is_retired and not self._is_closing:
            _log.warning("a worker of %s died; starting another", self._manifest.folder.name)
            self._create_task(self._replace())

    def _kill_hanging(self, worker: Worker, job: asyncio.Future[Answer]) -> None:
        # A late call is not started, and a running one is interrupted by a timer: one that still runs ignores both.
        if not job.done():
            _log.warning("a call of %s hangs; its worker is killed", self._manifest.folder.name)
            worker.kill()

    async def _replace(self) -> None:
        """Start a worker, however often that takes."""
        pause_s = 1.0
        while True:
            try:
                worker = await asyncio.to_thread(self._start_worker)
            except (OSError, DescriptionError) as error:
                _log.warning("a worker of %s cannot start: %s", self._manifest.folder.name, error)
                await asyncio.sleep(pause_s)
                pause_s = min(MAX_START_PAUSE_S, 2 * pause_s)
            else:
                self._workers.add(worker)
                await self._add_worker(worker)
                return

    def _start_worker(self) -> Worker:
        return Worker.start(self._manifest, nice=self._nice)

    async def _add_worker(self, worker: Worker) -> None:
        worker.on_end = self._end_worker
        await worker.connect()
        for _ in range(worker.loaded.calls):
            self._release_worker(worker)

    async def _stop(self, worker: Worker) -> None:
        await worker.stop()
        self._workers.discard(worker)

    def _create_task(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFault:
    """The reason why a version cannot be loaded."""

    message: str
    hint: str = ""


def try_loading(folders: Sequence[Path], timeout_s: float = LOAD_TIMEOUT_S) -> list[LoadFault | None]:
    """Load the version in each folder in another process, and return the faults in the same order.

    `timeout_s` is for each version. It blocks; call it in a thread.
    """
    return [_try_loading(folder, timeout_s) for folder in folders]


def _try_loading(folder: Path, timeout_s: float) -> LoadFault | None:
    try:
        Worker.start(read_manifest(folder), is_trial=True, timeout_s=timeout_s).discard()
    except NlapiError as error:
        return LoadFault(message=error.message, hint=error.hint)
    except OSError as error:
        # Versions that cannot be tried are loaded all the same: most do no harm.
        _log.warning("no process starts in which versions could be tried (%s); they are loaded without a trial", error)
    return None


Job: TypeAlias = tuple[Future[Any], Callable[[], Any]]


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


def open_sole_runner(source: str, root: Path, *, digest: str) -> SoleRunner:
    """Load the version at `source`, the only one of this process, and return its runner. It blocks.

    Its stages run in the event loop if its manifest says so, else in threads. DescriptionError when it cannot be loaded
    or is other content.
    """
    manifest = replace(read_manifest(find_folder(source, root)), digest=digest)
    workflow = load_workflow(manifest)
    return InlineRunner(workflow) if manifest.mode is Mode.INLINE else ThreadRunner(workflow)


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

    def check_health(self) -> None:
        """Do nothing: while the event loop turns, it answers."""

    async def close(self) -> None:
        """Unload the version's code."""
        self._workflow.unload()


class ThreadRunner(BoundedRunner):
    """A runner in threads, with a bounded queue in front of them and a deadline for each call.

    A late thread runs to its end, and nobody waits for it.
    """

    def __init__(self, workflow: Workflow) -> None:
        self._workflow = workflow
        self._manifest = workflow.manifest
        self._free_slots = self._manifest.workers + self._manifest.max_waiting
        super().__init__(self._free_slots)
        self._hanging: set[Future[InferenceResult]] = set()
        self._pool = DaemonThreadPool(self._manifest.workers, self._manifest.folder.name)

    def check_health(self) -> None:
        """Raise RuntimeError when as many calls hang as are replaced, so that no thread may be free."""
        if len(self._hanging) > MAX_HANGING_THREADS * self._manifest.workers:
            raise RuntimeError(f"{len(self._hanging)} calls hang")

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


SoleRunner: TypeAlias = InlineRunner | ThreadRunner
"""the runner of the only version of a process"""
