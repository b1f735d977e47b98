"""Long stretches of a sentence that may be one value: addresses, what follows a leading word, the sentence itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from nlapi.planner.language.english.text import Token
from nlapi.resources.naming import VERBS

_LEADS = frozenset("to that about for of : with saying says reads content by in at on from is because".split())
_ADDRESS = re.compile(
    r"(?<![\w.,-])\d{1,6}[A-Za-z]?\s+(?:[A-Z][\w.'’-]*\s?)+"
    r"(?:,\s*[A-Z][\w.'’-]*(?:\s[A-Z][\w.'’-]*)*(?:\s\d{4,6})?)*"
)

_STREET = re.compile(
    r"(?<![\w.,-])\d{1,6}[A-Za-z]?\s+(?:[\w.'’-]+\s+){1,3}?"
    r"(?:street|st|avenue|ave|road|rd|boulevard|blvd|drive|lane|way|court|square|place|highway|parkway|terrace)\b",
    re.IGNORECASE,
)


def addresses(text: str) -> Iterator[tuple[int, int]]:
    """Where a number and capitalised words stand (12 Long Street, Leeds), with and without each part after a comma."""
    for match in _ADDRESS.finditer(text):
        end = match.end()
        while True:
            yield match.start(), end
            cut = match.group().rfind(",", 0, end - match.start())
            if cut < 0:
                break
            end = match.start() + cut
    for match in _STREET.finditer(text):
        if not _ADDRESS.match(text, match.start()):
            yield match.start(), match.end()


def clauses(tokens: Sequence[Token]) -> Iterator[tuple[int, int, str]]:
    """The sentence as a whole (form `all`), and what follows a verb or a word that leads to a text (that, about, :), up
    to the next comma and up to the end (form `clause`).
    """
    count = len(tokens)
    end = count - 1 if count and tokens[-1].text in ".?!" else count
    if end > 0:
        yield tokens[0].start, tokens[-1].end, "all"
    for at in range(end - 1):
        token = tokens[at]
        if token.lower in _LEADS or (at > 0 and token.stem in VERBS and not token.lower.endswith("s")):
            stop = next((n for n in range(at + 1, end) if tokens[n].text in ".?!;"), end)
            comma = next((n for n in range(at + 1, stop) if tokens[n].text == ","), stop)
            for last in sorted({stop, comma}):
                if last - at > 2:
                    yield tokens[at + 1].start, tokens[last - 1].end, "clause"
