"""Writes the tables of countries, languages and currencies that the planner reads, from CLDR (package babel).

`python -m training.tables`; needs the dependency group `train`.

Names that people say and CLDR lacks (uk, dollars, holland) stand in nlapi/reading/words.toml.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

FILE = Path(__file__).parents[1] / "nlapi" / "reading" / "tables.json"
# Codes of CLDR that are no countries of ISO 3166-1: groups of countries, and regions for tests.
NO_COUNTRIES = frozenset("EU EZ UN QO XA XB ZZ AC CP CQ DG EA IC TA".split())


def main() -> None:
    from babel import Locale
    from babel.core import get_global
    from babel.numbers import get_currency_name

    english = Locale("en")
    tenders = {
        code
        for history in get_global("territory_currencies").values()
        for code, _, end, tender in history
        if tender and (end is None or date(*end) > date.today())
    }
    countries = {code: name for code, name in english.territories.items() if code.isalpha() and len(code) == 2}
    tables = {
        "countries": _by_name({code: [name] for code, name in countries.items() if code not in NO_COUNTRIES}),
        "languages": _by_name({code: [name] for code, name in english.languages.items() if len(code) == 2}),
        "currencies": _by_name(
            {code: [get_currency_name(code, count, locale="en") for count in (1, 2)] for code in tenders}
        ),
    }
    text = json.dumps(tables, ensure_ascii=False, indent=0)
    FILE.write_text(f"{text}\n", encoding="utf-8")
    print(*(f"{len(names)} names of {kind}" for kind, names in tables.items()), sep=", ")


def _by_name(names: Mapping[str, list[str]]) -> dict[str, str]:
    return {form: code for code, texts in sorted(names.items()) for text in texts for form in _forms(text)}


def _forms(name: str) -> Iterator[str]:
    """Yield the forms in which people write a name of CLDR: without accents, `and` for &, either part of `A (B)`."""
    plain = "".join(char for char in unicodedata.normalize("NFKD", name) if not unicodedata.combining(char))
    plain = plain.lower().replace("’", "'").replace("&", "and").removesuffix(" sar china")
    for part in re.split(r"\s*\((.*)\)", plain):
        if part:
            yield part
            yield part.replace("st. ", "saint ")


if __name__ == "__main__":
    main()
