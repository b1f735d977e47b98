"""Parses the JSON that a model writes: the arguments of its calls."""

from __future__ import annotations

import json


def parse_json(text: str) -> object:
    """Return JSON that a model wrote. ValueError where it is none: NaN and Infinity are no JSON (RFC 8259 §6)."""
    return json.loads(text, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no number")
