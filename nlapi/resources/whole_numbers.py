"""Reads the whole numbers that an API writes as texts."""

from __future__ import annotations

# Python refuses to read more than 4,300 digits (CVE-2020-10735), and no count or page has as many as this.
MAX_DIGITS = 100


def whole_number(text: str) -> int | None:
    """Return the number that a text of decimal digits writes; None for any other text, and for one too long."""
    return int(text) if text.isdecimal() and len(text) <= MAX_DIGITS else None
