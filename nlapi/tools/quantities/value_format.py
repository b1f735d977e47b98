"""The values of an answer as text for people: amounts in their currency, times to the minute, short digests."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

from nlapi.english import lexicon
from nlapi.english.words import name_words, stem
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import Operation
from nlapi.resources.answers import field_schema
from nlapi.resources.identity import Item, is_empty, name_of, text_of
from nlapi.tools.quantities.unit_evidence import likely_money_unit, read_unit
from nlapi.tools.quantities.units import CURRENCY_DECIMALS, CURRENCY_FIELDS, Dimension, UnitEvidence, from_wire

_ISO = lazy_pattern(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?\s?(Z|UTC|[+-]\d\d:?\d\d)?")
_RFC_5322 = lazy_pattern(r"(?:[A-Z][a-z]{2}, )?\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d(:\d\d)? (?:[+-]\d{4}|[A-Z]{3})")
_DAY = lazy_pattern(r"\d{4}-\d\d-\d\d")
# More digits are not an amount, and Python refuses to read thousands of them.
_NUMBER = lazy_pattern(r"-?\d{1,100}(\.\d{1,100})?")
_DIGEST = lazy_pattern(r"(?:sha\d+:)?[0-9a-f]{48,}")
# `sha256:` and twelve characters, the length that Docker's own tools show.
_SHORT_DIGEST = 19
_TIME_WORDS = lexicon.words("tools/words", "value_format_time_words")
_IDENTIFIER_WORDS = lexicon.words("tools/words", "identifier_words")

# Ranges in which a number is a Unix time in seconds (1973 to 2096) or in milliseconds (1973 to 2096). Smaller numbers
# are durations or counts.
_EPOCHS = ((10**8, 4 * 10**9, 1), (10**11, 4 * 10**12, 1_000))

_MINOR_SUFFIX = lazy_pattern(r"[_-]?(?:[mM]icros?|MICROS?)$|[_-](?:cents?|CENTS?)$|(?<=[a-z0-9])Cents?$")

# A table cell names this many entries of a list and counts the others.
_MAX_LISTED = 5


def format_value(operation: Operation | None, path: str, value: object, item: Item | None = None) -> str:
    """Return a field as a sentence shows it: money with its currency, times with their zone, yes and no."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        moment = moment_of(path, value)
        return (
            _format_moment(moment) if moment is not None else _format_number(operation, path, value, item, grouped=True)
        )
    if isinstance(value, str):
        moment = moment_of(path, value)
        return _format_moment(moment) if moment is not None else value
    return format_cell(operation, path, value, item)


def format_cell(operation: Operation | None, path: str, value: object, item: Item | None = None) -> str:
    """Return a field as a table shows it: UTC times without a zone, and nested values shortened."""
    if is_empty(value):
        return ""
    if isinstance(value, Mapping):
        text = text_of(value, path.rpartition(".")[2])
        return format_cell(operation, path, text, item) if text else _pairs(operation, path, value)
    if isinstance(value, list):
        return _entries(operation, path, value)
    moment = moment_of(path, value) if not isinstance(value, bool) else None
    if moment is not None:
        return _format_moment(moment).removesuffix(" UTC")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _format_number(operation, path, value, item, grouped=False)
    if isinstance(value, str) and _DIGEST.fullmatch(value):
        return f"{value[:_SHORT_DIGEST]}…"
    return format_value(operation, path, value, item)


def _pairs(operation: Operation | None, path: str, value: Item) -> str:
    """Return an object as pairs: `app=web, tier=front`."""
    return ", ".join(
        f"{key}={format_cell(operation, f'{path}.{key}', field)}" for key, field in value.items() if not is_empty(field)
    )


def _entries(operation: Operation | None, path: str, entries: Sequence[object]) -> str:
    """Return a list as the texts or names of its entries; one or two unnamed ones as pairs, more as their number."""
    objects = [entry for entry in entries if isinstance(entry, Mapping)]
    names = [text_of(item) or name_of(item) for item in objects]
    has_only_objects = len(objects) == len(entries)
    if has_only_objects and not all(names):
        if len(objects) > 2:
            return f"{len(objects)} entries"
        return "; ".join(_pairs(operation, path, item) for item in objects)
    if any(isinstance(entry, list) for entry in entries):
        return f"{len(entries)} lists"
    texts = names if has_only_objects else [format_cell(operation, path, entry) for entry in entries]
    suffix = f", … ({len(texts)})" if len(texts) > _MAX_LISTED else ""
    # Docker lists container names with a leading slash (`/web`), which its own tools drop.
    return ", ".join(text.removeprefix("/") for text in texts[:_MAX_LISTED]) + suffix


