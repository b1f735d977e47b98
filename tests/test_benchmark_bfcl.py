"""BFCL's functions become operations, the planner's answers calls in its form, and a cascade chooses by its halves."""

from __future__ import annotations

import pytest

from benchmarks.public.bfcl import Outcome
from benchmarks.public.bfcl_handler import answer, description
from benchmarks.public.cascade import Answer, Question, Total, best_mix, cascade

FUNCTION = {
    "name": "loans.interest",
    "description": "Calculate the interest of a loan.",
    "parameters": {
        "type": "dict",
        "properties": {
            "principal": {"type": "float", "description": "The amount of the loan."},
            "annual_rate": {"type": "float", "description": "The annual interest rate."},
            "years": {"type": "integer", "description": "The years that the loan runs."},
        },
        "required": ["principal", "annual_rate", "years"],
    },
}


def test_a_function_is_an_operation_and_its_call_has_the_declared_numbers() -> None:
    operation = description([FUNCTION])["paths"]["/loans/interest"]["post"]
    assert [(one["name"], one["schema"]["type"]) for one in operation["parameters"]] == [
        ("principal", "number"),
        ("annual_rate", "number"),
        ("years", "integer"),
    ]
    asked = [
        {"role": "user", "content": "Calculate the interest of a loan of $5000 at an annual rate of 5% for 3 years."}
    ]
    (call,) = answer(asked, [FUNCTION]).calls
    assert call == {"loans.interest": {"principal": 5000.0, "annual_rate": 0.05, "years": 3}}
    assert isinstance(call["loans.interest"]["principal"], float)
    greeting = answer([{"role": "user", "content": "Who wrote the Odyssey?"}], [FUNCTION])
    assert not greeting.calls and not greeting.asks


def question(number: int, *, is_sure: bool) -> Question:
    confidence = 0.97 if is_sure else 0.3
    planner = Outcome(
        id=str(number), category="", error="" if is_sure else "wrong", calls=True, asks=False,
        confidence=confidence, seconds=0.0, trained_on=False,
    )  # fmt: skip
    answers = {"gpt-4o": Answer(right=True, dollars=1.0, seconds=1.0)}
    return Question(number=number, planner=planner, answers=answers)


def test_a_cascade_sends_on_what_the_planner_is_not_sure_of() -> None:
    total = cascade([question(number, is_sure=number % 4 < 2) for number in range(16)], "gpt-4o")
    assert (total.right, total.dollars, total.unaided) == (1.0, 8.0, 0.5)


def test_a_mix_lies_between_its_models() -> None:
    totals = {"a": Total(right=0.8, dollars=1.0, seconds=1.0), "b": Total(right=0.9, dollars=11.0, seconds=1.0)}
    text, right = best_mix(totals, 6.0)
    assert (text, right) == ("50% b, else a", pytest.approx(0.85))
