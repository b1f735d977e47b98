"""A forest says what its trees say, read one by one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nlapi.planner.forest import LEAVES, read_forest

NUMBERS = st.integers(-4, 4).map(float)


@st.composite
def trees(draw: st.DrawFn, leaves: int = LEAVES) -> Any:
    if leaves == 1 or draw(st.booleans()):
        return draw(NUMBERS)
    left = draw(st.integers(1, leaves - 1))
    return [draw(st.integers(0, 2)), draw(NUMBERS), draw(trees(left)), draw(trees(leaves - left))]


def plainly(tree: Any, row: list[float]) -> float:
    while isinstance(tree, list):
        tree = tree[2] if row[tree[0]] <= tree[1] else tree[3]
    return float(tree)


@given(forest=st.lists(trees(), max_size=12), row=st.lists(NUMBERS, min_size=3, max_size=3), base=NUMBERS)
def test_the_score_is_the_sum_of_the_leaves_reached(forest: list[Any], row: list[float], base: float) -> None:
    read = read_forest({"features": ["a", "b", "c"], "base": base, "trees": forest})
    assert read.score(row) == pytest.approx(base + sum(plainly(tree, row) for tree in forest))
    assert 0.0 <= read.probability(row) <= 1.0


@given(forest=st.lists(trees(), max_size=12), row=st.lists(NUMBERS, min_size=3, max_size=3), cut=st.integers(0, 3))
def test_a_row_in_parts_scores_as_a_whole(forest: list[Any], row: list[float], cut: int) -> None:
    read = read_forest({"features": ["a", "b", "c"], "base": 0.0, "trees": forest})
    assert read.score_at(read.reachable_leaves(row[:cut]) & read.reachable_leaves(row[cut:], cut)) == read.score(row)


def test_a_tree_with_too_many_leaves_is_refused() -> None:
    tree: Any = 0.0
    for at in range(LEAVES):
        tree = [0, float(at), tree, 1.0]
    with pytest.raises(ValueError, match="9 leaves"):
        read_forest({"features": ["a"], "base": 0, "trees": [tree]})


def test_what_else_was_learned_is_kept() -> None:
    assert read_forest({"features": [], "base": 1, "trees": [], "least": 0.4}).metadata == {"least": 0.4}


def test_a_trained_forest_is_shipped_and_read_as_it_was_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("lightgbm", reason="the training library is not installed (pip install --group train)")
    from training import forests

    rows = [[float(at % 7), float(at % 11)] for at in range(400)]
    data = forests.train(("a", "b"), rows, [float(one > 3 or other > 8) for one, other in rows], trees=20)
    monkeypatch.setattr(forests, "SHIPPED", tmp_path)
    read = read_forest(json.loads(forests.ship("tiny", data, {"command": "a test"}).read_text()))
    assert read.probability([6.0, 10.0]) > 0.7 > 0.3 > read.probability([0.0, 0.0])
