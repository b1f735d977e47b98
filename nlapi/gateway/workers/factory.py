"""Starts worker processes as forks of one helper process, which has one thread and is not the gateway's.

It is imported by the process that workers are forked from, so it imports nothing that the gateway alone needs.
"""

from __future__ import annotations

import asyncio
import atexit
import gc
import logging
import os
import pickle
import selectors
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import msgspec
import orjson

from nlapi.errors import NlapiError
from nlapi.gateway.inference import FailureKind, InferenceError, InferenceResult
from nlapi.gateway.versions.workflow import ModelManifest, Pipeline, load_workflow
from nlapi.gateway.workers.boundary import Confinement, confine, landlock_version, shared_boundary
from nlapi.processes import hide_memory
from nlapi.routing.model import Context
from nlapi.system import CAN_FORK, HAS_TIMER, IS_LINUX, PAGE_SIZE

FRAME_HEAD = struct.Struct("!I")
"""the head of a frame: the number of bytes that follow"""
MAX_FRAME_BYTES = 256 * 2**20

# Calls of an asynchronous version that a worker runs at once; its stages wait most of the time.
ASYNC_CALLS = 64

MAX_MESSAGE_CHARS = 2000

Call = tuple[int, object, Context, float]
"""number of the call, input, context, and the deadline on the monotonic clock, which all processes share"""


