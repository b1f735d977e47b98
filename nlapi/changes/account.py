"""Gives every word of a sentence exactly one use: in a value, in the operation, in the answer, or none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from nlapi.changes.sentences import (
    INFORMATION_WORDS,
    Case,
    CommandWord,
    SentenceWord,
    UserSentence,
    build_case,
    description_of,
    leads_value,
)
from nlapi.client.credential_texts import mask_credential_texts
from nlapi.english import lexicon
from nlapi.english.command_verbs import TAKING_PARTICLES, UPDATE_VERBS, is_taken_out, is_verb
from nlapi.english.intents import STOPWORDS, VERBS, Intent
from nlapi.english.word_similarity import SYNONYMS
from nlapi.english.words import singular, split_words, stem, stems_of
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import Effect
from nlapi.reading.clauses import CLAUSE_START
from nlapi.resources.answers import answer_words
from nlapi.tools.quantities.units import RATES
from nlapi.tools.tool import Account, Call, Origin, ValueSource

Span = tuple[int, int]

_SENTENCE_END = lazy_pattern(r"[.;:!\n]")
_DAY = lazy_pattern(r"\d{4}-\d\d-\d\d")
# Words about a day that an argument takes: the due [date].
_DAY_WORDS = lexicon.words("changes/words", "day_words")
_PERIODS = lexicon.table("changes/words", "periods")
# Words that change nothing in the meaning of a command.
_FILLER = lexicon.words("changes/words", "filler")


class UseKind(StrEnum):
    """What a word of a sentence is used for."""

    SLOT = "slot"
    """a part of the value of an argument, or its unit"""
    THING = "thing"
    """a part of the words that an item was looked up by"""
    OPERATION = "operation"
    """a word of the operation's names, of its verb or of its arguments"""
    ANSWER = "answer"
    """a word of the fields or the choices of the answer, which is not one of the rows"""
    IDLE = "idle"
    """a word without a meaning of its own here"""
    LEFT = "left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """The one use of a word; `target` is the argument or the operation that it is for, "" if none exists."""

    word: CommandWord
    kind: UseKind
    target: str = ""


def uses_of(case: Case) -> tuple[Use, ...]:
    """Return the use of each word of a sentence, in order."""
    start = case.first.start if case.first is not None else 0
    command = {word.start for word in case.command_words} - {word.start for word in case.unused_words}
    days = _DAY_WORDS if _has_day(case) else frozenset()
    particles = TAKING_PARTICLES if is_taken_out([word.lower for word in case.command_words]) else frozenset()
    pairs = (
        pair for pair in pairwise(word.lower for word in case.words) if stem("".join(pair)) in case.operation_stems
    )
    # `charge station` is the name of an argument that has it as one word.
    explained = case.operation_stems.union(days, particles, *pairs, *_described_stems(case))
    return tuple(_use(case, word, explained, start, command) for word in case.words)


def _described_stems(case: Case) -> Iterator[frozenset[str]]:
    """Yield the stems of the first sentence about each field that a change sets: formatted as ext4."""
    for source in case.account.sources if not case.deletes else ():
        if case.location(source) == "body" and source.words:
            yield stems_of(_SENTENCE_END.split(description_of(case.call, source.argument))[0])


def _use(case: Case, word: CommandWord, explained: frozenset[str], start: int, command: set[int]) -> Use:
    if (source := next((entry for entry in case.account.sources if _holds(entry, word)), None)) is not None:
        kind = UseKind.THING if source.origin is Origin.LOOKUP else UseKind.SLOT
        return Use(word=word, kind=kind, target=source.argument)
    if word.start < start or word.lower in _FILLER or not word.stems:
        return Use(word=word, kind=UseKind.IDLE)
    if (argument := _measured_argument(case, word)) is not None:
        return Use(word=word, kind=UseKind.SLOT, target=argument)
    if (argument := _argument_before(case, word.start, word.end)) is not None:
        return Use(word=word, kind=UseKind.SLOT, target=argument)
    if leads_value(case, word.mention):
        return Use(word=word, kind=UseKind.OPERATION, target=case.operation.id)
    if word.start in command or _sets_value(case, word) or word.lower in explained or _is_synonymous(word, explained):
        return Use(word=word, kind=UseKind.OPERATION, target=case.operation.id)
    if case.operation.effect is Effect.READ and _is_synonymous(word, answer_words(case.operation).all):
        return Use(word=word, kind=UseKind.ANSWER, target=case.operation.id)
    return Use(word=word, kind=UseKind.LEFT)


def _sets_value(case: Case, word: CommandWord) -> bool:
    """Return whether a verb only leads to a value of the change: device 5: [set] its name to Eve."""
    behind = (source for source in case.account.sources if source.start >= word.end and case.location(source) == "body")
    is_update = case.command in UPDATE_VERBS and not case.deletes
    return is_update and not UPDATE_VERBS.isdisjoint(word.stems) and next(behind, None) is not None


def _holds(source: ValueSource, word: CommandWord) -> bool:
    return 0 <= source.start < source.end and source.start < word.end and word.start < source.end


def _is_synonymous(word: CommandWord, stems: frozenset[str]) -> bool:
    """Return whether each part of a word is one of `stems`, or a synonym of one."""
    return all(entry in stems or not SYNONYMS.get(entry, frozenset()).isdisjoint(stems) for entry in word.stems)


def check_left(case: Case) -> Iterator[str]:
    """Yield the words that have no use, and the values that the planner reports as unused.

    A model understands more than words, so that of its sentences only the values count.
    """
    leftover = () if case.account.traced else tuple(use.word for use in uses_of(case) if use.kind is UseKind.LEFT)
    if leftover:
        yield f"not used: {', '.join(word.text for word in leftover)}"
    stated = {
        word.text for word in (*leftover, *case.unused_words) if word in leftover or _measured_argument(case, word)
    }
    unused = [text for text in case.account.unused if text not in stated and not _is_value_before(case, text)]
    if unused:
        yield f"not used: {', '.join(unused)}"


def _argument_before(case: Case, start: int, end: int) -> str | None:
    """Return the argument that an update sets, and of which the characters of a sentence are the value before; None
    where they are not.
    """
    change = next((entry for entry in case.value_changes if entry.has_old(start, end)), None)
    if change is None or case.deletes:
        return None
    body = (source for source in case.account.sources if source.words and case.location(source) != "path")
    return next((source.argument for source in body if change.begins_new(source.start)), None)


def _is_value_before(case: Case, text: str) -> bool:
    start = case.text.find(text)
    return start >= 0 and _argument_before(case, start, start + len(text)) is not None


def left_words(call: Call, account: Account) -> tuple[str, ...]:
    """Return the words of a sentence without a use; of a read, and of a model's call, only the values and commands.

    The other words of a read may be about its answer.
    """
    if account.traced or call.effect is Effect.READ:
        return account.unused
    case = build_case(call, account, account.sentence)
    words = tuple(use.word.text for use in uses_of(case) if use.kind is UseKind.LEFT)
    return tuple(mask_credential_texts(word, account.sentence) for word in words)


def _measured_argument(case: Case, word: CommandWord) -> str | None:
    """Return the argument whose number has a word as its unit or its period; None for no such word."""
    if word.is_used:
        return None
    if _is_period(case, word):
        return ""
    amounts = (entry for entry in _amounts(case) if _is_counted(case, word, entry))
    return next((source.argument for source in amounts), None)


def _is_period(case: Case, word: CommandWord) -> bool:
    """Return whether a word is a period that an argument or its value has too: $50 a [day] as a daily budget."""
    adverb = _PERIODS.get(word.lower)
    if adverb is None:
        return False
    values = {
        piece for source in case.account.sources if isinstance(source.value, str) for piece in split_words(source.value)
    }
    return adverb in values or stem(adverb) in case.operation_stems


def _has_day(case: Case) -> bool:
    return any(isinstance(source.value, str) and _DAY.match(source.value) for source in case.account.sources)


def _amounts(case: Case) -> Iterator[ValueSource]:
    """Yield the sources of numbers that stand in the sentence."""
    numbers = (source for source in case.account.sources if isinstance(source.value, int | float))
    yield from (source for source in numbers if not isinstance(source.value, bool) and 0 <= source.start < source.end)


def _is_counted(case: Case, word: CommandWord, source: ValueSource) -> bool:
    """Return whether a word is one of those right behind a number that its argument is described with: 8 [calls] in
    [flight].
    """
    described = stems_of(description_of(case.call, source.argument))
    for entry in case.words:
        if entry.start < source.end or entry.lower in _FILLER:
            continue
        if described.isdisjoint(RATES.get(entry.lower, entry.stems)):
            return False
        if entry is word:
            return True
    return False


def unused_values(
    sentence: UserSentence,
    call: Call,
    clauses: Sequence[Span],
    used_sources: Iterable[ValueSource],
    call_sources: Iterable[ValueSource],
) -> tuple[str, ...]:
    """Return the quoted texts, numbers, ids and names that no source in `used_sources` has, as they are written.

    Of the `clauses` that begin with their own verb, one of which `call_sources` have no word is another change
    with its own values.
    """
    spans = [(source.start, source.end) for source in used_sources if source.start >= 0]
    call_spans = [(source.start, source.end) for source in call_sources if source.start >= 0]
    call_stems = _call_stems(call)
    unrelated_clauses: Sequence[Span] = ()
    if overlaps_any(clauses[0], call_spans):
        unrelated_clauses = [span for span in clauses[1:] if not overlaps_any(span, call_spans)]
    elif call_spans and len(clauses) > 1:
        unrelated_clauses = clauses[:1]
    unused = []
    for index, word in enumerate(sentence.words):
        if overlaps_any((word.start, word.end), spans) or overlaps_any((word.start, word.end), unrelated_clauses):
            continue
        if _is_value_word(word, index, call_stems):
            unused.append(word.text)
    return tuple(dict.fromkeys(unused))


def _is_value_word(word: SentenceWord, index: int, call_stems: frozenset[str]) -> bool:
    """Return whether a word is a value: quoted, with a figure in it, or written as a name."""
    if word.is_quoted:
        return any(map(str.isalnum, word.text))
    lower = word.text.lower().removesuffix("'s")
    if any(map(str.isdigit, lower)):
        return True
    if lower in STOPWORDS or not any(map(str.isalpha, lower)):
        return False
    if re.search(r"\w[@/:._-]\w", word.text) or word.text[0] in "#@":
        return not stems_of(lower) <= call_stems
    stems = stems_of(lower)
    # A capital at the start of a sentence, or of the verb behind `Please`, is not a mark of a name.
    is_name = word.text[:1].isupper() and index > 0 and word.text not in ("I", "API", "PM", "AM")
    return is_name and not stems <= call_stems and not (is_verb(stem(lower)) and index <= 1)


def _call_stems(call: Call) -> frozenset[str]:
    """Return the stems of the names of the operation, its API and its arguments."""
    operation = call.tool.operation
    names = (operation.id, operation.summary, operation.path, *operation.tags, operation.spec.title, *call.tool.places)
    words = {piece for name in names for piece in split_words(name)}
    return frozenset(stem(form) for word in words for form in (word, singular(word)))


def overlaps_any(span: Span, spans: Iterable[Span]) -> bool:
    """Return whether a span has a character of any of the others."""
    return any(start < span[1] and span[0] < end for start, end in spans)


_POINTING_VERB = lexicon.pattern("changes/words", "pointing_verb", re.IGNORECASE)


def dropped_commands(text: str, spans: Sequence[Span]) -> tuple[str, ...]:
    """Return the clauses behind the first that command something, of which no value in `spans` is a part.

    A verb that is about the answer (sort them, count them) commands nothing.
    """
    starts = [match for match in CLAUSE_START.finditer(text) if _commands(match[1].lower(), text[match.end() :])]
    ends = [*(match.start() for match in starts[1:]), len(text)]
    clauses = [(match.end(), end) for match, end in zip(starts, ends, strict=False)]
    return tuple(text[start:end].strip(" .!?") for start, end in clauses if not overlaps_any((start, end), spans))


def _commands(verb: str, clause: str) -> bool:
    if VERBS.get(stem(verb)) is Intent.READ or verb in INFORMATION_WORDS:
        return False
    return is_verb(stem(verb)) or _POINTING_VERB.match(clause) is not None
