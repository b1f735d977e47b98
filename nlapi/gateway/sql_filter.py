"""Builds the WHERE clause of a query from the conditions that a request has."""

from __future__ import annotations

from nlapi.gateway.store_database import Value


class SqlFilter:
    """The conditions of a query with their bound values."""

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.values: list[Value] = []

    def add(self, condition: str, value: Value) -> None:
        """Add a condition unless its value is empty."""
        if value not in ("", None):
            self.parts.append(condition)
            self.values.append(value)

    def add_period(self, since: str, until: str) -> None:
        """Add the conditions for rows from `since` on and before `until`."""
        self.add("at >= ?", since)
        self.add("at < ?", until)

    def sql(self) -> str:
        """Return the WHERE clause, or "" without conditions."""
        return f" WHERE {' AND '.join(self.parts)}" if self.parts else ""