def number_of(value: object) -> float | int | None:
    """Return the number that a value is, or that its text writes; None for any other value."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    if isinstance(value, str) and _NUMBER.fullmatch(value):
        return float(value) if "." in value else int(value)
    return None


def is_date(value: object) -> bool:
    """Return whether a value is a date or a time written as text."""
    return isinstance(value, str) and (_DAY.fullmatch(value) or _ISO.fullmatch(value)) is not None


def moment_of(path: str, value: object) -> datetime | None:
    """Return the time that a field holds; None where it holds none.

    It is read from ISO 8601, RFC 5322, or a Unix time where the field's name speaks of a time. A time without a zone is
    returned without one.
    """
    try:
        if isinstance(value, str):
            if _ISO.fullmatch(value):
                return datetime.fromisoformat(value.replace(" UTC", "Z").replace(" Z", "Z"))
            from email.utils import parsedate_to_datetime

            return parsedate_to_datetime(value) if _RFC_5322.fullmatch(value) else None
        if isinstance(value, int | float) and not _TIME_WORDS.isdisjoint(name_words(path.rpartition(".")[2])):
            scale = next((scale for lower, upper, scale in _EPOCHS if lower < value < upper), None)
            return datetime.fromtimestamp(value / scale, UTC) if scale else None
    except ValueError:
        return None
    return None


def _format_moment(moment: datetime) -> str:
    offset = moment.utcoffset()
    hours = f"{moment:%z}"
    zone = "" if offset is None else " UTC" if offset == timedelta() else f" {hours[:3]}:{hours[3:5]}"
    return f"{moment:%Y-%m-%d %H:%M}{zone}"


def _format_number(operation: Operation | None, path: str, number: float, item: Item | None, *, grouped: bool) -> str:
    """Return a number in the unit that people use; `grouped` by thousands, unless it identifies something."""
    unit = unit_at(operation, path)
    if not unit:
        rounded = round(number, 2) if isinstance(number, float) else number
        is_count = _IDENTIFIER_WORDS.isdisjoint(name_words(path.rpartition(".")[2])[-1:])
        return f"{rounded:,}" if grouped and is_count and abs(rounded) >= 10_000 else str(rounded)
    currency = next((str(item[name]) for name in CURRENCY_FIELDS if item and item.get(name)), "")
    # An API writes `jpy` as well.
    code = currency.upper()
    amount = from_wire(number, unit, code)
    if unit in ("fraction", "basis_points"):
        return f"{amount:g}%"
    if unit == "milliseconds":
        return f"{amount:g} s"
    text = f"{amount:,}" if isinstance(amount, int) else f"{amount:,.{CURRENCY_DECIMALS.get(code, 2)}f}"
    return f"{text} {currency}" if currency else text


def unit_at(operation: Operation | None, path: str) -> str:
    """Return the wire unit of an answer's field, by its schema, else by its name; "" for none."""
    schema = (field_schema(operation, path) if operation is not None else None) or {}
    unit = read_unit(path.rpartition(".")[2], [schema]) if schema else None
    if unit is not None and (unit.evidence is UnitEvidence.HINT or unit.dimension is Dimension.MONEY):
        return unit.name
    return likely_money_unit(set(map(stem, name_words(path))) - {"cent"})


def column_labels(paths: Sequence[str], amounts: Collection[str] = ()) -> list[str]:
    """Return the labels of columns: the last part of each path, with the one before it where several end alike.

    `amounts` are the paths that are shown in units of their currency: `budget_micros` is labelled `budget` there.
    """
    lasts = [path.rpartition(".")[2] for path in paths]
    labels = [
        last if lasts.count(last) == 1 else ".".join(path.split(".")[-2:])
        for path, last in zip(paths, lasts, strict=True)
    ]
    bare = [field_label(label) if path in amounts else label for label, path in zip(labels, paths, strict=True)]
    return [new if bare.count(new) == 1 else label for new, label in zip(bare, labels, strict=True)]


def field_label(path: str) -> str:
    """Return the label of an amount that is shown in units of its currency: without `micros` or `cents`."""
    return _MINOR_SUFFIX.sub("", path) or path


def is_shown_as_money(operation: Operation | None, path: str, values: Iterable[object]) -> bool:
    """Return whether the values of a field are numbers in micros or cents, which are shown in units of the currency."""
    numbers = [value for value in values if not is_empty(value)]
    are_numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in numbers)
    return are_numbers and unit_at(operation, path) in ("micros", "cents", "minor")
