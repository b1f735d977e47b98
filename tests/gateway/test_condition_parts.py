"""Parts of conditions: values are added and taken out one by one, and nothing is widened by what was not said."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.kit import Talk

TARGET = {"objective": "payment-fraud", "model": "fraud", "version": "v2"}
CELLS = [
    {"name": "a", "model": "fraud", "version": "v1", "percent": 50},
    {"name": "b", "model": "fraud", "version": "v2", "percent": 50},
]
THINGS: dict[str, dict[str, Any]] = {
    "rules": {"name": "thing", **TARGET},
    "experiments": {"name": "thing", "objective": "payment-fraud", "cells": CELLS},
    "canaries": {"name": "thing", "percent": 5, **TARGET},
    "shadows": {"name": "thing", **TARGET, "objective": "recommend", "model": "popular", "version": "v1"},
}
BOTH = {"country": ["US", "BR"], "device": ["tv"]}


@pytest.mark.parametrize("kind", THINGS)
def test_values_are_added_and_taken_out(talk: Talk, kind: str) -> None:
    talk.ok("POST", f"/v1/{kind}", {**THINGS[kind], "when": BOTH})
    path = f"/v1/{kind}/thing"
    widened = talk.ok("POST", f"{path}/include", {"when": {"country": ["CA"]}}, why="Canada too")
    assert widened["when"] == {"country": ["US", "BR", "CA"], "device": ["tv"]}
    narrowed = talk.ok("POST", f"{path}/exclude", {"when": {"country": ["BR"], "surface": ["home"]}})
    assert (narrowed["when"]["country"], narrowed["unless"]) == (["US", "CA"], {"surface": ["home"]})
    again = talk.ok("POST", f"{path}/include", {"when": {"surface": ["home"]}})
    assert "unless" not in again
    nothing = talk.refused(409, "POST", f"{path}/exclude", {"when": {"device": ["tv"]}})
    assert "nothing would be left" in nothing["detail"]
    unchanged = talk.refused(409, "POST", f"{path}/include", {"when": {"country": ["US"]}})
    assert "is so already: country is US or CA, device is tv" in unchanged["detail"]
    text = str(talk.ok("GET", "/v1/revisions/3/changes"))
    assert "from country is US or BR, device is tv to country is US, BR or CA, device is tv" in text


@pytest.mark.parametrize("kind", THINGS)
@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ({"when": {"country": ["CA"]}}, {"when": {"country": ["CA"], "device": ["tv"]}}),
        ({"unless": {"surface": ["home"]}}, {"when": BOTH, "unless": {"surface": ["home"]}}),
        ({"when": {}}, {}),
    ],
)
def test_a_patch_of_one_field_leaves_the_conditions_on_others(talk: Talk, kind: str, patch: Any, expected: Any) -> None:
    talk.ok("POST", f"/v1/{kind}", {**THINGS[kind], "when": BOTH})
    changed = talk.ok("PATCH", f"/v1/{kind}/thing", patch)
    assert {name: changed[name] for name in ("when", "unless") if name in changed} == expected


def test_a_canary_is_meant_by_its_objective(talk: Talk) -> None:
    talk.ok("POST", "/v1/canaries", {**THINGS["canaries"], "when": BOTH})
    changed = talk.ok("POST", "/v1/canaries/payment-fraud/exclude", {"when": {"country": ["BR"]}})
    assert changed["when"]["country"] == ["US"]
