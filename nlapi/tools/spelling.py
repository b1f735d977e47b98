"""Slips of the pen: a word that nobody knows and that is nearly one of the API's own."""

from __future__ import annotations

import re
from collections.abc import Iterable

from nlapi.resources.naming import STOPWORDS, VERBS, stem
from nlapi.tools.index import Index
from nlapi.tools.meaning import known

_WORD = re.compile(r"(?<![\w\"'`./@#:-])[a-z]{5,}(?![\w\"'`/@:-]|\.\w)")
_LONG = 8
"""Letters from which on two slips are forgiven."""


def corrected(question: str, index: Index) -> str:
    """`question` with the words mended that are in no dictionary and one or two letters off a word of the API."""

    def mend(found: re.Match[str]) -> str:
        word = found.group()
        if word in STOPWORDS or stem(word) in VERBS or index.knows(stem(word)) or known(stem(word)):
            return word
        return nearest(stem(word), index.vocabulary) or word

    parts = question.split('"')  # every other one is quoted
    return '"'.join(part if at % 2 else _WORD.sub(mend, part) for at, part in enumerate(parts))


def nearest(word: str, words: Iterable[str]) -> str:
    """The one of `words` that begins with the same letter and is the fewest slips away; "" when none is near."""
    most = 2 if len(word) >= _LONG else 1
    near = [one for one in words if one[:1] == word[:1] and abs(len(one) - len(word)) <= most and len(one) > 3]
    rated = [(slips(word, one), one) for one in near]
    return min(rated)[1] if rated and min(rated)[0] <= most else ""


def slips(one: str, other: str) -> int:
    """Letters left out, put in, mistaken or swapped with the next: the optimal string alignment distance."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for at, letter in enumerate(one, 1):
        before, last, row = row, before, [at]
        for to, same in enumerate(other, 1):
            cost = min(before[to] + 1, row[to - 1] + 1, before[to - 1] + (letter != same))
            if last and to > 1 and letter == other[to - 2] and one[at - 2] == same:
                cost = min(cost, last[to - 2] + 1)
            row.append(cost)
    return row[-1]
