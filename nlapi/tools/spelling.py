"""The correction of misspelt words in a question, by the words of the API."""

from __future__ import annotations

import re
from collections.abc import Iterable

from nlapi.resources.naming import STOPWORDS, VERBS, stem
from nlapi.tools.index import Index
from nlapi.tools.meaning import known

# Words of at least five small letters that are no part of an id, a path, a flag or a quotation: those are values, and a
# value is never changed.
_WORD = re.compile(r"(?<![\w\"'`./@#:-])[a-z]{5,}(?![\w\"'`/@:-]|\.\w)")
# Least number of letters for which two slips are forgiven; in a shorter word two make another word.
_LONG = 8


def corrected(question: str, index: Index) -> str:
    """Return `question` with each misspelt word replaced by the word of the API that it nearly is."""

    def mend(found: re.Match[str]) -> str:
        word = found.group()
        if word in STOPWORDS or stem(word) in VERBS or index.knows(stem(word)) or known(stem(word)):
            return word
        return nearest(stem(word), index.vocabulary) or word

    parts = question.split('"')  # at odd positions: quoted
    return '"'.join(part if at % 2 else _WORD.sub(mend, part) for at, part in enumerate(parts))


def nearest(word: str, words: Iterable[str]) -> str:
    """Return the word with the same first letter and the fewest slips; "" when none is near."""
    most = 2 if len(word) >= _LONG else 1
    near = [one for one in words if one[:1] == word[:1] and abs(len(one) - len(word)) <= most and len(one) > 3]
    rated = [(slips(word, one), one) for one in near]
    return min(rated)[1] if rated and min(rated)[0] <= most else ""


def slips(one: str, other: str) -> int:
    """Return the optimal string alignment distance: letters left out, added, mistaken or swapped with the next."""
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
