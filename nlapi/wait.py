"""Running a coroutine from synchronous code, also inside a running event loop."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import TypeVar

T = TypeVar("T")


def wait(coroutine: Coroutine[object, object, T]) -> T:
    """Return the result of a coroutine, or raise its exception."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor
    from contextvars import copy_context

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        # A notebook or an agent's tool already has a loop, where asyncio.run fails. That loop is blocked meanwhile
        # (docs/design/017-answers-to-a-model.md). The caller's context variables are copied to the thread.
        with ThreadPoolExecutor(max_workers=1) as pool:
            return pool.submit(copy_context().run, asyncio.run, coroutine).result()
    return asyncio.run(coroutine)
