"""Reads conditions that name a field: archived, unassigned, without an owner, merged, name contains web, size is L."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from nlapi.english.lexicon import stems, words
from nlapi.english.words import name_words, singular, split_words, stem
from nlapi.planner.answering.conditions import Condition, QuestionReading
from nlapi.planner.answering.row_fields import RowFields, field_stems, field_words, join_words, texts_of, value_word
from nlapi.planner.language.lexicon import SYNONYMS
from nlapi.planner.language.text import ALTERNATIVE_FORMS, FILLER_STEMS, MentionKind
from nlapi.resources.identity import is_empty, label_rank
from nlapi.resources.naming import STOPWORDS

_SHORTEST_VERB = 5  # letters of a verb that the name of a field may begin with: `assign` of assignee
_OPPOSITES = dict(
    pair
    for word, opposite in (("public", "private"), ("open", "closed"), ("online", "offline"), ("enabled", "disabled"))
    for pair in ((stem(word), stem(opposite)), (stem(opposite), stem(word)))
)
_DENYING = ("un", "in", "dis", "non")
_CONTAINS: dict[tuple[str, ...], Callable[[str, str], bool]] = {
    ("contain",): str.__contains__,
    ("match",): str.__contains__,
    ("lik",): str.__contains__,
    ("start", "with"): str.startswith,
    ("begin", "with"): str.startswith,
    ("end", "with"): str.endswith,
}
_LINKS = words("planner/answering/words", "value_links")
_ENDS = words("planner/answering/words", "condition_ends")
_OPENINGS = words("planner/answering/words", "condition_openings")


def value_condition(path: str, values: Sequence[str], *, denied: bool) -> Condition:
    """Return the condition that a field has one of some values, or with `denied` none of them."""
    lowered = {value.lower() for value in values}
    text = f"{field_words(path)} {'not ' if denied else ''}{join_words(map(value_word, values), 'or')}"

    def holds(cell: object) -> bool:
        return denied is lowered.isdisjoint(text.lower() for text in texts_of(cell))

    return Condition(path=path, text=text, holds=holds)


def flag_conditions(reading: QuestionReading) -> Iterator[Condition]:
    """Yield conditions on booleans: archived, not archived, unarchived, private of a field `public`."""
    for path in filter(reading.fields.is_flag, reading.fields.paths):
        words = field_stems(path)
        if len(words) > 2 or words & reading.noun:
            continue
        for at, token in enumerate(reading.tokens):
            if at in reading.understood or not token.word:
                continue
            run = reading.tokens[at : at + len(words)]
            stems = frozenset(run_token.stem for run_token in run)
            denied = len(words) == 1 and _denies(token.stem, next(iter(words)))
            if stems == words or denied:
                expected = (not denied) is not reading.is_negated(at)
                reading.mark(at, at + len(run) if not denied else at + 1)
                yield _flag(path, expected)
                break


def _denies(word: str, field: str) -> bool:
    return _OPPOSITES.get(field) == word or any(word == f"{start}{field}" for start in _DENYING)


def _flag(path: str, expected: bool) -> Condition:
    text = f"{field_words(path)} {'yes' if expected else 'no'}"
    return Condition(path=path, text=text, holds=lambda cell: (cell is True) is expected)


def absence_conditions(reading: QuestionReading) -> Iterator[Condition]:
    """Yield conditions that a field is empty or not: without an owner, unassigned, that have a description."""
    for at, token in enumerate(reading.tokens):
        absent = token.lower in ("without", "no", "missing", "lacking", "empty")
        if at in reading.understood or not token.word:
            continue
        if not absent and token.lower not in _OPENINGS:
            if path := _negated_field(reading, token.lower):
                reading.mark(at, at + 1)
                yield _absence(path, not reading.is_negated(at))
            continue
        first = at + 1
        while first < len(reading.tokens) and reading.tokens[first].lower in ("a", "an", "any", "the"):
            first += 1
        path, last = find_field(reading, first)
        if not path or reading.fields.is_flag(path):
            continue
        has_empty = any(is_empty(cell) or cell == 0 for cell in reading.fields.values(path))
        ends = last >= len(reading.tokens) or reading.tokens[last].lower in _ENDS
        counts = reading.fields.is_numeric(path) and not reading.fields.is_temporal(path)
        if ends and (absent or (has_empty and (first > at + 1 or counts))):
            reading.mark(at - (at > 0 and reading.tokens[at - 1].lower in _OPENINGS), last)
            yield _absence(path, absent)


def _negated_field(reading: QuestionReading, word: str) -> str:
    """Return the field that is empty by a word such as `unassigned`: `assignee`; "" for none."""
    verb = stem(word.removeprefix("un"))
    if not word.startswith("un") or len(verb) < _SHORTEST_VERB:
        return ""
    paths = (path for path in reading.fields.paths if not reading.fields.is_flag(path))
    return next((path for path in paths if name_words(path.rpartition(".")[2])[0].startswith(verb)), "")


def _absence(path: str, none: bool) -> Condition:
    text = f"{'no ' if none else ''}{field_words(path)}"
    return Condition(path=path, text=text, holds=lambda cell: (is_empty(cell) or cell == 0) is none)


def event_conditions(reading: QuestionReading) -> Iterator[Condition]:
    """Yield conditions on events that happened to some of the items: merged, of a field `merged_at`."""
    for path in reading.fields.paths:
        words = name_words(path.rpartition(".")[2])
        happened = len(words) == 2 and words[0].endswith("ed") and words[1] in ("at", "on", "date", "time")
        if not happened or not any(map(is_empty, reading.fields.values(path))):
            continue
        for at, token in enumerate(reading.tokens):
            if at not in reading.understood and token.lower.removeprefix("un") == words[0]:
                none = token.lower.startswith("un") is not reading.is_negated(at)
                reading.mark(at, at + 1)
                yield _absence(path, none)


def find_field(reading: QuestionReading, first: int) -> tuple[str, int]:
    """Return the field with the longest name that the free tokens from `first` on are, and the end of the name."""
    for last in range(min(first + 3, len(reading.tokens)), first, -1):
        words = [token.stem for token in reading.tokens[first:last]]
        if reading.is_free(first, last) and not set(words) <= reading.noun and (path := reading.fields.path_of(words)):
            return path, last
    return "", first


def text_conditions(reading: QuestionReading) -> Iterator[Condition]:
    """Yield conditions on a part of a text: name contains web, title starting with Draft."""
    for at in range(len(reading.tokens)):
        for verb, test in _CONTAINS.items():
            last = at + len(verb)
            if (
                reading.sentence.stems[at:last] != verb
                or last >= len(reading.tokens)
                or not reading.is_free(at, last + 1)
            ):
                continue
            if reading.tokens[last].lower in STOPWORDS or reading.tokens[at].stem in reading.noun:
                continue
            path = _field_before(reading, at) or next(iter(reading.fields.paths), "")
            quotation = next(
                (
                    mention
                    for mention in reading.sentence.mentions
                    if mention.first == last and mention.kind is MentionKind.QUOTED
                ),
                None,
            )
            part = quotation.text if quotation is not None else reading.tokens[last].text
            denied = reading.is_negated(at)
            reading.mark(at, quotation.last if quotation is not None else last + 1)
            yield _part(path, reading.text(at, last), part, test, denied=denied)


def text_in_field_conditions(reading: QuestionReading) -> Iterator[Condition]:
    """Yield conditions on a part of a text before its field: 'web' in the name."""
    for at, token in enumerate(reading.tokens):
        first = at + 1
        if token.lower != "in" or at == 0 or not reading.is_free(at - 1, at + 1):
            continue
        while first < len(reading.tokens) and reading.tokens[first].lower in ("the", "its", "their"):
            first += 1
        path, last = find_field(reading, first)
        quotation = next(
            (
                mention
                for mention in reading.sentence.mentions
                if mention.last == at and mention.kind is MentionKind.QUOTED
            ),
            None,
        )
        if path and first > at + 1 and (quotation is not None or reading.tokens[at - 1].lower not in STOPWORDS):
            start = quotation.first if quotation is not None else at - 1
            part = quotation.text if quotation is not None else reading.tokens[at - 1].text
            reading.mark(start, last)
            yield _part(path, "contains", part, str.__contains__, denied=reading.is_negated(start))


def _field_before(reading: QuestionReading, at: int) -> str:
    for first in range(max(0, at - 3), at):
        path, last = find_field(reading, first)
        if path and last == at:
            reading.mark(first - (first > 0 and reading.tokens[first - 1].lower in _OPENINGS), at)
            return path
    return ""


def _part(path: str, verb: str, part: str, test: Callable[[str, str], bool], *, denied: bool) -> Condition:
    lower = part.lower()
    return Condition(
        path=path,
        text=f"{field_words(path)} {'not ' if denied else ''}{verb} {part}",
        holds=lambda cell: any(test(text.lower(), lower) for text in texts_of(cell)) is not denied,
    )


def unknown_value_conditions(reading: QuestionReading) -> Iterator[Condition]:
    """Yield conditions on values that no item has, where `is` or `with` sets them: severity is blue."""
    for at in range(len(reading.tokens)):
        path, last = find_field(reading, at)
        if not path or reading.fields.is_numeric(path) or reading.fields.is_temporal(path):
            continue
        opened = at > 0 and reading.tokens[at - 1].lower in _OPENINGS
        after = last
        while after < len(reading.tokens) and reading.tokens[after].lower in (*_LINKS, "not"):
            after += 1
        if after >= len(reading.tokens) or not (after > last or opened) or not reading.is_free(after, after + 1):
            continue
        token = reading.tokens[after]
        if not token.word or token.lower in STOPWORDS or reading.fields.path_of([token.stem]):
            continue
        quotation = next(
            (
                mention
                for mention in reading.sentence.mentions
                if mention.first == after and mention.kind is MentionKind.QUOTED
            ),
            None,
        )
        denied = any(mention.lower == "not" for mention in reading.tokens[last:after])
        reading.mark(at - opened, quotation.last if quotation is not None else after + 1)
        yield value_condition(path, (quotation.text if quotation is not None else token.text,), denied=denied)


_LONGEST_RUN = 6  # tokens of a value of several words
_LONGEST_VALUE = 60  # characters: longer texts are descriptions that no question quotes
_SHORTEST_ID = 5  # figures from which a number in a question may be an id

_CATEGORIES = stems("planner/answering/words", "categories")
_BETWEEN = words("planner/answering/words", "alternatives")
_STATE_WORDS = words("planner/answering/words", "state_words")
_WRITTEN = (MentionKind.NAME, MentionKind.QUOTED, MentionKind.LITERAL, MentionKind.TITLE)
_NAMING = stems("planner/answering/words", "naming")


@dataclass(frozen=True, slots=True)
class _Match:
    first: int
    last: int
    path: str
    values: tuple[str, ...]


def value_conditions(reading: QuestionReading) -> Iterator[Condition]:
    """Yield the conditions that name values of fields, and mark their words as understood."""
    yield from text_conditions(reading)
    yield from text_in_field_conditions(reading)
    matches = list(_matches(reading))
    for match in _alternatives(reading, matches):
        denied = reading.is_negated(match.first)
        yield value_condition(match.path, match.values, denied=denied)
    yield from absence_conditions(reading)
    yield from flag_conditions(reading)
    yield from event_conditions(reading)
    yield from unknown_value_conditions(reading)


def mention_conditions(reading: QuestionReading, operation_stems: Collection[str]) -> Iterator[Condition]:
    """Yield conditions for names, codes and quotations that are the value of no field: any field may mention them.

    `operation_stems` are the stems of the names of the operation and its API.
    """
    for mention in reading.sentence.mentions:
        stems = [token.stem for token in reading.tokens[mention.first : mention.last]]
        if (
            mention.kind not in _WRITTEN
            or mention.form in ALTERNATIVE_FORMS
            or not reading.is_free(mention.first, mention.last)
        ):
            continue
        if mention.kind is MentionKind.NAME and (
            mention.text.isupper()
            or any(word_stem in operation_stems or word_stem in FILLER_STEMS for word_stem in stems)
        ):
            continue
        verb, _ = reading.verb_before(mention.first)
        if reading.fields.path_of(stems) or (verb and verb not in _NAMING):
            continue  # tagged 'spring' limits the tags, not any field
        denied = reading.is_negated(mention.first)
        reading.mark(mention.first, mention.last)
        yield _mention(mention.text, denied=denied)


def _mention(text: str, *, denied: bool) -> Condition:
    lower = text.lower()

    def holds(row: Mapping[str, object]) -> bool:
        return any(lower in str(cell).lower() for cell in row.values()) is not denied

    return Condition(path="", text=f"{'no ' if denied else ''}{text} in any field", holds=holds)


def _index(reading: QuestionReading) -> Mapping[tuple[str, ...], list[tuple[str, str]]]:
    """Return the fields that have a value, with the value, by the words of it, for values that share a word."""
    words = {form for word in split_words(reading.sentence.text) for form in (word, singular(word))}
    shares = re.compile("|".join(map(re.escape, sorted(words))) or "$^")
    index: dict[tuple[str, ...], dict[tuple[str, str], None]] = {}
    for path in reading.fields.paths:
        texts = {text for texts in reading.fields.texts(path) for text in texts if len(text) <= _LONGEST_VALUE}
        for text in (*sorted(filter(lambda text: shares.search(text.lower()), texts)), *reading.fields.choices(path)):
            for key in {tuple(split_words(text)), tuple(map(singular, split_words(text)))}:
                index.setdefault(key, {})[path, text] = None
    return {key: list(pairs) for key, pairs in index.items() if key}


def _matches(reading: QuestionReading) -> Iterator[_Match]:
    index = _index(reading)
    at = 0
    while at < len(reading.tokens):
        match = next(
            (
                candidate
                for last in range(min(at + _LONGEST_RUN, len(reading.tokens)), at, -1)
                if reading.is_free(at, last) and (candidate := _match(reading, index, at, last)) is not None
            ),
            None,
        )
        if match is None:
            at += 1
            continue
        reading.mark(match.first, match.last)
        reading.field_beside(match.first, match.last, (match.path,))
        yield match
        at = match.last


def _match(
    reading: QuestionReading, index: Mapping[tuple[str, ...], list[tuple[str, str]]], first: int, last: int
) -> _Match | None:
    """Return the value that is a run of tokens, in the likeliest field; None for none."""
    mention = reading.mention_of(first, last)
    if mention is None and reading.is_quoted(first, last):
        return None
    text = mention.text if mention is not None and mention.kind is MentionKind.QUOTED else reading.text(first, last)
    bare = text.lower().removeprefix("non-")
    words = tuple(split_words(bare))
    if not words or (mention is None and all(word in STOPWORDS or _is_amount(word) for word in words)):
        return None
    special = mention is not None or not all(part.isalpha() for part in bare.split())
    state = text.lower() in _STATE_WORDS and singular(text.lower()) not in reading.noun
    if last - first == 1 and reading.tokens[first].stem in reading.noun and not special and not state:
        return None  # the noun of the list (runs) is no value; that they are running is a state
    pairs = index.get(words) or index.get(tuple(map(singular, words))) or []
    named_path = reading.field_beside(first, last, dict.fromkeys(path for path, _ in pairs))
    fitting = [
        (path, value)
        for path, value in pairs
        if special or path == named_path or _is_category(reading.fields, path, value)
    ]
    if not fitting and last - first == 1 and reading.tokens[first].lower in _STATE_WORDS:
        fitting = list(_synonymous(reading.fields, reading.tokens[first].stem))
    if not fitting:
        return None
    paths = dict.fromkeys(path for path, _ in fitting)
    beside = reading.field_beside(first, last, paths)
    if not special and not beside and all(token.stem in FILLER_STEMS for token in reading.tokens[first:last]):
        return None  # the full list has no type `full`
    verb, start = reading.verb_before(first)
    verb_paths = [
        path for path in paths if verb and any(word.startswith(verb) for word in split_words(path.rpartition(".")[2]))
    ]
    order = {path: at for at, path in enumerate(reading.fields.paths)}
    path, _ = min(
        fitting,
        key=lambda pair: (pair[0] != beside, pair[0] not in verb_paths, pair[1].lower() != bare, order[pair[0]]),
    )
    values = tuple(dict.fromkeys(value for pair_path, value in fitting if pair_path == path))
    if verb and path not in verb_paths and verb not in _NAMING and not reading.fields.names.isdisjoint(values):
        return None  # tagged 'spring' is not the item with the name Spring
    reading.mark(start, first)
    if bare != text.lower():
        others = {cell_text for texts in reading.fields.texts(path) for cell_text in texts} - set(values)
        values = tuple(sorted(others)) or values
    return _Match(first, last, path, values)


def _is_amount(word: str) -> bool:
    """Return whether figures are an amount rather than an id."""
    return word.isdecimal() and len(word) < _SHORTEST_ID


def _is_category(fields: RowFields, path: str, value: str) -> bool:
    """Return whether a plain word may mean a value: it is no name of an item, nor of one of its parts."""
    if value in fields.names:
        return False
    parts = any(
        isinstance(cell, list) and any(isinstance(entry, Mapping) for entry in cell) for cell in fields.values(path)
    )
    if parts and stem(path.rpartition(".")[2].lower()) not in _CATEGORIES:
        return False
    texts = [text for texts in fields.texts(path) for text in texts]
    repeated = len(set(texts)) < len(texts) or value in fields.choices(path)
    return repeated or label_rank(path) is not None or value.isalpha()


def _synonymous(fields: RowFields, word: str) -> Iterator[tuple[str, str]]:
    """Yield the values of states that a word is a synonym of: `running` is ACTIVE."""
    for path in fields.paths:
        if label_rank(path) is None:
            continue
        texts = {text for texts in fields.texts(path) for text in texts} | set(fields.choices(path))
        for text in sorted(texts):
            words = [stem(piece) for piece in split_words(text)]
            if words and len(words) <= 2 and all(word in SYNONYMS.get(text_stem, ()) for text_stem in words):
                yield path, text


def _alternatives(reading: QuestionReading, matches: Sequence[_Match]) -> Iterator[_Match]:
    """Yield the matches, where those in a row for the same field are one: open or pending."""
    row: list[_Match] = []
    for match in (*matches, None):
        if match is not None and row and _is_alternative(reading, row[-1], match):
            row.append(match)
            reading.mark(row[-2].last, match.first)
            continue
        if row:
            values = tuple(dict.fromkeys(value for member in row for value in member.values))
            yield _Match(row[0].first, row[-1].last, row[0].path, values)
        row = [match] if match is not None else []


def _is_alternative(reading: QuestionReading, previous: _Match, following: _Match) -> bool:
    between = reading.tokens[previous.last : following.first]
    return previous.path == following.path and bool(between) and all(token.lower in _BETWEEN for token in between)
