"""The word lists are TOML: the reader of the planner gives what tomllib does."""

from __future__ import annotations

import tomllib
from importlib.resources import files

import pytest

from nlapi.planner.language.words import table, word_lists


@pytest.mark.parametrize("stage", ["answering", "language", "operations", "slots", "steps"])
def test_word_lists_are_read_as_toml(stage: str) -> None:
    file = files("nlapi") / "planner" / stage / "words.toml"
    document = tomllib.loads(file.read_text(encoding="utf-8"))
    assert word_lists(stage) == {name: value for name, value in document.items() if isinstance(value, str)}
    for name, value in document.items():
        if isinstance(value, dict):
            assert table(stage, name) == value
