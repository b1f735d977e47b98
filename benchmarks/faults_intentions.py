"""Changes that a user wants once, and what a model may make of each when it wants it again."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Arguments = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intention:
    """A change that the user wants once: what he says, and the call for it. `amount` is what goes on the wire."""

    id: str
    operation: str
    question: str
    arguments: Arguments
    amount: str = ""

    def tries(self, chance: random.Random, *, doubtful: bool) -> Iterator[Arguments]:
        """Yield what a model may make of the change when it wants it again; reworded where the outcome is open."""
        while True:
            yield self._worded(
                chance, chance.choice(("same", "amount", "blank", "case", "more", "words"[: 9 * doubtful]))
            )

    def _worded(self, chance: random.Random, way: str) -> Arguments:
        again = dict(self.arguments)
        texts = [name for name, value in again.items() if isinstance(value, str) and self.id in value]
        amounts = [name for name in again if name.endswith(("_micros", "_cents"))]
        if way == "amount" and amounts:
            again[amounts[0]] = chance.choice((int(self.amount), f"{again[amounts[0]]}.00", "50 USD"))
        elif way == "blank":
            again[texts[0]] += " "
        elif way == "case":
            again[texts[0]] = again[texts[0]].upper()
        elif way == "words" and self.operation in ("createBudget", "sendMessage"):
            again[texts[0]] = f"{again[texts[0]]}, as was said"
        elif way == "more":
            again["note"] = "once more"
        if self.operation == "createBudget" and chance.random() < 0.3:
            again["Idempotency-Key"] = f"of-the-model-{chance.random()}"
        return again


def intention_of(number: int, chance: random.Random, operation: str = "") -> Intention:
    """One of the changes that there are, or that of an operation, under a name that no other has."""
    id = f"k{number:05}"
    plan, units = f"Plan {id}", chance.randint(2, 90)
    every = (
        Intention(
            id=id,
            operation="createBudget",
            question=f'create a budget called "{plan}" with a daily limit of $50',
            arguments={"name": plan, "daily_limit_micros": "$50"},
            amount="50000000",
        ),
        Intention(
            id=id,
            operation="sendMessage",
            question=f'send the message "Hello {id}" to the channel general',
            arguments={"channel": "general", "text": f"Hello {id}"},
        ),
        Intention(
            id=id,
            operation="payInvoice",
            question=f"pay the invoice {id} with $50",
            arguments={"invoice": id, "amount_cents": "$50"},
            amount="5000",
        ),
        Intention(
            id=id,
            operation="restockItem",
            question=f"restock the item {id} with {units} units",
            arguments={"item": id, "units": units},
            amount=str(units),
        ),
    )
    return chance.choice([one for one in every if operation in ("", one.operation)])
