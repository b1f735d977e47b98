"""Every recogniser of sentences on phrases of users: tests/reading/phrases/RECOGNISER.toml."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path

import pytest

from nlapi.english.words import stem
from nlapi.planner.commands import read_command
from nlapi.reading.clauses import opening_length
from nlapi.reading.dates import DateValue, find_dates
from nlapi.reading.gazetteer import full_name
from nlapi.reading.names import find_slugs, names_behind_noun, names_behind_preposition
from nlapi.reading.numbers import NumberKind, ParsedNumber, find_numbers, find_ordinals, unit_of_mention
from nlapi.reading.question_intent import read_intent
from nlapi.reading.reader import read_sentence
from nlapi.reading.text import MentionKind, Sentence, tokenize
from tests.tables import table

FOLDER = Path(__file__).parent / "phrases"
NOW = datetime(2026, 5, 13, 15, 30, tzinfo=UTC)
API_VERBS = frozenset(map(stem, "create delete cancel restart update enable disable start restore approve".split()))


def dates(phrase: str) -> str:
    return "; ".join(_moment(moment.value) for moment in find_dates(phrase, NOW))


def _moment(value: DateValue) -> str:
    if isinstance(value, tuple):
        return f"{value[0]}..{value[1]}"
    if isinstance(value, datetime | time):
        return value.isoformat("minutes") if isinstance(value, time) else value.isoformat(timespec="minutes")
    return str(value)


def numbers(phrase: str) -> str:
    return "; ".join(map(_amount, find_numbers(phrase)))


def _amount(number: ParsedNumber) -> str:
    unit = "%" if number.kind is NumberKind.PERCENT else number.currency
    return f"{_figures(number.value)} {unit}".strip()


def _figures(value: float) -> str:
    return f"{value:.9f}".rstrip("0").rstrip(".")


def measures(phrase: str) -> str:
    sentence = _sentence(phrase)
    units = ((mention.value, unit_of_mention(sentence, mention)) for mention in sentence.mentions)
    return "; ".join(f"{_figures(value * unit.factor)} {unit.dimension}" for value, unit in units if unit is not None)


def codes(phrase: str) -> str:
    return "; ".join(f"{one.form} {one.text}" for one in _sentence(phrase).mentions if one.kind is MentionKind.LITERAL)


def names(phrase: str) -> str:
    sentence, first, last = _marked(phrase)
    found = names_behind_noun(sentence, sentence.stems[first:last]) if last else _without_noun(sentence)
    return "; ".join(
        dict.fromkeys(f"{sentence.tokens[name.at].text}{'!' if name.is_certain else ''}" for name in found)
    )


def _without_noun(sentence: Sentence) -> Iterator:
    yield from find_slugs(sentence)
    yield from names_behind_preposition(sentence)


def ordinals(phrase: str) -> str:
    sentence, first, last = _marked(phrase)
    return "; ".join(text for text, _, _ in find_ordinals(sentence, first, last - first))


def question_intent(phrase: str) -> str:
    intent = read_intent(phrase)
    parts: list[str] = [intent.kind.value]
    parts += [f"count={intent.count}"] if intent.is_superlative and intent.count != 1 else []
    parts += [f"degree={intent.degree}"] if intent.degree else []
    parts += [f"by={intent.by}"] if intent.by else []
    parts += [f"first={intent.first}"] if intent.first else []
    if intent.order is not None:
        fields = [word for word in (*phrase.split(), "name") if stem(word.strip(",")) in intent.order.words]
        parts.append(f"order={' '.join(fields).strip(',')}{'-' if intent.order.descending else ''}")
    return " ".join(parts)


def commands(phrase: str) -> str:
    tokens = read_command(tokenize(phrase), opening_length(phrase), lambda: API_VERBS)
    return " ".join(token.lower for token in tokens)


def gazetteer(phrase: str) -> str:
    return full_name(phrase)


def _sentence(phrase: str) -> Sentence:
    return read_sentence(phrase, date(2026, 5, 13))


def _marked(phrase: str) -> tuple[Sentence, int, int]:
    """Return a phrase as a sentence, with the tokens of its noun, which stands between asterisks: the first *zone*."""
    before, _, rest = phrase.partition("*")
    sentence = _sentence(phrase.replace("*", ""))
    if not rest:
        return sentence, 0, 0
    start, end = len(before), len(before) + rest.index("*")
    at = [index for index, token in enumerate(sentence.tokens) if start <= token.start < end]
    return sentence, at[0], at[-1] + 1


RECOGNISERS: tuple[Callable[[str], str], ...] = (
    dates,
    numbers,
    measures,
    codes,
    names,
    ordinals,
    question_intent,
    commands,
    gazetteer,
)


def _cases() -> Iterator:
    for recogniser in RECOGNISERS:
        phrases = tomllib.loads((FOLDER / f"{recogniser.__name__}.toml").read_text(encoding="utf-8"))
        for phrase, expected in phrases.items():
            yield pytest.param(recogniser, phrase, expected, id=f"{recogniser.__name__}: {phrase}")


@table(("recogniser", "phrase", "expected"), list(_cases()))
def test_phrase_is_read(recogniser: Callable[[str], str], phrase: str, expected: str) -> None:
    assert recogniser(phrase) == expected


def test_a_live_name_is_not_cut_out_of_a_path() -> None:
    sentence = read_sentence("add the version v8 of ranker from ./models/v7", date(2026, 5, 13), names=("v7", "ranker"))
    assert [mention.text for mention in sentence.of_kind(MentionKind.LITERAL)] == ["ranker", "./models/v7"]
