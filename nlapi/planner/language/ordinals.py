"""An item that is meant by its rank among others: the second campaign, the oldest, that with the highest budget."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from nlapi.english.words import singular
from nlapi.planner.language.question_intent import IMPLIED_FIELDS, SUPERLATIVES
from nlapi.planner.language.text import Sentence

# How many items come before the one that a word means.
ORDINALS = {
    word: before
    for before, forms in enumerate(("first 1st", "second 2nd", "third 3rd", "fourth 4th", "fifth 5th", "sixth 6th"))
    for word in forms.split()
}
LAST_ORDINAL = "last"
_WITH = re.compile(
    rf"\s+(?:with|that has|which has|having)\s+the\s+(?:most|least|{'|'.join(sorted(SUPERLATIVES))})"
    r"\s+[a-z]+(?:\s+[a-z]+)?",
    re.IGNORECASE,
)


def find_ordinals(sentence: Sentence, at: int, length: int) -> Iterator[tuple[str, int, int]]:
    """Yield the ordinals of the noun at token `at`, each with its start and end in the text; none for a plural."""
    tokens = sentence.tokens
    noun = tokens[at + length - 1]
    if singular(noun.lower) != noun.lower:
        return
    if behind := _WITH.match(sentence.text, noun.end):
        yield behind.group().strip(), noun.end, behind.end()
    # Three words: an adjective may stand between (the second paused campaign is still the second).
    for first in range(at - 1, max(-1, at - 4), -1):
        words = [token.lower for token in tokens[first:at]]
        if _is_ordinal(words):
            yield " ".join(words), tokens[first].start, tokens[at - 1].end


def _is_ordinal(words: Sequence[str]) -> bool:
    if len(words) == 1:
        return words[0] in ORDINALS or words[0] in SUPERLATIVES or words[0] == LAST_ORDINAL
    return len(words) == 2 and words[0] in ("most", "least") and words[1] in IMPLIED_FIELDS
