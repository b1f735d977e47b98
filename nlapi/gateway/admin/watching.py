"""Answers that wait for a change of the routing, for programs that follow it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from nlapi.gateway.admin.api_call import ApiCall, ApiResponse, not_modified
from nlapi.gateway.http.client_connection import run_while_connected
from nlapi.gateway.inference import UpstreamError

WATCH_OPERATIONS = frozenset(("watchRouting", "getConfiguration"))
"""The operations that may wait for long, and end when their client goes away"""


async def answer_when_changed(call: ApiCall, respond: Callable[[ApiCall, str], Awaitable[ApiResponse]]) -> ApiResponse:
    """Return the first answer that the reader does not have, or a 304 after the query's `wait` seconds.

    `respond` gets the call and its If-None-Match, and returns the answer of now: a 304 where the reader has it, which
    it finds without waiting for anything, so that no change comes between.
    """
    wait_s, if_none_match = call.query.get("wait", 0.0), call.headers.get("if-none-match", "")
    if not wait_s or not if_none_match or call.connection is None:
        return await respond(call, if_none_match)
    try:
        return await run_while_connected(call.connection, _first_new_answer(call, respond, if_none_match, wait_s))
    except UpstreamError:  # the client has gone away, and nobody reads the answer
        return not_modified(if_none_match)


async def _first_new_answer(
    call: ApiCall, respond: Callable[[ApiCall, str], Awaitable[ApiResponse]], if_none_match: str, wait_s: float
) -> ApiResponse:
    gateway, loop = call.gateway, asyncio.get_running_loop()
    deadline = loop.time() + wait_s
    answer = await respond(call, if_none_match)
    while answer.status == 304 and not gateway.is_draining:
        if not await gateway.routing_state.wait(deadline - loop.time()):
            break
        answer = await respond(call, if_none_match)
    return answer
