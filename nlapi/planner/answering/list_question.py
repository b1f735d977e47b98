"""Reads what a question asks of things that were listed: which are meant, how they are grouped, in what order."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from nlapi.planner.answering.aggregates import (
    compared_path,
    group_paths,
    measure_path,
    only_amount,
    order_path,
)
from nlapi.planner.answering.client_filter import Filtered, filter_things
from nlapi.planner.answering.row_fields import (
    RowFields,
    counted,
    field_stems,
    is_word_of,
    plural,
)
from nlapi.planner.language.question_intent import Want, Wish, wish_of
from nlapi.resources.identity import Item
from nlapi.resources.naming import plural as plural_word
from nlapi.resources.naming import split_words, stem
from nlapi.resources.nouns import noun_of, singular_noun
from nlapi.tools.tool import Call

_HOW_MANY = re.compile(
    r"\b(?:how many|(?:number|count) of)\s+(?:(?:different|distinct|unique)\s+)?(?:the\s+)?", re.IGNORECASE
)


_NUMBER = r"(?P<number>\d{1,3}|two|three|four|five|six|seven|eight|nine|ten)"


_NUMBERS = {word: n for n, word in enumerate("two three four five six seven eight nine ten".split(), 2)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ListQuestion:
    """A question about things that were listed. `total` is their number by the API, `more` says that some are unread.

    `found` are those that the question is about, `groups` the fields by which it groups them, `order` the one by which
    it puts them in order.
    """

    text: str
    wish: Wish
    call: Call
    fields: RowFields
    total: int | None
    more: bool
    found: Filtered
    groups: tuple[str, ...] = ()
    order: str = ""

    @property
    def count(self) -> int:
        return len(self.fields.things)

    @property
    def some(self) -> RowFields:
        """The things that the question is about, with their fields."""
        return replace(self.fields, things=self.found.things)

    @property
    def paths(self) -> tuple[str, ...]:
        """The fields that the question names in whatever way."""
        order = (self.order,) if self.order else ()
        conditions = (one.path for one in self.found.conditions)
        return tuple(dict.fromkeys((*filter(None, conditions), *self.groups, *order, *self.found.named)))

    @property
    def is_whole(self) -> bool:
        """Whether all things were read."""
        return not self.more and (self.total is None or self.total <= self.count)

    @property
    def is_narrower(self) -> bool:
        """Whether the question sets conditions, or asks for groups or an order, that the fields of the things tell."""
        return bool(self.found.conditions or self.groups or self.order)

    @property
    def has_total(self) -> bool:
        """Whether the number that the API gives of all things is how many the question is about."""
        return not self.found.conditions and self.total is not None and self.total >= self.count

    @property
    def needs_all(self) -> bool:
        """Whether every page has to be read for the answer."""
        if self.wish.want is Want.COUNT and not self.groups and self.has_total:
            return False
        too_few = self.wish.first < 0 or self.wish.first > len(self.found.things)
        return self.wish.figures or bool(self.found.conditions) or bool(self.order) or too_few

    @property
    def head(self) -> str:
        """How many things there are, or were read of how many."""
        operation = self.call.tool.operation
        if self.total is not None and self.total > self.count:
            return f"{self.count:,} of {self.total:,} {plural(operation)}"
        return counted(self.count, operation) if self.is_whole else f"the first {counted(self.count, operation)}"

    @property
    def notes(self) -> str:
        """What is said of things that were not read and of words that could not be applied; "" where there are none."""
        unread = ""
        if self.needs_all and not self.is_whole:
            known = self.total is not None and self.total > self.count
            unread = f" Only the first {self.count:,}{f' of {self.total:,}' if known else ''} were read"
            unread += "." if known else ", and there are more."
        if not self.found.unapplied:
            return unread
        words = ", ".join(self.found.unapplied)
        return f"{unread} Not applied: {words} (neither the request nor the answer tells it)."


def read_list_question(
    question: str,
    call: Call,
    things: Sequence[Item],
    total: int | None,
    *,
    more: bool,
    applied: Sequence[str],
    today: date,
) -> ListQuestion:
    """Return what a question asks of things that were listed."""
    fields = RowFields(things=tuple(things), operation=call.tool.operation)
    if total is not None and more and total <= len(things):
        total = None  # the number of things on a page, as more pages follow
    wish = wish_of(question)
    words = counted_words(question, wish, fields)
    wish = _counting(wish, words, fields)
    if not wish.first and wish.want is Want.SHOW:
        wish = replace(wish, first=_number_before_noun(question, fields))
    groups, grouped_by = group_paths(wish.by, fields)
    order = order_path(wish.order, fields) if wish.order is not None else ""
    numbers = [
        text for text in (str(wish.first), *_NUMBERS) if wish.first and _NUMBERS.get(text, wish.first) == wish.first
    ]
    taken = [grouped_by, words, *numbers, *_measure_words(question, wish, fields)]
    found = filter_things(question, wish, fields, call, applied=applied, taken=taken, today=today)
    if wish.order is not None and not order and not is_sorted_by_api(call):
        found = replace(found, unapplied=(*found.unapplied, wish.order.text))
    return ListQuestion(
        text=question,
        wish=wish,
        call=call,
        fields=fields,
        total=total,
        more=more,
        found=found,
        groups=groups,
        order=order,
    )


def counted_words(question: str, wish: Wish, fields: RowFields) -> str:
    """The words behind `how many` where they name a field rather than the things: how many namespaces are there?"""
    found = _HOW_MANY.search(question) if wish.want in (Want.COUNT, Want.SUM) else None
    if found is None:
        return ""
    words, noun_stems = re.findall(r"[\w-]+", question[found.end() :])[:3], set(map(stem, noun_of(fields.operation)))
    for size in range(len(words), 0, -1):
        stems = _stems(" ".join(words[:size]))
        if not noun_stems & set(stems) and _counted_path(stems, fields):
            return " ".join(words[:size])
    return ""


def _counted_path(stems: Sequence[str], fields: RowFields) -> str:
    """The field that `how many` may be of: one of numbers before others, and none that is only so or not."""
    paths = [path for path in fields.paths_of(stems) if not fields.is_flag(path)]
    begun = (
        path for path in fields.paths if all(any(is_word_of(one, word) for word in field_stems(path)) for one in stems)
    )
    numeric = (path for path in (*paths, *begun) if fields.is_numeric(path) and not fields.is_temporal(path))
    return next(numeric, next(iter(paths), ""))


def _measure_words(question: str, wish: Wish, fields: RowFields) -> list[str]:
    """The words of the question that name the field which is compared, added up or taken the average of."""
    path = compared_path(wish, fields) if wish.compares else ""
    if wish.want in (Want.SUM, Want.AVERAGE):
        path = measure_path(wish, fields) or only_amount(fields)
    words = field_stems(path) if path else frozenset()
    return [
        word for word in re.findall(r"[^\W_]+", question) if any(is_word_of(stem(word.lower()), one) for one in words)
    ]


def _stems(text: str) -> list[str]:
    return [stem(piece) for piece in split_words(text)]


def _counting(wish: Wish, words: str, fields: RowFields) -> Wish:
    """How many clicks the campaigns have is a sum; how many namespaces the pods are in counts the groups of a field."""
    path = _counted_path(_stems(words), fields) if words and wish.want is Want.COUNT else ""
    if not path:
        return wish
    if fields.is_numeric(path) and not fields.is_temporal(path):
        return replace(wish, want=Want.SUM)
    return wish if wish.by else replace(wish, by=words)


def _number_before_noun(question: str, fields: RowFields) -> int:
    """The N of `show 3 zones`; 0 where the question gives none."""
    last = singular_noun(fields.operation)[-1:]
    words = "|".join(re.escape(form) for word in last for form in (word, plural_word(word)))
    found = re.search(rf"\b{_NUMBER}\s+(?:[a-z]+\s+)?(?:{words})\b", question, re.IGNORECASE) if words else None
    return 0 if found is None else _NUMBERS.get(found["number"].lower()) or int(found["number"])


def is_sorted_by_api(call: Call) -> bool:
    """Whether the request asks the API for an order."""
    return any({"sort", "order"} & set(map(stem, split_words(name))) for name in call.arguments)
