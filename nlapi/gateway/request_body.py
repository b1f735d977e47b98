"""Reads the body of a request under a limit, and checks it without holding up others."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TypeVar

from nlapi.gateway.problems import GatewayProblem
from nlapi.gateway.turn_queue import Turns
from nlapi.serving import Receive

T = TypeVar("T")

# Bytes: a body of this size or more is parsed and validated in a thread, so that other requests are served meanwhile.
# One of 4 KiB takes 1.7 ms at most, and a thread 0.1.
THREADED_BODY_BYTES = 4096

# A body that is too large is read up to this multiple of the limit before the connection closes; see `read_body`.
DISCARD_FACTOR = 4


class BodyChecks:
    """Checks bodies: short ones at once, and others in a thread, where the callers take turns."""

    # One at a time, as they compete for the interpreter. 300 bodies of 4 MB of one client held everybody up for a
    # minute, and 300 of 100 KB for 13 s when they were checked in the event loop.
    def __init__(self) -> None:
        self._turns = Turns()

    async def run(self, check: Callable[[bytes, str], T], content: bytes, media_type: str, caller: str) -> T:
        """Return what `check` makes of a body."""
        if len(content) < THREADED_BODY_BYTES:
            return check(content, media_type)
        async with self._turns.take(caller):
            return await asyncio.to_thread(check, content, media_type)


async def read_body(receive: Receive, headers: Mapping[str, str], largest: int) -> bytes:
    """Return the whole body. GatewayProblem 413 when it is larger than `largest` bytes, 415 for a content encoding."""
    if headers.get("content-encoding", "identity").lower() != "identity":
        raise GatewayProblem(415, "packed bodies are not taken", code="media_type", path="header.content-encoding")
    content_length = headers.get("content-length", "0")
    chunks: list[bytes] = []
    size, is_oversized = 0, content_length.isdigit() and int(content_length) > largest
    if (
        is_oversized and "expect" in headers
    ):  # RFC 9110 §10.1.1: the client waits for an answer before it sends the body
        raise _too_large_problem(largest)
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise GatewayProblem(400, "the client went away before the body was complete", code="incomplete")
        size += len(message.get("body", b""))
        is_oversized = is_oversized or size > largest
        if not is_oversized:
            chunks.append(message.get("body", b""))
        # Closing at once would reset the connection, and a client that still sends would never see the 413.
        if not message.get("more_body", False) or size > DISCARD_FACTOR * largest:
            break
    if is_oversized:
        raise _too_large_problem(largest)
    return b"".join(chunks)


def _too_large_problem(largest: int) -> GatewayProblem:
    return GatewayProblem(413, f"the body is larger than {largest:,} bytes", code="too_large", path="body")
