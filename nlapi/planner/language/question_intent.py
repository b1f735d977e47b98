"""What a question wants of an answer: to see it, a count, a sum, an average, the most or the least, or a yes or no."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

from nlapi.resources.naming import split_words, stem


class Want(StrEnum):
    SHOW = "show"
    COUNT = "count"
    SUM = "sum"
    AVERAGE = "average"
    MOST = "most"
    LEAST = "least"
    CHECK = "check"


_COUNT = re.compile(
    r"\b(?:how many|(?:the )?(?:number|count) of|count (?:the|all|my|every))\b|^\W*count(?= \w)", re.IGNORECASE
)
_SUM = re.compile(r"\b(?:total|sum|altogether|overall|combined|in all|add up|how much)\b", re.IGNORECASE)
_AVERAGE = re.compile(r"\b(?:average|avg|mean|on average)\b(?! to\b)", re.IGNORECASE)
_CHECK = re.compile(r"^\W*(?:is|are|was|were|does|do|did|has|have)\b(?!\s+not\b)", re.IGNORECASE)
_THERE = re.compile(r"^\W*(?:is|are) there\b|^\W*(?:do|does)\b.*\bexists?\W*$", re.IGNORECASE)
_SORTED = r"(?:sort(?:ed)?|order(?:ed)?|rank(?:ed)?|arrange[d]?)(?: them)?"
_BY = re.compile(
    r"\b(?<!sorted )(?<!sort )(?<!ordered )(?<!order )(?<!ranked )(?<!arranged )(?<!them )"
    r"(?:by|per|(?:for|in|of|at|on|does|do) (?:each|every)|each|every)\s+(?:the\s+|their\s+|its\s+)?"
    r"(?P<words>[a-z_]+(?:[ ,]+(?:and\s+)?[a-z_]+){0,5})",
    re.IGNORECASE,
)
_ORDER = re.compile(
    rf"\b{_SORTED}(?: in (?P<before>ascending|descending) order)?\s+by\s+(?:the\s+|their\s+)?"
    r"(?P<words>[a-z_]+(?:\s+[a-z_]+){0,3}?)\s*"
    r"(?:,?\s*\(?(?:in\s+)?(?P<way>asc|ascending|desc|descending|(?:lowest|smallest|oldest|earliest|newest|latest|highest"
    r"|largest|biggest|most recent)(?:\s+first))\b\)?(?:\s+order)?)?"
    r"(?=\s*(?:$|[?.!,;]|\b(?:and|then|with|of|for|in|limit)\b))"
    r"|\b(?P<first>newest|latest|most recent|oldest|earliest|cheapest|largest|biggest|smallest|highest|lowest)"
    r"(?:\s+(?!and\b)[a-z]+){0,2}\s+first\b"
    r"|\b(?P<letters>alphabetical(?:ly)?)\b(?:\s+order)?",
    re.IGNORECASE,
)
_DOWNWARDS = frozenset("descending desc newest latest highest largest biggest most".split())
_NUMBERS = {word: n for n, word in enumerate("two three four five six seven eight nine ten".split(), 2)}
_N = rf"(\d{{1,3}}|{'|'.join(_NUMBERS)})"
_CUT = re.compile(
    rf"\b(?P<end>first|last)\s+{_N}\b(?!\s*(?:%|(?:minute|hour|day|night|week|month|quarter|year|page)s?\b))",
    re.IGNORECASE,
)
_MOST = "highest largest biggest greatest maximum max longest newest latest heaviest priciest costliest tallest"
_LEAST = "lowest smallest least minimum min shortest oldest earliest cheapest lightest fewest"
DEGREES = {
    **dict.fromkeys(_MOST.split(), Want.MOST),
    **dict.fromkeys(_LEAST.split(), Want.LEAST),
}
"""Word -> the end of an order that it means."""
_ENDS = "|".join(sorted(DEGREES, key=len, reverse=True))
_FOREMOST = re.compile(rf"\b(?P<degree>{_ENDS}|(?:most|least) [a-z]+)\s+{_N}\s+(?=[a-z]+s\b)", re.IGNORECASE)
"""The latest 5 builds: an order and its first."""
_TOP = re.compile(
    rf"(?<!at )(?<![\w:/.-])(?:\b(top|bottom)(?:\s+{_N})?|(?:\b{_N}\s+)?\b(?:(most|least)\s+([a-z]+)|({_ENDS})))\b"
    r"(?!(?:\s+\w+){0,2}\s+(?:of\s+|is\s+)?[$€£]?\d)(?!\s+first\b)",
    re.IGNORECASE,
)
"""`max price 20` compares nothing: it is a limit."""
_EVENT = re.compile(
    r"\b(?P<verb>[a-z]+(?:ed|an|un|nt|shed))\s+(?:(?P<least>first|earliest)|(?P<most>last|latest|most recently))\b",
    re.IGNORECASE,
)
"""Which alert started first?"""
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
_DATED = frozenset("newest latest oldest earliest recent last".split())


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order that a question asks for: stems of the field, or of those that a word such as `newest` compares by."""

    words: tuple[str, ...]
    implied: tuple[str, ...] = ()
    descending: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is wanted. `count` is the N of `top N` and `degree` its word, `words` are the stems of the question.

    `by` are the words after `by` or `per`, `implied` stems of the fields that the wish is about though the question
    does not name them; `dated` says that it compares dates. `first` is the N of `the first N`, negative for the last.
    `spans` are where the question says all this: start and end in the text.
    """

    want: Want
    words: frozenset[str]
    count: int = 1
    degree: str = ""
    by: str = ""
    implied: tuple[str, ...] = ()
    dated: bool = False
    order: Order | None = None
    first: int = 0
    spans: tuple[tuple[int, int], ...] = ()

    @property
    def compares(self) -> bool:
        return self.want in (Want.MOST, Want.LEAST)

    @property
    def figures(self) -> bool:
        """Whether it is answered by going through every one of the things listed."""
        return self.compares or self.want in (Want.SUM, Want.AVERAGE, Want.COUNT)


@lru_cache(maxsize=64)
def wish_of(question: str) -> Wish:
    """Return what `question` wants of the answer to it."""
    words = frozenset(map(stem, split_words(question)))
    order, cut, foremost = _ORDER.search(question), _CUT.search(question), _FOREMOST.search(question)
    last = next(reversed(list(_BY.finditer(question))), None)
    spans = tuple(match.span() for match in (order, cut, foremost) if match is not None)
    wish = Wish(want=Want.SHOW, words=words, by=last["words"] if last else "", spans=spans)
    if foremost is not None:
        wish = replace(wish, order=_foremost(foremost), first=_number(foremost.group(2)))
    wish = replace(wish, order=_order(order) if order else wish.order, first=_first(cut) if cut else wish.first)
    puts_first = order is not None and order["first"]
    if not puts_first and (top := _TOP.search(question)) is not None:
        return _compared(wish, top)
    if (event := _EVENT.search(question)) is not None and not wish.first:
        want, span = Want.MOST if event["most"] else Want.LEAST, event.span(event.lastgroup or 0)
        return replace(wish, want=want, degree=event["verb"].lower(), dated=True, spans=(*spans, span))
    for pattern, want in ((_AVERAGE, Want.AVERAGE), (_SUM, Want.SUM), (_COUNT, Want.COUNT), (_CHECK, Want.CHECK)):
        if found := pattern.search(question):
            return replace(wish, want=want, spans=(*spans, found.span()))
    return wish


def order_spans(question: str) -> tuple[tuple[int, int], ...]:
    """Return where `question` names the fields that what is listed is put in order or compared by: start and end."""
    found = [match.span() for match in _ORDER.finditer(question)]
    if not found and _TOP.search(question) is not None:
        found = [match.span() for match in _BY.finditer(question)]
    return tuple(found)


def asks_whether_there(question: str) -> bool:
    """Whether a question asks if there is such a thing: does the zone x exist?"""
    return _THERE.search(question) is not None


def _number(text: str) -> int:
    return int(text) if text.isdigit() else _NUMBERS.get(text.lower(), 1)


def _first(cut: re.Match[str]) -> int:
    number = _number(cut.group(2))
    return number if cut["end"].lower() == "first" else -number


def _foremost(found: re.Match[str]) -> Order:
    *degree, word = found["degree"].lower().split()
    want = Want(degree[0]) if degree else DEGREES[word]
    return Order(words=(), implied=IMPLIED.get(word, ()), descending=want is Want.MOST, text=found.group().strip())


def _order(found: re.Match[str]) -> Order:
    if found["letters"]:
        return Order(words=(stem("name"),), text=found.group())
    if found["first"]:
        word = found["first"].lower().split()[-1]
        descending = found["first"].lower().split()[0] in _DOWNWARDS
        return Order(words=(), implied=IMPLIED.get(word, ()), descending=descending, text=found.group())
    way = (found["way"] or found["before"] or "").lower().split()
    words = tuple(map(stem, split_words(found["words"])))
    return Order(words=words, descending=bool(way) and way[0] in _DOWNWARDS, text=found.group())


def _compared(wish: Wish, found: re.Match[str]) -> Wish:
    """The wish with the end that is wanted, how many from there, and the word that says so."""
    top, after, before, degree, adjective, word = found.groups()
    number = _number(after or before or "")
    if top:
        want, number, said = Want.MOST if top.lower() == "top" else Want.LEAST, number if after else 5, "top"
    else:
        said = (adjective or word).lower()
        want = Want(degree.lower()) if degree else DEGREES[said]
    spans = (*wish.spans, found.span())
    implied, dated = IMPLIED.get(said, ()), said in _DATED
    return replace(wish, want=want, count=number, degree=said, implied=implied, dated=dated, spans=spans)
