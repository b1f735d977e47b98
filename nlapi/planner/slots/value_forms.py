"""The forms in which a slot takes values: hosts, moments and measures in the unit of the slot."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import Any

from nlapi.planner.language.measures import Unit, said, unit
from nlapi.planner.language.text import Kind, Sentence, Span
from nlapi.planner.slots.slot import Family, Slot
from nlapi.resources.naming import stem
from nlapi.tools.patterns import bounded_pattern

_HOST = re.compile(r"(?:[\w-]+\.)+[\w-]*[^\W\d_][\w-]*")
"""A name of several labels whose last has a letter in it: no sentence ends in one by chance, as `delete foo.` does."""

_STATED = re.compile(
    r"\b(?:trailing|final|terminating|ending) (?:dot|period)\b"
    r"|\b(?:ends?|ending|terminated?) (?:with|in|by) a (?:dot|period)\b"
    r"|\bcanonical\b[^.]{0,20}\b(?:domain|dns|zone|host)\b|\b(?:domain|dns|zone|host)\b[^.]{0,20}\bcanonical\b",
    re.IGNORECASE,
)
_HOST_EXAMPLE = re.compile(rf"[\"'“‘`]{_HOST.pattern}\.[\"'”’`]")


@lru_cache(maxsize=4096)
def ends_in_dot(slot: Slot) -> bool:
    """Do the names that a slot takes end in a dot, by its description, its examples or its pattern?"""
    schema = slot.item or slot.schema
    examples = schema.get("examples")
    shown = [schema.get("example"), schema.get("default"), *(examples if isinstance(examples, list) else ())]
    if any(isinstance(one, str) and one.endswith(".") and _HOST.fullmatch(one[:-1]) for one in shown):
        return True
    return bool(_HOST_EXAMPLE.search(slot.description)) or wants_dot(slot)


@lru_cache(maxsize=4096)
def wants_dot(slot: Slot) -> bool:
    """Must the names that a slot takes end in a dot, as its description says or its pattern demands?"""
    return states_dot(slot.description) or _pattern_wants(slot.item or slot.schema)


def states_dot(description: str) -> bool:
    """Does a description say that names end in a dot?"""
    return _STATED.search(description) is not None


def _pattern_wants(schema: Any) -> bool:
    pattern = schema.get("pattern")
    if not isinstance(pattern, str) or "." not in pattern:
        return False
    fits = bounded_pattern(pattern).matches
    return fits("www.example.com.") and not fits("www.example.com")


def is_dotted(text: str, name: str) -> bool:
    """Is `name` a host name that stands in `text` with a dot behind it, at the end of a sentence or before a space?"""
    return bool(_HOST.fullmatch(name)) and bool(re.search(rf"(?<![\w.-]){re.escape(name)}\.(?![\w.-])", text))


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


_ASKED = re.compile(
    r"\b(?:in|of|as|per|number of|how many|measured in|specified in|expressed in)\s+(?:the\s+|whole\s+)?([^\W\d_]+)"
    r"|\(([^\W\d_]+)\)|([^\W\d_]{4,})\s*[.)]?$|^([^\W\d_]{5,})\b",
    re.IGNORECASE,
)


def wanted(slot: Slot) -> Unit | None:
    """What an argument is counted in, by its name or else by its description."""
    return _wanted(slot.name, slot.description)


@lru_cache(maxsize=4096)
def _wanted(name: str, description: str) -> Unit | None:
    last = re.split(r"[_\-\s]|(?<=[a-z])(?=[A-Z])", name)[-1]
    found = unit(last.lower()) if len(last) > 1 else None
    if found is not None:
        return found
    for match in _ASKED.finditer(description[:200]):
        word = next(group for group in match.groups() if group is not None)
        found = unit(word) if len(word) > 1 else None
        if found is not None:
            return found
    return None


def measured(sentence: Sentence, span: Span, slot: Slot) -> bool:
    """Does a number say what it is counted in, and is that something that the slot can be counted in?"""
    one, other = said(sentence, span), wanted(slot)
    return one is not None and other is not None and one.dimension == other.dimension


def converted(sentence: Sentence, span: Span, slot: Slot) -> float | int | None:
    """The number of a span in the unit of a slot, when that is another one: 2 hours in minutes are 120.

    What follows in a smaller unit is added: 1 hour and 30 minutes.
    """
    one, other = said(sentence, span), wanted(slot)
    if one is None or other is None or one.dimension != other.dimension:
        return None
    total = float(span.value) * one.factor
    added = _rest(sentence, span, one)
    if one.factor == other.factor and not added:
        return None
    value = float(f"{(total + added) / other.factor:.10g}")
    return int(value) if value.is_integer() else value


def _rest(sentence: Sentence, span: Span, one: Unit) -> float:
    """What is said right after a measure in a smaller unit of the same dimension, in the base."""
    for after in sentence.spans:
        if after.kind is Kind.NUMBER and span.last <= after.first <= span.last + 3:
            smaller = said(sentence, after)
            if smaller is not None and smaller.dimension == one.dimension and smaller.factor < one.factor:
                return float(after.value) * smaller.factor
    return 0.0
