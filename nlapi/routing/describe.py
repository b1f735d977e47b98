"""Formats matches, shares and values as text, in the same way for every reader."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from nlapi.routing.matching import match_fields
from nlapi.routing.model import Bucket, Estimate, Match, Range, Scalar, Share

# Values of one field that are listed; a reason is one line of a log or a terminal.
MAX_VALUES = 5


def format_value(value: Scalar | None) -> str:
    """Return a value as a person writes it; as JSON when it is not a plain word."""
    if value is None:
        return "absent"
    # Quotes appear only where a text could be misread: empty, padded or with control characters.
    if isinstance(value, str) and value.strip() == value and value.isprintable() and value:
        return value
    return json.dumps(value, ensure_ascii=False)


def join_items(items: Iterable[str], last: str) -> str:
    """Return "a, b or c"; items beyond MAX_VALUES are counted."""
    texts = list(items)
    if len(texts) > MAX_VALUES:
        texts = [*texts[: MAX_VALUES - 1], f"{len(texts) - MAX_VALUES + 1} others"]
    return f"{', '.join(texts[:-1])} {last} {texts[-1]}" if len(texts) > 1 else "".join(texts)


def format_conditions(match: Match) -> str:
    """Return "country is BR, device is not tv"; "every request" for a match of everything."""
    parts = [part for name in match_fields(match) for part in _format_field_conditions(match, name)]
    return ", ".join(parts) or "every request"


def _format_field_conditions(match: Match, name: str) -> Iterable[str]:
    if name in match.when:
        yield f"{name} is {join_items(map(format_value, match.when[name]), 'or')}"
    if name in match.unless:
        yield f"{name} is not {join_items(map(format_value, match.unless[name]), 'or')}"
    if name in match.between:
        yield f"{name} is {_format_range(match.between[name])}"


def _format_range(between: Range) -> str:
    parts = [] if between.least is None else [f"at least {format_number(between.least)}"]
    parts += [] if between.below is None else [f"below {format_number(between.below)}"]
    return " and ".join(parts) or "a number"


def format_number(value: float) -> str:
    """Return a number without trailing zeros, with all significant digits."""
    return str(int(value)) if float(value).is_integer() else repr(value)


def format_percent(value: float) -> str:
    """Return a percentage with at most four decimals."""
    return f"{format_number(round(value, 4))} %"


def format_cell(share: Share) -> str:
    """Return "cell treatment (ranker@v8, 10 %)", or without a name "the 10 % of ranker@v8"."""
    inner = f"{share.version}, {format_percent(share.percent)}"
    return f"cell {share.name} ({inner})" if share.name else f"the {format_percent(share.percent)} of {share.version}"


def format_shares(shares: Sequence[Share]) -> str:
    """Return "ranker@v7 90 %, ranker@v8 10 %"."""
    return ", ".join(f"{_share_prefix(share)}{share.version} {format_percent(share.percent)}" for share in shares)


def _share_prefix(share: Share) -> str:
    return f"{share.name}: " if share.name else ""


def format_bucket(fields: Sequence[str], bucket: Bucket) -> str:
    """Return "category is law, size is 9"."""
    return ", ".join(f"{name} is {format_value(value)}" for name, value in zip(fields, bucket, strict=True))


def format_estimates(estimates: Iterable[Estimate]) -> str:
    """Return what each version of a bucket is expected to give: "small@v1 0.712 at $0.00021 (240 outcomes)"."""
    return "expected quality: " + ", ".join(
        f"{entry.version} {entry.quality:.3f} at ${entry.dollars:.3g} ({entry.outcomes:,} outcomes)"
        for entry in estimates
    )
