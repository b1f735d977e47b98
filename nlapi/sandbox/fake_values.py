"""Makes fake texts and numbers for a property, by its name, format, bounds and pattern."""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from importlib import import_module
from random import Random
from typing import Any
from uuid import UUID

from nlapi.english.words import name_words, singular
from nlapi.openapi.spec import Schema
from nlapi.patterns import bounded_pattern
from nlapi.sandbox import vocabulary

# The standard library's own parser of expressions: private, but stable since Python 2 and used by hypothesis.
_parser: Any = import_module("re._parser")
_constants: Any = import_module("re._constants")

CATEGORIES = {
    _constants.CATEGORY_DIGIT: "0123456789",
    _constants.CATEGORY_WORD: "abcdefghijklmnopqrstuvwxyz0123456789",
    _constants.CATEGORY_SPACE: " ",
    _constants.CATEGORY_NOT_DIGIT: "abcdefghijklmnopqrstuvwxyz",
    _constants.CATEGORY_NOT_SPACE: "abcdefghijklmnopqrstuvwxyz0123456789",
    _constants.CATEGORY_NOT_WORD: "-",
}
PRINTABLE = "".join(map(chr, range(0x30, 0x7B))) + " -_.!"
MAX_REPEATS = 12
MAX_NODES = 20_000
ATTEMPTS = 12

# Fixed, so that samples do not change from day to day.
FIRST_DAY = datetime(2026, 1, 5, 9, 0)
# Without l, o, 0 and 1, which are hard to tell apart when an id is copied by hand.
ALPHANUMERIC = "abcdefghijkmnpqrstuvwxyz23456789"


def _generate_match(pattern: str, rng: Random, *, min_length: int = 0, max_length: int | None = None) -> str | None:
    """Return a match of the pattern with `min_length` to `max_length` characters; None after ATTEMPTS failures."""
    try:
        tree = _parser.parse(pattern)
        for attempt in range(ATTEMPTS):
            # Every second attempt repeats as much as the length needs: short texts look natural, long ones may be
            # required.
            text = _MatchGenerator(rng).sequence(tree, min_length if attempt % 2 else 0)
            if not pattern.endswith("$"):
                text += "".join(rng.choice("abcdefghij") for _ in range(min_length - len(text)))
            fits = min_length <= len(text) <= (len(text) if max_length is None else max_length)
            if fits and bounded_pattern(pattern).matches(text):
                return text
    except (re.error, OverflowError, RecursionError):
        return None
    return None


class _MatchGenerator:
    """Generates one text from a parsed pattern. OverflowError for one with more than MAX_NODES parts."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._nodes = 0

    def sequence(self, nodes: Any, repeats: int) -> str:
        return "".join(self._node(op, argument, repeats) for op, argument in nodes)

    def _node(self, op: Any, argument: Any, repeats: int) -> str:
        # Repeats of repeats grow without end: `(((a+)+)+)+`.
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise OverflowError
        if op is _constants.LITERAL:
            return chr(argument)
        if op is _constants.NOT_LITERAL:
            return "ax"[argument == ord("a")]
        if op is _constants.ANY:
            return self._rng.choice("abcdefghijklmnopqrstuvwxyz")
        if op is _constants.IN:
            return self._rng.choice(_members(argument))
        if op is _constants.BRANCH:
            return self.sequence(self._rng.choice(argument[1]), repeats)
        if op is _constants.SUBPATTERN:
            return self.sequence(argument[3], repeats)
        if op in (_constants.MAX_REPEAT, _constants.MIN_REPEAT):
            low, high, inner = argument
            top = min(int(high), max(low, repeats, low + 6 if low < MAX_REPEATS else low))
            count = self._rng.randint(max(low, min(repeats, top)), top)
            return "".join(self.sequence(inner, 0) for _ in range(min(count, MAX_NODES + 1)))
        return ""


# The characters of a part of a class, such as `a-z`.
_MEMBERS: Mapping[Any, Callable[[Any], str]] = {
    _constants.LITERAL: chr,
    _constants.RANGE: lambda bounds: "".join(map(chr, range(bounds[0], min(bounds[1], bounds[0] + 128) + 1))),
    _constants.CATEGORY: lambda category: CATEGORIES.get(category, "a"),
}


def _members(parts: Any) -> str:
    """Return the characters of a class, letters and digits only if it has them."""
    chars = "".join(_MEMBERS[op](argument) for op, argument in parts if op in _MEMBERS)
    if parts[0][0] is _constants.NEGATE:
        return "".join(char for char in PRINTABLE if char not in chars) or "a"
    return "".join(filter(str.isalnum, chars)) or chars or "a"


def fake_text(schema: Schema, name: str, noun: str, index: int, rng: Random) -> str:
    """Return a text for a flat string schema: `name` is the property's, `noun` the kind of its item."""
    min_length, max_length = int(schema.get("minLength", 0)), schema.get("maxLength")
    format = schema.get("format")
    if isinstance(format, str) and format in FORMATS:
        result = FORMATS[format](name, index, rng)
    elif isinstance(schema.get("pattern"), str):
        result = _pattern_text(schema, name, noun, index, rng, min_length, max_length)
    else:
        result = _text_by_name(name, noun, index, rng)
    # These forms break when they are cut or filled up to a length.
    if format in ("date", "date-time", "uuid", "email", "ipv4", "ipv6") or "pattern" in schema:
        return result
    return _fit_length(result, min_length, max_length, index)


