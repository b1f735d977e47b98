"""Checks the amounts, days and bounds of a change: their unit, their order, and whether they are a difference."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from decimal import Decimal

from nlapi.changes.mentions import Mention, UserSentence
from nlapi.changes.sentences import Case, description_of, schema_of, shorten
from nlapi.changes.value_mentions import SMALL_UNITS, find_numbers
from nlapi.english import lexicon
from nlapi.english.words import split_words, stem
from nlapi.openapi.hints import SCALES
from nlapi.resources.lexicon import CREATE_VERBS, leading_verbs
from nlapi.resources.naming import METHODS, Intent
from nlapi.tools.tool import Origin, ValueSource
from nlapi.tools.unit_evidence import read_unit

# `raise the limit by 3` sent the limit 3 to a gateway, at 95 % sure.
_BY = re.compile(r"\b(?:by|another|additional|extra)\s+(?:about\s+|around\s+|an?\s+)?[^\w\s]?$", re.IGNORECASE)
_MORE = re.compile(
    r"\W*(?:\w+\W+)?(?:more|less|fewer|extra|higher|lower|longer|shorter|earlier|later)\b", re.IGNORECASE
)
_TO = re.compile(r"(?:\b(?:to|at|down to|up to|be)|[=:])\s*(?:about\s+|around\s+)?[^\w\s]?$", re.IGNORECASE)
# The value of a day or a time, and words of its field that do not tell which one it is.
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME_NAMES = frozenset(map(stem, "date time day at on moment datetime timestamp".split()))
_AMOUNT_VERBS = frozenset(map(stem, "increase decrease raise lower reduce bump cut shrink grow boost".split()))
_DURATION = re.compile(r"\W*[\w.]+\s+(?:second|minute|hour|day|week|month|quarter|year)s?\b", re.IGNORECASE)
_DIFFERENCE_NAMES = lexicon.stems("changes/words", "difference_names")
_DIFFERENCE_VERBS = lexicon.stems("changes/words", "difference_verbs")
_RANGE_NAMES = (("start", "end"), ("begin", "end"), ("from", "to"), ("since", "until"), ("min", "max"))
# Numbers of these are ids as often as bounds: from_account 7001, to_account 3002.
_DIRECTIONS = ("from", "to")
_ORDERED_NAMES = ((("lat", "latitude"), ("lon", "lng", "long", "longitude")),)


def check_money(case: Case) -> Iterator[str]:
    """Yield amounts that may be in another unit than the description asks for, or are sent without their currency."""
    for source in case.account.sources:
        numbers = find_numbers(UserSentence(text=case.text))
        figure = next((number for number in numbers if _overlaps_source(number.mention, source)), None)
        if source.origin is not Origin.WORDS or figure is None or isinstance(source.value, bool):
            continue
        if not figure.currency:
            if case.account.traced and _may_be_another_unit(case, source):
                yield f"{source.argument}: {source.value} may be in another unit than {source.words!r}"
            continue
        amount = isinstance(source.value, int | float) and figure.number == Decimal(str(source.value))
        # The number of the sentence unscaled, where the argument takes micros or cents: $50 would be 0.00005 dollars.
        if amount and SMALL_UNITS.search(description_of(case.call, source.argument)):
            yield f"{source.argument}: {source.value} may be in another unit than {source.words!r}"
        # A dollar sign alone is often the account's currency; 50 EUR without its code may be booked as dollars.
        if figure.mention.words[:1] != "$" and isinstance(source.value, int | float) and _lacks_currency(case, source):
            yield f"the currency of {source.words!r} is not sent"


def _may_be_another_unit(case: Case, source: ValueSource) -> bool:
    """Return whether a bare figure may be cents or dollars: a model sends the one or the other, and nobody said which.

    The unit is said by its word, by the name of the argument, or by the model as a text with its own.
    """
    if not isinstance(source.value, int | float):
        return False
    description = " ".join(split_words(description_of(case.call, source.argument)))
    unit = read_unit(source.argument.rpartition(".")[2], [schema_of(case.call, source.argument)])
    is_small = SMALL_UNITS.search(description) is not None or (unit is not None and unit.name in SCALES)
    return is_small and not SMALL_UNITS.search(" ".join(split_words(case.text)))


def _overlaps_source(mention: Mention, source: ValueSource) -> bool:
    return mention.start < source.end and source.start < mention.end


def _lacks_currency(case: Case, source: ValueSource) -> bool:
    """Return whether the object around an amount takes a currency that the call does not set."""
    *parents, _ = source.argument.split(".")
    properties = schema_of(case.call, ".".join(parents)).get("properties", {}) if parents else case.call.tool.places
    names = [".".join((*parents, name)) for name in properties]
    currency_arguments = {name for name in names if stem("currency") in map(stem, split_words(name.rpartition(".")[2]))}
    return bool(currency_arguments) and currency_arguments.isdisjoint(entry.argument for entry in case.account.sources)


def check_difference(case: Case) -> Iterator[str]:
    """Yield amounts that may be a difference (raise it by 3), as the argument takes the value afterwards."""
    for source in case.account.sources:
        if source.origin is not Origin.WORDS or not _is_amount(source) or _takes_difference(case, source):
            continue
        before = case.text[: source.start]
        # `raise the limit 3` says neither by nor to.
        is_open = case.command in _AMOUNT_VERBS and not _TO.search(before)
        if is_open or _BY.search(before) or _MORE.match(case.text[source.end :]):
            yield f"{source.words!r} may be a difference, and {source.argument} takes what it is to be afterwards"


def _is_amount(source: ValueSource) -> bool:
    is_number = isinstance(source.value, int | float) and not isinstance(source.value, bool)
    return (is_number or _DURATION.match(source.words) is not None) and 0 <= source.start < source.end


def _takes_difference(case: Case, source: ValueSource) -> bool:
    """Return whether an argument is a difference by its name, or the operation by its own verb (POST /stock/increase).

    An item that is made has no value before.
    """
    if case.command in CREATE_VERBS or not _DIFFERENCE_NAMES.isdisjoint(map(stem, split_words(source.argument))):
        return True
    return case.command in _DIFFERENCE_VERBS and case.command in leading_verbs(case.operation, stated=False)


def check_moment(case: Case) -> Iterator[str]:
    """Yield days and times that may be when to make the change (pause it tomorrow), of fields that nobody named.

    The verb sets another field of the item already, which is done at once.
    """
    sources = case.account.sources
    is_by_verb = any(source.origin is Origin.VERB or case.is_command_word(source) for source in sources)
    if case.operation.method not in METHODS[Intent.UPDATE] or not is_by_verb:
        return
    for source in case.account.sources:
        if source.origin is not Origin.WORDS or not isinstance(source.value, str) or not _DAY.match(source.value):
            continue
        names = set(map(stem, split_words(source.argument.rpartition(".")[2]))) - _TIME_NAMES
        if names.isdisjoint(case.stems):
            yield f"{source.words!r} may be when to do it, and it would be done now, with {source.argument} set to it"


def check_order(case: Case) -> Iterator[str]:
    """Yield numbers that go by their order, as latitude and longitude, and are in the other order in the sentence.

    So is a time after its end: a model that swaps the two sends only what was said.
    """
    for source, second_source in _ends(case.account.sources):
        if _is_after(source.value, second_source.value):
            yield f"{source.argument}: {shorten(source.value)} is after {second_source.argument}"
    for first, second in _ORDERED_NAMES:
        firsts, seconds = (
            [source for source in case.account.sources if not {*split_words(source.argument)[-1:]}.isdisjoint(names)]
            for names in (first, second)
        )
        for source, second_source in zip(firsts, seconds, strict=False):
            if 0 <= second_source.start < source.start and not {stem(word) for word in first + second} & case.stems:
                yield f"{source.argument} is said behind {second_source.argument}"


def _ends(sources: Iterable[ValueSource]) -> Iterator[tuple[ValueSource, ValueSource]]:
    """Yield the values of two arguments of which one is the beginning and one the end: start_time and end_time."""
    by_name = {source.argument.lower(): source for source in sources}
    for name, source in by_name.items():
        for first, second in _RANGE_NAMES:
            if (first, second) == _DIRECTIONS and not isinstance(source.value, str):
                continue
            parts = name.rpartition(first)
            if parts[1] and (end := by_name.get(f"{parts[0]}{second}{parts[2]}")) is not None:
                yield source, end


def _is_after(first: object, second: object) -> bool:
    """Return whether the first of two moments, or of two bounds, is after the second."""
    if isinstance(first, str) and isinstance(second, str) and _DAY.match(first) and _DAY.match(second):
        # Two forms are compared by their days alone, as an offset may move the hour.
        size = None if len(first) == len(second) else len("2026-12-01")
        return first[:size] > second[:size]
    if isinstance(first, bool) or isinstance(second, bool):
        return False
    return isinstance(first, int | float) and isinstance(second, int | float) and first > second
