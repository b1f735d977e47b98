"""The notes of a preview on the moments of a call, in the zone of this machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

from nlapi.client.safe_text import single_line
from nlapi.english.words import split_words
from nlapi.local_zone import local_zone
from nlapi.resources.forms import moment_form
from nlapi.tools.quantities.units import Dimension, WireUnit, amount_notes, visit_values
from nlapi.tools.quantities.value_format import moment_of
from nlapi.tools.tool import Call

# Moments of a call that a preview explains.
_MAX_NOTES = 12
# Characters of a number since 1970: nanoseconds have 19.
_LONGEST_EPOCH = 20


def value_notes(call: Call) -> list[str]:
    """Return a line for each amount and each moment of a call that is sent in another form than people say it."""
    return [*amount_notes(call), *moment_notes(call, local_zone())]


def moment_notes(call: Call, zone: tzinfo) -> list[str]:
    """Return a line for each moment of a call that has a zone, in the user's: `ends: 18:00 in Europe/Paris (UTC+1)`."""
    notes: list[str] = []

    def collect(name: str, parts: Sequence[Mapping[str, Any]], unit: WireUnit | None, value: Any) -> Any:
        moment = _moment(name, parts, value) if unit is None or unit.dimension is Dimension.TIME else None
        local = moment.astimezone(zone) if moment is not None else None
        # What is written in UTC says so, and is as people there know it.
        if local is not None and (local.utcoffset() or not str(value).endswith("Z")):
            day = "" if f"{local:%Y-%m-%d}" in str(value) else f"{local:%Y-%m-%d} "
            notes.append(single_line(f"{name}: {day}{moment_text(local, zone)}"))
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


def _moment(name: str, parts: Sequence[Mapping[str, Any]], value: object) -> datetime | None:
    """Return the moment that a value is: a text with a zone, or a number since 1970 by its description."""
    if isinstance(value, str) and not value.isdecimal():
        moment = moment_of(name, value)
        return moment if moment is not None and moment.tzinfo is not None else None
    if isinstance(value, int | str) and not isinstance(value, bool) and len(str(value)) < _LONGEST_EPOCH:
        words, description = (
            split_words(name.rpartition(".")[2]),
            " ".join(str(part.get("description") or "") for part in parts),
        )
        forms = (moment_form(words, part, description) for part in parts)
        form = next((form for form in forms if form is not None and form.per_second), None)
        return form.read(value, UTC) if form is not None else None
    return None
