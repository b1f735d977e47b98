"""What operators say in plain English, and the calls that the planner makes of it, with and without a gateway."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import yaml

import nlapi
from benchmarks.changes.run import without_registrations
from benchmarks.operators import (
    DANGEROUS,
    FOLDER,
    SEEN,
    UNSEEN,
    Outcome,
    Rating,
    is_right_call,
    load,
    run,
    summary,
)
from nlapi import bundled
from nlapi.gateway.http.description import load_description
from nlapi.planner.planner import OfflinePlanner
from nlapi.tools.plan import Plan
from tests.tables import table

SHOP, HELD_OUT, MORE_HELD_OUT, LAST, FRESH = (
    FOLDER / f"questions_{name}.yaml" for name in ("shop", "held_out", "held_out_more", "last", "fresh")
)
QUESTIONS, TODAY = load(SEEN).questions, load(SEEN).today
UNSEEN_QUESTIONS = load(UNSEEN).questions
FURTHER_QUESTIONS = [
    question for path in (SHOP, HELD_OUT, MORE_HELD_OUT, LAST, FRESH) for question in load(path).questions
]
EXAMPLES, UNSEEN_EXAMPLES = 20, 31
"""The number of sentences at the start of each file that have names of the description's examples."""
LEAST_WITHOUT_A_GATEWAY = 17
"""Of EXAMPLES."""
LEAST_UNSEEN_WITHOUT_A_GATEWAY = 15
"""Of UNSEEN_EXAMPLES."""
LEAST = {SEEN: 73, UNSEEN: 68}
"""Of 80 and of 71 against a gateway; `python -m benchmarks.operators [--unseen | --file NAME]` prints how many are.

The further sets are left to it, as each takes ten seconds of CPU.
"""


def is_right(plan: Plan, question: Mapping[str, Any]) -> bool:
    """Is it the call that is wanted, with nothing missing?"""
    return (
        len(plan.calls) == 1
        and not plan.missing
        and is_right_call(question, plan.calls[0].operation_id, plan.calls[0].arguments)
    )


@pytest.fixture(scope="module")
def planner() -> OfflinePlanner:
    """A planner of the gateway's API that knows no gateway."""
    return OfflinePlanner((nlapi.load("gateway"),), today=TODAY)


def test_operators_are_understood_without_a_gateway(planner: OfflinePlanner) -> None:
    for questions, least in (
        (QUESTIONS[:EXAMPLES], LEAST_WITHOUT_A_GATEWAY),
        (UNSEEN_QUESTIONS[:UNSEEN_EXAMPLES], LEAST_UNSEEN_WITHOUT_A_GATEWAY),
    ):
        wrong = [
            question["ask"] for question in questions if not is_right(planner.plan(str(question["ask"])), question)
        ]
        assert len(questions) - len(wrong) >= least, wrong


@pytest.fixture(scope="module", params=[*LEAST, DANGEROUS], ids=lambda path: path.stem)
def outcomes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NLAPI_CONFIG_DIR", "")
        without_registrations(str(tmp_path_factory.mktemp("home")))
        yield run(load(request.param)), LEAST.get(request.param, 0)


@pytest.mark.slow
def test_operators_are_understood_by_the_names_of_the_gateway(outcomes: tuple[list[Outcome], int]) -> None:
    rated, least = outcomes
    right = [outcome for outcome in rated if outcome.rating is Rating.RIGHT]
    assert len(right) >= least, summary(rated)


@pytest.mark.slow
def test_no_wrong_change_is_made(outcomes: tuple[list[Outcome], int]) -> None:
    assert [outcome.sentence for outcome in outcomes[0] if outcome.rating is Rating.WRONG] == []


@table("sentence", ["ship ranker v2 to everyone", "ship ranker v8", "put writer v2 live"])
def test_what_is_shipped_is_never_deleted(planner: OfflinePlanner, sentence: str) -> None:
    plan = planner.plan(sentence)
    assert not [
        call.operation_id for call in (*plan.calls, *plan.alternatives) if call.tool.operation.method == "DELETE"
    ]


@table("question", [*QUESTIONS, *UNSEEN_QUESTIONS, *FURTHER_QUESTIONS], ids=lambda question: question["ask"])
def test_a_question_asks_for_a_call_that_exists(question: Mapping[str, Any]) -> None:
    others = question.get("or", [])
    for gold in (question, *others):
        operation = load_description().operations[gold["operation"]]
        arguments = {name: one_of(value) for name, value in gold["arguments"].items() if one_of(value) is not None}
        names = {parameter.name for parameter in operation.parameters}
        body = {name: value for name, value in arguments.items() if name not in names}
        assert operation.body is None or operation.body.is_valid(body)
        assert operation.body is not None or not body
        required = {parameter.name for parameter in operation.parameters if parameter.required}
        assert required <= {*arguments, *question.get("asks", [])}


def one_of(value: Any) -> Any:
    """The first of the values of which each is right."""
    return value["any"][0] if isinstance(value, Mapping) and set(value) == {"any"} else value


def test_the_description_is_a_good_one() -> None:
    from nlapi.tools.definitions.lint import lint

    spec = nlapi.load("gateway")
    assert not spec.issues
    assert lint(spec).score >= 95


def test_every_yaml_reader_takes_the_description() -> None:
    text = bundled.text("specs/gateway.yaml")
    assert yaml.load(text, yaml.SafeLoader) == yaml.load(text, getattr(yaml, "CSafeLoader", yaml.SafeLoader))
