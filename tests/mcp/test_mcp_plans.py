"""A plan that loops as one call of a client: every page, one question in each of the ways, the right entries alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

import nlapi
from nlapi.mcp.server import create_server
from nlapi.mcp.server_state import ServerState
from nlapi.tools.rules import parse_field_rules, parse_rules
from tests.cli.kit import run
from tests.console.test_local_pages import DESCRIPTION
from tests.mcp.kit import ERAS, PANELS, Panel, User, call, names, served, talk, text
from tests.servers import Echo, Reply
from tests.tables import table
from tests.workflows.test_plan_loops import CAMPAIGNS, LIST, OVER_100, PAUSE, campaigns, described, each

PLAN = {"steps": [LIST, each(PAUSE, where=OVER_100)]}
DEAR = [f"/campaigns/c{number}" for number in range(11, 25)]


def ads() -> Echo:
    return Echo(partial(campaigns, CAMPAIGNS, 0))


def changed(api: Echo) -> list[str]:
    return [request.target for request in api.received if request.method != "GET"]


@pytest.mark.parametrize("mode", ERAS)
@pytest.mark.parametrize("consent", ["elicit", "client"])
def test_one_question_shows_every_request_and_a_yes_sends_them(mode: str, consent: str) -> None:
    user = User()
    with ads() as api:
        result = call(served(described(api.url), api.url, consent=consent), "plan", PLAN, mode=mode, user=user)
        assert changed(api) == DEAR
    (question,) = user.asked
    assert question.startswith("14 changes: updateCampaign for 14 of 25 where spent > 100\n")
    assert [question.count(f'{path}  "Campaign {path[12:]}"') for path in DEAR] == [1] * 14
    assert question.count('{"status": "PAUSED"}') == 1
    record = result.structured_content
    assert (record["state"], record["changed"]) == ("failed", 13)  # c13 is locked
    (locked,) = record["not_done"]
    assert (locked["item"], locked["status"], locked["data"]) == ("Campaign 13", 409, {"error": "locked"})
    (receipt,) = run("log", "consents", "-o", "json").json
    assert receipt["answer"] == "agreed"
    assert [entry["status"] for entry in receipt["calls"]] == [200, 200, 409, *[200] * 11]


@pytest.mark.parametrize("mode", ERAS)
@table("user", [User("decline"), User("accept", send=False), User("cancel"), None])
def test_nothing_is_sent_without_a_yes(mode: str, user: User | None) -> None:
    with ads() as api:
        result = call(served(described(api.url), api.url, consent="client"), "plan", PLAN, mode=mode, user=user)
        assert (result.is_error, changed(api)) == (True, [])


def test_a_panel_shows_the_same_and_its_yes_is_for_what_it_showed() -> None:
    rows = [dict(row) for row in CAMPAIGNS]

    async def says(state: ServerState) -> list[Any]:
        async with Client(create_server(state), mode="legacy", extensions=[PANELS]) as client:
            panel = Panel(client)
            first = await client.call_tool("plan", PLAN)
            rows[3]["spent"] = 900  # another entry fits by the time of the yes
            moved = await panel.decide(first)
            second = await client.call_tool("plan", PLAN)
            await panel.decide(second)
            return [moved, await panel.outcome(second)]

    with Echo(partial(campaigns, rows, 0)) as api:
        moved, outcome = asyncio.run(says(served(described(api.url), api.url)))
        assert changed(api) == ["/campaigns/c3", *DEAR]
    assert "no longer what the user was shown" in str(moved.structured_content)
    assert '"changed": 14' in text(outcome)


def test_a_stored_answer_is_gone_through_and_values_of_hidden_fields_reach_no_model() -> None:
    rows = [{**row, "about": "long " * 500} for row in CAMPAIGNS]
    again = {"steps": [each({"operation": "listCampaigns", "arguments": {"page": 1}}, "r1", limit=1)]}

    async def says(client: Client) -> list[Any]:
        await client.call_tool("read", {"operation": "listCampaigns"})
        loop = await client.call_tool("plan", {"steps": [each(PAUSE, "r1", sort="-spent", limit=2)]})
        return [loop, await client.call_tool("plan", again), await client.call_tool("plan", {"steps": [LIST]})]

    with Echo(partial(campaigns, rows, 0)) as api:
        state = served(described(api.url), api.url)
        state.target = replace(
            state.target, field_rules=parse_field_rules({"fields": [{"hide": ["owner"]}]}, "policy.toml")
        )
        loop, looped_read, read = talk(state, says, user=User())
        assert changed(api) == ["/campaigns/c24", "/campaigns/c23"]
    assert loop.structured_content["state"] == "done"
    for result in (looped_read, read):
        assert "Campaign 1" in text(result) and "u1" not in text(result)


@pytest.mark.parametrize("operation", ["deleteItem", "updateItem"])
def test_a_question_that_a_model_gets_shows_no_value_of_a_hidden_field(operation: str, tmp_path: Path) -> None:
    file = tmp_path / "shop.json"
    file.write_text(json.dumps(DESCRIPTION))
    item = {"id": "item_1", "name": "Blue Vase", "status": "sold"}
    name = {"name": "Red Vase"} if operation == "updateItem" else {}
    steps = [
        {"id": "a", "operation": "listItems", "arguments": {}},
        each({"operation": operation, "arguments": {"item_id": "$each.id", **name}}, limit=1),
    ]
    shown = {}
    with Echo(lambda request: Reply(200, {"items": [item]} if request.path == "/items" else item)) as api:
        for hidden in ("owner", "name"):
            state = served(nlapi.load(str(file)), api.url)
            rules = parse_field_rules({"fields": [{"hide": [hidden]}]}, "policy.toml")
            state.target = replace(state.target, field_rules=rules)
            shown[hidden] = text(call(state, "plan", {"steps": steps}))
            assert f"/items/{item['id']}" in shown[hidden]
        assert api.changes == []
    assert ["Blue Vase" in shown[hidden] for hidden in ("owner", "name")] == [True, False]


Ruled = Callable[[ServerState], ServerState]


def ruled(verdict: str, operation: str = "updateCampaign") -> Ruled:
    def rule(state: ServerState) -> ServerState:
        rules = parse_rules({"rules": [{"operation": operation, "verdict": verdict}]}, "/home/policy.toml")
        state.target = replace(state.target, rules=rules)
        return state

    return rule


DELETE = {"operation": "deleteCampaign", "arguments": {"id": "$each.id"}}
CHAIN = [
    {"id": "a", "operation": "updateCampaign", "arguments": {"id": "c1", "status": "PAUSED"}},
    {"operation": "updateCampaign", "arguments": {"id": "$steps.a.outputs.id", "status": "ACTIVE"}},
]


@table(
    ("steps", "state", "reason"),
    [
        ([LIST, each(PAUSE, where=OVER_100)], ruled("deny"), "updateCampaign is never sent"),
        ([LIST, each(PAUSE, where=OVER_100)], ruled("ask", "listCampaigns"), "needs a question of its own"),
        ([LIST, each(PAUSE, limit=1), each(DELETE, limit=1)], ruled("deny", "deleteCampaign"), "is never sent"),
        ([LIST, each(PAUSE, "r7")], None, "no answer has come yet"),
        ([LIST, each(PAUSE, where=[{"field": "spent"}])], None, "has no op"),
        ([LIST, each({"operation": "updateCampain"})], None, "did you mean 'updateCampaign'"),
        (CHAIN, None, "a change waits for the answer to another one"),
        ([LIST, each({**PAUSE, "arguments": {"id": "$each.id", "status": "GONE"}})], None, "GONE"),
    ],
)
def test_a_plan_that_cannot_be_carried_out_changes_nothing(steps: list[Any], state: Ruled | None, reason: str) -> None:
    user = User()
    with ads() as api:
        plain = served(described(api.url), api.url)
        result = call(state(plain) if state else plain, "plan", {"steps": steps}, user=user)
        assert (result.is_error, changed(api), user.asked) == (True, [], [])
    assert reason in text(result)


def test_what_a_rule_allows_needs_no_question_and_reads_only_servers_have_no_plan() -> None:
    async def listed(client: Client) -> list[str]:
        return names((await client.list_tools()).tools)

    user = User()
    with ads() as api:
        spec = described(api.url)
        call(ruled("allow")(served(spec, api.url)), "plan", PLAN, user=user)
        assert (changed(api), user.asked) == (DEAR, [])
        reads = served(spec, api.url, consent="never")
        assert "plan" in talk(served(spec, api.url), listed) and "plan" not in talk(reads, listed)
        assert "there is no tool 'plan' here" in text(call(reads, "plan", PLAN))


def test_an_operation_that_is_not_offered_is_in_no_plan_and_read_for_no_question() -> None:
    with ads() as api:
        state = served(described(api.url), api.url)
        kept = tuple(operation for operation in state.catalogue.operations if operation.id != "listCampaigns")
        state.catalogue = replace(state.catalogue, operations=kept)
        result = call(state, "plan", PLAN, user=User())
        assert "there is no operation 'listCampaigns'" in text(result)
        assert api.received == []
