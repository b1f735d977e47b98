"""What is wrong with a description, as a value."""

from __future__ import annotations

from nlapi.issue import Issue, Level

__all__ = ["Issue", "Level"]
