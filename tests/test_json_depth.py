"""The levels of a JSON text, whatever its strings and its encoding make of the brackets."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlapi.client.message import Result
from nlapi.gateway.http.problems import GatewayProblem
from nlapi.gateway.http.request_guard import load_json
from nlapi.json_text import is_deeper

_TEXTS = st.text(alphabet='[]{}"\\,a', max_size=4)
_VALUES: st.SearchStrategy[Any] = st.recursive(
    _TEXTS | st.integers(),
    lambda parts: st.lists(parts, max_size=4) | st.dictionaries(_TEXTS, parts, max_size=3),
    max_leaves=12,
)


@given(_VALUES, st.integers(min_value=0, max_value=6), st.sampled_from(["utf-8", "utf-16", "utf-32"]))
def test_the_text_never_settles_what_a_walk_denies(value: object, levels: int, encoding: str) -> None:
    assert is_deeper(value, levels, json.dumps(value).encode(encoding)) == is_deeper(value, levels)


def _closed_by_texts(levels: int) -> bytes:
    """Return lists within lists whose brackets are balanced one by one: `["]", ["]", 1, "["], "["]`."""
    return b'["]",' * levels + b"1" + b',"["]' * levels


def test_brackets_in_texts_hide_no_level() -> None:
    with pytest.raises(GatewayProblem, match="levels deep"):
        load_json(_closed_by_texts(300))
    assert Result(status=200, content=_closed_by_texts(300)).data is None
