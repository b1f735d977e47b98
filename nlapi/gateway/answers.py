"""Answers that are given again to the very same request, for objectives that ask for it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from hashlib import sha256

import orjson
from msgspec.structs import replace

from nlapi.gateway.inference import InferenceRequest, InferenceResponse
from nlapi.routing.model import Decision

MAX_BYTES = 64 * 2**20
"""bytes of all answers of a process; the ones that were used longest ago go first"""
MAX_ANSWER_BYTES = 2**20


class AnswerCache:
    """Answers by request, each for the lifetime that its objective had when it was stored; bounded by bytes.

    A request is the same when its client, revision, decided version, context, call and input are: a change of anything
    that decides, or of how a version is reached, ends all answers of before. `clock` returns seconds of a monotonic
    clock.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._answers: OrderedDict[bytes, tuple[InferenceResponse, float, int]] = OrderedDict()
        self._bytes = 0

    def find(self, key: bytes) -> tuple[InferenceResponse, float] | None:
        """Return the answer to a request with its age in seconds, or None."""
        entry = self._answers.get(key)
        if entry is None:
            return None
        response, stored_at, _ = entry
        self._answers.move_to_end(key)
        return response, self._clock() - stored_at

    def store(self, key: bytes, response: InferenceResponse) -> None:
        """Store an answer, unless it is long, was streamed, came from a fallback, or is not JSON."""
        try:
            size = len(orjson.dumps(response.output, option=orjson.OPT_SERIALIZE_NUMPY))
        except (TypeError, UnicodeEncodeError):
            return  # whoever sends it says so
        if size > MAX_ANSWER_BYTES or response.streamed or response.fallback:
            return
        self.drop(key)
        self._answers[key] = (replace(response, stages={}, attempts=0, usage=None, rate_limit=""), self._clock(), size)
        self._bytes += size
        while self._bytes > MAX_BYTES:
            self.drop(next(iter(self._answers)))

    def drop(self, key: bytes) -> None:
        """Forget an answer, if there is one."""
        entry = self._answers.pop(key, None)
        self._bytes -= entry[2] if entry else 0


def answer_key(request: InferenceRequest, decision: Decision) -> bytes:
    """Return what is equal for the same requests alone: a sha256, so that nobody can make two that share an answer."""
    decided = [decision.objective, decision.revision, str(decision.version)]
    asked = [request.client, request.protocol, request.call, request.headers, request.context, request.input]
    return sha256(orjson.dumps([decided, asked], option=orjson.OPT_SORT_KEYS)).digest()
