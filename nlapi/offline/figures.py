"""Works out what a question wants to know of the things listed: sums, averages, the most, the least, counts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nlapi.offline.entities import ONLY, collection_of
from nlapi.offline.fields import called, dated, flat, number, shown, spaced, stems_of
from nlapi.offline.items import Item
from nlapi.offline.placed import LAST, ORDINALS
from nlapi.offline.wish import Want, Wish, wish_of
from nlapi.openapi.spec import Operation
from nlapi.resources.naming import pieces, stem

_GROUPS = ("status", "state", "type", "kind", "category", "role", "objective")
_AMOUNTS = frozenset(map(stem, "price cost amount fee budget spend total balance revenue".split()))
_MOST_GROUPS = 12


def figure(wish: Wish, operation: Operation, things: Sequence[Item]) -> str:
    """The sentence that answers a comparison of `things`, a sum or an average; "" when none of their fields allows."""
    rows = [flat(thing) for thing in things]
    if not rows:
        return ""
    if wish.compares:
        return _extreme(wish, operation, things, rows)
    if wish.want in (Want.SUM, Want.AVERAGE):
        return _summed(wish, operation, things, rows)
    return ""


def groups(wish: Wish, things: Sequence[Item], key: str = "") -> str:
    """3 active, 4 paused: by the field that the question names after `by`, else by the first that sorts them."""
    rows = [flat(thing) for thing in things]
    asked = _group_key(wish, rows)
    for name in (asked,) if asked else _GROUPS:
        values = [row.get(name) for row in rows]
        if all(isinstance(value, (str, bool)) for value in values):
            counts = Counter(_word(value) for value in values)
            few = len(counts) <= 5 and (len(counts) < len(rows) or len(rows) == 1)
            if few or (asked and len(counts) <= _MOST_GROUPS and len(counts) < len(rows)):
                return ", ".join(f"{count} {value}" for value, count in counts.most_common())
    return ""


def _word(value: Any) -> str:
    return str(value).lower().replace("_", " ")


def _group_key(wish: Wish, rows: Sequence[Mapping[str, Any]]) -> str:
    """The field whose name stands after `by` or `per`; "" when none does."""
    keys = (key for row in rows[:1] for key in row)
    return next((key for key in keys if wish.by and stems_of(key) <= wish.by), "")


def numeric_key(wish: Wish, operation: Operation, rows: Sequence[Mapping[str, Any]], *, days: bool = False) -> str:
    """The field that the wish is about: one of numbers (or of dates), by its name; "" when none is.

    A name that says the very words counts most, then one that shares some, then one that the wish implies.
    """
    nouns = set(collection_of(operation))
    asked = wish.words - nouns
    best, most = "", 0.0
    for key in dict.fromkeys(key for row in rows for key in row):
        values = [row.get(key) for row in rows if row.get(key) is not None]
        fits = dated if days else _is_number
        if not values or not all(map(fits, values)):
            continue
        words = stems_of(key)
        own = frozenset(map(stem, pieces(key)))
        shared = len(words & asked) / len(words)
        rank = next((at for at, word in enumerate(wish.implied) if word in own), None)
        worth = 2.0 * shared + (0.5 if words <= asked else 0.0) + (0.0 if rank is None else 0.9 - 0.05 * rank)
        if worth > most:
            best, most = key, worth
    return best


def _is_number(value: Any) -> bool:
    return number(value) is not None


def _only_amount(rows: Sequence[Mapping[str, Any]]) -> str:
    """The one field that is an amount by its name, for a question that names none."""
    keys = [key for key in rows[0] if stems_of(key) & _AMOUNTS and all(_is_number(row.get(key)) for row in rows)]
    return keys[0] if len(keys) == 1 else ""


def at_place(place: str, operation: Operation, things: Sequence[Item]) -> list[Item]:
    """The things at a place (second, oldest): one, several that share it, or none where no field of theirs tells."""
    if place in ORDINALS:
        return list(things[ORDINALS[place] : ORDINALS[place] + 1])
    if place == ONLY:
        return list(things) if len(things) == 1 else []
    if place == LAST:
        return list(things[-1:])
    return _at_the_end(wish_of(f"the {place} one"), operation, things)


def _at_the_end(wish: Wish, operation: Operation, things: Sequence[Item]) -> list[Item]:
    """The things that are the most or the least of all; none where no field tells."""
    rows = [flat(thing) for thing in things]
    key = _compared_key(wish, operation, rows) if rows else ""
    have = [(_order(row[key]), thing) for row, thing in zip(rows, things, strict=True) if row.get(key) is not None]
    if not key or not have:
        return []
    end = (max if wish.want is Want.MOST else min)(value for value, _ in have)
    return [thing for value, thing in have if value == end]


def _compared_key(wish: Wish, operation: Operation, rows: Sequence[Mapping[str, Any]]) -> str:
    """The field that things are compared by; "" when none is known."""
    days = wish.dated
    key = numeric_key(wish, operation, rows, days=days) or numeric_key(wish, operation, rows, days=True)
    if not key and wish.by:
        return ""
    return key or _only_amount(rows)


def _extreme(wish: Wish, operation: Operation, things: Sequence[Item], rows: Sequence[Mapping[str, Any]]) -> str:
    key = _compared_key(wish, operation, rows)
    if not key:
        return ""
    have = [(row[key], thing) for row, thing in zip(rows, things, strict=True) if row.get(key) is not None]
    have.sort(key=lambda pair: _order(pair[0]), reverse=wish.want is Want.MOST)
    end = _end(wish, have[0][0])
    if wish.count > 1:
        listed = "; ".join(
            f"{called(thing, things)} {shown(operation, key, value, thing)}" for value, thing in have[: wish.count]
        )
        return f"the {min(wish.count, len(have))} with the {end} {spaced(key)}: {listed}"
    first = have[0][0]
    tied = [thing for value, thing in have if _order(value) == _order(first)]
    names = _and(called(thing, things) for thing in tied[:4])
    if len(tied) > 4:
        names = f"{len(tied)} of them"
    verb = "has" if len(tied) == 1 else "have"
    return f"{names} {verb} the {end} {spaced(key)}: {shown(operation, key, first, tied[0])}"


def _order(value: Any) -> Any:
    found = number(value)
    return (0, found, "") if found is not None else (1, 0, str(value))


def _end(wish: Wish, value: Any) -> str:
    if dated(value):
        return "latest" if wish.want is Want.MOST else "earliest"
    return "highest" if wish.want is Want.MOST else "lowest"


def _and(names: Iterable[str]) -> str:
    every = list(names)
    return every[0] if len(every) == 1 else f"{', '.join(every[:-1])} and {every[-1]}"


def _summed(wish: Wish, operation: Operation, things: Sequence[Item], rows: Sequence[Mapping[str, Any]]) -> str:
    key = numeric_key(wish, operation, rows) or _only_amount(rows)
    if not key:
        return ""
    group = _group_key(wish, rows)
    if group and group != key:
        sorted_out: dict[str, list[tuple[Any, Item]]] = defaultdict(list)
        for row, thing in zip(rows, things, strict=True):
            sorted_out[_word(row.get(group))].append((row.get(key), thing))
        parts = [
            f"{name} {_figure(wish, operation, key, pairs)}" for name, pairs in list(sorted_out.items())[:_MOST_GROUPS]
        ]
        return f"{spaced(key)} {_how(wish)}: {', '.join(parts)}"
    pairs = [(row.get(key), thing) for row, thing in zip(rows, things, strict=True)]
    return f"{spaced(key)} {_figure(wish, operation, key, pairs)} {_how(wish)}"


def _how(wish: Wish) -> str:
    return "on average" if wish.want is Want.AVERAGE else "in total"


def _figure(wish: Wish, operation: Operation, key: str, pairs: Sequence[tuple[Any, Item]]) -> str:
    """The sum or the average; amounts in several currencies are added up apart."""
    by_currency: dict[str, list[float]] = defaultdict(list)
    samples: dict[str, Item] = {}
    for value, thing in pairs:
        amount = number(value)
        if amount is not None:
            currency = str(thing.get("currency") or thing.get("currency_code") or "")
            by_currency[currency].append(amount)
            samples[currency] = thing
    said = []
    for currency, amounts in by_currency.items():
        whole = sum(amounts)
        value = whole / len(amounts) if wish.want is Want.AVERAGE else whole
        value = int(value) if value == int(value) else value
        said.append(shown(operation, key, value, samples[currency]))
    return " and ".join(said) or "unknown"
