"""The HTTP client for calls to shards and to the upstreams of LLMs, with certainty about what was sent."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from ssl import SSLContext
from typing import TYPE_CHECKING

from nlapi.errors import UsageError, install_hint
from nlapi.gateway.http.tls import ClientTls

if TYPE_CHECKING:
    from nlapi.gateway.shards.http_session import HttpAnswer, HttpSession


class NotSentError(Exception):
    """The connection failed, so that nothing was sent."""


class ConnectTimeoutError(NotSentError):
    """The connection took too long, which may be the caller's own short time."""


class NoAnswerError(Exception):
    """A request may have been sent, and its connection was lost before an answer began."""


class AnswerBrokenError(Exception):
    """An answer began, and is malformed, too large or not whole."""


class AnswerTooLargeError(AnswerBrokenError):
    """An answer is larger than it may be; what was left of it was not read."""


class EndpointClient:
    """Sends requests to any address; no request shares a connection with another at the same time.

    Idle connections close after `idle_s` seconds. Use it in one event loop.
    """

    def __init__(self, idle_s: float, tls: ClientTls | None = None) -> None:
        self._idle_s = idle_s
        self._tls = tls or ClientTls()
        self._context: SSLContext | None = None
        self._session: HttpSession | None = None

    def prepare(self) -> None:
        """Import aiohttp and read the files of TLS. UsageError when one is missing or faulty."""
        # Before the first request: importing it takes 0.4 s, and the event loop would stand still for it.
        try:
            import_module("nlapi.gateway.shards.http_session")
        except ImportError as error:
            hint = install_hint("gateway")
            raise UsageError("calls of shards need aiohttp, which is not installed", hint=hint) from error
        self._context = self._context or self._tls.build_context()

    async def post(
        self, url: str, headers: Mapping[str, str], body: bytes, *, connect_s: float, repeatable: bool
    ) -> HttpAnswer:
        """Send a POST and return the head of its answer; a redirect is an answer like others.

        NotSentError without a connection within `connect_s` seconds, NoAnswerError when it is lost,
        AnswerBrokenError when the head is malformed. A server may just have closed an idle connection, so a repeatable
        request that has no answer is sent once more (RFC 9112 §9.3.1).
        """
        session = self._session or self._open_session()
        return await session.send("POST", url, headers, body, connect_s=connect_s, repeatable=repeatable)

    async def get(self, url: str, headers: Mapping[str, str], *, connect_s: float) -> HttpAnswer:
        """Send a GET and return the head of its answer. Errors as `post`."""
        session = self._session or self._open_session()
        return await session.send("GET", url, headers, b"", connect_s=connect_s, repeatable=True)

    async def close(self) -> None:
        """Close its connections."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _open_session(self) -> HttpSession:
        from nlapi.gateway.shards.http_session import HttpSession

        self._session = HttpSession(self._idle_s, self._context or self._tls.build_context())
        return self._session
