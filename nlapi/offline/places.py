"""Where towns are: the state or the country that a value such as `San Francisco, CA` needs."""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path

from nlapi.offline.tables import COUNTRIES, STATES

FILE = Path(__file__).with_name("places.txt")
_SHORT = {"nyc": "new york", "new york city": "new york", "la": "los angeles", "sf": "san francisco"}
_TOWNS_TOO = frozenset(("new york",))
"""Names of states under which people mean the town."""
_NAMES = {code: name.title() for name, code in reversed(COUNTRIES.items())} | {"US": "USA", "GB": "UK", "AE": "UAE"}
_STATE_NAMES = {code: name.title() for name, code in STATES.items()}


@cache
def _text() -> str:
    return FILE.read_text(encoding="utf-8")


@cache
def region_of(town: str) -> str:
    """US-CA for a town in California, FR for one in France; "" for what is not known."""
    name = "".join(one for one in unicodedata.normalize("NFKD", town.lower()) if not unicodedata.combining(one))
    if name in COUNTRIES or (name in STATES and name not in _TOWNS_TOO):
        return ""
    text = _text()
    at = text.find(f"|{_SHORT.get(name, name)}|")
    if at < 0:
        return ""
    line = text.rfind("\n", 0, at) + 1
    return text[line : text.index("|", line)]


def country_of(town: str) -> str:
    """The ISO 3166-1 code of the country that a town is in; "" for what is not known."""
    return region_of(town)[:2]


def state_of(town: str) -> str:
    """California for Berkeley; "" outside of the United States."""
    return _STATE_NAMES.get(region_of(town).removeprefix("US-"), "") if region_of(town).startswith("US-") else ""


def country_name(code: str) -> str:
    """Russia for RU; "" for a code that is not known."""
    return _NAMES.get(code, "")


def full_name(town: str) -> str:
    """`Berkeley, CA`, `Moscow, Russia`; "" for what is not known."""
    region = region_of(town)
    whole = {"nyc": "New York", "la": "Los Angeles", "sf": "San Francisco"}.get(town.lower(), town)
    if not region:
        return ""
    after = region[3:] if region.startswith("US-") else _NAMES.get(region, "")
    return f"{whole}, {after}" if after else ""
