"""The forms in which a slot takes values: host names with a final dot, dates and times, measures in its unit."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from functools import lru_cache

from nlapi.english.lexicon import stems as stem_set
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.model import Schema
from nlapi.patterns import bounded_pattern
from nlapi.planner.language.numbers import unit_of_mention
from nlapi.planner.language.text import MentionKind, Sentence, ValueMention
from nlapi.planner.slots.slot import Family, Slot
from nlapi.tools.unit_evidence import likely_unit
from nlapi.tools.units import Unit

# A name of several labels whose last has a letter in it: no sentence ends in one by chance, as `delete foo.` does.
_HOST = lazy_pattern(r"(?:[\w-]+\.)+[\w-]*[^\W\d_][\w-]*")
_STATED = lazy_pattern(
    r"\b(?:trailing|final|terminating|ending) (?:dot|period)\b"
    r"|\b(?:ends?|ending|terminated?) (?:with|in|by) a (?:dot|period)\b"
    r"|\bcanonical\b[^.]{0,20}\b(?:domain|dns|zone|host)\b|\b(?:domain|dns|zone|host)\b[^.]{0,20}\bcanonical\b",
    re.IGNORECASE,
)
_HOST_EXAMPLE = lazy_pattern(rf"[\"'“‘`]{_HOST.pattern}\.[\"'”’`]")


@lru_cache(maxsize=4096)
def ends_in_dot(slot: Slot) -> bool:
    """Return whether host names for a slot end in a dot, by its description, its examples or its pattern."""
    schema = slot.item or slot.schema
    examples = schema.get("examples")
    samples = [schema.get("example"), schema.get("default"), *(examples if isinstance(examples, list) else ())]
    if any(isinstance(text, str) and text.endswith(".") and _HOST.fullmatch(text[:-1]) for text in samples):
        return True
    return bool(_HOST_EXAMPLE.search(slot.description)) or wants_dot(slot)


@lru_cache(maxsize=4096)
def wants_dot(slot: Slot) -> bool:
    """Return whether host names for a slot must end in a dot, by its description or its pattern."""
    return states_dot(slot.description) or _pattern_needs_dot(slot.item or slot.schema)


def states_dot(description: str) -> bool:
    """Return whether a description says that names end in a dot."""
    return _STATED.search(description) is not None


def _pattern_needs_dot(schema: Schema) -> bool:
    pattern = schema.get("pattern")
    if not isinstance(pattern, str) or "." not in pattern:
        return False

    # The pattern comes from a description, and may take long to match: it is bounded.
    fits = bounded_pattern(pattern).matches
    return fits("www.example.com.") and not fits("www.example.com")


def is_dotted(text: str, name: str) -> bool:
    """Return whether `name` is a host name that has a dot behind it in `text`."""
    return bool(_HOST.fullmatch(name)) and bool(re.search(rf"(?<![\w.-]){re.escape(name)}\.(?![\w.-])", text))


# Stems of the names of slots for the first and the last day of a range.
OPENING = stem_set("planner/slots/words", "opening")
CLOSING = stem_set("planner/slots/words", "closing")
_LONGEST_STAY = 1000
_FORMATS = (
    (lazy_pattern(r"yyyy-mm-dd[ t]hh:mm:ss", re.I), "%Y-%m-%d %H:%M:%S"),
    (lazy_pattern(r"yyyy-mm-dd[ t]hh:mm", re.I), "%Y-%m-%d %H:%M"),
    (lazy_pattern(r"yyyy-mm-dd", re.I), "%Y-%m-%d"),
    (lazy_pattern(r"dd/mm/yyyy[ t]hh:mm", re.I), "%d/%m/%Y %H:%M"),
    (lazy_pattern(r"mm/dd/yyyy[ t]hh:mm", re.I), "%m/%d/%Y %H:%M"),
    (lazy_pattern(r"mm/dd/yyyy", re.I), "%m/%d/%Y"),
    (lazy_pattern(r"dd/mm/yyyy", re.I), "%d/%m/%Y"),
    (lazy_pattern(r"dd-mm-yyyy", re.I), "%d-%m-%Y"),
    (lazy_pattern(r"mm-dd-yyyy", re.I), "%m-%d-%Y"),
    (lazy_pattern(r"yyyy/mm/dd", re.I), "%Y/%m/%d"),
    (lazy_pattern(r"dd\.mm\.yyyy", re.I), "%d.%m.%Y"),
    (lazy_pattern(r"yyyymmdd", re.I), "%Y%m%d"),
    (lazy_pattern(r"yyyy-mm\b", re.I), "%Y-%m"),
    (lazy_pattern(r"month.day.year", re.I), "%m-%d-%Y"),
)


def date_conversions(mention: ValueMention, slot: Slot, sentence: Sentence) -> Iterator[tuple[str | None, str]]:
    """Return the conversions of a date: the last day of a range, the day on which a stay is over, and of a time of day
    the moment on the day elsewhere in the sentence, or the time itself.
    """
    if mention.kind is not MentionKind.DATE:
        return
    if set(slot.words) & CLOSING and (over := _lasting(mention, sentence)) is not None:
        yield format_date(over, slot), "lasting"
    if isinstance(mention.value, tuple) and (last := format_date(mention.value, slot, end=True)) is not None:
        yield last, "last_day"
    if not isinstance(mention.value, time) or slot.family is Family.TIME:
        return
    days = [day for day in sentence.mentions if day.kind is MentionKind.DATE and type(day.value) is date]
    # Of several days the one that stands nearest to the hour.
    if days and mention.form != "part":
        nearest = min(days, key=lambda day: abs(day.first - mention.first))
        yield format_date(datetime.combine(nearest.value, mention.value), slot), "moment"
    if re.search(r"\bhh:mm", slot.description, re.IGNORECASE):
        yield mention.value.strftime("%H:%M"), "clock"


def _lasting(mention: ValueMention, sentence: Sentence) -> date | None:
    """Return the end of a stay that begins on a date, where the sentence has its length: 3 nights from June 1."""
    if not isinstance(mention.value, date) or mention.form == "part":
        return None
    for number in sentence.mentions:
        if number.kind is not MentionKind.NUMBER or number.form not in ("plain", "spelt", "counted"):
            continue
        measure = unit_of_mention(sentence, number)
        if measure is not None and measure.dimension == "time" and 0 < number.value < _LONGEST_STAY:
            length = timedelta(seconds=float(number.value) * measure.factor)
            return mention.value + length if isinstance(mention.value, datetime) or not length.seconds else None
    return None


def date_value(mention: ValueMention, slot: Slot) -> str | None:
    """Return a mention as a date or a time, as it stands or in the form of the slot; None where it is neither."""
    if mention.kind is MentionKind.DATE:
        return format_date(mention.value, slot)
    if mention.kind is MentionKind.QUOTED or (mention.kind is MentionKind.LITERAL and slot.family is not Family.TIME):
        return mention.text if any(map(str.isdigit, mention.text)) else None
    if mention.kind is MentionKind.NUMBER and "tim" in slot.words and mention.value > 10**8:
        return mention.text
    return None


def format_date(value: date | time | tuple[date, date], slot: Slot, *, end: bool = False) -> str | None:
    """Return a date or a time in the form of the slot; of a range of days the first, or (at the `end`) the last."""
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
    """Return the format of the moment that a description has as an example (2023-04-15T13:45:00Z); "" without one."""
    match = _MOMENT_EXAMPLE.search(slot.description)
    if match is None:
        return ""
    between, seconds, zone = match.groups()
    return f"%Y-%m-%d{between}%H:%M{':%S' if seconds else ''}{zone or ''}"


@lru_cache(maxsize=4096)
def wants_clock(slot: Slot) -> bool:
    """Return whether a time of day is a part of the value."""
    return slot.schema.get("format") == "date-time" or _CLOCK.search(slot.description) is not None


_MOMENT_EXAMPLE = lazy_pattern(r"\b\d{4}-\d\d-\d\d([T ])\d\d:\d\d(:\d\d)?(Z)?")
_CLOCK = lazy_pattern(r"\bhh:mm|\btime\b|T\d\d:\d\d", re.IGNORECASE)


def slot_unit(slot: Slot) -> Unit | None:
    """Return the unit of the numbers of a slot, by its name or else by its description."""
    return likely_unit(slot.name, slot.description)


def has_unit_of(sentence: Sentence, mention: ValueMention, slot: Slot) -> bool:
    """Return whether a number has a unit in the sentence, of the dimension of the unit of the slot."""
    source, target = unit_of_mention(sentence, mention), slot_unit(slot)
    return source is not None and target is not None and source.dimension == target.dimension


def convert_unit(sentence: Sentence, mention: ValueMention, slot: Slot) -> float | int | None:
    """Return a number in the unit of a slot, where the sentence has it in another one: 2 hours are 120 minutes.

    A number right behind it in a smaller unit is added: 1 hour and 30 minutes.
    """
    source, target = unit_of_mention(sentence, mention), slot_unit(slot)
    if source is None or target is None or source.dimension != target.dimension:
        return None
    added = _smaller_part(sentence, mention, source)
    if source.factor == target.factor and not added:
        return None
    value = float(f"{(float(mention.value) * source.factor + added) / target.factor:.10g}")
    return int(value) if value.is_integer() else value


def _smaller_part(sentence: Sentence, mention: ValueMention, source: Unit) -> float:
    """Return the measure in a smaller unit right behind a measure, in the base unit of the dimension."""
    for after in sentence.mentions:
        if after.kind is MentionKind.NUMBER and mention.last <= after.first <= mention.last + 3:
            smaller = unit_of_mention(sentence, after)
            if smaller is not None and smaller.dimension == source.dimension and smaller.factor < source.factor:
                return float(after.value) * smaller.factor
    return 0.0
