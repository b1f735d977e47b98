"""What language models took: in each window of each budget, and on each day, over all gateways on a database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from nlapi.gateway.store.database import Row, StoreDatabase, Value

# The kinds of budgets that a column of recorded decisions counts when they are new.
_HISTORY_COLUMNS = ("client", "objective")


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetWindow:
    """One window of a budget: the `number`th of its length since 1970. 0 means no limit."""

    kind: str
    """client, key or objective"""
    name: str
    seconds: int
    number: int
    tokens: int = 0
    dollars: float = 0.0

    @property
    def scope(self) -> str:
        return f"{self.kind}:{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What was spent in a window, with the estimates of calls in flight."""

    window: BudgetWindow
    tokens: int
    dollars: float

    @property
    def is_over(self) -> bool:
        """Whether nothing is left for another call."""
        window = self.window
        return bool(
            (window.tokens and self.tokens >= window.tokens) or (window.dollars and self.dollars >= window.dollars)
        )


class SpendingKey(NamedTuple):
    """What the spending of one day is counted by: the day in UTC, and who answered whom for what."""

    day: str
    objective: str
    model: str
    version: str
    client: str


@dataclass(slots=True, kw_only=True)
class SpendingSum:
    """The usage of a number of answers; the cached tokens are among those of the input."""

    answers: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    dollars: float = 0.0


GROUPINGS = {
    "day": "at AS day",
    "objective": "objective",
    "version": "model, version",
    "client": "client",
}
"""What sums are made by -> the columns of a row"""

_SUMS = ("answers", "input_tokens", "cached_tokens", "output_tokens", "dollars")
_TOTALS = ", ".join(f"coalesce(sum({name}), 0) AS {name}" for name in _SUMS)
_ADD_DAY = f"""
INSERT INTO daily_spending (at, objective, model, version, client, {", ".join(_SUMS)}) VALUES (?,?,?,?,?,?,?,?,?,?)
ON CONFLICT (at, objective, model, version, client)
DO UPDATE SET {", ".join(f"{name} = daily_spending.{name} + excluded.{name}" for name in _SUMS)}
"""  # noqa: S608 - columns of the table

STORED_DAYS = 400


class OverBudgetError(Exception):
    """Nothing is left in a window; nothing was counted."""

    def __init__(self, spent: Spent) -> None:
        super().__init__(spent.window.scope)
        self.spent = spent


