"""Word lists for sample data."""

from __future__ import annotations

from nlapi.english import lexicon

_FILE = "sandbox/words"


def _choices(text: str) -> tuple[str, ...]:
    return tuple(text.replace("\n", "").split("|"))


NAME_PREFIXES = _choices(lexicon.text(_FILE, "name_prefixes"))
GIVEN_NAMES = _choices(lexicon.text(_FILE, "given_names"))
FAMILY_NAMES = _choices(lexicon.text(_FILE, "family_names"))
COUNTRY_CODES = _choices(lexicon.text(_FILE, "country_codes"))
VALUES_BY_NAME = {
    name: _choices(values) for names, values in lexicon.table(_FILE, "values").items() for name in names.split()
}
"""Values of a text property, by the last word of its name."""

TEXT_KINDS = lexicon.by_word(_FILE, "text_kinds")
NUMBER_KINDS = lexicon.by_word(_FILE, "number_kinds")

PEOPLE = lexicon.words(_FILE, "people")
"""Nouns of items whose name is a person's."""
EMPTY_LISTS = lexicon.words(_FILE, "empty_lists")
FALSE_WORDS = lexicon.words(_FILE, "false")
TRUE_WORDS = lexicon.words(_FILE, "true")
START_WORDS = lexicon.words(_FILE, "start")
END_WORDS = lexicon.words(_FILE, "end")
CREATED_WORDS = lexicon.words(_FILE, "created")
UPDATED_WORDS = lexicon.words(_FILE, "updated")
