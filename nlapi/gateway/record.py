"""The records of served requests, written in batches off the request's path."""

from __future__ import annotations

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from nlapi.routing.nouns import Context, Decision, VersionRef

_log = logging.getLogger(__name__)

# Records that wait to be written; more are dropped and counted, as a store that cannot write must not fill the memory.
# At the 4,407 requests a second of benchmarks/GATEWAY.md it is full after 4.5 s.
MAX_WAITING_RECORDS = 20_000

BATCH_SIZE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One request that reached a version, or one copy that the shadow `shadow` answered."""

    at: float
    """seconds since 1970"""
    request_id: str
    decision: Decision
    version: VersionRef
    """the version that answered"""
    client: str
    context: Context
    input: Any
    output: Any
    """None when it failed"""
    error: str
    """the reason of a failure, or \"\""""
    ms: float
    stages: Mapping[str, float]
    attempts: int
    fallback: bool
    synthetic: bool
    shadow: str = ""
    served_output: Any = None
    """the output that the client received, when this is a copy"""


Sink = Callable[[Sequence[Record]], None]
"""Writes one batch of records; it is called in a thread."""


def training_records(records: Iterable[Record]) -> list[Record]:
    """Return the records that a model may be trained on: real traffic that was answered."""
    return [record for record in records if not record.synthetic and not record.shadow and not record.error]


def training_log(file: Path) -> Sink:
    """Return a Sink that appends a line of JSON with input, output and version of each record to a file."""
    return _line_sink(file, _example_json)


def shadow_log(file: Path) -> Sink:
    """Return a Sink that appends a line of JSON for each copy: the shadow's output beside the served one."""
    write = _line_sink(file, _comparison_json)
    return lambda records: write([record for record in records if record.shadow])


def combine_sinks(*sinks: Sink) -> Sink:
    """Return a Sink that calls all of `sinks`."""

    def write(records: Sequence[Record]) -> None:
        for sink in sinks:
            sink(records)

    return write


def _line_sink(file: Path, as_dict: Callable[[Record], dict[str, Any]]) -> Sink:
    """Return a Sink that appends lines to a file. OSError when the file cannot be opened."""

    # Mode 0600: the lines hold what people asked. Opened again for each batch, which survives a rotation of the file.
    def open_log() -> int:
        return os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(records: Sequence[Record]) -> None:
        if records:
            with os.fdopen(open_log(), "ab") as stream:
                stream.writelines(orjson.dumps(as_dict(record), option=_ORJSON_OPTIONS, default=str) for record in records)

    os.close(open_log())  # a path that cannot be written is reported at start, and not at the first request
    return write


_ORJSON_OPTIONS = orjson.OPT_APPEND_NEWLINE | orjson.OPT_SERIALIZE_NUMPY


def _example_json(record: Record) -> dict[str, Any]:
    return {
        "at": record.at,
        "request_id": record.request_id,
        "objective": record.decision.objective,
        "version": str(record.version),
        "context": dict(record.context),
        "input": record.input,
        "output": record.output,
    }


def _comparison_json(record: Record) -> dict[str, Any]:
    comparison = {"shadow": record.shadow, "served_version": str(record.decision.version), "served": record.served_output, "error": record.error}
    return {**_example_json(record), **comparison, "ms": round(record.ms, 3), "synthetic": record.synthetic}


class Recorder:
    """A queue of records that go to `sink` every `every_s` seconds or 500 records, off the request's path.

    `training` receives those that a model may be trained on.
    """

    def __init__(self, sink: Sink | None, training: Sink | None = None, *, interval_s: float = 0.5) -> None:
        self._sink = sink
        self._training = training
        self._interval_s = interval_s
        self._waiting: deque[Record] = deque()
        self._task: asyncio.Task[None] | None = None
        self._full = asyncio.Event()
        self.dropped = 0

    @property
    def is_enabled(self) -> bool:
        """Whether any sink is configured."""
        return self._sink is not None or self._training is not None

    def add(self, record: Record) -> None:
        """Queue a record for the next batch."""
        if len(self._waiting) >= MAX_WAITING_RECORDS:
            self.dropped += 1
            return
        self._waiting.append(record)
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._write_loop())
        if len(self._waiting) == BATCH_SIZE:
            self._full.set()

    async def flush(self) -> None:
        """Write all queued records."""
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH_SIZE, len(self._waiting)))]
            await self._write(self._sink, batch)
            await self._write(self._training, training_records(batch))

    async def close(self) -> None:
        """Write all queued records and stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
        await self.flush()

    async def _write(self, sink: Sink | None, batch: list[Record]) -> None:
        if sink is None or not batch:
            return
        try:
            await asyncio.to_thread(sink, batch)
        except Exception:
            # A full disk must not stop the serving: the records are counted as dropped instead.
            self.dropped += len(batch)
            _log.exception("%d decisions could not be recorded", len(batch))

    async def _write_loop(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._interval_s):
                    await self._full.wait()
            except TimeoutError:
                pass
            self._full.clear()
            await self.flush()
