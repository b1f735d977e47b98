"""Measures the planner on the question sets, every question answered by forests that have not seen its API.

This is ../shared/tools/check_questions.py out of fold: arguments, the order of the operations, confidence and what is
refused come from forests trained on the other folds, and a refusal counts as wrong.

`python -m training.crossval [--questions DIR] [--keep FILE]`
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from nlapi.openapi.spec import Effect
from nlapi.planner.planner import OfflinePlanner
from nlapi.planner.slots.assignment import assign_slots, nest_values
from nlapi.planner.slots.preset_values import complete_values
from training import forests, slots
from training.corpus import Corpus, add_questions, today_of
from training.folds import FOLDS
from training.gold import Case, cases
from training.ranking import nested
from training.ranking_examples import examples
from training.real import DATASET
from training.scoring import score

Forests = Mapping[str, Mapping[str, Any]]
"""Name -> a forest as data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came out for one question."""

    case: Case
    operation_id: str
    arguments: Mapping[str, Any]
    filled: Mapping[str, Any]
    confidence: float
    is_complete: bool
    """the plan lacks no value"""
    is_change: bool
    """the planned call, or the one that it prepares, changes something"""
    operation: bool
    exact: bool
    required: bool
    exact_if_given: bool
    """the arguments of the right operation are exactly right"""


def evaluate(corpus: Corpus, models: Callable[[int], Forests]) -> tuple[list[Answer], float]:
    """The answers to all questions, those of a fold with the forests of that fold; and the CPU seconds a question."""
    answers: list[Answer] = []
    spent = 0.0
    every = list(cases(corpus))
    for fold in range(FOLDS):
        with ExitStack() as stack:
            for name, data in models(fold).items():
                stack.enter_context(forests.instead(name, data))
            start = time.process_time()
            answers += [answer(corpus, case) for case in every if case.fold == fold]
            spent += time.process_time() - start
    return answers, spent / max(1, len(answers))


def everything(corpus: Corpus) -> list[Forests]:
    """For each fold all forests of the planner, trained without it: slots, rank, confidence and meant."""
    folded = slots.by_fold(slots.every(corpus))
    every, strange = examples(corpus, folded)
    return [{"slots": folded[fold], **models} for fold, models in nested(every, strange)]


def answer(corpus: Corpus, case: Case) -> Answer:
    spec, _ = corpus.catalogue(case.row["spec"])
    plan = OfflinePlanner([spec], today=today_of(case.row)).plan(case.row["question"])
    first = plan.calls[0] if plan.calls else None
    call = (plan.goal or first) if case.row["dataset"] == DATASET else first
    needed = sorted(_needed(case))
    result = score(case.row, call, needed)
    filled = given_operation(case)
    given = SimpleNamespace(operation_id=case.scene.operation.id, arguments=filled)
    return Answer(
        case=case,
        operation_id=call.operation_id if call else "",
        arguments=call.arguments if call else {},
        filled=filled,
        confidence=plan.confidence,
        is_complete=not plan.missing,
        is_change=plan.effect is not Effect.READ,
        operation=result[0],
        exact=result[1],
        required=result[2],
        exact_if_given=score(case.row, given, needed)[1],
    )


def given_operation(case: Case) -> Mapping[str, Any]:
    """The arguments that are filled when the operation is known."""
    values = {option.slot.path: option.value for option in assign_slots(case.scene).candidates}
    return nest_values(complete_values(values, case.scene.slots, {})[0])


def _needed(case: Case) -> set[str]:
    operation = case.scene.operation
    names = {parameter.name for parameter in operation.parameters if parameter.required}
    return names | set(operation.body.schema.get("required", ()) if operation.body is not None else ())


def table(answers: Sequence[Answer]) -> str:
    """The figures by data set and of all together."""
    heads = ("operation", "exact", "required", "operation given", "surest 40 %", "calibration")
    lines = [f"{'data set':26} cases  " + "  ".join(heads)]
    groups: dict[str, list[Answer]] = defaultdict(list)
    for one in answers:
        groups[one.case.row["dataset"]].append(one)
    public = [one for one in answers if one.case.row["dataset"] != DATASET]
    for name, some in (*sorted(groups.items()), ("all but real", public)):
        shares = [sum(getattr(one, what) for one in some) / len(some) for what in _WHAT]
        figures = (*shares, surest(some), calibration(some))
        said = "  ".join(f"{figure:{len(head)}.3f}" for head, figure in zip(heads, figures, strict=True))
        lines.append(f"{name:26} {len(some):5}  {said}")
    return "\n".join(lines)


def surest(answers: Sequence[Answer]) -> float:
    """The exact share among the most confident 40 %."""
    some = sorted(answers, key=lambda one: -one.confidence)[: int(len(answers) * 0.4)]
    return sum(one.exact for one in some) / max(1, len(some))


def calibration(answers: Sequence[Answer]) -> float:
    """The expected calibration error over ten bins."""
    bins: dict[int, list[float]] = defaultdict(list)
    for one in answers:
        bins[min(9, int(one.confidence * 10))].append(one.confidence - one.exact)
    return sum(abs(sum(some)) for some in bins.values()) / len(answers)


_WHAT = ("operation", "exact", "required", "exact_if_given")


def keep(answers: Sequence[Answer], path: Path) -> None:
    """Writes the answers for reading, a question a line."""
    with path.open("w", encoding="utf-8") as file:
        for one in answers:
            line = {
                "id": one.case.row["id"],
                "question": one.case.row["question"],
                "wanted": one.case.row["calls"][0],
                "accept": one.case.row["accept"],
                "operation": one.operation_id,
                "arguments": one.arguments,
                "filled": one.filled,
                "confidence": one.confidence,
                "is_complete": one.is_complete,
                "is_change": one.is_change,
                "exact": one.exact,
                "exact_if_given": one.exact_if_given,
            }
            file.write(json.dumps(line, default=str, ensure_ascii=False) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_questions(parser)
    parser.add_argument("--keep", type=Path, metavar="FILE", help="where to write every answer, for reading")
    chosen = parser.parse_args()
    corpus = Corpus(chosen.questions)
    answers, seconds = evaluate(corpus, everything(corpus).__getitem__)
    print(table(answers))
    print(f"{1000 * seconds:.1f} ms of CPU a question (planned once and filled once more)")
    if chosen.keep:
        keep(answers, chosen.keep)


if __name__ == "__main__":
    main()
