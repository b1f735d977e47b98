"""Runs a coroutine to its end from synchronous code, also where an event loop is running already."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


def wait(coroutine: Coroutine[Any, Any, T]) -> T:
    """What the coroutine returns or raises.

    Inside an event loop (a notebook, a tool of an agent) it runs in a thread, and that loop stands still meanwhile.
    """
    import asyncio
    from concurrent.futures import ThreadPoolExecutor
    from contextvars import copy_context

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        with ThreadPoolExecutor(max_workers=1) as pool:
            return pool.submit(copy_context().run, asyncio.run, coroutine).result()
    return asyncio.run(coroutine)
