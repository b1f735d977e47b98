"""The word lists and tables of the planner, read from the file words.toml of each stage."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Any

from nlapi.resources.naming import stem

# The lines of a word list: the head of a table, or a key with its text. The tests compare what they give with tomllib,
# which takes 6 ms for the lists of a question, and this less than one.
_LINE = re.compile(
    r'^(?:\[(\w+)\]|"?([^"\n#=]+?)"? = (?:"""\n?(.*?)"""|"((?:[^"\\\n]|\\.)*)"))', re.MULTILINE | re.DOTALL
)


@cache
def _document(stage: str) -> dict[str, str | dict[str, str]]:
    text = (files("nlapi") / "planner" / stage / "words.toml").read_text(encoding="utf-8")
    document: dict[str, str | dict[str, str]] = {}
    entries: dict[str, Any] = document
    for head, key, long, short in _LINE.findall(text):
        if head:
            entries = document[head] = {}
        else:
            entries[key] = long or short.replace('\\"', '"')
    return document


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


# Words that set no condition by themselves.
FILLER_STEMS = stems("language", "filler")
