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
    for source in case.account.sources:
        figure = next(
            (figure_said for figure_said in figures(Sentence(text=case.text)) if _is_of(figure_said.mention, source)),
            None,
        )
        if source.origin is not Origin.WORDS or figure is None or not figure.currency or isinstance(source.value, bool):
            continue
        amount = isinstance(source.value, int | float) and figure.number == Decimal(str(source.value))
        if amount and SMALLEST.search(description_of(case.call, source.argument)):
            yield f"{source.argument}: {source.value} may be in another unit than {source.words!r}"
        if figure.mention.words[:1] != "$" and isinstance(source.value, int | float) and _lacks_currency(case, source):
            yield f"the currency of {source.words!r} is not sent"


def _is_of(mention: Mention, source: Source) -> bool:
    return mention.start < source.end and source.start < mention.end


def _lacks_currency(case: Case, source: Source) -> bool:
    """Whether the object that an amount is in takes a currency which is not given."""
    *above, _ = source.argument.split(".")
    inside = schema_of(case.call, ".".join(above)).get("properties", {}) if above else case.call.tool.places
    names = [".".join((*above, name)) for name in inside]
    takes = {name for name in names if stem("currency") in map(stem, pieces(name.rpartition(".")[2]))}
    return bool(takes) and takes.isdisjoint(other.argument for other in case.account.sources)
