"""Scores a payment for fraud: a logistic regression on the card, the time and the place."""

from __future__ import annotations

import math
from typing import Any

DECLINE = 0.5
REVIEW = 0.15


def row(payment: dict[str, Any], context: Any) -> list[float]:
    """The features of one payment."""
    return [
        math.log1p(payment["amount"]),
        float(payment["card_country"] != payment["country"]),
        math.log1p(payment["card_age_days"]),
        float(not 6 <= payment["hour"] < 23),
        float(payment["attempts_last_hour"]),
        float(payment["merchant"] in ("electronics", "games")),
    ]


def features(payment: dict[str, Any], context: Any) -> list[float]:
    return row(payment, context)


def postprocess(score: float) -> dict[str, Any]:
    """What to do about it."""
    decision = "decline" if score >= DECLINE else "review" if score >= REVIEW else "approve"
    return {"score": round(score, 4), "decision": decision}
