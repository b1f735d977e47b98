"""The embedded planner, which needs no key and no network."""

from __future__ import annotations

from nlapi.planner.planner import OfflinePlanner, plan

__all__ = ["OfflinePlanner", "plan"]
