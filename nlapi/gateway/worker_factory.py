"""Starts worker processes as forks of one helper process, which has one thread and is none of the gateway's."""

from __future__ import annotations

import atexit
import gc
import logging
import os
import pickle
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from nlapi.gateway.worker_boundary import Confinement, protect_memory, shared_boundary
from nlapi.gateway.worker_main import FRAME_HEAD, encode_end, run_worker
from nlapi.gateway.workflow import ModelManifest

CAN_FORK = hasattr(os, "fork")  # not on Windows
IDLE_S = 20.0
"""seconds without a worker after which the helper ends; it takes 27 MiB, and 0.2 s to start again"""
SHUTDOWN_S = 5.0
"""seconds after which a helper that does not end is killed"""
_TEMPORARY_PREFIX = "nlapi-workers-"
_COMMAND = (
    "import sys; sys.path[:] = {path!r}; "
    "from nlapi.gateway.worker_factory import run_helper; run_helper(int(sys.argv[1]))"
)
_WORKER_COMMAND = "import sys; sys.path[:] = {path!r}; from nlapi.gateway.worker_factory import run_alone; run_alone()"

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
        protect_memory()
        ours, theirs = socket.socketpair()
        with theirs:
            # A program of its own and no fork of the gateway: nothing of its memory, variables and open files is there.
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
        if user is None or not hasattr(os, "chown"):
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
