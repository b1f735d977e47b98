"""The intent of a question: to see items, a count, a sum, an average, the most or the least, or a yes or no."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

from nlapi.english import lexicon
from nlapi.english.lexicon import table, words
from nlapi.english.words import NUMBERS, split_words, stem, stems_of
from nlapi.lazy_pattern import lazy_pattern


class IntentKind(StrEnum):
    """The kind of answer that a question asks for."""

    SHOW = "show"
    COUNT = "count"
    SUM = "sum"
    AVERAGE = "average"
    MOST = "most"
    LEAST = "least"
    CHECK = "check"


_COUNT = lexicon.pattern("reading/words", "count", re.IGNORECASE)
_SUM = lexicon.pattern("reading/words", "sum", re.IGNORECASE)
_AVERAGE = lexicon.pattern("reading/words", "average", re.IGNORECASE)
_CHECK = lexicon.pattern("reading/words", "check", re.IGNORECASE)
_THERE = lexicon.pattern("reading/words", "there", re.IGNORECASE)
_BY = lexicon.pattern("reading/words", "by", re.IGNORECASE)
_ORDER = lexicon.pattern("reading/words", "order", re.IGNORECASE)
_DOWNWARDS = words("reading/words", "descending")
_N = f"({lexicon.expression('reading/words', 'few')})"
_CUT = lexicon.pattern("reading/words", "cut", re.IGNORECASE)
# The end of an order that a superlative means.
SUPERLATIVES = {word: end for end in (IntentKind.MOST, IntentKind.LEAST) for word in words("reading/words", end.value)}
_ENDS = "|".join(sorted(SUPERLATIVES, key=len, reverse=True))
# `at least 3 replicas` and `max 20 builds` are limits, no order.
_ORDER_SUPERLATIVES = "|".join(sorted(SUPERLATIVES.keys() - words("reading/words", "limits"), key=len, reverse=True))
# The latest 5 builds: an order and its first items.
_FOREMOST = lazy_pattern(
    rf"\b(?P<degree>{_ORDER_SUPERLATIVES}|(?:most|least) [a-z]+)\s+{_N}\s+(?=[a-z]+s\b)", re.IGNORECASE
)
# `max price 20` compares nothing: it is a limit.
_TOP = lazy_pattern(
    rf"(?<!at )(?<![\w:/.-])(?:\b(top|bottom)(?:\s+{_N})?|(?:\b{_N}\s+)?\b(?:(most|least)\s+([a-z]+)|({_ENDS})))\b"
    r"(?!(?:\s+\w+){0,2}\s+(?:of\s+|is\s+)?[$€£]?\d)(?!\s+first\b)",
    re.IGNORECASE,
)
_EVENT = lexicon.pattern("reading/words", "event", re.IGNORECASE)
# Stems of the fields that an adjective compares by, the likeliest first.
IMPLIED_FIELDS: dict[str, tuple[str, ...]] = {
    word: tuple(map(stem, fields.split()))
    for adjectives, fields in table("reading/words", "implied_fields").items()
    for word in adjectives.split()
}
_DATED = words("reading/words", "temporal")


@dataclass(frozen=True, slots=True, kw_only=True)
class SortOrder:
    """An order that a question asks for: stems of the field, or of the fields that `newest` and the like compare by."""

    words: tuple[str, ...]
    implied: tuple[str, ...] = ()
    descending: bool = False
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionIntent:
    """The intent of a question. `count` is the N of `top N`, `degree` its word, `words` are the stems of the question.

    `by` are the words after `by` or `per`, `implied` stems of the fields that are compared though the question does
    not name them; `dated` says that dates are compared. `first` is the N of `the first N`, negative for the last.
    `spans` are the start and the end of each text in the question that says this.
    """

    kind: IntentKind
    words: frozenset[str]
    count: int = 1
    degree: str = ""
    by: str = ""
    implied: tuple[str, ...] = ()
    dated: bool = False
    order: SortOrder | None = None
    first: int = 0
    spans: tuple[tuple[int, int], ...] = ()

    @property
    def is_superlative(self) -> bool:
        return self.kind in (IntentKind.MOST, IntentKind.LEAST)

    @property
    def needs_all_items(self) -> bool:
        """Whether the answer needs every item of the list."""
        return self.is_superlative or self.kind in (IntentKind.SUM, IntentKind.AVERAGE, IntentKind.COUNT)


@lru_cache(maxsize=64)
def read_intent(question: str) -> QuestionIntent:
    """Return the intent of a question."""
    question_stems = stems_of(question)
    order, cut, foremost = _ORDER.search(question), _CUT.search(question), _FOREMOST.search(question)
    last = next(reversed(list(_BY.finditer(question))), None)
    spans = tuple(match.span() for match in (order, cut, foremost) if match is not None)
    intent = QuestionIntent(kind=IntentKind.SHOW, words=question_stems, by=last["words"] if last else "", spans=spans)
    if foremost is not None:
        intent = replace(intent, order=_superlative_order(foremost), first=_number(foremost.group(2)))
    intent = replace(intent, order=_order(order) if order else intent.order, first=_first(cut) if cut else intent.first)
    # `newest first` is an order of the whole list, `the newest` one item of it.
    puts_first = order is not None and order["first"]
    if not puts_first and (top := _TOP.search(question)) is not None:
        return _with_superlative(intent, top)
    if (event := _EVENT.search(question)) is not None and not intent.first:
        kind, span = IntentKind.MOST if event["most"] else IntentKind.LEAST, event.span(event.lastgroup or 0)
        return replace(intent, kind=kind, degree=event["verb"].lower(), dated=True, spans=(*spans, span))
    for pattern, kind in (
        (_AVERAGE, IntentKind.AVERAGE),
        (_SUM, IntentKind.SUM),
        (_COUNT, IntentKind.COUNT),
        (_CHECK, IntentKind.CHECK),
    ):
        if match := pattern.search(question):
            return replace(intent, kind=kind, spans=(*spans, match.span()))
    return intent


def order_spans(question: str) -> tuple[tuple[int, int], ...]:
    """Return the start and the end of each text of `question` that names a field to sort or compare by."""
    spans = [match.span() for match in _ORDER.finditer(question)]
    if not spans and _TOP.search(question) is not None:
        spans = [match.span() for match in _BY.finditer(question)]
    return tuple(spans)


def is_yes_no_question(question: str) -> bool:
    """Return whether a question asks for yes or no (`is the zone x active`)."""
    return _CHECK.search(question) is not None


def asks_existence(question: str) -> bool:
    """Return whether a question asks if an item exists (`does the zone x exist`)."""
    return _THERE.search(question) is not None


def _number(text: str) -> int:
    return int(text) if text.isdigit() else NUMBERS.get(text.lower(), 1)


def _first(cut: re.Match[str]) -> int:
    number = _number(cut.group(2))
    return number if cut["end"].lower() == "first" else -number


def _superlative_order(match: re.Match[str]) -> SortOrder:
    *degree, word = match["degree"].lower().split()
    kind = IntentKind(degree[0]) if degree else SUPERLATIVES[word]
    return SortOrder(
        words=(), implied=IMPLIED_FIELDS.get(word, ()), descending=kind is IntentKind.MOST, text=match.group().strip()
    )


def _order(match: re.Match[str]) -> SortOrder:
    if match["letters"]:
        return SortOrder(words=(stem("name"),), text=match.group())
    if match["first"]:
        word = match["first"].lower().split()[-1]
        descending = match["first"].lower().split()[0] in _DOWNWARDS
        return SortOrder(words=(), implied=IMPLIED_FIELDS.get(word, ()), descending=descending, text=match.group())
    way = (match["way"] or match["before"] or "").lower().split()
    words = tuple(map(stem, split_words(match["words"])))
    return SortOrder(words=words, descending=bool(way) and way[0] in _DOWNWARDS, text=match.group())


def _with_superlative(intent: QuestionIntent, match: re.Match[str]) -> QuestionIntent:
    """Return an intent with the end that is asked for, the number of items from there, and the word that says so."""
    top, after, before, degree, adjective, word = match.groups()
    number = _number(after or before or "")
    if top:  # `the top campaigns` without a number are five
        kind, number, keyword = (
            IntentKind.MOST if top.lower() == "top" else IntentKind.LEAST,
            number if after else 5,
            "top",
        )
    else:
        keyword = (adjective or word).lower()
        kind = IntentKind(degree.lower()) if degree else SUPERLATIVES[keyword]
    spans = (*intent.spans, match.span())
    implied, dated = IMPLIED_FIELDS.get(keyword, ()), keyword in _DATED
    return replace(intent, kind=kind, count=number, degree=keyword, implied=implied, dated=dated, spans=spans)
