"""The user's reply to a change that is shown before it is sent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nlapi.agent.events import Proposed


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Whether a proposed call is sent.

    `always`: so is every further call of its operation in this session that stands by itself. `reason` is why not, for
    the planner. `arguments` are those that the user edited: the call is checked and shown again with them.
    """

    agreed: bool
    always: bool = False
    reason: str = ""
    arguments: Mapping[str, Any] | None = None


Consent = Callable[[Proposed], Awaitable[Reply]]
