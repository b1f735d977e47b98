"""The embedded planner, which needs no key and no network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nlapi.planner.planner import OfflinePlanner, plan

__all__ = ["OfflinePlanner", "plan"]


def __getattr__(name: str) -> Any:
    """Import the planner when it is first used: it takes 0.3 s of CPU, and commands need small modules beside it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from nlapi.planner import planner

    return getattr(planner, name)
