"""Counts each client's tokens and dollars of LLMs by minute and day, and refuses calls over its budgets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from nlapi.gateway import problems
from nlapi.gateway.inference import TokenUsage
from nlapi.routing.model import Client

MINUTE_S = 60
DAY_S = 86_400


@dataclass(slots=True)
class SpendingWindow:
    """The tokens and dollars of one client in the current minute, or in the current day of UTC."""

    length_s: int
    number: int = -1
    """the number of the window since 1970"""
    tokens: int = 0
    dollars: float = 0.0

    def renew(self, now: float) -> None:
        """Start from zero when a new window has begun."""
        number = int(now // self.length_s)
        if number != self.number:
            self.number, self.tokens, self.dollars = number, 0, 0.0

    def remaining_s(self, now: float) -> float:
        """Return the seconds until the next window."""
        return self.length_s - now % self.length_s


class ClientSpending:
    """The spending of one client; `reserved` are the estimated tokens of its calls in flight."""

    def __init__(self) -> None:
        self.minute = SpendingWindow(MINUTE_S)
        self.day = SpendingWindow(DAY_S)
        self.reserved = 0


class BudgetLedger:
    """The spending of all clients. It outlives changes of their budgets; `clock` returns seconds since 1970."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._spending: dict[str, ClientSpending] = {}

    def check(self, client: Client) -> None:
        """Check that a call of a client is within its budgets. GatewayProblem 429 with the seconds to wait."""
        if not client.has_budget:
            return
        spending, now = self._current(client.name)
        limits = (
            (spending.minute, "a minute", client.tokens_per_minute, client.dollars_per_minute),
            (spending.day, "a day", client.tokens_per_day, client.dollars_per_day),
        )
        # The longest wait first: a client over its day's budget must not come back each minute.
        for window, name, tokens, dollars in reversed(limits):
            if tokens and window.tokens + spending.reserved >= tokens:
                raise problems.rate_limited(client.name, f"{tokens:,} tokens {name}", window.remaining_s(now))
            if dollars and window.dollars >= dollars:
                raise problems.rate_limited(client.name, f"{dollars:g} dollars {name}", window.remaining_s(now))

    def reserve(self, client: str, tokens: int) -> None:
        """Count the estimated input of a call that starts; a negative number gives it back."""
        # Without it, a hundred calls that start at once would all be within a budget for one.
        self._current(client)[0].reserved += tokens

    def charge(self, client: str, usage: TokenUsage) -> None:
        """Count what a call took."""
        self.add(client, usage.input_tokens + usage.output_tokens, usage.cost_usd)

    def add(self, client: str, tokens: int, dollars: float) -> None:
        """Add tokens and dollars to the current windows of a client."""
        spending, _ = self._current(client)
        for window in (spending.minute, spending.day):
            window.tokens += tokens
            window.dollars += dollars

    def restore(self, spent: Mapping[str, tuple[int, float]]) -> None:
        """Add what clients spent of the day's budgets before this process started."""
        for client, (tokens, dollars) in spent.items():
            spending, _ = self._current(client)
            spending.day.tokens += tokens
            spending.day.dollars += dollars

    def _current(self, client: str) -> tuple[ClientSpending, float]:
        now = self._clock()
        spending = self._spending.setdefault(client, ClientSpending())
        spending.minute.renew(now)
        spending.day.renew(now)
        return spending, now