def _fit_length(result: str, min_length: int, max_length: int | None, index: int) -> str:
    if max_length is not None and len(result) > max_length:
        # The end distinguishes two samples, so the beginning is cut.
        tail = str(index)
        result = result[: max_length - len(tail)].rstrip() + tail if max_length > len(tail) + 2 else result[:max_length]
    while len(result) < min_length:
        result += (" " + result if result and len(result) + 1 < min_length else "x")[: min_length - len(result)]
    return result


def _pattern_text(
    schema: Schema, name: str, noun: str, index: int, rng: Random, min_length: int, max_length: int | None
) -> str:
    """Return the text by the property's name when the pattern matches it, else one generated from the pattern."""
    pattern = str(schema["pattern"])
    natural = _fit_length(_text_by_name(name, noun, index, rng), min_length, max_length, index)
    if "name" in name_words(name) and bounded_pattern(pattern).matches(natural):
        return natural
    return _generate_match(pattern, rng, min_length=min_length, max_length=max_length) or natural


def vary_example(example: str, schema: Schema, name: str, noun: str, index: int, rng: Random) -> str:
    """Return the example for index 0; for others a similar text where the kind is known, else the example again."""
    if index == 0:
        return example
    format = schema.get("format")
    if format in ("date", "date-time"):
        return _shift_date(example, index * _days_between(name)) or example
    parts = name_words(name)
    last = parts[-1] if parts else ""
    if _is_id_name(name) and not isinstance(format, str):
        return similar_id(example, rng)
    if format in ("uuid", "email") or last in ("name", "title") or _is_id_name(name):
        return fake_text(schema, name, noun, index, rng)
    return example


def similar_id(example: str, rng: Random) -> str:
    """Return an id in the form of an example, `cmp_8k3m1p` for `cmp_1a2b3c`; the part before the separator stays."""
    try:
        return str(UUID(int=rng.getrandbits(128), version=4)) if UUID(example) else example
    except ValueError:
        pass
    cut = max(example.rfind(mark) for mark in "_-:/.") + 1
    varied = "".join(_similar_character(char, rng) for char in example[cut:])
    return example[:cut] + (varied if varied != example[cut:] else example[cut:] + rng.choice(ALPHANUMERIC))


def _similar_character(char: str, rng: Random) -> str:
    if char.isdigit():
        return rng.choice("123456789")
    if char.isalpha():
        letter = rng.choice("abcdefghjkmnpqrstuvwxyz")
        return letter.upper() if char.isupper() else letter
    return char


