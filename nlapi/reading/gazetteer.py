"""Words with the same meaning, and the state or country of a town, which a value such as `San Francisco, CA` needs."""

from __future__ import annotations

import json
import unicodedata
from functools import cache
from importlib.resources import files
from pathlib import Path

from nlapi.english.lexicon import by_phrase, table
from nlapi.english.words import stem


@cache
def _cldr() -> dict[str, dict[str, str]]:
    # Written by training/tables.py; words.toml has what people say besides.
    tables: dict[str, dict[str, str]] = json.loads(
        (files("nlapi") / "reading" / "tables.json").read_text(encoding="utf-8")
    )
    return tables


def _names(name: str) -> dict[str, str]:
    """Return code by name in lower case: the names of CLDR, then those that people say besides."""
    return _cldr()[name] | by_phrase("reading/words", name)


COUNTRIES = _names("countries")  # ISO 3166-1 alpha-2 by name
DEMONYMS = by_phrase("reading/words", "demonyms")  # ISO 3166-1 alpha-2 by the adjective
LANGUAGES = _names("languages")  # ISO 639-1 by name
CURRENCY_NAMES = _names("currencies")  # ISO 4217 by name
CURRENCY_CODES = frozenset(CURRENCY_NAMES.values())
STATES = by_phrase("reading/words", "states")  # the two letters of a state of the US by name


def _synonyms() -> dict[str, frozenset[str]]:
    """Return the stems that may be meant in the value of an enum, by stem."""
    synonyms: dict[str, frozenset[str]] = {}
    for text in table("reading/words", "synonyms").values():
        group = frozenset(map(stem, text.split()))
        for word in group:
            synonyms[word] = synonyms.get(word, frozenset()) | group
    return synonyms


SYNONYMS = _synonyms()


FILE = Path(__file__).with_name("gazetteer.txt")
_SHORT = table("reading/words", "short_towns")
# This line stands before the towns of the US that have a bigger namesake elsewhere.
US_NAMESAKES = "# Towns of the US whose name a bigger town elsewhere has"
_TOWNS_TOO = frozenset(("new york",))  # names of states under which people mean the town
_NAMES = {code: name.title() for name, code in reversed(COUNTRIES.items())} | table(
    "reading/words", "written_countries"
)
_STATE_NAMES = {code: name.title() for name, code in STATES.items()}


@cache
def _towns() -> str:
    return FILE.read_text(encoding="utf-8")


def _plain(town: str) -> str:
    """Return a name in lower case and without accents, as the file has it."""
    return "".join(char for char in unicodedata.normalize("NFKD", town.lower()) if not unicodedata.combining(char))


def _region_in_file(name: str, start: int = 0) -> str:
    # The file is searched as one text: parsing it into a table takes longer than the few look-ups of a question.
    at = _towns().find(f"|{name}|", start)
    line = _towns().rfind("\n", 0, at) + 1
    return _towns()[line : _towns().index("|", line)] if at >= 0 else ""


@cache
def region_of(town: str) -> str:
    """Return US-CA for a town in California, FR for one in France; "" for an unknown town."""
    name = _plain(town)
    if name in COUNTRIES or (name in STATES and name not in _TOWNS_TOO):
        return ""
    return _region_in_file(_SHORT.get(name, name))


@cache
def town_in_us(town: str) -> str:
    """Return US-CA for a town in California, even where a bigger one elsewhere has its name; "" for an unknown town."""
    region = region_of(town)
    return region if region.startswith("US-") else _region_in_file(_plain(town), _towns().index(US_NAMESAKES))


def is_region(text: str) -> bool:
    """Return whether `text` is a state of the United States or a country, in full or as two letters."""
    return text.lower() in STATES or text.lower() in COUNTRIES or text in STATES.values()


def country_of(town: str) -> str:
    """Return the ISO 3166-1 code of the country that a town is in; "" for an unknown town."""
    return region_of(town)[:2]


def state_of(town: str) -> str:
    """Return California for Berkeley; "" outside of the United States."""
    return _STATE_NAMES.get(region_of(town).removeprefix("US-"), "") if region_of(town).startswith("US-") else ""


def country_name(code: str) -> str:
    """Return Russia for RU; "" for an unknown code."""
    return _NAMES.get(code, "")


def full_name(town: str, *, in_us: bool = False) -> str:
    """Return `Berkeley, CA` or `Moscow, Russia`; "" for an unknown town. `in_us` prefers the town in a state."""
    region = (in_us and town_in_us(town)) or region_of(town)
    after = region[3:] if region.startswith("US-") else _NAMES.get(region, "")
    if not after:
        return ""
    full = {name: whole.title() for name, whole in _SHORT.items()}.get(town.lower(), town)
    return f"{full.title() if full.islower() else full}, {after}"
