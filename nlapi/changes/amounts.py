"""Checks that an amount of money is sent in the unit of the description, and with its currency."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from nlapi.changes.figures import SMALL_UNITS, find_numbers
from nlapi.changes.mentions import Mention, UserSentence
from nlapi.changes.sentences import Case, description_of, schema_of
from nlapi.resources.naming import split_words, stem
from nlapi.tools.account import Origin, ValueSource


def check_money(case: Case) -> Iterator[str]:
    """Yield amounts that may be in another unit than the description asks for, or are sent without their currency."""
    for source in case.account.sources:
        numbers = find_numbers(UserSentence(text=case.text))
        figure = next((number for number in numbers if _overlaps_source(number.mention, source)), None)
        if source.origin is not Origin.WORDS or figure is None or not figure.currency or isinstance(source.value, bool):
            continue
        amount = isinstance(source.value, int | float) and figure.number == Decimal(str(source.value))
        # The number of the sentence unscaled, where the argument takes micros or cents: $50 would be 0.00005 dollars.
        if amount and SMALL_UNITS.search(description_of(case.call, source.argument)):
            yield f"{source.argument}: {source.value} may be in another unit than {source.words!r}"
        # A dollar sign alone is often the account's currency; 50 EUR without its code may be booked as dollars.
        if figure.mention.words[:1] != "$" and isinstance(source.value, int | float) and _lacks_currency(case, source):
            yield f"the currency of {source.words!r} is not sent"


def _overlaps_source(mention: Mention, source: ValueSource) -> bool:
    return mention.start < source.end and source.start < mention.end


def _lacks_currency(case: Case, source: ValueSource) -> bool:
    """Return whether the object around an amount takes a currency that the call does not set."""
    *parents, _ = source.argument.split(".")
    properties = schema_of(case.call, ".".join(parents)).get("properties", {}) if parents else case.call.tool.places
    names = [".".join((*parents, name)) for name in properties]
    currency_arguments = {name for name in names if stem("currency") in map(stem, split_words(name.rpartition(".")[2]))}
    return bool(currency_arguments) and currency_arguments.isdisjoint(entry.argument for entry in case.account.sources)