class LoadOutcome(msgspec.Struct, frozen=True, kw_only=True):
    """The first frame of a worker: it is loaded, or `fault` says why not."""

    fault: str = ""
    hint: str = ""
    exit_code: int | None = None
    """of a worker that ended meanwhile"""
    memory: int = 0
    """its resident memory in bytes"""
    calls: int = 1
    """number of calls that it runs at once"""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a call: an output with the milliseconds of its stages, or a failure."""

    call: int
    output: Any = None
    stages: dict[str, float] = {}
    failure: FailureKind | None = None
    message: str = ""
    executed: bool = True
    memory: int = 0
    """the resident memory of the worker in bytes"""


def run_worker(
    connection: socket.socket, manifest: ModelManifest, nice: int, *, is_trial: bool, confinement: Confinement
) -> None:
    """Load a version, confined, and answer calls until the gateway closes its end; a trial ends once it is loaded."""
    if nice and hasattr(os, "nice"):
        os.nice(nice)
    try:
        manifest = replace(manifest, folder=confine(confinement, manifest.folder))
        pipeline = load_workflow(manifest).pipeline
        if not is_trial:
            _limit_memory(manifest.memory_mb * 2**20)
    except NlapiError as error:
        outcome = LoadOutcome(fault=error.message[:MAX_MESSAGE_CHARS], hint=error.hint[:MAX_MESSAGE_CHARS])
    except OSError as error:
        outcome = LoadOutcome(fault=f"its process cannot be confined: {error.strerror}")
    else:
        outcome = LoadOutcome(memory=_resident_memory(), calls=ASYNC_CALLS if pipeline.is_async else 1)
    connection.sendall(_frame(outcome))
    if outcome.fault or is_trial:
        return
    if pipeline.is_async:
        asyncio.run(_answer_concurrently(connection, pipeline))
    else:
        _answer_in_turn(connection, pipeline)


def _answer_in_turn(connection: socket.socket, pipeline: Pipeline) -> None:
    frames = connection.makefile("rb")
    while head := frames.read(FRAME_HEAD.size):
        call, value, context, deadline = _decode_call(frames.read(*FRAME_HEAD.unpack(head)))
        connection.sendall(_encode_answer(call, _run(pipeline, value, context, deadline)))


def _run(pipeline: Pipeline, value: object, context: Context, deadline: float) -> InferenceResult | InferenceError:
    remaining_s = deadline - time.monotonic()
    if remaining_s <= 0:
        return _late_error()
    try:
        if HAS_TIMER:
            signal.signal(signal.SIGALRM, _raise_timeout)
            signal.setitimer(signal.ITIMER_REAL, remaining_s)
        return pipeline.run(value, context)
    except InferenceError as failure:
        return failure
    finally:
        if HAS_TIMER:
            signal.setitimer(signal.ITIMER_REAL, 0)


async def _answer_concurrently(connection: socket.socket, pipeline: Pipeline) -> None:
    reader, writer = await asyncio.open_connection(sock=connection)
    tasks: set[asyncio.Task[None]] = set()

    async def answer(call: int, value: object, context: Context, deadline: float) -> None:
        writer.write(_encode_answer(call, await _run_async(pipeline, value, context, deadline)))
        await writer.drain()

    while head := await reader.read(FRAME_HEAD.size):
        head += await reader.readexactly(FRAME_HEAD.size - len(head))
        frame = await reader.readexactly(*FRAME_HEAD.unpack(head))
        task = asyncio.create_task(answer(*_decode_call(frame)))
        tasks.add(task)
        task.add_done_callback(tasks.discard)


async def _run_async(
    pipeline: Pipeline, value: object, context: Context, deadline: float
) -> InferenceResult | InferenceError:
    remaining_s = deadline - time.monotonic()
    if remaining_s <= 0:
        return _late_error()
    try:
        async with asyncio.timeout(remaining_s):
            return await pipeline.run_async(value, context)
    except TimeoutError:
        text = f"no answer within {remaining_s * 1000:.0f} ms"
        return InferenceError(FailureKind.TIMEOUT, text, executed=True)
    except InferenceError as failure:
        return failure


def _late_error() -> InferenceError:
    return InferenceError(FailureKind.UNAVAILABLE, "the worker was not ready in time", executed=False)


def _raise_timeout(number: int, frame: FrameType | None) -> None:
    raise TimeoutError


def _encode_answer(call: int, outcome: InferenceResult | InferenceError) -> bytes:
    memory = _resident_memory()
    if isinstance(outcome, InferenceResult):
        try:
            # Here and not in the gateway, which would have to import numpy for an output of it.
            output = msgspec.Raw(orjson.dumps(outcome.output, option=orjson.OPT_SERIALIZE_NUMPY))
        except (TypeError, UnicodeEncodeError) as error:
            text = f"its output cannot leave its process: it is not JSON ({error})"
            outcome = InferenceError(FailureKind.ERROR, text[:MAX_MESSAGE_CHARS], executed=True)
        else:
            return _frame(Answer(call=call, output=output, stages=dict(outcome.stages), memory=memory))
    return _frame(
        Answer(call=call, failure=outcome.kind, message=outcome.message, executed=outcome.executed, memory=memory)
    )


_ENCODER = msgspec.json.Encoder()


def _frame(content: LoadOutcome | Answer) -> bytes:
    data = _ENCODER.encode(content)
    return FRAME_HEAD.pack(len(data)) + data


def encode_call(call: Call) -> bytes:
    """Return the frame of a call. PicklingError, TypeError, ValueError or AttributeError when it cannot be sent."""
    number, value, context, deadline = call
    data = pickle.dumps((number, value, dict(context), deadline), pickle.HIGHEST_PROTOCOL)
    return FRAME_HEAD.pack(len(data)) + data


def _decode_call(frame: bytes) -> Call:
    # Pickled, as an input may be any value. Answers are not: the code of a version may write anything.
    call: Call = pickle.loads(frame)  # noqa: S301 - of the gateway
    return call


def encode_end(status: int) -> bytes:
    """Return the frame of a worker that ended while it loaded its version, by its wait status."""
    return _frame(LoadOutcome(exit_code=os.waitstatus_to_exitcode(status)))


def _limit_memory(size: int) -> None:
    """Let this process take `size` bytes more than it has; allocations beyond raise MemoryError. Linux only."""
    # RLIMIT_DATA and not RLIMIT_AS: numpy and onnxruntime reserve far more addresses than they use.
    if IS_LINUX:
        import resource

        fields: Mapping[str, str] = dict(
            line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line
        )
        limit = int(fields["VmData"].split()[0]) * 1024 + size
        hard_limit = resource.getrlimit(resource.RLIMIT_DATA)[1]
        if hard_limit == resource.RLIM_INFINITY or limit < hard_limit:
            resource.setrlimit(resource.RLIMIT_DATA, (limit, hard_limit))


def _resident_memory() -> int:
    """Return the resident memory of this process in bytes; 0 where the system does not say."""
    if not IS_LINUX:
        return 0
    # Not through pathlib, which takes 20 us: every call asks.
    file = os.open("/proc/self/statm", os.O_RDONLY)
    try:
        return int(os.read(file, 100).split()[1]) * PAGE_SIZE
    finally:
        os.close(file)


IDLE_S = 20.0
"""seconds without a worker after which the helper ends; it takes 27 MiB, and 0.2 s to start again"""
SHUTDOWN_S = 5.0
"""seconds after which a helper that does not end is killed"""
_TEMPORARY_PREFIX = "nlapi-workers-"
_COMMAND = (
    "import sys; sys.path[:] = {path!r}; "
    "from nlapi.gateway.workers.factory import run_helper; run_helper(int(sys.argv[1]))"
)
_WORKER_COMMAND = "import sys; sys.path[:] = {path!r}; from nlapi.gateway.workers.factory import run_alone; run_alone()"

StartOrder = tuple[ModelManifest, int, bool, list[str], Confinement]
"""the version, the niceness of its process, whether it is a trial, the gateway's import path, and what it gives up"""

