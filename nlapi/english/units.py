"""The units of measures that people name, with their sizes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from nlapi.english import lexicon

_PREFIXES = {"p": 1e-12, "n": 1e-9, "µ": 1e-6, "μ": 1e-6, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9}
_PREFIXED = lexicon.words("english/words", "prefixed")
_LONGEST_SYMBOL = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A unit; `factor` is one of it in the base of its dimension (seconds, meters, grams, bytes, else SI)."""

    dimension: str
    factor: float


@cache
def _units() -> dict[str, Unit]:
    units: dict[str, Unit] = {}
    for dimension, factor, _, *names in lexicon.lines("english/units", "names"):
        for name in names:
            units[name] = Unit(dimension=dimension, factor=float(factor))
            if dimension in _PREFIXED and len(name) <= _LONGEST_SYMBOL:
                for prefix, times in _PREFIXES.items():
                    units[prefix + name] = Unit(dimension=dimension, factor=float(factor) * times)
    return units


def find_unit(word: str) -> Unit | None:
    """Return the unit that a word names; capitals count in the symbols of electricity (mH, MH)."""
    units = _units()
    if word in units:
        return units[word]
    lower = units.get(word.lower())
    return None if lower is not None and lower.dimension in _PREFIXED and len(word) <= _LONGEST_SYMBOL else lower
