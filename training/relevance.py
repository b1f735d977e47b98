"""Learns the weights of nlapi/tools/search/weights.toml (needs the dependency group `train`).

`python -m training.relevance [--questions DIR]` prints the shares, then the tables as they stand there; DIR has
`workflows/` and `specs/` beside it.

A conditional logit: the weights under which the right operation is the likeliest among those that BM25 finds. It is
trained on the tuning half of the steps (`benchmarks/find.py`), on half of the sentences of
`sentences/real.jsonl`, divided by provider in the same way, and on two folds of five of the public questions.
The shares on the other parts are printed beside.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.find import Case, half, step_cases, word_cases, word_spec, workflow_spec
from nlapi.openapi.spec import Spec
from nlapi.tools.search.index import FEATURE_WEIGHTS as EVIDENCE
from nlapi.tools.search.index import ActionKind as DeedKind
from nlapi.tools.search.index import Index
from nlapi.tools.search.phrase import SearchIntent, read_phrase
from training.corpus import Corpus, add_questions
from training.real import DATASET

MEASURED = ("kubernetes.io.json", "docker.com/engine.json")
"""Descriptions of `real.jsonl` that `find.jsonl` is about: their sentences are not trained on."""
PENALTY = 10.0
"""How much large weights cost. 3 and 30 change the shares by less than 0.005."""
DEPTHS = (("first", 1), ("five", 5))
SPREAD = 1.2
"""What the weights are multiplied by, so that scores lie as far apart as those that the planner was trained on.

Standard deviation of the twelve best for a sentence of `real.jsonl`: 2.74 then, 2.23 with 1.0.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A phrase with what is rated for it: a row of amounts for each operation, and whether it is right."""

    case: Case
    rows: Sequence[Sequence[float]]
    right: Sequence[bool]


def real_cases(corpus: Corpus) -> Iterator[tuple[Case, Spec]]:
    """Yield the sentences about real APIs whose operation the description has."""
    for row, _ in corpus.rows:
        if row["dataset"] != DATASET:
            continue
        api, (operation,) = row["api"], row["operations"]
        spec, _ = corpus.catalogue(row["spec"])
        if spec.has(operation):
            part = "check" if api in MEASURED else half(api.partition("/")[0].removesuffix(".json"))
            yield Case(group=f"real, {part}", api=api, words=row["question"], right=frozenset((operation,))), spec


def question_cases(corpus: Corpus) -> Iterator[tuple[Case, Spec]]:
    """Yield the questions of the public sets whose API has several operations."""
    for row, fold in corpus.rows:
        spec, _ = corpus.catalogue(row["spec"])
        if row["dataset"] != DATASET and len(spec.operations) > 1:
            right = frozenset((*row["operations"], *(call["operationId"] for call in row["calls"])))
            part = "tune" if fold % 2 else "check"
            yield Case(group=f"questions, {part}", api=row["spec"], words=row["question"], right=right), spec


def all_cases(corpus: Corpus) -> Iterator[tuple[Case, Spec]]:
    shared = corpus.folder.parent
    yield from ((case, workflow_spec(shared / "workflows" / case.api)) for case in step_cases(shared / "workflows"))
    yield from real_cases(corpus)
    yield from question_cases(corpus)
    for case in word_cases():
        if (spec := word_spec(case.api, shared)) is not None:
            yield case, spec


def columns() -> list[str]:
    return [*EVIDENCE, *(f"{request.value}>{kind.name}" for request in SearchIntent for kind in DeedKind)]


def examples(corpus: Corpus) -> Iterator[Example]:
    """Yield every phrase with the amounts of what the index finds."""
    indexes: dict[Spec, Index] = {}
    for case, spec in all_cases(corpus):
        if spec not in indexes:
            indexes[spec] = Index(spec.operations)
        request = list(SearchIntent).index(read_phrase(case.words, indexes[spec].nouns).intent)
        rows, right = [], []
        for operation, shape, amounts in indexes[spec].features(case.words):
            pairs = [0.0] * (len(SearchIntent) * len(DeedKind))
            pairs[request * len(DeedKind) + shape.kind] = 1.0
            rows.append([*map(float, amounts), *pairs])
            right.append(operation.id in case.right)
        yield Example(case=case, rows=rows, right=right)


def fitted(chosen: Sequence[Example], penalty: float = PENALTY) -> Any:
    """Return the weights, one a column."""
    import numpy
    from scipy.optimize import minimize

    groups = [one for one in chosen if any(one.right) and not all(one.right)]
    table = numpy.array([row for one in groups for row in one.rows])
    spread = table.std(axis=0) + 1e-9
    table /= spread
    group = numpy.repeat(numpy.arange(len(groups)), [len(one.rows) for one in groups])
    wanted = numpy.array([flag / sum(one.right) for one in groups for flag in one.right], float)

    def cost(weights: Any) -> tuple[float, Any]:
        said = table @ weights
        top = numpy.full(len(groups), -numpy.inf)
        numpy.maximum.at(top, group, said)
        odds = numpy.exp(said - top[group])
        part = odds / numpy.bincount(group, odds)[group]
        loss = -(wanted * numpy.log(part + 1e-12)).sum() + penalty * (weights @ weights) / 2
        return loss, table.T @ (part - wanted) + penalty * weights

    found = minimize(cost, numpy.zeros(table.shape[1]), jac=True, method="L-BFGS-B", options={"maxiter": 1000}).x
    return found / spread


def shares(every: Sequence[Example], weights: Any) -> Mapping[str, str]:
    """Return for each set how often the right operation comes first, and in the first five."""
    import numpy

    ranks: dict[str, list[int]] = defaultdict(list)
    for one in every:
        order = numpy.argsort(-(numpy.array(one.rows) @ weights), kind="stable") if one.rows else ()
        ranks[one.case.group].append(next((at for at, row in enumerate(order, 1) if one.right[row]), 99))
    return {
        group: " ".join(f"{name} {sum(rank <= most for rank in some) / len(some):.3f}" for name, most in DEPTHS)
        for group, some in ranks.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_questions(parser)
    parser.add_argument("--penalty", type=float, default=PENALTY)
    options = parser.parse_args()
    every = list(examples(Corpus(options.questions)))
    weights = fitted([one for one in every if one.case.group.endswith("tune")], options.penalty)
    for group, text in shares(every, weights).items():
        print(f"# {group}: {text}")
    named = dict(zip(columns(), (weights * SPREAD).round(3).tolist(), strict=True))
    print("[features]")
    for name in EVIDENCE:
        print(f'"{name}" = "{named[name]:g}"')
    print("\n[kinds]")
    for request in SearchIntent:
        row = " ".join(f"{named[f'{request.value}>{kind.name}']:.2f}" for kind in DeedKind)
        print(f'{request.name} = "{row}"')


if __name__ == "__main__":
    main()
