"""The word lists of nlapi/resources/words.toml."""

from __future__ import annotations

from nlapi.bundled import word_lists

WORDS = word_lists("resources")


def word_set(name: str) -> frozenset[str]:
    """Return the words of a list."""
    return frozenset(WORDS[name].split())
