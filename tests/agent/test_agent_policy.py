"""The policy: which calls run, which ask, which never run."""

from __future__ import annotations

from base64 import b64encode, urlsafe_b64encode
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from nlapi.agent.policy import OUTCOME_UNKNOWN, Policy, Verdict
from nlapi.api import load
from nlapi.client.message import EndReason, Framing, Result
from nlapi.openapi.spec import Spec
from nlapi.tools.plan import Conversation, Outcome, Plan, Round, Step, ask
from nlapi.tools.tool import Call
from tests.agent.kit import boards, call, judge, prepared

Two = tuple[Spec, Spec]
QUESTION = "add A to the board b7"


@pytest.fixture
def two(tmp_path: Path) -> Two:
    return boards(tmp_path, "Alpha"), boards(tmp_path, "Beta")


def after(question: str, *calls: Call, known: dict[str, Any] | None = None, **step: Any) -> Conversation:
    """A conversation in which these calls were made and answered."""
    step = {"outcome": Outcome.ANSWERED, "result": Result(status=200, content=b'[{"id": "b7"}]'), **step}
    steps = tuple(Step(call=(sent := prepared(made)).call, request=sent.request, **step) for made in calls)
    return ask(question, known).with_round(Round(plan=Plan(calls=calls), steps=steps))


def test_a_read_runs_and_changes_ask(two: Two) -> None:
    spec = two[0]
    verdicts = [
        judge(Policy(), made, ask("?")).verdict
        for made in (call(spec, "listBoards"), call(spec, "createCard"), call(spec, "deleteCard"))
    ]
    assert verdicts == [Verdict.RUN, Verdict.ASK, Verdict.ASK]


def test_yes_covers_writing_and_destroying(two: Two) -> None:
    for operation in ("createCard", "deleteCard"):
        assert judge(Policy(yes=True), call(two[0], operation), ask("?")).verdict is Verdict.RUN


@pytest.mark.parametrize(
    ("confidence", "interactive", "verdict"), [(0.4, True, "ask"), (0.6, True, "run"), (0.4, False, "run")]
)
def test_an_unsure_plan_asks_for_reads_when_someone_is_there(
    two: Two, confidence: float, interactive: bool, verdict: str
) -> None:
    policy = Policy(ask_below=0.5, change_below=0.9, interactive=interactive)
    assert judge(policy, call(two[0], "listBoards"), ask("?"), confidence=confidence).verdict == verdict


@pytest.mark.parametrize(("confidence", "verdict"), [(0.14, "ask"), (0.6, "run")])
def test_yes_is_no_consent_to_a_change_that_was_guessed(two: Two, confidence: float, verdict: str) -> None:
    policy = Policy(yes=True, ask_below=0.2, change_below=0.5, interactive=False)
    assert judge(policy, call(two[0], "createCard"), ask("?"), confidence=confidence).verdict == verdict


@pytest.mark.parametrize("operation", ["createCard", "deleteCard"])
def test_after_one_api_answered_a_change_to_another_asks_even_under_yes(two: Two, operation: str) -> None:
    alpha, beta = two
    earlier = after(QUESTION, call(alpha, "listBoards"))
    judged = judge(Policy(yes=True), call(beta, operation), earlier)
    assert judged.verdict is Verdict.ASK
    assert "Alpha" in judged.reason and "Beta" in judged.reason
    assert judge(Policy(yes=True, across=True), call(beta, operation), earlier).verdict is Verdict.RUN


def test_a_change_to_the_same_api_is_covered_by_yes_after_a_read(two: Two) -> None:
    earlier = after(QUESTION, call(two[0], "listBoards"))
    assert judge(Policy(yes=True), call(two[0], "deleteCard", card="c1"), earlier).verdict is Verdict.RUN


def test_a_read_that_may_carry_data_to_another_api_asks(two: Two) -> None:
    alpha, beta = two
    earlier = after("what is on the board Roadmap?", call(alpha, "listBoards"), known={"account": "acc-1"})
    carried, asked, given, plain = (
        judge(Policy(), made, earlier).verdict
        for made in (
            call(beta, "listCards", board="ada@example.org"),
            call(beta, "listCards", board="Roadmap"),
            call(beta, "listCards", board="acc-1"),
            call(beta, "listBoards", limit=20),
        )
    )
    assert (carried, asked, given, plain) == (Verdict.ASK, Verdict.RUN, Verdict.RUN, Verdict.RUN)


