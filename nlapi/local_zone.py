"""The zone of this machine, in which a user means a time of day."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache

_LOCAL_TIME = "/etc/localtime"
_ZONES = "zoneinfo/"


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
