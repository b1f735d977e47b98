"""Loads versions in another process first, where code that ends or blocks its process does the gateway no harm."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nlapi.errors import NlapiError
from nlapi.gateway.worker_processes import LOAD_TIMEOUT_S, Worker
from nlapi.gateway.workflow import read_manifest

_log = logging.getLogger(__name__)


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
        # Versions that cannot be tried are loaded all the same: most are no harm.
        _log.warning("no process starts in which versions could be tried (%s); they are loaded without a trial", error)
    return None
