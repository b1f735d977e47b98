"""What is wrong with a description, as a value."""

from nlapi.issue import Issue, Level

__all__ = ["Issue", "Level"]
