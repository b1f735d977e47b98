"""Loads versions in another process first, where code that ends or blocks its process does the gateway no harm."""

from __future__ import annotations

import atexit
import logging
import os
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from nlapi.errors import NlapiError
from nlapi.gateway.workflow import load_workflow, read_manifest

CAN_FORK = hasattr(os, "fork")  # not on Windows
LOAD_TIMEOUT_S = 120.0
"""seconds that the code and the trained model of one version may take to load"""
MAX_MESSAGE = 2000
PIPE_BYTES = 1 << 16
"""bytes that a pipe holds, so that an outcome is written and read at once"""
_COMMAND = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1]); "
    "from nlapi.gateway.load_trial import run_helper; run_helper()"
)


class LoadFault(msgspec.Struct, frozen=True, kw_only=True):
    """The reason why a version cannot be loaded."""

    message: str
    hint: str = ""


class _Trial(msgspec.Struct, frozen=True, kw_only=True):
    """The request to load the versions in folders, with the import path of the gateway."""

    folders: list[str]
    path: list[str]
    timeout_s: float


class _Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of one folder; without a fault the version was loaded."""

    fault: LoadFault | None = None


class LoadTrial:
    """A helper process, started at the first trial, that forks another one for each version."""

    # Not multiprocessing's forkserver: its processes import the program's main module, which takes 0.3 s of CPU here
    # for each trial, and a fork of the helper 10 ms.

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._helper: subprocess.Popen[bytes] | None = None

    def run(self, folders: Sequence[Path], timeout_s: float = LOAD_TIMEOUT_S) -> list[LoadFault | None]:
        """Load the version in each folder in another process, and return the faults in the same order.

        `timeout_s` is for each version. It blocks; call it in a thread.
        """
        faults: list[LoadFault | None] = []
        has_failed = False
        with self._lock:
            while len(faults) < len(folders):
                try:
                    faults += self._ask(folders[len(faults) :], timeout_s)
                except (OSError, EOFError):
                    self.close()
                    if not CAN_FORK:  # the code of the version has ended the helper itself
                        faults.append(LoadFault(message="it ended its process while it was loaded", hint=_IMPORT_HINT))
                    elif has_failed:
                        # Versions that cannot be tried are loaded all the same: most are no harm.
                        _log.warning("the helper that tries versions does not start; they are loaded without a trial")
                        return faults + [None] * (len(folders) - len(faults))
                    has_failed = True
        return faults

    def close(self) -> None:
        """End the helper; the next trial starts another."""
        helper, self._helper = self._helper, None
        if helper is not None:
            helper.kill()
            helper.wait()
            for stream in (helper.stdin, helper.stdout):
                if stream is not None:
                    stream.close()

    def _ask(self, folders: Sequence[Path], timeout_s: float) -> list[LoadFault | None]:
        if self._helper is None:
            self._helper = subprocess.Popen(
                [sys.executable, "-c", _COMMAND, msgspec.json.encode([str(entry) for entry in sys.path]).decode()],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                start_new_session=True,  # Ctrl-C is for the gateway, which ends its helper
            )
        if self._helper.stdin is None or self._helper.stdout is None:
            raise EOFError
        trial = _Trial(
            folders=[str(folder) for folder in folders],
            path=[str(entry) for entry in sys.path],
            timeout_s=timeout_s,
        )
        self._helper.stdin.write(msgspec.json.encode(trial) + b"\n")
        self._helper.stdin.flush()
        faults: list[LoadFault | None] = []
        for _ in folders:
            line = self._helper.stdout.readline()
            if not line:
                if not faults:
                    raise EOFError
                break
            faults.append(msgspec.json.decode(line, type=_Outcome).fault)
        return faults


_log = logging.getLogger(__name__)
_IMPORT_HINT = "see what it does when it is imported"
_shared_trial = LoadTrial()
atexit.register(_shared_trial.close)


def try_loading(folders: Sequence[Path], timeout_s: float = LOAD_TIMEOUT_S) -> list[LoadFault | None]:
    """Run a trial with the helper of this process."""
    # One for all engines of a process: the helper holds nothing of any.
    return _shared_trial.run(folders, timeout_s)


def run_helper() -> None:
    """Answer trials on standard input, on standard output, until the gateway closes its end or is gone."""
    output = os.fdopen(os.dup(sys.stdout.fileno()), "wb", buffering=0)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what versions print must not get into the answers
    for line in iter(sys.stdin.buffer.readline, b""):
        trial = msgspec.json.decode(line, type=_Trial)
        sys.path[:] = trial.path
        for folder in trial.folders:
            outcome = _fork(Path(folder), trial.timeout_s, output) if CAN_FORK else _load(Path(folder))
            try:
                output.write(msgspec.json.encode(outcome) + b"\n")
            except BrokenPipeError:  # the gateway is gone
                return


def _load(folder: Path) -> _Outcome:
    try:
        load_workflow(read_manifest(folder)).unload()
    except NlapiError as error:
        return _Outcome(fault=LoadFault(message=error.message[:MAX_MESSAGE], hint=error.hint[:MAX_MESSAGE]))
    return _Outcome()


def _fork(folder: Path, timeout_s: float, output: BinaryIO) -> _Outcome:
    """Load a version in a fork of this process, which has no threads."""
    reader, writer = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reader)
        output.close()
        os.dup2(os.open(os.devnull, os.O_RDONLY), sys.stdin.fileno())  # the next trial comes there
        try:
            os.write(writer, msgspec.json.encode(_load(folder)))
        finally:
            os._exit(0)
    os.close(writer)
    # Standard input is at its end when the gateway is gone: nobody waits for this version any more.
    ready, _, _ = select.select([reader, sys.stdin.fileno()], [], [], timeout_s)
    content = os.read(reader, PIPE_BYTES) if reader in ready else b""
    os.close(reader)
    has_ended = reader in ready and not content
    if not has_ended:
        os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    if content:
        return msgspec.json.decode(content, type=_Outcome)
    if not has_ended:
        return _Outcome(fault=LoadFault(message=f"it is not loaded within {timeout_s:g} s", hint=_IMPORT_HINT))
    message = f"it ended its process while it was loaded (exit code {os.waitstatus_to_exitcode(status)})"
    return _Outcome(fault=LoadFault(message=message, hint=_IMPORT_HINT))
