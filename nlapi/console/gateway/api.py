"""The HTTP API of a gateway as its pages call it: in this process, with the token of the user who looks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, unquote, urlencode

import orjson

from nlapi.errors import NlapiError
from nlapi.serving import Message, Receive, Send

AsgiApp = Callable[[Message, Receive, Send], Awaitable[None]]


class GatewayRefusal(NlapiError):  # noqa: N818 - what an API answers, as GatewayProblem
    """An answer of the API that is no success, with its HTTP `status`."""

    def __init__(self, status: int, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayReply:
    """A success of the API."""

    body: Any
    revision: int = 0
    """of the ETag; 0 without one"""


def api_target(*segments: object, **query: Any) -> str:
    """Return the path of an operation with its query; segments are encoded, and an empty value is left out."""
    path = "/" + "/".join(quote(str(segment), safe="") for segment in segments)
    pairs = {name: value for name, value in query.items() if value not in ("", None)}
    return f"{path}?{urlencode(pairs)}" if pairs else path


class GatewayApi:
    """Calls the API of a gateway as the bearer of one token, so that its permissions and its audit log hold."""

    def __init__(self, app: AsgiApp, token: str) -> None:
        self._app = app
        self._token = token

    async def get(self, *segments: object, **query: Any) -> Any:
        """Return the body of an answer. GatewayRefusal otherwise."""
        return (await self.call("GET", api_target(*segments, **query))).body

    async def change(self, method: str, target: str, body: bytes, revision: int) -> GatewayReply:
        """Send a change that holds only while `revision` is current. GatewayRefusal when it is refused."""
        return await self.call(method, target, body, {"if-match": f'"{revision}"'})

    async def call(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> GatewayReply:
        """Return the answer to a request. GatewayRefusal when it is no success."""
        path, _, query = target.partition("?")
        sent = {"host": "127.0.0.1", "authorization": f"Bearer {self._token}", **(headers or {})}
        if body:
            sent |= {"content-type": "application/json", "content-length": str(len(body))}
        scope: Message = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": unquote(path),
            "raw_path": path.encode("ascii"),
            "query_string": query.encode("ascii"),
            "headers": [(name.encode(), value.encode("latin-1")) for name, value in sent.items()],
        }
        messages: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receive, send)
        return _reply(messages)


def _reply(messages: list[Message]) -> GatewayReply:
    status = messages[0]["status"]
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in messages[0]["headers"]}
    content = b"".join(message.get("body", b"") for message in messages[1:])
    is_json = "json" in headers.get("content-type", "")
    body = orjson.loads(content) if is_json and content else content.decode("utf-8", "replace")
    if not 200 <= status < 300:
        problem = body if isinstance(body, dict) else {}
        message = problem.get("detail") or f"the gateway answered {status}"
        raise GatewayRefusal(status, message, hint=problem.get("hint", ""))
    tag = headers.get("etag", "").strip('"')
    return GatewayReply(body=body, revision=int(tag) if tag.isdigit() else 0)
