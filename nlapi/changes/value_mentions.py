"""Finds the words of a sentence that say a value of a call: a number, a day, a time, or a choice of a closed list."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from nlapi.changes.sentences import Mention, SentenceWord, UserSentence
from nlapi.english import lexicon
from nlapi.english.words import split_words, stem
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import SCALES
from nlapi.resources.command_verbs import are_opposites, are_synonyms, is_verb
from nlapi.tools.tool import Origin
from nlapi.tools.units import CURRENCY_DECIMALS

_NUMBER = r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
_CURRENCY = r"[$€£¥]|[A-Z]{3}"
_NUMBER_WORD = lazy_pattern(
    rf"[#~]?(?P<before>{_CURRENCY})?(?P<number>{_NUMBER})(?P<after>%|[A-Za-zµ€$£¥]{{1,8}})?(?:/[A-Za-z]+)?"
)
# 25-44 and 1920x1080: each end is a value of its own.
# What a value may not have beside a number and its unit: a rate (50/day), a mark, two numbers, zeros before it.
_HAS_MORE_THAN_NUMBER = lazy_pattern(r"/|^\W*[#~]|\d\s+\d|\s\s|^\s|\s$|[^\S ]|(?<![\d.,])0\d")
_RANGE = lazy_pattern(rf"(?:{_CURRENCY})?(?P<first>\d+(?:\.\d+)?)[-–x×](?:{_CURRENCY})?(?P<last>\d+(?:\.\d+)?)")
_NUMBER_NAMES = dict(
    zip(
        "zero one two three four five six seven eight nine ten eleven twelve".split(),
        map(Decimal, range(13)),
        strict=True,
    )
)
_MULTIPLIERS = {"k": 1_000, "thousand": 1_000, "million": 1_000_000, "mio": 1_000_000, "bn": 10**9, "billion": 10**9}
_SECONDS = {name: Decimal(size) for name, size in lexicon.by_word("changes/words", "seconds").items()}
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
# Words of an argument that takes a part of one: 0.2 for 20 %.
_SHARE_WORDS = lexicon.words("changes/words", "share_words")
_MONEY_UNITS = frozenset(("micros", "micro", "cents", "minor", "mills", "units"))
_CENTS = lazy_pattern(r"\b(?:cents?|pence|minor|smallest (?:currency )?unit)\b", re.IGNORECASE)
SMALL_UNITS = lazy_pattern(rf"{_CENTS.pattern}|\b(?:micros?|milli\s?units?)\b", re.IGNORECASE)
"""Words of a description that takes an amount in another unit than people say it in."""
_MICROS = lazy_pattern(r"\bmicros?\b", re.IGNORECASE)

_MONTHS = "january february march april may june july august september october november december".split()
_MONTH = "|".join(rf"{month[:3]}(?:{month[3:]})?" for month in _MONTHS).replace("sep(?:tember)", "sept?(?:ember)")
_WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
_MONTH_DAY = lazy_pattern(
    rf"\b(?P<month>{_MONTH})\.? (?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b(?:,? (?P<year>\d{{4}})\b)?", re.IGNORECASE
)
_DAY_MONTH = lazy_pattern(
    rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? (?P<month>{_MONTH})\b\.?(?:,? (?P<year>\d{{4}})\b)?", re.IGNORECASE
)
_ISO = lazy_pattern(r"(?<![\w-])(\d{4})-(\d\d)-(\d\d)(?![\d-])")
_RELATIVE = lazy_pattern(
    rf"\b(?:(?P<near>today|tonight|tomorrow|yesterday)|(?:next |this |on )?(?P<weekday>{'|'.join(_WEEKDAYS)})"
    r"|in (?P<count>\d{1,3}|a|one|two|three) (?P<unit>day|week)s?)\b",
    re.IGNORECASE,
)
_CLOCK = lazy_pattern(
    r"\b(?:(?P<hour>\d{1,2})(?::(?P<minute>\d\d))?\s?(?P<half>am|pm)\b|(?P<h24>\d{1,2}):(?P<m24>\d\d)\b)", re.I
)
_VALUE = lazy_pattern(
    r"(?P<day>\d{4}-\d\d-\d\d)(?:[T ](?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.0+)?)?"
    r"(?P<offset>Z|[+-]\d\d:?\d\d)?)?"
)
_ZONE_SAID = lazy_pattern(r"\b(?:UTC|GMT)\b|\d\s?Z\b|[+-]\d\d:\d\d\b|\d\s?[A-Z]{3,4}\b(?<![AP]M)")
_BETWEEN_DAY_AND_TIME = lazy_pattern(r",?\s+(?:(?:at|on|from)\s+)?", re.IGNORECASE)
# Lengths of an item that is made; `in two hours` and `every hour` say when, and how often.
_SPOKEN_DURATION = lazy_pattern(
    r"(?<!\bin )(?<!\bevery )(?<!\beach )(?<!\bwithin )(?<!\bafter )(?<![\w.,:-])"
    rf"(?P<count>\d+(?:\.\d+)?|an?|{'|'.join(_NUMBER_NAMES)})[- ](?P<unit>minutes?|mins?|hours?|hrs?|days?|weeks?)\b"
    r"(?:[- ]long\b)?(?! (?:before|after|ago|later|earlier|from))",
    re.IGNORECASE,
)
# Times at the start and the end of a whole day, which nobody says.
_DAY_BOUNDS = {("00", "00"), ("23", "59")}
_COUNTS = {"a": 1, "one": 1, "two": 2, "three": 3}

# Words in the names of flags that do not name what is switched: is_private, enable_backups.
_SWITCH_STEMS = lexicon.stems("changes/words", "switch_stems")
_ON_STEMS = frozenset(map(stem, "on enable enabled active activate yes true".split()))
_OFF_STEMS = frozenset(map(stem, "off disable disabled inactive deactivate no not without false".split()))
_NEGATION_WORDS = frozenset("no not without non never don't dont off false".split())
# Verb -> the states that it sets, where these have other names than the verb.
_STATES_BY_VERB = {
    stem(verb): frozenset(map(stem, states.split()))
    for verb, states in lexicon.table("changes/words", "states_by_verb").items()
}


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
        return NumberMention(
            number=_NUMBER_NAMES[word.text.lower()], mention=word.mention, currency=code, unit=next_unit
        )
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
    return NumberMention(
        number=number, mention=word.mention, currency=CURRENCIES.get(currency_sign, currency_sign) or code, unit=unit
    )


def equals_number(value: int | float | str, number: NumberMention, unit: str, description: str) -> bool:
    """Return whether `value` is `number` in the unit of an argument with this `description`.

    A text is compared as a figure with a unit of its own ("$50", "30s").
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
    return parse_number(SentenceWord(text=value.replace(" ", ""), start=0, end=len(value)))


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


