"""Dates, times and stretches of days in a sentence, relative to today."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta

MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_name) if name}
MONTHS |= {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name} | {"sept": 9}
WEEKDAYS = {name.lower(): number for number, name in enumerate(calendar.day_name)}

_MONTH = "(?P<month>" + "|".join(sorted(MONTHS, key=len, reverse=True)) + r")\b\.?"
_DAY = r"(?P<day>[0-3]?\d)(?:st|nd|rd|th)?\b"
_YEAR = r"(?P<year>[12]\d{3})\b"
_MINUTE = r"(?::|\.(?=\d\d\s*[ap]\.?m))(?P<minute>[0-5]\d)"
_CLOCK = rf"(?P<hour>[01]?\d|2[0-4])(?:{_MINUTE}(?::(?P<second>[0-5]\d))?)?\s*(?P<half>[ap]\.?m\b\.?)?"
_HOUR = (
    rf"(?:(?:(?P<hour>[01]?\d|2[0-4])(?:{_MINUTE}(?::(?P<second>[0-5]\d))?\s*(?P<half>[ap]\.?m\b\.?)?"
    r"|\s*(?P<half_alone>[ap]\.?m\b\.?|(?:o'clock\s+)?in\s+the\s+(?:morning|afternoon|evening)\b)))"
    r"|(?:12:00\s+)?(?P<noon>noon|midday|midnight)\b)"
)
"""An hour that cannot be taken for another number, after a day: 9:30, 3 pm, 3 in the afternoon, noon."""
_COUNT = r"(?P<count>\d+|an?|one|two|three|four|five|six|seven|eight|nine|ten|twelve|thirty|sixty|ninety)"
_COUNTS = {
    "a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8, "nine": 9,
    "ten": 10, "twelve": 12, "thirty": 30, "sixty": 60, "ninety": 90,
}  # fmt: skip

Value = date | time | datetime | tuple[date, date]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A moment in a text: `value` is a date, a time, both, or the first and the last day of a stretch.

    `whole` is False when the year was not said; `counted` is True when it was said as a number of days, weeks, ...;
    `spelt` is True when it was said with its day, month and year. `clock` is where its hour begins; 0 without one.
    """

    start: int
    end: int
    value: Value
    whole: bool = True
    counted: bool = False
    spelt: bool = False
    clock: int = 0


_TODAY = re.compile(r"\btoday(?:['’]s date)?\s+is\s+(?:the\s+|" + "|".join(WEEKDAYS) + r"|,|\s)*(?=\w)", re.IGNORECASE)


def today_of(text: str, today: date) -> date:
    """The day that `text` says it is (today is March 6, 2024), else `today`."""
    for match in _TODAY.finditer(text):
        for found in find_dates(text, today):
            if found.start <= match.end() < found.end and found.spelt and isinstance(found.value, date):
                return date(found.value.year, found.value.month, found.value.day)
    return today


def find_dates(text: str, today: date) -> list[Found]:
    """Every date, time and stretch of days in `text`, in order, none overlapping another.

    A day that is said twice over (next Friday 2026-03-06) is one, the one that was spelt out.
    """
    found: list[Found] = []
    taken: list[tuple[int, int]] = []
    for pattern, read in _RULES:
        for match in pattern.finditer(text):
            if any(match.start() < end and start < match.end() for start, end in taken):
                continue
            moment = _read(read, match, today)
            if moment is not None:
                taken.append((match.start(), match.end()))
                found.append(moment)
    return _with_year(_once(text, sorted(found, key=lambda moment: moment.start)))


def _once(text: str, found: list[Found]) -> list[Found]:
    """Of next Friday, 2026-03-06 the latter, from where the former begins."""
    kept: list[Found] = []
    for one in found:
        before = kept[-1] if kept else None
        if before is not None and one.spelt and _by_name(before) and _BESIDE.fullmatch(text[before.end : one.start]):
            kept[-1] = replace(one, start=before.start)
        else:
            kept.append(one)
    return kept


def _by_name(found: Found) -> bool:
    """Was a day said as tomorrow or next Friday?"""
    return found.whole and not found.spelt and not found.counted and not isinstance(found.value, time)


_BESIDE = re.compile(r"[\s,(]*(?:the\s+)?")


def _with_year(found: list[Found]) -> list[Found]:
    """May 15th to May 22nd, 2023: a year that is said once is the year of all."""
    days = [one for one in found if type(one.value) is date]
    said = {one.value.year for one in days if one.whole and one.spelt and isinstance(one.value, date)}
    if len(said) != 1:
        return found
    year = said.pop()
    return [_in_year(one, year) if one in days and not one.whole else one for one in found]


def _in_year(found: Found, year: int) -> Found:
    day = found.value
    if not isinstance(day, date) or (day.month, day.day) == (2, 29):
        return found
    return replace(found, value=day.replace(year=year), whole=True)


