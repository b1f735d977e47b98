"""Reads the unit of an argument's numbers from `x-nlapi`, its name, its description and its bounds.

A wrong unit is a wrong budget, so that `read_unit` returns one only by sure evidence, and none where two signs disagree
(docs/design/082-units-from-texts.md has the precision on real descriptions). `likely_unit` is for the planner, which
weighs it against the unit that the sentence has.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache

from nlapi.english import lexicon
from nlapi.english.units import Unit, find_unit
from nlapi.english.words import split_words
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import read_hints
from nlapi.resources.schemas import schema_types
from nlapi.tools.quantities.units import CURRENCIES, UnitEvidence, WireUnit, stated_unit

_SIZES = lexicon.words("tools/words", "size_words")
_NO_SHARES = lexicon.words("tools/words", "no_shares")
_MOMENT_UNITS = lexicon.words("tools/words", "units_of_moments")
_RATES = lexicon.words("tools/words", "rate_words")
_PERCENT = lexicon.words("tools/words", "percent")
_DURATIONS = lexicon.words("tools/words", "duration_words")

# Characters of a description that are read: the unit stands at its beginning.
_MAX_TEXT = 600

_NUMERIC = lexicon.words("tools/words", "numeric")
_NUMBER_FORMATS = frozenset(("int64", "uint64", "int32", "uint32"))

_MONEY_WORDS = lexicon.words("tools/words", "money_words")
_TIME_WORDS = lexicon.words("tools/words", "time_words")
# Words in the name of a point in time, which may be in seconds since 1970.
_MOMENT_WORDS = lexicon.words("tools/words", "moment_words")
_NEVER_WORDS = lexicon.words("tools/words", "never_words")

_TIME_NAMES = lexicon.by_word("tools/words", "time_units")
# Abbreviations that are the unit only beside a word of time.
_SHORT_TIME_NAMES = {"ms": "milliseconds", "sec": "seconds"}
_DATA_NAMES = lexicon.by_word("tools/words", "data_units")
_CURRENCY_WORDS = {"dollars": "USD", "euros": "EUR", "pounds": "GBP", "yen": "JPY"}

_TIME_TEXT = lazy_pattern(
    r"\b(?:in|as|number of|measured in|specified in|expressed in|given in)\s+(?:whole\s+|the\s+|full\s+|integer\s+)?"
    rf"({'|'.join(_TIME_NAMES)}|ms|sec)\b(?!\s+(?:since|of|ago|from|before|after|past|per))"
    rf"|\((?:in\s+|unit:?\s*|units:?\s*)?({'|'.join(_TIME_NAMES)}|ms|sec)\)",
    re.IGNORECASE,
)
_COUNT_TEXT = lexicon.pattern("tools/words", "count_text", re.IGNORECASE)
_MOMENT_TEXT = lexicon.pattern("tools/words", "moment_text", re.IGNORECASE)
_DATA_TEXT = lexicon.pattern("tools/words", "data_text")
_BARE_DATA = lexicon.pattern("tools/words", "bare_data")
_MICROS_TEXT = lexicon.pattern("tools/words", "micros_text", re.IGNORECASE)
_MINOR_TEXT = lexicon.pattern("tools/words", "minor_text", re.IGNORECASE)
# What makes the smallest unit doubtful: fractions of it, several units, or a text that denies it.
_MINOR_DOUBT = lexicon.pattern("tools/words", "minor_doubt", re.IGNORECASE)
_WHOLE_TEXT = lazy_pattern(r"\bin (?:(?:US|U\.S\.) )?(?:(dollars|euros)|([A-Z]{3}))\b|\(([A-Z]{3})\)")
_WHOLE_DOUBT = lexicon.pattern("tools/words", "whole_doubt", re.IGNORECASE)
_MONEY_TEXT = lexicon.pattern("tools/words", "money_text", re.IGNORECASE)
_WHOLE_PERCENT = lexicon.pattern("tools/words", "whole_percent", re.IGNORECASE)
_FRACTION = lexicon.pattern("tools/words", "fraction", re.IGNORECASE)
_OF_ONE = lazy_pattern(r"\bbetween 0(?:\.0+)? and 1(?:\.0+)?\b(?!\s*00)|\bfrom 0(?:\.0)? to 1(?:\.0)?\b")
_SHARE_TEXT = lexicon.pattern("tools/words", "share_text", re.IGNORECASE)


def read_unit(name: str, parts: Iterable[Mapping[str, object]], description: str = "") -> WireUnit | None:
    """Return the unit of a value by sure evidence; None if none exists, or where two signs disagree.

    `parts` are the schema of the value and those in its `allOf`, `anyOf` and `oneOf`; `description` is that of the
    parameter, where its schema has none.
    """
    parts = list(parts)
    for part in parts:
        if hinted := read_hints(part).unit:
            return stated_unit(hinted)
    types = {kind for part in parts for kind in schema_types(part)}
    if not types or not (types <= _NUMERIC or _is_number_text(types, parts)):
        return None
    if any(part.get("enum") for part in parts):
        return None
    texts = [description, *(str(part.get("description") or "") for part in parts)]
    text = " ".join(dict.fromkeys(text[:_MAX_TEXT].strip() for text in texts if text))
    bounds = {
        key: float(value)
        for key in ("minimum", "maximum", "default", "example")
        for part in parts
        if isinstance(value := part.get(key), int | float) and not isinstance(value, bool)
    }
    examples = [value for part in parts for value in _numbers(part.get("examples"))]
    largest = max([*bounds.values(), *examples], default=None)
    return _unit_of_text(name, text, "integer" in types or "string" in types, bounds.get("maximum"), largest)


def _is_number_text(types: set[str], parts: Iterable[Mapping[str, object]]) -> bool:
    """Return whether a value is a number of 64 bits that JSON writes as a text."""
    return types <= {"string", "null"} and any(part.get("format") in _NUMBER_FORMATS for part in parts)


def _numbers(values: object) -> list[float]:
    listed = values if isinstance(values, list) else []
    return [float(value) for value in listed if isinstance(value, int | float) and not isinstance(value, bool)]


@lru_cache(maxsize=16_384)
def _unit_of_text(
    name: str, text: str, is_integer: bool, maximum: float | None, largest: float | None
) -> WireUnit | None:
    words = _unit_words(name)
    signs = (
        _money_unit(words, text, is_integer),
        _time_unit(words, text),
        _data_unit(words, text),
        _share_unit(words, text, is_integer, maximum, largest),
    )
    units = [unit for unit in signs if unit is not None]
    return units[0] if len(units) == 1 else None


def _unit_words(name: str) -> tuple[str, ...]:
    """Return the words of a name, with KiB in one: maxKiB -> max kib."""
    return tuple(split_words(re.sub(r"(?<![A-Z])[KMGT]i?B(?![a-z])", lambda match: f"_{match[0].lower()}_", name)))


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=[a-z)])\.\s|\n\n", text, maxsplit=1)[0]


def _money_unit(words: tuple[str, ...], text: str, is_integer: bool) -> WireUnit | None:
    is_money = not _MONEY_WORDS.isdisjoint(words)
    currency = _currency_of(words, text)
    head = text[:240]
    if ({"micro", "micros"} & set(words) and not _DURATIONS & set(words)) and (is_money or _MONEY_TEXT.search(text)):
        return WireUnit(name="micros", evidence=UnitEvidence.NAME, words=" ".join(words), currency=currency)
    micros = _MICROS_TEXT.search(text)
    if micros and (is_money or _MONEY_TEXT.search(text)):
        return WireUnit(name="micros", evidence=UnitEvidence.TEXT, words=micros[0], currency=currency)
    minor = _MINOR_TEXT.search(head)
    is_doubtful = _MINOR_DOUBT.search(text) is not None
    if "cents" in words and len(words) > 1 and not _NEVER_WORDS & set(words) and not is_doubtful and is_integer:
        return WireUnit(name="cents", evidence=UnitEvidence.NAME, words=" ".join(words), currency=currency)
    if minor and is_integer and not is_doubtful and (is_money or _MONEY_TEXT.search(head)):
        unit = "cents" if minor["cents"] else "minor"
        return WireUnit(name=unit, evidence=UnitEvidence.TEXT, words=minor[0], currency=currency)
    if currency and is_money and not _WHOLE_DOUBT.search(text) and not _NEVER_WORDS & set(words):
        return WireUnit(name="units", evidence=UnitEvidence.TEXT, words=currency, currency=currency)
    return None


def _currency_of(words: tuple[str, ...], text: str) -> str:
    """Return the currency that a name or a text states; "" for none or several."""
    found = {word.upper() for word in words[1:] if word.upper() in CURRENCIES and word not in ("all", "try", "top")}
    for match in _WHOLE_TEXT.finditer(text[:240]):
        if code := _CURRENCY_WORDS.get(match[1] or "", (match[2] or match[3] or "")):
            found |= {code} & CURRENCIES
    return found.pop() if len(found) == 1 else ""


def _named_time_units(words: tuple[str, ...]) -> set[str]:
    """Return the units of time at the end of a name, or before what they lead to: days_to_keep, not afterHoursType."""
    return {
        _TIME_NAMES[word]
        for previous, word, following in zip(("", *words), words, (*words[1:], ""), strict=False)
        # `sold_in_last_45_days` counts what was sold.
        if word in _TIME_NAMES and not previous.isdigit() and following in ("", *_AFTER_UNIT)
    }


_AFTER_UNIT = lexicon.ordered("tools/words", "after_unit")


def _time_unit(words: tuple[str, ...], text: str) -> WireUnit | None:
    from_name = _named_time_units(words)
    is_time = not _TIME_WORDS.isdisjoint(words)
    if is_time or _COUNT_TEXT.search(text):
        from_name |= {_SHORT_TIME_NAMES[word] for word in words[1:] if word in _SHORT_TIME_NAMES}
    written = {_written_unit(match) for match in _TIME_TEXT.finditer(_first_sentence(text)[:300])}
    units = from_name | written
    if len(units) != 1 or _NEVER_WORDS & set(words) or _MOMENT_TEXT.search(text):
        return None
    unit = units.pop()
    # Only these are units of points in time.
    is_moment = unit in _MOMENT_UNITS and _MOMENT_WORDS & set(words)
    if is_moment and not is_time:
        return None
    if from_name and (len(words) > 1 or written):
        return WireUnit(name=unit, evidence=UnitEvidence.NAME, words=" ".join(words))
    if written and (is_time or _COUNT_TEXT.search(text)):
        return WireUnit(name=unit, evidence=UnitEvidence.TEXT, words=_first_match(_TIME_TEXT, text))
    return None


def _written_unit(match: re.Match[str]) -> str:
    word = (match[1] or match[2]).lower()
    return _TIME_NAMES.get(word) or _SHORT_TIME_NAMES[word]


def _first_match(pattern: re.Pattern[str], text: str) -> str:
    match = pattern.search(text)
    return match[0] if match else ""


def _data_unit(words: tuple[str, ...], text: str) -> WireUnit | None:
    from_name = {_DATA_NAMES[word] for word in words[1:][-1:] if word in _DATA_NAMES}
    from_name |= {"bytes"} if words[:1] == ("bytes",) or "bytes" in words[-2:] else set()
    sentence = _first_sentence(text)[:300]
    written = {_DATA_NAMES[(match[1] or match[2]).lower()] for match in _DATA_TEXT.finditer(sentence)}
    # A text that speaks of another unit than the name does: "outbound GB" of bytes_sent.
    spoken = {_DATA_NAMES[match[0].lower()] for match in _BARE_DATA.finditer(sentence)} if from_name else set()
    units = from_name | written | spoken
    if len(units) != 1 or _RATES & set(words) or re.search(r"\bper (?:second|sec|minute)\b|/s\b", text):
        return None
    if from_name:
        return WireUnit(name=units.pop(), evidence=UnitEvidence.NAME, words=" ".join(words))
    if _SIZES & set(words) or _COUNT_TEXT.search(text) or re.match(r"\W*(?:the\s+)?[\w\s]{0,30}\bsize\b", text.lower()):
        return WireUnit(name=units.pop(), evidence=UnitEvidence.TEXT, words=_first_match(_DATA_TEXT, sentence))
    return None


def _share_unit(
    words: tuple[str, ...], text: str, is_integer: bool, maximum: float | None, largest: float | None
) -> WireUnit | None:
    if re.search(r"\bbasis points?\b", text, re.IGNORECASE) or words[-2:] == ("basis", "points"):
        is_other = _SHARE_TEXT.search(text) is not None
        return None if is_other else WireUnit(name="basis_points", evidence=UnitEvidence.TEXT, words="basis points")
    is_percent = not _PERCENT.isdisjoint(words[-1:])
    if not is_percent and not _SHARE_TEXT.search(text[:200]):
        return None
    if _NO_SHARES & set(words):
        return None
    is_fraction = maximum is not None and maximum <= 1 and not is_integer
    if is_fraction or (not is_integer and maximum is None and (largest or 0) <= 1 and _OF_ONE.search(text)):
        return None if _WHOLE_PERCENT.search(text) else WireUnit(name="fraction", evidence=UnitEvidence.BOUNDS)
    is_whole = maximum == 100 or _WHOLE_PERCENT.search(text) is not None or (largest is not None and largest > 1)
    if is_percent and (is_whole or is_integer) and not _FRACTION.search(text) and (maximum is None or maximum <= 1000):
        return WireUnit(name="percent", evidence=UnitEvidence.NAME, words=" ".join(words))
    return None


_UNIT_NAME = lexicon.pattern("tools/words", "unit_name", re.IGNORECASE)


@lru_cache(maxsize=4096)
def likely_unit(name: str, description: str) -> Unit | None:
    """Return the measure that a name or else a description may mean, for a number whose own unit is known.

    That of hoursPerDay is an hour.
    """
    parts = re.split(r"[_\-\s]|(?<=[a-z])(?=[A-Z])", name)
    per = next((at for at, part in enumerate(parts) if part.lower() == "per" and at), len(parts))
    last = parts[per - 1]
    words = [last.lower(), *(match[match.lastindex or 0] for match in _UNIT_NAME.finditer(description[:200]))]
    units = (find_unit(word) for word in words if len(word) > 1)
    return next((match_unit for match_unit in units if match_unit is not None), None)


def likely_money_unit(stems: Collection[str]) -> str:
    """Return the unit of money that the stems of a name may mean: `micros`, `cents` or ""."""
    return "micros" if "micro" in stems else "cents" if "cent" in stems else ""


def states_minor_unit(description: str) -> bool:
    """Return whether a description speaks of the smallest unit of a currency, in which said money then is."""
    return _LIKELY_MINOR.search(description) is not None


_LIKELY_MINOR = lazy_pattern(r"\b(?:minor|smallest) (?:currency )?units?\b|\bin cents\b", re.IGNORECASE)

LIKELY_UNITS = (
    ("micros", re.compile(r"\bmicros?\b|\bmicro[- ]?units?\b|\bmillionths?\b")),
    ("cents", re.compile(r"\b(?:cents|pence|minor (?:currency )?units?|smallest currency units?)\b")),
    ("milliseconds", re.compile(r"\b(?:milliseconds?|millis)\b")),
    ("basis_points", re.compile(r"\bbasis points?\b|\bbps\b")),
)
"""Units as prose and names may write them, for a reader who checks a description."""
