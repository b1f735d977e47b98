"""Dates, times with their zones, and periods in a sentence, relative to today."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import cache

from nlapi.english import lexicon
from nlapi.english.lexicon import by_word
from nlapi.english.words import COUNTS
from nlapi.lazy_pattern import lazy_pattern

# Abbreviation -> the hours from UTC, or the name of a zone with summer time.
_ABBREVIATIONS = by_word("reading/words", "zones")
_OFFSET = r"(?P<sign>[+-])(?P<hours>\d\d?)(?::?(?P<minutes>\d\d))?"
_ZONE = lazy_pattern(
    rf"(?P<zulu>Z\b)|(?P<utc>\s?(?:UTC|GMT)\s?|\s(?=\+\d\d:\d))?{_OFFSET}(?!\d)"
    rf"|\s*[(,]?\s*(?:in\s+)?(?:(?P<zone>[A-Z][a-z]+(?:/[A-Z][A-Za-z_]+)+)|(?P<city>\w+(?:[ ]\w+)?)\s+time\b"
    r"|(?P<name>[A-Z]{2,4}|[a-z]{3,4})(?![\w/]))\)?"
)

_ISO_TIME = lazy_pattern(r"T\d\d:?\d\d(?::?\d\d)?$")


def zone_behind(text: str, at: int) -> tuple[tzinfo, int] | None:
    """Return the zone that stands at `at`, behind a time of day, with its end in `text`; None where none does."""
    match = _ZONE.match(text, at)
    if match is None:
        return None
    if match["zulu"]:
        zone: tzinfo | None = UTC
    elif match["sign"]:
        # The second time of 9:00-10:00 is not an offset.
        if match["sign"] == "-" and not match["utc"] and not _ISO_TIME.search(text[:at]):
            return None
        zone = _offset(match["sign"], int(match["hours"]), int(match["minutes"] or 0))
    elif match["city"]:
        zone = _zone(_city_zones().get(match["city"].lower(), ""))
    else:
        zone = _zone(match["zone"] or _ABBREVIATIONS.get(match["name"].lower(), ""))
    return None if zone is None else (zone, match.end())


def _offset(sign: str, hours: int, minutes: int = 0) -> tzinfo | None:
    length = timedelta(hours=hours, minutes=minutes)
    return timezone(-length if sign == "-" else length) if hours <= 14 and minutes < 60 else None


def _zone(name: str) -> tzinfo | None:
    """Return the zone of a name (Europe/Paris) or of an offset (-05:00); None for neither."""
    if name[:1] in ("+", "-"):
        return _offset(name[0], int(name[1:3]), int(name[4:6]))
    from zoneinfo import ZoneInfo

    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):
        return None


@cache
def _city_zones() -> dict[str, str]:
    """Return the zones by the cities that they are named after, in small letters."""
    from zoneinfo import available_timezones

    zones = {name.rpartition("/")[2].replace("_", " ").lower(): name for name in available_timezones() if "/" in name}
    return zones | by_word("reading/words", "zone_cities")


MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_name) if name}
MONTHS |= {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name} | {"sept": 9}
WEEKDAYS = {name.lower(): number for number, name in enumerate(calendar.day_name)}

_FILE = "reading/dates"
_ANY_MONTH = "|".join(sorted(MONTHS, key=len, reverse=True))
DAYS_IN = {unit: int(count) for unit, count in lexicon.table(_FILE, "days_in").items()}
_MONTHS_IN = {unit: int(count) for unit, count in lexicon.table(_FILE, "months_in").items()}
_PLACES = {place: int(before) for place, before in lexicon.table(_FILE, "places").items()}
_DAYS_AHEAD = {day: int(count) for day, count in lexicon.table(_FILE, "days_ahead").items()}
_UNITS = lexicon.table(_FILE, "short_units")
_PAST = lexicon.ordered(_FILE, "past")
# The parts of patterns that no data has.
_PARTS = {"any_month": _ANY_MONTH, "weekdays": "|".join(WEEKDAYS), "parts": "|".join(_PLACES)}
_SINCE = lazy_pattern(r"\bsince\s+(?:the\s+)?$", re.IGNORECASE)
_LED = lexicon.pattern(_FILE, "led", re.IGNORECASE)
_SCHEDULES = lexicon.pattern(_FILE, "schedules", re.IGNORECASE)
_OF_ITEM = lexicon.pattern(_FILE, "of_item", re.IGNORECASE)
# The patterns of dates take 9 ms to compile, and most sentences have none.
_SIGNS = lexicon.pattern(_FILE, "signs", re.IGNORECASE, **_PARTS)
_BEFORE_CLOCK = lazy_pattern(r"(?:[\s,]*(?:\b(?:at|time)\b|T))?[\s,]*$", re.IGNORECASE)
# Between a time of day and its day: 18:00 on 1 December 2026; and between two times that a day behind them is for.
_TO_DAY = lazy_pattern(r",?\s+(?:on\s+)?(?:the\s+)?", re.IGNORECASE)
_TO_TIME = lexicon.pattern("reading/words", "to_time", re.IGNORECASE)
_BESIDE = lazy_pattern(r"[\s,(]*(?:the\s+)?")
_TODAY = lazy_pattern(
    r"\btoday(?:['’]s date)?\s+is\s+(?:the\s+|" + "|".join(WEEKDAYS) + r"|,|\s)*(?=\w)", re.IGNORECASE
)

DateValue = date | time | datetime | tuple[date, date]


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedDate:
    """A moment in a text: `value` is a date, a time, both, or the first and the last day of a period.

    `whole` is False for a day without its year; `counted` is True for a number of days, weeks, ...; `spelt` is True
    for a day with its month and year. `parts` are the day and the time of day of one that has both, each with its
    start, its end and its value.
    """

    start: int
    end: int
    text: str
    value: DateValue
    whole: bool = True
    counted: bool = False
    spelt: bool = False
    parts: tuple[tuple[int, int, DateValue], ...] = ()


def stated_today(text: str, today: date) -> date:
    """Return the day that `text` gives as today (today is March 6, 2024), else `today`."""
    for match in _TODAY.finditer(text):
        for moment in find_dates(text, today):
            if moment.start <= match.end() < moment.end and moment.spelt and isinstance(moment.value, date):
                return date(moment.value.year, moment.value.month, moment.value.day)
    return today


def find_dates(text: str, today: date) -> list[ParsedDate]:
    """Return every date, time and period in `text`, in order, none overlapping another.

    `today` may be an aware datetime: an hour ago is read then, in its zone. A time has the zone of its words, if any. A
    day in two forms (next Friday 2026-03-06) is one, the one that is spelt out.
    """
    moments: list[ParsedDate] = []
    day = today.date() if isinstance(today, datetime) else today
    for pattern, reader in _rules() if _SIGNS.search(text) else ():
        for match in pattern.finditer(text):
            if any(match.start() < moment.end and moment.start < match.end() for moment in moments):
                continue
            if (moment := _read(reader, match, today if reader is _hours else day)) is not None:
                moments.append(moment)
    in_order = _without_doubles(text, sorted(moments, key=lambda moment: moment.start))
    return _with_days_behind(text, _with_common_year(in_order))


def _with_days_behind(text: str, moments: list[ParsedDate]) -> list[ParsedDate]:
    """Return the moments, with a time of day and the day right behind it as one: 6 pm tomorrow."""
    joined: list[ParsedDate] = []
    for moment in moments:
        clock = joined[-1] if joined else None
        if clock is None or not _is_day_of(text, clock, moment, joined[-2] if len(joined) > 1 else None):
            joined.append(moment)
            continue
        assert isinstance(clock.value, time)
        assert isinstance(moment.value, date)
        parts = tuple((part.start, part.end, part.value) for part in (moment, clock))
        value = datetime.combine(moment.value, clock.value)
        words = text[clock.start : moment.end]
        joined[-1] = replace(moment, start=clock.start, text=words, value=value, parts=parts, whole=True)
    return joined


def _is_day_of(text: str, clock: ParsedDate, day: ParsedDate, before: ParsedDate | None) -> bool:
    """Return whether `day` is that of the time of day right before it alone, and not of an earlier time as well."""
    if not isinstance(clock.value, time) or type(day.value) is not date:
        return False
    if not _TO_DAY.fullmatch(text, clock.end, day.start):
        return False
    return before is None or not (isinstance(before.value, time) and _TO_TIME.fullmatch(text, before.end, clock.start))


def _without_doubles(text: str, moments: list[ParsedDate]) -> list[ParsedDate]:
    """Return the moments, with `next Friday, 2026-03-06` as the latter that begins where the former does."""
    merged: list[ParsedDate] = []
    for moment in moments:
        before = merged[-1] if merged else None
        if before and moment.spelt and _is_relative(before) and _BESIDE.fullmatch(text[before.end : moment.start]):
            merged[-1] = replace(moment, start=before.start, text=text[before.start : moment.end])
        else:
            merged.append(moment)
    return merged


def _is_relative(moment: ParsedDate) -> bool:
    """Return whether a moment is a day such as tomorrow or next Friday."""
    return moment.whole and not moment.spelt and not moment.counted and not isinstance(moment.value, time)


def _with_common_year(moments: list[ParsedDate]) -> list[ParsedDate]:
    """Return the moments with the only year in the text as the year of all: May 15th to May 22nd, 2023."""
    days = [moment for moment in moments if type(moment.value) is date]
    years = {day.value.year for day in days if day.whole and day.spelt and isinstance(day.value, date)}
    if len(years) != 1:
        return moments
    year = years.pop()
    return [_in_year(moment, year) if moment in days and not moment.whole else moment for moment in moments]


def _in_year(moment: ParsedDate, year: int) -> ParsedDate:
    day = moment.value
    if not isinstance(day, date) or (day.month, day.day) == (2, 29):
        return moment
    return replace(moment, value=day.replace(year=year), whole=True)


DateReader = Callable[[re.Match[str], date], tuple[DateValue, bool] | None]  # the value, and whether it is whole


def _read(reader: DateReader, match: re.Match[str], today: date) -> ParsedDate | None:
    try:
        result = reader(match, today)
    except (ValueError, OverflowError):  # February 30; in 99999999999 days
        return None
    if result is None:
        return None
    value, whole = result
    groups = match.groupdict()
    end = match.start() + len(match.group().rstrip())
    if isinstance(value, datetime | time) and (zoned := zone_behind(match.string, end)) is not None:
        value, end = value.replace(tzinfo=zoned[0]), zoned[1]
    return ParsedDate(
        start=match.start(),
        end=end,
        text=match.string[match.start() : end],
        value=value,
        whole=whole,
        counted=bool(groups.get("count")),
        spelt=bool(groups.get("year")),
        parts=_parts(match, value, end) if isinstance(value, datetime) and "hour" in groups else (),
    )


def _parts(match: re.Match[str], moment: datetime, end: int) -> tuple[tuple[int, int, DateValue], ...]:
    """Return the words for the day and those for the time of day of a moment that is read from one text."""
    clock = match.start("noon" if match.groupdict().get("noon") else "hour")
    day = len(_BEFORE_CLOCK.sub("", match.string[match.start() : clock])) + match.start()
    return (match.start(), day, moment.date()), (clock, end, moment.timetz())


def _calendar(match: re.Match[str], today: date) -> tuple[DateValue, bool]:
    """Read a date in figures or with the name of its month, with or without a time."""
    parts = match.groupdict()
    if parts["month"] == "may":
        raise ValueError("the verb")
    year = int(parts["year"]) if parts.get("year") else today.year
    month = MONTHS.get(parts["month"].lower().rstrip("."), 0) or int(parts["month"])
    day = int(parts["day"])
    if month > 12 >= day:  # 20/3/2024 has its day first
        month, day = day, month
    moment = date(year, month, day)
    if moment > today and not parts.get("year") and _is_since(match):
        moment = date(year - 1, month, day)
    clock = _time_of(match) if parts.get("hour") or parts.get("noon") else None
    if clock is None:
        return moment, bool(parts.get("year"))
    return datetime.combine(moment, clock), True


def _is_since(match: re.Match[str]) -> bool:
    """Return whether `since` leads to a day, so that it is past."""
    return _SINCE.search(match.string, 0, match.start()) is not None


def _month_only(match: re.Match[str], today: date) -> tuple[DateValue, bool]:
    """Read March 2024 as all its days."""
    return _months_from(int(match["year"]), MONTHS[match["month"].lower()]), True


def _months_from(year: int, month: int, count: int = 1) -> tuple[date, date]:
    """Return the first day of a month, and the last of the `count` months from there on."""
    last = year * 12 + month - 1 + count
    return date(year, month, 1), date(last // 12, last % 12 + 1, 1) - timedelta(days=1)


def _days_of_month(match: re.Match[str], today: date) -> tuple[DateValue, bool] | None:
    """Read 1 to 15 January 2027 or January 1-15."""
    if _OF_ITEM.search(match.string[: match.start("last")]):
        return None
    year, month = int(match["year"] or today.year), MONTHS[match["month"].lower()]
    return (date(year, month, int(match["first"])), date(year, month, int(match["last"]))), bool(match["year"])


def _months(match: re.Match[str], today: date) -> tuple[DateValue, bool]:
    """Read January to June 2027; November to January 2027 begins the year before."""
    year, first, last = int(match["year"]), MONTHS[match["first"].lower()], MONTHS[match["month"].lower()]
    return (date(year - (first > last), first, 1), _months_from(year, last)[1]), True


def _relative_day(match: re.Match[str], today: date) -> tuple[DateValue, bool]:
    days = _DAYS_AHEAD.get(match["name"].lower(), 2)
    return _at(match, today + timedelta(days=days)), True


def _at(match: re.Match[str], day: date) -> date:
    """Return the day, or the moment for a day with an hour."""
    clock = _time_of(match) if match["hour"] or match["noon"] else None
    return datetime.combine(day, clock) if clock is not None else day


def _weekday(match: re.Match[str], today: date) -> tuple[DateValue, bool]:
    ahead = (WEEKDAYS[match["weekday"].lower()] - today.weekday()) % 7
    direction = (match["which"] or "").lower()
    if direction in _PAST or (_is_since(match) and ahead):
        return _at(match, today - timedelta(days=7 - ahead)), True
    return _at(match, today + timedelta(days=ahead or 7 if direction == "next" else ahead)), True


def _day_of_month(match: re.Match[str], today: date) -> tuple[DateValue, bool] | None:
    """Read the 15th of next month; the 3rd by itself is one of this month, or behind `since` the last one."""
    direction = match["which"]
    if not direction and _LED.search(match.string, 0, match.start()) is None:
        return None
    day = int(match["day"])
    first, _ = _unit_period("month", _step(direction or "this"), today)
    moment = first.replace(day=day)
    if moment > today and not direction and _is_since(match):
        moment = _unit_period("month", -1, today)[0].replace(day=day)
    return moment, True


def _step(direction: str) -> int:
    direction = direction.lower()
    return -1 if direction in _PAST else 0 if direction in ("this", "current") else 1


def _unit_period(unit: str, step: int, today: date) -> tuple[date, date]:
    """Return the first and the last day of the calendar week, weekend, month, quarter or year `step` units ahead."""
    if unit == "week":
        monday = today - timedelta(days=today.weekday()) + timedelta(weeks=step)
        return monday, monday + timedelta(days=6)
    if unit == "weekend":
        # `next weekend` is the coming one, as `this weekend` is.
        saturday = today + timedelta(days=(5 - today.weekday()) % 7) + timedelta(weeks=min(step, 0))
        return saturday, saturday + timedelta(days=1)
    size = _MONTHS_IN[unit]
    month = ((today.year * 12 + today.month - 1) // size + step) * size
    return _months_from(month // 12, month % 12 + 1, size)


def _stretch(match: re.Match[str], today: date) -> tuple[DateValue, bool]:
    """Read last week, this month, next 30 days, the last fortnight."""
    unit = match["unit"].lower()
    count = match.groupdict().get("count")
    if count or unit == "fortnight":
        days = timedelta(days=_number(count or "a") * DAYS_IN[unit])
        return ((today - days, today) if match["which"].lower() in _PAST else (today, today + days)), True
    return _unit_period(unit, _step(match["which"]), today), True


def _number(count: str) -> int:
    return COUNTS.get(count.lower()) or int(count)


def _distance(match: re.Match[str], today: date) -> tuple[DateValue, bool]:
    """Read 3 days ago, in two weeks, a fortnight from now."""
    days = timedelta(days=_number(match["count"]) * DAYS_IN[match["unit"].lower()])
    return today - days if match.group().lower().endswith("ago") else today + days, True


def _hours(match: re.Match[str], now: date) -> tuple[DateValue, bool] | None:
    """Read an hour ago, half an hour from now, in 20 minutes; None where only the day is known.

    `in 2 hours` is a moment behind a verb that can be scheduled: in `how far is it in 2 hours` it is a duration.
    """
    if not isinstance(now, datetime) or (match["lead"] and not _SCHEDULES.match(match.string)):
        return None
    minutes = 30 if match["half_hour"] else _number(match["count"]) * (60 if match["unit"].lower() == "hour" else 1)
    distance = timedelta(minutes=-minutes if match.group().lower().endswith("ago") else minutes)
    return (now + distance).replace(microsecond=0), True


def _period(match: re.Match[str], today: date) -> tuple[tuple[date, date], str]:
    """Return the days of the month, quarter, week or year that a match names, and its unit."""
    unit = (match["unit"] or match["current"] or "").lower()
    if unit:
        return _unit_period(unit, _step(match["which"] or "this"), today), unit
    if match["year_alone"]:
        return _months_from(int(match["year_alone"]), 1, 12), "year"
    month = MONTHS[match["month"].lower()]
    is_past = not match["year"] and month > today.month and _is_since(match)
    return _months_from(int(match["year"] or today.year - is_past), month), "month"


def _edge(match: re.Match[str], today: date) -> tuple[DateValue, bool]:
    """Read the end of the month, the beginning of May: one day."""
    (first, last), _ = _period(match, today)
    return last if match["edge"].lower() == "end" else first, True


def _part_of_period(match: re.Match[str], today: date) -> tuple[DateValue, bool] | None:
    """Read the first week of May, the second half of 2024, the third quarter of last year."""
    (first, last), unit = _period(match, today)
    piece, part = match["piece"].lower(), match["part"].lower()
    index = _PLACES.get(part, -1)
    if piece == "week" and unit == "month":
        # The first week of a month are its first seven days, not a calendar week, as people count them.
        begin = last - timedelta(days=6) if index < 0 else first + timedelta(days=7 * index)
        return (begin, begin + timedelta(days=6)), True
    count = {"half": 2, "quarter": 4}.get(piece, 0)
    index %= count or 1
    if not count or _PLACES.get(part, 0) >= count:
        return None
    if unit == "year":
        size = 12 // count
        return _months_from(first.year, first.month + index * size, size), True
    if unit == "month" and piece == "half":
        return ((first.replace(day=16), last) if index else (first, first.replace(day=15))), True
    return None


def _quarter(match: re.Match[str], today: date) -> tuple[DateValue, bool] | None:
    """Read Q3 2025, 2025-Q3, H1 2026; without a year a quarter of this one behind a preposition, as for a day."""
    year = match.groupdict().get("year")
    if not year and _LED.search(match.string, 0, match.start()) is None:
        return None
    name = match["name"].lower()
    size = 6 if name[0] == "h" else 3
    index = int(name[1]) - 1 if name[1:].isdigit() else _PLACES[name]
    first, last = _months_from(int(year or today.year), index * size + 1, size)
    if not year and first > today and _is_since(match):
        first, last = _months_from(today.year - 1, index * size + 1, size)
    return (first, last), bool(year)


def _to_date(match: re.Match[str], today: date) -> tuple[DateValue, bool]:
    """Read month to date, YTD: from the first day of the period to today."""
    unit = match["unit"].lower() if match["unit"] else _UNITS[match["short"].lower()]
    return (_unit_period(unit, 0, today)[0], today), True


def _clock(match: re.Match[str], today: date) -> tuple[DateValue, bool] | None:
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
    return time(hour % 24, minute, second, int((parts.get("fraction") or "")[:6].ljust(6, "0")))


def _half_of(text: str) -> str:
    """Return the half of the day that a text says: pm for `in the afternoon`."""
    return ("am" if "morning" in text.lower() else "pm") if " the " in text else text


def _noon(match: re.Match[str], today: date) -> tuple[DateValue, bool]:
    return time(0 if match.group().lower() == "midnight" else 12), True


_READERS: Mapping[str, DateReader] = {
    read.__name__.strip("_"): read
    for read in (
        _calendar,
        _days_of_month,
        _months,
        _part_of_period,
        _edge,
        _quarter,
        _to_date,
        _month_only,
        _relative_day,
        _day_of_month,
        _stretch,
        _distance,
        _hours,
        _weekday,
        _clock,
        _noon,
    )
}


@cache
def _rules() -> tuple[tuple[re.Pattern[str], DateReader], ...]:
    """Return the patterns in the order of certainty: of two that overlap the earlier one is read."""
    texts = lexicon.table(_FILE, "rules").items()
    return tuple(
        (re.compile(lexicon.expand(_FILE, text, **_PARTS), re.IGNORECASE), _READERS[name.split()[0]])
        for name, text in texts
    )
