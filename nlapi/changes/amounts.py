"""That an amount of money is sent in the unit that the description asks for, and with its currency."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from nlapi.changes.figures import SMALLEST, figures
from nlapi.changes.mentions import Mention, Sentence
from nlapi.changes.sentences import Case, description_of, schema_of
from nlapi.resources.naming import pieces, stem
from nlapi.tools.account import Origin, Source


def money(case: Case) -> Iterator[str]:
    """Amounts that are sent in another unit than the description asks for, or without their currency."""
    for one in case.account.sources:
        figure = next((found for found in figures(Sentence(text=case.text)) if _is_of(found.mention, one)), None)
        if one.origin is not Origin.WORDS or figure is None or not figure.currency or isinstance(one.value, bool):
            continue
        amount = isinstance(one.value, int | float) and figure.number == Decimal(str(one.value))
        if amount and SMALLEST.search(description_of(case.call, one.argument)):
            yield f"{one.argument}: {one.value} may be in another unit than {one.words!r}"
        if figure.mention.words[:1] != "$" and isinstance(one.value, int | float) and _lacks_currency(case, one):
            yield f"the currency of {one.words!r} is not sent"


def _is_of(mention: Mention, one: Source) -> bool:
    return mention.start < one.end and one.start < mention.end


def _lacks_currency(case: Case, one: Source) -> bool:
    """Whether the object that an amount is in takes a currency which is not given."""
    *above, _ = one.argument.split(".")
    inside = schema_of(case.call, ".".join(above)).get("properties", {}) if above else case.call.tool.places
    names = [".".join((*above, name)) for name in inside]
    takes = {name for name in names if stem("currency") in map(stem, pieces(name.rpartition(".")[2]))}
    return bool(takes) and takes.isdisjoint(other.argument for other in case.account.sources)
