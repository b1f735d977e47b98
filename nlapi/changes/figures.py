"""Finds the numbers in a sentence, and those that are a value of a call in the unit of its argument."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from nlapi.changes.mentions import Mention, UserSentence, SentenceWord
from nlapi.openapi.hints import SCALES
from nlapi.tools.units import CURRENCY_DECIMALS

_NUMBER = r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_CURRENCY = r"[$€£¥]|[A-Z]{3}"
_NUMBER_WORD = re.compile(
    rf"[#~]?(?P<before>{_CURRENCY})?(?P<number>{_NUMBER})(?P<after>%|[A-Za-zµ€$£¥]{{1,8}})?(?:/[A-Za-z]+)?"
)
# 25-44 and 1920x1080: each end is a value of its own.
_RANGE = re.compile(rf"(?:{_CURRENCY})?(?P<first>\d+(?:\.\d+)?)[-–x×](?:{_CURRENCY})?(?P<last>\d+(?:\.\d+)?)")
_NUMBER_NAMES = dict(
    zip(
        "zero one two three four five six seven eight nine ten eleven twelve".split(),
        map(Decimal, range(13)),
        strict=True,
    )
)
_MULTIPLIERS = {"k": 1_000, "thousand": 1_000, "million": 1_000_000, "mio": 1_000_000, "bn": 10**9, "billion": 10**9}
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
SMALL_UNITS = re.compile(rf"{_CENTS.pattern}|\b(?:micros?|milli\s?units?)\b", re.IGNORECASE)
"""Words of a description that takes an amount in another unit than people say it in."""
_MICROS = re.compile(r"\bmicros?\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberMention:
    """A number in a sentence, with its currency (a code) and its unit in small letters, "" where it has none."""

    number: Decimal
    mention: Mention
    currency: str = ""
    unit: str = ""


def find_numbers(sentence: UserSentence) -> Iterator[NumberMention]:
    """Yield the numbers of a sentence: whole words, and the ends of ranges (25-44)."""
    words = sentence.words
    for index, word in enumerate(words):
        next_text = words[index + 1].text if index + 1 < len(words) and not words[index + 1].is_quoted else ""
        if (ends := _RANGE.fullmatch(word.text)) is not None:
            for end in ("first", "last"):
                start = word.start + ends.start(end)
                mention = Mention(words=ends[end], start=start, end=start + len(ends[end]))
                yield NumberMention(number=Decimal(ends[end]), mention=mention)
        elif (number := parse_number(word, next_text)) is not None:
            yield number


def parse_number(word: SentenceWord, next_text: str = "") -> NumberMention | None:
    """Return the number in a word, with the unit in it or in `next_text`; None where it has none."""
    next_unit = next_text.strip("().,").lower()
    code = CURRENCIES.get(next_unit) or (next_text if re.fullmatch(r"[A-Z]{3}", next_text) else "")
    if word.text.lower() in _NUMBER_NAMES:
        return NumberMention(number=_NUMBER_NAMES[word.text.lower()], mention=word.mention, currency=code, unit=next_unit)
    match = _NUMBER_WORD.fullmatch(word.text)
    if match is None:
        return None
    number, unit = Decimal(match["number"].replace(",", "")), (match["after"] or next_unit).lower()
    # `the 5th` is a day or an index, and no amount.
    if unit in ("st", "nd", "rd", "th"):
        return None
    if unit in _MULTIPLIERS:
        number *= _MULTIPLIERS[unit]
    currency_sign = match["before"] or (match["after"] if match["after"] in CURRENCIES else "") or ""
    return NumberMention(number=number, mention=word.mention, currency=CURRENCIES.get(currency_sign, currency_sign) or code, unit=unit)


def equals_number(value: int | float | str, number: NumberMention, unit: str, description: str) -> bool:
    """Return whether `value` is `number` in the unit of an argument with this `description`.

    A text is compared as a figure with a unit of its own ("$50", "30s").
    """
    if isinstance(value, str):
        parsed = parse_number(SentenceWord(text=value.replace(" ", ""), start=0, end=len(value)))
        if parsed is None or (parsed.currency and number.currency not in ("", parsed.currency)):
            return False
        if _is_same_amount(parsed, number):
            return True
        return not parsed.currency and not parsed.unit and parsed.number in set(_wire_numbers(number, unit, description))
    try:
        exact = Decimal(str(value))
    except InvalidOperation:
        return False
    return exact in set(_wire_numbers(number, unit, description))


def _is_same_amount(first: NumberMention, second: NumberMention) -> bool:
    for table in (_SECONDS, _BYTES):
        if first.unit in table and second.unit in table:
            return first.number * table[first.unit] == second.number * table[second.unit]
    is_same_unit = first.unit == second.unit or {first.unit, second.unit} <= _PERCENT or bool(first.currency)
    return first.number == second.number and is_same_unit


def _wire_numbers(mention: NumberMention, unit: str, description: str) -> Iterator[Decimal]:
    """Yield the numbers that may be sent for a figure, in the unit of the argument."""
    number, spoken_unit = mention.number, mention.unit
    if unit in _MONEY_UNITS:
        yield number * _scale(unit, mention.currency)
        if not mention.currency:
            yield number
        return
    yield number
    if spoken_unit in _PERCENT:
        yield number / 100
        if unit in SCALES:
            yield number * SCALES[unit]
    if mention.currency or not spoken_unit:
        yield from (number * 100 for _ in _CENTS.findall(description)[:1])
        yield from (number * 1_000_000 for _ in _MICROS.findall(description)[:1])
    words = set(re.findall(r"[a-z]+", description.lower()))
    if spoken_unit in _SECONDS:
        scales = {_SECONDS[word] for word in words & _SECONDS.keys() if len(word) > 1}
        scales |= {_SECONDS["ms"]} if unit == "milliseconds" else set()
        yield from (number * _SECONDS[spoken_unit] / scale for scale in scales)
    if spoken_unit in _BYTES:
        # People say GB for both 10^9 and 2^30 bytes, and APIs mean either.
        yield from (number * size for size in {_BYTES[spoken_unit], _BYTES.get(f"{spoken_unit[:1]}ib", _BYTES[spoken_unit])})


def _scale(unit: str, currency: str) -> Decimal:
    # Yen have no decimals: 500 JPY in the smallest unit are 500 (ISO 4217).
    if unit in ("cents", "minor") and currency:
        return Decimal(10) ** CURRENCY_DECIMALS.get(currency, 2)
    return SCALES[unit]
