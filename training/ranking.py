"""Trains what chooses the operation and says how sure the plan is: the forests rank, confidence and meant.

The confidence is fitted on plans that were made without their API. `python -m training ranking` trains what ships.
`python -m training.ranking [--questions DIR]` writes nothing: every question is answered by models that have not seen
its API, nested, and the figures of the choice are printed.
"""

from __future__ import annotations

import argparse
import zlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from statistics import fmean as mean
from typing import Any

import nlapi.planner.operations.candidates as rank
import nlapi.planner.operations.plan_confidence as sure
from nlapi.planner.forest import read_forest
from nlapi.planner.operations.candidates import OperationCandidate
from nlapi.planner.operations.features import FEATURES
from training import forests, slots
from training.corpus import Corpus, add_questions
from training.folds import FOLDS
from training.ranking_examples import Example, examples
from training.real import DATASET

MADE_UP = 0.3
"""What a question counts whose operation stands among those of other APIs, beside one as it is."""
INVENTED: Mapping[str, float] = {"invented": 0.1, "services": 0.4}
"""What a question about an invented API counts, by its kind."""
PENALTY = 40.0
"""How much large weights of the linear part cost."""
TREES = 80
SLOW: Mapping[str, Any] = {"learning_rate": 0.04, "min_data_in_leaf": 30, "num_leaves": 6}
NOISE = 1e-12
"""Smaller weights are 0: what all operations of a question share (words, rivals) gets 1e-17, each run another."""
POINTS = 25
"""Steps of the curve before neighbours that fall are joined."""
REFUSED = 0.012
"""The part of the true questions that may be taken for strange ones."""
DOUBTED = 0.016
"""The part of them that may be planned as if it were doubtful that the API is meant, the refused included."""
MEANT_TREES = 150
REAL = 3
Model = dict[str, Any]


def ranking(chosen: Iterable[Example]) -> Model:
    """The linear part of the order: the weights that make the operations wanted the likeliest (conditional logit)."""
    import numpy
    from scipy.optimize import minimize

    groups = [one for one in chosen if len(one.candidates) > 1 and any(one.wanted)]
    table = numpy.array([rank.vector(candidate.row) for one in groups for candidate in one.candidates])
    spread = table.std(axis=0) + 1e-6
    table /= spread
    sizes = [len(one.candidates) for one in groups]
    group = numpy.repeat(numpy.arange(len(groups)), sizes)
    wanted = numpy.array([flag / sum(one.wanted) for one in groups for flag in one.wanted], float)
    amount = numpy.array([_amount(one) for one in groups])[group]

    def cost(weights: Any) -> tuple[float, Any]:
        said = table @ weights
        top = numpy.full(len(groups), -numpy.inf)
        numpy.maximum.at(top, group, said)
        odds = numpy.exp(said - top[group])
        part = odds / numpy.bincount(group, odds)[group]
        loss = -(amount * wanted * numpy.log(part + 1e-12)).sum() + PENALTY * (weights @ weights) / 2
        return loss, table.T @ (amount * (part - wanted)) + PENALTY * weights

    fitted = minimize(cost, numpy.zeros(table.shape[1]), jac=True, method="L-BFGS-B").x / spread
    weights = [float(f"{value:.4g}") if abs(value) > NOISE else 0.0 for value in fitted]
    return {"features": list(FEATURES), "base": 0.0, "weights": weights, "trees": []}


def _amount(one: Example) -> float:
    """What a question counts."""
    if one.fold < 0:
        return INVENTED[one.dataset]
    return MADE_UP if one.made_up else 1.0


def ordered(one: Example, model: Model) -> list[tuple[OperationCandidate, int]]:
    """The candidates of a question in the order of `model`, each with its place in the example."""
    with forests.instead(rank.NAME, model):
        said = rank.scores([candidate.row for candidate in one.candidates])
    chances = rank.chances(said)
    rated = [
        (replace(candidate, score=said[at], chance=chances[at]), at) for at, candidate in enumerate(one.candidates)
    ]
    return sorted(rated, key=lambda pair: -pair[0].score)


def plans(chosen: Iterable[Example], model: Model) -> list[tuple[list[float], bool]]:
    """The features of the plan for each question, and whether it is exactly right."""
    found = []
    for one in chosen:
        order = ordered(one, model)
        if order:
            best, at = order[0]
            row = sure.confidence_features(best, [other for other, _ in order[1:]], one.missing[at])
            found.append((row, one.exact[at]))
    return found


def confidence(rows: Sequence[tuple[int, list[float], bool]]) -> Model:
    """The forest of the confidence from (fold, features, right), with its curve fitted on other folds."""
    said: list[tuple[float, bool]] = []
    for fold in sorted({fold for fold, _, _ in rows}):
        forest = read_forest(_sure([row for row in rows if row[0] != fold]))
        said += [(forest.probability(row), right) for one, row, right in rows if one == fold]
    return {**_sure(rows), "curve": curve(said)}


def _sure(rows: Sequence[tuple[int, list[float], bool]]) -> Model:
    return forests.train(
        sure.FEATURES, [row for _, row, _ in rows], [float(right) for _, _, right in rows], trees=TREES, settings=SLOW
    )


