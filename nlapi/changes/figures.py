"""Finds the numbers in a sentence, and those that are a value of a call in the unit of its argument."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from nlapi.changes.mentions import Mention, Sentence, Word
from nlapi.openapi.hints import SCALES
from nlapi.tools.units import DECIMALS

_NUMBER = r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_CURRENCY = r"[$€£¥]|[A-Z]{3}"
_FIGURE = re.compile(
    rf"[#~]?(?P<before>{_CURRENCY})?(?P<number>{_NUMBER})(?P<after>%|[A-Za-zµ€$£¥]{{1,8}})?(?:/[A-Za-z]+)?"
)
# 25-44 and 1920x1080: each end is a value of its own.
_RANGE = re.compile(rf"(?:{_CURRENCY})?(?P<first>\d+(?:\.\d+)?)[-–x×](?:{_CURRENCY})?(?P<last>\d+(?:\.\d+)?)")
_SPELT = dict(
    zip(
        "zero one two three four five six seven eight nine ten eleven twelve".split(),
        map(Decimal, range(13)),
        strict=True,
    )
)
_TIMES = {"k": 1_000, "thousand": 1_000, "million": 1_000_000, "mio": 1_000_000, "bn": 10**9, "billion": 10**9}
_SECONDS = {
    **dict.fromkeys("ms msec millisecond milliseconds".split(), Decimal("0.001")),
    **dict.fromkeys("s sec secs second seconds".split(), Decimal(1)),
    **dict.fromkeys("m min mins minute minutes".split(), Decimal(60)),
    **dict.fromkeys("h hr hrs hour hours".split(), Decimal(3600)),
    **dict.fromkeys("d day days".split(), Decimal(86400)),
    **dict.fromkeys("w week weeks".split(), Decimal(604800)),
}
_BYTES = {
    **{f"{prefix}b": Decimal(1000) ** power for power, prefix in enumerate(("", "k", "m", "g", "t"))},
    **{f"{prefix}ib": Decimal(1024) ** power for power, prefix in enumerate(("", "k", "m", "g", "t")) if power},
}
CURRENCIES = {
    **{"$": "USD", "dollar": "USD", "dollars": "USD", "bucks": "USD", "€": "EUR", "euro": "EUR", "euros": "EUR"},
    **{"£": "GBP", "pound": "GBP", "pounds": "GBP", "¥": "JPY", "yen": "JPY", "franc": "CHF", "francs": "CHF"},
}
"""A word or sign for a currency -> its code (ISO 4217)."""
_PERCENT = frozenset(("%", "percent", "pct"))
_MONEY_UNITS = frozenset(("micros", "micro", "cents", "minor", "mills", "units"))
_CENTS = re.compile(r"\b(?:cents?|pence|minor|smallest (?:currency )?unit)\b", re.IGNORECASE)
SMALLEST = re.compile(rf"{_CENTS.pattern}|\b(?:micros?|milli\s?units?)\b", re.IGNORECASE)
"""Words of a description that takes an amount in another unit than people say it in."""
_MICROS = re.compile(r"\bmicros?\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A number in a sentence, with its currency (a code) and its unit in small letters, "" where it has none."""

    number: Decimal
    mention: Mention
    currency: str = ""
    unit: str = ""


def figures(sentence: Sentence) -> Iterator[Figure]:
    """Yield the numbers of a sentence: whole words, and the ends of ranges (25-44)."""
    words = sentence.words
    for place, word in enumerate(words):
        after = words[place + 1].text if place + 1 < len(words) and not words[place + 1].is_quoted else ""
        if (ends := _RANGE.fullmatch(word.text)) is not None:
            for end in ("first", "last"):
                start = word.start + ends.start(end)
                mention = Mention(words=ends[end], start=start, end=start + len(ends[end]))
                yield Figure(number=Decimal(ends[end]), mention=mention)
        elif (figure := figure_of(word, after)) is not None:
            yield figure


def figure_of(word: Word, after: str = "") -> Figure | None:
    """Return the number in a word, with the unit in it or in `next_text`; None where it has none."""
    behind = after.strip("().,").lower()
    code = CURRENCIES.get(behind) or (after if re.fullmatch(r"[A-Z]{3}", after) else "")
    if word.text.lower() in _SPELT:
        return Figure(number=_SPELT[word.text.lower()], mention=word.mention, currency=code, unit=behind)
    found = _FIGURE.fullmatch(word.text)
    if found is None:
        return None
    number, unit = Decimal(found["number"].replace(",", "")), (found["after"] or behind).lower()
    # `the 5th` is a day or an index, and no amount.
    if unit in ("st", "nd", "rd", "th"):
        return None
    if unit in _TIMES:
        number *= _TIMES[unit]
    said = found["before"] or (found["after"] if found["after"] in CURRENCIES else "") or ""
    return Figure(number=number, mention=word.mention, currency=CURRENCIES.get(said, said) or code, unit=unit)


def is_figure(value: int | float | str, figure: Figure, unit: str, about: str) -> bool:
    """Return whether `value` is `number` in the unit of an argument with this `description`.

    A text is compared as a figure with a unit of its own ("$50", "30s").
    """
    if isinstance(value, str):
        written = figure_of(Word(text=value.replace(" ", ""), start=0, end=len(value)))
        if written is None or (written.currency and figure.currency not in ("", written.currency)):
            return False
        if _same_unit(written, figure):
            return True
        return not written.currency and not written.unit and written.number in set(_forms(figure, unit, about))
    try:
        exact = Decimal(str(value))
    except InvalidOperation:
        return False
    return exact in set(_forms(figure, unit, about))


def _same_unit(one: Figure, other: Figure) -> bool:
    for table in (_SECONDS, _BYTES):
        if one.unit in table and other.unit in table:
            return one.number * table[one.unit] == other.number * table[other.unit]
    alike = one.unit == other.unit or {one.unit, other.unit} <= _PERCENT or bool(one.currency)
    return one.number == other.number and alike


def _forms(figure: Figure, unit: str, about: str) -> Iterator[Decimal]:
    """Yield the numbers that may be sent for a figure, in the unit of the argument."""
    number, said = figure.number, figure.unit
    if unit in _MONEY_UNITS:
        yield number * _scale(unit, figure.currency)
        if not figure.currency:
            yield number
        return
    yield number
    if said in _PERCENT:
        yield number / 100
        if unit in SCALES:
            yield number * SCALES[unit]
    if figure.currency or not said:
        yield from (number * 100 for _ in _CENTS.findall(about)[:1])
        yield from (number * 1_000_000 for _ in _MICROS.findall(about)[:1])
    words = set(re.findall(r"[a-z]+", about.lower()))
    if said in _SECONDS:
        wanted = {_SECONDS[word] for word in words & _SECONDS.keys() if len(word) > 1}
        wanted |= {_SECONDS["ms"]} if unit == "milliseconds" else set()
        yield from (number * _SECONDS[said] / scale for scale in wanted)
    if said in _BYTES:
        # People say GB for both 10^9 and 2^30 bytes, and APIs mean either.
        yield from (number * size for size in {_BYTES[said], _BYTES.get(f"{said[:1]}ib", _BYTES[said])})


def _scale(unit: str, currency: str) -> Decimal:
    # Yen have no decimals: 500 JPY in the smallest unit are 500 (ISO 4217).
    if unit in ("cents", "minor") and currency:
        return Decimal(10) ** DECIMALS.get(currency, 2)
    return SCALES[unit]
