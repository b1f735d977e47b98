"""Structured logs: a line of JSON for each request, each decision and each message of the gateway."""

from __future__ import annotations

import logging
import queue
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from logging.handlers import QueueHandler, QueueListener
from typing import TextIO

import orjson

from nlapi.gateway.access import format_time
from nlapi.gateway.records import Record, Sink, decision_json

# Characters of a path: anybody may send a long one.
MAX_PATH_CHARS = 300
# Messages that wait for a slow reader of the log; more are dropped, as a request must never wait for it.
MAX_WAITING_LINES = 50_000

_EVENT = "nlapi_event"
_log = logging.getLogger("nlapi.gateway.events")


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

    def write(self, status: int, request_id: str, ms: float) -> None:
        """Write the line of a request that was answered."""
        details = {
            "method": self.method,
            "path": self.path[:MAX_PATH_CHARS],
            "operation": self.operation,
            "caller": self.caller,
            "client": self.client,
            "problem": self.problem,
            "request_id": request_id,
        }
        given = {name: value for name, value in details.items() if value}
        write_event("request", {**given, "status": status, "ms": round(ms, 3)})


def write_event(event: str, details: Mapping[str, object]) -> None:
    """Write a line with an event's name and details."""
    _log.info(event, extra={_EVENT: {"event": event, **details}})


def decision_log() -> Sink:
    """Return a Sink that writes a line for each decision, without context, input and output: they hold users' data."""

    def write(records: Sequence[Record]) -> None:
        for record in records:
            details = decision_json(record)
            at = details.pop("at")
            del details["context"]
            shadow = {"shadow": record.shadow} if record.shadow else {}
            write_event("decision", {"started_at": at, **details, **shadow})

    return write


@contextmanager
def json_logs(stream: TextIO) -> Iterator[None]:
    """Write all messages of the process as lines of JSON to a stream while the block lasts, in a thread of its own."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_JsonFormatter())
    waiting: queue.Queue[logging.LogRecord] = queue.Queue(MAX_WAITING_LINES)
    listener = QueueListener(waiting, handler)
    queue_handler = _DroppingHandler(waiting)
    root, package = logging.getLogger(), logging.getLogger("nlapi")
    level_before = package.level
    root.addHandler(queue_handler)
    package.setLevel(logging.INFO)
    listener.start()
    try:
        yield
    finally:
        root.removeHandler(queue_handler)
        package.setLevel(level_before)
        listener.stop()


class _DroppingHandler(QueueHandler):
    """A handler that drops messages when the queue is full."""

    def enqueue(self, record: logging.LogRecord) -> None:
        try:
            self.queue.put_nowait(record)
        except queue.Full:
            return


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "at": format_time(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
        }
        event = getattr(record, _EVENT, None)
        line |= event if event is not None else {"logger": record.name, "message": record.getMessage()}
        return orjson.dumps(line, default=str).decode()
