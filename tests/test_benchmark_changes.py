"""The commands of `benchmarks.changes`: each right request is one that its description allows, and is recognised."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from benchmarks.changes.cases import PLAIN, Api, load
from benchmarks.changes.run import Rating, run
from tests.tables import table

APIS = load()
AT_HAND = [api for api in APIS if api.description.startswith(("shared:", "bundled:"))]

EVENT = "dad4bce8-f5cb-4078-a211-995864315e39"
OTHER = "00000000-f5cb-4078-a211-995864315e39"
MUSEUM = f"""
description: "shared:museum-3.1.yaml"
commands:
- {{say: 'delete the special event {EVENT}', right: DELETE /special-events/{EVENT}}}
- {{say: 'delete the special event {EVENT}', right: DELETE /special-events/{OTHER}}}
- {{say: 'delete special event {EVENT}', trap: child, why: 'to see that it is told'}}
- {{say: 'show the special events', trap: verb, why: 'it only reads'}}
"""


def test_there_are_enough_commands_and_about_half_are_traps() -> None:
    commands = [case for api in APIS for case in api.cases]
    kinds = Counter(case.kind for case in commands)
    assert len(APIS) >= 25
    assert len(commands) >= 300
    assert 0.4 <= 1 - kinds[PLAIN] / len(commands) <= 0.7
    assert {"opposite", "child", "many", "id", "condition", "verb", "lookup", "missing", "all", "wish"} <= kinds.keys()


@table("api", APIS, ids=lambda api: api.name)
def test_no_sentence_is_there_twice(api: Api) -> None:
    assert not [sentence for sentence, count in Counter(case.sentence for case in api.cases).items() if count > 1]


@pytest.mark.parametrize("api", AT_HAND, ids=lambda api: api.name)
def test_each_right_request_is_allowed_by_its_description(api: Api) -> None:
    if api.path() is None:
        pytest.skip(f"{api.description} is not beside the checkout")
    assert run(api, check=True).faults == ()


def test_what_reaches_the_server_is_rated(tmp_path: Path) -> None:
    (tmp_path / "museum.yaml").write_text(MUSEUM, encoding="utf-8")
    (api,) = load(tmp_path)
    if api.path() is None:
        pytest.skip(f"{api.description} is not beside the checkout")
    outcomes = run(api).outcomes
    assert [outcome.rating for outcome in outcomes] == [Rating.STANDS, Rating.WRONG, Rating.WRONG, Rating.HELD]
    assert [outcome.is_read for outcome in outcomes] == [False, False, False, True]


def test_a_request_that_the_description_does_not_allow_is_named(tmp_path: Path) -> None:
    text = MUSEUM.replace("right: DELETE /special-events/0", "right: PUT /special-events/0")
    (tmp_path / "museum.yaml").write_text(text, encoding="utf-8")
    (api,) = load(tmp_path)
    if api.path() is None:
        pytest.skip(f"{api.description} is not beside the checkout")
    (fault,) = run(api, check=True).faults
    assert "museum/2 PUT /special-events/" in fault


@table("entry", ["{say: x}", "{say: x, trap: verb}", "{say: x, right: GET /x, wrong: y}", "{say: 1, right: GET /x}"])
def test_a_command_that_is_written_wrongly_is_named_with_its_place(entry: str, tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(f"description: 'shared:x'\ncommands:\n- {entry}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"x\.yaml, command 1"):
        load(tmp_path)