def test_an_id_from_an_api_may_go_back_to_it(two: Two) -> None:
    earlier = after("cards?", call(two[0], "listBoards"))
    assert judge(Policy(), call(two[0], "listCards", board="b7"), earlier).verdict is Verdict.RUN


def test_steps_of_the_round_that_is_under_way_count_too(two: Two) -> None:
    alpha, beta = two
    done = Step(call=call(alpha, "listBoards"), outcome=Outcome.ANSWERED, result=Result(status=200))
    judged = judge(Policy(yes=True), call(beta, "createCard", title="x"), ask("?"), during=(done,))
    assert judged.verdict is Verdict.ASK


UNKNOWN = {"outcome": Outcome.FAILED, "result": None, "message": f"{OUTCOME_UNKNOWN}: no answer"}
CUT = Result(status=200, items=(), framing=Framing.LINES, ended=EndReason.BROKEN)
NOT_SENT = {"outcome": Outcome.FAILED, "result": None, "message": "cannot connect"}
DECLINED = {"outcome": Outcome.REFUSED, "result": None, "message": "the user said no"}


@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ({"result": Result(status=201)}, "answered 201 and was carried out"),
        ({"result": Result(status=303)}, "answered 303 and may have been"),
        ({"result": Result(status=408)}, "answered 408 and may have been"),
        ({"result": Result(status=504)}, "answered 504 and may have been"),
        (UNKNOWN, "no complete answer"),
    ],
)
def test_a_change_that_may_have_been_carried_out_is_not_repeated_unasked(
    two: Two, step: dict[str, Any], reason: str
) -> None:
    made = call(two[0], "createCard", board="b7", title="A")
    judged = judge(Policy(yes=True), made, after(QUESTION, made, **step))
    assert judged.verdict is Verdict.ASK
    assert reason in judged.reason


@pytest.mark.parametrize("step", [NOT_SENT, DECLINED, *({"result": Result(status=s)} for s in (400, 409, 422, 429))])
def test_a_change_that_was_not_carried_out_may_be_tried_again(two: Two, step: dict[str, Any]) -> None:
    made = call(two[0], "createCard", board="b7", title="A")
    assert judge(Policy(yes=True), made, after(QUESTION, made, **step)).verdict is Verdict.RUN


def test_another_change_is_no_repetition(two: Two) -> None:
    made = call(two[0], "createCard", board="b7", title="A")
    other = call(two[0], "createCard", board="b7", title="B")
    elsewhere = call(two[1], "createCard", board="b7", title="A")
    at_another_place = call(two[0], "createCard", board="b8", title="A")
    assert judge(Policy(yes=True), other, after(QUESTION, made)).verdict is Verdict.RUN
    for change, base_url in ((elsewhere, "http://127.0.0.1:8"), (at_another_place, "http://127.0.0.1:9")):
        judged = judge(Policy(yes=True), change, after(QUESTION, made, **UNKNOWN), base_url=base_url)
        assert judged.verdict is Verdict.RUN


def test_the_same_request_of_another_description_is_a_repetition(two: Two) -> None:
    made, renamed = (call(api, "createCard", board="b7", title="A") for api in two)
    assert judge(Policy(yes=True), renamed, after(QUESTION, made, **UNKNOWN)).verdict is Verdict.ASK


@pytest.mark.parametrize("step", [UNKNOWN, {"result": Result(status=500)}, {"result": CUT}])
@pytest.mark.parametrize(
    "arguments",
    [
        {"board": "b7", "title": "A "},
        {"board": "b7", "title": "a"},
        {"board": "b7", "title": "A", "points": 3},
        {"board": "B7", "title": "A"},
        {"board": "b7 ", "title": "A"},
        {"board": "b7", "title": "Another wording"},
    ],
)
def test_after_an_unknown_outcome_every_change_of_the_operation_at_the_place_asks(
    two: Two, step: dict[str, Any], arguments: dict[str, Any]
) -> None:
    made = call(two[0], "createCard", board="b7", title="A")
    judged = judge(Policy(yes=True), call(two[0], "createCard", **arguments), after(QUESTION, made, **step))
    assert judged.verdict is Verdict.ASK
    assert "may have been carried out" in judged.reason


