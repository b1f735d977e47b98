"""Every question about a change leaves a receipt of one form, by whichever way it was answered."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from benchmarks.consent_kills import kill_once
from nlapi.mcp.server import create_server
from nlapi.mcp.server_state import Oversight
from nlapi.mcp.tickets import LIFETIME_S, Tickets
from nlapi.openapi.spec import Spec
from tests.cli.kit import dialogue, run
from tests.mcp.kit import ERAS, PANELS, SECRET, Panel, User, call, served, started, text
from tests.mcp.test_mcp_approval import NEW, Campaigns, in_panel
from tests.mcp.test_mcp_consent import NEW as CAMPAIGN
from tests.mcp.test_mcp_http import serving
from tests.mcp.test_mcp_http import talk as talk_over_http
from tests.servers import Script


def receipts(*words: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = run("log", "consents", *words, "-o", "json").json
    return rows


def outcome(receipt: dict[str, Any]) -> tuple[Any, ...]:
    (asked,) = receipt["calls"]
    return receipt["rung"], receipt["answer"], asked["outcome"], asked["status"]


@pytest.mark.parametrize("mode", ERAS)
def test_forms_and_panels_leave_receipts_of_one_form(ads: Spec, mode: str, home: Path) -> None:
    async def decides(panel: Panel) -> None:
        for answer, wrong in (("yes", {}), ("no", {}), ("yes", {"token": "a.b"})):
            waiting = await panel.client.call_tool("updateCampaign", {**NEW, "name": f"Boots {answer}"})
            await panel.decide(waiting, answer, **wrong)
        await panel.client.call_tool("updateCampaign", {**NEW, "name": "Nobody answers"})

    with Campaigns() as api:
        call(served(ads, api.url), "updateCampaign", NEW, mode=mode, user=User())
        call(served(ads, api.url), "updateCampaign", NEW, mode=mode, user=User(send=False))
        call(served(ads, api.url), "updateCampaign", NEW, mode=mode, user=User("cancel"))
        call(served(ads, api.url), "updateCampaign", {**NEW, "name": SECRET}, mode=mode, user=User())
        in_panel(served(ads, api.url), decides, mode)
    rows = receipts()
    assert [outcome(row) for row in rows] == [
        ("", "waiting", "", None),
        ("panel", "withdrawn", "", None),
        ("panel", "declined", "", None),
        ("panel", "agreed", "done", 200),
        ("form", "dismissed", "", None),
        ("form", "declined", "", None),
        ("form", "agreed", "done", 200),
    ]
    assert {(row["face"], row["client"], row["api"]) for row in rows} == {("mcp", "mcp", "Ads")}
    assert len({row["id"] for row in rows}) == len({row["at"] for row in rows}) == 7
    (asked,) = rows[-1]["calls"]
    assert asked["operation"] == "updateCampaign"
    assert asked["request"] == f"PATCH {api.url}/campaigns/{{campaign_id}}"
    assert len(asked["digest"]) == 64
    assert len(receipts("--not-agreed")) == 4
    assert receipts("-a", "ads") == rows and receipts("-a", "another") == []
    assert receipts("--since", "2999-01-01") == [] and len(receipts("-n", "2")) == 2
    table = run("log", "consents", "-o", "table").out
    assert "mcp of mcp" in table and "withdrawn" in table
    assert all(len(line) <= 80 for line in table.splitlines())
    (file,) = home.glob("state/log/*.ndjson")
    assert file.stat().st_mode & 0o777 == 0o600
    assert SECRET not in file.read_text()


def test_what_came_of_it_is_in_the_receipt(ads: Spec) -> None:
    with Script(Script.RESET) as api:
        call(served(ads, api.url), "createCampaign", CAMPAIGN, user=User())
    assert outcome(receipts()[0]) == ("form", "agreed", "unknown", None)
    call(served(ads, "http://127.0.0.1:9"), "createCampaign", CAMPAIGN, user=User())
    assert outcome(receipts()[0]) == ("form", "agreed", "failed", None)

    async def says(panel: Panel) -> None:
        waiting = await panel.client.call_tool("updateCampaign", NEW)
        await panel.review(waiting)
        campaigns.name = "Somebody else's"
        await panel.decide(waiting)

    class Meanwhile(User):
        async def __call__(self, context: Any, params: Any) -> Any:
            campaigns.name = "Yet another's"
            return await super().__call__(context, params)

    with Campaigns() as campaigns:
        in_panel(served(ads, campaigns.url), says)
        assert outcome(receipts()[0]) == ("panel", "agreed", "refused", None)
        assert call(served(ads, campaigns.url), "updateCampaign", NEW, mode=ERAS[1], user=Meanwhile()).is_error
        assert outcome(receipts()[0]) == ("form", "agreed", "refused", None)
        limited = served(ads, campaigns.url)
        limited.oversight = Oversight(calls_per_minute=1)
        in_panel(limited, says)
        assert outcome(receipts()[0]) == ("panel", "agreed", "refused", None)
        assert campaigns.changes == []


@pytest.mark.parametrize("mode", ERAS)
def test_a_form_ends_after_ten_minutes_too(ads: Spec, mode: str) -> None:
    now = 0.0

    class Late(User):
        async def __call__(self, context: Any, params: Any) -> Any:
            nonlocal now
            now += LIFETIME_S + 1
            return await super().__call__(context, params)

    with Campaigns() as api:
        state = served(ads, api.url)
        state.tickets = Tickets(lambda: now)
        assert "came too late" in text(call(state, "updateCampaign", NEW, mode=mode, user=Late()))
        assert api.changes == []


def test_a_question_that_nobody_answers_expires_though_its_server_has_ended(ads: Spec, home: Path) -> None:
    async def says(panel: Panel) -> None:
        await panel.client.call_tool("updateCampaign", NEW)

    with Campaigns() as api:
        in_panel(served(ads, api.url), says)
    (file,) = home.glob("state/log/*.ndjson")
    record = json.loads(file.read_text())
    ended = {**record, "until": "2020-01-01T00:00:00.000+00:00"}
    odd = [{**record, "id": name, name: "~"} for name in ("at", "until", "answered")]
    file.write_text("".join(json.dumps(line) + "\n" for line in (ended, *odd)) + '{"half of a li')
    assert [row["answer"] for row in receipts("--not-agreed")] == ["expired"]
    assert "expired" in run("log", "consents", "-o", "table").out
    # What is said of the same question in another file is no second one.
    file.with_name("consents-9999-01.ndjson").write_text(json.dumps({**record, "answer": "agreed"}) + "\n")
    assert [row["answer"] for row in receipts()] == ["agreed"]


def test_a_terminal_leaves_one_and_what_waits_is_counted() -> None:
    async def talks() -> None:
        async with started("ads", "--base-url", api.url, "--auth", f"bearer={SECRET}") as client:
            refused = await client.call_tool("updateCampaign", NEW)
            code = re.search(r"nlapi approve (\w+)", text(refused))
            assert code
            (row,) = [row for row in run("doctor", "-o", "json").json if row["part"] == "questions"]
            assert row["finding"] == "1 change waits for your answer"
            with dialogue("approve", code[1]) as terminal:
                terminal.expect("[y/N]")
                terminal.type("y\n")
                await asyncio.to_thread(terminal.expect, "Sent")
                assert terminal.end() == 0

    with Campaigns() as api:
        asyncio.run(talks())
    assert [outcome(row) for row in receipts()] == [("terminal", "agreed", "done", 200)]


def test_over_http_and_where_no_receipt_can_be_written(home: Path, ads: Spec) -> None:
    with Campaigns() as api:
        with serving("ads", "--base-url", api.url, "--auth", f"bearer={SECRET}", "--http", "0") as url:
            talk_over_http(url, lambda client: client.call_tool("updateCampaign", NEW))
        assert [outcome(row) for row in receipts()] == [("form", "agreed", "done", 200)]
        (file,) = home.glob("state/log/*.ndjson")
        file.unlink()
        file.mkdir()  # where the file belongs is a folder
        reports: list[str] = []
        state = served(ads, api.url)
        state.tickets.report = reports.append

        async def says() -> Any:
            async with Client(create_server(state), extensions=[PANELS]) as client:
                panel = Panel(client)
                return await panel.decide(await client.call_tool("updateCampaign", {**NEW, "name": "Boots"}))

        assert not asyncio.run(says()).is_error
        assert api.name == "Boots" and "receipt" in reports[0]


@pytest.mark.parametrize(("way", "delay"), [("form", 0.0), ("panel", 0.02), ("terminal", 0.04)])
def test_a_server_that_is_killed_after_a_yes_sends_nothing_again(way: str, delay: float) -> None:
    """A few of `python -m benchmarks.consent_kills`, whatever the moment of the kill comes to."""
    assert asyncio.run(kill_once(way, delay)).fault == ""
