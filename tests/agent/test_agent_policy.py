"""The policy: which calls run, which ask, which never run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nlapi.agent.policy import OUTCOME_UNKNOWN, Policy, Verdict
from nlapi.client.message import Result
from nlapi.openapi.spec import Spec
from nlapi.tools.plan import Conversation, Outcome, Plan, Round, Step, ask
from nlapi.tools.tool import Call
from tests.agent.kit import boards, call

Two = tuple[Spec, Spec]


@pytest.fixture
def two(tmp_path: Path) -> Two:
    return boards(tmp_path, "Alpha"), boards(tmp_path, "Beta")


def after(question: str, *calls: Call, known: dict[str, Any] | None = None, **step: Any) -> Conversation:
    """A conversation in which these calls were made and answered."""
    step = {"outcome": Outcome.DONE, "result": Result(status=200, content=b'[{"id": "b7"}]'), **step}
    steps = tuple(Step(call=made, **step) for made in calls)
    return ask(question, known).with_round(Round(plan=Plan(calls=calls), steps=steps))


def test_a_read_runs_and_changes_ask(two: Two) -> None:
    spec = two[0]
    verdicts = [
        Policy().judge(made, ask("?")).verdict
        for made in (call(spec, "listBoards"), call(spec, "createCard"), call(spec, "deleteCard"))
    ]
    assert verdicts == [Verdict.RUN, Verdict.ASK, Verdict.ASK]


def test_yes_covers_writing_and_destroying(two: Two) -> None:
    for operation in ("createCard", "deleteCard"):
        assert Policy(yes=True).judge(call(two[0], operation), ask("?")).verdict is Verdict.RUN


def test_never_wins_over_yes(two: Two) -> None:
    judged = Policy(yes=True, never=("create*",)).judge(call(two[0], "createCard"), ask("?"))
    assert judged.verdict is Verdict.NEVER
    assert "createCard" in judged.reason


@pytest.mark.parametrize(
    ("confidence", "interactive", "verdict"), [(0.4, True, "ask"), (0.6, True, "run"), (0.4, False, "run")]
)
def test_an_unsure_plan_asks_for_reads_when_someone_is_there(
    two: Two, confidence: float, interactive: bool, verdict: str
) -> None:
    policy = Policy(ask_below=0.5, interactive=interactive)
    assert policy.judge(call(two[0], "listBoards"), ask("?"), confidence=confidence).verdict == verdict


@pytest.mark.parametrize(("confidence", "verdict"), [(0.14, "ask"), (0.6, "run")])
def test_yes_is_no_consent_to_a_change_that_was_guessed(two: Two, confidence: float, verdict: str) -> None:
    policy = Policy(yes=True, ask_below=0.5, interactive=False)
    assert policy.judge(call(two[0], "createCard"), ask("?"), confidence=confidence).verdict == verdict


@pytest.mark.parametrize("operation", ["createCard", "deleteCard"])
def test_after_one_api_answered_a_change_to_another_asks_even_under_yes(two: Two, operation: str) -> None:
    alpha, beta = two
    earlier = after("copy it", call(alpha, "listBoards"))
    judged = Policy(yes=True).judge(call(beta, operation, title="cmVhZA=="), earlier)
    assert judged.verdict is Verdict.ASK
    assert "Alpha" in judged.reason and "Beta" in judged.reason
    assert Policy(yes=True, across=True).judge(call(beta, operation), earlier).verdict is Verdict.RUN


def test_a_change_to_the_same_api_is_covered_by_yes_after_a_read(two: Two) -> None:
    earlier = after("delete c1", call(two[0], "listBoards"))
    assert Policy(yes=True).judge(call(two[0], "deleteCard", card="c1"), earlier).verdict is Verdict.RUN


def test_a_read_that_may_carry_data_to_another_api_asks(two: Two) -> None:
    alpha, beta = two
    earlier = after("what is on the board Roadmap?", call(alpha, "listBoards"), known={"account": "acc-1"})
    carried, asked, given, plain = (
        Policy().judge(made, earlier).verdict
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
    assert Policy().judge(call(two[0], "listCards", board="b7"), earlier).verdict is Verdict.RUN


def test_steps_of_the_round_that_is_under_way_count_too(two: Two) -> None:
    alpha, beta = two
    done = Step(call=call(alpha, "listBoards"), outcome=Outcome.DONE, result=Result(status=200))
    judged = Policy(yes=True).judge(call(beta, "createCard", title="x"), ask("?"), during=(done,))
    assert judged.verdict is Verdict.ASK


def test_a_change_with_an_unknown_outcome_is_not_repeated_unasked(two: Two) -> None:
    made = call(two[0], "createCard", board="b7", title="A")
    unknown = after("add A", made, outcome=Outcome.FAILED, result=None, message=f"{OUTCOME_UNKNOWN}: no answer")
    other = call(two[0], "createCard", board="b7", title="B")
    assert Policy(yes=True).judge(made, unknown).verdict is Verdict.ASK
    assert Policy(yes=True).judge(other, unknown).verdict is Verdict.RUN


@pytest.mark.parametrize("value", ["the key is sk-test-12345678", {"deep": ["sk-test-12345678"]}, "${BETA_TOKEN}"])
def test_credentials_and_variables_never_travel_in_arguments(two: Two, value: object) -> None:
    policy = Policy(yes=True, secrets=("sk-test-12345678", "x"))
    judged = policy.judge(call(two[0], "listCards", board=value), ask("?"))
    assert judged.verdict is Verdict.NEVER
    assert "sk-test" not in judged.reason
    assert "sk-test" not in repr(policy)


def test_a_short_stand_in_for_a_credential_does_not_forbid_ordinary_words(two: Two) -> None:
    judged = Policy(secrets=("demo",)).judge(call(two[0], "listCards", board="demo board"), ask("?"))
    assert judged.verdict is Verdict.RUN
