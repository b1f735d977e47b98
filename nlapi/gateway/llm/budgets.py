"""Budgets of tokens and dollars: the estimate of a call counts before it, and its usage after it."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from nlapi.gateway.http import problems
from nlapi.gateway.http.problems import GatewayProblem
from nlapi.gateway.inference import TokenUsage
from nlapi.gateway.llm.usage import CALLS_WITHOUT_OUTPUT, Prices, estimate_tokens, read_count
from nlapi.gateway.store.database import StoreError
from nlapi.gateway.store.spending import BudgetWindow, OverBudgetError, SpendingTable, Spent
from nlapi.routing.model import Client, Objective

_log = logging.getLogger(__name__)

MINUTE_S = 60
DAY_S = 86_400
_NAMES = {MINUTE_S: "minute", DAY_S: "day"}
# The output that is counted for a call that says no maximum: answers without one are hardly ever longer, and a lower
# number would let calls in parallel spend more than there is.
DEFAULT_OUTPUT_TOKENS = 4096
_MAXIMA = ("max_completion_tokens", "max_output_tokens", "max_tokens")
MICRODOLLARS = 1_000_000


@dataclass(slots=True)
class Reservation:
    """The estimate of one call in its windows, and its usage."""

    windows: tuple[BudgetWindow, ...]
    tokens: int
    dollars: float
    spent: list[Spent] = field(default_factory=list)
    usage: TokenUsage | None = None


def budget_windows(client: Client | None, objective: Objective, key: str, now: float) -> Iterator[BudgetWindow]:
    """Yield the windows of all budgets of a call that have a limit."""
    budgets = [("objective", objective.name, DAY_S, objective.tokens_per_day or 0, objective.dollars_per_day or 0.0)]
    if client is not None:
        budgets += [
            ("client", client.name, DAY_S, client.tokens_per_day, client.dollars_per_day),
            ("client", client.name, MINUTE_S, client.tokens_per_minute, client.dollars_per_minute),
            ("key", key, DAY_S, client.key_tokens_per_day, client.key_dollars_per_day),
        ]
    for kind, name, seconds, tokens, dollars in budgets:
        if name and (tokens or dollars):
            number = int(now // seconds)
            yield BudgetWindow(
                kind=kind, name=name, seconds=seconds, number=number, tokens=tokens, dollars=float(dollars)
            )


def estimate_call(body: object, call: str, prices: Iterable[Prices]) -> tuple[int, float]:
    """Return the tokens and the dollars that a call takes at most, by the dearest of the versions that may answer."""
    asked = [read_count(body.get(name)) for name in _MAXIMA] if isinstance(body, dict) else []
    output = 0 if call in CALLS_WITHOUT_OUTPUT else next((count for count in asked if count), DEFAULT_OUTPUT_TOKENS)
    tokens = estimate_tokens(body)
    return tokens + output, max((price.cost(tokens, output, 0) for price in prices), default=0.0)


class BudgetLedger:
    """The budgets of all gateways on a database; `clock` returns seconds since 1970."""

    def __init__(self, table: SpendingTable, clock: Callable[[], float]) -> None:
        self.table = table
        self._clock = clock
        self._unsettled: list[Reservation] = []

    def windows(self, client: Client | None, objective: Objective, key: str) -> tuple[BudgetWindow, ...]:
        """Return the windows of all budgets of a call now."""
        return tuple(budget_windows(client, objective, key, self._clock()))

    async def reserve(self, windows: tuple[BudgetWindow, ...], tokens: int, dollars: float) -> Reservation:
        """Count the estimate of a call. GatewayProblem 429 over a budget, 503 when the database cannot be used."""
        reservation = Reservation(windows=windows, tokens=tokens, dollars=dollars)
        try:
            await self._settle_old()
            reservation.spent = await asyncio.to_thread(self.table.reserve, windows, tokens, dollars)
        except OverBudgetError as over:
            raise self._over_budget(over.spent) from None
        except StoreError as error:
            # What is left is in the database alone: without it, each gateway would spend the whole budget.
            hint = "repeat the request later"
            raise GatewayProblem(503, "budgets cannot be read now", code="store_unavailable", hint=hint) from error
        return reservation

    async def settle(self, reservation: Reservation) -> None:
        """Count what a call took in the place of its estimate, now or when the database is back."""
        self._unsettled.append(reservation)
        try:
            await self._settle_old()
        except StoreError as error:
            _log.warning("%d calls are counted by their estimates until the database is back: %s",
                         len(self._unsettled), error)  # fmt: skip

    async def _settle_old(self) -> None:
        while self._unsettled:
            reservation = self._unsettled.pop()
            usage = reservation.usage or TokenUsage()
            tokens = usage.input_tokens + usage.output_tokens - reservation.tokens
            dollars = usage.cost_usd - reservation.dollars
            try:
                spent = await asyncio.to_thread(self.table.settle, reservation.windows, tokens, dollars)
            except StoreError:
                self._unsettled.append(reservation)
                raise
            reservation.spent = spent

    def rate_limit(self, spent: Iterable[Spent]) -> str:
        """Return the RateLimit header: what is left of each budget, and the seconds until it is renewed."""
        now = self._clock()
        items = []
        for entry in spent:
            window = entry.window
            name, renewal = f"{window.kind}-{{}}-{_NAMES[window.seconds]}", math.ceil(_renewal_s(window, now))
            if window.tokens:
                items.append((name.format("tokens"), window.tokens - entry.tokens, renewal))
            if window.dollars:
                left = math.floor((window.dollars - entry.dollars) * MICRODOLLARS + 1e-6)
                items.append((name.format("microdollars"), left, renewal))
        return ", ".join(f'"{name}";r={max(0, left)};t={renewal}' for name, left, renewal in items)

    def _over_budget(self, spent: Spent) -> GatewayProblem:
        window = spent.window
        is_tokens = window.tokens and spent.tokens >= window.tokens
        amount = f"{window.tokens:,} tokens" if is_tokens else f"{window.dollars:g} dollars"
        limit = f"{amount} a {_NAMES[window.seconds]}"
        problem = problems.rate_limited(window.name, limit, _renewal_s(window, self._clock()), kind=window.kind)
        problem.headers = {**problem.headers, "RateLimit": self.rate_limit([spent])}
        return problem


def _renewal_s(window: BudgetWindow, now: float) -> float:
    return max(0.0, (window.number + 1) * window.seconds - now)