class SpendingTable:
    """The table of what was spent. Every method is safe to call from any thread; StoreError when it fails."""

    def __init__(self, database: StoreDatabase) -> None:
        self._database = database

    def reserve(self, windows: Iterable[BudgetWindow], tokens: int, dollars: float) -> list[Spent]:
        """Count the estimate of a call in all windows. OverBudgetError, with nothing counted, when one is used up."""
        with self._database.transaction(is_exclusive=False):
            spent = []
            for window in _ordered(windows):
                self._begin(window)
                after = self._add(window, tokens, dollars)
                before = Spent(window=window, tokens=after.tokens - tokens, dollars=after.dollars - dollars)
                if before.is_over:
                    raise OverBudgetError(before)
                spent.append(after)
        return spent

    def settle(self, windows: Iterable[BudgetWindow], tokens: int, dollars: float) -> list[Spent]:
        """Add the difference between what a call took and its estimate."""
        with self._database.transaction(is_exclusive=False):
            return [self._add(window, tokens, dollars) for window in _ordered(windows)]

    def add_days(self, sums: Mapping[SpendingKey, SpendingSum]) -> None:
        """Add usage to the sums of its days, and forget the oldest day if it is more than STORED_DAYS old."""
        if not sums:
            return
        # In the same order for all gateways, so that two never wait for each other's rows.
        rows = [(*key, *(getattr(sums[key], name) for name in _SUMS)) for key in sorted(sums)]
        # One clock that is wrong must not delete what all gateways have counted: at most a day each time.
        newest = min(date.fromisoformat(max(key.day for key in sums)), datetime.now(UTC).date())
        oldest = "DELETE FROM daily_spending WHERE at < ? AND at = (SELECT min(at) FROM daily_spending)"
        with self._database.transaction(is_exclusive=False):
            self._database.execute_many(_ADD_DAY, rows)
            self._database.execute(oldest, str(newest - timedelta(days=STORED_DAYS)))

    def totals(
        self, by: str, equal: Mapping[str, str], *, since: str, until: str, limit: int
    ) -> tuple[list[dict[str, Any]], dict[str, Any], bool]:
        """Return the sums by one of GROUPINGS, the sum of all, and whether there are more than `limit` sums.

        They are from a day on and before another; "" is open. Of days the newest come first, of others the most
        expensive. `equal` maps columns to their values.
        """
        conditions = {"at >= ?": since, "at < ?": until} | {f"{name} = ?": value for name, value in equal.items()}
        required = [condition for condition, value in conditions.items() if value]
        where = f"WHERE {' AND '.join(required)}" if required else ""
        values: list[Value] = [value for value in conditions.values() if value]
        columns, order = GROUPINGS[by], "at DESC" if by == "day" else "dollars DESC, answers DESC"
        group = columns.partition(" AS ")[0]
        query = f"SELECT {columns}, {_TOTALS} FROM daily_spending {where} GROUP BY {group} ORDER BY {order} LIMIT ?"  # noqa: S608 - columns of the table
        rows = [_sum_of(row) for row in self._database.rows(query, *values, limit + 1)]
        if len(rows) <= limit:
            return rows, _sum_of({name: sum(row[name] for row in rows) for name in _SUMS}), False
        (total,) = self._database.rows(f"SELECT {_TOTALS} FROM daily_spending {where}", *values)  # noqa: S608 - columns of the table
        return rows[:limit], _sum_of(total), True

    def _begin(self, window: BudgetWindow) -> None:
        """Create the row of a window, with what recorded decisions say of it, and delete those of past ones."""
        key = (window.scope, window.seconds, window.number)
        if self._database.rows("SELECT 1 FROM spending WHERE scope = ? AND seconds = ? AND number = ?", *key):
            return
        tokens, dollars = self._history(window)
        added = "INSERT INTO spending VALUES (?,?,?,?,?) ON CONFLICT (scope, seconds, number) DO NOTHING"
        self._database.execute(added, *key, tokens, dollars)
        # A call that began in the window before may be settled still.
        self._database.execute("DELETE FROM spending WHERE scope = ? AND seconds = ? AND number < ? - 1", *key)

    def _history(self, window: BudgetWindow) -> tuple[int, float]:
        """Return what was spent before there was a budget."""
        if window.kind not in _HISTORY_COLUMNS:
            return 0, 0.0
        start = window.number * window.seconds
        since, until = (datetime.fromtimestamp(at, UTC).isoformat()[:19] for at in (start, start + window.seconds))
        query = f"""
            SELECT sum({{input_tokens}} + {{output_tokens}}) AS tokens, sum({{dollars}}) AS dollars
            FROM decisions WHERE at >= ? AND at < ? AND {window.kind} = ? AND {{dollars}} IS NOT NULL"""  # noqa: S608 - a column of the table
        row = self._database.rows(self._database.dialect.statement(query), since, until, window.name)[0]
        return int(row["tokens"] or 0), float(row["dollars"] or 0.0)

    def _add(self, window: BudgetWindow, tokens: int, dollars: float) -> Spent:
        key = (window.scope, window.seconds, window.number)
        where = "WHERE scope = ? AND seconds = ? AND number = ?"
        changed = f"UPDATE spending SET tokens = tokens + ?, dollars = dollars + ? {where}"  # noqa: S608 - constants
        self._database.execute(changed, tokens, dollars, *key)
        rows = self._database.rows(f"SELECT tokens, dollars FROM spending {where}", *key)  # noqa: S608 - constants
        row = rows[0] if rows else {"tokens": 0, "dollars": 0.0}
        return Spent(window=window, tokens=int(row["tokens"]), dollars=float(row["dollars"]))


def _sum_of(row: Row | Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of sums; PostgreSQL adds up integers as decimals."""
    entry = dict(row)
    return entry | {name: int(entry[name]) for name in _SUMS[:-1]} | {"dollars": round(entry["dollars"], 9)}


def _ordered(windows: Iterable[BudgetWindow]) -> list[BudgetWindow]:
    """Return windows in the same order for all gateways, so that two never wait for each other's rows."""
    return sorted(windows, key=lambda window: (window.scope, -window.seconds))
