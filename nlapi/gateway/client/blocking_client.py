"""The client of a gateway for threads: the asynchronous client in a thread of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any, TypeVar

from nlapi.errors import UsageError
from nlapi.gateway.client.async_client import RESOLVE_TIMEOUT_S, AsyncClient, ServeAnswer
from nlapi.gateway.client.decision_cache import DEFAULT_MAX_AGE_S, DEFAULT_MAX_ENTRIES, ResolvedDecision
from nlapi.routing.model import Context

T = TypeVar("T")

_NO_CONTEXT: Context = {}


class BlockingClient:
    """A client of a gateway that any number of threads may use; `nlapi.gateway.Client`. Close it.

    Its arguments and errors are those of `AsyncClient`.
    """

    # The asynchronous client has the cache, the watch and the connections for all threads. A cached decision is read
    # in the caller's thread; a payload crosses to the other thread and back, which with aiohttp is cheaper than httpx2
    # in the caller's thread (docs/design/042-gateway-clients.md).

    def __init__(
        self,
        url: str,
        token: str,
        *,
        data_plane_url: str = "",
        max_age_s: float = DEFAULT_MAX_AGE_S,
        max_entries: int = DEFAULT_MAX_ENTRIES,
        resolve_timeout_s: float = RESOLVE_TIMEOUT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._client = AsyncClient(
            url,
            token,
            data_plane_url=data_plane_url,
            max_age_s=max_age_s,
            max_entries=max_entries,
            resolve_timeout_s=resolve_timeout_s,
            clock=clock,
        )
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def __enter__(self) -> BlockingClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    @property
    def revision(self) -> int:
        """The newest revision of the gateway that is known here; 0 before the first answer."""
        return self._client.revision

    def resolve(self, objective: str, context: Context = _NO_CONTEXT) -> ResolvedDecision:
        """Return the decision for a context, from the cache if it is fresh; errors as `AsyncClient.resolve`."""
        return self._client.cached(objective, context) or self._run(self._client.resolve(objective, context))

    def serve(
        self,
        objective: str,
        content: Any,
        context: Context = _NO_CONTEXT,
        *,
        request_id: str = "",
        timeout_s: float | None = None,
    ) -> ServeAnswer:
        """Send an input to the version that is decided on, and return its output; errors as `AsyncClient.serve`."""
        return self._run(self._client.serve(objective, content, context, request_id=request_id, timeout_s=timeout_s))

    def close(self) -> None:
        """Close its connections and end its thread."""
        with self._lock:
            self._is_closed = True
            loop, thread, self._loop = self._loop, self._thread, None
        if loop is not None and thread is not None:
            asyncio.run_coroutine_threadsafe(self._client.close(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            thread.join()
            loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop or self._start(work)).result()

    def _start(self, work: Coroutine[Any, Any, T]) -> asyncio.AbstractEventLoop:
        """Start the thread, once. UsageError after `close`."""
        with self._lock:
            if self._is_closed:
                work.close()
                raise UsageError("the client is closed", hint="make another one")
            if self._loop is None:
                self._loop = _new_loop()
                name = "nlapi gateway client"
                self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
                self._thread.start()
            return self._loop


def _new_loop() -> asyncio.AbstractEventLoop:
    try:
        import uvloop
    except ImportError:  # it does not exist for Windows
        return asyncio.new_event_loop()
    return uvloop.new_event_loop()
