"""Finds the words of a sentence that say a value of a call: a number, a day, a time, or a choice of a closed list."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from nlapi.changes.sentences import Mention, SentenceWord, UserSentence
from nlapi.english import lexicon
from nlapi.english.command_verbs import are_opposites, are_synonyms, is_verb, state_after
from nlapi.english.words import COUNTS, split_words, stem
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import SCALES
from nlapi.reading.dates import WEEKDAYS, ParsedDate
from nlapi.reading.numbers import NumberKind, ParsedNumber
from nlapi.tools.quantities.units import CURRENCY_DECIMALS
from nlapi.tools.tool import Origin

# What a value may not have beside a number and its unit: a rate (50/day), a mark, two numbers, zeros before it.
_HAS_MORE_THAN_NUMBER = lazy_pattern(r"/|^\W*[#~]|\d\s+\d|\s\s|^\s|\s$|[^\S ]|(?<![\d.,])0\d")
# What may be before a number and behind it in one word: its unit, or the other end of a range (25-44, 1920x1080).
_BEFORE_NUMBER = lazy_pattern(r"[#~]?|[$€£¥]?\d+(?:\.\d+)?[-–x×]")
_BEHIND_NUMBER = lazy_pattern(r"(?:%|[A-Za-zµ€$£¥]{1,8})?(?:/[A-Za-z]+)?|[-–x×][$€£¥]?\d+(?:\.\d+)?")
_UNIT_BEHIND = lazy_pattern(r"\s?[(]?(?P<unit>[^\W\d_]+|%)")
_SECONDS = {name: Decimal(size) for name, size in lexicon.by_word("changes/words", "seconds").items()}
_BYTES = {
    **{f"{prefix}b": Decimal(1000) ** power for power, prefix in enumerate(("", "k", "m", "g", "t"))},
    **{f"{prefix}ib": Decimal(1024) ** power for power, prefix in enumerate(("", "k", "m", "g", "t")) if power},
}
_PERCENT = frozenset(("%", "percent", "pct"))
# Words of an argument that takes a part of one: 0.2 for 20 %.
_SHARE_WORDS = lexicon.words("changes/words", "share_words")
_MONEY_UNITS = lexicon.words("changes/words", "money_units")
_CENTS = lexicon.pattern("changes/words", "cents", re.IGNORECASE)
SMALL_UNITS = lazy_pattern(rf"{_CENTS.pattern}|\b(?:micros?|milli\s?units?)\b", re.IGNORECASE)
"""Words of a description that takes an amount in another unit than people say it in."""
_MICROS = lazy_pattern(r"\bmicros?\b", re.IGNORECASE)

_VALUE = lazy_pattern(
    r"(?P<day>\d{4}-\d\d-\d\d)(?:[T ](?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.0+)?)?"
    r"(?P<offset>Z|[+-]\d\d:?\d\d)?)?"
)
_BETWEEN_DAY_AND_TIME = lexicon.pattern("changes/words", "between_day_and_time", re.IGNORECASE)
# Lengths of an item that is made; `in two hours` and `every hour` say when, and how often.
_SPOKEN_DURATION = lexicon.pattern("changes/words", "spoken_duration", re.IGNORECASE, counts="|".join(COUNTS))
# Times at the start and the end of a whole day, which nobody says.
_DAY_BOUNDS = {("00", "00"), ("23", "59")}
# A day in figures of which either may be the month: 01/12/2026.
_EITHER_MONTH = lazy_pattern(r"(?P<first>0?\d|1[0-2])[-/.](?!(?P=first)\b)(?:0?\d|1[0-2])[-/.]\d{4}\b")

# Words in the names of flags that do not name what is switched: is_private, enable_backups.
_SWITCH_STEMS = lexicon.stems("changes/words", "switch_stems")
_ON_STEMS = lexicon.stems("changes/words", "on_stems")
_OFF_STEMS = lexicon.stems("changes/words", "off_stems")
_NEGATION_WORDS = lexicon.words("changes/words", "negation_words")


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberMention:
    """A number in a sentence, with its currency (a code) and its unit in small letters, "" where it has none."""

    number: Decimal
    mention: Mention
    currency: str = ""
    unit: str = ""


def find_numbers(sentence: UserSentence) -> Iterator[NumberMention]:
    """Yield the numbers of a sentence: whole words, and the ends of ranges (25-44)."""
    starts, ends = [word.start for word in sentence.words], [word.end for word in sentence.words]
    for number in sentence.reading.numbers:
        # `the 5th` is a day or an index, and no amount.
        if number.is_rank or not starts:
            continue
        begin = starts[max(0, bisect_right(starts, number.start) - 1)]
        stop = max(ends[min(bisect_left(ends, number.end), len(ends) - 1)], number.end)
        before, behind = sentence.text[begin : number.start], sentence.text[number.end : stop]
        if _BEFORE_NUMBER.fullmatch(before) and _BEHIND_NUMBER.fullmatch(behind):
            yield _number_mention(sentence.text, number)


def _number_mention(text: str, number: ParsedNumber) -> NumberMention:
    """Return a number with the unit behind it, or else with the word behind it."""
    unit = _UNIT_BEHIND.match(text, number.end)
    word = "%" if number.kind is NumberKind.PERCENT else unit["unit"] if unit is not None else ""
    code = number.currency or (word if re.fullmatch(r"[A-Z]{3}", word) else "")
    words = text[number.start : number.end].strip()
    mention = Mention(words=words, start=number.start, end=number.start + len(words))
    return NumberMention(number=Decimal(str(number.value)), mention=mention, currency=code, unit=word.lower())


def equals_number(value: int | float | str, number: NumberMention, unit: str, description: str) -> bool:
    """Return whether `value` is `number` in the unit of an argument with this `description`.

    A text is compared as a figure with its own unit ("$50", "30s").
    """
    if isinstance(value, str):
        parsed = None if _HAS_MORE_THAN_NUMBER.search(value) else _parse_value(value)
        # A code that nobody said is converted, or refused, only where the argument has a unit of money.
        currencies = (parsed.currency, "") if parsed is not None and unit in _MONEY_UNITS else ("",)
        if parsed is None or (parsed.currency and number.currency not in {parsed.currency, *currencies}):
            return False
        if _is_same_amount(parsed, number):
            return True
        return (
            not parsed.currency and not parsed.unit and parsed.number in set(_wire_numbers(number, unit, description))
        )
    try:
        exact = Decimal(str(value))
    except InvalidOperation:
        return False
    return exact in set(_wire_numbers(number, unit, description))


def _parse_value(value: str) -> NumberMention | None:
    return next(find_numbers(UserSentence(text=value.replace(" ", ""))), None)


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
    words = set(re.findall(r"[a-z]+", description.lower()))
    if spoken_unit in _PERCENT:
        if words & _SHARE_WORDS:
            yield number / 100
        if unit in SCALES:
            yield number * SCALES[unit]
    if mention.currency or not spoken_unit:
        yield from (number * 100 for _ in _CENTS.findall(description)[:1])
        yield from (number * 1_000_000 for _ in _MICROS.findall(description)[:1])
    if spoken_unit in _SECONDS:
        scales = {_SECONDS[word] for word in words & _SECONDS.keys() if len(word) > 1}
        scales |= {_SECONDS["ms"]} if unit == "milliseconds" else set()
        yield from (number * _SECONDS[spoken_unit] / scale for scale in scales)
    if spoken_unit in _BYTES:
        # People say GB for both 10^9 and 2^30 bytes, and APIs mean either.
        yield from (
            number * size for size in {_BYTES[spoken_unit], _BYTES.get(f"{spoken_unit[:1]}ib", _BYTES[spoken_unit])}
        )


def _scale(unit: str, currency: str) -> Decimal:
    # Yen have no decimals: 500 JPY in the smallest unit are 500 (ISO 4217).
    if unit in ("cents", "minor") and currency:
        return Decimal(10) ** CURRENCY_DECIMALS.get(currency, 2)
    return SCALES[unit]


def find_day(value: str, sentence: UserSentence) -> Mention | None:
    """Return the words of a sentence for the day, or the day and time, of `value`; None where it has none.

    A time that the sentence has without a zone is one of this machine's zone, so that at 18:00 in Paris is 17:00Z.
    """
    match = _VALUE.fullmatch(value.strip())
    if match is None:
        return None
    is_whole_day = match["hour"] is None or (match["hour"], match["minute"]) in _DAY_BOUNDS
    moments = [moment for moment in sentence.reading.moments if not _EITHER_MONTH.search(moment.text)]
    says_zone = any(getattr(moment.value, "tzinfo", None) is not None for moment in moments)
    try:
        target = datetime.fromisoformat(value.strip())
        if target.tzinfo is not None and not is_whole_day and not says_zone:
            target = target.astimezone()
    except (ValueError, OverflowError):
        return None
    if not _is_plain_time(match, target, sentence, says_zone=says_zone):
        return None
    wholes = [moment for moment in moments if _has_day(moment, target, sentence.today)]
    if is_whole_day:
        return next((_mention_of_day(sentence.text, moment) for moment in wholes), None)
    times = [moment for moment in moments if _has_time(moment, target)]
    both = next((moment for moment in wholes if moment in times), None)
    if both is not None:
        return _span(sentence.text, both.start, both.end)
    days = [_mention_of_day(sentence.text, moment) for moment in wholes if type(moment.value) is date]
    clocks = [_span(sentence.text, moment.start, moment.end) for moment in times if isinstance(moment.value, time)]
    pairs = (_join_mentions(sentence.text, day, clock) for day in days for clock in clocks)
    return next(filter(None, pairs), days[0] if days and clocks else None)


def _has_day(moment: ParsedDate, target: datetime, today: date) -> bool:
    """Return whether the day of a moment may be that of `target`: Friday of either week, January 5 of either year."""
    value = moment.value
    if not isinstance(value, date):
        return False
    day = value.date() if isinstance(value, datetime) else value
    days = {day}
    words = moment.text.lower().split()
    if not WEEKDAYS.keys().isdisjoint(words) and (day == today or "next" in words):
        days.add(day + timedelta(days=7))
    if not moment.whole and day < today and (day.month, day.day) != (2, 29):
        days.add(day.replace(year=day.year + 1))
    return target.date() in days


def _has_time(moment: ParsedDate, target: datetime) -> bool:
    """Return whether the time of day of a moment is that of `target`, in the zone of the sentence."""
    value = moment.value
    if isinstance(value, datetime) and value.tzinfo is not None and target.tzinfo is not None:
        return value == target
    if isinstance(value, time) and value.tzinfo is not None and target.tzinfo is not None:
        return datetime.combine(target, value) == target
    return isinstance(value, datetime | time) and (value.hour, value.minute) == (target.hour, target.minute)


def _mention_of_day(text: str, moment: ParsedDate) -> Mention:
    """Return the words of a moment for its day alone."""
    start, end, _ = moment.parts[0] if moment.parts else (moment.start, moment.end, moment.value)
    return _span(text, start, end)


def _is_plain_time(match: re.Match[str], target: datetime, sentence: UserSentence, *, says_zone: bool) -> bool:
    """Return whether a time has no second or offset from UTC that nobody said, but that of this machine."""
    if match["hour"] is None:
        return True
    is_bound = (match["hour"], match["minute"], match["second"]) == ("23", "59", "59")
    if match["second"] not in (None, "00") and not is_bound:
        return False
    offset = match["offset"] or ""
    if says_zone or offset in ("", "Z", "+00:00", "+0000") or offset in sentence.text:
        return True
    return target.replace(tzinfo=None).astimezone().utcoffset() == target.utcoffset()


def _join_mentions(text: str, *mentions: Mention) -> Mention | None:
    """Return the words of a day and a time that are next to each other: 2026-05-20 at 10:00; else None."""
    first, second = sorted(mentions, key=lambda mention: mention.start)
    if first.end > second.start or not _BETWEEN_DAY_AND_TIME.fullmatch(text, first.end, second.start):
        return None
    return _span(text, first.start, second.end)


def find_duration(start: str, end: str, sentence: UserSentence) -> Mention | None:
    """Return the words of a sentence for the time from `start` to `end` (for one hour); None where it says another.

    Both are days with times (ISO 8601). A sentence with two durations may mean either, and says neither.
    """
    try:
        seconds = (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    except (ValueError, TypeError):
        return None
    spoken = list(_SPOKEN_DURATION.finditer(sentence.text))
    if len(spoken) != 1 or seconds <= 0:
        return None
    count = spoken[0]["count"].lower()
    number = Decimal(COUNTS.get(count) or count)
    return (
        _span(sentence.text, *spoken[0].span())
        if number * _SECONDS[spoken[0]["unit"].lower()] == Decimal(str(seconds))
        else None
    )


def _span(text: str, start: int, end: int) -> Mention:
    return Mention(words=text[start:end], start=start, end=end)


def find_choice(argument: str, value: Any, sentence: UserSentence) -> tuple[Origin, Mention] | None:
    """Return the words of a sentence for a choice or a flag; VERB where the command itself implies it."""
    words = tuple(word for word in sentence.words if not word.is_quoted)
    if isinstance(value, bool):
        return _find_flag(argument, value, words)
    stems = tuple(map(stem, split_words(value)))
    if not stems:
        return None
    return _find_words(stems, words) or _find_state_verb(stems, words)


def _find_words(stems: tuple[str, ...], words: tuple[SentenceWord, ...]) -> tuple[Origin, Mention] | None:
    """Return the words of a choice where they are next to each other in the sentence."""
    spoken = [(piece, word) for word in words for piece in map(stem, split_words(word.text))]
    for index in range(len(spoken) - len(stems) + 1):
        window = spoken[index : index + len(stems)]
        if tuple(piece for piece, _ in window) == stems and not _is_piece([word for _, word in window], stems):
            first, last = window[0][1], window[-1][1]
            mention = Mention(words=first.text if first is last else "", start=first.start, end=last.end)
            verb = first is last and is_verb(stem(first.text.lower())) and _is_command_position(first, words)
            return (Origin.VERB if verb else Origin.WORDS), mention
    return None


def _is_piece(words: list[SentenceWord], stems: tuple[str, ...]) -> bool:
    """Return whether a word has more parts than the choice: `active` of active-users.txt."""
    return sum(len(split_words(word.text)) for word in dict.fromkeys(words)) != len(stems)


def _find_state_verb(stems: tuple[str, ...], words: tuple[SentenceWord, ...]) -> tuple[Origin, Mention] | None:
    """Return the verb of the sentence where it sets this state."""
    if len(stems) != 1:
        return None
    for word in words:
        if not _is_command_position(word, words):
            continue
        verb = stem(word.text.lower())
        if state_after(verb, stems[0]) or (is_verb(verb) and verb == stems[0]):
            return Origin.VERB, word.mention
    return None


def _find_flag(argument: str, value: bool, words: tuple[SentenceWord, ...]) -> tuple[Origin, Mention] | None:
    """Return the word of a flag, where all its words are in the sentence, and denied where it is false."""
    name = argument.rpartition(".")[2]
    name_stems = frozenset(map(stem, split_words(name)))
    flag_stems = name_stems - _SWITCH_STEMS
    is_denied = any(word.text.lower() in _NEGATION_WORDS for word in words)
    for word in words:
        spoken = stem(word.text.lower())
        if not flag_stems:
            switch_stems = _ON_STEMS if value else _OFF_STEMS
            if spoken in switch_stems:
                return (Origin.VERB if is_verb(spoken) else Origin.WORDS), word.mention
            continue
        is_command = _is_command_position(word, words)
        verb = next(
            (
                name_stem
                for name_stem in flag_stems
                if spoken == name_stem or (is_command and len(flag_stems) == 1 and are_synonyms(spoken, name_stem))
            ),
            "",
        )
        if (
            verb
            and value is not is_denied
            and flag_stems <= {stem(candidate.text.lower()) for candidate in words} | {spoken, verb}
        ):
            return (Origin.VERB if is_command and is_verb(spoken) else Origin.WORDS), word.mention
        # `unlock it` sets `locked: false`, although the sentence denies nothing.
        if (
            is_command
            and not value
            and len(flag_stems) == 1
            and any(are_opposites(spoken, name_stem) for name_stem in flag_stems)
        ):
            return Origin.VERB, word.mention
    return None


_CONNECTIVES = lexicon.pattern("changes/words", "connectives", re.IGNORECASE)


def _is_command_position(word: SentenceWord, words: tuple[SentenceWord, ...]) -> bool:
    """Return whether a word is in the place of a command: first in the sentence, or behind an `and`."""
    index = words.index(word)
    return index == 0 or bool(_CONNECTIVES.fullmatch(words[index - 1].text)) or words[index - 1].text.lower() == "you"
