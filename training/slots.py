"""Trains the forest that says how likely a value is right for a slot."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nlapi.planner.forest import read_forest
from nlapi.planner.slots.candidates import slot_candidates
from nlapi.planner.slots.context import SlotContext
from nlapi.planner.slots.scoring import FEATURES, RERANK_FEATURES, feature_rows, rerank_rows
from nlapi.planner.slots.slot import Family, Slot, SlotCandidate
from training import forests
from training.corpus import Corpus
from training.folds import FOLDS
from training.gold import cases, scene_of, wanted
from training.invented import Said, invented
from training.invented_more import SlotQuestion, invented_more
from training.scoring import accepted

TREES = 350
GENERAL = 0.3
"""What an invented example weighs beside a public one."""
SETTINGS: Mapping[str, Any] = {"learning_rate": 0.08, "min_data_in_leaf": 15}
TREES_AFTER = 150
SETTINGS_AFTER: Mapping[str, Any] = {"learning_rate": 0.05, "min_data_in_leaf": 40}


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One option of one slot: its features, whether it is right, and the fold of its question."""

    fold: int
    row: Sequence[float]
    right: bool
    weight: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question with all that is offered for the slots of the operation wanted."""

    fold: int
    weight: float
    scene: SlotContext
    options: Sequence[SlotCandidate]
    rows: Sequence[Sequence[float] | None]
    right: Sequence[bool]
    empty: frozenset[Slot]
    """the slots that may be left out"""

    def examples(self) -> Iterator[Example]:
        """What the first forest learns from. A flag that may as well be left out teaches nothing: its No is right
        without a word of it.
        """
        for option, row, right in zip(self.options, self.rows, self.right, strict=True):
            idle = right and option.slot.family is Family.BOOLEAN and option.slot in self.empty
            if row is not None and not idle:
                yield Example(fold=self.fold, row=row, right=right, weight=self.weight)


def public(corpus: Corpus) -> Iterator[Asked]:
    """The questions of the sets and about real APIs."""
    for case in cases(corpus):
        values = {slot: wanted(case.row, slot) for slot in case.scene.slots}
        yield _asked(case.scene, values, case.fold, 1.0)


def general() -> Iterator[Asked]:
    """The sentences about invented APIs, spread over the folds by what they are about."""
    sentences: tuple[Said | SlotQuestion, ...] = (*invented(), *invented_more())
    for said in sentences:
        scene = scene_of(said.document(), said.question)
        meant = {slot: said.arguments.get(slot.path[0]) for slot in scene.slots}
        values = {slot: ([] if value is None else [value], value is None) for slot, value in meant.items()}
        yield _asked(scene, values, zlib.crc32(said.path.split("/")[1].encode()) % FOLDS, GENERAL)


def _asked(scene: SlotContext, values: Mapping[Slot, tuple[Sequence[Any], bool]], fold: int, weight: float) -> Asked:
    found = list(feature_rows(scene, slot_candidates(scene)))
    return Asked(
        fold=fold,
        weight=weight,
        scene=scene,
        options=[option for option, _ in found],
        rows=[row for _, row in found],
        right=[accepted(option.value, values[option.slot][0]) for option, _ in found],
        empty=frozenset(slot for slot, (_, empty) in values.items() if empty),
    )


def every(corpus: Corpus) -> list[Asked]:
    """All questions, public and invented."""
    return [*public(corpus), *general()]


def by_fold(questions: Sequence[Asked], without: Sequence[str] = ()) -> list[dict[str, Any]]:
    """For each fold the forest that is trained without it."""
    first = _first(questions, without)
    second = _second(questions, first)
    return [{**first[fold], "after": fit_after(one for one in second if one.fold != fold)} for fold in range(FOLDS)]


def whole(questions: Sequence[Asked], folded: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The forest of all questions. What goes over it learns from the forests of `by_fold`, which have not seen the API:
    of a forest that knows the answers it would learn that every first value is right.
    """
    data = fit(example for one in questions for example in one.examples())
    return {**data, "after": fit_after(_second(questions, folded))}


def _first(questions: Sequence[Asked], without: Sequence[str] = ()) -> list[dict[str, Any]]:
    return [
        fit((example for one in questions if one.fold != fold for example in one.examples()), without)
        for fold in range(FOLDS)
    ]


def _second(found: Sequence[Asked], first: Sequence[Mapping[str, Any]]) -> list[Example]:
    """Return the rows of the second forest, over probabilities of first forests that have not seen the question."""
    readers = [read_forest(data) for data in first]
    examples = []
    for one in found:
        forest = readers[one.fold]
        told = [
            option if row is None else replace(option, probability=forest.probability(row))
            for option, row in zip(one.options, one.rows, strict=True)
        ]
        right = {id(option): good for option, good in zip(told, one.right, strict=True)}
        for slot, option, row in rerank_rows(one.scene, told):
            good = slot in one.empty if option is None else right[id(option)]
            examples.append(Example(fold=one.fold, row=row, right=good, weight=one.weight))
    return examples


def fit_after(chosen: Iterable[Example]) -> dict[str, Any]:
    chosen = list(chosen)
    return forests.train(
        RERANK_FEATURES,
        [one.row for one in chosen],
        [float(one.right) for one in chosen],
        weights=[one.weight for one in chosen],
        trees=TREES_AFTER,
        settings=SETTINGS_AFTER,
    )


def fit(chosen: Iterable[Example], without: Sequence[str] = ()) -> dict[str, Any]:
    """A forest trained on `chosen`; the features in `without` are held at 0."""
    chosen = list(chosen)
    kept = [float(name not in without) for name in FEATURES]
    table = [[value * keep for value, keep in zip(one.row, kept, strict=True)] for one in chosen]
    return forests.train(
        FEATURES,
        table,
        [float(one.right) for one in chosen],
        weights=[one.weight for one in chosen],
        trees=TREES,
        settings=SETTINGS,
    )
