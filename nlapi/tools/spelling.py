"""The correction of misspelt words in a question, by the words of the API."""

from __future__ import annotations

import re
from collections.abc import Iterable

from nlapi.english.words import stem
from nlapi.resources.naming import STOPWORDS, VERBS
from nlapi.tools.index import Index
from nlapi.tools.word_similarity import has_vector

# Words of at least five small letters that are no part of an id, a path, a flag or a quotation: those are values, and a
# value is never changed.
_WORD = re.compile(r"(?<![\w\"'`./@#:-])[a-z]{5,}(?![\w\"'`/@:-]|\.\w)")
# Least number of letters for which two slips are forgiven; in a shorter word two make another word.
_TWO_SLIPS_LENGTH = 8


def correct_spelling(question: str, index: Index) -> str:
    """Return `question` with each misspelt word replaced by the word of the API that it nearly is."""

    def replace_word(match: re.Match[str]) -> str:
        word = match.group()
        if word in STOPWORDS or stem(word) in VERBS or index.has_word(stem(word)) or has_vector(stem(word)):
            return word
        return nearest_word(stem(word), index.vocabulary) or word

    parts = question.split('"')  # at odd positions: quoted
    return '"'.join(part if position % 2 else _WORD.sub(replace_word, part) for position, part in enumerate(parts))


def nearest_word(word: str, words: Iterable[str]) -> str:
    """Return the word with the same first letter and the fewest slips; "" when none is near."""
    max_slips = 2 if len(word) >= _TWO_SLIPS_LENGTH else 1
    candidates = [
        candidate
        for candidate in words
        if candidate[:1] == word[:1] and abs(len(candidate) - len(word)) <= max_slips and len(candidate) > 3
    ]
    by_distance = [(edit_distance(word, candidate), candidate) for candidate in candidates]
    return min(by_distance)[1] if by_distance and min(by_distance)[0] <= max_slips else ""


def edit_distance(word: str, target: str) -> int:
    """Return the optimal string alignment distance: letters left out, added, mistaken or swapped with the next."""
    previous: list[int] = []
    row = list(range(len(target) + 1))
    for position, letter in enumerate(word, 1):
        previous, earlier, row = row, previous, [position]
        for column, target_letter in enumerate(target, 1):
            cost = min(previous[column] + 1, row[column - 1] + 1, previous[column - 1] + (letter != target_letter))
            if earlier and column > 1 and letter == target[column - 2] and word[position - 2] == target_letter:
                cost = min(cost, earlier[column - 2] + 1)
            row.append(cost)
    return row[-1]
