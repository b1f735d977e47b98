"""Measures: the unit that a number in a sentence is counted in, and how units of one dimension relate."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from nlapi.planner.language.text import MentionKind, Sentence, ValueMention
from nlapi.planner.language.words import table

_PREFIXES = {"p": 1e-12, "n": 1e-9, "µ": 1e-6, "μ": 1e-6, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9}
_PREFIXED = frozenset(("capacitance", "inductance", "resistance", "frequency", "voltage", "power", "energy", "current"))
_LONGEST_SYMBOL = 2
_AFTER = re.compile(r"[-\s]?([^\W\d_]+)\b(?!['’^])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A unit; `factor` is one of it in the base of its dimension (seconds, meters, grams, bytes, else SI)."""

    dimension: str
    factor: float


def _read_units() -> dict[str, Unit]:
    units: dict[str, Unit] = {}
    for key, names in table("language", "units").items():
        dimension, factor = key.split()
        for name in names.split():
            units[name] = Unit(dimension=dimension, factor=float(factor))
            if dimension in _PREFIXED and len(name) <= _LONGEST_SYMBOL:
                for prefix, times in _PREFIXES.items():
                    units[prefix + name] = Unit(dimension=dimension, factor=float(factor) * times)
    return units


_UNITS = _read_units()


def find_unit(word: str) -> Unit | None:
    """Return the unit that a word names; capitals count in the symbols of electricity (mH, MH)."""
    if word in _UNITS:
        return _UNITS[word]
    lower = _UNITS.get(word.lower())
    return None if lower is not None and lower.dimension in _PREFIXED and len(word) <= _LONGEST_SYMBOL else lower


def unit_of_mention(sentence: Sentence, mention: ValueMention) -> Unit | None:
    """Return the unit that a number is counted in: the seconds of 600 seconds, the mH of 50mH."""
    # Money and per cent have their unit in the form of the mention, and the word behind them is a noun.
    if mention.kind is not MentionKind.NUMBER or mention.form in ("money", "percent"):
        return None
    return _unit_at(sentence.text, mention.end)


@lru_cache(maxsize=4096)
def _unit_at(text: str, at: int) -> Unit | None:
    after = _AFTER.match(text, at)
    return find_unit(after.group(1)) if after is not None else None


def unit_similarity(first: Unit | None, second: Unit | None) -> float:
    """Return 1 for the same unit, 0.6 for the same dimension, -1 for different ones; 0 where a unit is not known."""
    if first is None or second is None:
        return 0.0
    if first.dimension != second.dimension:
        return -1.0
    # The slot forest is trained on this scale as a feature: another figure needs another training.
    return 1.0 if first.factor == second.factor else 0.6
