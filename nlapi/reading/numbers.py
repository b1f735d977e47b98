"""Numbers in a sentence: in figures, words or ordinals, as money, per cent or measures, with the word behind them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from math import isfinite

from nlapi.english import lexicon
from nlapi.english.lexicon import by_phrase
from nlapi.english.units import Unit, find_unit
from nlapi.english.words import NUMBERS, singular
from nlapi.lazy_pattern import lazy_pattern
from nlapi.reading.gazetteer import CURRENCY_CODES, CURRENCY_NAMES
from nlapi.reading.question_intent import IMPLIED_FIELDS, SUPERLATIVES
from nlapi.reading.text import MentionKind, Sentence, ValueMention

_TIMES, _SUFFIX, _PARTS = (
    {word: int(number) for word, number in lexicon.table("reading/words", name).items()}
    for name in ("multiples", "number_suffixes", "parts")
)

CURRENCIES = by_phrase("reading/words", "money")  # ISO 4217 by sign or word of money

_FIGURES = lexicon.pattern("reading/words", "figures")
# Figures of a number; more of them are not an amount.
_MAX_DIGITS = 100
_SPELT = lexicon.pattern(
    "reading/words", "spelt", re.IGNORECASE, numbers="|".join(NUMBERS), all_numbers="|".join((*NUMBERS, *_TIMES))
)
_RANK_ENDINGS = lexicon.ordered("reading/words", "rank_endings")
_COMPASS = lazy_pattern(r"\s?°?\s?([NSEW])\b")
_ORDINALS = lexicon.ordered("reading/words", "ordinals")
_ORDINAL_PAGE = lazy_pattern(r"\b(?:" + "|".join(_ORDINALS) + r")(?=\s+page\b)", re.IGNORECASE)
_PART = lexicon.pattern("reading/words", "part", re.IGNORECASE)
# Half an hour: the word behind is the unit.
_HALF = lexicon.pattern("reading/words", "half", re.IGNORECASE)
_CURRENCY_AFTER = lexicon.pattern("reading/words", "currency_after", re.I)


_CURRENCY_NAME = lazy_pattern(r"\s*(?:(?P<code>[A-Z]{3})|(?P<name>[A-Z][a-z]+ [a-z]+))\b")


class NumberKind(StrEnum):
    """The kind of amount that a number is."""

    PLAIN = "plain"
    MONEY = "money"
    PERCENT = "percent"


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedNumber:
    """A number in a text. `currency` is its ISO 4217 code when it is money, `text` its form in the question."""

    start: int
    end: int
    value: int | float
    text: str
    kind: NumberKind = NumberKind.PLAIN
    currency: str = ""
    spelt: bool = False

    @property
    def is_rank(self) -> bool:
        """Whether it is a place in an order: the 5th."""
        return self.text[-1:].isalpha() and self.text[:1].isdigit() and self.text.lower().endswith(_RANK_ENDINGS)


def find_numbers(text: str) -> list[ParsedNumber]:
    """Return every number in `text`, in order, none overlapping another."""
    numbers = [number for match in _FIGURES.finditer(text) if (number := _figures(match, text)) is not None]
    for match in _ORDINAL_PAGE.finditer(text):
        ordinal = _ORDINALS.index(match.group().lower()) + 1
        numbers.append(ParsedNumber(start=match.start(), end=match.end(), value=ordinal, text=match.group()))
    numbers += [
        ParsedNumber(
            start=match.start(), end=match.end(), value=_PARTS[part], text=match.group(), kind=NumberKind.PERCENT
        )
        for match in _PART.finditer(text)
        if (part := " ".join(match.group().lower().split())) in _PARTS
    ]
    numbers += [
        ParsedNumber(start=match.start(), end=match.end(), value=0.5, text=match.group(), spelt=True)
        for match in _HALF.finditer(text)
    ]
    for match in _SPELT.finditer(text):
        if any(match.start() < number.end and number.start < match.end() for number in numbers):
            continue
        value = _spelt(match.group())
        if value is not None:
            end = match.start() + len(match.group().rstrip(" -"))
            numbers.append(_money(text, match.start(), end, value, spelt=True))
    return sorted(numbers, key=lambda number: number.start)


def _figures(match: re.Match[str], text: str) -> ParsedNumber | None:
    end = match.end()
    if text[end : end + 1] == "_":
        return None
    digits = match["digits"].replace(",", "") + (match["e"] or "")
    if len(digits) > _MAX_DIGITS or (match["e"] and not isfinite(float(digits))):
        return None
    value: int | float = float(digits) if "." in digits or match["e"] else int(digits)
    suffix = match["suffix"] or ""
    # Without a sign of money 5m are meters or minutes and 5K may be a run: only the figures are read.
    if suffix in ("m", "b", "K", "B") and not match["currency"]:
        suffix, end = "", match.end("digits")
    times = _SUFFIX.get(suffix.lower(), 1) * _TIMES.get(match["scale"] or "", 1)
    value = value * times
    if isinstance(value, float) and times > 1 and value.is_integer():
        value = int(value)
    if match["sign"] in ("-", "−"):
        value = -value
    # 12.5 S is a latitude: south and west are negative (ISO 6709).
    if (compass := _COMPASS.match(text, end)) is not None and "." in digits:
        value = -value if compass.group(1) in "SW" else value
        return ParsedNumber(
            start=match.start(), end=compass.end(), value=value, text=text[match.start() : compass.end()]
        )
    if match["percent"]:
        return ParsedNumber(start=match.start(), end=end, value=value, text=match.group(), kind=NumberKind.PERCENT)
    if match["currency"]:
        code = CURRENCIES[match["currency"].strip()]
        return ParsedNumber(
            start=match.start(), end=end, value=value, text=match.group(), kind=NumberKind.MONEY, currency=code
        )
    return _money(text, match.start(), end, value, spelt=False)


def _money(text: str, start: int, end: int, value: int | float, *, spelt: bool) -> ParsedNumber:
    code, past = _currency_after(text, end)
    if not code:
        return ParsedNumber(start=start, end=end, value=value, text=text[start:end], spelt=spelt)
    return ParsedNumber(
        start=start,
        end=past,
        value=value,
        text=text[start:end],
        kind=NumberKind.MONEY,
        currency=code,
        spelt=spelt,
    )


def _currency_after(text: str, at: int) -> tuple[str, int]:
    """Return the ISO 4217 code of a currency behind an amount with its end: 5 USD, 200 Canadian dollars; "" if none."""
    if (plain := _CURRENCY_AFTER.match(text, at)) is not None:
        word = plain.group(1).lower()
        return CURRENCIES[word.rstrip("s") if len(word) > 3 else word], plain.end()
    if (name := _CURRENCY_NAME.match(text, at)) is not None:
        code = name["code"] or CURRENCY_NAMES.get(name["name"].lower(), "")
        return (code, name.end()) if code in CURRENCY_CODES else ("", at)
    return "", at


def _spelt(text: str) -> int | None:
    total = current = 0
    words = re.findall(r"[a-z]+", text.lower())
    for word in words:
        word = word if word in NUMBERS or word in _TIMES else word.rstrip("s")
        if word in NUMBERS:
            current += NUMBERS[word]
        elif word in ("hundred", "dozen"):
            current = max(current, 1) * _TIMES[word]
        elif word in _TIMES:
            total += max(current, 1) * _TIMES[word]
            current = 0
    return total + current if words else None


_OVER = r"over|above|more than|greater than|higher than|larger than|bigger than|longer than|exceeding|>(?!=)"
_LEAST = r"at least|no less than|minimum|min|>=|≥"
_UNDER = r"under|below|less than|fewer than|lower than|smaller than|shorter than|cheaper than|<(?!=)"
_MOST = r"at most|up to|no more than|not more than|maximum|max|<=|≤"
_EQUAL = r"exactly|equal to|equals|=="
BOUND = lazy_pattern(
    rf"(?<!\w)(?:(?P<over>{_OVER})|(?P<least>{_LEAST})|(?P<under>{_UNDER})|(?P<most>{_MOST})|(?P<equal>{_EQUAL}))"
    r"(?:\s+(?:of|a|an))?\s*$",
    re.IGNORECASE,
)
BOUND_BEHIND = lazy_pattern(
    r"\s*(?:(?P<least>or more|or above|or higher|\+)|(?P<most>or less|or fewer|or below|or lower))", re.I
)
BETWEEN = lazy_pattern(r"\bbetween\s*$", re.IGNORECASE)


def is_compared(text: str, start: int) -> bool:
    """Return whether something is more, less or at least than the number at `start`; `at most 20` may cut a list."""
    bound = BOUND.search(text[:start])
    return bound is not None and bound.lastgroup in ("over", "least", "under")


def is_bound(text: str, start: int, end: int) -> bool:
    """Return whether the number from `start` to `end` in `text` is the end of a range: more than 20, 5 or more."""
    bound = BOUND.search(text[:start])
    ends = bound is not None and bound.lastgroup != "equal"
    return ends or bool(BETWEEN.search(text[:start]) or BOUND_BEHIND.match(text, end))


_AFTER = lazy_pattern(r"[-\s]?([^\W\d_]+)\b(?!['’^])")


def unit_of_mention(sentence: Sentence, mention: ValueMention) -> Unit | None:
    """Return the unit that a number is counted in: the seconds of 600 seconds, the mH of 50mH."""
    # Money and per cent have their unit in the form of the mention, and the word behind them is a noun.
    if mention.kind is not MentionKind.NUMBER or mention.form in ("money", "percent"):
        return None
    return _unit_at(sentence.text, mention.end)


@lru_cache(maxsize=4096)
def _unit_at(text: str, at: int) -> Unit | None:
    after = _AFTER.match(text, at)
    return find_unit(after.group(1)) if after is not None else None


def unit_similarity(first: Unit | None, second: Unit | None) -> float:
    """Return 1 for the same unit, 0.6 for the same dimension, -1 for different ones; 0 where a unit is not known."""
    if first is None or second is None:
        return 0.0
    if first.dimension != second.dimension:
        return -1.0
    # The slot forest is trained on this scale as a feature: another figure needs another training.
    return 1.0 if first.factor == second.factor else 0.6


# How many items come before the one that a word means.
ORDINALS = {
    word: before
    for before, forms in enumerate(("first 1st", "second 2nd", "third 3rd", "fourth 4th", "fifth 5th", "sixth 6th"))
    for word in forms.split()
}
LAST_ORDINAL = "last"
_WITH = lexicon.pattern("reading/words", "with_the_most", re.IGNORECASE, superlatives="|".join(sorted(SUPERLATIVES)))


def find_ordinals(sentence: Sentence, at: int, length: int) -> Iterator[tuple[str, int, int]]:
    """Yield the ordinals of the noun at token `at`, each with its start and end in the text; none for a plural."""
    tokens = sentence.tokens
    noun = tokens[at + length - 1]
    if singular(noun.lower) != noun.lower:
        return
    if behind := _WITH.match(sentence.text, noun.end):
        yield behind.group().strip(), noun.end, behind.end()
    # Three words: an adjective may stand between (the second paused campaign is still the second).
    for first in range(at - 1, max(-1, at - 4), -1):
        words = [token.lower for token in tokens[first:at]]
        if _is_ordinal(words):
            yield " ".join(words), tokens[first].start, tokens[at - 1].end


def _is_ordinal(words: Sequence[str]) -> bool:
    if len(words) == 1:
        return words[0] in ORDINALS or words[0] in SUPERLATIVES or words[0] == LAST_ORDINAL
    return len(words) == 2 and words[0] in ("most", "least") and words[1] in IMPLIED_FIELDS
