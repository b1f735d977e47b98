"""The zone of this machine, and the notes of a preview on the moments of a call in that zone."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from typing import Any

from nlapi.client.safe_text import single_line
from nlapi.english.words import split_words
from nlapi.lazy_pattern import lazy_pattern
from nlapi.resources.forms import moment_form
from nlapi.tools.tool import Call
from nlapi.tools.units import amount_notes, visit_values

_LOCAL_TIME = "/etc/localtime"
_ZONES = "zoneinfo/"
_MOMENT = lazy_pattern(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?P<zone>Z|[+-]\d\d:?\d\d)")
# Moments of a call that a preview explains.
_MAX_NOTES = 12


class _MachineZone(tzinfo):
    """The zone of this machine as its C library has it, where its name is not known."""

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        return self._at(moment).utcoffset()

    def dst(self, moment: datetime | None) -> timedelta | None:
        return None

    def tzname(self, moment: datetime | None) -> str | None:
        return self._at(moment).tzname()

    def fromutc(self, moment: datetime) -> datetime:
        return moment.replace(tzinfo=UTC).astimezone().replace(tzinfo=self)

    def _at(self, moment: datetime | None) -> datetime:
        return (moment.replace(tzinfo=None) if moment is not None else datetime.now()).astimezone()


@cache
def local_zone() -> tzinfo:
    """Return the zone of this machine, by its name where the system has one."""
    from zoneinfo import ZoneInfo

    _, separator, name = os.path.realpath(_LOCAL_TIME).rpartition(_ZONES)
    machine = _MachineZone()
    try:
        zone = ZoneInfo(name) if separator else machine
    except (KeyError, ValueError, OSError):
        return machine
    # The process may run in another zone than the system: TZ=Asia/Tokyo.
    year = datetime.now().year
    days = (datetime(year, 1, 1), datetime(year, 7, 1))
    return zone if all(zone.utcoffset(day) == machine.utcoffset(day) for day in days) else machine


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
