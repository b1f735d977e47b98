"""Reads a question about listed items: the items that it is about, their groups and their order."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import partial

from nlapi.english import lexicon
from nlapi.english.words import NUMBERS, split_words, stem, stems_of
from nlapi.english.words import plural as plural_word
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import Operation
from nlapi.planner.answering.aggregates import (
    comparison_field,
    group_fields,
    measure_field,
    order_field,
    single_amount_field,
)
from nlapi.planner.answering.client_filter import FilteredItems, filter_items
from nlapi.planner.answering.conditions import BOUND_TESTS
from nlapi.planner.answering.row_fields import RowFields, count_phrase, field_stems, is_word_of, plural_name
from nlapi.reading.numbers import BOUND, find_numbers
from nlapi.reading.question_intent import IntentKind, QuestionIntent, is_yes_no_question, read_intent
from nlapi.resources.identity import Item
from nlapi.resources.nouns import noun_of, singular_noun
from nlapi.tools.tool import Call

_HOW_MANY = lexicon.pattern("planner/answering/words", "how_many", re.IGNORECASE)


# What is asked of some of several: do any campaigns have no ads?
_SOME = lazy_pattern(r"\b(?:any|some)\b", re.IGNORECASE)
_THAN = lazy_pattern(r"\bthan\b", re.IGNORECASE)
_NUMBER = lexicon.expression("planner/answering/words", "counted")


@dataclass(frozen=True, slots=True, kw_only=True)
class CountBound:
    """What a question for yes or no says of the number of items: more than 3 campaigns. `text` is that in its words."""

    text: str
    holds: Callable[[float], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuestion:
    """A question about listed items. `total` is their number by the API, `more` says that some are unread.

    `filtered` are the items that the question is about, `groups` the fields that it groups by, `order` the field that
    it sorts by, `bound` the limit on their number.
    """

    text: str
    intent: QuestionIntent
    call: Call
    fields: RowFields
    total: int | None
    more: bool
    filtered: FilteredItems
    groups: tuple[str, ...] = ()
    order: str = ""
    bound: CountBound | None = None

    @property
    def count(self) -> int:
        return len(self.fields.items)

    @property
    def selected(self) -> RowFields:
        """The items that the question is about, with their fields."""
        return replace(self.fields, items=self.filtered.items)

    @property
    def compares(self) -> bool:
        """Whether it compares with something else than a number: more than yesterday, cheaper than Desk."""
        bounds = (BOUND.search(self.text[: number.start]) for number in find_numbers(self.text))
        numeric = sum("than" in bound.group().lower() for bound in bounds if bound is not None)
        return len(_THAN.findall(self.text)) > numeric

    @property
    def paths(self) -> tuple[str, ...]:
        """The fields that the question names: in conditions, groups, the order or by themselves."""
        order = (self.order,) if self.order else ()
        conditions = (condition.path for condition in self.filtered.conditions)
        return tuple(dict.fromkeys((*filter(None, conditions), *self.groups, *order, *self.filtered.fields)))

    @property
    def is_whole(self) -> bool:
        """Whether all items were read."""
        return not self.more and (self.total is None or self.total <= self.count)

    @property
    def is_narrower(self) -> bool:
        """Whether the question has conditions, groups or an order by fields of the items."""
        return bool(self.filtered.conditions or self.groups or self.order)

    @property
    def has_total(self) -> bool:
        """Whether the total of the API is the number of items that the question is about."""
        return not self.filtered.conditions and self.total is not None and self.total >= self.count

    @property
    def needs_all(self) -> bool:
        """Whether the answer needs every page of the list."""
        if self.intent.kind is IntentKind.COUNT and not self.groups and self.has_total:
            return False
        too_few = self.intent.first < 0 or self.intent.first > len(self.filtered.items)
        counts = self.bound is not None and not self.has_total
        return self.intent.needs_all_items or bool(self.filtered.conditions) or bool(self.order) or too_few or counts

    @property
    def count_text(self) -> str:
        """The number of items in words, or how many of them were read."""
        operation = self.call.tool.operation
        if self.total is not None and self.total > self.count:
            return f"{self.count:,} of {self.total:,} {plural_name(operation)}"
        return (
            count_phrase(self.count, operation) if self.is_whole else f"the first {count_phrase(self.count, operation)}"
        )

    @property
    def notes(self) -> str:
        """Sentences about items that were not read and conditions that were not applied; "" without either."""
        unread = ""
        if self.needs_all and not self.is_whole:
            has_total = self.total is not None and self.total > self.count
            unread = f" Only the first {self.count:,}{f' of {self.total:,}' if has_total else ''} were read"
            unread += "." if has_total else ", and there are more."
        if not self.filtered.unapplied:
            return unread
        words = ", ".join(self.filtered.unapplied)
        return f"{unread} Not applied: {words} (neither the request nor the answer tells it)."


def read_list_question(
    question: str,
    call: Call,
    items: Sequence[Item],
    total: int | None,
    *,
    more: bool,
    applied: Sequence[str],
    today: date,
) -> ListQuestion:
    """Return the question about listed items that `question` is."""
    fields = RowFields(items=tuple(items), operation=call.tool.operation)
    if total is not None and more and total <= len(items):
        total = None  # some APIs give the number of items on the page as the total
    intent = read_intent(question)
    words = counted_words(question, intent, fields)
    intent = _refined_intent(intent, words, fields)
    if not intent.first and intent.kind is IntentKind.SHOW:
        intent = replace(intent, first=_number_before_noun(question, fields))
    groups, grouped_by = group_fields(intent.by, fields)
    order = order_field(intent.order, fields) if intent.order is not None else ""
    numbers = [
        text
        for text in (str(intent.first), *NUMBERS)
        if intent.first and NUMBERS.get(text, intent.first) == intent.first
    ]
    lacked = _lacked_items(question, fields)
    bound = _count_bound(question, fields) if not lacked and intent.kind is IntentKind.CHECK else None
    bound_text = bound.text if bound is not None else ""
    structural = [grouped_by, words, bound_text, lacked, *numbers, *_measure_words(question, intent, fields)]
    filtered = filter_items(question, intent, fields, call, applied=applied, structural=structural, today=today)
    if intent.order is not None and not order and not is_sorted_by_api(call):
        filtered = replace(filtered, unapplied=(*filtered.unapplied, intent.order.text))
    others = _counted_others(question, intent, fields) if not words else ""
    if unapplied := tuple(filter(None, (lacked, others))):
        filtered = replace(filtered, unapplied=(*filtered.unapplied, *unapplied))
    return ListQuestion(
        text=question,
        intent=intent,
        call=call,
        fields=fields,
        total=total,
        more=more,
        filtered=filtered,
        groups=groups,
        order=order,
        bound=bound,
    )


def counted_words(question: str, intent: QuestionIntent, fields: RowFields) -> str:
    """Return the words behind `how many` that name a field, not the items (`how many namespaces are there`)."""
    match = _HOW_MANY.search(question) if intent.kind in (IntentKind.COUNT, IntentKind.SUM) else None
    if match is None:
        return ""
    words, noun_stems = re.findall(r"[\w-]+", question[match.end() :])[:3], set(map(stem, noun_of(fields.operation)))
    for size in range(len(words), 0, -1):
        stems = _stems(" ".join(words[:size]))
        if not noun_stems & set(stems) and _counted_path(stems, fields):
            return " ".join(words[:size])
    return ""


def _counted_path(stems: Sequence[str], fields: RowFields) -> str:
    """Return the field that `how many` counts or adds up: one of numbers before others, never a boolean."""
    paths = [path for path in fields.paths_of(stems) if not fields.is_flag(path)]
    begun = (
        path
        for path in fields.paths
        if all(any(is_word_of(asked_stem, word) for word in field_stems(path)) for asked_stem in stems)
    )
    numeric = (path for path in (*paths, *begun) if fields.is_numeric(path) and not fields.is_temporal(path))
    return next(numeric, next(iter(paths), ""))


def _measure_words(question: str, intent: QuestionIntent, fields: RowFields) -> list[str]:
    """Return the words of the question that name the field of the comparison, the sum or the average."""
    path = comparison_field(intent, fields) if intent.is_superlative else ""
    if intent.kind in (IntentKind.SUM, IntentKind.AVERAGE):
        path = measure_field(intent, fields) or single_amount_field(fields)
    words = field_stems(path) if path else frozenset()
    return [
        word
        for word in re.findall(r"[^\W_]+", question)
        if any(is_word_of(stem(word.lower()), field_stem) for field_stem in words)
    ]


def _stems(text: str) -> list[str]:
    return [stem(piece) for piece in split_words(text)]


def _refined_intent(intent: QuestionIntent, words: str, fields: RowFields) -> QuestionIntent:
    """Return an intent that counts a field: of numbers it is a sum (clicks), else it counts groups (namespaces)."""
    path = _counted_path(_stems(words), fields) if words and intent.kind is IntentKind.COUNT else ""
    if not path:
        return intent
    if fields.is_numeric(path) and not fields.is_temporal(path):
        return replace(intent, kind=IntentKind.SUM)
    return intent if intent.by else replace(intent, by=words)


def _number_before_noun(question: str, fields: RowFields) -> int:
    """Return the N of `show 3 zones`; 0 without one."""
    words = noun_pattern(fields.operation)
    match = re.search(rf"\b{_NUMBER}\s+(?:[a-z]+\s+)?(?:{words})\b", question, re.IGNORECASE) if words else None
    return 0 if match is None else NUMBERS.get(match["number"].lower()) or int(match["number"])


def noun_pattern(operation: Operation) -> str:
    """Return a pattern of the noun of the listed items, in the singular and the plural; "" without a noun."""
    last = singular_noun(operation)[-1:]
    return "|".join(re.escape(form) for word in last for form in (word, plural_word(word)))


def _counted_others(question: str, intent: QuestionIntent, fields: RowFields) -> str:
    """Return the words behind `how many` where they are of the API, and neither the listed items nor a field of them.

    A report by campaign does not tell how many campaigns there are.
    """
    match = _HOW_MANY.search(question) if intent.kind is IntentKind.COUNT else None
    noun = set(_stems(" ".join(noun_of(fields.operation))))
    if match is None or not noun or not fields.items or noun & set(_stems(question)):
        return ""
    counted = re.match(r"[\w-]+", question[match.end() :])
    stems = set(_stems(counted.group())) if counted is not None else set()
    operation = fields.operation
    is_of_api = stems <= set(_stems(f"{operation.summary} {' '.join(operation.tags)} {operation.path}"))
    return match.group() + counted.group() if counted is not None and stems and is_of_api else ""


def _lacked_items(question: str, fields: RowFields) -> str:
    """Return the words by which a question is about something else that has none of the items; "" for any other.

    Those that are listed do not tell which campaigns have no ads.
    """
    nouns = noun_pattern(fields.operation)
    if not nouns:
        return ""
    pattern = lexicon.expression("planner/answering/words", "lacked", nouns=nouns)
    lacked = re.search(pattern, question, re.IGNORECASE)
    if lacked is None:
        return ""
    # Are there no ads, has the campaign X no ads: that is about the number of ads.
    is_counted = is_yes_no_question(question) and lacked.group().lower().startswith("no")
    return "" if is_counted and not _SOME.search(question[: lacked.start()]) else lacked.group()


def _count_bound(question: str, fields: RowFields) -> CountBound | None:
    """Return what a question says of the number of items, by a number that stands before their noun."""
    nouns = noun_pattern(fields.operation)
    none = re.search(rf"\bno\b(?=\s+(?:[\w-]+\s+){{0,3}}?(?:{nouns})\b)", question, re.IGNORECASE) if nouns else None
    if none is not None:
        return CountBound(text=none.group(), holds=partial(_holds, BOUND_TESTS["equal"], 0))
    for number in find_numbers(question) if nouns else ():
        if re.compile(rf"\s+(?:[\w-]+\s+){{0,3}}?(?:{nouns})\b", re.IGNORECASE).match(question, number.end):
            before = BOUND.search(question[: number.start])
            start = before.start() if before is not None else number.start
            test = BOUND_TESTS[str(before.lastgroup) if before is not None else "equal"]
            return CountBound(text=question[start : number.end].strip(), holds=partial(_holds, test, number.value))
    return None


def _holds(test: Callable[[float, float], bool], bound: float, count: float) -> bool:
    return test(count, bound)


def is_sorted_by_api(call: Call) -> bool:
    """Return whether the request asks the API for an order."""
    return any({"sort", "order"} & stems_of(name) for name in call.arguments)