def find_day(value: str, sentence: UserSentence, today: date) -> Mention | None:
    """Return the words of a sentence for the day, or the day and time, of `value`; None where it has none.

    A time that the sentence has without a zone is one of this machine's zone, so that at 18:00 in Paris is 17:00Z.
    """
    match = _VALUE.fullmatch(value.strip())
    if match is None:
        return None
    try:
        is_bound = match["hour"] is None or (match["hour"], match["minute"]) in _DAY_BOUNDS
        if match["offset"] and not is_bound and not _ZONE_SAID.search(sentence.text):
            value = datetime.fromisoformat(value.strip()).astimezone().isoformat()
            match = _VALUE.fullmatch(value) or match
        target = date.fromisoformat(match["day"])
        is_plain = _is_plain_time(match, value.strip(), sentence)
    except (ValueError, OverflowError):
        return None
    if not is_plain:
        return None
    clock = (match["hour"], match["minute"])
    is_whole_day = match["hour"] is None or clock in _DAY_BOUNDS
    days = [mention for day, mention in _days(sentence.text, today) if day == target]
    if is_whole_day:
        return next(iter(days), None)
    time = (int(clock[0]), int(clock[1]))
    times = [mention for entry, mention in _times(sentence.text) if entry == time]
    if not times or not days:
        return None
    pairs = (_join_mentions(sentence.text, day, entry) for day in days for entry in times)
    return next(filter(None, pairs), days[0])


def _is_plain_time(match: re.Match[str], value: str, sentence: UserSentence) -> bool:
    """Return whether a time has no second or offset from UTC that nobody said, but that of this machine."""
    if match["hour"] is None:
        return True
    is_bound = (match["hour"], match["minute"], match["second"]) == ("23", "59", "59")
    if match["second"] not in (None, "00") and not is_bound:
        return False
    offset = match["offset"] or ""
    if offset in ("", "Z", "+00:00", "+0000") or offset in sentence.text:
        return True
    moment = datetime.fromisoformat(value)
    is_local = moment.replace(tzinfo=None).astimezone().utcoffset() == moment.utcoffset()
    return is_local and not _ZONE_SAID.search(sentence.text)


def _join_mentions(text: str, *mentions: Mention) -> Mention | None:
    """Return the words of a day and a time that are next to each other: 2026-05-20 at 10:00; else None."""
    first, second = sorted(mentions, key=lambda mention: mention.start)
    if first.end > second.start or not _BETWEEN_DAY_AND_TIME.fullmatch(text, first.end, second.start):
        return None
    return Mention(words=text[first.start : second.end], start=first.start, end=second.end)


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
    number = Decimal(1) if count in ("a", "an") else _NUMBER_NAMES.get(count) or Decimal(count)
    return _mention(spoken[0]) if number * _SECONDS[spoken[0]["unit"].lower()] == Decimal(str(seconds)) else None


