"""Measures: what a number in a sentence is counted in, what an argument is counted in, and the one made the other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from nlapi.planner.language.text import Kind, Sentence, Span

_TABLE = """
time: 0.001 millisecond|milliseconds|ms|msec; 1 second|seconds|sec|secs|s; 60 minute|minutes|min|mins;
 3600 hour|hours|hr|hrs|h; 86400 day|days|night|nights; 604800 week|weeks
length: 0.001 millimeter|millimeters|millimetre|millimetres|mm; 0.01 centimeter|centimeters|centimetre|centimetres|cm;
 1 meter|meters|metre|metres|m; 1000 kilometer|kilometers|kilometre|kilometres|km|kms; 0.0254 inch|inches;
 0.3048 foot|feet|ft; 0.9144 yard|yards|yd; 1609.344 mile|miles|mi
mass: 0.001 milligram|milligrams|mg; 1 gram|grams|g; 1000 kilogram|kilograms|kg|kgs|kilo|kilos;
 453.59237 pound|pounds|lb|lbs;
 28.349523125 ounce|ounces|oz; 1000000 ton|tons|tonne|tonnes
data: 1 byte|bytes; 1000 kilobyte|kilobytes|kb; 1000000 megabyte|megabytes|mb; 1000000000 gigabyte|gigabytes|gb;
 1000000000000 terabyte|terabytes|tb
capacitance: 1 farad|farads|F
inductance: 1 henry|henries|henrys|H
resistance: 1 ohm|ohms|Ω
frequency: 1 hertz|hz|Hz
voltage: 1 volt|volts|V
power: 1 watt|watts|W
energy: 1 joule|joules|J
current: 1 ampere|amperes|amp|amps|A
"""
_PREFIXES = {"p": 1e-12, "n": 1e-9, "µ": 1e-6, "μ": 1e-6, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9}
_PREFIXED = frozenset(("capacitance", "inductance", "resistance", "frequency", "voltage", "power", "energy", "current"))
_SHORT = 2
_AFTER = re.compile(r"[-\s]?([^\W\d_]+)\b(?!['’^])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """What is measured and how much one of it is, in the base of that dimension."""

    dimension: str
    factor: float


def _read_table() -> dict[str, Unit]:
    units: dict[str, Unit] = {}
    for line in _TABLE.strip().replace("\n ", " ").splitlines():
        dimension, _, rest = line.partition(":")
        for group in rest.split(";"):
            factor, names = group.split()
            for name in names.split("|"):
                units[name] = Unit(dimension=dimension, factor=float(factor))
                if dimension in _PREFIXED and len(name) <= _SHORT:
                    for prefix, times in _PREFIXES.items():
                        units[prefix + name] = Unit(dimension=dimension, factor=float(factor) * times)
    return units


_UNITS = _read_table()


def unit(word: str) -> Unit | None:
    """The unit that a word names; capitals count in the short ones (mH, MH)."""
    found = _UNITS.get(word)
    if found is None:
        found = _UNITS.get(word.lower())
        if found is not None and found.dimension in _PREFIXED and len(word) <= _SHORT:
            return None
    return found


def said(sentence: Sentence, span: Span) -> Unit | None:
    """What a number is counted in: the seconds of 600 seconds, the mH of 50mH."""
    if span.kind is not Kind.NUMBER or span.form in ("money", "percent"):
        return None
    return _unit_at(sentence.text, span.end)


@lru_cache(maxsize=4096)
def _unit_at(text: str, at: int) -> Unit | None:
    after = _AFTER.match(text, at)
    return unit(after.group(1)) if after is not None else None


def fits(one: Unit | None, other: Unit | None) -> float:
    """1 for the same unit, 0.6 for one that can be made the other, -1 for something else; 0 when one is not known."""
    if one is None or other is None:
        return 0.0
    if one.dimension != other.dimension:
        return -1.0
    return 1.0 if one.factor == other.factor else 0.6
