"""Structured logs: a line of JSON for each request, each decision and each message of the gateway."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from queue import SimpleQueue
from typing import TextIO

import orjson

from nlapi.gateway.control.access import format_time
from nlapi.gateway.records.records import Record, Sink, decision_json

# Characters of a path: anybody may send a long one.
MAX_PATH_CHARS = 300
# Lines that wait for a slow reader of the log; more are dropped and counted, as a request must never wait for it.
MAX_WAITING_LINES = 50_000
STOP_TIMEOUT_S = 5.0

_Line = tuple[float, str, Mapping[str, object]]
"""seconds since 1970, level, and the other members of a line"""


class EventLog(logging.Handler):
    """A log of lines of JSON on a stream, which a thread writes. It receives all messages of the process while open."""

    # Not logging's QueueHandler: its two records for a served request took 58 us of CPU, these two lines take 21.
    def __init__(self, stream: TextIO) -> None:
        super().__init__(logging.INFO)
        self._stream = stream
        self._waiting: SimpleQueue[_Line | None] = SimpleQueue()
        self._dropped = 0
        self._thread = threading.Thread(target=self._write_lines, name="event log", daemon=True)
        self._package_level = logging.NOTSET

    def __enter__(self) -> EventLog:
        package = logging.getLogger("nlapi")
        self._package_level = package.level
        package.setLevel(logging.INFO)
        logging.getLogger().addHandler(self)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        logging.getLogger().removeHandler(self)
        logging.getLogger("nlapi").setLevel(self._package_level)
        self._waiting.put(None)
        # A reader that does not read any more must not keep the process.
        self._thread.join(STOP_TIMEOUT_S)

    def write(self, event: str, details: Mapping[str, object]) -> None:
        """Write a line with an event's name and details."""
        self._put((time.time(), "info", {"event": event, **details}))

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line with a message, and the traceback below it."""
        message = self.format(record)
        self._put((record.created, record.levelname.lower(), {"logger": record.name, "message": message}))

    def _put(self, line: _Line) -> None:
        if self._waiting.qsize() >= MAX_WAITING_LINES:
            self._dropped += 1
            return
        self._waiting.put(line)

    def _write_lines(self) -> None:
        while (line := self._waiting.get()) is not None:
            if self._dropped:
                count, self._dropped = self._dropped, 0
                self._write_line((time.time(), "warning", {"event": "lines_dropped", "lines": count}))
            self._write_line(line)

    def _write_line(self, line: _Line) -> None:
        at, level, members = line
        text = {"at": format_time(datetime.fromtimestamp(at, UTC)), "level": level, **members}
        # A line that cannot be written, on a full disk for example, is one lost line and not the end of the log.
        try:
            self._stream.write(_encode(text))
            if self._waiting.empty():
                self._stream.flush()
        except (OSError, ValueError):
            self._dropped += 1


def _encode(line: Mapping[str, object]) -> str:
    try:
        return orjson.dumps(line, default=str, option=orjson.OPT_APPEND_NEWLINE).decode()
    except TypeError:  # a file name that is not UTF-8 has surrogates, which only escaped JSON can hold
        return f"{json.dumps(line, default=str)}\n"


@dataclass(slots=True, kw_only=True)
class RequestEntry:
    """One request as its line in the log has it. Queries, bodies and headers are left out: they may hold secrets."""

    method: str
    path: str
    operation: str = ""
    caller: str = ""
    """the name of the token"""
    client: str = ""
    problem: str = ""
    """the kind of a refusal or failure"""

    def members(self, status: int, request_id: str, ms: float) -> dict[str, object]:
        """Return the members of the line of a request that was answered, without the empty ones."""
        members: dict[str, object] = {
            "method": self.method,
            "path": self.path[:MAX_PATH_CHARS],
            "operation": self.operation,
            "caller": self.caller,
            "client": self.client,
            "problem": self.problem,
            "request_id": request_id,
            "status": status,
            "ms": round(ms, 3),
        }
        return {name: value for name, value in members.items() if value != ""}


def decision_log(log: EventLog) -> Sink:
    """Return a Sink that writes a line for each decision, without context, input and output: they hold users' data."""

    def write(records: Sequence[Record]) -> None:
        for record in records:
            members = decision_json(record)
            started_at = members.pop("at")
            del members["context"]
            shadow = {"shadow": record.shadow} if record.shadow else {}
            log.write("decision", {"started_at": started_at, **members, **shadow})

    return write
