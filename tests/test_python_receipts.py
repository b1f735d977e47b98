"""A function that consents in Python leaves receipts where the program wants them, of the form that every face has."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import nlapi
from nlapi.client.message import digest
from tests.cli.kit import run
from tests.describe import body, parameter, spec
from tests.servers import Echo, Reply, Script
from tests.tables import table
from tests.workflows.test_plan_loops import CAMPAIGNS, LIST, PAUSE, campaigns, described

SECRET = "Zq81-never-in-a-receipt"
HOOKS = spec(
    {
        "/bots/{token}/hooks": {
            "post": {
                "operationId": "createHook",
                "parameters": [parameter("token", "path")],
                **body({"type": "object", "properties": {"secret": {"type": "string"}}}),
                "responses": {"200": {"description": "any"}},
            }
        }
    }
)
FUNCTION = ("python", "function")
HOOK = {"token": SECRET, "secret": SECRET}


def by_call(yes: Any, url: str) -> object:
    return nlapi.call(HOOKS, "createHook", HOOK, base_url=url, auth=False, yes=yes, receipts=True)


def by_call_in_a_loop(yes: Any, url: str) -> object:
    return asyncio.run(nlapi.aio.call(HOOKS, "createHook", HOOK, base_url=url, yes=yes, receipts=True))


def by_answer(yes: Any, url: str) -> object:
    return nlapi.answer(nlapi.tools(HOOKS), "createHook", HOOK, base_url=url, yes=yes, receipts=True)


def by_answer_in_a_loop(yes: Any, url: str) -> object:
    return asyncio.run(nlapi.aio.answer(nlapi.tools(HOOKS), "createHook", HOOK, base_url=url, yes=yes, receipts=True))


def by_toolset(yes: Any, url: str) -> object:
    tools = nlapi.toolset(HOOKS, base_url=url, yes=yes, receipts=True)
    return tools.answer("change", {"operation": "createHook", "arguments": HOOK})


def by_plan(yes: Any, url: str) -> object:
    tools = nlapi.toolset(HOOKS, base_url=url, yes=yes, receipts=True)
    return tools.answer("plan", {"steps": [{"id": "a", "operation": "createHook", "arguments": HOOK}]})


WAYS = [by_call, by_call_in_a_loop, by_answer, by_answer_in_a_loop, by_toolset, by_plan]


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of what nlapi stores on this machine; it is not there before something is stored."""
    monkeypatch.setenv("NLAPI_STATE_DIR", str(tmp_path / "state"))
    return tmp_path / "state"


def receipts() -> list[dict[str, Any]]:
    """All receipts, the oldest first."""
    return list(reversed(run("log", "consents", "-o", "json").json))


def outcome(receipt: dict[str, Any]) -> tuple[Any, ...]:
    (asked,) = receipt["calls"]
    return receipt["face"], receipt["rung"], receipt["answer"], asked["outcome"], asked["status"]


@table("way", WAYS)
def test_each_question_leaves_one_with_what_came_of_it(way: Callable[[Any, str], object], state: Path) -> None:
    asked: list[nlapi.Prepared] = []

    def agrees(change: nlapi.Prepared) -> bool:
        asked.append(change)
        return True

    def fails(change: nlapi.Prepared) -> bool:
        raise LookupError(SECRET)

    with Echo(lambda request: Reply(409, {})) as api:
        way(agrees, api.url)
        for yes in (lambda change: False, lambda change: "y", fails):
            with pytest.raises((nlapi.ConsentError, LookupError)):  # a model is told, a program gets an error
                raise nlapi.ConsentError(str(way(yes, api.url)))
        assert len(api.received) == 1
    with Script(Script.RESET) as lost:
        try:
            way(agrees, lost.url)
        except nlapi.SendError:
            assert "call" in way.__name__
    listed = receipts()[-5:]
    assert [outcome(row) for row in listed] == [
        (*FUNCTION, "agreed", "done", 409),
        (*FUNCTION, "declined", "", None),
        (*FUNCTION, "declined", "", None),
        (*FUNCTION, "dismissed", "", None),
        (*FUNCTION, "agreed", "unknown", None),
    ]
    assert listed[0]["calls"][0]["request"] == f"POST {api.url}/bots/{{token}}/hooks"
    assert listed[0]["calls"][0]["digest"] == digest(asked[0].request)
    assert all(SECRET not in file.read_text() for file in state.rglob("*") if file.is_file())


@table("way", WAYS)
def test_consent_in_advance_asks_nobody_and_leaves_none(way: Callable[[Any, str], object], state: Path) -> None:
    with Echo() as api:
        way(True, api.url)
        assert len(api.received) == 1
    assert not state.exists()


def test_a_program_that_does_not_ask_for_receipts_gets_no_file(state: Path) -> None:
    def agrees(change: nlapi.Prepared) -> bool:
        return True

    with Echo() as api:
        nlapi.call(HOOKS, "createHook", HOOK, base_url=api.url, yes=agrees)
        nlapi.answer(nlapi.tools(HOOKS), "createHook", HOOK, base_url=api.url, yes=agrees)
        nlapi.toolset(HOOKS, base_url=api.url, yes=agrees).answer(
            "change", {"operation": "createHook", "arguments": HOOK}
        )
        assert len(api.received) == 3
    assert not state.exists()


def test_each_change_of_a_plan_has_one_and_a_single_no_means_that_nothing_was_sent() -> None:
    names: list[str] = []

    def until_c12(change: nlapi.Prepared) -> bool:
        names.append(change.request.url.rpartition("/")[2])
        return "c12" not in names

    spent = {"in": "$steps.a.outputs", "where": [{"field": "spent", "op": ">", "value": 80}]}
    steps = {"steps": [LIST, {**PAUSE, "each": spent}]}
    with Echo(partial(campaigns, CAMPAIGNS, 0)) as api:
        ads = described(api.url)
        nlapi.toolset(ads, base_url=api.url, yes=until_c12, receipts=True).answer("plan", steps)
        assert Counter(map(outcome, receipts())) == {
            (*FUNCTION, "agreed", "refused", None): 3,
            (*FUNCTION, "declined", "", None): 1,
        }
        nlapi.toolset(ads, base_url=api.url, yes=lambda change: True, receipts=True).answer("plan", steps)
    assert Counter(map(outcome, receipts()[4:])) == {
        (*FUNCTION, "agreed", "done", 200): 15,
        (*FUNCTION, "agreed", "done", 409): 1,
    }


def test_a_folder_that_cannot_be_written_is_reported_and_stops_nothing(
    state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state.write_text("a file where the folder belongs")
    with Echo() as api, caplog.at_level(logging.WARNING):
        for way in WAYS:
            way(lambda change: True, api.url)
        assert len(api.received) == len(WAYS)
    assert {record.name for record in caplog.records} == {"nlapi.agent.receipts"}
    assert "the receipt of a consent cannot be written" in caplog.text
