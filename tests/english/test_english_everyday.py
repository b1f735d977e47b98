"""What people say who do not know an API's words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlapi.english.everyday import in_api_words, read_speech_act
from nlapi.english.intents import SpeechAct
from nlapi.english.words import stem


def _said(text: str, api: str) -> str:
    return in_api_words(text, set(map(stem, api.split())).__contains__)


@pytest.mark.parametrize(
    ("text", "api", "read"),
    [
        ("call off the visit", "cancel appointment", "cancel the appointment"),
        ("Put my old phone down!", "hangup", "hangup my old !"),
        ("what’s new", "latest", "latest"),
        ("don't need it", "remove", "remove it"),
        ("she was never here and doesn’t need it", "remove", "she was never here and remove it"),
        ("he sent it back", "return", "he return it"),
        ("it was put back", "restore", "it was restore"),
        ("it was put back", "postpone", "it was postpone"),
    ],
)
def test_an_expression_is_read_in_the_words_of_the_api(text: str, api: str, read: str) -> None:
    assert _said(text, api).split() == read.split()


def test_words_of_the_api_stay() -> None:
    assert _said("call off the visit", "visit") == "call off the visit"
    assert _said("a new visit", "visit appointment") == "a new visit"


def test_a_long_text_has_words_of_the_api() -> None:
    text = "call off the visit that was booked for the day after the first of the month"
    assert _said(text, "cancel") == text


@given(st.text(max_size=60))
def test_a_text_without_known_words_is_unchanged(text: str) -> None:
    assert _said(text, "") == text


@pytest.mark.parametrize("text", ["who is off", "What's due?", "is it up", "I want to know who is off"])
def test_questions(text: str) -> None:
    assert read_speech_act(text) is SpeechAct.QUESTION


@pytest.mark.parametrize("text", ["she can't come", "somebody should fetch it", "It is stuck.", "I need a desk"])
def test_wishes(text: str) -> None:
    assert read_speech_act(text) is SpeechAct.WISH


@pytest.mark.parametrize("text", ["call off the visit", "", "whole list", "how do I delete a repo"])
def test_no_questions(text: str) -> None:
    assert read_speech_act(text) is not SpeechAct.QUESTION
