"""Fake texts and numbers for a property, by its name, format and bounds."""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from nlapi.openapi.parts import Schema
from nlapi.resources.naming import name_words, singular
from nlapi.sandbox import vocabulary
from nlapi.sandbox.patterns import match
from nlapi.tools.patterns import bounded

# Fixed, so that samples do not change from day to day.
FIRST_DAY = datetime(2026, 1, 5, 9, 0)
# Without l, o, 0 and 1, which are hard to tell apart when an id is copied by hand.
ALPHANUMERIC = "abcdefghijkmnpqrstuvwxyz23456789"


def text(schema: Schema, name: str, thing: str, index: int, rng: Random) -> str:
    """Return a text for a flat string schema: `name` is the property's, `noun` the kind of its item."""
    least, most = int(schema.get("minLength", 0)), schema.get("maxLength")
    format = schema.get("format")
    if isinstance(format, str) and format in FORMATS:
        made = FORMATS[format](name, index, rng)
    elif isinstance(schema.get("pattern"), str):
        made = _fitting(schema, name, thing, index, rng, least, most)
    else:
        made = _by_name(name, thing, index, rng)
    # These forms break when they are cut or filled up to a length.
    if format in ("date", "date-time", "uuid", "email", "ipv4", "ipv6") or "pattern" in schema:
        return made
    return _within(made, least, most, index)


def _within(made: str, least: int, most: int | None, index: int) -> str:
    if most is not None and len(made) > most:
        # The end distinguishes two samples, so the beginning is cut.
        tail = str(index)
        made = made[: most - len(tail)].rstrip() + tail if most > len(tail) + 2 else made[:most]
    while len(made) < least:
        made += (" " + made if made and len(made) + 1 < least else "x")[: least - len(made)]
    return made


def _fitting(schema: Schema, name: str, thing: str, index: int, rng: Random, least: int, most: int | None) -> str:
    """Return the text by the property's name when the pattern matches it, else one generated from the pattern."""
    pattern = str(schema["pattern"])
    natural = _within(_by_name(name, thing, index, rng), least, most, index)
    if "name" in name_words(name) and bounded(pattern).matches(natural):
        return natural
    return match(pattern, rng, least=least, most=most) or natural


def vary(example: str, schema: Schema, name: str, thing: str, index: int, rng: Random) -> str:
    """Return the example for index 0; for others a similar text where the kind is known, else the example again."""
    if index == 0:
        return example
    format = schema.get("format")
    if format in ("date", "date-time"):
        return _shifted(example, index * _drift(name)) or example
    parts = name_words(name)
    last = parts[-1] if parts else ""
    if is_id_name(name) and not isinstance(format, str):
        return like(example, rng)
    if format in ("uuid", "email") or last in ("name", "title") or is_id_name(name):
        return text(schema, name, thing, index, rng)
    return example


def like(example: str, rng: Random) -> str:
    """Return an id in the form of an example, `cmp_8k3m1p` for `cmp_1a2b3c`; the part before the separator stays."""
    try:
        return str(UUID(int=rng.getrandbits(128), version=4)) if UUID(example) else example
    except ValueError:
        pass
    cut = max(example.rfind(mark) for mark in "_-:/.") + 1
    varied = "".join(_same_kind(char, rng) for char in example[cut:])
    return example[:cut] + (varied if varied != example[cut:] else example[cut:] + rng.choice(ALPHANUMERIC))


def _same_kind(char: str, rng: Random) -> str:
    if char.isdigit():
        return rng.choice("123456789")
    if char.isalpha():
        found = rng.choice("abcdefghjkmnpqrstuvwxyz")
        return found.upper() if char.isupper() else found
    return char


def is_id_name(name: str) -> bool:
    parts = name_words(name)
    return bool(parts) and parts[-1] in ("id", "ids", "uuid", "guid", "key", "code", "token", "sku")


def _drift(name: str) -> int:
    """Return the days between two samples: negative for past events (created, updated), positive for planned ones."""
    return -7 if set(name_words(name)) & (vocabulary.MADE | vocabulary.UPDATED) else 7


def _shifted(example: str, days: int) -> str | None:
    try:
        if len(example) == 10:
            return (date.fromisoformat(example) + timedelta(days=days)).isoformat()
        moved = datetime.fromisoformat(example.upper()) + timedelta(days=days)
    except (ValueError, OverflowError):
        return None
    return moved.isoformat().replace("+00:00", "Z")


def moment(name: str, index: int) -> datetime:
    """Return a time for a property: starts are before ends, creations before updates."""
    parts = set(name_words(name))
    days = _drift(name) * index
    if parts & vocabulary.END and not parts & vocabulary.START:
        days += 30
    elif parts & vocabulary.UPDATED:
        days += 2
    return FIRST_DAY + timedelta(days=days)


def _uuid(name: str, index: int, rng: Random) -> str:
    return str(UUID(int=rng.getrandbits(128), version=4))


def _email(name: str, index: int, rng: Random) -> str:
    given, family = person(index)
    return f"{given}.{family}{index // 12 or ''}@example.com".lower()


def _url(name: str, index: int, rng: Random) -> str:
    last = name_words(name)[-1] if name_words(name) else "page"
    suffix = ".png" if {"image", "logo", "avatar", "icon", "thumbnail", "picture"} & set(name_words(name)) else ""
    return f"https://example.com/{last}/{index + 1}{suffix}"


