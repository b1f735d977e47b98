"""Shows on a terminal that a model thinks: the seconds, and what its answers to the question have taken so far."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import TYPE_CHECKING

from nlapi.agent.caps import SpendingMeter
from nlapi.agent.events import Event, PlanCreated, Planner, PlannerChosen, StepFinished
from nlapi.agent.messages import PLANNER as MODEL_PLANNER
from nlapi.agent.usage import UsageTotal
from nlapi.client.safe_text import strip_control

if TYPE_CHECKING:
    from rich.status import Status
    from rich.text import Text


class ThinkingStatus:
    """A line on standard error while a model is asked and nothing of its answer has come; none without a terminal.

    It is taken away before the next event of the turn is shown.
    """

    def __init__(self, spending: SpendingMeter) -> None:
        self._spending = spending
        self._earlier = UsageTotal()
        self._model = ""
        """the model that plans, "" while the embedded planner does"""
        self._open_calls = 0
        self._started = 0.0
        self._status: Status | None = None

    async def watch(self, planner: Planner, events: AsyncGenerator[Event, None]) -> AsyncGenerator[Event, None]:
        """Yield the events of a turn that `planner` plans, and show the line while a model is waited for."""
        self._earlier = self._spending.total
        self._model = _model_name(planner)
        self._open_calls = 0
        try:
            self._start()
            async with aclosing(events):
                async for event in events:
                    self._stop()
                    yield event
                    if self._awaits_model(event):
                        self._start()
        finally:
            self._stop()

    def _awaits_model(self, event: Event) -> bool:
        """Return whether a model is asked next, after an event that has been shown."""
        match event:
            case PlannerChosen():
                self._model = (event.model or event.planner) if event.planner == MODEL_PLANNER else ""
                return True
            case PlanCreated():
                self._open_calls = len(event.plan.calls)
            case StepFinished():
                self._open_calls -= 1
                return not self._open_calls
            case _:
                pass
        return False

    def _start(self) -> None:
        if not self._model or not sys.stderr.isatty():
            return
        from rich.console import Console

        self._started = time.monotonic()
        # rich draws the line anew many times a second, and asks this object for it each time.
        self._status = Console(stderr=True).status(self)
        self._status.start()

    def _stop(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

    def __rich__(self) -> Text:
        from rich.text import Text

        return Text(thinking_text(self._model, time.monotonic() - self._started, self._spending.total - self._earlier))


def _model_name(planner: Planner) -> str:
    """Return the name of the model of a planner; "" for a planner that is not on a model, or chooses one first."""
    planner = getattr(planner, "base", planner)  # of one that runs workflows too
    if planner.name != MODEL_PLANNER:
        return ""
    from nlapi.agent.model_planner import ModelPlanner

    return planner.endpoint.name if isinstance(planner, ModelPlanner) else planner.name


def thinking_text(model: str, seconds: float, total: UsageTotal) -> str:
    """Return the line: what has been taken is left out before the first answer, dollars without a known price."""
    parts = [f"{strip_control(model)} thinks", f"{seconds:.0f} s"]
    if total.requests:
        parts.append(f"{total.input_tokens + total.output_tokens:,} tokens")
        if not total.unpriced:
            parts.append(f"${total.usd:.4f}")
    return " · ".join(parts)
