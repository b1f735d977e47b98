"""Caps on what questions may take: dollars, calls, seconds. They are looked at before each request."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from nlapi.agent.models import ModelPrices, cost
from nlapi.agent.usage import UsageTotal, usage_total
from nlapi.tools.plan import Plan

# Bytes of JSON that a token stands for, at least: 3 for code and most languages written in Latin letters, so that the
# estimate is rather too high than too low.
BYTES_A_TOKEN = 3
# Tokens that an answer has at most in most cases; the estimate reserves as many.
EXPECTED_OUTPUT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Caps:
    """The most dollars of a run, and the most calls and seconds for the answer to one question; None: no cap.

    `in_file` are the names of those that models.toml sets.
    """

    usd: float | None = None
    steps: int | None = None
    seconds: float | None = None
    in_file: frozenset[str] = frozenset()

    def or_else(self, file_caps: Caps) -> Caps:
        """Return these caps, with those of models.toml where there is none here."""
        return Caps(
            usd=file_caps.usd if self.usd is None else self.usd,
            steps=file_caps.steps if self.steps is None else self.steps,
            seconds=file_caps.seconds if self.seconds is None else self.seconds,
            in_file=frozenset(name for name in ("usd", "steps", "seconds") if getattr(self, name) is None),
        )

    def setting(self, name: str) -> str:
        """Return where a cap was set, for a message."""
        return f"max_{name} of models.toml" if name in self.in_file else f"--max-{name}"


NO_CAPS = Caps()


@dataclass(slots=True)
class TurnMeter:
    """Compares the calls and the time of one question with the caps."""

    caps: Caps
    started: float = field(default_factory=time.monotonic)
    steps: int = 0

    @property
    def remaining_s(self) -> float | None:
        """The seconds that are left; None without a cap."""
        return None if self.caps.seconds is None else max(self.caps.seconds - (time.monotonic() - self.started), 0.0)

    def late_plan(self) -> Plan | None:
        """Return the plan that ends the turn because its time is over; None before."""
        if self.caps.seconds is None or self.remaining_s:
            return None
        return capped_plan(f"the {self.caps.seconds:g} seconds of {self.caps.setting('seconds')} are over", "seconds")

    def count_calls(self, count: int) -> Plan | None:
        """Count the calls of a plan; return the plan that ends the turn in their place where they are too many."""
        if self.caps.steps is not None and self.steps + count > self.caps.steps:
            limit = f"{self.caps.steps} is the most by {self.caps.setting('steps')}"
            return capped_plan(f"{self.steps} calls were made, and {limit}", "steps")
        self.steps += count
        return None


@dataclass(slots=True)
class SpendingMeter:
    """Counts all requests of a run to models, and compares their cost with the cap on dollars, set by `setting`."""

    max_usd: float | None = None
    setting: str = "--max-usd"
    spent: float = 0.0
    """dollars, with an estimate for each request whose usage the server does not report"""
    total: UsageTotal = field(default_factory=UsageTotal)
    """what the servers report"""

    def add(self, prices: ModelPrices | None, usage: Mapping[str, object], size: int) -> None:
        """Count the answer to a request of `size` bytes; by an estimate where the server reports no usage."""
        is_reported = usage.get("input_tokens") or usage.get("output_tokens")
        self.spent += cost(prices, usage if is_reported else _expected_usage(size)) or 0.0
        self.total += usage_total(usage, cost(prices, usage))

    def refusal(self, prices: ModelPrices | None, size: int) -> Plan | None:
        """Return the plan that ends the turn in place of a request of `size` bytes; None where it may be sent."""
        if self.max_usd is None:
            return None
        estimate = cost(prices, _expected_usage(size)) or 0.0
        if self.spent + estimate <= self.max_usd:
            return None
        reason = f"${self.spent:.4f} are spent, the next request takes about ${estimate:.4f}"
        return capped_plan(f"{reason}, and ${self.max_usd:g} is the most by {self.setting}", "usd")


def _expected_usage(size: int) -> dict[str, int]:
    return {"input_tokens": size // BYTES_A_TOKEN, "output_tokens": EXPECTED_OUTPUT}


def capped_plan(reason: str, cap: str) -> Plan:
    """Return the plan that ends a turn at a cap."""
    return Plan(text=f"Stopped: {reason}.", confidence=1.0, ended=cap)