FORMATS: Mapping[str, Callable[[str, int, Random], str]] = {
    "date": lambda name, index, rng: moment(name, index).date().isoformat(),
    "date-time": lambda name, index, rng: moment(name, index).isoformat() + "Z",
    "time": lambda name, index, rng: f"{9 + index % 10:02d}:00:00Z",
    "duration": lambda name, index, rng: f"PT{30 + index % 30}M",
    "uuid": _uuid,
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


def person(index: int) -> tuple[str, str]:
    return vocabulary.GIVEN[index % 12], vocabulary.FAMILY[(index + index // 12) % 12]


def _by_name(name: str, thing: str, index: int, rng: Random) -> str:
    parts = name_words(name)
    last = singular(parts[-1]) if parts else ""
    if is_id_name(name):
        return _id(parts, thing, rng)
    if last in ("name", "title") or not parts:
        return _name(parts, thing, index)
    if last in ("email", "mail"):
        return _email(name, index, rng)
    if last in ("url", "uri", "link", "href", "website", "image", "avatar", "logo", "icon", "thumbnail"):
        return _url(name, index, rng)
    if last in ("at", "time", "timestamp", "datetime") and len(parts) > 1:
        return FORMATS["date-time"](name, index, rng)
    if last == "date":
        return FORMATS["date"](name, index, rng)
    if last in ("username", "login", "handle", "slug", "nickname"):
        return "-".join(person(index)).lower() + (str(index // 12) if index >= 12 else "")
    if last in vocabulary.PEOPLE:
        return " ".join(person(index))
    if last in vocabulary.WORDS_OF:
        choice = vocabulary.WORDS_OF[last]
        return choice[index % len(choice)]
    return f"{' '.join(parts)} {index + 1}"


def _id(parts: tuple[str, ...], thing: str, rng: Random) -> str:
    if parts == ("country", "code"):
        return rng.choice(vocabulary.COUNTRY_CODES)
    prefix = (parts[-2] if len(parts) > 1 else (name_words(thing) or ("id",))[-1])[:4]
    return f"{prefix}_" + "".join(rng.choice(ALPHANUMERIC) for _ in range(8))


def _name(parts: tuple[str, ...], thing: str, index: int) -> str:
    given, family = person(index)
    if "first" in parts or "given" in parts:
        return given
    if "last" in parts or "family" in parts or parts[0:1] == ("surname",):
        return family
    owner = parts[:-1] if len(parts) > 1 and parts[-2] not in ("display", "full", "short") else ()
    noun = " ".join(owner) or " ".join(name_words(thing)) or "item"
    if noun.split()[-1] in vocabulary.PEOPLE or noun == "user" or "full" in parts:
        return f"{given} {family}"
    if noun in vocabulary.WORDS_OF:
        return vocabulary.WORDS_OF[noun][index % len(vocabulary.WORDS_OF[noun])]
    kind = vocabulary.KINDS[index % len(vocabulary.KINDS)]
    again = index // len(vocabulary.KINDS)
    return f"{kind} {noun}" + (f" {again + 1}" if again else "")


def number(schema: Schema, name: str, index: int, rng: Random, *, whole: bool) -> int | float:
    """Return a number by the bounds and step of a flat schema, of a size that fits its name."""
    low, high = _bounds(schema, whole)
    step = schema.get("multipleOf") or (1 if whole else 0.01)
    natural = _size(name_words(name), index, rng)
    value = natural if low is None or natural >= low else low + (natural % (high - low + step) if high else index)
    if high is not None and value > high:
        value = low + (natural % (high - low)) if low is not None and high > low else high
    # 1e-9: 0.3 / 0.1 is 2.999... in floating point.
    value = math.floor(value / step + 1e-9) * step
    if low is not None and value < low:
        value = math.ceil(low / step) * step
    if whole or (isinstance(step, int) and isinstance(value, int)):
        return int(value)
    return round(value, 6)


def _bounds(schema: Schema, whole: bool) -> tuple[float | None, float | None]:
    least = 1 if whole else 0.01
    lows = [schema[key] + extra for key, extra in (("minimum", 0), ("exclusiveMinimum", least)) if key in schema]
    highs = [schema[key] - extra for key, extra in (("maximum", 0), ("exclusiveMaximum", least)) if key in schema]
    return max(lows, default=None), min(highs, default=None)


def _size(parts: tuple[str, ...], index: int, rng: Random) -> int:
    found = set(parts)
    if "micro" in found or "micros" in found:
        return (index + 1) * 5_000_000
    if found & {"lat", "latitude"}:
        return 35 + index % 25
    if found & {"lng", "lon", "long", "longitude"}:
        return index % 20
    if found & {"year"}:
        return 2020 + index % 7
    if found & {"id"}:
        return 1001 + rng.randrange(9000)
    if found & {"impressions", "views", "reach", "size", "bytes"}:
        return rng.randrange(1_000, 100_000)
    if found & {"count", "total", "quantity", "number", "clicks", "stock", "priority", "position", "rank"}:
        return 1 + rng.randrange(50)
    return 10 + rng.randrange(90)


def scaled(example: Any, schema: Schema, index: int, *, whole: bool) -> Any:
    """Return a number near the example, further away with each index, within the bounds."""
    low, high = _bounds(schema, whole)
    step = schema.get("multipleOf") or (1 if whole else 0)
    moved = example + index * (max(abs(example) // 10, 1) if whole else abs(example) / 10)
    if step:
        moved = math.floor(moved / step + 1e-9) * step
    moved = int(moved) if whole else round(moved, 6)
    return moved if (high is None or moved <= high) and (low is None or moved >= low) else example
