"""The notes of a preview on the moments of a call, in the zone of the user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

from nlapi.client.safe_text import single_line
from nlapi.english.words import split_words
from nlapi.lazy_pattern import lazy_pattern
from nlapi.reading.zones import local_zone
from nlapi.resources.forms import moment_form
from nlapi.tools.tool import Call
from nlapi.tools.units import amount_notes, visit_values

_MOMENT = lazy_pattern(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?P<zone>Z|[+-]\d\d:?\d\d)")
# Moments of a call that a preview explains.
_MAX_NOTES = 12


def value_notes(call: Call) -> list[str]:
    """Return a line for each amount and each moment of a call that is sent in another form than people say it."""
    return [*amount_notes(call), *moment_notes(call, local_zone())]


def moment_notes(call: Call, zone: tzinfo) -> list[str]:
    """Return a line for each moment of a call that has a zone, in the user's: `ends: 18:00 in Europe/Paris (UTC+1)`."""
    notes: list[str] = []

    def collect(name: str, parts: Sequence[Mapping[str, Any]], _: object, value: Any) -> Any:
        moment = _moment(name, parts, value)
        if moment is not None and not (isinstance(value, str) and _is_plain(moment, zone)):
            text = moment_text(moment.astimezone(zone), zone)
            is_shown = isinstance(value, str) and moment.astimezone(zone).date().isoformat() in value
            day = "" if is_shown else f"{moment.astimezone(zone):%Y-%m-%d} "
            notes.append(single_line(f"{name}: {day}{text}"))
        return value

    visit_values(call.tool, call.arguments, collect)
    return notes[:_MAX_NOTES]


def moment_text(moment: datetime, zone: tzinfo) -> str:
    """Return the time of an aware moment with its zone: 18:00 in Europe/Paris (UTC+1)."""
    sign, hours, minutes = (offset := moment.strftime("%z"))[0], int(offset[1:3]), int(offset[3:5])
    distance = f"{sign}{hours}{f':{minutes:02}' if minutes else ''}" if hours or minutes else ""
    name = getattr(zone, "key", "") or moment.tzname() or ""
    name = f" in {name}" if name and name not in ("UTC", "Etc/UTC") else ""
    return f"{moment:%H:%M}{name} {f'(UTC{distance})' if name else f'UTC{distance}'}"


def _is_plain(moment: datetime, zone: tzinfo) -> bool:
    """Return whether a moment is written in UTC, which is the user's zone as well."""
    return not moment.utcoffset() and not moment.astimezone(zone).utcoffset()


def _moment(name: str, parts: Sequence[Mapping[str, Any]], value: object) -> datetime | None:
    """Return the moment that a value is: a text with a zone, or a number since 1970 by its description."""
    try:
        if isinstance(value, str) and _MOMENT.fullmatch(value):
            return datetime.fromisoformat(value)
        if isinstance(value, int | str) and not isinstance(value, bool) and str(value).isdecimal():
            words, description = split_words(name.rpartition(".")[2]), " ".join(_descriptions(parts))
            form = next((form for part in parts if (form := moment_form(words, part, description))), None)
            return form.read(value, UTC) if form is not None and form.per_second else None
    except (ValueError, OverflowError, OSError):
        return None
    return None


def _descriptions(parts: Sequence[Mapping[str, Any]]) -> list[str]:
    return [str(part["description"]) for part in parts if isinstance(part.get("description"), str)]