Reader = Callable[[re.Match[str], date], tuple[Value, bool] | None]


def _read(read: Reader, match: re.Match[str], today: date) -> Found | None:
    try:
        got = read(match, today)
    except (ValueError, OverflowError):
        return None
    if got is None:
        return None
    end = match.start() + len(match.group().rstrip())
    counted = bool(match.groupdict().get("count"))
    spelt = bool(match.groupdict().get("year"))
    clock = 0
    if isinstance(got[0], datetime):
        clock = match.start("noon") if match.groupdict().get("noon") else match.start("hour")
    return Found(start=match.start(), end=end, value=got[0], whole=got[1], counted=counted, spelt=spelt, clock=clock)


def _calendar(match: re.Match[str], today: date) -> tuple[Value, bool]:
    """A date in figures or with the month's name, with a time after it perhaps."""
    parts = match.groupdict()
    if parts["month"] == "may":
        raise ValueError("the verb")
    year = int(parts["year"]) if parts.get("year") else today.year
    month = MONTHS.get(parts["month"].lower().rstrip("."), 0) or int(parts["month"])
    day = int(parts["day"])
    if month > 12 >= day:
        month, day = day, month
    moment = date(year, month, day)
    if moment > today and not parts.get("year") and _is_since(match):
        moment = date(year - 1, month, day)
    if parts.get("hour") or parts.get("noon"):
        clock = _time_of(match)
        if clock is not None:
            return datetime.combine(moment, clock), True
    return moment, bool(parts.get("year"))


def _is_since(match: re.Match[str]) -> bool:
    """Does `since` lead to a day, so that it is past?"""
    return _SINCE.search(match.string, 0, match.start()) is not None


_SINCE = re.compile(r"\bsince\s+(?:the\s+)?$", re.IGNORECASE)


def _month_only(match: re.Match[str], today: date) -> tuple[Value, bool] | None:
    """March 2024: all its days."""
    year, month = int(match["year"]), MONTHS[match["month"].lower()]
    return (date(year, month, 1), date(year, month, calendar.monthrange(year, month)[1])), True


def _days_of_month(match: re.Match[str], today: date) -> tuple[Value, bool]:
    """1 to 15 January 2027, January 1-15: the first and the last of those days."""
    year, month = int(match["year"] or today.year), MONTHS[match["month"].lower()]
    return (date(year, month, int(match["first"])), date(year, month, int(match["last"]))), bool(match["year"])


def _months(match: re.Match[str], today: date) -> tuple[Value, bool]:
    """January to June 2027: from the first day of the one to the last of the other."""
    year, first, last = int(match["year"]), MONTHS[match["first"].lower()], MONTHS[match["month"].lower()]
    begin = date(year - (first > last), first, 1)
    return (begin, date(year, last, calendar.monthrange(year, last)[1])), True


def _named_day(match: re.Match[str], today: date) -> tuple[Value, bool]:
    days = {"today": 0, "tonight": 0, "tomorrow": 1, "yesterday": -1}.get(match["name"].lower(), 2)
    return _at(match, today + timedelta(days=days)), True


def _at(match: re.Match[str], day: date) -> date:
    """The day, or the moment when an hour was said with it."""
    clock = _time_of(match) if match["hour"] else None
    return datetime.combine(day, clock) if clock is not None else day


def _weekday(match: re.Match[str], today: date) -> tuple[Value, bool]:
    ahead = (WEEKDAYS[match["weekday"].lower()] - today.weekday()) % 7
    which = (match["which"] or "").lower()
    if which in ("last", "past", "previous") or (_is_since(match) and ahead):
        return _at(match, today - timedelta(days=7 - ahead)), True
    return _at(match, today + timedelta(days=ahead or 7 if which == "next" else ahead)), True


