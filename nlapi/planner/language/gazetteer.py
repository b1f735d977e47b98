"""Where towns are: the state or the country that a value such as `San Francisco, CA` needs."""

from __future__ import annotations

import unicodedata
from functools import cache
from pathlib import Path

from nlapi.planner.language.lexicon import COUNTRIES, STATES

FILE = Path(__file__).with_name("gazetteer.txt")
_SHORT = {
    "nyc": "new york",
    "new york city": "new york",
    "la": "los angeles",
    "sf": "san francisco",
}
SECOND = "# Towns of the US whose name a bigger town elsewhere has"
"""The line of the file after which they are."""
_TOWNS_TOO = frozenset(("new york",))
"""Names of states under which people mean the town."""
_NAMES = {code: name.title() for name, code in reversed(COUNTRIES.items())} | {"US": "USA", "GB": "UK", "AE": "UAE"}
_STATE_NAMES = {code: name.title() for name, code in STATES.items()}


@cache
def _text() -> str:
    return FILE.read_text(encoding="utf-8")


def _plain(town: str) -> str:
    """In lower case and without accents, as the file has it."""
    return "".join(one for one in unicodedata.normalize("NFKD", town.lower()) if not unicodedata.combining(one))


@cache
def region_of(town: str) -> str:
    """US-CA for a town in California, FR for one in France; "" for what is not known."""
    name = _plain(town)
    if name in COUNTRIES or (name in STATES and name not in _TOWNS_TOO):
        return ""
    text = _text()
    at = text.find(f"|{_SHORT.get(name, name)}|")
    if at < 0:
        return ""
    line = text.rfind("\n", 0, at) + 1
    return text[line : text.index("|", line)]


@cache
def town_in_us(town: str) -> str:
    """US-CA for a town in California, even where a bigger one elsewhere has its name; "" for none known."""
    region = region_of(town)
    if region.startswith("US-"):
        return region
    at = _text().find(f"|{_plain(town)}|", _text().index(SECOND))
    if at < 0:
        return ""
    line = _text().rfind("\n", 0, at) + 1
    return _text()[line : _text().index("|", line)]


def is_region(text: str) -> bool:
    """Is `text` a state of the United States or a country, in full or as two letters?"""
    return text.lower() in STATES or text.lower() in COUNTRIES or text in STATES.values()


def country_of(town: str) -> str:
    """The ISO 3166-1 code of the country that a town is in; "" for what is not known."""
    return region_of(town)[:2]


def state_of(town: str) -> str:
    """California for Berkeley; "" outside of the United States."""
    return _STATE_NAMES.get(region_of(town).removeprefix("US-"), "") if region_of(town).startswith("US-") else ""


def country_name(code: str) -> str:
    """Russia for RU; "" for a code that is not known."""
    return _NAMES.get(code, "")


def full_name(town: str, *, in_us: bool = False) -> str:
    """`Berkeley, CA`, `Moscow, Russia`; "" for what is not known. With `in_us` the town of that name in a state."""
    region = (in_us and town_in_us(town)) or region_of(town)
    whole = {name: short.title() for name, short in _SHORT.items()}.get(town.lower(), town)
    whole = whole.title() if whole.islower() else whole
    if not region:
        return ""
    after = region[3:] if region.startswith("US-") else _NAMES.get(region, "")
    return f"{whole}, {after}" if after else ""
