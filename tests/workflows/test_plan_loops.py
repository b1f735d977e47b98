"""A model does the same to each entry of a list: one plan, every page, one question, the right entries alone."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from nlapi.agent.events import CallProposed, ConsentReply, Event, TurnAnswered
from nlapi.agent.loop import converse
from nlapi.agent.models.endpoints import find_endpoint
from nlapi.agent.models.planner import ModelPlanner
from nlapi.agent.policy import Policy
from nlapi.cli.ask.events import TextRenderer
from nlapi.errors import ConsentError
from nlapi.tools.plan import ask
from nlapi.tools.rules import parse_field_rules
from nlapi.tools.sending.run import Target
from nlapi.workflows.loops import write_plan
from tests.campaign_pages import CAMPAIGNS, PAGE, campaigns, described
from tests.messages_server import MessagesServer, results, say, use
from tests.servers import Echo
from tests.tables import table

LIST = {"id": "a", "operation": "listCampaigns", "arguments": {}}
PAUSE = {"operation": "updateCampaign", "arguments": {"id": "$each.id", "status": "PAUSED"}}
OVER_100 = [{"field": "spent", "op": ">", "value": 100}]


class Held:
    """One question with a scripted model: what was asked, what reached the API, and what was answered."""

    def __init__(
        self,
        *script: Any,
        agrees: bool = True,
        yes: bool = False,
        rows: Sequence[dict[str, Any]] = CAMPAIGNS,
        total: int = 0,
        hidden: Sequence[str] = (),
    ) -> None:
        self.consents: list[tuple[CallProposed, ...]] = []
        self.events: list[Event] = []
        with MessagesServer(script) as model, Echo(partial(campaigns, rows, total)) as api:
            ads = described(api.url)
            endpoint = find_endpoint(
                "claude-sonnet-5-5", {"ANTHROPIC_API_KEY": "sk-ant-x", "ANTHROPIC_BASE_URL": model.url}
            )
            planner = ModelPlanner((ads,), endpoint, chains=write_plan)
            rules = parse_field_rules({"fields": [{"hide": list(hidden)}]} if hidden else {}, "policy.toml")
            targets = {ads: Target(spec=ads, base_url=api.url, field_rules=rules)}

            async def consent(proposed: tuple[CallProposed, ...]) -> ConsentReply:
                self.consents.append(proposed)
                return ConsentReply(is_agreed=agrees)

            async def hold() -> None:
                policy = Policy(yes=yes, interactive=not yes)
                question = ask("pause every campaign that spent more than 100")
                async for event in converse(planner, question, targets, policy=policy, consent=consent):
                    self.events.append(event)

            with suppress(ConsentError):
                asyncio.run(hold())
            self.requests = model.requests
            self.changed = [entry.target for entry in api.received if entry.method != "GET"]
            self.reads = [entry.target for entry in api.received if entry.method == "GET"]

    @property
    def text(self) -> str:
        (event,) = [event for event in self.events if isinstance(event, TurnAnswered)]
        return event.text


def plan(*steps: dict[str, Any]) -> dict[str, Any]:
    return use("plan", {"steps": list(steps)})


def each(step: dict[str, Any], source: str = "$steps.a.outputs", **more: Any) -> dict[str, Any]:
    return {**step, "each": {"in": source, **more}}


def test_every_page_is_read_and_one_question_is_about_the_right_entries() -> None:
    cheap = [{"field": "spent", "op": ">", "value": 140}]
    held = Held(plan(LIST, each(PAUSE, where=cheap)))
    assert len(held.requests) == 1
    assert held.reads == ["/campaigns", "/campaigns?page=2", "/campaigns?page=3"]
    (proposed,) = held.consents
    assert len(proposed) == 10
    assert held.changed == [f"/campaigns/c{number}" for number in range(15, 25)]
    assert held.text == "Done: updateCampaign for 10 of 25 where spent > 140."


def test_without_a_yes_nothing_is_sent() -> None:
    held = Held(plan(LIST, each(PAUSE, where=OVER_100)), say("Not done."), agrees=False)
    assert (held.changed, held.text) == ([], "Not done.")
    held = Held(plan(LIST, each(PAUSE, where=OVER_100)), say("Not done."), yes=True)  # nobody said the ids
    assert held.changed == []


def test_one_that_fails_ends_none_of_the_others_and_the_model_tells() -> None:
    held = Held(plan(LIST, each(PAUSE, where=OVER_100)), say("c13 is locked."))
    assert held.changed == [f"/campaigns/c{number}" for number in range(11, 25)]
    assert "409" in json.dumps(held.requests[1])
    assert held.text == "c13 is locked."


def test_what_models_may_not_see_is_on_no_page_of_the_list() -> None:
    held = Held(plan(LIST, each(PAUSE)), say("c13 is locked."), hidden=["spent"])
    assert len(held.reads) == 3
    assert "Campaign 24" in json.dumps(held.requests[1])
    assert "spent" not in json.dumps(held.requests[1]["messages"][2:])


def test_an_answer_of_before_is_gone_through_with_a_limit_and_in_order() -> None:
    first = use("read", {"operation": "listCampaigns", "arguments": {"page": 1}})
    pair = each(PAUSE, "r1", sort="-spent", limit=2)
    gone = each({"operation": "deleteCampaign", "arguments": {"id": "$each.id"}}, "r1", where=[
        {"field": "owner.id", "op": "=", "value": "u2"}, {"field": "spent", "op": "<", "value": 30}])  # fmt: skip
    held = Held(first, plan(pair, gone))
    assert held.reads == ["/campaigns?page=1", "/campaigns?page=2", "/campaigns?page=3"]
    assert held.changed == ["/campaigns/c24", "/campaigns/c23", "/campaigns/c2"]
    assert len(held.consents) == 1
    assert held.text == (
        'Done: updateCampaign for 2 of 25, by -spent, deleteCampaign for 1 of 25 where owner.id = "u2" and spent < 30.'
    )


def test_no_entry_that_fits_is_no_change_and_no_question() -> None:
    held = Held(plan(LIST, each(PAUSE, where=[{"field": "spent", "op": ">", "value": 9999}])))
    assert held.text == "Nothing was changed: no entry fits (updateCampaign for 0 of 25 where spent > 9999)."
    assert (held.changed, held.consents) == ([], [])


@table(
    "steps, fault",
    [
        ([LIST, each(PAUSE, "$steps.b.outputs")], "not a list that was read"),
        ([LIST, each(PAUSE, "r1")], "not a list that was read"),
        ([LIST, {**PAUSE, "each": {"in": "$steps.a.outputs", "over": 1}}], "each has in, where, sort, limit"),
        ([LIST, each(PAUSE, where=[{"op": "="}])], "has no field"),
        ([LIST, each(PAUSE, limit=-1)], "limit"),
        ([LIST, each(PAUSE, limit=0)], "limit"),
        ([LIST, each(PAUSE, "$steps.a.outputs.data")], "not a list that was read"),
        ([LIST, each(PAUSE, where=None)], "where is not a list"),
        ([LIST, each(PAUSE, where=[{"field": "spent", "value": 1}])], "has no op"),
        ([LIST, each(PAUSE, where=[{"field": "spent", "operator": "!=", "value": 1}])], "has no op"),
        ([LIST, each(PAUSE, where=[{"field": "spent", "op": "=", "not": True}])], "where has no 'not'"),
        ([LIST, each(PAUSE, where=[{"field": "name", "op": "contains", "value": ""}])], "has no value"),
        ([LIST, each({**PAUSE, "arguments": {"id": "$each.id", "status": "$each"}})], "cannot stand beside each"),
        ([LIST, each({**PAUSE, "arguments": {"id": "x $each.id"}})], "cannot stand beside each"),
        ([LIST, each(PAUSE), PAUSE], "stands in a step without each"),
        ([LIST, each({**PAUSE, "arguments": {"id": "$steps.a.outputs.id"}})], "cannot stand beside each"),
        ([{**PAUSE, "arguments": {"id": "c1"}, "id": "z"}, LIST, each(PAUSE)], "a change stands before a read"),
        ([LIST, each({"operation": "updateCampain"})], "did you mean 'updateCampaign'"),
    ],
)
def test_a_plan_at_fault_goes_back_to_the_model_unsent(steps: list[Any], fault: str) -> None:
    held = Held(plan(*steps), say("Sorry."))
    (text,) = results(held.requests[1])
    assert fault in text
    assert (held.reads, held.changed) == ([], [])


@table(
    "step, fault",
    [
        (each(PAUSE, where=[{"field": "costs", "op": ">", "value": 1}]), "has no field 'costs'"),
        (each({**PAUSE, "arguments": {"id": "$each.uuid"}}), "an entry has no $each.uuid"),
    ],
)
def test_what_the_entries_lack_is_said_and_nothing_is_changed(step: dict[str, Any], fault: str) -> None:
    held = Held(plan(LIST, step))
    assert fault in held.text
    assert held.text.startswith("Nothing was changed: ")
    assert (held.changed, held.consents) == ([], [])


def test_a_later_page_of_before_is_not_the_list() -> None:
    held = Held(
        use("read", {"operation": "listCampaigns", "arguments": {"page": 2}}), plan(each(PAUSE, "r1")), say("No.")
    )
    assert "later page" in json.dumps(held.requests[2])
    assert held.changed == []
    held = Held(plan({**LIST, "arguments": {"page": 2}}, each(PAUSE)))
    assert "later page" in held.text
    assert (held.changed, held.consents) == ([], [])


def test_an_entry_without_the_field_is_not_another_value() -> None:
    rows: list[dict[str, Any]] = [{"id": "c1", "spent": 1}, {"id": "c2"}, {"id": "c3", "spent": 2}]
    held = Held(plan(LIST, each(PAUSE, where=[{"field": "spent", "op": "!=", "value": 1}])), rows=rows)
    assert held.changed == ["/campaigns/c3"]


def test_a_list_that_has_more_than_comes_is_not_gone_through() -> None:
    held = Held(plan(LIST, each(PAUSE)), rows=CAMPAIGNS[:20], total=25)
    assert "not all pages of listCampaigns can be read" in held.text
    assert (held.changed, held.consents) == ([], [])


def test_entries_with_the_same_values_are_one_call_and_a_list_that_moves_is_none() -> None:
    rows: list[dict[str, Any]] = [{"id": f"o{number}", "owner": {"id": f"u{number % 2}"}} for number in range(4)]
    owners = {**PAUSE, "arguments": {"id": "$each.owner.id", "status": "PAUSED"}}
    assert Held(plan(LIST, each(owners)), rows=rows).changed == ["/campaigns/u0", "/campaigns/u1"]
    moved = CAMPAIGNS[:PAGE] + CAMPAIGNS[PAGE - 1 : 20]
    held = Held(plan(LIST, each(PAUSE)), rows=moved)
    assert "the list changed while it was read" in held.text
    assert held.changed == []


def test_the_screen_shows_each_request_and_what_was_said_of_the_first_once(capsys: pytest.CaptureFixture[str]) -> None:
    held = Held(plan(LIST, each(PAUSE, where=OVER_100)), say("Not done."), agrees=False)
    capsys.readouterr()
    renderer = TextRenderer({}, dry_run=False)
    for proposed in held.consents[0]:
        renderer(proposed)
    lines = capsys.readouterr().err.splitlines()
    requests = [line for line in lines if line.startswith("→ updateCampaign: PATCH")]
    assert len(requests) == 14
    assert requests[0].endswith('/campaigns/c11  ! changes something  "Campaign 11"')
    assert requests[1].endswith('/campaigns/c12  ! changes something  "Campaign 12"  (body and reasons as above)')
    assert len([line for line in lines if "PAUSED" in line]) == 2  # in the body and in the command of the first
    assert len([line for line in lines if "makes a condition" in line]) == 1


def test_a_reason_against_some_calls_is_never_taken_for_one_against_none(capsys: pytest.CaptureFixture[str]) -> None:
    held = Held(plan(LIST, each(PAUSE, where=OVER_100)), say("Not done."), agrees=False)
    sent = "the same change was sent before"
    reasons = [sent, sent, "", "", f"{sent}; not used: 100", sent, "not used: 100"]
    capsys.readouterr()
    renderer = TextRenderer({}, dry_run=False)
    for proposed, reason in zip(held.consents[0], reasons, strict=False):
        renderer(replace(proposed, reason=reason))
    read: list[str] = []
    for line in capsys.readouterr().err.splitlines():
        if line.startswith("→"):
            read.append(read[-1] if line.endswith("reasons as above)") else "")
        elif line.startswith("  ") and ("sent before" in line or "not used: 100" in line):
            read[-1] = line.strip()
    assert read == reasons