def _stretch(match: re.Match[str], today: date) -> tuple[Value, bool]:
    """last week, this month, next 30 days."""
    which, unit = match["which"].lower(), match["unit"].lower()
    count = match.groupdict().get("count")
    back = which in ("last", "past", "previous")
    if count:
        days = _days(_COUNTS.get(count.lower()) or int(count), unit)
        return ((today - timedelta(days=days), today) if back else (today, today + timedelta(days=days))), True
    step = -1 if back else 0 if which in ("this", "current") else 1
    if unit == "week":
        monday = today - timedelta(days=today.weekday()) + timedelta(weeks=step)
        return (monday, monday + timedelta(days=6)), True
    if unit == "weekend":
        saturday = today + timedelta(days=(5 - today.weekday()) % 7) + timedelta(weeks=min(step, 0))
        return (saturday, saturday + timedelta(days=1)), True
    if unit == "year":
        return (date(today.year + step, 1, 1), date(today.year + step, 12, 31)), True
    month = today.year * 12 + today.month - 1 + step
    first = date(month // 12, month % 12 + 1, 1)
    return (first, first.replace(day=calendar.monthrange(first.year, first.month)[1])), True


def _distance(match: re.Match[str], today: date) -> tuple[Value, bool]:
    """3 days ago, in two weeks."""
    days = _days(_COUNTS.get(match["count"].lower()) or int(match["count"]), match["unit"].lower())
    return today + timedelta(days=-days if match.group().lower().endswith("ago") else days), True


def _days(count: int, unit: str) -> int:
    return count * {"day": 1, "week": 7, "month": 30, "year": 365}[unit]


def _clock(match: re.Match[str], today: date) -> tuple[Value, bool] | None:
    if match["minute"] is None and match["half"] is None:
        return None
    clock = _time_of(match)
    return (clock, True) if clock is not None else None


def _time_of(match: re.Match[str]) -> time | None:
    parts = match.groupdict()
    if parts.get("noon"):
        return time(0 if parts["noon"].lower() == "midnight" else 12)
    hour, minute, second = int(match["hour"]), int(match["minute"] or 0), int(match["second"] or 0)
    half = (match["half"] or _half_of(parts.get("half_alone") or "")).lower()
    if half and hour > 12:
        return None
    if half:
        hour = hour % 12 + (12 if half.startswith("p") else 0)
    return time(hour % 24, minute, second)


def _half_of(text: str) -> str:
    """`in the afternoon` is pm."""
    return ("am" if "morning" in text.lower() else "pm") if " the " in text else text


def _noon(match: re.Match[str], today: date) -> tuple[Value, bool]:
    return time(0 if match.group().lower() == "midnight" else 12), True


def _rules() -> Iterator[tuple[re.Pattern[str], Reader]]:
    after = rf"(?:(?:\s*T|\s+at\s+|,?\s+(?=\d\d?(?::|\.\d|\s*[ap]\.?m\b))){_CLOCK}(?:Z|[+-]\d\d:?\d\d)?)?"
    then = rf"(?:(?:,?\s+(?:(?:at|time)\s+)|,?\s+){_HOUR})?"
    at = rf"(?:\s+at\s+{_CLOCK}(?![\d%]))?"
    till = r"\s*(?:-|–|to|until|till|through)\s*(?:the\s+)?"
    days = rf"(?P<first>[0-3]?\d)(?:st|nd|rd|th)?{till}(?P<last>[0-3]?\d)(?:st|nd|rd|th)?\b"
    both = days.replace("(?:-|", "(?:-|and|")
    which = r"(?P<which>last|past|previous|this|current|next|coming|upcoming)"
    for pattern, read in (
        (rf"\b{_YEAR}[-/.](?P<month>\d\d?)[-/.](?P<day>\d\d?)\b{after}", _calendar),
        (rf"\b(?P<month>\d\d?)[-/.](?P<day>\d\d?)[-/.](?P<year>[12]\d{{3}})\b{then}", _calendar),
        (rf"\b{both}\s+(?:of\s+)?{_MONTH}(?:,?\s*{_YEAR})?", _days_of_month),
        (rf"\b{_MONTH}\s+{days}(?!:)(?:,?\s*{_YEAR})?", _days_of_month),
        (rf"\b(?P<first>{'|'.join(sorted(MONTHS, key=len, reverse=True))}){till}{_MONTH},?\s+{_YEAR}", _months),
        (rf"\b{_MONTH}\s*(?:the\s+)?{_DAY}(?!:)(?:,?\s*(?:of\s+)?{_YEAR})?{then}", _calendar),
        (rf"\b{_DAY}(?:\s+of)?\s+{_MONTH}(?:,?\s*(?:of\s+)?{_YEAR})?{then}", _calendar),
        (rf"\b{_MONTH},?\s+(?:of\s+)?{_YEAR}", _month_only),
        (rf"\b(?P<name>(?:the\s+)?day after tomorrow|today|tonight|tomorrow|yesterday)\b{at}", _named_day),
        (rf"\b{which}\s+{_COUNT}\s+(?P<unit>day|week|month|year)s?\b", _stretch),
        (rf"\b{which}\s+(?P<unit>weekend|week|month|year)\b", _stretch),
        (rf"\b{_COUNT}\s+(?P<unit>day|week|month|year)s?\s+ago\b", _distance),
        (rf"\bin\s+{_COUNT}\s+(?P<unit>day|week|month|year)s?\b(?=\s*[.?!,]|\s*$)", _distance),
        (rf"\b(?:{which}\s+)?(?P<weekday>{'|'.join(WEEKDAYS)})\b{at}", _weekday),
        (rf"(?<![\d.:$]){_CLOCK}(?![\d%])", _clock),
        (r"\b(?:noon|midday|midnight)\b", _noon),
    ):
        yield re.compile(pattern, re.IGNORECASE), read


_RULES = tuple(_rules())
