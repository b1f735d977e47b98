"""Words that are used alike, by the table that ships."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlapi.english.word_similarity import NEIGHBOURS, has_vector, neighbours, rarity, similarity, similarity_or_synonym
from nlapi.english.words import stem


@pytest.mark.parametrize(("one", "near", "far"), [("film", "movie", "invoice"), ("price", "cost", "weather")])
def test_words_of_one_kind_are_nearer_than_others(one: str, near: str, far: str) -> None:
    assert similarity(stem(one), stem(near)) > 0.5 > similarity(stem(one), stem(far))


def test_a_word_is_like_itself_even_when_nobody_knows_it() -> None:
    assert not has_vector("zzxqv")
    assert similarity("zzxqv", "zzxqv") == 1.0
    assert similarity("zzxqv", "film") == 0.0


def test_common_words_say_less_than_rare_ones() -> None:
    assert rarity(stem("time")) < rarity(stem("weather")) < rarity("zzxqv") == 1.0


@given(st.text(max_size=20), st.text(max_size=20))
def test_likeness_is_mutual_and_between_0_and_1(one: str, other: str) -> None:
    assert 0.0 <= similarity(one, other) == similarity(other, one) <= 1.01


def test_what_people_and_apis_call_the_same_thing_is_akin() -> None:
    assert (
        similarity_or_synonym(stem("machine"), stem("instance")) > 0.8 > similarity(stem("machine"), stem("instance"))
    )
    assert similarity_or_synonym(stem("machine"), stem("recipe")) == similarity(stem("machine"), stem("recipe"))


def test_neighbours_are_the_words_most_alike() -> None:
    found = neighbours(stem("voucher"))
    assert len(found) == NEIGHBOURS
    assert stem("coupon") in [word for word, _ in found]
    assert neighbours("qwxzv") == []
