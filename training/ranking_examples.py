"""The questions as the ranking sees them: with operations compared, which of them are wanted, which filled exactly."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from nlapi.openapi.spec import Operation, Spec
from nlapi.planner.operations.candidates import OperationCandidate, assign_operations
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.operations.features import feature_rows, question_terms
from nlapi.planner.planner import read_question
from nlapi.planner.slots.assignment import nest_values
from nlapi.planner.slots.preset_values import complete_values, pending_lookup
from nlapi.tools.compile import compile_tool
from nlapi.tools.search.index import Index
from training import forests
from training.corpus import Corpus, load_document, today_of
from training.invented_choices import choices
from training.invented_services import services
from training.scoring import Row, score

SMALL = 6
"""Up to this many operations an API is also shown among operations of others."""
RIVALS = 14
"""The likeliest operations of other APIs, from which rivals are drawn."""
STRANGE = 3
"""Other APIs that a question is put to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A question put to some operations. The sequences run along `candidates`."""

    id: str
    dataset: str
    fold: int
    made_up: bool
    """the operations are not those of one API"""
    single: bool
    """one call is wanted"""
    candidates: tuple[OperationCandidate, ...]
    wanted: tuple[bool, ...]
    exact: tuple[bool, ...]
    missing: tuple[int, ...]
    """how many required values are neither said nor left to the server"""


def examples(corpus: Corpus, slots: Sequence[Mapping[str, Any]]) -> tuple[list[Example], list[Example]]:
    """Every question with its own API, small APIs a second time among rivals; and questions put to other APIs.

    The arguments of a fold are filled by the one of the `slots` that has not seen it, as those of a user's API are.
    """
    known: list[Example] = []
    strange: list[Example] = []
    for fold, forest in enumerate(slots):
        chosen = [row for row, one in corpus.rows if one == fold]
        with forests.instead("slots", forest):
            known += _known(corpus, chosen, fold)
            strange += _strange(corpus, chosen, fold)
    known += _invented()
    return known, [one for one in strange if one.candidates]


def _invented() -> Iterator[Example]:
    """The sentences about invented APIs; they belong to no fold."""
    made: dict[str, Catalogue] = {}
    every = [("invented", choice) for choice in choices()] + [("services", choice) for choice in services()]
    for number, (kind, choice) in enumerate(every):
        title = choice.document["info"]["title"]
        if title not in made:
            made[title] = Catalogue.of([load_document(choice.document)])
        row = {"id": f"{kind}/{number}", "dataset": kind, "question": choice.question, "calls": ()}
        spec = made[title].operations[0].spec
        yield _example(row, -1, made[title], spec, {choice.operation_id}, made_up=True)


def _known(corpus: Corpus, rows: Sequence[Row], fold: int) -> Iterator[Example]:
    chance = random.Random(fold)
    pool = Index(_distinct(corpus, rows))
    for row in rows:
        spec, catalogue = corpus.catalogue(row["spec"])
        wanted = {call["operationId"] for call in row["calls"]} or set(row["operations"])
        if not any(operation.id in wanted for operation in spec.operations):
            continue
        yield _example(row, fold, catalogue, spec, wanted, made_up=False)
        if len(spec.operations) <= SMALL:
            names = {operation.id.lower() for operation in spec.operations}
            near = [one for one, _ in pool.search(row["question"], RIVALS) if one.id.lower() not in names]
            drawn = chance.sample(near, min(len(near), chance.choice((2, 3, 4))))
            mixed = Catalogue((*spec.operations, *drawn), compile_tool)
            yield _example(row, fold, mixed, spec, wanted, made_up=True)


def _strange(corpus: Corpus, rows: Sequence[Row], fold: int) -> Iterator[Example]:
    chance = random.Random(100 + fold)
    for row in rows:
        others = sorted({one["spec"] for one in rows if one["api"] != row["api"]})
        for id in chance.sample(others, STRANGE):
            yield _example(row, fold, corpus.catalogue(id)[1], corpus.catalogue(row["spec"])[0], set(), made_up=True)


def _distinct(corpus: Corpus, rows: Sequence[Row]) -> Sequence[Operation]:
    found: dict[tuple[str, str], Operation] = {}
    for id in dict.fromkeys(row["spec"] for row in rows):
        for operation in corpus.catalogue(id)[0].operations:
            found.setdefault((operation.id.lower(), operation.description[:50]), operation)
    return list(found.values())


def _example(row: Row, fold: int, catalogue: Catalogue, spec: Spec, wanted: set[str], *, made_up: bool) -> Example:
    """Compare the operations of `catalogue` for a question; those wanted are among the ones of `spec`."""
    question = question_terms(read_question(row["question"], catalogue, today_of(row)))
    pairs = assign_operations(question, catalogue, {})
    features = feature_rows(question, [one for _, one in pairs])
    found = [
        OperationCandidate(
            tool=tool, context=one.context, assignment=one.assignment, row=row, is_uncommanded=one.is_uncommanded
        )
        for (tool, one), row in zip(pairs, features, strict=True)
    ]
    filled = [_filled(candidate) for candidate in found]
    single = len(row["calls"]) == 1
    return Example(
        id=row["id"],
        dataset=row["dataset"],
        fold=fold,
        made_up=made_up,
        single=single,
        candidates=tuple(found),
        wanted=tuple(one.operation.id in wanted and one.operation.spec is spec for one in found),
        exact=tuple(
            single and one.operation.spec is spec and _exact(row, one.operation.id, arguments)
            for one, (arguments, _) in zip(found, filled, strict=True)
        ),
        missing=tuple(missing for _, missing in filled),
    )


def _filled(candidate: OperationCandidate) -> tuple[Mapping[str, Any], int]:
    values = {option.slot.path: option.value for option in candidate.assignment.candidates}
    whole, missing = complete_values(values, candidate.context.slots, {})
    return nest_values(whole), len(missing)


def _exact(row: Row, id: str, arguments: Mapping[str, Any]) -> bool:
    """Is it what is wanted? What is to be looked up is right when it is called what the row says that it is."""
    names = row.get("names", {})
    arguments = {key: value for key, value in arguments.items() if not _is_named(value, names.get(key))}
    return bool(score(row, SimpleNamespace(operation_id=id, arguments=arguments), ())[1])


def _is_named(value: Any, name: Any) -> bool:
    wanted = pending_lookup(value)
    return wanted is not None and isinstance(name, str) and wanted.name.lower() in name.lower()
