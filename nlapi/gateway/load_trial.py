"""Loads versions in another process first, where code that ends or blocks its process does the gateway no harm."""

from __future__ import annotations

import multiprocessing
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from pathlib import Path

from nlapi.errors import NlapiError
from nlapi.gateway.local_runners import end_with_gateway
from nlapi.gateway.workflow import load_workflow, read_manifest

LOAD_TIMEOUT_S = 120.0
"""seconds that the code and the trained model of one version may take to load"""
_POLL_S = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFault:
    """The reason why a version cannot be loaded."""

    message: str
    hint: str = ""


def try_loading(folders: Sequence[Path], timeout_s: float = LOAD_TIMEOUT_S) -> list[LoadFault | None]:
    """Load the version in each folder in another process, and return the faults in the same order.

    `timeout_s` is for each version. It blocks; call it in a thread.
    """
    faults: list[LoadFault | None] = []
    while len(faults) < len(folders):
        # A process that one version ends is followed by another for the versions after it.
        faults += _try_in_process(folders[len(faults) :], timeout_s)
    return faults


def _try_in_process(folders: Sequence[Path], timeout_s: float) -> Iterator[LoadFault | None]:
    """Yield the faults of the first versions, up to one that ends or blocks the process."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    process = _context().Process(  # type: ignore[attr-defined]
        target=_load_all, args=(list(folders), sender), name="load-trial"
    )
    process.start()
    sender.close()
    try:
        for _ in folders:
            deadline = time.monotonic() + timeout_s
            # In short waits: a process whose child holds the pipe open has ended all the same.
            while not receiver.poll(_POLL_S) and process.is_alive() and time.monotonic() < deadline:
                pass
            fault = _receive(receiver)
            if isinstance(fault, LoadFault) or fault is None:
                yield fault
                continue
            if process.is_alive() and time.monotonic() >= deadline:
                yield LoadFault(message=f"it is not loaded within {timeout_s:g} s", hint="see what it does at import")
            else:
                process.join(timeout_s)
                yield LoadFault(
                    message=f"it ended its process while it was loaded (exit code {process.exitcode})",
                    hint="see what it does at import",
                )
            return
    finally:
        process.kill()
        process.join()
        process.close()
        receiver.close()


def _receive(receiver: Connection) -> object:
    """Return the next fault or None, or `Ellipsis` when there is nothing to receive."""
    try:
        return receiver.recv() if receiver.poll() else ...
    except (EOFError, OSError):
        return ...


def _context() -> BaseContext:
    # A fork of the server, which has imported this package, takes 15 ms where a new interpreter takes 400; a fork of
    # this process, which has threads, would copy locks that nothing releases.
    if sys.platform == "win32":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    return context


def _load_all(folders: Sequence[Path], sender: Connection) -> None:
    threading.Thread(target=end_with_gateway, name="end-with-gateway", daemon=True).start()
    for folder in folders:
        try:
            load_workflow(read_manifest(folder)).unload()
        except NlapiError as error:
            sender.send(LoadFault(message=error.message, hint=error.hint))
        else:
            sender.send(None)
