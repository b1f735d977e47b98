"""Works out what a question wants to know of the things listed: groups, sums, averages, the most, an order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nlapi.openapi.spec import Operation
from nlapi.planner.answering.row_fields import (
    RowFields,
    called,
    core_stems,
    field_stems,
    field_words,
    is_word_of,
    joined,
    texts_of,
    value_word,
)
from nlapi.planner.language.ordinals import LAST, ORDINALS
from nlapi.planner.language.question_intent import IMPLIED, Order, Want, Wish, wish_of
from nlapi.planner.slots.entities import ONLY
from nlapi.resources.identity import FieldRank, Item, columns, label_rank, text_of
from nlapi.resources.naming import split_words, stem
from nlapi.resources.nouns import noun_of, singular_noun
from nlapi.tools.value_format import CURRENCY_FIELDS, format_value, moment_of, number_of

_AMOUNTS = frozenset(map(stem, "price cost amount fee budget spend total balance revenue".split()))
_AMOUNT_DEGREES = frozenset(
    "top highest largest biggest greatest maximum max lowest smallest minimum min expensive priciest costliest "
    "cheapest costly valuable".split()
)
"""Words that compare amounts where the question names no field; the most popular is not what costs the most."""

MOST_GROUPS = 12
"""Groups that a sentence names; the table has them all."""
_MOST_SORTED = 5
"""Groups up to which a sentence tells by itself how things are sorted."""
_LONGEST_FIELD = 3
"""Words that the name of a field may have in a question."""

COUNT = "count"
"""The column of how many things are in a group."""

Group = tuple[tuple[str, ...], tuple[Item, ...]]
"""The values that things have in common, and the things."""


def group_paths(by: str, fields: RowFields) -> tuple[tuple[str, ...], str]:
    """Return the fields that words such as `namespace and status` begin with, and the words that name them."""
    words = by.split()
    paths: list[str] = []
    at = end = 0
    while at < len(words):
        if words[at].strip(",").lower() == "and" or not words[at].strip(","):
            at += 1
            continue
        sizes = range(min(_LONGEST_FIELD, len(words) - at), 0, -1)
        named = ((fields.path_of(_stems(words[at : at + size])), size) for size in sizes)
        path, size = next(((path, size) for path, size in named if path), ("", 0))
        if not path:
            break
        at = end = at + size
        paths.append(path)
        if at < len(words) and words[at].lower() != "and" and not words[at - 1].endswith(","):
            break
    return tuple(dict.fromkeys(paths)), " ".join(words[:end])


def _stems(words: Sequence[str]) -> list[str]:
    return [stem(piece) for word in words for piece in split_words(word)]


def groups_by(fields: RowFields, paths: Sequence[str]) -> list[Group]:
    """Return the things by the values of fields, the largest group first; one with a list of values is in several."""
    found: dict[tuple[str, ...], list[Item]] = defaultdict(list)
    for thing, row in zip(fields.things, fields.rows, strict=True):
        keys: list[tuple[str, ...]] = [()]
        for path in paths:
            value = row.get(path)
            texts = (value_word(value),) if isinstance(value, bool) else texts_of(value) or ("none",)
            keys = [(*key, text) for key in keys for text in texts]
        for key in keys:
            found[key].append(thing)
    return sorted(((key, tuple(things)) for key, things in found.items()), key=lambda group: -len(group[1]))


def count_text(groups: Sequence[Group]) -> str:
    """Return groups as a sentence counts them: 3 active, 4 paused; of two fields each of the first by itself."""
    if any(len(key) > 1 for key, _ in groups):
        outer: dict[str, list[Group]] = defaultdict(list)
        for key, things in groups:
            outer[key[0]].append((key[1:], things))
        return "; ".join(f"{value_word(value)}: {count_text(inner)}" for value, inner in outer.items())
    named = [f"{len(things):,} {value_word(key[0])}" for key, things in groups[:MOST_GROUPS]]
    more = len(groups) - len(named)
    return ", ".join((*named, *([f"{more} more"] if more else ())))


def sorted_text(fields: RowFields) -> str:
    """Return how things are sorted by their state, else by a kind of which there are several; "" by neither."""
    sorts = (
        (path, sort)
        for wanted in (FieldRank.STATE, FieldRank.KIND)
        for path in fields.paths
        if (sort := label_rank(path)) is wanted
    )
    for path, sort in sorts:
        values = fields.values(path)
        plain = all(text_of(value) for value in values)
        groups = groups_by(fields, (path,)) if plain else []
        least = 1 if sort is FieldRank.STATE or len(values) == 1 else 2
        if least <= len(groups) <= _MOST_SORTED and (len(groups) < len(values) or len(values) == 1):
            return count_text(groups)
    return ""


def measure_path(wish: Wish, fields: RowFields, *, days: bool = False) -> str:
    """Return the field that a wish is about: one of numbers (or of dates), by its name; "" when none is.

    A name that says the very words counts most, then one that shares some, then one that the wish implies.
    """
    asked = wish.words - frozenset(_stems(noun_of(fields.operation)))
    best, most = "", 0.0
    for path in fields.paths:
        if not (fields.is_temporal(path) if days else fields.is_numeric(path) and not fields.is_temporal(path)):
            continue
        words = field_stems(path)
        local = frozenset(map(stem, split_words(path.rpartition(".")[2])))
        shared = len(words & asked) / len(words)
        begun = sum(any(is_word_of(said, word) for said in asked) for word in words) / len(words)
        rank = next((at for at, word in enumerate(wish.implied) if word in local), None)
        worth = 2.0 * max(shared, 0.6 * begun) + (0.5 if words <= asked else 0.0)
        worth += 0.0 if rank is None else 0.9 - 0.05 * rank
        if worth > most:
            best, most = path, worth
    return best


def compared_path(wish: Wish, fields: RowFields) -> str:
    """Return the field that things are compared by; "" when none is known."""
    path = measure_path(wish, fields, days=wish.dated) or measure_path(wish, fields, days=True)
    if not path and (wish.by or wish.degree not in _AMOUNT_DEGREES):
        return ""
    return path or only_amount(fields)


def only_amount(fields: RowFields) -> str:
    """Return the one field that is an amount by its name, for a question that names none."""
    amounts = [path for path in fields.paths if field_stems(path) & _AMOUNTS and fields.is_numeric(path)]
    return amounts[0] if len(amounts) == 1 else ""


def order_key(path: str, value: Any) -> Any:
    """Return what the values of a field are put in order by: numbers, moments, texts."""
    number = number_of(value)
    if number is not None:
        return (0, number, "")
    moment = moment_of(path, value)
    if moment is not None:
        return (1, moment.timestamp() if moment.tzinfo else moment.replace(tzinfo=None).timestamp(), "")
    text = next(iter(texts_of(value)), str(value) if isinstance(value, bool) else "")
    return (2, 0, text.casefold())


def in_order(fields: RowFields, path: str, *, descending: bool) -> list[Item]:
    """Return the things in the order of a field; those that have none of it come last."""
    pairs = list(zip(fields.values(path), fields.things, strict=True))
    have = [pair for pair in pairs if pair[0] not in (None, "")]
    have.sort(key=lambda pair: order_key(path, pair[0]), reverse=descending)
    return [thing for _, thing in (*have, *(pair for pair in pairs if pair[0] in (None, "")))]


def order_path(order: Order, fields: RowFields) -> str:
    """Return the field that an order names or implies; "" when none is called so."""
    if order.words == (stem("name"),):
        named = columns(fields.things, singular_noun(fields.operation))
        return fields.path_of(order.words) or next(iter(named), "")
    path = fields.path_of(order.words)
    wish = Wish(want=Want.MOST, words=frozenset(order.words), implied=order.implied)
    return path or measure_path(wish, fields, days=True) or measure_path(wish, fields)


def at_place(place: str, operation: Operation, things: Sequence[Item]) -> list[Item]:
    """Return the things at a place (second, oldest): one, several that share it, or none where no field tells."""
    if place in ORDINALS:
        return list(things[ORDINALS[place] : ORDINALS[place] + 1])
    if place == ONLY:
        return list(things) if len(things) == 1 else []
    if place == LAST:
        return list(things[-1:])
    wish, fields = wish_of(f"the {place} one"), RowFields(things=tuple(things), operation=operation)
    path = compared_path(wish, fields) if things else ""
    return list(extreme(wish, fields, path)[1]) if path else []


def extreme(wish: Wish, fields: RowFields, path: str) -> tuple[str, tuple[Item, ...]]:
    """Return the sentence that tells the most or the least by a field, and the things that it tells of."""
    have = [
        (value, thing) for value, thing in zip(fields.values(path), fields.things, strict=True) if value is not None
    ]
    have.sort(key=lambda pair: order_key(path, pair[0]), reverse=wish.want is Want.MOST)
    end, words = _end(wish, fields, path), field_words(path)
    if not have:
        return "", ()
    if wish.count > 1:
        chosen = have[: wish.count]
        listed = "; ".join(
            f"{called(thing, fields.things)} {_shown(fields, path, value, thing)}" for value, thing in chosen
        )
        return f"the {len(chosen)} with the {end} {words}: {listed}", tuple(thing for _, thing in chosen)
    first = have[0][0]
    tied = tuple(thing for value, thing in have if order_key(path, value) == order_key(path, first))
    names = joined(called(thing, fields.things) for thing in tied) if len(tied) <= 4 else f"{len(tied)} of them"
    verb = "has" if len(tied) == 1 else "have"
    return f"{names} {verb} the {end} {words}: {_shown(fields, path, first, tied[0])}", tied


def _shown(fields: RowFields, path: str, value: Any, thing: Item) -> str:
    return format_value(fields.operation, path, value, thing)


def _end(wish: Wish, fields: RowFields, path: str) -> str:
    if fields.is_temporal(path):
        return "latest" if wish.want is Want.MOST else "earliest"
    return "highest" if wish.want is Want.MOST else "lowest"


@dataclass(frozen=True, slots=True)
class Figure:
    """A sum or an average: what it is of in words, and of which things each."""

    text: str
    rows: tuple[Item, ...] = ()
    columns: tuple[str, ...] = ()


def summed(wish: Wish, fields: RowFields, path: str, groups: Sequence[str]) -> Figure:
    """Return the sum or the average of a field, for each group where the question asks for that."""
    how = "on average" if wish.want is Want.AVERAGE else "in total"
    words = field_words(path)
    if not groups:
        return Figure(f"{words} {_figure(wish, fields.operation, path, fields.things)} {how}")
    rows, parts = [], []
    column = f"{words} {how}"
    for key, things in groups_by(fields, groups):
        figure = _figure(wish, fields.operation, path, things)
        rows.append({**dict(zip(groups, key, strict=True)), column: figure})
        parts.append(f"{' '.join(map(value_word, key))} {figure}")
    more = [f"{len(parts) - MOST_GROUPS} more"] if len(parts) > MOST_GROUPS else []
    text = f"{words} {how}: {', '.join((*parts[:MOST_GROUPS], *more))}"
    return Figure(text, tuple(rows), (*groups, column))


def _figure(wish: Wish, operation: Operation, path: str, things: Sequence[Item]) -> str:
    """The sum or the average; amounts in several currencies are added up apart."""
    rows = RowFields(things=tuple(things), operation=operation)
    by_currency: dict[str, list[float]] = defaultdict(list)
    samples: dict[str, Item] = {}
    for value, thing in zip(rows.values(path), things, strict=True):
        amount = number_of(value)
        if amount is not None:
            currency = next((str(thing[name]) for name in CURRENCY_FIELDS if thing.get(name)), "")
            by_currency[currency].append(amount)
            samples[currency] = thing
    said = []
    for currency, amounts in by_currency.items():
        whole = sum(amounts)
        value = whole / len(amounts) if wish.want is Want.AVERAGE else whole
        value = int(value) if value == int(value) else value
        said.append(format_value(operation, path, value, samples[currency]))
    return " and ".join(said) or "unknown"


def most_grouped(wish: Wish, fields: RowFields) -> tuple[str, tuple[Group, ...]]:
    """Return the field that a question asks the most things of, and its groups: the namespace with the most pods.

    "" where the question names no such field, or compares something else.
    """
    if wish.degree not in ("top", *IMPLIED) and stem(wish.degree) in _stems(noun_of(fields.operation)):
        for path in fields.paths:
            if (
                core_stems(path)
                and core_stems(path) <= wish.words
                and not fields.is_numeric(path)
                and not fields.is_temporal(path)
            ):
                groups = groups_by(fields, (path,))
                return path, tuple(reversed(groups) if wish.want is Want.LEAST else groups)
    return "", ()
