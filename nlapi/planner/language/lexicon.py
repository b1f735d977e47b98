"""Tables of names: countries, states, languages and currencies, and words that mean the same value of an enum."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from nlapi.english.lexicon import by_phrase, table
from nlapi.english.words import stem


@cache
def _cldr() -> dict[str, dict[str, str]]:
    # Written by training/tables.py; words.toml has what people say besides.
    tables: dict[str, dict[str, str]] = json.loads(
        (files("nlapi") / "planner" / "language" / "tables.json").read_text(encoding="utf-8")
    )
    return tables


def _names(name: str) -> dict[str, str]:
    """Return code by name in lower case: the names of CLDR, then those that people say besides."""
    return _cldr()[name] | by_phrase("planner/language/words", name)


COUNTRIES = _names("countries")  # ISO 3166-1 alpha-2 by name
DEMONYMS = by_phrase("planner/language/words", "demonyms")  # ISO 3166-1 alpha-2 by the adjective
LANGUAGES = _names("languages")  # ISO 639-1 by name
CURRENCY_NAMES = _names("currencies")  # ISO 4217 by name
STATES = by_phrase("planner/language/words", "states")  # the two letters of a state of the US by name

SYNONYMS: dict[str, frozenset[str]] = {}  # stems that may be meant in the value of an enum, by stem
for _text in table("planner/language/words", "synonyms").values():
    _group = frozenset(map(stem, _text.split()))
    for _word in _group:
        SYNONYMS[_word] = SYNONYMS.get(_word, frozenset()) | _group
