"""What a cascade saves: the planner where it is sure, else a model, on recorded outcomes of five models.

python -m benchmarks.public.cascade --data DIR. DIR/routing/bfcl_recorded.tsv has what each model answered, its tokens
and seconds; the planner answers the same questions here, and BFCL's own checker rates both. When the planner is sure is
learned on one half of the questions and scored on the other, both ways round.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from statistics import fmean
from typing import Final

from benchmarks.public.bfcl import PACKAGE, Outcome, outcomes
from benchmarks.public.chapter import Bars, Chapter, MissingError, Source, Table, alone

CATEGORIES: Final = {"simple": "simple_python", "multiple_function": "multiple", "relevance": "irrelevance"}
"""The categories of the recorded runs, by their names in BFCL v4; the numbers begin at 1 there and at 0 here."""
PRICES: Final = {
    "claude-3-haiku": (0.25, 1.25),
    "claude-3-5-sonnet": (3.0, 15.0),
    "claude-3-opus": (15.0, 75.0),
    "gpt-4o-mini": (0.15, 0.6),
    "gpt-4o": (2.5, 10.0),
}
"""Dollars a million tokens in 2024, in and out."""
MODEL: Final = "gpt-4o"
TARGET_PRICE: Final = 0.6
# More than any confidence: no call is taken.
_NEVER: Final = 2.0
STEPS: Final = (_NEVER, 0.95, 0.9, 0.8, 0.6)
"""Least confidences of a call among which the learning chooses: 264 questions tell no more of them apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A recorded answer of a model."""

    right: bool
    dollars: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One question: what the planner made of it, and the recorded answer of each model."""

    number: int
    planner: Outcome
    answers: Mapping[str, Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """What a way of answering comes to over some questions; `unaided` is the share without a model."""

    right: float
    dollars: float
    seconds: float
    unaided: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sureness:
    """When the planner's answer is taken: the least confidence in a call, and whether no call and a question are.

    A question back to the user is rated as no call, as the checker has it.
    """

    call: float
    none: bool
    asks: bool

    def covers(self, outcome: Outcome) -> bool:
        if outcome.calls:
            return outcome.confidence >= self.call
        return self.asks if outcome.asks else self.none


def measure(data: Path) -> Chapter:
    """Return the chapter of the cascade."""
    questions = [question for question in recorded(data) if not question.planner.trained_on]
    cascades = {model: cascade(questions, model) for model in PRICES}
    alone_totals = {model: always(questions, model) for model in PRICES}
    best, own = alone_totals[MODEL], cascades[MODEL]
    mix, mix_right = best_mix(alone_totals, own.dollars)
    price = own.dollars / best.dollars
    beats = round(100 * own.right, 1) > round(100 * mix_right, 1)
    missed = []
    if own.right < best.right or price > TARGET_PRICE:
        missed.append(
            f"At least the accuracy of {MODEL} for at most {100 * TARGET_PRICE:.0f} % of its dollars: "
            f"{100 * own.right:.1f} % against {100 * best.right:.1f} % for {100 * price:.0f} %."
        )
    if not beats:
        missed.append(
            f"Better than the best fixed mix: {mix} has {100 * mix_right:.1f} % at that price. The fixed steps show "
            f"why: how often the planner's sure calls are right, and {MODEL} on the same questions."
        )
    return Chapter(
        title="What does the planner save in front of a model?",
        summary=(
            f"The planner answers where it is sure, and {MODEL} everything else: {100 * own.right:.1f} % right for "
            f"{100 * price:.0f} % of the dollars, with {100 * own.unaided:.0f} % of the questions sent to no model; "
            f"{MODEL} alone has {100 * best.right:.1f} %. The best fixed mix of two models at that price, {mix}, has "
            f"{100 * mix_right:.1f} %: the cascade {'beats' if beats else 'does not beat'} it on these questions, on "
            "which its rule was chosen among five."
        ),
        sources=[
            Source(
                name="recorded runs of BFCL of 2024-08-11",
                version="HuanzhiMao/BFCL-Result at b4adfc9",
                licence="facts alone: right or not, tokens, seconds",
                origin="https://github.com/HuanzhiMao/BFCL-Result",
            ),
            Source(name="BFCL v4", version=PACKAGE, licence="Apache-2.0", origin="https://pypi.org/project/bfcl-eval"),
        ],
        command="python -m benchmarks.public.cascade --data DIR",
        tables=[
            _ways_table(questions, alone_totals, own, (mix, mix_right)),
            _steps_table(questions, alone_totals),
            _models_table(alone_totals, cascades),
        ],
        bars=[
            Bars(
                name="right",
                title=f"Right answers for {100 * price:.0f} % of the dollars of {MODEL}",
                unit="% right",
                bars=[
                    (f"planner, else {MODEL}", round(100 * own.right, 1)),
                    (f"best mix: {mix}", round(100 * mix_right, 1)),
                    (f"{MODEL} alone, 100 % of the dollars", round(100 * best.right, 1)),
                ],
            )
        ],
        unknown=[
            "The rule by which a threshold is learned was chosen among about five, each scored on these questions. The "
            "others lost to the best mix or tied it, so that a lead over the mix is optimistic.",
            "The models are those of 2024, with their prices of then; newer ones are better and cheaper.",
            f"One question is {100 / len(questions):.1f} points: smaller differences say nothing.",
            "The seconds of the models are those that were recorded, those of the planner are of this machine.",
            "Questions on which the planner was trained are left out, so that the halves are of uneven kinds.",
        ],
        missed=missed,
    )


def recorded(data: Path) -> Iterator[Question]:
    """Yield the questions that have recorded answers, in the order of the file."""
    file = data / "routing" / "bfcl_recorded.tsv"
    if not file.is_file():
        raise MissingError(f"{file} is not there: the recorded answers of five models")
    planner = {outcome.id: outcome for outcome in outcomes(data, CATEGORIES.values())}
    answers: dict[tuple[str, int], dict[str, Answer]] = {}
    with file.open(newline="", encoding="utf-8") as stream:
        for row in csv.DictReader(stream, delimiter="\t"):
            model = max((name for name in PRICES if row["model"].startswith(name)), key=len)
            tokens = int(row["input_tokens"]), int(row["output_tokens"])
            dollars = sum(count * price for count, price in zip(tokens, PRICES[model], strict=True)) / 1e6
            of_question = answers.setdefault((CATEGORIES[row["category"]], int(row["number"]) - 1), {})
            of_question[model] = Answer(right=row["right"] == "1", dollars=dollars, seconds=float(row["seconds"]))
    for (category, number), given in answers.items():
        yield Question(number=number, planner=planner[f"{category}_{number}"], answers=given)


def always(questions: Sequence[Question], model: str) -> Total:
    """Return what one model comes to alone."""
    return _total([question.answers[model] for question in questions])


def cascade(questions: Sequence[Question], model: str) -> Total:
    """Return what the planner before a model comes to, each half by the sureness that the other one has taught."""
    halves = [[question for question in questions if question.number % 2 == half] for half in (0, 1)]
    taken = [
        (question, sureness.covers(question.planner))
        for learned_on, scored in (halves, halves[::-1])
        for sureness in [learn(learned_on, model)]
        for question in scored
    ]
    return _mixed(taken, model)


def learn(questions: Sequence[Question], model: str) -> Sureness:
    """Return the sureness that is right most often for at most the target's part of the model's dollars."""
    limit = TARGET_PRICE * always(questions, model).dollars
    flags = (True, False)
    ways = [Sureness(call=call, none=none, asks=asks) for call in STEPS for none in flags for asks in flags]
    totals = [(way, _mixed([(one, way.covers(one.planner)) for one in questions], model)) for way in ways]
    cheap = [(way, total) for way, total in totals if total.dollars <= limit] or totals
    return max(cheap, key=lambda entry: (entry[1].right, -entry[1].dollars))[0]


def best_mix(totals: Mapping[str, Total], dollars: float) -> tuple[str, float]:
    """Return the mix of two models, each asked a fixed share, that is right most often for that many dollars."""
    mixes = []
    for cheap, dear in combinations(sorted(totals, key=lambda model: totals[model].dollars), 2):
        low, high = totals[cheap], totals[dear]
        share = min(1.0, (dollars - low.dollars) / (high.dollars - low.dollars))
        if share >= 0:
            mixes.append((low.right + share * (high.right - low.right), f"{share:.0%} {dear}, else {cheap}"))
    right, text = max(mixes, default=(0.0, "none is as cheap"))
    return text, right


def _mixed(taken: Sequence[tuple[Question, bool]], model: str) -> Total:
    """Return the total of the planner's answers where they are taken, and of a model's elsewhere."""
    unaided = fmean(is_taken for _, is_taken in taken)
    # A question that goes on to the model has cost the planner's time as well.
    times = [one.planner.seconds + (0.0 if is_taken else one.answers[model].seconds) for one, is_taken in taken]
    given = [_of_planner(one) if is_taken else one.answers[model] for one, is_taken in taken]
    return replace(_total(given), unaided=unaided, seconds=sum(times))


def _of_planner(question: Question) -> Answer:
    return Answer(right=question.planner.right, dollars=0.0, seconds=question.planner.seconds)


def _total(answers: Iterable[Answer]) -> Total:
    answers = list(answers)
    return Total(
        right=fmean(answer.right for answer in answers),
        dollars=sum(answer.dollars for answer in answers),
        seconds=sum(answer.seconds for answer in answers),
    )


def _oracle(questions: Sequence[Question]) -> Total:
    """Return the total of the cheapest right answer, the planner's among them; of the cheapest where none is right."""
    chosen = []
    for question in questions:
        ways = [_of_planner(question), *question.answers.values()]
        chosen.append(min(ways, key=lambda answer: (not answer.right, answer.dollars)))
    return _total(chosen)


def _random(questions: Sequence[Question], totals: Mapping[str, Total], own: Total) -> Total:
    """Return the total of a planner that answers as large a share as the cascade's, drawn by lot; its mean."""
    planner, model = _total(map(_of_planner, questions)), totals[MODEL]
    share = own.unaided
    return Total(
        right=share * planner.right + (1 - share) * model.right,
        dollars=(1 - share) * model.dollars,
        seconds=planner.seconds + (1 - share) * model.seconds,
        unaided=share,
    )


def _ways_table(
    questions: Sequence[Question], totals: Mapping[str, Total], own: Total, mix: tuple[str, float]
) -> Table:
    cheapest = min(totals, key=lambda model: totals[model].dollars)
    best = max(totals, key=lambda model: totals[model].right)
    count, full = len(questions), totals[MODEL].dollars
    planner = replace(_total(map(_of_planner, questions)), unaided=1.0)
    ways = [
        (f"planner where it is sure, else {MODEL}", own),
        (f"{MODEL} alone", totals[MODEL]),
        (f"always the cheapest model, {cheapest}", totals[cheapest]),
        (f"always the model that is right most often, {best}", totals[best]),
        (f"planner by lot, else {MODEL}", _random(questions, totals, own)),
        ("planner alone", planner),
        ("oracle: the cheapest that is right", _oracle(questions)),
    ]
    rows = [_row(name, total, count, full) for name, total in ways]
    rows.insert(1, [f"best fixed mix: {mix[0]}", f"{100 * mix[1]:.1f}", f"{100 * own.dollars / full:.0f}", "-", "-"])
    columns = ["way", "right, %", f"dollars, % of {MODEL}", "seconds a question", "without a model, %"]
    return Table(title=f"{count} recorded questions", columns=columns, rows=rows)


def _row(name: str, total: Total, count: int, full: float) -> list[str]:
    return [
        name,
        f"{100 * total.right:.1f}",
        f"{100 * total.dollars / full:.0f}",
        f"{total.seconds / count:.2f}",
        f"{100 * total.unaided:.0f}",
    ]


def _steps_table(questions: Sequence[Question], totals: Mapping[str, Total]) -> Table:
    """Return what fixed steps of sureness come to: nothing is learned here, and the best step is known afterwards."""
    rows = []
    for call in STEPS:
        sureness = Sureness(call=call, none=True, asks=False)
        total = _mixed([(one, sureness.covers(one.planner)) for one in questions], MODEL)
        own = [question for question in questions if question.planner.calls and sureness.covers(question.planner)]
        calls = f"{100 * always(own, MODEL).right:.1f}" if own else "-"
        planner = f"{100 * _total(map(_of_planner, own)).right:.1f}" if own else "-"
        price = f"{100 * total.dollars / totals[MODEL].dollars:.0f}"
        name = f'"nothing fits", and calls from {call:g} on' if own else '"nothing fits" alone'
        mix = f"{100 * best_mix(totals, total.dollars)[1]:.1f}"
        rows.append([name, f"{100 * total.right:.1f}", price, mix, planner, calls])
    columns = [
        "taken from the planner",
        "right, %",
        "dollars, %",
        "best mix, %",
        "its calls, % right",
        f"{MODEL} on them",
    ]
    return Table(
        title=f"Fixed steps of sureness before {MODEL}, beside the best mix at the same price",
        columns=columns,
        rows=rows,
    )


def _models_table(totals: Mapping[str, Total], cascades: Mapping[str, Total]) -> Table:
    rows = []
    for model, total in totals.items():
        own = cascades[model]
        rows.append(
            [
                model,
                f"{100 * total.right:.1f}",
                f"{100 * own.right:.1f}",
                f"{100 * own.dollars / total.dollars:.0f}",
                f"{100 * own.seconds / total.seconds:.0f}",
            ]
        )
    columns = ["model", "alone, % right", "behind the planner, % right", "of its dollars, %", "of its seconds, %"]
    return Table(title="The same in front of each model", columns=columns, rows=rows)


if __name__ == "__main__":
    sys.exit(alone(measure, __doc__))
