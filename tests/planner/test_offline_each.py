"""A change of each of several items, without a model: one list, read whole, one question, and the right items alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import date
from functools import partial
from typing import Any

import pytest

from nlapi.agent.events import CallProposed, ConsentReply, TurnAnswered
from nlapi.agent.loop import converse
from nlapi.agent.policy import Policy
from nlapi.errors import ConsentError
from nlapi.openapi.spec import Spec
from nlapi.planner import OfflinePlanner
from nlapi.tools.plan import Conversation, ask
from nlapi.tools.sending.run import Target
from nlapi.tools.tool import Origin
from tests.campaign_pages import CAMPAIGNS, campaigns, described
from tests.describe import parameter, spec
from tests.planner.club import club
from tests.planner.kit import planner, talk
from tests.servers import Echo, Received, Reply
from tests.tables import table

TODAY = date(2026, 6, 1)


class Held:
    """The turns of a conversation: what was asked, what reached the API, and what was answered last."""

    def __init__(
        self,
        *questions: str,
        agrees: bool = True,
        yes: bool = False,
        rows: Sequence[Any] = CAMPAIGNS,
        total: int = 0,
        api: tuple[Callable[[str], Spec], Callable[[Received], Reply]] | None = None,
    ) -> None:
        self.consents: list[tuple[CallProposed, ...]] = []
        self.text = ""
        describe, serve = api or (described, partial(campaigns, rows, total))
        with Echo(serve) as server:
            ads = describe(server.url)
            targets = {ads: Target(spec=ads, base_url=server.url)}

            async def consent(proposed: tuple[CallProposed, ...]) -> ConsentReply:
                self.consents.append(proposed)
                return ConsentReply(is_agreed=agrees)

            async def hold() -> None:
                talked = Conversation(turns=())
                for question in questions:
                    talked = talked.with_question(question) if talked.turns else ask(question)
                    policy = Policy(yes=yes, interactive=not yes)
                    planned = OfflinePlanner((ads,), today=TODAY)
                    async for event in converse(planned, talked, targets, policy=policy, consent=consent):
                        if isinstance(event, TurnAnswered):
                            self.text, talked = event.text, event.conversation

            with suppress(ConsentError):
                asyncio.run(hold())
            self.changed = [(e.method, e.target.rpartition("/")[2]) for e in server.received if e.method != "GET"]
            self.targets = [(e.method, e.target) for e in server.received if e.method != "GET"]
            self.bodies = [entry.json() for entry in server.received if entry.method == "PATCH"]
            self.reads = [entry.target for entry in server.received if entry.method == "GET"]

    @property
    def ids(self) -> list[str]:
        return [id for _, id in self.changed]


@table(
    ("question", "ids"),
    [
        ("pause every campaign that spent more than 200", ["c21", "c22", "c23", "c24"]),
        ("pause all campaigns with spent of at least 230", ["c23", "c24"]),
        ("pause all active campaigns", [f"c{number}" for number in range(0, 25, 4)]),
        ("please pause the active campaigns", [f"c{number}" for number in range(0, 25, 4)]),
        ("delete paused campaigns that spent less than 30", ["c1", "c2"]),
        ("delete every campaign that ends before 1 February 2026", ["c0", "c9", "c18"]),
        ("set the status of every campaign that spent more than 230 to paused", ["c24"]),
        ("delete each campaign called Campaign 7", ["c7"]),
        # a number that is the last page's, too
        ("delete every campaign that spent more than 3", [f"c{number}" for number in range(1, 25)]),
        ("pause all 7 active campaigns", [f"c{number}" for number in range(0, 25, 4)]),
    ],
)
def test_the_items_that_are_described_are_changed_and_no_other(question: str, ids: list[str]) -> None:
    held = Held(question)
    assert held.ids == ids
    assert held.reads == ["/campaigns", "/campaigns?page=2", "/campaigns?page=3"]
    assert [len(proposed) for proposed in held.consents] == [len(ids)]


@pytest.mark.parametrize("yes", [False, True])
def test_nothing_is_sent_without_a_yes_to_the_items(yes: bool) -> None:
    held = Held("pause every campaign that spent more than 200", agrees=False, yes=yes)
    assert held.changed == []


def test_one_that_fails_ends_none_of_the_others_and_is_named() -> None:
    held = Held("pause every campaign that spent more than 110")
    assert held.ids == [f"c{number}" for number in range(12, 25)]
    assert held.text == "Update a campaign: 12 of 13 done.\nCampaign 13: The API answered 409: locked."


@table(
    "question",
    [
        "pause all campaigns until Monday",
        "pause all campaigns if it rains",
        "pause all campaigns of Acme",
        "pause all but the newest campaign",
        "pause the last two campaigns",
        "pause 3 campaigns",
        "pause the cheapest campaigns",
        "pause all campaigns created before 2021",
        "don't pause all campaigns",
        "pause all campaigns and ads",
        "delete everything",
        "pause every campaign that spent more than 9000",
        "pause all 3 active campaigns",
        "pause all other campaigns",
        "pause the rest of the campaigns",
        "pause all campaigns that are active or spent more than 200",
        "show the active campaigns then delete them",
    ],
)
def test_where_it_is_not_plain_which_items_nothing_is_asked_or_sent(question: str) -> None:
    held = Held(question)
    assert (held.changed, held.consents) == ([], [])


def test_an_exception_is_kept() -> None:
    rows = [{**CAMPAIGNS[0], "id": name.lower(), "name": name} for name in ("Spring", "Summer", "Autumn")]
    assert Held("pause all campaigns except Summer", rows=rows).ids == ["spring", "autumn"]


def test_a_list_that_cannot_be_read_whole_changes_nothing() -> None:
    held = Held("pause all active campaigns", total=400)
    assert (held.changed, held.consents) == ([], [])
    assert held.text == (
        "Nothing was changed: not all pages of listCampaigns can be read; filter the list by an argument of its own."
    )


def test_more_items_than_a_person_reads_are_not_asked_about() -> None:
    rows = [{**CAMPAIGNS[0], "id": f"n{number}", "name": f"Campaign {number}"} for number in range(230)]
    held = Held("pause all active campaigns", rows=rows)
    assert (held.changed, held.consents) == ([], [])
    assert "for 230 of 230 campaigns where status active: 200 calls are the most of one plan" in held.text


def test_words_for_the_items_are_no_value_of_the_change() -> None:
    held = Held("set all active campaigns to paused")
    assert held.ids == [f"c{number}" for number in range(0, 25, 4)]
    assert {body["status"] for body in held.bodies} == {"PAUSED"}


def test_a_change_that_two_clauses_say_is_sent_once() -> None:
    held = Held("delete campaign c24 and delete every campaign that spent more than 220")
    assert sorted(held.ids) == sorted(set(held.ids))


def test_a_little_word_may_be_a_value() -> None:
    rows = [{**CAMPAIGNS[0], "id": region, "name": region, "region": region} for region in ("eu", "us")]
    assert Held("delete all campaigns in us", rows=rows).changed == []


def test_amounts_in_several_currencies_are_not_compared() -> None:
    rows = [{**CAMPAIGNS[9], "id": code, "name": code, "currency": code} for code in ("EUR", "USD")]
    assert Held("delete every campaign that spent more than 10", rows=rows).changed == []


@table(
    ("first", "then", "ids"),
    [
        ("list the campaigns that spent more than 230", "delete them", ["c24"]),
        ("list the campaigns that spent more than 900", "delete them", []),
        ("list the campaigns that spent more than 200", "pause those with spent under 220", []),
        ("list the campaigns that spent more than 200", "delete the others", []),
    ],
)
def test_a_pronoun_is_for_no_more_than_was_shown(first: str, then: str, ids: list[str]) -> None:
    assert Held(first, then).ids == ids


def test_a_pronoun_stands_for_what_was_listed() -> None:
    held = Held("list the campaigns that spent more than 200", "pause them")
    assert held.ids == ["c21", "c22", "c23", "c24"]
    assert len(held.consents) == 1
    assert Held("list the campaigns that spent more than 200", "delete both of them").changed == []


@table(
    ("question", "ids"),
    [("delete all members except Ada Lovelace", [2]), ("pause all campaigns", [1, 2]), ("delete loans 2-5", [])],
)
def test_ids_of_a_list_are_an_answer_and_not_the_users_word(question: str, ids: list[int]) -> None:
    rows = [{"id": 1, "name": "Ada Lovelace"}, {"id": 2, "name": "Emmy Noether"}]
    last = [plan for plan in talk(question, lambda call: rows, api=club()) if plan.calls][-1]
    changes = [call for call in last.calls if call.effect != "read"]
    assert [next(iter(call.arguments.values())) for call in changes] == ids
    for call in changes:
        assert call.account is not None
        assert Origin.ANSWER in {source.origin for source in call.account.sources}


def test_an_operation_for_all_of_them_goes_before_one_for_each() -> None:
    assert planner(club()).plan("list all members").calls[0].operation_id == "listMembers"


def issues(url: str) -> Spec:
    """Issues of a project, by number; a list of them can be narrowed to an owner."""
    project, number = parameter("project", "path"), parameter("number", "path", {"type": "integer"})
    fields = {"number": {"type": "integer"}, "title": {"type": "string"}, "state": {"type": "string"}}
    rows = {
        "type": "object",
        "properties": {"issues": {"type": "array", "items": {"type": "object", "properties": fields}}},
    }
    content = {"application/json": {"schema": rows}}
    paths = {
        "/projects/{project}/issues": {"get": {
            "operationId": "listIssues", "summary": "List issues of a project",
            "parameters": [project, parameter("owner_id", schema={"type": "integer"})],
            "responses": {"200": {"description": "ok", "content": content}}}},
        "/projects/{project}/issues/{number}": {"delete": {
            "operationId": "deleteIssue", "summary": "Delete an issue", "parameters": [project, number],
            "responses": {"204": {"description": "gone"}}}},
        "/projects/{project}/issues/{number}/close": {"post": {
            "operationId": "closeIssue", "summary": "Close an issue", "parameters": [project, number],
            "responses": {"200": {"description": "ok"}}}},
    }  # fmt: skip
    return spec(paths, servers=[{"url": url}])


def issue_rows(request: Received) -> Reply:
    if request.method != "GET":
        return Reply(200, {})
    states = ("open", "closed", "open")
    rows = [{"number": n, "title": f"T{n}", "state": state, "owner_id": n} for n, state in enumerate(states, 1)]
    return Reply(200, {"issues": rows, "total": len(rows)})


@table(
    ("questions", "targets"),
    [
        (("close all issues in project web",), [f"/projects/web/issues/{n}/close" for n in (1, 2, 3)]),
        (("close all open issues of project web",), [f"/projects/web/issues/{n}/close" for n in (1, 3)]),
        (("list the issues in project web", "close them"), [f"/projects/web/issues/{n}/close" for n in (1, 2, 3)]),
        # the API ignores the filter, and an exception that is not kept
        (("delete all issues of owner 2 in project web",), []),
        (("close all issues in project web except issue 2",), []),
    ],
)
def test_items_of_something_are_changed_there(questions: tuple[str, ...], targets: list[str]) -> None:
    assert [target for _, target in Held(*questions, api=(issues, issue_rows)).targets] == targets
