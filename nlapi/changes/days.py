"""Finds the days and times in a sentence, and those that are a value of a call."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, timedelta

from nlapi.changes.mentions import Mention, UserSentence

_MONTHS = "january february march april may june july august september october november december".split()
_MONTH = "|".join(rf"{month[:3]}(?:{month[3:]})?" for month in _MONTHS).replace("sep(?:tember)", "sept?(?:ember)")
_WEEKDAYS = "monday tuesday wednesday thursday friday saturday sunday".split()
_MONTH_DAY = re.compile(
    rf"\b(?P<month>{_MONTH})\.? (?P<day>\d{{1,2}})(?:st|nd|rd|th)?\b(?:,? (?P<year>\d{{4}})\b)?", re.IGNORECASE
)
_DAY_MONTH = re.compile(
    rf"\b(?P<day>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? (?P<month>{_MONTH})\b\.?(?:,? (?P<year>\d{{4}})\b)?", re.IGNORECASE
)
_ISO = re.compile(r"(?<![\w-])(\d{4})-(\d\d)-(\d\d)(?![\d-])")
_RELATIVE = re.compile(
    rf"\b(?:(?P<near>today|tonight|tomorrow|yesterday)|(?:next |this |on )?(?P<weekday>{'|'.join(_WEEKDAYS)})"
    r"|in (?P<count>\d{1,3}|a|one|two|three) (?P<unit>day|week)s?)\b",
    re.IGNORECASE,
)
_CLOCK = re.compile(
    r"\b(?:(?P<hour>\d{1,2})(?::(?P<minute>\d\d))?\s?(?P<half>am|pm)\b|(?P<h24>\d{1,2}):(?P<m24>\d\d)\b)", re.I
)
_VALUE = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)(?:[T ](?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.\d+)?)?"
    r"(?:Z|[+-]\d\d:?\d\d)?)?"
)
# Times at the start and the end of a whole day, which nobody says.
_DAY_BOUNDS = {("00", "00"), ("23", "59")}
_COUNTS = {"a": 1, "one": 1, "two": 2, "three": 3}


def find_day(value: str, sentence: UserSentence, today: date) -> Mention | None:
    """Return the words of a sentence for the day, or the day and time, of `value`; None where it has none."""
    match = _VALUE.fullmatch(value.strip())
    if match is None:
        return None
    try:
        target = date.fromisoformat(match["day"])
    except ValueError:
        return None
    clock = (match["hour"], match["minute"])
    is_whole_day = match["hour"] is None or clock in _DAY_BOUNDS
    if not is_whole_day and (int(clock[0]), int(clock[1])) not in set(_times(sentence.text)):
        return None
    return next((mention for day, mention in _days(sentence.text, today) if day == target), None)


def _days(text: str, today: date) -> Iterator[tuple[date, Mention]]:
    for match in _ISO.finditer(text):
        yield from _valid_days(match, (int(match[1]),), int(match[2]), int(match[3]))
    for pattern in (_MONTH_DAY, _DAY_MONTH):
        for match in pattern.finditer(text):
            month = next(n for n, name in enumerate(_MONTHS, 1) if name.startswith(match["month"][:3].lower()))
            # A day without a year may be in this year or the next: in December, `January 5` is a month ahead.
            years = (int(match["year"]),) if match["year"] else (today.year, today.year + 1)
            yield from _valid_days(match, years, month, int(match["day"]))
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


def _times(text: str) -> Iterator[tuple[int, int]]:
    for match in _CLOCK.finditer(text):
        if match["half"]:
            hour = int(match["hour"]) % 12 + (12 if match["half"].lower() == "pm" else 0)
            yield hour, int(match["minute"] or 0)
        else:
            yield int(match["h24"]), int(match["m24"])
    if re.search(r"\b(?:at )?noon\b", text, re.IGNORECASE):
        yield 12, 0


def _mention(match: re.Match[str]) -> Mention:
    return Mention(words=match[0], start=match.start(), end=match.end())