@pytest.mark.parametrize("arguments", [{"title": "A "}, {"title": "a"}, {"title": "A", "points": 3}])
def test_a_change_that_was_carried_out_is_not_repeated_in_other_words(two: Two, arguments: dict[str, Any]) -> None:
    earlier = after(QUESTION, call(two[0], "createCard", board="b7", title="A"), result=Result(status=201))
    judged = judge(Policy(yes=True), call(two[0], "createCard", board="b7", **arguments), earlier)
    assert judged.verdict is Verdict.ASK and "much the same change" in judged.reason


def test_amounts_are_compared_as_they_go_on_the_wire() -> None:
    spec = load("ads")
    arguments = {"account_id": "acc_12345678", "name": "X", "objective": "TRAFFIC"}
    earlier = after(QUESTION, call(spec, "createCampaign", **arguments, daily_budget_micros="$50"), **UNKNOWN)
    for amount in ("$50", "50.00 USD", 50_000_000, 50_000_000.0):
        again = call(spec, "createCampaign", **arguments, daily_budget_micros=amount)
        judged = judge(Policy(yes=True), again, earlier)
        assert judged.verdict is Verdict.ASK and judged.reason.startswith("the same change")


def test_a_change_that_a_later_refusal_followed_may_still_have_been_carried_out(two: Two) -> None:
    made = call(two[0], "createCard", board="b7", title="A")
    steps = tuple(Step(call=made, outcome=Outcome.ANSWERED, result=Result(status=status)) for status in (502, 409))
    assert judge(Policy(yes=True), made, ask("?"), during=steps).verdict is Verdict.ASK


TOKEN = "sk-test/12345678+é"
PASSWORD = "correct horse"


@pytest.mark.parametrize(
    "value",
    [
        f"the key is {TOKEN}",
        {"deep": [TOKEN]},
        {"deep": {TOKEN: True}},
        quote(TOKEN, safe=""),
        quote(TOKEN, safe="").lower(),
        "".join(f"%{byte:02x}" for byte in TOKEN.encode()),
        b64encode(TOKEN.encode()).decode(),
        urlsafe_b64encode(TOKEN.encode()).decode().rstrip("="),
        PASSWORD,
        b64encode(f"ada:{PASSWORD}".encode()).decode(),
        "${BETA_TOKEN}",
        {"${BETA_TOKEN}": 1},
    ],
)
def test_credentials_and_variables_never_travel_in_arguments(two: Two, value: object) -> None:
    policy = Policy(yes=True, secrets=(f"Bearer {TOKEN}", f"ada:{PASSWORD}", "x"))
    refusal = policy.refusal(call(two[0], "listCards", board=value))
    assert refusal
    assert "sk-test" not in refusal
    if isinstance(value, str):
        assert judge(policy, call(two[0], "listCards", board=value), ask("?")).verdict is Verdict.NEVER
    assert "sk-test" not in repr(policy)


def test_a_user_name_is_no_credential(two: Two) -> None:
    policy = Policy(secrets=("ada.lovelace:correct horse",))
    judged = judge(policy, call(two[0], "listCards", board="ada.lovelace"), ask("?"))
    assert judged.verdict is Verdict.RUN


def test_a_short_stand_in_for_a_credential_does_not_forbid_ordinary_words(two: Two) -> None:
    judged = judge(Policy(secrets=("demo",)), call(two[0], "listCards", board="demo board"), ask("?"))
    assert judged.verdict is Verdict.RUN


def test_a_credential_of_the_question_goes_into_no_other_argument(two: Two) -> None:
    token = "tk_9f8e7d6c5b4a39281706f5e4"
    made = call(two[0], "createCard", board="b7", title=f"use {token}")
    decision = judge(Policy(yes=True), made, ask(f"add a card to the board b7, my token is {token}"))
    assert decision.verdict is Verdict.NEVER
    assert "looks like a credential" in decision.reason
    assert token not in decision.reason
