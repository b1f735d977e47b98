"""Matches, shares and values in words, the same wherever a person reads of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from nlapi.routing.match import fields
from nlapi.routing.nouns import Match, Range, Scalar, Share

MAX_VALUES = 5
"""Values of one field that are listed."""


def value(one: Scalar | None) -> str:
    """A value as a person writes it; JSON for what is not a plain word."""
    if one is None:
        return "absent"
    if isinstance(one, str) and one.strip() == one and one.isprintable() and one:
        return one
    return json.dumps(one, ensure_ascii=False)


def listed(items: Iterable[str], last: str) -> str:
    """ "a, b or c"; what is too long is counted."""
    words = list(items)
    if len(words) > MAX_VALUES:
        words = [*words[: MAX_VALUES - 1], f"{len(words) - MAX_VALUES + 1} others"]
    return f"{', '.join(words[:-1])} {last} {words[-1]}" if len(words) > 1 else "".join(words)


def conditions(match: Match) -> str:
    """ "country is BR, device is not tv"; "every request" for a match of everything."""
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
    parts = [
        text
        for bound, text in (
            (between.least, f"at least {number(between.least)}"),
            (between.below, f"below {number(between.below)}"),
        )
        if bound is not None
    ]
    return " and ".join(parts) or "a number"


def number(one: float | None) -> str:
    """A number without needless zeros, all of its digits that count."""
    if one is None:
        return ""
    return str(int(one)) if float(one).is_integer() else repr(one)


def percent(one: float) -> str:
    return f"{number(round(one, 4))} %"


def cell(share: Share) -> str:
    """ "cell treatment (ranker@v8, 10 %)"."""
    inner = f"{share.version}, {percent(share.percent)}"
    return f"cell {share.name} ({inner})" if share.name else f"the {percent(share.percent)} of {share.version}"


def shares(those: Sequence[Share]) -> str:
    """ "ranker@v7 90 %, ranker@v8 10 %"."""
    return ", ".join(f"{_named(share)}{share.version} {percent(share.percent)}" for share in those)


def _named(share: Share) -> str:
    return f"{share.name}: " if share.name else ""
