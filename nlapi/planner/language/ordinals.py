"""A thing that is meant by its place among others: the second campaign, the oldest, that with the highest budget."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from nlapi.planner.language.question_intent import DEGREES, IMPLIED
from nlapi.planner.language.text import Sentence
from nlapi.resources.naming import singular

ORDINALS = {
    word: place
    for place, words in enumerate(("first 1st", "second 2nd", "third 3rd", "fourth 4th", "fifth 5th", "sixth 6th"))
    for word in words.split()
}
"""Word -> how many come before."""
LAST = "last"
_ENDS = frozenset(DEGREES)
_WITH = re.compile(
    rf"\s+(?:with|that has|which has|having)\s+the\s+(?:most|least|{'|'.join(sorted(_ENDS))})\s+[a-z]+(?:\s+[a-z]+)?",
    re.IGNORECASE,
)
_MOST = ("most", "least")


def places(sentence: Sentence, at: int, length: int) -> Iterator[tuple[str, int, int]]:
    """The place of the one thing whose noun stands at token `at`, with where it is said: start and end in the text."""
    tokens = sentence.tokens
    noun = tokens[at + length - 1]
    if singular(noun.lower) != noun.lower:
        return
    if behind := _WITH.match(sentence.text, noun.end):
        yield behind.group().strip(), noun.end, behind.end()
    for first in range(at - 1, max(-1, at - 4), -1):
        words = [token.lower for token in tokens[first:at]]
        if _is_place(words):
            yield " ".join(words), tokens[first].start, tokens[at - 1].end


def _is_place(words: Sequence[str]) -> bool:
    if len(words) == 1:
        return words[0] in ORDINALS or words[0] in _ENDS or words[0] == LAST
    return len(words) == 2 and words[0] in _MOST and words[1] in IMPLIED
