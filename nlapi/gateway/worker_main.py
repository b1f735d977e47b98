"""The work of a worker process: it loads one version, and answers calls that come on a socket.

It is imported by the process that workers are forked from, so it imports nothing that the gateway alone needs.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import socket
import struct
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Any

import msgspec
import orjson

from nlapi.errors import NlapiError
from nlapi.gateway.inference import FailureKind, InferenceError, InferenceResult
from nlapi.gateway.worker_boundary import Confinement, confine
from nlapi.gateway.workflow import ModelManifest, Pipeline, load_workflow
from nlapi.routing.model import Context

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
    has_timer = hasattr(signal, "setitimer")
    try:
        if has_timer:
            signal.signal(signal.SIGALRM, _raise_timeout)
            signal.setitimer(signal.ITIMER_REAL, remaining_s)
        return pipeline.run(value, context)
    except InferenceError as failure:
        return failure
    finally:
        if has_timer:
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
            text = f"its output cannot leave its process: it is no JSON ({error})"
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
    if sys.platform == "linux":
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
    if sys.platform != "linux":
        return 0
    # Not through pathlib, which takes 20 us: every call asks.
    file = os.open("/proc/self/statm", os.O_RDONLY)
    try:
        return int(os.read(file, 100).split()[1]) * _PAGE_SIZE
    finally:
        os.close(file)


_PAGE_SIZE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 0