def _is_id_name(name: str) -> bool:
    parts = name_words(name)
    return bool(parts) and parts[-1] in ("id", "ids", "uuid", "guid", "key", "code", "token", "sku")


def _days_between(name: str) -> int:
    """Return the days between two samples: negative for past events (created, updated), positive for planned ones."""
    return -7 if set(name_words(name)) & (vocabulary.CREATED_WORDS | vocabulary.UPDATED_WORDS) else 7


def _shift_date(example: str, days: int) -> str | None:
    try:
        if len(example) == 10:
            return (date.fromisoformat(example) + timedelta(days=days)).isoformat()
        moved = datetime.fromisoformat(example.upper()) + timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    return moved.isoformat().replace("+00:00", "Z")


def _fake_time(name: str, index: int) -> datetime:
    """Return a time for a property: starts are before ends, creations before updates."""
    parts = set(name_words(name))
    days = _days_between(name) * index
    if parts & vocabulary.END_WORDS and not parts & vocabulary.START_WORDS:
        days += 30
    elif parts & vocabulary.UPDATED_WORDS:
        days += 2
    return FIRST_DAY + timedelta(days=days)


def _email(name: str, index: int, rng: Random) -> str:
    return f"{'.'.join(_fake_person(index))}{index // 12 or ''}@example.com".lower()


def _url(name: str, index: int, rng: Random) -> str:
    last = name_words(name)[-1] if name_words(name) else "page"
    suffix = ".png" if {"image", "logo", "avatar", "icon", "thumbnail", "picture"} & set(name_words(name)) else ""
    return f"https://example.com/{last}/{index + 1}{suffix}"


FORMATS: Mapping[str, Callable[[str, int, Random], str]] = {
    "date": lambda name, index, rng: _fake_time(name, index).date().isoformat(),
    "date-time": lambda name, index, rng: _fake_time(name, index).isoformat() + "Z",
    "time": lambda name, index, rng: f"{9 + index % 10:02d}:00:00Z",
    "duration": lambda name, index, rng: f"PT{30 + index % 30}M",
    "uuid": lambda name, index, rng: str(UUID(int=rng.getrandbits(128), version=4)),
    "email": _email,
    "idn-email": _email,
    "uri": _url,
    "url": _url,
    "uri-reference": _url,
    "iri": _url,
    "hostname": lambda name, index, rng: f"host{index + 1}.example.com",
    "ipv4": lambda name, index, rng: f"192.0.2.{1 + index % 250}",
    "ipv6": lambda name, index, rng: f"2001:db8::{1 + index % 250:x}",
    "byte": lambda name, index, rng: base64.b64encode(f"sample {index + 1}".encode()).decode(),
    "binary": lambda name, index, rng: f"sample {index + 1}",
    "password": lambda name, index, rng: f"correct-horse-{index + 1}",
}


