"""The word lists of the planner, read from the files words/*.toml of its stages."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files

from nlapi.resources.naming import stem


@cache
def word_lists(stage: str) -> dict[str, str]:
    """Return the word lists of a stage (language, slots, answering, operations, steps) by name, as texts of words.

    Each is a table entry `name = "word word ..."` of nlapi/planner/STAGE/words.toml, so that a word is added without
    reading code.
    """
    text = (files("nlapi") / "planner" / stage / "words.toml").read_text(encoding="utf-8")
    return {name: value for name, value in tomllib.loads(text).items() if isinstance(value, str)}


def words(stage: str, name: str) -> frozenset[str]:
    """Return the words of a list as they are written."""
    return frozenset(word_lists(stage)[name].split())


def stems(stage: str, name: str) -> frozenset[str]:
    """Return the stems of the words of a list, which are compared with the stems of tokens."""
    return frozenset(map(stem, word_lists(stage)[name].split()))
