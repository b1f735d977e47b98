"""The zone that stands behind a time of day in a sentence: 18:00 UTC, 6pm EST, 9:00 Paris time."""

from __future__ import annotations

from datetime import UTC, timedelta, timezone, tzinfo
from functools import cache

from nlapi.english.lexicon import by_word
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