def _fake_person(index: int) -> tuple[str, str]:
    return vocabulary.GIVEN_NAMES[index % 12], vocabulary.FAMILY_NAMES[(index + index // 12) % 12]


def _user_name(name: str, index: int, rng: Random) -> str:
    return f"{'-'.join(_fake_person(index))}{index // 12 or ''}".lower()


TEXTS: Mapping[str, Callable[[str, int, Random], str]] = {
    "login": _user_name,
    "date": FORMATS["date"],
    "address": _url,
    "mail": _email,
}


def _text_by_name(name: str, noun: str, index: int, rng: Random) -> str:
    parts = name_words(name)
    last = singular(parts[-1]) if parts else ""
    if _is_id_name(name):
        return _id(parts, noun, rng)
    if last in ("name", "title") or not parts:
        return _name(parts, noun, index)
    if last in ("at", "time", "timestamp", "datetime") and len(parts) > 1:
        return FORMATS["date-time"](name, index, rng)
    if last in vocabulary.TEXT_KINDS:
        return TEXTS[vocabulary.TEXT_KINDS[last]](name, index, rng)
    if last in vocabulary.PEOPLE:
        return " ".join(_fake_person(index))
    return _value_by_name(last, index) or f"{' '.join(parts)} {index + 1}"


def _value_by_name(name: str, index: int) -> str:
    """Return one of the usual values of a name, or ""."""
    choices = vocabulary.VALUES_BY_NAME.get(name, ("",))
    return choices[index % len(choices)]


def _id(parts: tuple[str, ...], noun: str, rng: Random) -> str:
    if parts == ("country", "code"):
        return rng.choice(vocabulary.COUNTRY_CODES)
    prefix = (parts[-2] if len(parts) > 1 else (name_words(noun) or ("id",))[-1])[:4]
    return f"{prefix}_" + "".join(rng.choice(ALPHANUMERIC) for _ in range(8))


def _name(parts: tuple[str, ...], item_noun: str, index: int) -> str:
    given_name, family_name = _fake_person(index)
    if {"first", "given"} & set(parts):
        return given_name
    if {"last", "family"} & set(parts) or parts[:1] == ("surname",):
        return family_name
    owner = () if parts[-2:-1] in (("display",), ("full",), ("short",)) else parts[:-1]
    noun = " ".join(owner or name_words(item_noun)) or "item"
    if noun.split()[-1] in vocabulary.PEOPLE or "full" in parts:
        return f"{given_name} {family_name}"
    if value := _value_by_name(noun, index):
        return value
    repetition, position = divmod(index, len(vocabulary.NAME_PREFIXES))
    return f"{vocabulary.NAME_PREFIXES[position]} {noun}" + (f" {repetition + 1}" if repetition else "")


def fake_number(schema: Schema, name: str, index: int, rng: Random, *, is_integer: bool) -> int | float:
    """Return a number by the bounds and step of a flat schema, of a size that fits its name."""
    low, high = _bounds(schema, is_integer)
    step = schema.get("multipleOf") or (1 if is_integer else 0.01)
    words = set(name_words(name))
    kind = next((kind for word, kind in vocabulary.NUMBER_KINDS.items() if word in words), "")
    natural = SIZES[kind](index, rng)
    value: float = natural
    if natural < low:
        value = low + (natural % (high - low + step) if high not in (0, math.inf) else index)
    if value > high:
        value = low + (natural % (high - low)) if -math.inf < low < high else high
    value = _on_step(value, step)
    if value < low:
        value = math.ceil(low / step) * step
    if is_integer or (isinstance(step, int) and isinstance(value, int)):
        return int(value)
    return round(value, 6)


def _on_step(value: float, step: float) -> float:
    # 1e-9: 0.3 / 0.1 is 2.999... in floating point.
    return math.floor(value / step + 1e-9) * step


def _bounds(schema: Schema, is_integer: bool) -> tuple[float, float]:
    """Return the smallest and the largest number of a schema; an infinite one where it has no bound."""
    smallest_step = 1 if is_integer else 0.01
    low = max(schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf) + smallest_step)
    return low, min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf) - smallest_step)


SIZES: Mapping[str, Callable[[int, Random], int]] = {
    "micros": lambda index, rng: (index + 1) * 5_000_000,
    "latitude": lambda index, rng: 35 + index % 25,
    "longitude": lambda index, rng: index % 20,
    "year": lambda index, rng: 2020 + index % 7,
    "id": lambda index, rng: 1001 + rng.randrange(9000),
    "large": lambda index, rng: rng.randrange(1_000, 100_000),
    "small": lambda index, rng: rng.randint(1, 50),
    "": lambda index, rng: rng.randint(10, 99),
}


def scale_example(example: Any, schema: Schema, index: int, *, is_integer: bool) -> object:
    """Return a number near the example, further away with each index, within the bounds."""
    low, high = _bounds(schema, is_integer)
    step = schema.get("multipleOf") or (1 if is_integer else 0)
    moved = example + index * (max(abs(example) // 10, 1) if is_integer else abs(example) / 10)
    moved = _on_step(moved, step) if step else moved
    moved = int(moved) if is_integer else round(moved, 6)
    return moved if low <= moved <= high else example
