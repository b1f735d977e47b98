"""The values of a mention for a slot: typed, formatted and in the unit of the request, as it stands or converted."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, tzinfo
from functools import lru_cache
from typing import Any

from nlapi.english import lexicon
from nlapi.english.intents import STOPWORDS
from nlapi.english.lexicon import stems as stem_set
from nlapi.english.units import Unit
from nlapi.english.words import name_words, singular, split_words, stem
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import Schema, as_list
from nlapi.planner.slots.slot import Family, Slot
from nlapi.reading.gazetteer import (
    COUNTRIES,
    CURRENCY_NAMES,
    DEMONYMS,
    LANGUAGES,
    STATES,
    country_name,
    country_of,
    full_name,
    region_of,
    state_of,
    town_in_us,
)
from nlapi.reading.numbers import unit_of_mention
from nlapi.reading.text import MentionKind, Sentence, Token, ValueMention
from nlapi.resources.forms import MomentForm, MomentPart, schema_type, states_final_dot, text_shape
from nlapi.tools.quantities.unit_evidence import likely_unit, states_minor_unit
from nlapi.tools.quantities.units import to_wire

_BEFORE_TEXT = lexicon.words("planner/slots/words", "before_text")
_CODES = lexicon.stems("planner/slots/words", "code_words")

# A name of several labels whose last has a letter in it: no sentence ends in one by chance, as `delete foo.` does.
_HOST = lazy_pattern(r"(?:[\w-]+\.)+[\w-]*[^\W\d_][\w-]*")
_HOST_EXAMPLE = lazy_pattern(rf"[\"'“‘`]{_HOST.pattern}\.[\"'”’`]")


@lru_cache(maxsize=4096)
def ends_in_dot(slot: Slot) -> bool:
    """Return whether host names for a slot end in a dot, by its description, its examples or its pattern."""
    schema = slot.item or slot.schema
    examples = schema.get("examples")
    samples = [schema.get("example"), schema.get("default"), *(examples if isinstance(examples, list) else ())]
    if any(isinstance(text, str) and text.endswith(".") and _HOST.fullmatch(text[:-1]) for text in samples):
        return True
    return bool(_HOST_EXAMPLE.search(slot.description)) or wants_dot(slot)


@lru_cache(maxsize=4096)
def wants_dot(slot: Slot) -> bool:
    """Return whether host names for a slot must end in a dot, by its description or its pattern."""
    return slot.is_dotted_host or states_final_dot(slot.description) or _pattern_needs_dot(slot.item or slot.schema)


def _pattern_needs_dot(schema: Schema) -> bool:
    pattern = schema.get("pattern")
    if not isinstance(pattern, str) or "." not in pattern:
        return False

    # The pattern comes from a description, and may take long to match: it is bounded.
    from nlapi.patterns import bounded_pattern

    fits = bounded_pattern(pattern).matches
    return fits("www.example.com.") and not fits("www.example.com")


def is_dotted(text: str, name: str) -> bool:
    """Return whether `name` is a host name that has a dot behind it in `text`."""
    return bool(_HOST.fullmatch(name)) and bool(re.search(rf"(?<![\w.-]){re.escape(name)}\.(?![\w.-])", text))


# Stems of the names of slots for the first and the last day of a range.
OPENING = stem_set("planner/slots/words", "opening")
CLOSING = stem_set("planner/slots/words", "closing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoded:
    """A mention as a slot takes it: the value, the name of its conversion, the words that the slot cannot carry, and
    other mentions that are a part of the value.
    """

    value: object
    conversion: str = ""
    remainder: tuple[ValueMention, ...] = ()
    beside: tuple[ValueMention, ...] = ()


def _encoded_dates(mention: ValueMention, form: MomentForm, slot: Slot, sentence: Sentence) -> Iterator[Encoded]:
    """Yield a day, a moment or a time of day in a form: as it stands, as the last day of a range, and a time of day as
    the moment on the day elsewhere in the sentence.
    """
    value = mention.value
    if isinstance(value, tuple):
        yield from _encoded(mention, value[1], "last_day", form, slot, sentence, at_end=True)
    if isinstance(value, time) and not form.clock_layout:
        days = [day for day in sentence.of_kind(MentionKind.DATE) if type(day.value) is date]
        # Of several days the one that stands nearest to the hour.
        if days and mention.form != "part":
            nearest = min(days, key=lambda day: abs(day.first - mention.first))
            moments = _encoded(mention, datetime.combine(nearest.value, value), "moment", form, slot, sentence)
            yield from (replace(moment, beside=(nearest,)) for moment in moments)
        return
    yield from _encoded(mention, value[0] if isinstance(value, tuple) else value, "", form, slot, sentence)


def _encoded(
    mention: ValueMention,
    value: date | time,
    conversion: str,
    form: MomentForm,
    slot: Slot,
    sentence: Sentence,
    *,
    at_end: bool = False,
) -> Iterator[Encoded]:
    """Yield a day, a moment or a time of day in a form, with the words that do not fit into the form."""
    if isinstance(value, time):
        cut = {MomentPart.ZONE} if value.tzinfo is not None else set()
        written: str | int = value.strftime(form.clock_layout)
    elif isinstance(value, datetime):
        moment = in_zone(value, sentence.zone)
        is_other = value.tzinfo is not None and moment.utcoffset() != moment.astimezone(sentence.zone).utcoffset()
        written, cut = form.write(moment), set(form.cuts(moment, has_zone=is_other))
    elif form.clock_layout == form.layout:
        return
    else:
        written = form.write_day(value, sentence.zone, at_end=at_end)
        cut = set(form.cuts(datetime.combine(value, time(), sentence.zone))) - {MomentPart.CLOCK}
    if isinstance(written, int) or takes_text(slot, written):
        yield Encoded(value=written, conversion=conversion, remainder=tuple(_remainder(mention, cut, sentence)))


def in_zone(moment: datetime, zone: tzinfo) -> datetime:
    """Return a moment in the zone of its words, else in `zone`; one that summer time leaves out is later."""
    if moment.tzinfo is not None:
        return moment
    return moment.replace(tzinfo=zone).astimezone(UTC).astimezone(zone)


def _remainder(mention: ValueMention, cut: Collection[MomentPart], sentence: Sentence) -> Iterator[ValueMention]:
    """Yield the words of a mention for the parts of its moment that are cut, and those beside it for a mere part."""
    dates = [other for other in sentence.of_kind(MentionKind.DATE) if other is not mention]
    if mention.form == "part":
        whole = next((one for one in dates if one.form != "part" and _is_within(mention, one)), mention)
        yield from (other for other in dates if other.form == "part" and _is_within(other, whole))
        return
    parts = [other for other in dates if other.form == "part" and _is_within(other, mention)]
    clocks = [part for part in parts if isinstance(part.value, time)]
    if MomentPart.CLOCK in cut:
        days = [part for part in parts if part not in clocks]
        yield from (_up_to_day(clock, days) for clock in clocks)
    if MomentPart.DAY in cut:
        yield from (part for part in parts if part not in clocks) if parts else (mention,)
    if MomentPart.ZONE in cut and MomentPart.CLOCK not in cut and (words := mention.text.split()):
        start = mention.end - len(words[-1])
        yield replace(mention, text=words[-1], start=start, first=mention.last - 1, form="part")


def _up_to_day(clock: ValueMention, days: Sequence[ValueMention]) -> ValueMention:
    """Return a time of day with the words between it and its day, which belong to it: [at] 6pm, 6pm [on] May 3."""
    start = max((day.end for day in days if day.end <= clock.start), default=clock.start)
    end = min((day.start for day in days if day.start >= clock.end), default=clock.end)
    return replace(clock, start=start, end=end)


def _is_within(inner: ValueMention, outer: ValueMention) -> bool:
    return outer.start <= inner.start and inner.end <= outer.end


def _written_date(mention: ValueMention, slot: Slot) -> str | int | None:
    """Return a text that begins as dates do, or a number since 1970, as it stands; None where a mention is neither."""
    if mention.form == "phone":
        return None
    if mention.kind is MentionKind.QUOTED or (mention.kind is MentionKind.LITERAL and slot.family is not Family.TIME):
        return mention.text if _DATE_START.match(mention.text) else None
    if mention.kind is MentionKind.NUMBER and mention.value > 10**8:
        is_number = slot.form is not None and slot.form.is_number
        return int(mention.value) if is_number else mention.text if "tim" in slot.words else None
    return None


# 2026-W03, T18:00, PT1H, now-1d, and a date that begins with its month or its day.
_DATE_START = lazy_pattern(r"[-+]?\d|(?:now|today|[TP])[-+\dT]|[A-Za-z]{3,9}[ .,]+\d", re.IGNORECASE)


@lru_cache(maxsize=4096)
def wants_clock(slot: Slot) -> bool:
    """Return whether a time of day is a part of the value."""
    return slot.schema.get("format") == "date-time" or _CLOCK.search(slot.description) is not None


_CLOCK = lazy_pattern(r"\bhh:mm|\btime\b|T\d\d:\d\d", re.IGNORECASE)


def slot_unit(slot: Slot) -> Unit | None:
    """Return the unit of the numbers of a slot, by its name or else by its description."""
    return likely_unit(slot.name, slot.description)


def has_unit_of(sentence: Sentence, mention: ValueMention, slot: Slot) -> bool:
    """Return whether a number has a unit in the sentence, of the dimension of the unit of the slot."""
    source, target = unit_of_mention(sentence, mention), slot_unit(slot)
    return source is not None and target is not None and source.dimension == target.dimension


def convert_unit(sentence: Sentence, mention: ValueMention, slot: Slot) -> float | int | None:
    """Return a number in the unit of a slot, where the sentence has it in another one: 2 hours are 120 minutes.

    A number right behind it in a smaller unit is added: 1 hour and 30 minutes.
    """
    source, target = unit_of_mention(sentence, mention), slot_unit(slot)
    if source is None or target is None or source.dimension != target.dimension:
        return None
    added = _smaller_part(sentence, mention, source)
    if source.factor == target.factor and not added:
        return None
    value = float(f"{(float(mention.value) * source.factor + added) / target.factor:.10g}")
    return int(value) if value.is_integer() else value


def _smaller_part(sentence: Sentence, mention: ValueMention, source: Unit) -> float:
    """Return the measure in a smaller unit right behind a measure, in the base unit of the dimension."""
    for after in sentence.mentions:
        if after.kind is MentionKind.NUMBER and mention.last <= after.first <= mention.last + 3:
            smaller = unit_of_mention(sentence, after)
            if smaller is not None and smaller.dimension == source.dimension and smaller.factor < source.factor:
                return float(after.value) * smaller.factor
    return 0.0


_TEXTUAL = frozenset((MentionKind.QUOTED, MentionKind.TITLE, MentionKind.NAME, MentionKind.PHRASE, MentionKind.LITERAL))
# Names of the conversions, on which the forests are trained; "" is the mention as it stands.
CONVERSIONS = (
    *("fraction", "code", "trimmed", "region", "town", "state", "country", "unit", "last_day", "moment", "clock"),
    *("currency", "singular", "sample", "calendar", "days", "measured", "us", "lasting", "joined"),
)
# Conversions that use no words, so that the mention can still be the value of another slot.
WORDLESS_CONVERSIONS = lexicon.words("planner/slots/words", "wordless_conversions")
_DAYS = stem("days")
_PLACE = lexicon.pattern("planner/slots/words", "place", re.IGNORECASE)
_CITY_STATE = lazy_pattern(r"\b[Cc]ity\b\s*(?:,|and)\s*(?:the\s+)?(?:[Ss]tate|[Cc]ountry)|[a-z],\s?[A-Z]{2}\b")


def encode(mention: ValueMention, slot: Slot, sentence: Sentence) -> Iterator[Encoded]:
    """Yield the values of a mention for a slot, or for an item of its array, each with its conversion and remainder."""
    if mention.kind is MentionKind.DATE and slot.form is not None and slot.family is not Family.ID:
        yield from _encoded_dates(mention, slot.form, slot, sentence)
        return
    if _is_without_noun(mention, slot, sentence):
        return
    # A text around a moment is not a value beside the moment: ending [at 18:00 on 1 December].
    dates = sentence.of_kind(MentionKind.DATE)
    if slot.form is not None and mention.kind is MentionKind.PHRASE and any(_is_within(day, mention) for day in dates):
        return
    yield from (Encoded(value=value, conversion=conversion) for value, conversion in _values(mention, slot, sentence))


def _values(mention: ValueMention, slot: Slot, sentence: Sentence) -> Iterator[tuple[object, str]]:
    """Yield the values of a mention that keep all of it, each with its conversion."""
    plain: object = None
    if mention.kind is MentionKind.JSON:
        plain = _json(mention, slot)
    elif slot.family is Family.NUMBER:
        plain = _number(mention, slot, sentence)
        yield from _counted(mention, slot, sentence)
        plain = (
            None
            if mention.kind is MentionKind.DATE or (mention.form == "percent" and _is_fraction_range(slot))
            else plain
        )
    elif slot.family in (Family.DATE, Family.TIME):
        plain = _written_date(mention, slot)
    elif slot.family in (Family.BOOLEAN, Family.CHOICE) or (
        slot.family is Family.OPEN and "object" in (schema_type(slot.schema), schema_type(slot.item))
    ):
        return
    else:
        plain = _with_dot(mention, slot, sentence) or _text(mention, slot)
        if mention.kind is MentionKind.NUMBER and plain is not None and "integer" in as_list(slot.schema.get("type")):
            plain = _number(mention, slot, sentence)
        yield from (pair for pair in _converted_texts(mention, slot, sentence) if takes_text(slot, pair[0]))
    if plain is not None:
        yield plain, ""


def _counted(mention: ValueMention, slot: Slot, sentence: Sentence) -> Iterator[tuple[int | float, str]]:
    """Return the numbers of a mention by conversion: a share, a part of a date, the length of a range, another unit."""
    numbers: list[tuple[int | float | None, str]] = []
    if mention.kind is MentionKind.DATE:
        numbers.append((_calendar_part(mention, slot), "calendar"))
        if isinstance(mention.value, tuple) and _DAYS in _stems(slot):
            first, last = mention.value
            # Days from today are counted without it (the next 7 days); June 1 to 3 are three days.
            numbers.append(((last - first).days + (sentence.today not in mention.value), "days"))
    elif mention.form == "percent" and not slot.is_integer:
        numbers.append((round(mention.value / 100, 10), "fraction"))
    elif mention.kind is MentionKind.NUMBER:
        numbers.append((convert_unit(sentence, mention, slot), "measured"))
    for value, conversion in numbers:
        if value is not None and _in_range(value, slot) and not (slot.is_integer and isinstance(value, float)):
            yield value, conversion


def _converted_texts(mention: ValueMention, slot: Slot, sentence: Sentence) -> Iterator[tuple[str, str]]:
    """Return texts of a mention by conversion: the code of a name, a name without its noun, a number and its unit."""
    if mention.kind not in (*_TEXTUAL, MentionKind.NUMBER):
        return
    if mention.kind is MentionKind.NUMBER:
        after = sentence.tokens[mention.last : mention.last + 1]
        if after and after[0].word and after[0].lower not in STOPWORDS:
            yield sentence.text[mention.start : after[0].end], "unit"
        if mention.currency and "currenci" in _stems(slot):
            yield mention.currency, "currency"
        return
    text = mention.text.strip(" .,")
    # The name itself stays a candidate: the forest weighs it against its code by the description.
    code = _code(text, slot)
    if code is not None:
        yield code, "code"
    if mention.kind in (MentionKind.NAME, MentionKind.PHRASE):
        yield from _cut(mention, slot, sentence)
    if sentence.in_title(mention):
        return  # a resource called Berlin need not be there
    if mention.kind in (MentionKind.NAME, MentionKind.QUOTED) or (
        mention.kind is MentionKind.PHRASE and mention.text.islower()
    ):
        after = sentence.tokens[mention.last : mention.last + 2]
        # Paris in `Paris, Texas` is not completed to the Paris in France, nor San in `San Fran` to the town in Mali.
        goes_on = len(after) == 2 and after[0].text == "," and after[1].text[:1].isupper()
        whole = not goes_on and not (mention.form == "part" and after and after[0].text[:1].isupper())
        yield from _located(text, slot, whole=whole)


def _cut(mention: ValueMention, slot: Slot, sentence: Sentence) -> Iterator[tuple[str, str]]:
    """Return a mention without the noun of the slot at its edges (Bang Khen [District]), and in the singular."""
    tokens = list(sentence.tokens[mention.first : mention.last])
    if not all(token.word or token.text in ",.&-" for token in tokens):
        return
    if len(tokens) > 1 and any(_is_noun_in_name(token, slot) for token in (tokens[0], tokens[-1])):
        return
    # A field that has its name before the value does not have it behind: the title .. to New title.
    is_named = any(token.stem in slot.words for token in sentence.tokens[: mention.first])
    while len(tokens) > 1 and tokens[-1].stem in slot.words and not is_named:
        tokens.pop()
    while len(tokens) > 1 and (tokens[0].stem in slot.words or tokens[0].lower in _BEFORE_TEXT):
        tokens.pop(0)
    if 0 < len(tokens) < mention.last - mention.first and not all(token.lower in STOPWORDS for token in tokens):
        yield sentence.text[tokens[0].start : tokens[-1].end].removesuffix("'s"), "trimmed"
    if (
        0 < len(tokens) <= 2
        and mention.kind is MentionKind.PHRASE
        and (noun := singular(tokens[-1].text)) != tokens[-1].text
    ):
        yield sentence.text[tokens[0].start : tokens[-1].start] + noun, "singular"


def _is_noun_in_name(token: Token, slot: Slot) -> bool:
    """Return whether the noun of a slot is written as a part of a name: the Plaza Hotel. Samples may leave it out."""
    return token.stem in slot.words and token.start > 0 and token.text[:1].isupper() and not slot.samples


def _is_without_noun(mention: ValueMention, slot: Slot, sentence: Sentence) -> bool:
    """Return whether a mention is the piece of a name beside the noun that belongs to it: Metropolitan [Museum]."""
    if mention.kind is not MentionKind.NAME or mention.form != "part":
        return False
    beside = (*sentence.tokens[max(0, mention.first - 1) : mention.first], *sentence.tokens[mention.last :][:1])
    return any(_is_noun_in_name(token, slot) for token in beside)


def _located(text: str, slot: Slot, *, whole: bool) -> Iterator[tuple[str, str]]:
    """Return the state or the country of a town, a town with them (where the text is `whole`: no state follows it), and
    the town of a pair.
    """
    if not _REGIONS.isdisjoint(slot.words) and (state := state_of(text)):
        yield state, "state"
    if "countri" in slot.words and (code := country_of(text)):
        yield (code if is_coded(slot) else country_name(code) or code), "country"
    if not _takes_place(slot):
        return
    town, comma, after = (part.strip() for part in text.partition(","))
    if comma:
        yield town, "town"
        if after.lower() in STATES and _takes_both(slot):
            yield f"{town}, {STATES[after.lower()]}", "region"
    elif whole and _takes_both(slot) and (full := full_name(text, in_us=_is_in_us(slot))):
        yield full, "region"
        if not full.endswith(_STATE_ENDS) and not region_of(text).startswith("US-") and town_in_us(text):
            yield full_name(text, in_us=True), "us"


_REGIONS = lexicon.words("planner/slots/words", "regions")
_STATE_ENDS = tuple(f", {state}" for state in STATES.values())


@lru_cache(maxsize=4096)
def _takes_place(slot: Slot) -> bool:
    return _PLACE.search(f"{slot.name.replace('_', ' ')} {slot.description}") is not None


@lru_cache(maxsize=4096)
def _takes_both(slot: Slot) -> bool:
    """Return whether a slot takes a town together with its state or country."""
    return _CITY_STATE.search(slot.description) is not None


@lru_cache(maxsize=4096)
def _is_in_us(slot: Slot) -> bool:
    """Return whether the samples of a slot are towns in the United States (Reno, NV), and it takes no country."""
    return any(sample.endswith(_STATE_ENDS) for sample in slot.samples) and stem("country") not in slot.prose


@lru_cache(maxsize=4096)
def _stems(slot: Slot) -> frozenset[str]:
    """Return the stems of the name and the description of a slot."""
    return slot.prose | set(slot.words)


def _json(mention: ValueMention, slot: Slot) -> list[object] | dict[str, object] | None:
    """Return the array or the object of a mention, for a slot of that type."""
    value: list[Any] | dict[str, Any] = mention.value
    if not slot.is_array:
        return value if isinstance(value, dict) and schema_type(slot.schema) == "object" else None
    numbers = slot.family is not Family.NUMBER or all(isinstance(item, (int, float, list)) for item in value)
    return value if isinstance(value, list) and numbers else None


def _number(mention: ValueMention, slot: Slot, sentence: Sentence) -> int | float | None:
    value: Any = mention.value
    if mention.kind is MentionKind.DATE:
        value = _calendar_part(mention, slot)
    elif mention.kind in (MentionKind.QUOTED, MentionKind.LITERAL):
        text = mention.text.replace(",", "")
        if not re.fullmatch(r"[-+]?\d+(\.\d+)?", text):
            return None
        value = float(text) if "." in text else int(text)
    elif mention.kind is not MentionKind.NUMBER:
        return None
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    if mention.kind is MentionKind.NUMBER:
        value = _scaled(value, mention, slot, sentence)
    if slot.is_integer and isinstance(value, float):
        return int(value) if value.is_integer() else None
    return value if _in_range(value, slot) else None


def _scaled(value: int | float, mention: ValueMention, slot: Slot, sentence: Sentence) -> int | float:
    """Return a number in the unit of a slot, from its own unit in the sentence (200 ms) or the usual one."""
    # A bare number for milliseconds is in seconds, as people say it; 200 ms has its unit.
    if slot.unit and has_unit_of(sentence, mention, slot):
        return convert_unit(sentence, mention, slot) or value
    if mention.form == "money" and not slot.unit and states_minor_unit(slot.description):
        return to_wire(value, "minor", mention.currency)
    return to_wire(value, slot.unit) if slot.unit else value


@lru_cache(maxsize=4096)
def takes_fraction(slot: Slot) -> float:
    """Return 1 for a slot that takes 5 % as 0.05, -1 as 5, and 0 where nothing tells."""
    tops = (slot.schema.get(key) for key in ("maximum", "default", "example"))
    top = next((value for value in tops if isinstance(value, (int, float)) and value), None)
    if top is not None:
        return 1.0 if abs(top) <= 1 else -1.0
    lower = slot.description.lower()
    if _DECIMAL.search(lower):
        return 1.0
    if "percent" in lower or "%" in lower or _PERCENT & set(slot.words) or _WHOLE.search(lower):
        return -1.0
    return 0.0 if slot.is_integer or _SHARES.isdisjoint(slot.words) else 1.0


_SHARES = lexicon.stems("planner/slots/words", "values_share")
_DECIMAL = lazy_pattern(r"\bdecimal|\bfraction|between 0 and 1|\b0\.\d")
_WHOLE = lazy_pattern(r"(?:e\.g\.?|such as|example)\D{0,12}\d+(?:\.\d+)?")
_PERCENT = lexicon.stems("planner/slots/words", "values_percent")


def _is_fraction_range(slot: Slot) -> bool:
    top = slot.schema.get("maximum")
    return isinstance(top, (int, float)) and top <= 1


def _in_range(value: int | float, slot: Slot) -> bool:
    low, high = slot.schema.get("minimum"), slot.schema.get("maximum")
    return not (isinstance(low, (int, float)) and value < low) and not (isinstance(high, (int, float)) and value > high)


def _calendar_part(mention: ValueMention, slot: Slot) -> int | None:
    value = mention.value[0] if isinstance(mention.value, tuple) else mention.value
    if not isinstance(value, date) or slot.name.lower().endswith("s"):
        return None
    for part in ("year", "month", "day"):
        if part in slot.words:
            return int(getattr(value, part)) if part != "year" or mention.whole else None
    return None


# A scheme and what it defines (RFC 3986 §3); a URL has // behind it.
_URI = lazy_pattern(r"[a-z][a-z0-9+.-]*:\S+", re.IGNORECASE)
_COUNTED_TIMES = frozenset((f"{unit}s",) for unit in ("second", "minute", "hour", "day", "week", "month", "year"))
_URIS = frozenset(("uri", "urn", "iri"))


def _text(mention: ValueMention, slot: Slot) -> str | None:
    if mention.kind is MentionKind.NUMBER:
        return _figures(mention, slot)
    if mention.kind is MentionKind.DATE:
        is_count = mention.form == "spelt" and name_words(slot.name)[-1:] in _COUNTED_TIMES  # 15 January as `dueDays`
        return (
            mention.text if isinstance(mention.value, time) or (slot.family is Family.TEXT and not is_count) else None
        )
    if mention.kind not in _TEXTUAL:
        return None
    # ./models is a path.
    text = mention.text.strip(" .,") if mention.form != "path" else mention.text.rstrip(" .,")
    if slot.family is Family.EMAIL and mention.form != "email":
        return text if "@" in text and takes_text(slot, text) else None
    if slot.family is Family.URL and mention.form != "url":
        is_uri = slot.words[-1] in _URIS and _URI.fullmatch(text) is not None
        is_quoted = mention.kind is MentionKind.QUOTED and " " not in text  # no URI has a blank in it
        plausible = "://" in text or text.startswith("www.") or is_uri or is_quoted
        return text if plausible and takes_text(slot, text) else None
    return text if takes_text(slot, text) else None


def _with_dot(mention: ValueMention, slot: Slot, sentence: Sentence) -> str:
    """Return a host name with its final dot where the sentence has one that the slot may take, or the slot needs it."""
    name = mention.text.strip(" .,")
    dotted = mention.kind in _TEXTUAL and is_dotted(sentence.text, name) and ends_in_dot(slot)
    if not dotted and not (mention.form == "host" and wants_dot(slot)):
        return ""
    return f"{name}." if takes_text(slot, f"{name}.") else ""


def _figures(mention: ValueMention, slot: Slot) -> str | None:
    text = mention.text if mention.form != "spelt" else str(mention.value)
    if slot.family in (Family.EMAIL, Family.URL) or (mention.form in ("percent", "money") and slot.family is Family.ID):
        return None
    return text if takes_text(slot, text) else None


def takes_text(slot: Slot, text: str) -> bool:
    """Return whether the schema and the name of a slot allow a text."""
    schema = slot.item
    shape = _shape(slot)
    if shape is not None and not shape.fullmatch(text):
        return False
    longest, pattern = schema.get("maxLength"), schema.get("pattern")
    if isinstance(longest, int) and len(text) > longest:
        return False
    if len(text) < schema.get("minLength", 0):
        return False
    if not isinstance(pattern, str):
        return True
    from nlapi.patterns import bounded_pattern

    return bounded_pattern(pattern).matches(text)


@lru_cache(maxsize=4096)
def _shape(slot: Slot) -> re.Pattern[str] | None:
    """Return the pattern of the texts that a slot takes by its kind: addresses, hosts, digests, UUIDs."""
    return text_shape(split_words(slot.name), slot.item, slot.description)


@lru_cache(maxsize=4096)
def is_coded(slot: Slot) -> bool:
    """Return whether a slot takes a code rather than a name."""
    coded = _CODES & (slot.prose | set(slot.words))
    return bool(coded) or re.search(r"two.letter|2.letter", slot.description, re.IGNORECASE) is not None


def _code(text: str, slot: Slot) -> str | None:
    """Return the code of a name: JP of Japan for a country code, likewise of languages, and of currencies always."""
    lower = text.lower().removeprefix("the ")
    prose = _stems(slot)
    for word, table in (
        ("countri", COUNTRIES),
        ("countri", DEMONYMS),
        ("languag", LANGUAGES),
        ("currenci", CURRENCY_NAMES),
    ):
        if word in prose and lower in table and (word == "currenci" or is_coded(slot)):
            return table[lower]
    return None
