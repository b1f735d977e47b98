"""Units of measures by the words and symbols that name them, each with its size in the base of its dimension."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

_PREFIXES = {"p": 1e-12, "n": 1e-9, "µ": 1e-6, "μ": 1e-6, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9}
_PREFIXED = frozenset(("capacitance", "inductance", "resistance", "frequency", "voltage", "power", "energy", "current"))
_LONGEST_SYMBOL = 2

# Dimension and size of a unit in the base of the dimension, with its names.
_NAMES = """\
time 0.001 = millisecond milliseconds ms msec
time 1 = second seconds sec secs s
time 60 = minute minutes min mins
time 3600 = hour hours hr hrs h
time 86400 = day days night nights
time 604800 = week weeks
length 0.001 = millimeter millimeters millimetre millimetres mm
length 0.01 = centimeter centimeters centimetre centimetres cm
length 1 = meter meters metre metres m
length 1000 = kilometer kilometers kilometre kilometres km kms
length 0.0254 = inch inches
length 0.3048 = foot feet ft
length 0.9144 = yard yards yd
length 1609.344 = mile miles mi
mass 0.001 = milligram milligrams mg
mass 1 = gram grams g
mass 1000 = kilogram kilograms kg kgs kilo kilos
mass 453.59237 = pound pounds lb lbs
mass 28.349523125 = ounce ounces oz
mass 1000000 = ton tons tonne tonnes
data 1 = byte bytes
data 1000 = kilobyte kilobytes kb
data 1000000 = megabyte megabytes mb
data 1000000000 = gigabyte gigabytes gb
data 1000000000000 = terabyte terabytes tb
capacitance 1 = farad farads F
inductance 1 = henry henries henrys H
resistance 1 = ohm ohms Ω
frequency 1 = hertz hz Hz
voltage 1 = volt volts V
power 1 = watt watts W
energy 1 = joule joules J
current 1 = ampere amperes amp amps A
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """A unit; `factor` is one of it in the base of its dimension (seconds, meters, grams, bytes, else SI)."""

    dimension: str
    factor: float


@cache
def _units() -> dict[str, Unit]:
    units: dict[str, Unit] = {}
    for line in _NAMES.splitlines():
        key, _, names = line.partition(" = ")
        dimension, factor = key.split()
        for name in names.split():
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
