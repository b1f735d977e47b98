"""The liveness and readiness probes: anybody may ask, by any host name, and learns nothing but the status."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import orjson

from nlapi.gateway.admin.api_call import ApiResponse
from nlapi.gateway.http.problems import GatewayProblem
from nlapi.serving import Message, Receive, Send, raw_path, send_content

if TYPE_CHECKING:
    from nlapi.gateway.http.app import Gateway

LIVE_PATH = "/livez"
READY_PATH = "/readyz"
# A kubelet sends the address of the pod as the host, which the gateway cannot know. Pages that rebind their name to
# the gateway's address learn from these two paths no more than that it runs.
PROBE_PATHS = frozenset((LIVE_PATH, READY_PATH))


def probe_response(gateway: Gateway, path: str) -> ApiResponse:
    """Return the answer of one of PROBE_PATHS: 200, or 503 when the gateway is not ready."""
    status = readiness(gateway) if path == READY_PATH else "ok"
    headers = {} if status == "ok" else {"Retry-After": "1"}
    return ApiResponse(body={"status": status}, status=200 if status == "ok" else 503, headers=headers)


def readiness(gateway: Gateway) -> str:
    """Return "ok", or "draining" while it stops."""
    # One without a revision is ready too: behind a probe that fails, nobody could send it the first one.
    return "draining" if gateway.is_draining or gateway.engine.draining else "ok"


class StartingApp:
    """An ASGI application for probes of a process whose gateway is not there yet."""

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        is_ready_path, is_head = raw_path(scope) == READY_PATH, scope["method"] == "HEAD"
        content = orjson.dumps({"status": "starting" if is_ready_path else "ok"})
        closing = (b"connection", b"close")  # the next probe is for the gateway itself
        status = 503 if is_ready_path else 200
        await send_content(send, status, content, "application/json", closing, is_head=is_head)


class ProbeApp:
    """An ASGI application that passes probes to `app` and knows no other path."""

    def __init__(self, app: Callable[[Message, Receive, Send], Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and raw_path(scope) in PROBE_PATHS:
            await self._app(scope, receive, send)
            return
        hint = f"this port answers {LIVE_PATH} and {READY_PATH} alone"
        problem = GatewayProblem(404, "there is no such path on this port", code="unknown_path", hint=hint)
        content, is_head = orjson.dumps(problem.as_dict()), scope["method"] == "HEAD"
        await send_content(send, 404, content, "application/problem+json", is_head=is_head)
