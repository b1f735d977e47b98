"""Conditions that a question sets on listed items, and the reading of those on numbers and times."""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from nlapi.english import lexicon
from nlapi.english.command_verbs import DETERMINERS
from nlapi.english.lexicon import text as word_text
from nlapi.english.lexicon import words
from nlapi.english.words import COUNTS, split_words, stem, stems_of
from nlapi.lazy_pattern import lazy_pattern
from nlapi.planner.answering.row_fields import RowFields, core_stems, field_stems, field_words, is_word_of
from nlapi.reading.dates import DAYS_IN, MONTHS, ParsedDate
from nlapi.reading.numbers import BETWEEN, BOUND, BOUND_BEHIND, ParsedNumber, find_numbers
from nlapi.reading.question_intent import IMPLIED_FIELDS
from nlapi.reading.text import MentionKind, Sentence, Token, ValueMention
from nlapi.tools.quantities.units import from_wire
from nlapi.tools.quantities.value_format import moment_of, number_of, unit_at

_PARTICIPLE_ENDS = lexicon.ordered("planner/answering/words", "participle_ends")

NEGATIONS = words("planner/answering/words", "negations")
_NEGATION_PAIRS = frozenset((("other", "than"), ("apart", "from"), ("aside", "from"), ("instead", "of")))
_LINKS = words("planner/answering/words", "links")
_LEADING = words("planner/answering/words", "participle_links")


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A test of the field at `path`, or with "" of the whole row; `text` is it in words: `status active`.

    `start` is where its words begin in the question; -1 where that is not known.
    """

    path: str
    text: str
    holds: Callable[[Any], bool]
    start: int = -1

    def holds_in(self, row: Mapping[str, object]) -> bool:
        return self.holds(row.get(self.path) if self.path else row)


@dataclass(kw_only=True)
class QuestionReading:
    """A question, and the tokens of it that are understood so far; `noun` has the stems of the noun of the items."""

    sentence: Sentence
    fields: RowFields
    noun: frozenset[str]
    understood: set[int] = field(default_factory=set)

    @property
    def tokens(self) -> tuple[Token, ...]:
        return self.sentence.tokens

    def text(self, first: int, last: int) -> str:
        """The text of the tokens from `first` to before `last`."""
        return self.sentence.text[self.tokens[first].start : self.tokens[last - 1].end]

    def mark(self, first: int, last: int) -> None:
        self.understood.update(range(first, last))

    def mark_text(self, start: int, end: int) -> None:
        """Mark the tokens that overlap with a stretch of characters."""
        self.understood.update(at for at, token in enumerate(self.tokens) if token.start < end and token.end > start)

    def mark_words(self, words: Sequence[str]) -> bool:
        """Mark every run of tokens with the stems of these words; return whether there was one."""
        stems = tuple(map(stem, words))
        matched = False
        for at in range(len(self.tokens)):
            last, remaining = at, stems
            while remaining and last < len(self.tokens):
                token_stems = tuple(map(stem, split_words(self.tokens[last].text)))
                if not token_stems or remaining[: len(token_stems)] != token_stems:
                    break
                remaining, last = remaining[len(token_stems) :], last + 1
            if stems and not remaining:
                self.mark(at, last)
                matched = True
        return matched

    def is_free(self, first: int, last: int) -> bool:
        return not any(at in self.understood for at in range(first, last))

    def mention_of(self, first: int, last: int) -> ValueMention | None:
        """Return the name, the quotation or the literal that is a run of tokens."""
        kinds = (MentionKind.NAME, MentionKind.QUOTED, MentionKind.LITERAL, MentionKind.TITLE)
        return next(
            (
                mention
                for mention in self.sentence.mentions
                if (mention.first, mention.last) == (first, last) and mention.kind in kinds
            ),
            None,
        )

    def token_at(self, position: int) -> int:
        """Return the index of the first token that ends behind a position in the text."""
        return next((at for at, token in enumerate(self.tokens) if token.end > position), len(self.tokens))

    def part_at(self, at: int) -> tuple[str, int, int]:
        """Return the quotation that begins or ends at a token, else its word, and the run of tokens that it is."""
        quoted = self.sentence.of_kind(MentionKind.QUOTED)
        quotation = next((mention for mention in quoted if at in (mention.first, mention.last - 1)), None)
        if quotation is None:
            return self.tokens[at].text, at, at + 1
        return quotation.text, quotation.first, quotation.last

    def is_quoted(self, first: int, last: int) -> bool:
        """Return whether a run of tokens has a part of a quotation in it."""
        quoted = self.sentence.of_kind(MentionKind.QUOTED)
        return any(mention.first < last and first < mention.last for mention in quoted)

    def is_negated(self, first: int) -> bool:
        """Return whether a negation stands before a token, with nothing but linking words between."""
        at = first - 1
        while at >= 0 and at >= first - 4:
            lower = self.tokens[at].lower.replace("’", "'")
            pair = (self.tokens[at - 1].lower, lower) if at else ("", lower)
            if lower in NEGATIONS or pair in _NEGATION_PAIRS:
                self.mark(at - (pair in _NEGATION_PAIRS), first)
                return True
            if lower not in _LINKS:
                return False
            at -= 1
        return False

    def field_beside(self, first: int, last: int, paths: Iterable[str]) -> str:
        """Return the field of `paths` whose words stand beside a run of tokens, and mark them; "" for none."""
        for path in paths:
            whole = stems_of(path.rpartition(".")[2])
            for name in dict.fromkeys((whole, core_stems(path))):
                for start, end in (*self._before(first, len(name)), *self._after(last, len(name))):
                    if name and frozenset(token.stem for token in self.tokens[start:end]) == name:
                        self.mark(min(start, first), max(end, last))
                        return path
        return ""

    def verb_before(self, first: int) -> tuple[str, int]:
        """Return the stem and the token of the participle that leads to a run of tokens: written in, assigned to."""
        at = first - 1
        while at > 0 and first - at < 4 and (self.tokens[at].lower in _LEADING or at in self.understood):
            at -= 1
        token = self.tokens[at] if at >= 0 else None
        if token is None or not token.word or not token.lower.endswith(_PARTICIPLE_ENDS):
            return "", first
        if at and self.tokens[at - 1].lower in DETERMINERS:
            return "", first  # a noun: the setting default-ttl
        return token.stem, at

    def _before(self, first: int, size: int) -> Iterable[tuple[int, int]]:
        at = first
        while at > 0 and self.tokens[at - 1].lower in _LINKS | NEGATIONS and first - at < 4:
            at -= 1
        return [(end - size, end) for end in dict.fromkeys((first, at)) if end >= size]

    def _after(self, last: int, size: int) -> Iterable[tuple[int, int]]:
        return [(last, last + size)] if last + size <= len(self.tokens) else []


BOUND_TESTS: dict[str, Callable[[float, float], bool]] = {
    "over": lambda value, bound: value > bound,
    "least": lambda value, bound: value >= bound,
    "under": lambda value, bound: value < bound,
    "most": lambda value, bound: value <= bound,
    "equal": lambda value, bound: value == bound,
}
# The superlative whose implied fields a word of a bound compares.
_COMPARED = lexicon.table("planner/answering/words", "compared")
_CONJUNCTIONS = words("planner/answering/words", "conjunctions")
_NEAR = 4  # tokens between a bound and its field

_SINCE = lexicon.pattern("planner/answering/words", "since", re.IGNORECASE)
_AFTER = lazy_pattern(r"\b(?:after|past)\s+(?:the\s+)?$", re.IGNORECASE)
_BEFORE = lexicon.pattern("planner/answering/words", "before", re.IGNORECASE)
_WITHIN = lexicon.pattern("planner/answering/words", "within", re.I)
_AGE = lexicon.pattern("planner/answering/words", "age", re.IGNORECASE)
_MONTH_ALONE = lexicon.pattern("planner/answering/words", "month_alone", re.IGNORECASE, months="|".join(MONTHS))
_TO = lexicon.pattern("planner/answering/words", "to")
# Words in the name of the time that a question without one means, the likeliest first.
_LIKELY = tuple(map(stem, word_text("planner/answering/words", "likely_times").split()))


def bound_conditions(reading: QuestionReading) -> Iterator[Condition]:
    """Yield the conditions on numbers and times whose field is clear, and mark their words as understood."""
    yield from _times(reading)
    yield from _numbers(reading)


def _numbers(reading: QuestionReading) -> Iterator[Condition]:
    text = reading.sentence.text
    numbers = [number for number in find_numbers(text) if _is_free(reading, number.start, number.end)]
    for index, number in enumerate(numbers):
        if not _is_free(reading, number.start, number.end):
            continue
        before = BOUND.search(text[: number.start])
        behind = BOUND_BEHIND.match(text, number.end) if before is None else None
        following = numbers[index + 1] if index + 1 < len(numbers) else None
        if following is not None and (between := BETWEEN.search(text[: number.start])):
            yield from _on_field(
                reading, ("least", "most"), (number, following), between.start(), following.end, "between"
            )
        elif before is not None or behind is not None:
            bound = before or behind
            assert bound is not None
            name = str(bound.lastgroup)
            words = before.group().strip() if before is not None else {"least": "at least", "most": "at most"}[name]
            end = behind.end() if behind is not None else number.end
            start = before.start() if before is not None else number.start
            yield from _on_field(reading, (name,), (number,), start, end, words)
        else:
            yield from _on_field(reading, ("equal",), (number,), number.start, number.end, "")


def _on_field(
    reading: QuestionReading, tests: Sequence[str], numbers: Sequence[ParsedNumber], start: int, end: int, words: str
) -> Iterator[Condition]:
    """Yield the condition on the field near a bound; a number without a bound needs its field right beside it."""
    path = _numeric_field(reading, start, end, words)
    if not path:
        return
    reading.mark_text(start, end)
    unit = unit_at(reading.fields.operation, path)
    bounds = [(BOUND_TESTS[test], number.value) for test, number in zip(tests, numbers, strict=True)]

    def holds(cell: object) -> bool:
        amount = number_of(cell)
        if amount is None:
            return False
        value = from_wire(amount, unit) if unit else amount
        return all(test(value, bound) for test, bound in bounds)

    bounds_text = " and ".join(number.text.strip() for number in numbers)
    yield Condition(
        path=path, text=" ".join(filter(None, (field_words(path), words.lower(), bounds_text))), holds=holds
    )


def tokens_near(tokens: Sequence[Token], first: int, last: int) -> list[int]:
    """Return the tokens around a bound that may name its field.

    Behind `and` begins another condition: a spend over 100 [and a budget over 400].
    """
    before = next((at + 1 for at in reversed(range(first)) if tokens[at].lower in _CONJUNCTIONS), 0)
    behind = next((at for at in range(last, len(tokens)) if tokens[at].lower in _CONJUNCTIONS), len(tokens))
    return [*range(max(before, first - _NEAR), first), *range(last, min(behind, last + _NEAR))]


def named_field(paths: Iterable[str], tokens: Sequence[Token], positions: Collection[int]) -> str:
    """Return the field of which the tokens at some positions name the most; "" for none."""
    words = [tokens[at].stem for at in positions]
    shares = {
        path: sum(any(is_word_of(word, part) for word in words) for part in stems) / len(stems)
        for path in paths
        if (stems := field_stems(path))
    }
    best = max(shares, key=lambda path: shares[path], default="")
    return best if best and shares[best] else ""


def _numeric_field(reading: QuestionReading, start: int, end: int, words: str) -> str:
    fields, tokens = reading.fields, reading.tokens
    numeric = [path for path in fields.paths if fields.is_numeric(path) and not fields.is_temporal(path)]
    first = reading.token_at(start)
    last = next((at for at in range(first, len(tokens)) if tokens[at].start >= end), len(tokens))
    if not words:
        return reading.field_beside(first, last, numeric)
    near = tokens_near(tokens, first, last)
    if path := named_field(numeric, tokens, near):
        for at in near:
            if any(is_word_of(tokens[at].stem, field_stem) for field_stem in field_stems(path)):
                reading.mark(at, at + 1)
        return path
    # Without a field that is named, the comparative implies one: cheaper than 20 is about a price.
    implied = IMPLIED_FIELDS.get(_COMPARED.get(words.lower().split()[0], ""), ())
    costs = IMPLIED_FIELDS["cheapest"] if any(token.stem == "cost" for token in tokens) else ()
    for word in (*implied, *costs):
        for path in numeric:
            if word in stems_of(path.rpartition(".")[2]):
                return path
    return ""


def _is_free(reading: QuestionReading, start: int, end: int) -> bool:
    positions = [at for at, token in enumerate(reading.tokens) if token.start < end and token.end > start]
    return not any(at in reading.understood for at in positions)


@dataclass(frozen=True, slots=True)
class _Days:
    """Days from `first` to `last`, each of them included; None for an open end."""

    first: date | None
    last: date | None

    def holds(self, moment: datetime) -> bool:
        day = moment.astimezone(UTC).date() if moment.tzinfo else moment.date()
        return (self.first is None or day >= self.first) and (self.last is None or day <= self.last)


def _times(reading: QuestionReading) -> Iterator[Condition]:
    text, today = reading.sentence.text, reading.sentence.today
    for age in _AGE.finditer(text):
        count = int(age["count"]) if age["count"].isdigit() else COUNTS[age["count"].lower()]
        day = today - timedelta(days=count * DAYS_IN[age["unit"].lower()])
        stretch = _Days(None, day) if age["way"].lower() == "older" else _Days(day, None)
        yield from _on_time(reading, stretch, age.start(), age.end())
    moments = [moment for moment in reading.sentence.moments if not isinstance(moment.value, time)]
    # The month of `first week of May` is a part of the period that was read.
    months = [month for month in _months(text, today) if not any(m.start < month.end <= m.end for m in moments)]
    moments = [moment for moment in (*moments, *months) if _is_free(reading, moment.start, moment.end)]
    moments.sort(key=lambda moment: moment.start)
    skipped = -1
    for index, moment in enumerate(moments):
        first, last = _days(moment.value)
        following = moments[index + 1] if index + 1 < len(moments) else None
        if moment.start <= skipped:
            continue
        if following is not None and _TO.fullmatch(text[moment.end : following.start]):
            lead = re.search(r"\b(?:between|from)\s+$", text[: moment.start], re.IGNORECASE)
            skipped = following.start
            yield from _on_time(
                reading,
                _Days(first, _days(following.value)[1]),
                lead.start() if lead else moment.start,
                following.end,
            )
            continue
        start, stretch = _with_preposition(text, moment.start, first, last, today)
        yield from _on_time(reading, stretch, start, moment.end)


def _months(text: str, today: date) -> Iterator[ParsedDate]:
    """Yield each month or year alone behind a preposition (in May, since 2024); a month is the last of that name."""
    for match in _MONTH_ALONE.finditer(text):
        month = MONTHS.get((match["month"] or "").lower().rstrip("."))
        year = int(match["year"]) if match["year"] else today.year - (month is not None and month > today.month)
        first = date(year, month or 1, 1)
        last = date(year, month or 12, calendar.monthrange(year, month or 12)[1])
        yield ParsedDate(start=match.start("what"), end=match.end("what"), text=match["what"], value=(first, last))


def _with_preposition(text: str, at: int, first: date, last: date, today: date) -> tuple[int, _Days]:
    """Return the start of the words before a day, and the days that are meant with them: since, before, within."""
    before = text[:at]
    ago = text[at:].lower().partition(" ago")[0] != text[at:].lower() and " ago" in text[at : at + 40].lower()
    if first > today and _SINCE.search(before):
        first -= timedelta(days=7) * -(-(first - today).days // 7)  # since Monday is the last one
    if (lead := _SINCE.search(before)) and (first == last or not lead.group().lower().startswith("from")):
        return lead.start(), _Days(first, None)
    if lead := _AFTER.search(before):
        return lead.start(), _Days(last + timedelta(days=1), None)
    if (lead := _BEFORE.search(before)) and (ago or not re.match(r"more|over", lead.group(), re.IGNORECASE)):
        return lead.start(), _Days(None, first - timedelta(days=1))
    if lead := _WITHIN.search(before) or _SINCE.search(before):
        open_end = re.match(r"less", lead.group(), re.IGNORECASE)
        return lead.start(), _Days(first, None if open_end else last)
    return at, _Days(first, last)


def _days(value: Any) -> tuple[date, date]:
    if isinstance(value, tuple):
        return value[0], value[1]
    day = value.date() if isinstance(value, datetime) else value
    return day, day


def _on_time(reading: QuestionReading, stretch: _Days, start: int, end: int) -> Iterator[Condition]:
    path = _temporal_field(reading, start)
    if not path:
        return
    period = reading.sentence.text[start:end].strip()
    denied = reading.is_negated(_verb_start(reading, path, start))
    reading.mark_text(start, end)

    def holds(cell: object) -> bool:
        moment = moment_of(path, cell) or _day(cell)
        return (moment is not None and stretch.holds(moment)) is not denied

    yield Condition(path=path, text=f"{field_words(path)} {'not ' if denied else ''}{period}", holds=holds)


def _verb_start(reading: QuestionReading, path: str, start: int) -> int:
    """Return the first token of a condition on a time, with the verb before it: not [created in May]."""
    first = reading.token_at(start)
    verbs = (at for at in range(max(0, first - _NEAR), first) if reading.tokens[at].stem in _words(path))
    return next(verbs, first)


def _day(cell: object) -> datetime | None:
    try:
        return datetime.fromisoformat(cell) if isinstance(cell, str) else None
    except ValueError:
        return None


def _temporal_field(reading: QuestionReading, start: int) -> str:
    """Return the temporal field of a condition: the one whose verb stands before it, else the likeliest."""
    fields = reading.fields
    temporal = [path for path in fields.paths if fields.is_temporal(path)]
    first = reading.token_at(start)
    for at in range(first - 1, max(-1, first - _NEAR), -1):
        word = reading.tokens[at].stem
        path = next((path for path in temporal if word in _words(path)), "")
        if path:
            reading.mark(at, at + 1)
            return path
    if len(temporal) == 1:
        return temporal[0]
    return next((path for word in _LIKELY for path in temporal if word in _words(path)), "")


def _words(path: str) -> frozenset[str]:
    return stems_of(path.rpartition(".")[2])
