"""The forms in which fields take moments and the items of their lists, by the schemas and examples of fields."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from enum import StrEnum
from functools import cache, lru_cache

from nlapi.english import lexicon
from nlapi.english.lexicon import words as word_set
from nlapi.english.words import split_words
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import Schema, Spec, as_list, as_map
from nlapi.resources.schemas import SchemaReader


class MomentPart(StrEnum):
    """A part of a moment that a form may have no place for."""

    DAY = "day"
    CLOCK = "clock"
    ZONE = "zone"


@dataclass(frozen=True, slots=True, kw_only=True)
class MomentForm:
    """A form of moments: a `layout` of `strftime`, or a number of units since 1970 of which a second has `per_second`.

    `%f` of a layout is written in milliseconds and `%z` with a colon, as RFC 3339 §5.6 has it. A moment goes as UTC
    where `in_utc` says so, and else in the zone that it has. `day_layout` and `clock_layout` are those of a day and of
    a time of day alone; without one a day is its midnight, and a time of day has no form. A field whose form `is_guess`
    may as well take other texts.
    """

    layout: str = ""
    per_second: int = 0
    is_number: bool = False
    in_utc: bool = False
    day_layout: str = ""
    clock_layout: str = ""
    is_guess: bool = False

    def write(self, moment: datetime) -> str | int:
        """Return an aware moment in this form."""
        moment = moment.astimezone(UTC) if self.in_utc else moment
        if not self.per_second:
            return _write(moment, self.layout)
        count = round(moment.timestamp() * self.per_second)
        return count if self.is_number else str(count)

    def write_day(self, day: date, zone: tzinfo, *, at_end: bool = False) -> str | int:
        """Return a day without a time in this form: its midnight, or its last second, where the form has a time."""
        if self.day_layout:
            return day.strftime(self.day_layout)
        return self.write(datetime.combine(day, time(23, 59, 59) if at_end else time(), zone))

    def read(self, value: str | int, zone: tzinfo) -> datetime:
        """Return the moment that a value of this form writes, in `zone` where the value has none."""
        if self.per_second:
            return datetime.fromtimestamp(int(value) / self.per_second, zone)
        is_fraction = "%S%z" in self.layout and "." in str(value)
        layout = self.layout.replace("%S%z", "%S.%f%z") if is_fraction else self.layout
        moment = datetime.strptime(str(value), _halved(layout))
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC if self.in_utc else zone)

    def cuts(self, moment: datetime, *, has_zone: bool = False) -> frozenset[MomentPart]:
        """Return the parts of a moment for which this form has no place; `has_zone` says that its words had a zone."""
        if self.per_second:
            return frozenset()
        has_fraction = "%f" in self.layout or "%S%z" in self.layout  # RFC 3339 §5.6 has one behind any seconds
        is_cut = (moment.second and "%S" not in self.layout) or (moment.microsecond and not has_fraction)
        has_clock = "%H" in self.layout and not is_cut
        carries = {MomentPart.DAY: "%d" in self.layout, MomentPart.CLOCK: has_clock}
        carries[MomentPart.ZONE] = not has_zone or not has_clock or self.in_utc or "%z" in self.layout
        return frozenset(part for part, has_place in carries.items() if not has_place)


def _write(moment: datetime, layout: str) -> str:
    """Return a moment in a layout of `strftime`, with milliseconds for %f and the offset as RFC 3339 writes it."""
    if moment.microsecond:
        layout = layout.replace("%S%z", f"%S.{moment.microsecond:06}".rstrip("0") + "%z")
    offset = moment.strftime("%z")
    zone = "Z" if offset == "+0000" else f"{offset[:3]}:{offset[3:5]}"
    layout = _halved(layout)
    return moment.strftime(layout.replace("%f", f"{moment.microsecond // 1000:03}").replace("%z", zone))


def _halved(layout: str) -> str:
    """Return a layout with hours up to twelve where it has AM and PM."""
    return layout.replace("%H", "%I") if "%p" in layout else layout


DAY = MomentForm(layout="%Y-%m-%d", day_layout="%Y-%m-%d")
RFC_3339 = MomentForm(layout="%Y-%m-%dT%H:%M:%S%z")
"""A day with a time and the offset from UTC (RFC 3339 §5.6)."""
EITHER = replace(RFC_3339, day_layout="%Y-%m-%d")
"""A day as it is, and a moment as RFC 3339 writes it: what a text without a description takes."""
GUESS = replace(EITHER, is_guess=True)
CLOCK = MomentForm(layout="%H:%M", clock_layout="%H:%M")
SECONDS = MomentForm(layout="%H:%M:%S", clock_layout="%H:%M:%S")

# Formats of texts that are moments, or that say nothing of it.
_FORMATS = frozenset(("", "date", "date-time", "time", "timestamp", "unix-time", "string"))

_TIME_NAMES = word_set("resources/words", "moment_names")
# Those of them that name other things too, so that the description has to speak of a time.
_VAGUE_NAMES = word_set("resources/words", "vague_moment_names")
SPEAKS_OF_TIME = lexicon.pattern("resources/words", "speaks_of_time", re.IGNORECASE)
# A text with a timestamp may be of any form, and a number is one since 1970.
_UNIX = lazy_pattern(r"\bunix\b|\bepoch\b|\bposix\b|\bsince 1970\b|\btimestamp in (?:milli)?seconds\b", re.IGNORECASE)
_COUNT = lazy_pattern(r"\b1\d{9,18}\b")
_OPENS_WITH_TIME = lexicon.pattern("resources/words", "opens_with_time", re.IGNORECASE)
_SINCE_1970 = lazy_pattern(rf"{_UNIX.pattern}|\btimestamp\b", re.IGNORECASE)
_FINER = (
    (lazy_pattern(r"\bnano ?(?:s|second)", re.IGNORECASE), 1_000_000_000),
    (lazy_pattern(r"\bmicro ?(?:s|second)", re.IGNORECASE), 1_000_000),
    (lazy_pattern(r"\bmilli(?:s|second)|\bms\b", re.IGNORECASE), 1_000),
)
_RFC = lazy_pattern(r"\biso[ -]?8601|\brfc[ -]?3339", re.IGNORECASE)
_LENGTH = lexicon.pattern("resources/words", "length", re.IGNORECASE)
_RFC_1123 = lazy_pattern(r"\brfc[ -]?(?:1123|2822|5322|822)\b|\bhttp[ -]date\b", re.IGNORECASE)
_UTC = lexicon.pattern("resources/words", "utc", re.IGNORECASE)
_LAYOUT_PART = r"y{4}|m{1,4}|d{1,2}|h{2}|s{2}|month|day|year|%[ymdhs]"
# A layout as people write it: YYYY-MM-DD, dd/mm/yyyy hh:mm, yyyy-MM-dd'T'HH:mm:ss.SSSZ, %Y-%m-%d.
_STATED_LAYOUT = lazy_pattern(
    rf"(?<![\w%])(?:{_LAYOUT_PART})(?:(?:'t'|,? |[-/.:_t])?(?:{_LAYOUT_PART}))+"
    r"(?:[.,](?:s{3}|f+|%f))?(?:\s?'?z'?\b|\s?(?:[+±-]hh:?mm|%z|x{3}|tzd|am/pm|tt))?(?!\w)",
    re.IGNORECASE,
)
_PIECES = lazy_pattern(
    r"am/pm|tt|\[?[+±-]hh:?mm\]?|(?<=[.,])(?:s{3}|f+|%f)|month|day|year|y{4}|m{3,4}|mm?|dd?|hh|ss|%[ymdhsz]|x{3}|tzd|'?z'?$|'t'",
    re.IGNORECASE,
)
# The letters of a piece as `strftime` writes it, and else its first letter.
_BY_LETTERS = dict(
    pair.split("=") for pair in "mmm=%b mmmm=%B sss=%f tzd=%z am/pm=%p tt=%p t=T z=Z %z=%z %f=%f".split()
)
_BY_FIRST = dict(pair.split("=") for pair in "y=%Y d=%d h=%H s=%S x=%z +=%z -=%z ±=%z".split())
_EXAMPLE = lazy_pattern(r"(?<![\w-])\d{4}-\d\d-\d\d[T ]\d\d:\d\d[\d:.]*(?:Z|[+-]\d\d:?\d\d)?(?![\w-])")
# Numbers of seconds since 1970 from 1973 to 2096; smaller ones are lengths or counts.
_EPOCH_SECONDS = range(10**8, 4 * 10**9)
# Forms that a pattern is tried with, the fuller ones first.
_DAYS = ("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y/%m/%d", "%Y%m%d")
_CLOCKS = ("T%H:%M:%S.%f", "T%H:%M:%S", "T%H:%M", " %H:%M:%S", " %H:%M", "T%H%M%S", "%H%M%S")
_LAYOUTS = (
    *(f"{day}{clock}{zone}" for day in _DAYS for clock in _CLOCKS for zone in ("Z", "%z", "")),
    *(*_DAYS, "%Y-%m", "%H:%M:%S", "%H:%M"),
)
_TRIED = datetime(2026, 12, 25, 18, 30, tzinfo=timezone(timedelta(hours=1)))


def moment_form(name: Sequence[str], schema: Schema, description: str, *, is_half: bool = False) -> MomentForm | None:
    """Return the form in which a text or a number takes a moment; None where nothing says that it takes one.

    `name` are the words of the field's name. `is_half` says that the same object has another field for the day or for
    the time of day, so that this one takes only its own.
    """
    kind, format = schema_type(schema), str(schema.get("format", ""))
    if kind in ("integer", "number"):
        return _epoch_form(name, schema, description)
    if kind not in ("string", "") or format not in _FORMATS or schema.get("enum"):
        return None
    # Asana's `due_on` is "a date with YYYY-MM-DD format", and its example is a moment, which `format: date` excludes.
    by_format = DAY if format == "date" else None
    stated = _by_pattern(schema) or _by_layout(description) or by_format or _by_example(schema, description)
    form = stated or _epoch_text(schema, description) or _by_words(name, format, description)
    if form is None or "%H" not in form.layout or form.clock_layout == form.layout:
        return form
    if is_half and stated is None and not format:
        return CLOCK if form.clock_layout else DAY
    return replace(form, in_utc=form.in_utc or _UTC.search(description) is not None)


def takes_clock(name: Sequence[str], description: str) -> bool:
    """Return whether a field takes a time of day by its name or by `hh:mm` in its description."""
    is_named = name[-1:] in (["time"], ["hour"]) and "date" not in name
    return is_named or re.search(r"\bhh:mm", description, re.IGNORECASE) is not None


def _by_words(name: Sequence[str], format: str, description: str) -> MomentForm | None:
    """Return the form by the format, by a standard that the description names, and by words for a time."""
    stated = {"date-time": RFC_3339, "date": DAY}.get(format)
    if stated is not None:
        return stated
    # RFC 1123 has names of hosts as well, and RFC 822 addresses of mail.
    is_of_time = SPEAKS_OF_TIME.search(description) is not None or (name[-1:] and name[-1] in _TIME_NAMES)
    if is_of_time and _RFC_1123.search(description):
        return MomentForm(layout="%a, %d %b %Y %H:%M:%S GMT", in_utc=True)
    if format == "time" or takes_clock(name, description):
        if seconds := re.search(r"\bhh:mm(:ss)?", description, re.IGNORECASE):
            return SECONDS if seconds[1] else CLOCK
        # Without a word on its form, `start_time` takes a time of day as well as a moment.
        return CLOCK if format else replace(EITHER, clock_layout="%H:%M")
    is_named = name[-1:] and name[-1] in _TIME_NAMES and (len(name) > 1 or name[-1] not in ("at", "on"))
    is_standard = _RFC.search(description) is not None and _LENGTH.search(description) is None
    if "date" in name or is_standard or (is_named and SPEAKS_OF_TIME.search(description)):
        return EITHER
    if is_named and name[-1] not in _VAGUE_NAMES:
        return EITHER
    return GUESS if is_named or _OPENS_WITH_TIME.match(description) else None


def _epoch_form(name: Sequence[str], schema: Schema, description: str) -> MomentForm | None:
    """Return the form of a number since 1970, by its description, its name (created_at) or its examples."""
    is_named = bool({"date", "timestamp"}.intersection(name)) or name[-1:] == ["ts"] or list(name[1:][-1:]) == ["at"]
    says = _SINCE_1970.search(description) is not None or is_named
    if not says and not _shows_epoch(schema, description):
        return None
    return MomentForm(per_second=_per_second(f"{' '.join(name)} {description}", schema), is_number=True)


def _epoch_text(schema: Schema, description: str) -> MomentForm | None:
    """Return the form of a text with a number since 1970, by its examples or its description."""
    if not _shows_epoch(schema, description) and (
        _UNIX.search(description) is None or _RFC.search(description) is not None
    ):
        return None
    return MomentForm(per_second=_per_second(description, schema))


def _per_second(text: str, schema: Schema) -> int:
    """Return how many units since 1970 a second has, by words such as milliseconds, else by the examples."""
    scale_in_words = next((scale for pattern, scale in _FINER if pattern.search(text)), 0)
    examples = _examples(schema, text)
    sizes = (size for size in (1, 1_000, 1_000_000) if any(_is_count(entry, size) for entry in examples))
    return scale_in_words or next(sizes, 1)


def _shows_epoch(schema: Schema, description: str) -> bool:
    """Return whether an example is a number since 1970, of a field whose description speaks of a time."""
    sizes = (1, 1_000, 1_000_000)
    shows = any(_is_count(example, size) for example in _examples(schema, description) for size in sizes)
    return shows and SPEAKS_OF_TIME.search(description) is not None


def _is_count(example: object, per_second: int) -> bool:
    text = str(example)
    return text.isdecimal() and len(text) < 20 and int(text) // per_second in _EPOCH_SECONDS


def _examples(schema: Schema, description: str = "") -> list[object]:
    """Return the examples of a schema, with the numbers of ten figures and more in a description."""
    entries = [schema.get("example"), schema.get("default"), *as_list(schema.get("examples"))]
    entries += _COUNT.findall(description)
    return [entry for entry in entries if isinstance(entry, str | int) and not isinstance(entry, bool)]


def _by_example(schema: Schema, description: str) -> MomentForm | None:
    """Return the form of the first example that is a moment, in the schema or in the description."""
    for text in (example for example in _examples(schema) if isinstance(example, str)):
        layouts = _layouts_of(text)
        # A day such as 03/04/2026 may be in March or in April.
        if layouts and not (text[2:3] == "/" and any(layout.startswith("%m") for layout in layouts[1:])):
            return _form_of(layouts[0])
    text = next((match.group() for match in _EXAMPLE.finditer(description)), "")
    layouts = _layouts_of(text)
    if not layouts or schema.get("format") == "date-time":
        return _form_of(layouts[0]) if layouts else None  # which RFC 3339 is, and a day alone is not
    return replace(_form_of(layouts[0]), day_layout="%Y-%m-%d")


@lru_cache(maxsize=4096)
def _layouts_of(text: str) -> tuple[str, ...]:
    """Return the layouts in which a text is a moment. A try takes 1 ms, so only those of its outline are tried."""
    return tuple(layout for layout in _layouts_by_outline().get(_outline(text), ()) if _is_written_as(text, layout))


@cache
def _layouts_by_outline() -> Mapping[str, Sequence[str]]:
    by_outline: dict[str, dict[str, None]] = {}
    for layout in _LAYOUTS:
        for moment in (_TRIED, _TRIED.astimezone(UTC)):
            by_outline.setdefault(_outline(_write(moment, layout)), {})[layout] = None
    return {outline: tuple(layouts) for outline, layouts in by_outline.items()}


def _outline(text: str) -> str:
    """Return a text with each figure as 0, and the signs of all zones alike."""
    return re.sub(r"\d", "0", text).replace("+", "-")


def _is_written_as(text: str, layout: str) -> bool:
    try:
        return _write(datetime.strptime(text, layout), layout) == text
    except ValueError:
        return False


def _form_of(layout: str) -> MomentForm:
    """Return the form of a layout, in which Z is UTC."""
    day, clock = "" if "%H" in layout else layout, layout if layout.startswith("%H") else ""
    return MomentForm(layout=layout.replace("Z", "%z"), in_utc=layout.endswith("Z"), day_layout=day, clock_layout=clock)


def _by_layout(description: str) -> MomentForm | None:
    """Return the form of the layouts that a description writes out: the fullest, and those of a day or a time."""
    texts = [match.group() for match in _STATED_LAYOUT.finditer(description)]
    layouts = list(filter(None, map(_read_layout, texts)))
    full = next((layout for layout in layouts if "%H" in layout), layouts[0] if layouts else "")
    if not full:
        return None
    day = next((layout for layout in layouts if "%H" not in layout), "")
    clock = "%H:%M" if any(text.lower() == "hh:mm" for text in texts) else ""
    return replace(_form_of(full), day_layout=day, clock_layout=clock)


def _read_layout(text: str) -> str:
    """Return a layout as `strftime` writes it, "" for one without a year: `mm` behind the hours are minutes."""
    written: list[str] = []

    def piece(match: re.Match[str]) -> str:
        letters = match.group().lower().strip("'[]")
        is_minute = letters == "mm" and "%H" in written and "%M" not in written
        month_or_minute = "%M" if is_minute or match.group() == "%M" else "%m"
        by_first = _BY_FIRST.get(letters.lstrip("%")[0], month_or_minute)
        part = _BY_LETTERS.get(letters) or ("%f" if set(letters) == {"f"} else by_first)
        written.append(part)
        return part

    layout = _PIECES.sub(piece, text)
    return layout if "%Y" in written and ("%m" in written or "%b" in written or "%B" in written) else ""


def _by_pattern(schema: Schema) -> MomentForm | None:
    """Return the fullest form whose moments match the pattern of a schema."""
    pattern = schema.get("pattern")
    # What matches patterns is slow to import, and one of moments has the figures of a year or of a time.
    if not isinstance(pattern, str) or not re.search(r"(?:\\d|\[0-9\])(?:\{4\}|(?:\\d|\[0-9\]){3})|:.*\\d", pattern):
        return None

    # The pattern comes from a description, and may take long to match: it is bounded.
    from nlapi.patterns import bounded_pattern

    matches = bounded_pattern(pattern).matches
    # What takes any text says nothing of its form.
    if matches("x") or matches("7"):
        return None
    layout = next((layout for layout in _LAYOUTS if matches(_write(_TRIED, layout))), "")
    return _form_of(layout) if layout and not matches("12") else None


def schema_type(schema: Schema) -> str:
    """Return the type of a schema, without null and by its keywords where it has none; "" for any type."""
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((name for name in kind if name != "null"), "")
    if isinstance(kind, str):
        return kind
    return "array" if "items" in schema else "object" if "properties" in schema else ""


def sole_property(schema: Schema) -> str:
    """Return the property of an object that a value by itself fills: the only required one, or the only one; "" where
    there are several.
    """
    properties = as_map(schema.get("properties"))
    required = [name for name in as_list(schema.get("required")) if name in properties]
    names = required or list(properties)
    return str(names[0]) if len(names) == 1 else ""


_UUID = lazy_pattern(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)
_IP = lazy_pattern(r"(?=.*\d)[\d.]+(?:/\d+)?|(?=.*:)[0-9a-f:.]+(?:%\w+)?(?:/\d+)?|\*", re.IGNORECASE)
_IPS = lexicon.pattern("resources/words", "ips", re.IGNORECASE)
_HOST_OR_NAME = lexicon.pattern("resources/words", "host_or_name", re.IGNORECASE)
_HOST = lazy_pattern(r"(?:\*\.)?[\w-]+(?:\.[\w-]+)+\.?", re.IGNORECASE)
# Words of hexadecimal letters alone are rarer than plain words where a digest is taken.
_DIGEST = lazy_pattern(r"(?=.*\d)[\w:+/=.-]{6,}")
_DIGEST_NAMES = word_set("resources/words", "digest_names")


def text_shape(name: Sequence[str], schema: Schema, description: str) -> re.Pattern[str] | None:
    """Return the pattern of the texts of a field that takes one kind alone: UUIDs, IP addresses, hosts, digests."""
    format, last = schema.get("format"), name[-1] if name else ""
    if format == "uuid":
        return _UUID
    # An address and nothing else: ip, src_ip, no ip_or_hostname.
    is_address = last == "ip" or format in ("ipv4", "ipv6") or _IPS.match(description) is not None
    if is_address and not _HOST_OR_NAME.search(description):
        return _IP
    if last in ("domain", "fqdn") or list(name[-2:]) == ["domain", "name"]:
        return _HOST
    return _DIGEST if last in _DIGEST_NAMES else None


_FINAL_DOT = lexicon.pattern("resources/words", "final_dot", re.IGNORECASE)


_DENIED = lexicon.pattern("resources/words", "denied", re.IGNORECASE)


def states_final_dot(description: str) -> bool:
    """Return whether a description says that DNS names end in a dot."""
    stated = _FINAL_DOT.search(description)
    return stated is not None and not _DENIED.search(description[: stated.start()])


def hosts_end_in_dot(spec: Spec) -> bool:
    """Return whether the DNS names of an API end in a dot, as the description of a name in one of its bodies says."""
    reader = SchemaReader(spec)
    bodies = (operation.body.schema for operation in spec.operations if operation.body is not None)
    names = (
        schema for body in bodies for name, schema in reader.properties(body).items() if "name" in split_words(name)
    )
    return any(states_final_dot(str(reader.flat(schema).get("description", ""))) for schema in names)
