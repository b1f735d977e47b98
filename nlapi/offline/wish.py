"""What a question wants of an answer: to see it, a count, a sum, an average, the most or the least, or a yes or no."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from nlapi.resources.naming import pieces, stem


class Want(StrEnum):
    SHOW = "show"
    COUNT = "count"
    SUM = "sum"
    AVERAGE = "average"
    MOST = "most"
    LEAST = "least"
    CHECK = "check"


_COUNT = re.compile(r"\b(?:how many|(?:the )?(?:number|count) of|count (?:the|all|my|every))\b", re.IGNORECASE)
_SUM = re.compile(r"\b(?:total|sum|altogether|overall|combined|in all|add up|how much)\b", re.IGNORECASE)
_AVERAGE = re.compile(r"\b(?:average|avg|mean|on average)\b(?! to\b)", re.IGNORECASE)
_CHECK = re.compile(r"^\W*(?:is|are|was|were|does|do|did|has|have)\b(?!\s+not\b)", re.IGNORECASE)
_BY = re.compile(
    r"\b(?:(?<!sorted )(?<!sort )(?<!ordered )(?<!order )by|per|for each|for every)\s+"
    r"(?:the\s+|their\s+)?([a-z_ ]+?)\s*[?.!]*$",
    re.IGNORECASE,
)
_NUMBERS = {word: n for n, word in enumerate("two three four five six seven eight nine ten".split(), 2)}
_N = rf"(\d{{1,3}}|{'|'.join(_NUMBERS)})"
_MOST = "highest largest biggest greatest maximum max longest newest latest heaviest priciest costliest tallest"
_LEAST = "lowest smallest least minimum min shortest oldest earliest cheapest lightest fewest"
DEGREES = {
    **dict.fromkeys(_MOST.split(), Want.MOST),
    **dict.fromkeys(_LEAST.split(), Want.LEAST),
}
"""Word -> the end of an order that it means."""
_ENDS = "|".join(sorted(DEGREES, key=len, reverse=True))
_TOP = re.compile(
    rf"(?<!at )(?:\b(top|bottom)(?:\s+{_N})?|(?:\b{_N}\s+)?\b(?:(most|least)\s+([a-z]+)|({_ENDS})))\b"
    r"(?!(?:\s+\w+){0,2}\s+(?:of\s+|is\s+)?[$€£]?\d)",
    re.IGNORECASE,
)
"""`max price 20` compares nothing: it is a limit."""
IMPLIED: dict[str, tuple[str, ...]] = {
    word: tuple(map(stem, fields.split()))
    for words, fields in (
        ("expensive priciest costliest cheapest", "price cost amount fee rate budget spend total"),
        ("newest latest oldest earliest recent", "created published released issued added started updated date time"),
        ("longest shortest", "duration length seconds minutes"),
        ("heaviest lightest", "weight mass"),
        ("tallest", "height"),
        ("popular", "popularity followers views likes plays rating"),
    )
    for word in words.split()
}
"""Word -> stems of the names of the fields that it compares by, the likeliest first."""
_DATED = frozenset("newest latest oldest earliest recent".split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is wanted. `count` is the N of `top N`, `words` the stems of the question, `by` those after `by` or `per`.

    `implied` are stems of the fields that the wish is about though the question does not name them, `dated` says that
    it compares dates.
    """

    want: Want
    words: frozenset[str]
    count: int = 1
    by: frozenset[str] = frozenset()
    implied: tuple[str, ...] = ()
    dated: bool = False

    @property
    def compares(self) -> bool:
        return self.want in (Want.MOST, Want.LEAST)

    @property
    def figures(self) -> bool:
        """Is it answered by going through every one of the things listed?"""
        return self.compares or self.want in (Want.SUM, Want.AVERAGE, Want.COUNT)


def wish_of(question: str) -> Wish:
    """What `question` wants of the answer to it."""
    words = frozenset(map(stem, pieces(question)))
    last = _BY.search(question)
    by = frozenset(map(stem, pieces(last.group(1)))) if last else frozenset()
    if found := _compared(question):
        want, count, word = found
        implied = IMPLIED.get(word, ())
        return Wish(want=want, words=words, count=count, by=by, implied=implied, dated=word in _DATED)
    for pattern, want in ((_AVERAGE, Want.AVERAGE), (_SUM, Want.SUM), (_COUNT, Want.COUNT), (_CHECK, Want.CHECK)):
        if pattern.search(question):
            return Wish(want=want, words=words, by=by)
    return Wish(want=Want.SHOW, words=words, by=by)


def _compared(question: str) -> tuple[Want, int, str] | None:
    """Which end is wanted, how many from there, and the word that says so."""
    found = _TOP.search(question)
    if found is None:
        return None
    top, after, before, degree, adjective, word = found.groups()
    said = after or before or ""
    number = int(said) if said.isdigit() else _NUMBERS.get(said.lower(), 1)
    if top:
        return (Want.MOST if top.lower() == "top" else Want.LEAST), (number if after else 5), "top"
    if degree:
        return Want(degree.lower()), number, adjective.lower()
    return DEGREES[word.lower()], number, word.lower()
