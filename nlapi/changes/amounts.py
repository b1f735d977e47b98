"""Checks that an amount of money is sent in the unit of the description, and with its currency."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from nlapi.changes.figures import SMALLEST, figures
from nlapi.changes.mentions import Mention, Sentence
from nlapi.changes.sentences import Case, description_of, schema_of
from nlapi.resources.naming import pieces, stem
from nlapi.tools.account import Origin, Source


def money(case: Case) -> Iterator[str]:
    """Yield amounts that may be in another unit than the description asks for, or are sent without their currency."""
    for source in case.account.sources:
        numbers = figures(Sentence(text=case.text))
        figure = next((number for number in numbers if _is_of(number.mention, source)), None)
        if source.origin is not Origin.WORDS or figure is None or not figure.currency or isinstance(source.value, bool):
            continue
        amount = isinstance(source.value, int | float) and figure.number == Decimal(str(source.value))
        # The number of the sentence unscaled, where the argument takes micros or cents: $50 would be 0.00005 dollars.
        if amount and SMALLEST.search(description_of(case.call, source.argument)):
            yield f"{source.argument}: {source.value} may be in another unit than {source.words!r}"
        # A dollar sign alone is often the account's currency; 50 EUR without its code may be booked as dollars.
        if figure.mention.words[:1] != "$" and isinstance(source.value, int | float) and _lacks_currency(case, source):
            yield f"the currency of {source.words!r} is not sent"


def _is_of(mention: Mention, source: Source) -> bool:
    return mention.start < source.end and source.start < mention.end


def _lacks_currency(case: Case, source: Source) -> bool:
    """Return whether the object around an amount takes a currency that the call does not set."""
    *above, _ = source.argument.split(".")
    inside = schema_of(case.call, ".".join(above)).get("properties", {}) if above else case.call.tool.places
    names = [".".join((*above, name)) for name in inside]
    takes = {name for name in names if stem("currency") in map(stem, pieces(name.rpartition(".")[2]))}
    return bool(takes) and takes.isdisjoint(other.argument for other in case.account.sources)
