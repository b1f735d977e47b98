"""Filters listed items by the conditions of a question that the request did not apply."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from nlapi.english import lexicon
from nlapi.english.intents import STOPWORDS, VERBS, Intent
from nlapi.english.lexicon import stems, words
from nlapi.english.words import name_words, singular, split_words, stem
from nlapi.openapi.spec import Operation
from nlapi.planner.answering.conditions import Condition, QuestionReading, bound_conditions
from nlapi.planner.answering.row_fields import RowFields, field_stems, field_words, join_words, texts_of, value_word
from nlapi.planner.slots.entities import ID_WORDS
from nlapi.reading.gazetteer import SYNONYMS
from nlapi.reading.numbers import find_numbers, is_compared
from nlapi.reading.question_intent import QuestionIntent
from nlapi.reading.reader import read_sentence
from nlapi.reading.text import ALTERNATIVE_FORMS, FILLER_STEMS, MentionKind, Token, foreign_language
from nlapi.resources.identity import Item, is_empty, label_rank
from nlapi.resources.nouns import noun_of
from nlapi.resources.paging import PageRole, page_parameters
from nlapi.tools.tool import Call

_ABSENT = lexicon.words("planner/answering/words", "absent")
_ANY = lexicon.words("planner/answering/words", "any_of")
_TIMES = lexicon.words("planner/answering/words", "time_ends")
_OWN = lexicon.words("planner/answering/words", "own")
_FLAG_WORDS = lexicon.words("planner/answering/words", "flag_words")

_SHORTEST_VERB = 5  # letters of a verb that the name of a field may begin with: `assign` of assignee
_OPPOSITES = dict(
    pair
    for word, opposite in (("public", "private"), ("open", "closed"), ("online", "offline"), ("enabled", "disabled"))
    for pair in ((stem(word), stem(opposite)), (stem(opposite), stem(word)))
)
_DENYING = lexicon.ordered("planner/answering/words", "denying")
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
        absent = token.lower in _ABSENT
        if at in reading.understood or not token.word:
            continue
        if not absent and token.lower not in _OPENINGS:
            if path := _negated_field(reading, token.lower):
                reading.mark(at, at + 1)
                yield _absence(path, not reading.is_negated(at))
            continue
        first = at + 1
        while first < len(reading.tokens) and reading.tokens[first].lower in _ANY:
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
        happened = len(words) == 2 and words[0].endswith("ed") and words[1] in _TIMES
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
            part, _, end = reading.part_at(last)
            denied = reading.is_negated(at)
            reading.mark(at, end)
            yield _part(path, reading.text(at, last), part, test, denied=denied)


def text_in_field_conditions(reading: QuestionReading) -> Iterator[Condition]:
    """Yield conditions on a part of a text before its field: 'web' in the name."""
    for at, token in enumerate(reading.tokens):
        first = at + 1
        if token.lower != "in" or at == 0 or not reading.is_free(at - 1, at + 1):
            continue
        while first < len(reading.tokens) and reading.tokens[first].lower in _OWN:
            first += 1
        path, last = find_field(reading, first)
        part, start, _ = reading.part_at(at - 1)
        if reading.tokens[at - 1].stem in reading.noun and not reading.is_quoted(start, at):
            continue  # instances in the region us-east
        if path and first > at + 1 and (reading.is_quoted(start, at) or part.lower() not in STOPWORDS):
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
        denied = any(mention.lower == "not" for mention in reading.tokens[last:after])
        value, _, end = reading.part_at(after)
        reading.mark(at - opened, end)
        yield value_condition(path, (value,), denied=denied)


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
        return None  # the noun of the list (runs) is not a value; that they are running is a state
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
    """Return whether a plain word may mean a value: it is not a name of an item, nor of one of its parts."""
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


# A little word at the end says a state: which servers are up?
_PREDICATES = lexicon.words("planner/answering/words", "predicates")
_COPULAS = lexicon.words("planner/answering/words", "copulas")

_INTRODUCING = words("planner/answering/words", "introducing")

_PER_TIME = lexicon.pattern("planner/answering/words", "per_time", re.IGNORECASE)
# Items that are asked for besides the rest limit nothing: including stopped ones, running or not.
_INCLUDED = lexicon.pattern("planner/answering/words", "included", re.IGNORECASE)
_AUXILIARY = lexicon.pattern("planner/answering/words", "auxiliary", re.IGNORECASE)
_SCALES = (1, 100, 1_000, 1_000_000)  # of units on the wire to those that people say: cents, milliseconds, micros


@dataclass(frozen=True, slots=True, kw_only=True)
class FilteredItems:
    """The items that a question is about. `unapplied` are texts of it that set a condition which was not applied.

    `fields` are those that it names without a condition on them, `requested` the places of the words that the request
    applied.
    """

    items: tuple[Item, ...]
    conditions: tuple[Condition, ...] = ()
    unapplied: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    requested: tuple[int, ...] = ()

    @property
    def text(self) -> str:
        """The conditions in words."""
        return " and ".join(condition.text for condition in self.conditions)


def filter_items(
    question: str,
    intent: QuestionIntent,
    fields: RowFields,
    call: Call,
    *,
    applied: Sequence[str],
    structural: Sequence[str],
    today: date,
) -> FilteredItems:
    """Return the items that a question is about.

    `applied` are texts of the question that the request or a look-up applied already, `taken` those that group, order
    or compare.
    """
    sentence = read_sentence(question, today)
    noun = frozenset(map(stem, noun_of(call.tool.operation)))
    reading = QuestionReading(sentence=sentence, fields=fields, noun=noun)
    for start, end in intent.spans:
        reading.mark_text(start, end)
    for text in structural:
        _mark_text(reading, text)
    others = set(reading.understood)
    for text in applied:
        _mark_text(reading, text)
    _mark_arguments(reading, call)
    requested = tuple(reading.tokens[at].start for at in sorted(reading.understood - others))
    for match in _INCLUDED.finditer(sentence.text):
        reading.mark_text(*match.span())
    conditions = (*_located(reading, bound_conditions(reading)), *_located(reading, value_conditions(reading)))
    if not foreign_language(sentence):
        mentions = mention_conditions(reading, operation_words(call.tool.operation))
        conditions = (*conditions, *_located(reading, mentions))
    rows = zip(fields.items, fields.rows, strict=True)
    items = tuple(item for item, row in rows if all(condition.holds_in(row) for condition in conditions))
    named_paths = tuple(_field_names(reading))
    unapplied = () if foreign_language(sentence) else tuple(_unapplied_texts(reading, call.tool.operation))
    return FilteredItems(
        items=items, conditions=conditions, unapplied=unapplied, fields=named_paths, requested=requested
    )


def _located(reading: QuestionReading, conditions: Iterable[Condition]) -> Iterator[Condition]:
    """Yield conditions with the place of the first word that each marks as understood."""
    before = set(reading.understood)
    for condition in conditions:
        marked = reading.understood - before
        yield replace(condition, start=reading.tokens[min(marked)].start) if marked else condition
        before = set(reading.understood)


def _mark_text(reading: QuestionReading, text: str) -> None:
    """Mark a text of the question, as it stands there or word by word."""
    at = reading.sentence.text.lower().find(text.lower()) if text else -1
    if at >= 0:
        reading.mark_text(at, at + len(text))
    elif text:
        reading.mark_words(split_words(text))


def _mark_arguments(reading: QuestionReading, call: Call) -> None:
    """Mark the values of the arguments of the request, and the words of their names."""
    names: set[str] = set()
    sizes = {parameter.name for parameter in page_parameters(call.tool.operation) if parameter.role is PageRole.SIZE}
    for name, value in _leaves(call.arguments):
        if value is True and _is_default(call, name):
            continue
        name_words = split_words(name.rpartition(".")[2])
        if stem(name_words[-1]) in ID_WORDS:
            reading.mark_words(name_words[:-1])
        names |= {stem(word) for word in name_words if word not in ("is", "has")}
        for entry in value if isinstance(value, list) else (value,):
            if isinstance(entry, bool):
                if any(cell is not entry for path in _flags(reading, name) for cell in reading.fields.values(path)):
                    # The items differ in a field of this name, so the argument did not filter by it.
                    reading.understood -= {at for at, token in enumerate(reading.tokens) if token.stem in names}
                    continue
                reading.mark_words([word for word in split_words(name) if word not in _FLAG_WORDS])
            elif isinstance(entry, int | float):
                _mark_number(reading, entry, is_size=call.tool.places.get(name, ("", name))[1] in sizes)
            elif isinstance(entry, str):
                _mark_value(reading, entry)
    for at, token in enumerate(reading.tokens):
        if token.stem in names and any(position in reading.understood for position in (at - 1, at + 1, at + 2)):
            reading.mark(at, at + 1)


def _flags(reading: QuestionReading, name: str) -> Iterator[str]:
    """Return the boolean fields of this name."""
    return (path for path in reading.fields.paths if path == name and reading.fields.is_flag(path))


def _is_default(call: Call, name: str) -> bool:
    """Return whether a flag is true by default, so that it does not narrow the request."""
    schema = call.tool.input_schema.get("properties", {}).get(name, {})
    return schema.get("default") is True


def _leaves(arguments: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name, value in arguments.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{inner}", inner_value) for inner, inner_value in _leaves(value))
        else:
            yield name, value


def _mark_number(reading: QuestionReading, amount: float, *, is_size: bool) -> None:
    """Mark the numbers that are an argument; no comparison is with the length of a page."""
    text = reading.sentence.text
    for number in find_numbers(text):
        if is_size and is_compared(text, number.start):
            continue
        if any(abs(number.value * scale - amount) < 1e-9 for scale in _SCALES):
            reading.mark_text(number.start, number.end)


def _mark_value(reading: QuestionReading, value: str) -> None:
    """Mark the words of a value, the days that it is, or its synonyms: `running` of ACTIVE."""
    for moment in reading.sentence.moments:
        days = moment.value if isinstance(moment.value, tuple) else (moment.value,)
        if any(str(day)[:10] in value for day in days):
            reading.mark_text(moment.start, moment.end)
    if reading.mark_words(split_words(value)) or not value:
        return
    value_stems = [stem(piece) for piece in split_words(value)]
    positions = [
        at
        for at, token in enumerate(reading.tokens)
        if any(token.stem in SYNONYMS.get(word, ()) for word in value_stems)
    ]
    # A value of more words is a text, whose single words are not synonyms of the question's.
    if value_stems and len(value_stems) <= 2:
        reading.understood.update(positions)


def _field_names(reading: QuestionReading) -> Iterator[str]:
    """Yield the fields that words not yet understood name: the name and the status of the zones."""
    at = 0
    while at < len(reading.tokens):
        path, last = find_field(reading, at) if reading.tokens[at].word else ("", at)
        if path and not all(_is_filler(reading, position) for position in range(at, last)):
            reading.mark(at, last)
            yield path
        at = max(last, at + 1)


def _unapplied_texts(reading: QuestionReading, operation: Operation) -> Iterator[str]:
    """Yield the texts of a question that nothing has understood, with the little words that lead to them."""
    named = operation_words(operation)
    for match in _AUXILIARY.finditer(reading.sentence.text):
        reading.mark_text(match.start(1), match.end(1))
    for match in _PER_TIME.finditer(reading.sentence.text):
        reading.mark_text(*match.span())
    ignored = [
        at in reading.understood
        or (not reading.is_quoted(at, at + 1) and (_is_mark(token) or token.stem in named or _is_filler(reading, at)))
        for at, token in enumerate(reading.tokens)
    ]
    first: int | None = None
    for at in range(len(reading.tokens) + 1):
        open_here = at < len(reading.tokens) and not ignored[at]
        if open_here and first is None:
            first = at
        elif not open_here and first is not None:
            while first > 0 and first - 1 not in reading.understood and reading.tokens[first - 1].lower in _INTRODUCING:
                first -= 1
            yield reading.text(first, at)
            first = None


def _is_mark(token: Token) -> bool:
    """Return whether a token is neither a word nor a number."""
    return not token.word and not any(map(str.isdigit, token.text))


def _is_filler(reading: QuestionReading, at: int) -> bool:
    """Return whether a word sets no condition: little words and verbs of reading."""
    token = reading.tokens[at]
    if any(
        mention.kind in (MentionKind.QUOTED, MentionKind.LITERAL) and mention.first <= at < mention.last
        for mention in reading.sentence.mentions
    ):
        return False
    after = reading.tokens[at + 1] if at + 1 < len(reading.tokens) else None
    if token.lower in _PREDICATES and at and reading.tokens[at - 1].lower in _COPULAS:
        return after is not None and after.word and after.lower not in ("and", "or")
    return token.lower in STOPWORDS or token.stem in FILLER_STEMS or VERBS.get(token.stem) is Intent.READ


def operation_words(operation: Operation) -> frozenset[str]:
    """Return the stems of the names of an operation, its summary, path and tags, and of its API."""
    texts = (operation.id, operation.summary, operation.path, operation.spec.title, *operation.tags)
    return frozenset(map(stem, (piece for text in texts for piece in split_words(text))))