def curve(said: Sequence[tuple[float, bool]]) -> list[tuple[float, float]]:
    """Isotonic regression (pool adjacent violators) of what is right on what was said, as a few points."""
    ordered = sorted(said)
    size = max(1, len(ordered) // POINTS)
    blocks: list[list[float]] = []
    for at in range(0, len(ordered), size):
        some = ordered[at : at + size]
        blocks.append([sum(place for place, _ in some), sum(right for _, right in some), len(some)])
        while len(blocks) > 1 and blocks[-2][1] / blocks[-2][2] > blocks[-1][1] / blocks[-1][2]:
            last = blocks.pop()
            blocks[-1] = [one + other for one, other in zip(blocks[-1], last, strict=True)]
    points = [(place / count, (right + 0.5) / (count + 1.0)) for place, right, count in blocks]
    return [(round(place, 4), round(height, 4)) for place, height in points]


def meant(known: Iterable[Example], strange: Iterable[Example], model: Model) -> Model:
    """The forest that tells a question about the API from one about something else, with its facts by other folds."""
    rows = [
        (one.fold, [[candidate.row[name] for name in sure.IN_DOMAIN_FEATURES] for candidate in likeliest], label)
        for some, label in ((known, True), (strange, False))
        for one in some
        if (likeliest := [candidate for candidate, _ in ordered(one, model)[: sure.DOMAIN_CANDIDATES]])
        and not sure.is_foreign_script(likeliest[0].context.sentence.text)
    ]
    true: list[float] = []
    for fold in sorted({fold for fold, _, _ in rows if fold >= 0}):
        forest = read_forest(_meant([row for row in rows if row[0] != fold]))
        true += [max(map(forest.probability, some)) for one, some, label in rows if label and one == fold]
    true.sort()
    facts = {name: round(true[int(len(true) * part)], 4) for name, part in (("least", REFUSED), ("plain", DOUBTED))}
    return {**_meant(rows), **facts}


def _meant(rows: Sequence[tuple[int, list[list[float]], bool]]) -> Model:
    """From (fold, the features of the likeliest operations, whether the API is meant); the first of them counts."""
    return forests.train(
        sure.IN_DOMAIN_FEATURES,
        [some[0] for _, some, _ in rows],
        [float(label) for _, _, label in rows],
        trees=MEANT_TREES,
        settings=SLOW,
    )


def models(every: Sequence[Example], strange: Sequence[Example]) -> dict[str, Model]:
    """All three, trained on these questions: the confidence on plans by an order that had not seen their APIs."""
    rows = []
    for fold in sorted({one.fold for one in every if one.fold >= 0}):
        model = ranking(one for one in every if one.fold != fold)
        true = [one for one in every if one.fold == fold and one.single and not one.made_up and _tells(one)]
        rows += [(fold, row, right) for row, right in plans(true, model)]
    whole = ranking(every)
    known = [one for one in every if not one.made_up and any(one.wanted)]
    return {rank.NAME: whole, sure.NAME: confidence(rows), sure.IN_DOMAIN: meant(known, strange, whole)}


def _tells(one: Example) -> bool:
    """Does a question tell how sure a plan is? Of those about real APIs, which are the most, one in REAL does."""
    return one.dataset != DATASET or zlib.crc32(one.id.encode()) % REAL == 0


def nested(every: Sequence[Example], strange: Sequence[Example]) -> Iterator[tuple[int, dict[str, Model]]]:
    """For each fold the models that have not seen it."""
    for fold in range(FOLDS):
        yield fold, models([o for o in every if o.fold != fold], [o for o in strange if o.fold != fold])


def evaluate(every: Sequence[Example], strange: Sequence[Example]) -> None:
    right: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    said: list[tuple[float, bool]] = []
    refused, passed, total = 0, 0, 0
    for fold, found in nested(every, strange):
        with ExitStack() as stack:
            for name, model in found.items():
                stack.enter_context(forests.instead(name, model))
            for one in every:
                if one.fold != fold or one.made_up or not one.single or not one.candidates:
                    continue
                order = ordered(one, found[rank.NAME])
                best, at = order[0]
                refused += not sure.is_in_domain([candidate for candidate, _ in order])
                right[one.dataset].append((one.wanted[at], one.exact[at]))
                others = [other for other, _ in order[1:]]
                said.append((sure.confidence(sure.confidence_features(best, others, one.missing[at])), one.exact[at]))
            for one in strange:
                if one.fold == fold:
                    total += 1
                    passed += sure.is_in_domain([candidate for candidate, _ in ordered(one, found[rank.NAME])])
    right["all"] = [pair for some in right.values() for pair in some]
    for name, some in right.items():
        print(
            f"{name:28} {len(some):5}  operation {mean(a for a, _ in some):.3f}  exact {mean(b for _, b in some):.3f}"
        )
    said.sort(key=lambda pair: -pair[0])
    top = said[: int(0.4 * len(said))]
    bins: dict[int, list[float]] = defaultdict(list)
    for place, good in said:
        bins[min(9, int(place * 10))].append(place - good)
    error = sum(abs(sum(some)) for some in bins.values()) / len(said)
    print(f"exact among the most confident 40 % {mean(good for _, good in top):.3f}, calibration error {error:.3f}")
    print(f"taken for strange: {refused} of {len(said)} questions about the API, {total - passed} of {total} others")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_questions(parser)
    corpus = Corpus(parser.parse_args().questions)
    evaluate(*examples(corpus, slots.by_fold(slots.every(corpus))))


if __name__ == "__main__":
    main()
