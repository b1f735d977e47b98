"""From Python a change is made once: the same, much the same, and by a sibling; sent one by one and at once."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import nlapi
from nlapi.tools.repetition.ledger import LONG_LIVED_S, Ledger
from nlapi.tools.sending.run import Target, prepare
from nlapi.tools.tool import Call
from tests.describe import body, parameter, spec
from tests.servers import Echo, Received, Reply, Script

FIELDS = {"type": "object", "properties": {name: {"type": "string"} for name in ("name", "note", "customer", "amount")}}
ANY = {"200": {"description": "any", "content": {"application/json": {"schema": {}}}}}


def post(id: str, **more: Any) -> dict[str, Any]:
    return {"post": {"operationId": id, "summary": id, **body(FIELDS), "responses": ANY, **more}}


API = spec(
    {
        "/campaigns": {
            **post("createCampaign"),
            "get": {"operationId": "listCampaigns", "parameters": [parameter("q")], "responses": ANY},
        },
        "/drafts": post("createDraft"),
        "/v2/campaigns": post("addCampaignV2"),
        "/campaigns/{id}": {
            "put": {
                "operationId": "putCampaign",
                "parameters": [parameter("id", "path")],
                **body(FIELDS),
                "responses": ANY,
            }
        },
        "/invoices": post("createInvoice"),
        "/payments": post("createPayment"),
        "/campaigns/{id}/pause": post("pauseCampaign", parameters=[parameter("id", "path")]),
        "/campaigns/{id}/resume": post("resumeCampaign", parameters=[parameter("id", "path")]),
    }
)
CAMPAIGN = {"name": "Summer", "note": "for all"}

Change = Callable[[str, dict[str, Any]], str]


def lost() -> Script:
    return Script(Script.RESET)


def cut() -> Script:
    return Script(b'HTTP/1.1 201 Created\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{"id":')


def served(status: int) -> Callable[[], Echo]:
    return lambda: Echo(Reply(status, {"id": "1"}))


OUTCOMES: dict[str, Callable[[], Any]] = {
    "201": served(201),
    "500": served(500),
    "302": served(302),
    "lost": lost,
    "cut": cut,
}


_ADDRESSES = itertools.count()


@pytest.fixture(params=["toolset", "answer", "answer with a ledger"])
def face(request: pytest.FixtureRequest) -> Callable[..., Change]:
    """Opens a face with consent in advance, or another `yes`; a call of it is one of a model."""

    def open_face(url: str, yes: Any = True) -> Change:
        # A process remembers what it sent to an address, and a port is given again to the server of a later test.
        url = f"{url}/{next(_ADDRESSES)}"
        if request.param == "toolset":
            tools = nlapi.toolset(API, base_url=url, yes=yes, timeout=5)
            return lambda name, arguments: tools.answer("change", {"operation": name, "arguments": arguments})
        more = {"ledger": nlapi.Ledger()} if "ledger" in request.param else {}
        return lambda name, arguments: nlapi.answer(
            nlapi.tools(API), name, arguments, base_url=url, yes=yes, timeout=5, **more
        )

    return open_face


@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize(
    ("operation", "arguments"),
    [
        ("createCampaign", CAMPAIGN),
        ("createCampaign", {"note": "For  ALL", "name": "summer "}),
        ("createCampaign", {**CAMPAIGN, "amount": "5"}),
        ("createDraft", CAMPAIGN),
        ("addCampaignV2", CAMPAIGN),
    ],
)
def test_consent_in_advance_covers_no_repetition(
    face: Callable[..., Change], outcome: str, operation: str, arguments: dict[str, Any]
) -> None:
    with OUTCOMES[outcome]() as api:
        change = face(api.url)
        change("createCampaign", CAMPAIGN)
        told = change(operation, arguments)
        assert len(api.received) == 1
    assert told.startswith("not sent: ") and "carried out" in told and "Read the state" in told


@pytest.mark.parametrize(("outcome", "sent"), [("lost", 1), ("500", 1), ("201", 2)])
def test_what_was_lost_is_not_put_either(face: Callable[..., Change], outcome: str, sent: int) -> None:
    with OUTCOMES[outcome]() as api:
        change = face(api.url)
        change("createCampaign", CAMPAIGN)
        change("putCampaign", {"id": "c1", **CAMPAIGN})
        assert len(api.received) == sent


UNDONE = {
    "actions": [("pauseCampaign", {"id": "1"}), ("resumeCampaign", {"id": "1"})],
    "fields": [("putCampaign", {"id": "1", "note": "on"}), ("putCampaign", {"id": "1", "note": "off"})],
}


@pytest.mark.parametrize("kind", UNDONE)
def test_what_was_put_back_may_be_done_again(kind: str, face: Callable[..., Change]) -> None:
    first, back = UNDONE[kind]
    with Echo(Reply(200, {"ok": True})) as api:
        change = face(api.url, yes=True)
        for call in (first, back, first, first):
            change(*call)
        assert len(api.received) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429])
def test_what_was_plainly_refused_may_be_tried_again(face: Callable[..., Change], status: int) -> None:
    with Echo([Reply(status), Reply(201, {"id": "1"})]) as api:
        change = face(api.url)
        for _ in range(3):
            change("createCampaign", CAMPAIGN)
        assert len(api.received) == 2


def test_what_was_never_sent_may_be_tried_again(face: Callable[..., Change]) -> None:
    with Echo() as api:
        change = face("http://127.0.0.1:9")
        assert "repetition" not in change("createCampaign", CAMPAIGN) + change("createCampaign", CAMPAIGN)
        assert api.received == []


def test_one_thing_after_the_other_is_ordinary_use(face: Callable[..., Change]) -> None:
    """Another one, what follows from the first, an action and its opposite, and reads."""
    calls: list[tuple[str, dict[str, Any]]] = [
        ("createCampaign", CAMPAIGN),
        ("createCampaign", {**CAMPAIGN, "name": "Winter"}),
        ("createDraft", {"name": "Summer"}),
        ("createInvoice", {"customer": "c1", "amount": "5"}),
        ("createPayment", {"customer": "c1", "amount": "5", "name": "inv-1"}),
        ("pauseCampaign", {"id": "c1", "note": "holidays"}),
        ("resumeCampaign", {"id": "c1", "note": "holidays"}),
        ("pauseCampaign", {"id": "c2", "note": "holidays"}),
    ]
    with Echo(Reply(201, {"id": "1"})) as api:
        change = face(api.url)
        assert not [told for name, arguments in calls if (told := change(name, arguments)).startswith("not sent")]
        assert len(api.received) == len(calls)


def test_a_function_is_shown_the_repetition_and_its_yes_sends_it(face: Callable[..., Change]) -> None:
    shown: list[str] = []

    def yes(change: nlapi.Prepared) -> bool:
        shown.append(change.repetition)
        return len(shown) != 3

    with Echo(Reply(201, {"id": "1"})) as api:
        change = face(api.url, yes)
        told = [change("createCampaign", CAMPAIGN) for _ in range(3)]
        assert len(api.received) == 2
    assert shown[0] == "" and "was answered 201 and was carried out" in shown[1]
    assert told[2].startswith("not sent: ")


def test_of_equal_changes_at_once_one_is_sent() -> None:
    """Each is in the ledger before it is sent, so that it counts while its answer is waited for."""
    release = threading.Event()

    def answer(_: Received) -> Reply:
        release.wait(10)
        return Reply(201, {"id": "1"})

    arguments = {"operation": "createCampaign", "arguments": CAMPAIGN}
    with Echo(answer) as api:
        tools = nlapi.toolset(API, base_url=api.url, yes=True, timeout=20)

        async def all_at_once() -> list[str]:
            tasks = [asyncio.create_task(tools.answer_async("change", arguments)) for _ in range(5)]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            release.set()
            return [await task for task in tasks]

        told = asyncio.run(all_at_once())
        assert len(api.received) == 1
        with ThreadPoolExecutor(5) as pool:
            told += pool.map(lambda _: tools.answer("change", arguments), range(5))
        assert len(api.received) == 1
    assert sum(text.startswith("not sent") for text in told) == 9
    assert "is being sent" in " ".join(told)


def test_a_yes_to_a_first_change_covers_no_second_that_was_sent_meanwhile() -> None:
    """Both were asked about when neither was sent: the second is asked about again, now with the reason."""
    asked: list[str] = []
    both = threading.Barrier(2, timeout=120)

    async def yes(change: nlapi.Prepared) -> bool:
        asked.append(change.repetition)
        if not change.repetition:
            await asyncio.to_thread(both.wait)
        return not change.repetition

    with Echo(Reply(201, {"id": "1"})) as api:
        tools = nlapi.toolset(API, base_url=api.url, yes=yes)

        async def twice() -> list[str]:
            call = {"operation": "createCampaign", "arguments": CAMPAIGN}
            return await asyncio.gather(*(tools.answer_async("change", call) for _ in range(2)))

        asyncio.run(twice())
        assert len(api.received) == 1
    assert [bool(reason) for reason in sorted(asked)] == [False, False, True]


def test_each_call_of_a_program_is_a_command_of_its_own() -> None:
    with Echo(Reply(500)) as api:
        for _ in range(2):
            nlapi.call(API, "createCampaign", CAMPAIGN, base_url=api.url, yes=True)
        assert len(api.received) == 2


def test_each_conversation_that_has_a_ledger_is_one_of_its_own() -> None:
    with Echo(Reply(201, {"id": "1"})) as api:
        for ledger in (nlapi.Ledger(), nlapi.Ledger()):
            for _ in range(2):
                nlapi.answer(nlapi.tools(API), "createCampaign", CAMPAIGN, base_url=api.url, yes=True, ledger=ledger)
        assert len(api.received) == 2


@pytest.fixture
def hours() -> Iterator[list[float]]:
    yield [0.0]


def test_what_was_answered_is_forgotten_in_time_and_what_is_unknown_is_not(hours: list[float]) -> None:
    ledger = Ledger(lifetime_s=LONG_LIVED_S, clock=lambda: hours[0] * 3600)
    target = Target(spec=API, ledger=ledger)

    def prepared(name: str) -> nlapi.Prepared:
        tool = next(tool for tool in nlapi.tools(API) if tool.name == "createCampaign")
        return prepare(Call(tool=tool, arguments={"name": name}), target)

    for name, status in (("done", 201), ("open", 500)):
        with ledger.sending(prepared(name).change) as entry:
            entry.settle(nlapi.Result(status=status))
    assert all(prepared(name).repetition for name in ("done", "open"))
    hours[0] = 13.0
    assert "may have been carried out" in prepared("open").repetition
    assert "the same change" not in prepared("done").repetition