_log = logging.getLogger(__name__)


class WorkerFactory:
    """The helper process, started at the first worker, and again when it has ended."""

    # Not multiprocessing: its spawned processes and those of its forkserver import the program's main module, and a
    # start by spawn takes 1 to 3 s; a fork of this helper 10 ms, and its memory is shared with the helper.
    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._helper: subprocess.Popen[bytes] | None = None
        self._control: socket.socket | None = None

    def warm_up(self) -> None:
        """Let the helper start in the background, as a worker will be needed soon."""
        with self._lock, suppress(OSError):  # `start` says why
            if CAN_FORK and self._control is None:
                self._start_helper()

    def start(self, manifest: ModelManifest, *, nice: int = 0, is_trial: bool = False) -> tuple[socket.socket, int]:
        """Start a worker; return the gateway's end of its socket and its process id. OSError when that is impossible.

        It blocks for some milliseconds, for the start of the helper longer.
        """
        path = [str(entry) for entry in sys.path]
        order: StartOrder = (manifest, nice, is_trial, path, shared_boundary.confinement())
        ours, theirs = socket.socketpair()
        try:
            with self._lock:
                process = self._order(order, theirs)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return ours, process

    def close(self) -> None:
        """End the helper and all of its workers."""
        helper, self._helper = self._helper, None
        control, self._control = self._control, None
        if control is not None:
            control.close()
        if helper is not None:
            try:
                helper.wait(SHUTDOWN_S)
            except subprocess.TimeoutExpired:
                helper.kill()
                helper.wait()

    def _order(self, order: StartOrder, theirs: socket.socket) -> int:
        if not CAN_FORK:
            return _start_alone(order, theirs)
        try:
            process = self._ask(order, theirs)
        except (OSError, EOFError):  # the helper has ended
            self.close()
            try:
                process = self._ask(order, theirs)
            except EOFError as error:
                self.close()
                raise OSError("the process that starts workers does not start") from error
        if not process:
            raise OSError("the system starts no further process")
        return process

    def _ask(self, order: StartOrder, theirs: socket.socket) -> int:
        control = self._control or self._start_helper()
        data = pickle.dumps(order)
        socket.send_fds(control, [FRAME_HEAD.pack(len(data))], [theirs.fileno()])
        control.sendall(data)
        return int(FRAME_HEAD.unpack(_receive(control, FRAME_HEAD.size))[0])

    def _start_helper(self) -> socket.socket:
        if gaps := shared_boundary.gaps():
            _log.warning(gaps)
        if not landlock_version():
            hide_memory()
        ours, theirs = socket.socketpair()
        with theirs:
            # A separate program, not a fork of the gateway: it has none of its memory, variables and open files.
            self._helper = subprocess.Popen(
                [sys.executable, "-c", _COMMAND.format(path=[str(entry) for entry in sys.path]), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                env=self._environment(),
                pass_fds=[theirs.fileno()],
                start_new_session=True,  # Ctrl-C is for the gateway, which ends its helper
            )
        # Else one that ends because it is idle would stay a zombie until the next start.
        threading.Thread(target=self._helper.wait, name="worker helper", daemon=True).start()
        self._control = ours
        return ours

    def _environment(self) -> dict[str, str]:
        """Return the variables of a helper and its workers, with a folder of theirs for temporary files."""
        try:
            folder = tempfile.mkdtemp(prefix=_TEMPORARY_PREFIX)  # the helper deletes it when it ends
        except OSError:  # none can be written: versions may need none
            return dict(shared_boundary.environment)
        user = shared_boundary.confinement().user
        if user is None:
            return {**shared_boundary.environment, "TMPDIR": folder}
        os.chown(folder, *user)
        return {**shared_boundary.environment, "TMPDIR": folder, "HOME": folder}


shared_factory = WorkerFactory()
"""the factory of this process, for all engines: the helper holds nothing of any"""
atexit.register(shared_factory.close)


def _receive(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise EOFError
        data += part
    return data


def _start_alone(order: StartOrder, theirs: socket.socket) -> int:
    """Start a worker on a system without fork."""
    helper = subprocess.Popen(
        [sys.executable, "-c", _WORKER_COMMAND.format(path=order[3])],
        stdin=subprocess.PIPE,
        env=dict(shared_boundary.environment),
        start_new_session=True,
    )
    shared: bytes = getattr(theirs, "share")(helper.pid)  # noqa: B009 - typed on Windows alone
    if helper.stdin is not None:
        with helper.stdin as stream:
            pickle.dump((order, shared), stream)
    return helper.pid


def run_alone() -> None:
    """Be a worker whose order comes on standard input, on a system without fork."""
    (manifest, nice, is_trial, _, confinement), shared = pickle.load(sys.stdin.buffer)  # noqa: S301 - of the gateway
    connection = getattr(socket, "fromshare")(shared)  # noqa: B009 - as above
    run_worker(connection, manifest, nice, is_trial=is_trial, confinement=confinement)


# Everything below runs in the helper and its forks.


class _Helper:
    """The forks, with the helper's own end of the socket of each."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._workers: dict[int, socket.socket] = {}
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_writer, False)
        self._selector = selectors.DefaultSelector()
        self._selector.register(control, selectors.EVENT_READ)
        self._selector.register(self._wake_reader, selectors.EVENT_READ)

    def run(self) -> None:
        signal.set_wakeup_fd(self._wake_writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _do_nothing)
        try:
            while ready := {key.fileobj for key, _ in self._selector.select(None if self._workers else IDLE_S)}:
                if self._wake_reader in ready:
                    os.read(self._wake_reader, 4096)
                    self._reap()
                if self._control in ready:
                    self._fork()
        except (EOFError, ConnectionError):  # the gateway is gone
            pass
        finally:
            for process in self._workers:
                os.kill(process, signal.SIGKILL)
            folder = Path(tempfile.gettempdir())
            if folder.name.startswith(_TEMPORARY_PREFIX):
                shutil.rmtree(folder, ignore_errors=True)

    def _fork(self) -> None:
        head, descriptors, _, _ = socket.recv_fds(self._control, FRAME_HEAD.size, 1)
        if not head or not descriptors:
            raise EOFError
        head += _receive(self._control, FRAME_HEAD.size - len(head))
        order: StartOrder = pickle.loads(_receive(self._control, *FRAME_HEAD.unpack(head)))  # noqa: S301 - of the gateway
        connection = socket.socket(fileno=descriptors[0])
        try:
            process = os.fork()
        except OSError:  # too many processes, or no memory
            connection.close()
            self._control.sendall(FRAME_HEAD.pack(0))
            return
        if process == 0:
            self._become_worker(connection, order)
        self._workers[process] = connection
        self._control.sendall(FRAME_HEAD.pack(process))

    def _become_worker(self, connection: socket.socket, order: StartOrder) -> NoReturn:
        try:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._selector.close()
            self._control.close()
            os.close(self._wake_reader)
            os.close(self._wake_writer)
            for other in self._workers.values():
                other.close()
            manifest, nice, is_trial, path, confinement = order
            sys.path[:] = path
            run_worker(connection, manifest, nice, is_trial=is_trial, confinement=confinement)
        except (BrokenPipeError, ConnectionResetError):  # the gateway is gone, or has closed its end
            pass
        finally:
            with suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(0)

    def _reap(self) -> None:
        """End the connections of forks that have ended, also where a process of theirs holds it open."""
        while self._workers:
            process, status = os.waitpid(-1, os.WNOHANG)
            if not process:
                return
            with self._workers.pop(process) as connection, suppress(OSError):
                connection.setblocking(False)
                connection.send(encode_end(status))
                connection.shutdown(socket.SHUT_RDWR)


def run_helper(control: int) -> None:
    """Fork workers as they are ordered on a socket until the gateway is gone, then end them."""
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what versions print must not get into the gateway's output
    # systemd sends SIGTERM to all processes of a service: the gateway finishes its calls first. A handler and not
    # SIG_IGN, which programs that a stage starts would inherit.
    signal.signal(signal.SIGTERM, _do_nothing)
    signal.signal(signal.SIGINT, _do_nothing)
    gc.freeze()  # collections would write to memory that the forks share
    _Helper(socket.socket(fileno=control)).run()


def _do_nothing(number: int, frame: Any) -> None:
    """Handle a signal by doing nothing."""
