"""The user's reply to calls that are shown before they are sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nlapi.agent.events import CallProposed


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentReply:
    """The decision whether the calls that were shown are sent; they are sent together or not at all.

    `reason` is the reason for a no, which goes to the planner. `arguments` are the edited ones, for each call in order:
    the calls are then checked and shown again, and nothing is sent yet.
    """

    is_agreed: bool
    reason: str = ""
    arguments: tuple[Mapping[str, Any], ...] | None = None


# Called with the calls of one plan that are shown: one question for all of them. Asked one by one, the user would see
# the second change when the first is made (docs/design/024-consent-to-a-plan.md).
Consent = Callable[[tuple[CallProposed, ...]], Awaitable[ConsentReply]]
