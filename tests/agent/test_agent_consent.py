"""Consent belongs to the plan: its changes are one preview, one question and one report; an update shows its effect."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from nlapi.agent.events import (
    CallProposed,
    ChangeOutcome,
    ChangesReported,
    ConsentReply,
    Event,
    FieldChange,
    FieldState,
    PlanCreated,
    StepFinished,
    TurnAnswered,
    change_lines,
)
from nlapi.agent.policy import Policy
from nlapi.agent.records.log import encode_event
from nlapi.api import load
from nlapi.errors import ConsentError
from nlapi.openapi.spec import Spec
from nlapi.tools.plan import Outcome, Plan, ask
from nlapi.tools.tool import Account, Origin, ValueSource
from tests.agent.kit import Scripted, boards, boards_api, call, events, nobody, of, yes
from tests.servers import Echo, Received, closed_port
from tests.servers import Reply as Response
from tests.tables import table

Asked = tuple[CallProposed, ...]


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    return boards(tmp_path)


def replying(*replies: ConsentReply) -> tuple[list[Asked], Callable[[Asked], Awaitable[ConsentReply]]]:
    """Somebody who gives these replies, and what he was asked about each time."""
    asked: list[Asked] = []
    left = list(replies)

    async def consent(proposed: Asked) -> ConsentReply:
        asked.append(proposed)
        return left.pop(0)

    return asked, consent


def three(spec: Spec) -> Plan:
    cards = (call(spec, "createCard", board="b7", title=title) for title in ("A", "B"))
    return Plan(calls=(*cards, call(spec, "deleteCard", card="c")))


def test_several_changes_are_shown_before_one_question_and_reported(spec: Spec) -> None:
    asked, consent = replying(ConsentReply(is_agreed=True))
    with boards_api() as api:
        seen = events(Scripted(three(spec), "Done."), [spec], api.url, consent=consent)
    assert [[one.call.operation_id for one in each] for each in asked] == [["createCard", "createCard", "deleteCard"]]
    assert [type(event) for event in seen[:8]] == [
        PlanCreated,
        *[CallProposed] * 3,
        *[StepFinished] * 3,
        ChangesReported,
    ]
    (report,) = of(ChangesReported, seen)
    assert len(report.with_outcome(ChangeOutcome.SUCCEEDED)) == 3


def test_a_no_is_to_all_of_them_and_its_reason_goes_to_the_planner(spec: Spec) -> None:
    _, consent = replying(ConsentReply(is_agreed=False, reason="wrong board"))
    planner = Scripted(three(spec), "Left.")
    with boards_api() as api:
        seen = events(planner, [spec], api.url, consent=consent)
    assert api.received == []
    steps = planner.seen[1].current.steps
    assert {(step.outcome, step.message) for step in steps} == {
        (Outcome.REFUSED, "the user said no: wrong board; nothing was sent")
    }
    (report,) = of(ChangesReported, seen)
    assert len(report.with_outcome(ChangeOutcome.REFUSED)) == 3


def test_what_comes_after_a_change_that_failed_is_not_tried(spec: Spec) -> None:
    with Echo([Response(201, {}), Response(422, {"title": "full"})]) as api:
        seen = events(Scripted(three(spec), "Half."), [spec], api.url, consent=yes)
    assert len(api.received) == 2
    (report,) = of(ChangesReported, seen)
    assert [
        len(report.with_outcome(fate))
        for fate in (ChangeOutcome.SUCCEEDED, ChangeOutcome.FAILED, ChangeOutcome.UNTRIED)
    ] == [1, 1, 1]
    record = encode_event(report)
    assert [one["operation"] for one in record["not_tried"]] == ["deleteCard"]
    assert record["not_tried"][0]["message"].startswith("not run, as a change before it in the plan failed")
    assert [step.outcome for step in report.steps] == [Outcome.ANSWERED, Outcome.ANSWERED, Outcome.FAILED]


def test_reads_of_a_plan_keep_their_place_among_its_changes(spec: Spec) -> None:
    create, delete = call(spec, "createCard", board="b7", title="A"), call(spec, "deleteCard", card="c")
    reads = call(spec, "listBoards"), call(spec, "listCards", board="b7")
    plan = Plan(calls=(reads[0], create, reads[1], delete))
    planner = Scripted(plan, "Done.")
    asked, consent = replying(ConsentReply(is_agreed=True))
    with boards_api() as api:
        seen = events(planner, [spec], api.url, consent=consent)
    assert [request.method for request in api.received] == ["GET", "POST", "GET", "DELETE"]
    assert len(asked) == 1 and len(asked[0]) == 2
    told = [(type(event), event.call.operation_id) for event in seen if isinstance(event, CallProposed)]
    assert [name for _, name in told] == ["listBoards", "createCard", "deleteCard", "listCards"]
    assert [step.call.operation_id for step in planner.seen[1].current.steps] == [
        one.operation_id for one in plan.calls
    ]


def test_under_yes_nothing_of_a_plan_is_sent_where_one_change_of_it_asks(spec: Spec) -> None:
    same = call(spec, "createCard", board="b7", title="A")
    other = call(spec, "createCard", board="b7", title="B")
    seen: list[Event] = []
    with boards_api() as api, pytest.raises(ConsentError) as refused:
        policy = Policy(yes=True, interactive=False)
        events(Scripted(Plan(calls=(other, same, same))), [spec], api.url, policy=policy, see=seen.append)
    assert api.received == []
    assert "the plan has the same change twice" in str(refused.value)
    assert "none of the 3 changes of the plan was sent" in str(refused.value)
    assert [event.step.outcome for event in of(StepFinished, seen)] == [Outcome.REFUSED] * 3


def test_where_one_change_cannot_be_built_nothing_of_the_plan_is_sent(spec: Spec) -> None:
    plan = Plan(calls=(call(spec, "createCard", board="b7", title="A"), call(spec, "createCard", board="b7")))
    planner = Scripted(plan, "It needs a title.")
    with boards_api() as api:
        seen = events(planner, [spec], api.url, consent=nobody)
    assert api.received == [] and of(CallProposed, seen) == []
    first, second = planner.seen[1].current.steps
    assert first.message == "not run, as createCard of the same plan cannot be built"
    assert second.message.startswith("not sent: ")


def test_an_error_while_it_sends_leaves_a_step_for_every_change_and_a_report(spec: Spec) -> None:
    seen: list[Event] = []
    with closed_port() as url:
        events(Scripted(three(spec), "It is down."), [spec], url, consent=yes, see=seen.append)
    (report,) = of(ChangesReported, seen)
    assert [len(report.with_outcome(fate)) for fate in (ChangeOutcome.FAILED, ChangeOutcome.UNTRIED)] == [1, 2]


def test_edited_arguments_are_checked_shown_and_asked_about_again(spec: Spec) -> None:
    account = Account(
        sources=(ValueSource(argument="title", value="A", origin=Origin.WORDS, words="A", start=4, end=5),), traced=True
    )
    change = call(spec, "createCard", board="b7", title="A")
    change = type(change)(tool=change.tool, arguments=change.arguments, account=account)
    broken, mended = {"board": "b7", "points": "many"}, {"board": "b7", "title": "Z", "points": 3}
    _, consent = replying(
        ConsentReply(is_agreed=False, arguments=(broken,)),
        ConsentReply(is_agreed=False, arguments=(mended,)),
        ConsentReply(is_agreed=True),
    )
    planner = Scripted(Plan(calls=(change,)), "Done.")
    with boards_api() as api:
        seen = events(planner, [spec], api.url, consent=consent, conversation=ask("add A to the cards of the board b7"))
    assert api.only.json() == {"title": "Z", "points": 3}
    first, second, third = of(CallProposed, seen)
    assert not first.reason
    assert second.reason.startswith("your arguments were not sent: ") and second.call.arguments["title"] == "A"
    assert third.call.arguments == mended and not third.reason
    assert {source.argument: source.origin for source in third.call.account.sources} == {
        "points": Origin.REPLY,
        "title": Origin.REPLY,
    }
    (step,) = planner.seen[1].current.steps
    assert step.call.arguments == mended


def test_edited_arguments_are_judged_again(spec: Spec) -> None:
    _, consent = replying(ConsentReply(is_agreed=False, arguments=({"board": "b7", "title": "s3cret-token"},)))
    planner = Scripted(Plan(calls=(call(spec, "createCard", board="b7", title="A"),)), "No.")
    with boards_api() as api:
        events(planner, [spec], api.url, consent=consent, policy=Policy(secrets=("s3cret-token",)))
    assert api.received == []
    (step,) = planner.seen[1].current.steps
    assert step.outcome is Outcome.REFUSED and "credential" in step.message


def test_the_account_is_in_the_proposed_event(spec: Spec) -> None:
    source = ValueSource(argument="title", value="A", origin=Origin.WORDS, words="A", start=4, end=5)
    change = call(spec, "createCard", board="b7", title="A")
    change = type(change)(
        tool=change.tool, arguments=change.arguments, account=Account(sources=(source,), unused=("soon",))
    )
    with boards_api() as api:
        (proposed,) = of(CallProposed, events(Scripted(Plan(calls=(change,)), "Done."), [spec], api.url, consent=yes))
    written = json.loads(json.dumps(encode_event(proposed)))["account"]
    (told,) = written["sources"]
    assert (told["argument"], told["value"], told["origin"], told["words"]) == ("title", "A", "words", "A")
    assert (told["start"], told["end"]) == (4, 5)
    assert written["unused"] == ["soon"]


def item(folder: Path, *methods: str) -> Spec:
    """An API of cards with these methods on one card."""
    card = {"name": "card", "in": "path", "required": True, "schema": {"type": "string"}}
    fields = {name: {"type": "string"} for name in ("status", "name", "colour")}
    schema = {"type": "object", "properties": {**fields, "owner": {"type": "object"}}}
    body = {"content": {"application/json": {"schema": schema}}}
    path: dict[str, Any] = {
        method: {
            "operationId": f"{method}Card",
            "parameters": [card],
            "responses": {"200": {"description": "the card"}},
            **({} if method == "get" else {"requestBody": body}),
        }
        for method in methods
    }
    file = folder / "items.json"
    file.write_text(
        json.dumps({"openapi": "3.1.0", "info": {"title": "Items", "version": "1"}, "paths": {"/cards/{card}": path}})
    )
    return load(str(file))


CARD = {"id": "c1", "status": "ACTIVE", "name": "Summer", "owner": {"name": "Ann", "team": 3}}


def cards(state: Any = CARD, status: int = 200) -> Echo:
    def answer(request: Received) -> Response:
        return Response(status, state) if request.method == "GET" else Response(200, {})

    return Echo(answer)


def shown(
    folder: Path,
    api: Echo,
    methods: tuple[str, ...] = ("get", "patch"),
    body: Mapping[str, Any] | None = None,
    **more: Any,
) -> tuple[FieldChange, ...]:
    spec = item(folder, *methods)
    given = {"status": "PAUSED"} if body is None else body
    plan = Plan(calls=(replace(call(spec, f"{methods[-1]}Card", card="c1", **given), account=None),))
    (proposed,) = of(CallProposed, events(Scripted(plan, "Done."), [spec], api.url, **{"consent": yes, **more}))
    return proposed.changes


@table("method", ["patch", "put", "post"])
def test_an_update_shows_before_and_after(tmp_path: Path, method: str) -> None:
    given = {"status": "PAUSED", "name": "Summer", "owner": {"name": "Bob", "team": 3}, "colour": "red"}
    with cards() as api:
        changes = shown(tmp_path, api, ("get", method), given)
    assert changes == (
        FieldChange(field="status", state=FieldState.CHANGES, before="ACTIVE", after="PAUSED"),
        FieldChange(field="name", state=FieldState.SAME, before="Summer", after="Summer"),
        FieldChange(field="owner.name", state=FieldState.CHANGES, before="Ann", after="Bob"),
        FieldChange(field="owner.team", state=FieldState.SAME, before=3, after=3),
        FieldChange(field="colour", state=FieldState.UNKNOWN, after="red"),
    )
    assert [request.method for request in api.received] == ["GET", method.upper()]
    assert api.received[0].path == "/cards/c1"


def test_the_state_is_found_in_its_envelope(tmp_path: Path) -> None:
    with cards({"data": CARD, "meta": {"took": 1}}) as api:
        (change,) = shown(tmp_path, api)
    assert (change.before, change.after) == ("ACTIVE", "PAUSED")


@table(("state", "status"), [(CARD, 404), (CARD, 500), ([CARD], 200), ({"error": "no"}, 200), ("text", 200), ({}, 200)])
def test_a_state_that_cannot_be_read_is_not_shown_and_no_hindrance(tmp_path: Path, state: Any, status: int) -> None:
    with cards(state, status) as api:
        assert shown(tmp_path, api) == ()
    assert api.received[-1].method == "PATCH"


def test_an_update_without_a_readable_item_reads_nothing(tmp_path: Path) -> None:
    with cards() as api:
        assert shown(tmp_path, api, ("patch",)) == ()
    assert [request.method for request in api.received] == ["PATCH"]


@pytest.mark.parametrize("policy", [Policy(yes=True), Policy(yes=True, interactive=False)])
def test_under_yes_nothing_is_read(tmp_path: Path, policy: Policy) -> None:
    with cards() as api:
        asked = ask("pause the card c1")
        assert shown(tmp_path, api, policy=policy, consent=nobody, conversation=asked) == ()
    assert [request.method for request in api.received] == ["PATCH"]


def test_in_a_dry_run_nothing_is_read(tmp_path: Path) -> None:
    with cards() as api:
        assert shown(tmp_path, api, dry_run=True, consent=nobody) == ()
    assert api.received == []


def test_the_state_is_read_once_however_often_it_is_asked_about(tmp_path: Path) -> None:
    spec = item(tmp_path, "get", "patch")
    _, consent = replying(
        ConsentReply(is_agreed=False, arguments=({"card": 5, "status": "X"},)),
        ConsentReply(is_agreed=False, arguments=({"card": "c1", "status": "DONE"},)),
        ConsentReply(is_agreed=True),
    )
    plan = Plan(calls=(call(spec, "patchCard", card="c1", status="PAUSED"),))
    with cards() as api:
        seen = events(Scripted(plan, "Done."), [spec], api.url, consent=consent)
    assert isinstance(seen[-1], TurnAnswered)
    assert [(p.changes[0].before, p.changes[0].after) for p in of(CallProposed, seen)] == [
        ("ACTIVE", "PAUSED"),
        ("ACTIVE", "PAUSED"),
        ("ACTIVE", "DONE"),
    ]
    assert [request.method for request in api.received] == ["GET", "PATCH"]


def test_what_takes_all_away_says_how_many_that_are(tmp_path: Path) -> None:
    listed = {"type": "array", "items": {"type": "object", "properties": {"id": {"type": "string"}}}}
    answers = {"200": {"description": "ok", "content": {"application/json": {"schema": listed}}}}
    path = {
        "get": {"operationId": "listCards", "summary": "List cards", "responses": answers},
        "delete": {
            "operationId": "deleteCards",
            "summary": "Delete all cards",
            "responses": {"204": {"description": ""}},
        },
    }
    document = {"openapi": "3.1.0", "info": {"title": "Cards", "version": "1"}, "paths": {"/cards": path}}
    file = tmp_path / "cards.json"
    file.write_text(json.dumps(document))
    spec = load(str(file))
    with cards([{"id": "c1"}, {"id": "c2"}]) as api:
        plan = Plan(calls=(replace(call(spec, "deleteCards"), account=None),))
        question = ask("delete all cards")
        (proposed,) = of(
            CallProposed, events(Scripted(plan, "Done."), [spec], api.url, consent=yes, conversation=question)
        )
    assert proposed.reason.startswith("listCards lists 2 now; ")
    assert "how many that are is not known" in proposed.reason


class Shelves:
    """A library whose shelf sh_1 gets another name, or goes, while somebody is asked."""

    def __init__(self, renamed: str) -> None:
        self.name, self.renamed = "Poetry", renamed

    def answer(self, request: Received) -> Response:
        shelf = {"id": "sh_1", "name": self.name}
        if request.method == "GET":
            if not self.name:
                return Response(404, {"error": "no such shelf"})
            return Response(200, {"data": [shelf]} if request.path.split("?")[0] == "/shelves" else shelf)
        return Response(204) if request.method == "DELETE" else Response(200, shelf)

    async def consent(self, proposed: Asked) -> ConsentReply:
        self.name = self.renamed
        return ConsentReply(is_agreed=True)


@pytest.mark.parametrize(
    ("renamed", "reason"), [("Prose", '"Poetry" is called "Prose" now'), ("", "it is not there any more")]
)
def test_an_item_that_became_another_one_during_the_question_is_asked_about_again(renamed: str, reason: str) -> None:
    from nlapi.planner import OfflinePlanner
    from tests.planner.kit import library

    shelves, asked, api = Shelves(renamed), [], library()
    with Echo(shelves.answer) as server:

        async def consent(proposed: Asked) -> ConsentReply:
            asked.append([one.reason for one in proposed])
            return await shelves.consent(proposed) if len(asked) == 1 else ConsentReply(is_agreed=False)

        question = ask("delete the shelf Poetry")
        events(OfflinePlanner([api]), [api], server.url, conversation=question, consent=consent)
        assert [request.method for request in server.received if request.method != "GET"] == []
    assert len(asked) == 2 and asked[1] == [reason]


ITEMS = {
    "name and state": ({"name": "Poetry", "previous_status": "new", "status": "open"}, ["name", "status"]),
    "nested": (
        {"id": "w1", "metadata": {"name": "web"}, "status": {"phase": "Running"}},
        ["metadata.name", "status.phase"],
    ),
    "a list of names": ({"Names": ["/web"], "State": {"Pid": 3}}, ["Names"]),
    # A key or a code may be what nobody should read.
    "a credential": ({"id": "k1", "key": "sk_live_1", "code": "GIFT"}, []),
}


@pytest.mark.parametrize("kind", ITEMS)
def test_what_is_deleted_has_its_name_and_state_in_the_question(kind: str) -> None:
    from tests.planner.kit import library

    item, fields = ITEMS[kind]
    seen: list[str] = []

    async def consent(proposed: Asked) -> ConsentReply:
        seen.extend(change.field for entry in proposed for change in entry.changes)
        return ConsentReply(is_agreed=False)

    api = library()
    with Echo(Response(200, item)) as server:
        plan = Plan(calls=(call(api, "deleteShelf", shelf_id="sh_1"),))
        events(Scripted(plan, "Done."), [api], server.url, consent=consent)
    assert seen == fields


def test_what_hundreds_of_deletions_are_about_is_read_for_some() -> None:
    from tests.planner.kit import library

    api, asked = library(), []

    async def consent(proposed: Asked) -> ConsentReply:
        asked.append(sum(bool(entry.changes) for entry in proposed))
        return ConsentReply(is_agreed=False)

    with Echo(Response(200, {"name": "Poetry"})) as server:
        plan = Plan(calls=tuple(call(api, "deleteShelf", shelf_id=f"sh_{number}") for number in range(60)))
        events(Scripted(plan, "Done."), [api], server.url, consent=consent)
        assert len(server.received) == 25
    assert asked == [25]


def test_what_is_deleted_has_its_name_in_the_question() -> None:
    from tests.planner.kit import library

    shelves, asked, api = Shelves("Poetry"), [], library()

    async def consent(proposed: Asked) -> ConsentReply:
        asked.append([line for entry in proposed for line in change_lines(entry.changes)])
        return await shelves.consent(proposed)

    with Echo(shelves.answer) as server:
        plan = Plan(calls=(call(api, "deleteShelf", shelf_id="sh_1"),))
        events(Scripted(plan, "Done."), [api], server.url, consent=consent)
        assert [request.method for request in server.received] == ["GET", "DELETE"]
    assert asked == [['name is "Poetry"']]


def test_an_item_that_is_the_same_after_the_question_is_changed() -> None:
    from nlapi.planner import OfflinePlanner
    from tests.planner.kit import library

    shelves, api = Shelves("Poetry"), library()
    with Echo(shelves.answer) as server:
        question = ask("delete the shelf Poetry")
        events(OfflinePlanner([api]), [api], server.url, conversation=question, consent=shelves.consent)
        assert [request.method for request in server.received] == ["GET", "GET", "GET", "DELETE"]


def shelf_made(request: Received) -> Response:
    if request.method == "GET":
        return Response(200, {"data": []})
    return Response(201, {"id": "sh_9", **json.loads(request.body or b"{}")})


IN_ADVANCE = Policy(yes=True, interactive=False, change_below=0.8)


def test_what_one_request_makes_is_used_by_the_next_with_one_consent_in_advance() -> None:
    from nlapi.planner import OfflinePlanner
    from tests.planner.kit import library

    api = library()
    with Echo(shelf_made) as server:
        question = ask("create a shelf called Travel and pause it")
        events(OfflinePlanner([api]), [api], server.url, conversation=question, policy=IN_ADVANCE)
        sent = [(request.method, request.target) for request in server.received if request.method != "GET"]
    assert sent == [("POST", "/shelves"), ("PATCH", "/shelves/sh_9")]


def test_no_request_is_sent_in_advance_where_another_one_does_not_stand() -> None:
    from nlapi.planner import OfflinePlanner
    from tests.planner.kit import library

    api = library()
    with Echo(shelf_made) as server:
        question = ask("create a shelf called Travel and delete the shelf sh_1 tomorrow")
        with pytest.raises(ConsentError, match="none of the 2 changes"):
            events(OfflinePlanner([api]), [api], server.url, conversation=question, policy=IN_ADVANCE)
        assert [request.method for request in server.received if request.method != "GET"] == []


def test_several_requests_are_one_question() -> None:
    from nlapi.planner import OfflinePlanner
    from tests.planner.kit import library

    asked, consent = replying(ConsentReply(is_agreed=True))
    api = library()
    with Echo(shelf_made) as server:
        question = ask("delete the shelf sh_1, create a shelf called Travel and pause it")
        events(OfflinePlanner([api]), [api], server.url, conversation=question, consent=consent)
        sent = [request.method for request in server.received if request.method != "GET"]
    assert sent == ["DELETE", "POST", "PATCH"]
    assert [[one.call.operation_id for one in each] for each in asked] == [
        ["deleteShelf", "createShelf", "updateShelf"]
    ]
