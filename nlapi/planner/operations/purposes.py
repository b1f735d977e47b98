"""Questions for what would be and for why, and the operations whose descriptions say that they answer these."""

from __future__ import annotations

import re

from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import Effect, Operation

_HYPOTHETICAL = lazy_pattern(
    r"\bwhat if\b|\b(?:what|how|who|which)\b.*\b(?:would|will|happens?|happened)\b.*\b(?:if|were to|when)\b",
    re.IGNORECASE,
)
_SIMULATES = lazy_pattern(
    r"\bsimulat\w*|\bwhat (?:if|would)\b|\bdry[- ]run\b|\bpreviews? (?:a|the) change", re.IGNORECASE
)
_WHY = lazy_pattern(r"^\W*(?:(?:explain|tell me|and|but|so)\s+)?why\b", re.IGNORECASE)
_EXPLAINS = lazy_pattern(r"\bexplains?\b|\bwhy\b", re.IGNORECASE)


def is_hypothetical(question: str) -> bool:
    """Return whether a sentence asks what would be, if something were done."""
    return _HYPOTHETICAL.search(question) is not None


def asks_why(question: str) -> bool:
    """Return whether a sentence asks for a reason."""
    return _WHY.match(question) is not None


def simulates(operation: Operation) -> bool:
    """Return whether an operation tells by its description what a change would do, and makes none."""
    return _reads(operation, _SIMULATES)


def explains(operation: Operation) -> bool:
    """Return whether an operation tells by its description why something is so."""
    return _reads(operation, _EXPLAINS)


def _reads(operation: Operation, purpose: re.Pattern[str]) -> bool:
    text = f"{operation.summary} {operation.description}"
    return operation.effect is Effect.READ and purpose.search(text) is not None
