"""Questions of MCP servers, answered on the page of the console."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import pytest
from mcp import Client
from mcp_types import ElicitResult

from nlapi.mcp.terminal_questions import waiting_questions
from tests.console.kit import Served, console
from tests.mcp.kit import ERAS, UrlClient, started, text
from tests.servers import Echo, Reply

NEW = {"campaign_id": "cmp_7h2k9q4m", "name": "Rain Boots"}
ITEM = {"id": "cmp_7h2k9q4m", "name": "Winter Boots"}


class Opener:
    """A client's user who is shown the address of a page, and opens it or does not."""

    def __init__(self, action: str = "accept") -> None:
        self.asked: list[Any] = []
        self._action = action

    async def __call__(self, context: Any, params: Any) -> ElicitResult:
        self.asked.append(params)
        return ElicitResult(action=self._action)


def talk(
    says: Callable[[Client, Served], Awaitable[None]], mode: str, kind: type[Client] = Client, user: Any = None
) -> list[str]:
    """Talk to a server over stdio while a console runs, and return the methods of what the API got but GET."""

    async def run(url: str, served: Served) -> None:
        words = ("ads", "--base-url", url, "--no-auth")
        async with started(*words, mode=mode, kind=kind, user=user) as client:
            await says(client, served)

    with Echo(lambda _: Reply(200, ITEM)) as api, console() as served:
        asyncio.run(run(api.url, served))
        return [request.method for request in api.received if request.method != "GET"]


@pytest.mark.parametrize("mode", ERAS)
def test_a_client_that_opens_pages_is_led_to_the_question(mode: str) -> None:
    async def says(client: Client, served: Served) -> None:
        waiting = await client.call_tool("updateCampaign", NEW)
        (asked,) = user.asked
        # Only the protocol of 2025 knows an id there.
        assert (asked.elicitation_id is None) == (mode == ERAS[1])
        assert "Do not call this again" in text(waiting)
        path = urlsplit(asked.url).path
        assert "Rain Boots" not in await asyncio.to_thread(served.browser().get, path)
        browser = await asyncio.to_thread(served.paired)
        shown = await asyncio.to_thread(browser.get, path)
        assert "Winter Boots" in shown
        await asyncio.to_thread(browser.press, "Send it")
        assert "the API answered 200" in browser.text
        await asyncio.to_thread(browser.again)
        assert "the API answered 200" in browser.text
        ticket = waiting.structured_content["ticket"]
        assert not (await client.call_tool("outcome", {"ticket": ticket})).is_error

    user = Opener()
    assert talk(says, mode, UrlClient, user) == ["PATCH"]


@pytest.mark.parametrize("mode", ERAS)
def test_a_page_that_is_not_opened_sends_nothing(mode: str) -> None:
    async def says(client: Client, served: Served) -> None:
        answer = await client.call_tool("updateCampaign", NEW)
        assert answer.is_error
        assert "did not open the page" in text(answer)
        assert await asyncio.to_thread(waiting_questions) == []

    assert talk(says, mode, UrlClient, Opener("decline")) == []


def test_a_question_that_two_places_answer_is_sent_once() -> None:
    async def says(client: Client, served: Served) -> None:
        browser = await asyncio.to_thread(served.paired)
        assert "Nothing waits" in await asyncio.to_thread(browser.get, "/waiting")
        answer = await client.call_tool("updateCampaign", NEW)
        page, code = re.findall(r"on the page (\S+/waiting/(\w+))", text(answer))[0]
        assert f"nlapi approve {code}" in text(answer)
        assert code in await asyncio.to_thread(browser.get, "/waiting")
        await asyncio.to_thread(browser.get, urlsplit(page).path)
        (question,) = await asyncio.to_thread(waiting_questions)
        both = threading.Barrier(2)

        def here() -> None:
            both.wait()
            browser.press("Send it")

        def there() -> Any:
            both.wait()
            return question.answer(agrees=True)

        await asyncio.gather(asyncio.to_thread(here), asyncio.to_thread(there))

    assert talk(says, ERAS[0]) == ["PATCH"]