def _days(text: str, today: date) -> Iterator[tuple[date, Mention]]:
    for match in _ISO.finditer(text):
        yield from _valid_days(match, (int(match[1]),), int(match[2]), int(match[3]))
    for pattern in (_MONTH_DAY, _DAY_MONTH):
        for match in pattern.finditer(text):
            month = next(n for n, name in enumerate(_MONTHS, 1) if name.startswith(match["month"][:3].lower()))
            # A day without a year may be past, or in the next year: in December, `January 5` is a month ahead.
            is_past = (month, int(match["day"])) < (today.month, today.day)
            years = (today.year, today.year + 1) if is_past else (today.year,)
            yield from _valid_days(match, (int(match["year"]),) if match["year"] else years, month, int(match["day"]))
    for match in _RELATIVE.finditer(text):
        yield from ((day, _mention(match)) for day in _relative_days(match, today))


def _valid_days(match: re.Match[str], years: tuple[int, ...], month: int, day: int) -> Iterator[tuple[date, Mention]]:
    for year in years:
        try:
            yield date(year, month, day), _mention(match)
        except ValueError:
            continue


def _relative_days(match: re.Match[str], today: date) -> Iterator[date]:
    if near := match["near"]:
        yield today + timedelta(days={"tomorrow": 1, "yesterday": -1}.get(near.lower(), 0))
    elif weekday := match["weekday"]:
        # `Friday` on a Friday is the next one. `next Friday` is used for both of the next two.
        ahead = (_WEEKDAYS.index(weekday.lower()) - today.weekday()) % 7
        yield today + timedelta(days=ahead or 7)
        if match[0].lower().startswith("next") and ahead:
            yield today + timedelta(days=ahead + 7)
    else:
        count = match["count"].lower()
        days = _COUNTS.get(count) or int(count)
        yield today + timedelta(days=days * (7 if match["unit"].lower() == "week" else 1))


def _times(text: str) -> Iterator[tuple[tuple[int, int], Mention]]:
    for match in _CLOCK.finditer(text):
        if match["half"]:
            hour = int(match["hour"]) % 12 + (12 if match["half"].lower() == "pm" else 0)
            yield (hour, int(match["minute"] or 0)), _mention(match)
        else:
            yield (int(match["h24"]), int(match["m24"])), _mention(match)
    for match in re.finditer(r"\bnoon\b", text, re.IGNORECASE):
        yield (12, 0), _mention(match)


def _mention(match: re.Match[str]) -> Mention:
    return Mention(words=match[0], start=match.start(), end=match.end())


def find_choice(argument: str, value: Any, sentence: UserSentence) -> tuple[Origin, Mention] | None:
    """Return the words of a sentence for a choice or a flag; VERB where the command itself implies it."""
    words = tuple(word for word in sentence.words if not word.is_quoted)
    if isinstance(value, bool):
        return _find_flag(argument, value, words)
    stems = tuple(map(_normal_stem, split_words(value)))
    if not stems:
        return None
    return _find_words(stems, words) or _find_state_verb(stems, words)


def _find_words(stems: tuple[str, ...], words: tuple[SentenceWord, ...]) -> tuple[Origin, Mention] | None:
    """Return the words of a choice where they are next to each other in the sentence."""
    spoken = [(piece, word) for word in words for piece in map(_normal_stem, split_words(word.text))]
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
        if stems[0] in map(_normal_stem, _STATES_BY_VERB.get(verb, ())) or (
            is_verb(verb) and _normal_stem(verb) == stems[0]
        ):
            return Origin.VERB, word.mention
    return None


def _find_flag(argument: str, value: bool, words: tuple[SentenceWord, ...]) -> tuple[Origin, Mention] | None:
    """Return the word of a flag, where all its words are in the sentence, and denied where it is false."""
    name = argument.rpartition(".")[2]
    name_stems = frozenset(map(_normal_stem, split_words(name)))
    flag_stems = name_stems - _SWITCH_STEMS
    is_denied = any(word.text.lower() in _NEGATION_WORDS for word in words)
    for word in words:
        spoken = _normal_stem(word.text.lower())
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
            and flag_stems <= {_normal_stem(candidate.text.lower()) for candidate in words} | {spoken, verb}
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


_CONNECTIVES = lazy_pattern(r"(?:and|then|please|to|now|also)", re.IGNORECASE)


def _is_command_position(word: SentenceWord, words: tuple[SentenceWord, ...]) -> bool:
    """Return whether a word is in the place of a command: first in the sentence, or behind an `and`."""
    index = words.index(word)
    return index == 0 or bool(_CONNECTIVES.fullmatch(words[index - 1].text)) or words[index - 1].text.lower() == "you"


def _normal_stem(word: str) -> str:
    """Return the stem of a word, for `cancelled` and `canceled` the same."""
    result = stem(word.lower())
    # British spelling doubles the l, and descriptions have both.
    return result[:-1] if result.endswith("ll") and len(result) > 5 else result
