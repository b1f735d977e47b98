"""The word lists and tables of the planner, read from the file words.toml of each stage."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

from nlapi.resources.naming import stem


@cache
def _document(stage: str) -> dict[str, str | dict[str, str]]:
    return tomllib.loads((files("nlapi") / "planner" / stage / "words.toml").read_text(encoding="utf-8"))


@cache
def word_lists(stage: str) -> dict[str, str]:
    """Return the word lists of a stage (language, slots, answering, operations, steps) by name, as texts of words.

    Each is an entry `name = "word word ..."` of nlapi/planner/STAGE/words.toml, so that a word is added without
    reading code.
    """
    return {name: value for name, value in _document(stage).items() if isinstance(value, str)}


def words(stage: str, name: str) -> frozenset[str]:
    """Return the words of a list as they are written."""
    return frozenset(word_lists(stage)[name].split())


def stems(stage: str, name: str) -> frozenset[str]:
    """Return the stems of the words of a list, which are compared with the stems of tokens."""
    return frozenset(map(stem, word_lists(stage)[name].split()))


def table(stage: str, name: str) -> dict[str, str]:
    """Return the table `[name]` of a stage: texts by key, in the order of the file."""
    value = _document(stage)[name]
    assert isinstance(value, dict)
    return value


def by_phrase(stage: str, name: str) -> dict[str, str]:
    """Return the key of each phrase of the table `[name]`, whose texts are phrases with `|` between them."""
    return {phrase: key for key, text in table(stage, name).items() for phrase in text.replace("\n", " ").split("|")}
