"""Formats matches, shares and values as text, in the same way for every reader."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from nlapi.routing.match import fields
from nlapi.routing.nouns import Match, Range, Scalar, Share

# Values of one field that are listed; a reason is one line of a log or a terminal.
MAX_VALUES = 5


def value(one: Scalar | None) -> str:
    """Return a value as a person writes it; as JSON when it is not a plain word."""
    if one is None:
        return "absent"
    # Quotes appear only where a text could be misread: empty, padded or with control characters.
    if isinstance(one, str) and one.strip() == one and one.isprintable() and one:
        return one
    return json.dumps(one, ensure_ascii=False)


def listed(items: Iterable[str], last: str) -> str:
    """Return "a, b or c"; items beyond MAX_VALUES are counted."""
    words = list(items)
    if len(words) > MAX_VALUES:
        words = [*words[: MAX_VALUES - 1], f"{len(words) - MAX_VALUES + 1} others"]
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else "".join(words)


def conditions(match: Match) -> str:
    """Return "country is BR, device is not tv"; "every request" for a match of everything."""
    parts = [part for name in fields(match) for part in _of(match, name)]
    return ", ".join(parts) or "every request"


def _of(match: Match, name: str) -> Iterable[str]:
    if name in match.when:
        yield f"{name} is {listed(map(value, match.when[name]), 'or')}"
    if name in match.unless:
        yield f"{name} is not {listed(map(value, match.unless[name]), 'or')}"
    if name in match.between:
        yield f"{name} is {_range(match.between[name])}"


def _range(between: Range) -> str:
    parts = [] if between.least is None else [f"at least {number(between.least)}"]
    parts += [] if between.below is None else [f"below {number(between.below)}"]
    return " and ".join(parts) or "a number"


def number(one: float) -> str:
    """Return a number without trailing zeros, with all significant digits."""
    return str(int(one)) if float(one).is_integer() else repr(one)


def percent(one: float) -> str:
    """Return a percentage with at most four decimals."""
    return f"{number(round(one, 4))} %"


def cell(share: Share) -> str:
    """Return "cell treatment (ranker@v8, 10 %)", or without a name "the 10 % of ranker@v8"."""
    inner = f"{share.version}, {percent(share.percent)}"
    return f"cell {share.name} ({inner})" if share.name else f"the {percent(share.percent)} of {share.version}"


def shares(those: Sequence[Share]) -> str:
    """Return "ranker@v7 90 %, ranker@v8 10 %"."""
    return ", ".join(f"{_named(share)}{share.version} {percent(share.percent)}" for share in those)


def _named(share: Share) -> str:
    return f"{share.name}: " if share.name else ""
