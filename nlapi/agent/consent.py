"""The user's reply to calls that are shown before they are sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nlapi.agent.events import Proposed


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Whether the calls that were shown are sent; they are sent together or not at all.

    `reason` is why not, for the planner. `arguments` are those that the user edited, for each call in its order: the
    calls are then checked and shown again, and nothing is sent yet.
    """

    agreed: bool
    reason: str = ""
    arguments: tuple[Mapping[str, Any], ...] | None = None


Consent = Callable[[tuple[Proposed, ...]], Awaitable[Reply]]
"""Asks about the calls of one plan that are shown: one question for all of them."""
