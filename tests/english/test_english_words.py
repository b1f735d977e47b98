"""Splitting, stemming and sorting of words."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nlapi.english.intents import Intent, intents
from nlapi.english.words import singular, split_words, stem
from tests.tables import table


@table(
    ("identifier", "words"),
    [
        ("getAdSetById", "get ad set by id"),
        ("list_ad-sets", "list ad sets"),
        ("HTTPServerError", "http server error"),
        ("userIDs", "user ids"),
        ("v2Items3", "v 2 items 3"),
        ("Über die Äpfel", "über die äpfel"),
    ],
)
def test_identifiers_are_split(identifier: str, words: str) -> None:
    assert " ".join(split_words(identifier)) == words


@table(
    "forms",
    [
        "create creates created creating creation",
        "pause paused pausing pauses",
        "active activate activated activation",
        "archive archived archiving",
        "campaign campaigns",
        "category categories",
        "address addresses",
        "status statuses",
        "validate validated validation",
        "delete deleted deleting deletion",
        "stop stopped stopping",
        "notify notification notifications",
        "child children",
        "shelf shelves",
        "ad ads",
    ],
)
def test_forms_of_a_word_have_one_stem(forms: str) -> None:
    assert len({stem(form) for form in forms.split()}) == 1


def test_different_words_keep_different_stems() -> None:
    words = "create update delete user use status state active action ad add asset account".split()
    assert len({stem(word) for word in words}) == len(words)


def test_singular_words_stay() -> None:
    assert [singular(word) for word in ("status", "address", "analysis", "bus")] == [
        "status",
        "address",
        "analysis",
        "bus",
    ]


def test_the_first_verb_says_most_of_what_is_wanted() -> None:
    wanted = intents(map(stem, "please delete what I created".split()))
    assert max(wanted, key=lambda intent: wanted[intent]) is Intent.DELETE


@given(st.text(max_size=40))
def test_stemming_never_lengthens_nor_fails(word: str) -> None:
    assert len(stem(word.lower())) <= len(word.lower()) + 1
