"""Stores what a shell completes of an API: its operations, the arguments of each, and ids of the last lists.

Nothing here imports more than the registry: a key press waits for it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from nlapi import registry
from nlapi.version import __version__

FOLDER = "completion"
OPERATIONS = "operations"
IDS = "ids"
# The environment variable that switches off storing ids and names: `off`, `0`, `no` or `false`.
ID_SETTING = "NLAPI_COMPLETION_IDS"


def stores_ids() -> bool:
    """Return whether ids and names of lists may be stored for completion."""
    return os.environ.get(ID_SETTING, "").lower() not in ("off", "0", "no", "false")


def arguments_name(operation_id: str) -> str:
    """Return the name of the entry with the arguments of an operation."""
    return f"arguments-{hashlib.sha256(operation_id.encode()).hexdigest()[:24]}"


def read_entry(source: str, name: str) -> Any:
    """Return a stored entry of an API; None if none exists, or its description has changed since."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        entry = json.loads(_file(source, name).read_bytes())
        if entry["stamp"] == _stamp(source):
            return entry["data"]
    return None


def write_entry(source: str, name: str, data: object) -> None:
    """Store an entry for the user alone (0600); the same entry again, and an error of the disk, change nothing."""
    file = _file(source, name)
    content = json.dumps({"stamp": _stamp(source), "data": data}, ensure_ascii=False, default=str)
    with suppress(OSError, UnicodeEncodeError):
        with suppress(OSError):
            if file.read_text(encoding="utf-8") == content:
                return
        from nlapi.local_files import write_file

        write_file(file, content)


def _file(source: str, name: str) -> Path:
    path = Path(source).expanduser()
    location = str(path.resolve()) if path.is_file() else source
    digest = hashlib.sha256(location.encode("utf-8", "replace")).hexdigest()[:32]
    return registry.user_folder("cache") / FOLDER / digest / f"{name}.json"


def _stamp(source: str) -> list[Any]:
    with suppress(OSError, RuntimeError, ValueError):
        state = Path(source).expanduser().stat()
        return [__version__, state.st_mtime_ns, state.st_size]
    return [__version__]


def operation_entries(source: str) -> list[tuple[str, str]] | None:
    """Return the ids of the operations of an API with their summaries, or None."""
    data = read_entry(source, OPERATIONS)
    return [(str(id), str(summary)) for id, summary in data] if isinstance(data, list) else None


def id_entries(source: str, operation_id: str, field: str) -> Sequence[tuple[str, str]]:
    """Return ids of the last answer of a list, each with the name of its item; () where none are stored."""
    data = read_entry(source, IDS)
    entry = data.get(operation_id) if isinstance(data, Mapping) else None
    if not isinstance(entry, Mapping):
        return ()
    rows = entry.get("fields", {}).get(field or entry.get("id", ""), ())
    return [(str(value), str(name)) for value, name in rows]
