"""Tells a client how far its call is, and names what a cancelled one may have changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress

from nlapi.client.safe_text import single_line
from nlapi.mcp.consent import Context
from nlapi.openapi.spec import Effect
from nlapi.tools.plan import Step

# In seconds. Claude Code sends a progress token with each call; without one nothing is reported.
PROGRESS_INTERVAL = 1.0


@asynccontextmanager
async def progress_reports(context: Context, message: Callable[[], str]) -> AsyncIterator[None]:
    """Tell a client how far a call or a run is, as long as the block runs."""
    task = asyncio.create_task(_report_progress(context, message))
    try:
        yield
    finally:
        task.cancel()


async def _report_progress(context: Context, message: Callable[[], str]) -> None:
    seconds = 0.0
    with suppress(Exception):  # the transport notices a client that has gone
        while True:
            await asyncio.sleep(PROGRESS_INTERVAL)
            seconds += PROGRESS_INTERVAL
            await context.session.report_progress(seconds, None, f"{message()} ({seconds:g} s)")


def changes_made(name: str, steps: Iterable[Step], names: Callable[[Step], str]) -> str:
    """Return which changes a cancelled run has made, or may have; "" for none."""
    changes = [step for step in steps if step.call.effect is not Effect.READ]
    sent = [step for step in changes if (step.result is not None and step.result.ok) or step.is_uncertain]
    made = ", ".join(single_line(names(step)) for step in sent)
    return f"{name} was cancelled on its way, after or in {made}" if made else ""
