"""Whatever arguments fit a tool's schema: a server that knows the description only gets the same values."""

from __future__ import annotations

import json
from collections import Counter
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nlapi
from benchmarks.roundtrip import outcomes
from nlapi.openapi.document import read_document
from nlapi.openapi.parse import parse_document
from nlapi.openapi.spec import Spec
from tests.receiver import Sent, Server
from tests.strategies import descriptions, examples
from tests.tables import table
from tests.worlds import OLD, SHOP, WORLDS

SPECS = {name: parse_document(read_document(json.dumps(tree).encode(), "world.json")) for name, tree in WORLDS.items()}
SEEDS = st.integers(0, 2**32)


def wrong(tree: Any, spec: Spec, seed: int, seen: Counter[str]) -> list[str]:
    """What came back as something else, over every tool of a description."""
    found = []
    for tool in nlapi.tools(spec):
        for outcome, said in outcomes(tree, spec, tool, Random(seed)):
            seen[outcome] += 1
            if outcome == "wrong":
                found.append(f"{tool.name}: {said}")
    return found


@pytest.mark.parametrize("name", sorted(WORLDS))
@settings(max_examples=10, deadline=None)
@given(seed=SEEDS)
def test_every_value_comes_back(name: str, seed: int) -> None:
    assert SPECS[name].parse_issues == ()
    assert not wrong(WORLDS[name], SPECS[name], seed, Counter())


@settings(max_examples=examples(40), deadline=None, suppress_health_check=list(HealthCheck))
@given(tree=descriptions(), seed=SEEDS)
def test_every_value_comes_back_whatever_the_description(tree: Any, seed: int) -> None:
    spec = parse_document(read_document(json.dumps(tree).encode(), "random.json"))
    assert not wrong(tree, spec, seed, Counter())


@table("name", sorted(WORLDS))
def test_most_arguments_are_sent_and_not_refused(name: str) -> None:
    seen: Counter[str] = Counter()
    wrong(WORLDS[name], SPECS[name], 1, seen)
    assert seen["exact"] > 4 * (seen["refused"] + seen["ambiguous"] + seen["not made"])


@table(
    ("tree", "path", "url", "expected"),
    [
        (SHOP, "/orders", "https://api.example/v2/orders?%24top=2&ids=a,b%2Cc", {("query", "ids"): ["a", "b", "c"]}),
        (SHOP, "/orders", "https://api.example/v2/orders?top=2", {("query", "$top"): 2}),
        (SHOP, "/orders", "https://api.example/v2/orders", {("header", "X-Trace"): "a"}),
        (OLD, "/query/pipes", "https://api.example/v1/query/pipes?p=a|b", {("query", "p"): ["a", "b"]}),
    ],
)
def test_the_decoder_sees_what_is_wrong(tree: Any, path: str, url: str, expected: Any) -> None:
    assert list(Server(tree, path, "get").misread(Sent(url, (), None), expected))
