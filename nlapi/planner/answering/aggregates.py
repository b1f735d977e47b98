"""Aggregates of listed items: groups, sums, averages, the most or the least, and orders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nlapi.english.lexicon import stems, words
from nlapi.english.words import split_words, stem, stems_of
from nlapi.openapi.spec import Operation
from nlapi.planner.answering.row_fields import (
    RowFields,
    core_stems,
    field_stems,
    field_words,
    is_word_of,
    item_label,
    join_words,
    texts_of,
    value_word,
)
from nlapi.planner.slots.entities import ONLY_RESOURCE
from nlapi.reading.numbers import LAST_ORDINAL, ORDINALS
from nlapi.reading.question_intent import IMPLIED_FIELDS, IntentKind, QuestionIntent, SortOrder, read_intent
from nlapi.resources.identity import FieldRank, Item, columns, label_rank, text_of
from nlapi.resources.nouns import noun_of, singular_noun
from nlapi.tools.quantities.units import CURRENCY_FIELDS
from nlapi.tools.quantities.value_format import format_value, moment_of, number_of

_AMOUNTS = stems("planner/answering/words", "amounts")
_AMOUNT_DEGREES = words("planner/answering/words", "amount_degrees")

MOST_GROUPS = 12  # groups that a sentence lists; the table below it has all of them
_MOST_CATEGORIES = 5  # groups that a sentence lists though the question does not ask for groups
_LONGEST_FIELD = 3  # words of a question that may name one field
COUNT_COLUMN = "count"  # the column with the number of items in a group

Group = tuple[tuple[str, ...], tuple[Item, ...]]  # values, and the items that have them in common


def group_fields(by: str, fields: RowFields) -> tuple[tuple[str, ...], str]:
    """Return the fields that words such as `namespace and status` begin with, and the words that name them."""
    words = by.split()
    paths: list[str] = []
    at = end = 0
    while at < len(words):
        if words[at].strip(",").lower() == "and" or not words[at].strip(","):
            at += 1
            continue
        sizes = range(min(_LONGEST_FIELD, len(words) - at), 0, -1)
        matches = ((fields.path_of(_stems(words[at : at + size])), size) for size in sizes)
        path, size = next(((path, size) for path, size in matches if path), ("", 0))
        if not path:
            break
        at = end = at + size
        paths.append(path)
        if at < len(words) and words[at].lower() != "and" and not words[at - 1].endswith(","):
            break
    return tuple(dict.fromkeys(paths)), " ".join(words[:end])


def _stems(words: Sequence[str]) -> list[str]:
    return [stem(piece) for word in words for piece in split_words(word)]


def group_items(fields: RowFields, paths: Sequence[str]) -> list[Group]:
    """Return the items by the values of fields, the largest group first; a list of values puts an item in several."""
    items_by_key: dict[tuple[str, ...], list[Item]] = defaultdict(list)
    for item, row in zip(fields.items, fields.rows, strict=True):
        keys: list[tuple[str, ...]] = [()]
        for path in paths:
            value = row.get(path)
            texts = (value_word(value),) if isinstance(value, bool) else texts_of(value) or ("none",)
            keys = [(*key, text) for key in keys for text in texts]
        for key in keys:
            items_by_key[key].append(item)
    return sorted(((key, tuple(items)) for key, items in items_by_key.items()), key=lambda group: -len(group[1]))


def count_text(groups: Sequence[Group]) -> str:
    """Return the counts of groups as a sentence: 3 active, 4 paused; by two fields `a: 1 x, 2 y; b: ...`."""
    if any(len(key) > 1 for key, _ in groups):
        outer: dict[str, list[Group]] = defaultdict(list)
        for key, items in groups:
            outer[key[0]].append((key[1:], items))
        return "; ".join(f"{value_word(value)}: {count_text(inner)}" for value, inner in outer.items())
    parts = [f"{len(items):,} {value_word(key[0])}" for key, items in groups[:MOST_GROUPS]]
    more = len(groups) - len(parts)
    return ", ".join((*parts, *([f"{more} more"] if more else ())))


def category_counts(fields: RowFields) -> str:
    """Return the counts of items by their state, else by a kind of which there are several; "" by neither."""
    candidates = (
        (path, path_rank)
        for rank in (FieldRank.STATE, FieldRank.KIND)
        for path in fields.paths
        if (path_rank := label_rank(path)) is rank
    )
    for path, path_rank in candidates:
        values = fields.values(path)
        plain = all(text_of(value) for value in values)
        groups = group_items(fields, (path,)) if plain else []
        least = 1 if path_rank is FieldRank.STATE or len(values) == 1 else 2
        if least <= len(groups) <= _MOST_CATEGORIES and (len(groups) < len(values) or len(values) == 1):
            return count_text(groups)
    return ""


def measure_field(intent: QuestionIntent, fields: RowFields, *, days: bool = False) -> str:
    """Return the field of numbers (with `days` of dates) that a question is about, by its name; "" for none.

    A name with the very words of the question is worth most, then one that shares some, then one that an adjective
    implies.
    """
    stems = intent.words - frozenset(_stems(noun_of(fields.operation)))
    best, most = "", 0.0
    for path in fields.paths:
        if not (fields.is_temporal(path) if days else fields.is_numeric(path) and not fields.is_temporal(path)):
            continue
        words = field_stems(path)
        local = stems_of(path.rpartition(".")[2])
        shared = len(words & stems) / len(words)
        begun = sum(any(is_word_of(asked_stem, word) for asked_stem in stems) for word in words) / len(words)
        rank = next((at for at, word in enumerate(intent.implied) if word in local), None)
        # The beginning of a name (star of stargazers) weighs 0.6 of the word itself.
        worth = 2.0 * max(shared, 0.6 * begun) + (0.5 if words <= stems else 0.0)
        worth += 0.0 if rank is None else 0.9 - 0.05 * rank
        if worth > most:
            best, most = path, worth
    return best


def comparison_field(intent: QuestionIntent, fields: RowFields) -> str:
    """Return the field that items are compared by; "" when none is known."""
    path = measure_field(intent, fields, days=intent.dated) or measure_field(intent, fields, days=True)
    if not path and (intent.by or intent.degree not in _AMOUNT_DEGREES):
        return ""
    return path or single_amount_field(fields)


def names_measure(intent: QuestionIntent, fields: RowFields) -> bool:
    """Return whether a question names the field that items are compared by, or its adjective implies one."""
    return bool(measure_field(intent, fields, days=intent.dated) or measure_field(intent, fields, days=True))


def single_amount_field(fields: RowFields) -> str:
    """Return the one field that is an amount by its name, for a question that names none."""
    amounts = [path for path in fields.paths if field_stems(path) & _AMOUNTS and fields.is_numeric(path)]
    return amounts[0] if len(amounts) == 1 else ""


def order_key(path: str, value: object) -> Any:
    """Return the sort key of a value of a field: numbers come first, then moments, then texts."""
    number = number_of(value)
    if number is not None:
        return (0, number, "")
    moment = moment_of(path, value)
    if moment is not None:
        return (1, moment.timestamp() if moment.tzinfo else moment.replace(tzinfo=None).timestamp(), "")
    text = next(iter(texts_of(value)), str(value) if isinstance(value, bool) else "")
    return (2, 0, text.casefold())


def sort_items(fields: RowFields, path: str, *, descending: bool) -> list[Item]:
    """Return the items in the order of a field; those without a value come last."""
    pairs = list(zip(fields.values(path), fields.items, strict=True))
    have = [pair for pair in pairs if pair[0] not in (None, "")]
    have.sort(key=lambda pair: order_key(path, pair[0]), reverse=descending)
    return [item for _, item in (*have, *(pair for pair in pairs if pair[0] in (None, "")))]


def order_field(order: SortOrder, fields: RowFields) -> str:
    """Return the field that an order names or implies; "" for none."""
    if order.words == (stem("name"),):
        name_paths = columns(fields.items, singular_noun(fields.operation))
        return fields.path_of(order.words) or next(iter(name_paths), "")
    path = fields.path_of(order.words)
    intent = QuestionIntent(kind=IntentKind.MOST, words=frozenset(order.words), implied=order.implied)
    return path or measure_field(intent, fields, days=True) or measure_field(intent, fields)


def items_at_ordinal(ordinal: str, operation: Operation, items: Sequence[Item]) -> list[Item]:
    """Return the items at an ordinal (second, oldest): one, several that share it, or none where no field tells."""
    if ordinal in ORDINALS:
        return list(items[ORDINALS[ordinal] : ORDINALS[ordinal] + 1])
    if ordinal == ONLY_RESOURCE:
        return list(items) if len(items) == 1 else []
    if ordinal == LAST_ORDINAL:
        return list(items[-1:])
    intent, fields = read_intent(f"the {ordinal} one"), RowFields(items=tuple(items), operation=operation)
    path = comparison_field(intent, fields) if items else ""
    return list(superlative_text(intent, fields, path)[1]) if path else []


def superlative_text(intent: QuestionIntent, fields: RowFields, path: str) -> tuple[str, tuple[Item, ...]]:
    """Return the sentence about the most or the least by a field, and the items that it is about."""
    have = [(value, item) for value, item in zip(fields.values(path), fields.items, strict=True) if value is not None]
    have.sort(key=lambda pair: order_key(path, pair[0]), reverse=intent.kind is IntentKind.MOST)
    end, words = _end_word(intent, fields, path), field_words(path)
    if not have:
        return "", ()
    if intent.count > 1:
        chosen = have[: intent.count]
        listed = "; ".join(
            f"{item_label(item, fields.items)} {_format(fields, path, value, item)}" for value, item in chosen
        )
        return f"the {len(chosen)} with the {end} {words}: {listed}", tuple(item for _, item in chosen)
    first = have[0][0]
    tied = tuple(item for value, item in have if order_key(path, value) == order_key(path, first))
    names = join_words(item_label(item, fields.items) for item in tied) if len(tied) <= 4 else f"{len(tied)} of them"
    verb = "has" if len(tied) == 1 else "have"
    return f"{names} {verb} the {end} {words}: {_format(fields, path, first, tied[0])}", tied


def _format(fields: RowFields, path: str, value: object, item: Item) -> str:
    return format_value(fields.operation, path, value, item)


def _end_word(intent: QuestionIntent, fields: RowFields, path: str) -> str:
    if fields.is_temporal(path):
        return "latest" if intent.kind is IntentKind.MOST else "earliest"
    return "highest" if intent.kind is IntentKind.MOST else "lowest"


@dataclass(frozen=True, slots=True)
class AggregateText:
    """A sum or an average in words; by groups it has a row for each."""

    text: str
    rows: tuple[Item, ...] = ()
    columns: tuple[str, ...] = ()


def total_of_field(intent: QuestionIntent, fields: RowFields, path: str, groups: Sequence[str]) -> AggregateText:
    """Return the sum or the average of a field, for each group where the question asks for groups."""
    suffix = "on average" if intent.kind is IntentKind.AVERAGE else "in total"
    words = field_words(path)
    if not groups:
        return AggregateText(f"{words} {_figure_text(intent, fields.operation, path, fields.items)} {suffix}")
    rows, parts = [], []
    column = f"{words} {suffix}"
    for key, items in group_items(fields, groups):
        figure = _figure_text(intent, fields.operation, path, items)
        rows.append({**dict(zip(groups, key, strict=True)), column: figure})
        parts.append(f"{' '.join(map(value_word, key))} {figure}")
    more = [f"{len(parts) - MOST_GROUPS} more"] if len(parts) > MOST_GROUPS else []
    text = f"{words} {suffix}: {', '.join((*parts[:MOST_GROUPS], *more))}"
    return AggregateText(text, tuple(rows), (*groups, column))


def _figure_text(intent: QuestionIntent, operation: Operation, path: str, items: Sequence[Item]) -> str:
    """Return the sum or the average as a text; amounts in several currencies are added up apart."""
    rows = RowFields(items=tuple(items), operation=operation)
    by_currency: dict[str, list[float]] = defaultdict(list)
    samples: dict[str, Item] = {}
    for value, item in zip(rows.values(path), items, strict=True):
        amount = number_of(value)
        if amount is not None:
            currency = next((str(item[name]) for name in CURRENCY_FIELDS if item.get(name)), "")
            by_currency[currency].append(amount)
            samples[currency] = item
    parts = []
    for currency, amounts in by_currency.items():
        total = sum(amounts)
        value = total / len(amounts) if intent.kind is IntentKind.AVERAGE else total
        value = int(value) if value == int(value) else value
        parts.append(format_value(operation, path, value, samples[currency]))
    return " and ".join(parts) or "unknown"


def largest_groups(intent: QuestionIntent, fields: RowFields) -> tuple[str, tuple[Group, ...]]:
    """Return the field whose values are compared by their items, and its groups: the namespace with the most pods.

    "" where the question names no such field, or compares by another measure.
    """
    if intent.degree not in ("top", *IMPLIED_FIELDS) and stem(intent.degree) in _stems(noun_of(fields.operation)):
        for path in fields.paths:
            if (
                core_stems(path)
                and core_stems(path) <= intent.words
                and not fields.is_numeric(path)
                and not fields.is_temporal(path)
            ):
                groups = group_items(fields, (path,))
                return path, tuple(reversed(groups) if intent.kind is IntentKind.LEAST else groups)
    return "", ()
