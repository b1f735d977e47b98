"""The mood of a sentence, what narrows its command, and where its clauses begin."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nlapi.reading.clauses import (
    CONDITIONS,
    NEGATIONS,
    QUESTION,
    Mood,
    ScopeKind,
    find_moods,
    find_scopes,
    opening_length,
    split_clauses,
)
from tests.tables import table


@table(
    ("text", "words"),
    [
        ("pause all campaigns except Summer Sale", ["except"]),
        ("don't delete it", ["don't"]),
        ("archive everything other than the drafts", ["other than"]),
        ("delete the report without asking", ["without"]),
        ("pause the campaign", []),
        ("rename the notebook", []),
    ],
)
def test_negations_are_found(text: str, words: list[str]) -> None:
    assert [scope.words for scope in find_scopes(text, NEGATIONS)] == words


@table(
    ("text", "words"),
    [
        ("stop the server if it is idle", ["if"]),
        ("delete the files older than 5 days", ["older than"]),
        ("restart it as soon as possible", ["as soon as"]),
        ("use the provided name", []),
        ("close the provided ticket", []),
    ],
)
def test_conditions_are_found(text: str, words: list[str]) -> None:
    assert [scope.words for scope in find_scopes(text, CONDITIONS)] == words


def test_a_kind_of_scope_has_its_own_words() -> None:
    text = "do not stop it unless it is idle"
    assert [scope.words for scope in find_scopes(text, (ScopeKind.NOT,))] == ["not"]
    assert [scope.words for scope in find_scopes(text, (ScopeKind.IF,))] == ["unless"]


@table(
    ("text", "is_question"),
    [
        ("should I delete it?", True),
        ("is the zone active", True),
        ("ok, what happens if I stop it", True),
        ("can you delete it", False),
        ("do the backup of server 5", False),
        ("delete the zone", False),
    ],
)
def test_a_question_is_no_command(text: str, is_question: bool) -> None:
    assert (QUESTION.search(text) is not None) is is_question


def test_moods_are_told_apart() -> None:
    assert [cue.words for cue in find_moods("it should always be on", (Mood.WISH,))] == ["should"]
    assert [cue.words for cue in find_moods("it should always be on", (Mood.HABIT,))] == ["always"]


@given(st.text(max_size=200))
def test_an_opening_is_a_part_of_the_text(text: str) -> None:
    assert 0 <= opening_length(text) <= len(text)


@given(st.text(max_size=200))
def test_clauses_are_the_whole_text_in_order(text: str) -> None:
    assert "".join(text[start:end] for start, end in split_clauses(text)) == text


@given(st.text(max_size=200))
def test_a_scope_is_the_text_at_its_position(text: str) -> None:
    for scope in find_scopes(text, tuple(ScopeKind)):
        assert text[scope.start : scope.end] == scope.words
