"""Reads word lists and tables from the TOML files that hold them, so that a word is added without reading code.

A file is named by its path in nlapi/ without the suffix: "resources/words".
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files
from typing import Any

from nlapi.lazy_pattern import lazy_pattern

# An entry: the head of a table, or a key with its text. The tests compare what they give with tomllib, which takes 6 ms
# for the lists of a question, and this less than one.
_ENTRY = re.compile(
    r"""^(?:\[(\w+)\]|"?([^"\n#=]+?)"? = (?:\"{3}\n?(.*?)\"{3}|"((?:[^"\\\n]|\\.)*)"|'{3}\n?(.*?)'{3}|'([^'\n]*)'))""",
    re.MULTILINE | re.DOTALL,
)
# A part of a pattern that another entry has; `{2,3}` is how often something may stand.
_PART = re.compile(r"\{([a-z_]+)(\|?)\}")


@cache
def _document(file: str) -> dict[str, Any]:
    content = files("nlapi").joinpath(*f"{file}.toml".split("/")).read_text(encoding="utf-8")
    document: dict[str, Any] = {}
    entries = document
    for head, key, long, short, *literals in _ENTRY.findall(content):
        if head:
            entries = document[head] = {}
        else:
            entries[key] = long or short.replace('\\"', '"') or "".join(literals)
    return document


def text(file: str, name: str) -> str:
    """Return the entry `name` of a file as it is written."""
    value = _document(file)[name]
    assert isinstance(value, str)
    return value


def words(file: str, name: str) -> frozenset[str]:
    """Return the words of a list as they are written."""
    return frozenset(text(file, name).split())


def stems(file: str, name: str) -> frozenset[str]:
    """Return the stems of the words of a list, which are compared with the stems of tokens."""
    from nlapi.english.words import stem  # which reads its own lists here

    return frozenset(map(stem, text(file, name).split()))


def ordered(file: str, name: str) -> tuple[str, ...]:
    """Return the words of a list in their order, as `startswith` takes them."""
    return tuple(text(file, name).split())


def pattern(file: str, name: str, flags: int = 0, **parts: str) -> re.Pattern[str]:
    """Return a pattern, which may be written over several lines, compiled when it is first used."""
    return lazy_pattern(expression(file, name, **parts), flags)


def expression(file: str, name: str, **parts: str) -> str:
    """Return the text of a pattern."""
    return expand(file, text(file, name), **parts)


def expand(file: str, written: str, **parts: str) -> str:
    """Return the text of a pattern with its parts: `{name}` is one of `parts`, or another entry of the file.

    `{name|}` is one of the words of a list.
    """

    def part(match: re.Match[str]) -> str:
        if match[2]:
            return "|".join(sorted(words(file, match[1]), key=lambda word: (-len(word), word)))
        return parts.get(match[1]) or expression(file, match[1], **parts)

    return _PART.sub(part, written.replace("\n", ""))


def lines(file: str, name: str) -> list[list[str]]:
    """Return the words of each line of an entry; a line is a group of words that belong together."""
    return [line.split() for line in text(file, name).splitlines() if line]


def table(file: str, name: str) -> dict[str, str]:
    """Return the table `[name]` of a file: texts by key, in the order of the file."""
    value = _document(file)[name]
    assert isinstance(value, dict)
    return value


def by_phrase(file: str, name: str) -> dict[str, str]:
    """Return the key of each phrase of the table `[name]`, whose texts are phrases with `|` between them."""
    phrases = ((key, texts.replace("\n", " ").split("|")) for key, texts in table(file, name).items())
    return {phrase: key for key, texts in phrases for phrase in texts}


def by_word(file: str, name: str) -> dict[str, str]:
    """Return the key of each word of the table `[name]`, in the order of the file."""
    return {word: key for key, texts in table(file, name).items() for word in texts.split()}
