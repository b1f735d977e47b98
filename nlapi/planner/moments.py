"""What a date or an hour in a sentence is as the value of a Slot: in its format, the first or the last of a stretch."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

from nlapi.planner.language.english.measures import said
from nlapi.planner.language.english.text import Kind, Sentence, Span
from nlapi.planner.slots import Family, Slot
from nlapi.resources.naming import stem

OPENING = frozenset(map(stem, "start from since after begin min minimum least".split()))
CLOSING = frozenset(map(stem, "end to until before max maximum most stop checkout out".split()))
"""Stems of the names of where a stretch begins and ends."""
_LONGEST_STAY = 1000
_FORMATS = (
    (re.compile(r"yyyy-mm-dd[ t]hh:mm:ss", re.I), "%Y-%m-%d %H:%M:%S"),
    (re.compile(r"yyyy-mm-dd[ t]hh:mm", re.I), "%Y-%m-%d %H:%M"),
    (re.compile(r"yyyy-mm-dd", re.I), "%Y-%m-%d"),
    (re.compile(r"dd/mm/yyyy[ t]hh:mm", re.I), "%d/%m/%Y %H:%M"),
    (re.compile(r"mm/dd/yyyy[ t]hh:mm", re.I), "%m/%d/%Y %H:%M"),
    (re.compile(r"mm/dd/yyyy", re.I), "%m/%d/%Y"),
    (re.compile(r"dd/mm/yyyy", re.I), "%d/%m/%Y"),
    (re.compile(r"dd-mm-yyyy", re.I), "%d-%m-%Y"),
    (re.compile(r"mm-dd-yyyy", re.I), "%m-%d-%Y"),
    (re.compile(r"yyyy/mm/dd", re.I), "%Y/%m/%d"),
    (re.compile(r"dd\.mm\.yyyy", re.I), "%d.%m.%Y"),
    (re.compile(r"yyyymmdd", re.I), "%Y%m%d"),
    (re.compile(r"yyyy-mm\b", re.I), "%Y-%m"),
    (re.compile(r"month.day.year", re.I), "%m-%d-%Y"),
)


def moments(span: Span, slot: Slot, sentence: Sentence) -> Iterator[tuple[Any, str]]:
    """Of a stretch of days its last; of an hour the moment on the day that is said elsewhere, or the hour itself."""
    if span.kind is not Kind.DATE:
        return
    if set(slot.words) & CLOSING and (over := _lasting(span, sentence)) is not None:
        yield render(over, slot), "lasting"
    if isinstance(span.value, tuple) and (last := render(span.value, slot, end=True)) is not None:
        yield last, "last_day"
    if not isinstance(span.value, time) or slot.family is Family.TIME:
        return
    days = [one for one in sentence.spans if one.kind is Kind.DATE and type(one.value) is date]
    if days and span.form != "part":
        nearest = min(days, key=lambda one: abs(one.first - span.first))
        yield render(datetime.combine(nearest.value, span.value), slot), "moment"
    if re.search(r"\bhh:mm", slot.description, re.IGNORECASE):
        yield span.value.strftime("%H:%M"), "clock"


def _lasting(span: Span, sentence: Sentence) -> date | None:
    """When what begins then is over, where the sentence says how long it takes: 3 nights from June 1."""
    if not isinstance(span.value, date) or span.form == "part":
        return None
    for one in sentence.spans:
        counted = said(sentence, one) if one.form in ("plain", "spelt", "counted") and one.kind is Kind.NUMBER else None
        if counted is not None and counted.dimension == "time" and 0 < one.value < _LONGEST_STAY:
            whole = timedelta(seconds=float(one.value) * counted.factor)
            return span.value + whole if isinstance(span.value, datetime) or not whole.seconds else None
    return None


def moment_of(span: Span, slot: Slot) -> str | None:
    if span.kind is Kind.DATE:
        return render(span.value, slot)
    if span.kind is Kind.QUOTED or (span.kind is Kind.LITERAL and slot.family is not Family.TIME):
        return span.text if any(map(str.isdigit, span.text)) else None
    if span.kind is Kind.NUMBER and "tim" in slot.words and span.value > 10**8:
        return span.text
    return None


def render(value: Any, slot: Slot, *, end: bool = False) -> str | None:
    """A date or a time as the slot's format or description asks for it; of a stretch of days the first, or the last."""
    if isinstance(value, tuple):
        value = value[1 if end else 0]
    if isinstance(value, time):
        if slot.family is not Family.TIME:
            return None
        return value.strftime("%H:%M:%S" if "hh:mm:ss" in slot.description.lower() else "%H:%M")
    if slot.family is Family.TIME:
        return value.strftime("%H:%M") if isinstance(value, datetime) else None
    if slot.schema.get("format") == "date-time":
        moment = value if isinstance(value, datetime) else datetime.combine(value, time(23, 59, 59) if end else time())
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    for pattern, form in _FORMATS:
        if pattern.search(slot.description):
            moment = value if isinstance(value, datetime) else datetime.combine(value, time())
            return moment.strftime(form)
    if isinstance(value, datetime) and (form := _form_of_example(slot)):
        return value.strftime(form)
    if isinstance(value, datetime) and "tim" in slot.words:
        return value.strftime("%Y-%m-%dT%H:%M:%S")
    return str(value.strftime("%Y-%m-%d"))


@lru_cache(maxsize=4096)
def _form_of_example(slot: Slot) -> str:
    """How a moment is written that the description gives as an example (2023-04-15T13:45:00Z); "" where it has none."""
    found = _MOMENT_EXAMPLE.search(slot.description)
    if found is None:
        return ""
    between, seconds, zone = found.groups()
    return f"%Y-%m-%d{between}%H:%M{':%S' if seconds else ''}{zone or ''}"


@lru_cache(maxsize=4096)
def wants_clock(slot: Slot) -> bool:
    """Is a time of day a part of the value?"""
    return slot.schema.get("format") == "date-time" or _CLOCK.search(slot.description) is not None


_MOMENT_EXAMPLE = re.compile(r"\b\d{4}-\d\d-\d\d([T ])\d\d:\d\d(:\d\d)?(Z)?")
_CLOCK = re.compile(r"\bhh:mm|\btime\b|T\d\d:\d\d", re.IGNORECASE)
