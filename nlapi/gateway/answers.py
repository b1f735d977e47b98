"""Answers that are given again to the very same request, for objectives that ask for it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256
from typing import Any, NamedTuple

import orjson

from nlapi.gateway.inference import InferenceRequest, InferenceResponse
from nlapi.routing.model import Decision

MAX_BYTES = 64 * 2**20
"""bytes of all answers of a process; the ones that were used longest ago go first"""
MAX_ANSWER_BYTES = 2**20
ENTRY_BYTES = 1024
"""what an answer takes beside its output, at most"""


class _StoredOutput(NamedTuple):
    output: bytes
    stored_at: float
    lifetime_s: float


class AnswerCache:
    """Outputs by request, each for its lifetime, as JSON: parsed objects take up to 20 times the memory.

    A request is the same when its client, revision, decided version, context, call and input are: a change of anything
    that decides, or of how a version is reached, ends all answers of before. `clock` returns seconds of a monotonic
    clock.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._entries: OrderedDict[bytes, _StoredOutput] = OrderedDict()
        self._bytes = 0

    def find(self, key: bytes) -> tuple[Any, float] | None:
        """Return the output for a request with its age in seconds, or None."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        age_s = self._clock() - entry.stored_at
        if age_s >= entry.lifetime_s:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return orjson.loads(entry.output), age_s

    def store(self, key: bytes, response: InferenceResponse, lifetime_s: float) -> None:
        """Store an answer, unless it is long, was streamed, came from a fallback, or is not JSON."""
        if response.streamed or response.fallback:
            return
        try:
            output = orjson.dumps(response.output, option=orjson.OPT_SERIALIZE_NUMPY)
        except (TypeError, UnicodeEncodeError):
            return  # whoever sends it says so
        if len(output) > MAX_ANSWER_BYTES:
            return
        self._drop(key)
        self._entries[key] = _StoredOutput(output, self._clock(), lifetime_s)
        self._bytes += len(output) + ENTRY_BYTES
        while self._bytes > MAX_BYTES:
            self._drop(next(iter(self._entries)))

    def clear(self) -> None:
        """Forget all answers."""
        self._entries.clear()
        self._bytes = 0

    def _drop(self, key: bytes) -> None:
        entry = self._entries.pop(key, None)
        self._bytes -= len(entry.output) + ENTRY_BYTES if entry else 0


def answer_key(request: InferenceRequest, decision: Decision) -> bytes | None:
    """Return what is equal for the same requests alone: a sha256, so that nobody can make two that share an answer.

    None for a request that has no JSON, such as an integer of more than 64 bits: its answer is not kept.
    """
    decided = [decision.objective, decision.revision, str(decision.version)]
    asked = [request.client, request.protocol, request.call, request.headers, request.context, request.input]
    try:
        return sha256(orjson.dumps([decided, asked], option=orjson.OPT_SORT_KEYS)).digest()
    except TypeError:
        return None
