"""A change in a client that has panels and no form: sent once after a yes in the panel, and never otherwise."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from mcp import Client

from nlapi.mcp.server import create_server
from nlapi.mcp.server_state import ServerState
from nlapi.mcp.tickets import LIFETIME_S, Tickets
from nlapi.openapi.spec import Spec
from tests.cli.kit import dialogue, run
from tests.mcp.kit import ERAS, PANELS, SECRET, Panel, User, names, served, started, text
from tests.servers import Echo, Received, Reply

NEW = {"campaign_id": "cmp_7h2k9q4m", "name": "Rain Boots"}


def in_panel(api: ServerState, says: Callable[[Panel], Awaitable[Any]], mode: str = ERAS[0], **more: Any) -> Any:
    async def talk() -> Any:
        async with Client(create_server(api), mode=mode, extensions=[PANELS], **more) as client:
            return await says(Panel(client))

    return asyncio.run(talk())


class Campaigns(Echo):
    """An API with one campaign; `name` is what it is called now."""

    def __init__(self) -> None:
        super().__init__(self._answer_request)
        self.name = "Winter Boots"

    def _answer_request(self, request: Received) -> Reply:
        if request.method != "GET":
            self.name = request.json()["name"]
        return Reply(200, {"id": "cmp_7h2k9q4m", "name": self.name})


@pytest.mark.parametrize("mode", ERAS)
def test_a_yes_in_the_panel_sends_what_it_shows_once(ads: Spec, mode: str) -> None:
    async def says(panel: Panel) -> None:
        waiting = await panel.client.call_tool("updateCampaign", NEW)
        assert not waiting.is_error
        assert api.changes == []
        assert "Do not call this again" in text(waiting)
        shown = await panel.review(waiting)
        assert shown["question"].splitlines()[1] == '{"name": "Rain Boots"}'
        assert shown["rows"] == [{"field": "name", "before": '"Winter Boots"', "after": '"Rain Boots"'}]
        assert SECRET not in json.dumps(shown)
        decided = await panel.decide(waiting)
        assert decided.structured_content["text"] == "Sent: the API answered 200."
        assert (await panel.decide(waiting)).is_error
        answers = [(await panel.outcome(waiting)).structured_content for _ in range(2)]
        assert answers[0] == answers[1]
        assert answers[0]["data"]["name"] == "Rain Boots"

    with Campaigns() as api:
        in_panel(served(ads, api.url), says, mode)
        assert [request.json() for request in api.changes] == [{"name": "Rain Boots"}]


@pytest.mark.parametrize("mode", ERAS)
def test_without_a_yes_nothing_is_sent(ads: Spec, mode: str) -> None:
    async def says(panel: Panel) -> None:
        waiting = await panel.client.call_tool("updateCampaign", NEW)
        assert "has not answered" in text(await panel.outcome(waiting))
        assert (await panel.decide(waiting, "no")).structured_content["text"] == "Declined; nothing was sent."
        assert "Do not try again" in text(await panel.outcome(waiting))
        assert (await panel.decide(waiting)).is_error
        # A model has all but the metadata of the answer. Its first guess withdraws the question.
        for wrong in ({"token": "a.b"}, {"digest": "0" * 64}, {"token": "\u00e9"}):
            waiting = await panel.client.call_tool("updateCampaign", NEW)
            assert (await panel.decide(waiting, **wrong)).is_error
            assert (await panel.decide(waiting)).is_error
            assert "withdrawn" in text(await panel.outcome(waiting))
        assert (await panel.client.call_tool("outcome", {"ticket": "made-up"})).is_error

    with Campaigns() as api:
        in_panel(served(ads, api.url), says, mode)
        assert api.changes == []


def test_what_has_changed_since_it_was_shown_is_not_sent(ads: Spec) -> None:
    async def says(panel: Panel) -> None:
        waiting = await panel.client.call_tool("updateCampaign", NEW)
        await panel.review(waiting)
        api.name = "Somebody else's"
        await panel.decide(waiting)
        assert "no longer what the user was shown" in text(await panel.outcome(waiting))

    with Campaigns() as api:
        in_panel(served(ads, api.url), says)
        assert api.changes == []


def test_two_answers_at_once_send_one(ads: Spec) -> None:
    async def says(panel: Panel) -> None:
        waiting = await panel.client.call_tool("updateCampaign", NEW)
        answers = await asyncio.gather(*(panel.decide(waiting) for _ in range(5)))
        assert sorted(answer.is_error for answer in answers) == [False, True, True, True, True]

    with Campaigns() as api:
        in_panel(served(ads, api.url), says)
        assert len(api.changes) == 1


def test_a_question_ends_after_ten_minutes(ads: Spec) -> None:
    now = 0.0

    async def says(panel: Panel) -> None:
        nonlocal now
        waiting = await panel.client.call_tool("updateCampaign", NEW)
        now += LIFETIME_S + 1
        assert (await panel.decide(waiting)).is_error
        assert "did not answer in time" in text(await panel.outcome(waiting))

    with Campaigns() as api:
        state = served(ads, api.url)
        state.tickets = Tickets(lambda: now)
        in_panel(state, says)
        assert api.changes == []


@pytest.mark.parametrize("mode", ERAS)
def test_the_tools_and_the_page_are_there_for_clients_with_panels_alone(ads: Spec, mode: str) -> None:
    async def says(panel: Panel) -> Any:
        page = (await panel.client.read_resource("ui://nlapi/consent")).contents[0]
        return (await panel.client.list_tools()).tools, page

    tools, page = in_panel(served(ads, "http://127.0.0.1:9"), says, mode)
    linked = {tool.name for tool in tools if (tool.meta or {}).get("ui", {}).get("resourceUri") == page.uri}
    assert {"change", "nlapi_review", "nlapi_decide"} <= linked
    assert not {"find", "describe", "read", "result", "outcome"} & linked
    assert {tool.name for tool in tools if (tool.meta or {}).get("ui", {}).get("visibility") == ["app"]} == {
        "nlapi_review",
        "nlapi_decide",
    }
    assert page.mime_type == "text/html;profile=mcp-app"
    assert "default-src 'none'; script-src 'sha256-" in page.text
    assert not {"http:", "https:", "innerHTML", "eval("} & set(page.text.split())
    assert len(page.text) < 12_000
    for more in ({"user": User()}, {"consent": "never"}):
        tools, _ = in_panel(
            served(ads, "http://127.0.0.1:9", consent=more.get("consent", "elicit")),
            says,
            mode,
            elicitation_callback=more.get("user"),
        )
        assert not {"nlapi_review", "nlapi_decide", "outcome"} & set(names(tools))


@pytest.mark.parametrize(
    ("mode", "typed", "says", "sent"),
    [(ERAS[0], "y", "Sent: the API answered 200.", 1), (ERAS[1], "n", "Declined; nothing was sent", 0)],
)
def test_without_forms_and_panels_the_user_answers_in_a_terminal(mode: str, typed: str, says: str, sent: int) -> None:
    async def talks() -> None:
        async with started("ads", "--base-url", api.url, "--auth", f"bearer={SECRET}", mode=mode) as client:
            refused = await client.call_tool("updateCampaign", NEW)
            code, ticket = (
                re.search(r"nlapi approve (\w+)", text(refused)),
                re.search('"ticket": "(.+?)"', text(refused)),
            )
            assert refused.is_error and code and ticket
            assert run("approve", "-o", "json").json[0]["code"] == code[1]
            assert run("approve", code[1]).code == 6  # no terminal, no answer
            assert api.changes == []
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("CLAUDECODE", "1")
                with dialogue("approve", code[1]) as terminal:
                    terminal.expect("[y/N]")
                    terminal.type("y\n")
                    await asyncio.to_thread(terminal.expect, "a client with a model started this")
                    assert terminal.end() == 6
            with dialogue("approve", code[1]) as terminal:
                terminal.expect('name: "Winter Boots" -> "Rain Boots"')
                terminal.expect("[y/N]")
                terminal.type(f"{typed}\n")
                await asyncio.to_thread(terminal.expect, says)
                assert terminal.end() == (0 if sent else 6)
            first, again = [await client.call_tool("outcome", {"ticket": ticket[1]}) for _ in range(2)]
            assert first == again
            assert first.structured_content["status"] == (200 if sent else None)
            assert "Rain Boots" in text(first) if sent else "The user declined" in text(first)
            assert run("approve", code[1]).code == 2

    with Campaigns() as api:
        asyncio.run(talks())
        assert len(api.changes) == sent
