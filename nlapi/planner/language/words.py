"""The word lists and tables of the planner, read from the file words.toml of each stage."""

from __future__ import annotations

from functools import cache

from nlapi import bundled
from nlapi.resources.naming import stem


@cache
def word_lists(stage: str) -> dict[str, str]:
    """Return the word lists of a stage (language, slots, answering, operations, steps) by name, as texts of words."""
    return bundled.word_lists(f"planner/{stage}")


def words(stage: str, name: str) -> frozenset[str]:
    """Return the words of a list as they are written."""
    return frozenset(word_lists(stage)[name].split())


def stems(stage: str, name: str) -> frozenset[str]:
    """Return the stems of the words of a list, which are compared with the stems of tokens."""
    return frozenset(map(stem, word_lists(stage)[name].split()))


def table(stage: str, name: str) -> dict[str, str]:
    """Return the table `[name]` of a stage: texts by key, in the order of the file."""
    return bundled.word_table(f"planner/{stage}", name)


def by_phrase(stage: str, name: str) -> dict[str, str]:
    """Return the key of each phrase of the table `[name]`, whose texts are phrases with `|` between them."""
    return {phrase: key for key, text in table(stage, name).items() for phrase in text.replace("\n", " ").split("|")}


# Words that set no condition by themselves.
FILLER_STEMS = stems("language", "filler")
