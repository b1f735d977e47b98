"""Over MCP a change is made once: where the client consents, where a role does, in workflows, and over sessions."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from nlapi.mcp.server import create_server
from nlapi.mcp.server_state import ServerState
from nlapi.openapi.spec import Spec
from tests.mcp.kit import ERAS, User, call, served, talk, text
from tests.mcp.test_mcp_consent import NEW, ruled
from tests.mcp.test_mcp_http import serving
from tests.mcp.test_mcp_http import talk as talk_over_http
from tests.mcp.test_mcp_team_http import TOKENS, bearer, changed, team  # noqa: F401 - a fixture
from tests.mcp.test_mcp_workflows import served as served_shop
from tests.servers import Echo, Reply, Script
from tests.workflows.shop import INPUTS, SENT, lines_sent, shop_api

DRAFT = {"name": NEW["name"], "objective": NEW["objective"], "daily_budget_micros": NEW["daily_budget_micros"]}


def calls(api: ServerState, *made: tuple[str, dict[str, Any]], user: User | None = None, mode: str = "legacy") -> Any:
    """What the calls of one client are answered, one after the other."""

    async def says(client: Client) -> list[Any]:
        return [await client.call_tool(name, arguments) for name, arguments in made]

    return talk(api, says, mode=mode, user=user)


@pytest.mark.parametrize("mode", ERAS)
@pytest.mark.parametrize("again", [NEW, {**NEW, "name": "rain  boots"}])
@pytest.mark.parametrize("status", [201, 500])
def test_the_consent_of_a_client_covers_no_repetition(ads: Spec, mode: str, again: dict[str, Any], status: int) -> None:
    with Echo(Reply(status, {"id": "cmp_1"})) as api:
        answers = calls(
            served(ads, api.url, consent="client"), ("createCampaign", NEW), ("createCampaign", again), mode=mode
        )
        assert len(api.received) == 1
    said = text(answers[1])
    assert answers[1].is_error and "sent before" in said and f"answered {status}" in said
    assert "Look at the state of the API first" in said and "nlapi approve " in said


def test_a_sibling_of_a_lost_change_is_one(ads: Spec) -> None:
    with Script(Script.RESET) as api:
        answers = calls(served(ads, api.url, consent="client"), ("createCampaign", NEW), ("createDraft", DRAFT))
        assert len(api.received) == 1
    assert "createCampaign, which does the same with the same values" in text(answers[1])


def test_a_rule_that_allows_covers_none(ads: Spec) -> None:
    user = User("decline")
    with Echo(Reply(201, {})) as api:
        calls(ruled(ads, api.url, "allow"), ("createCampaign", NEW), ("createCampaign", NEW), user=user)
        assert len(api.received) == 1
    assert len(user.asked) == 1 and "Sent again? the same change was sent before" in user.asked[0].replace("\n  ", "")


@pytest.mark.parametrize("mode", ERAS)
@pytest.mark.parametrize("consent", ["elicit", "client"])
def test_a_person_may_have_it_sent_again(ads: Spec, mode: str, consent: str) -> None:
    """Two equal rows may be meant."""
    user = User()
    with Echo(Reply(201, {})) as api:
        calls(served(ads, api.url, consent=consent), *[("createCampaign", NEW)] * 3, user=user, mode=mode)
        assert len(api.received) == 3
    assert ["Sent again?" in question for question in user.asked][-2:] == [True, True]


def test_of_equal_calls_at_once_one_is_sent(ads: Spec) -> None:
    with Echo(Reply(201, {})) as api:
        state = served(ads, api.url, consent="client")

        async def run() -> Any:
            async with Client(create_server(state), mode="legacy") as client:
                return await asyncio.gather(*(client.call_tool("createCampaign", NEW) for _ in range(4)))

        answers = asyncio.run(run())
        assert len(api.received) == 1
    assert [answer.is_error for answer in answers].count(False) == 1


@pytest.mark.parametrize("stateless", [False, True])
def test_a_role_covers_none_and_a_new_session_forgets_none(team: tuple[Path, Echo], stateless: bool) -> None:  # noqa: F811
    file, api = team
    if stateless:
        file.write_text(file.read_text().replace("[server]", "[server]\nstateless = true"))
    file.write_text(
        file.read_text().replace(
            "[clients.bo]", '[clients.cy]\ntoken = "env:CY_TOKEN"\nrole = "operator"\n[clients.bo]'
        )
    )
    with serving("--config", str(file), "--http", "127.0.0.1:0", **TOKENS, CY_TOKEN="tok-cy-4f1") as url:
        first = talk_over_http(url, changed, **bearer("ANN_TOKEN"))
        # The client connects anew; the question is put to its user, who says yes, or it is none's to answer.
        asked: list[str] = []

        async def without_user() -> Any:
            import httpx2
            from mcp.client.streamable_http import streamable_http_client

            async with (
                httpx2.AsyncClient(headers=bearer("ANN_TOKEN"), timeout=30) as http,
                Client(streamable_http_client(url, http_client=http), mode="legacy") as client,
            ):
                return await changed(client)

        again = asyncio.run(without_user())
        assert (first.is_error, again.is_error, len(api.received), asked) == (False, True, 1, [])
        assert "sent before" in text(again)
        # Another client of the same role has changes of its own.
        assert not talk_over_http(url, changed, Authorization="Bearer tok-cy-4f1").is_error
        assert len(api.received) == 2


def test_a_workflow_runs_again_where_a_person_agrees(tmp_path: Path) -> None:
    user = User()
    with shop_api() as api:
        state = served_shop(tmp_path, api.url, consent="client")
        first, again = calls(state, *[("onboard-customer", INPUTS)] * 2)
        assert (first.is_error, again.is_error, lines_sent(api)) == (False, True, SENT)
        assert "it ran before with the same inputs: add-customer, add-order" in text(again)
        assert not call(state, "onboard-customer", INPUTS, user=user).is_error
        assert lines_sent(api) == [*SENT, *SENT]
        # Other inputs are another run.
        assert not call(
            state, "onboard-customer", {**INPUTS, "name": "Bo", "email": "bo@example.com", "sku": "C"}
        ).is_error
    assert len(user.asked) == 1 and "Run again?" in user.asked[0]


@pytest.mark.parametrize("orders", [500, 502])
def test_a_workflow_that_stopped_in_doubt_is_not_begun_again_unasked(tmp_path: Path, orders: int) -> None:
    with shop_api(orders=orders) as api:
        state = served_shop(tmp_path, api.url, consent="client")
        _, again = calls(state, *[("onboard-customer", INPUTS)] * 2)
        assert lines_sent(api) == SENT[:2]
    assert "it ran before" in text(again) and "may have been carried out" in text(again)


def test_a_step_repeats_no_call_before_it(tmp_path: Path) -> None:
    """The run stops there, and is asked about as a whole when it is called again."""
    customer = {"name": INPUTS["name"], "email": INPUTS["email"]}
    user = User()
    with shop_api() as api:
        state = served_shop(tmp_path, api.url, consent="client")
        _, run = calls(state, ("createCustomer", customer), ("onboard-customer", INPUTS))
        assert run.is_error and lines_sent(api) == SENT[:1]
        assert not call(state, "onboard-customer", INPUTS, user=user).is_error
        assert lines_sent(api) == [SENT[0], *SENT]
    assert len(user.asked) == 1
