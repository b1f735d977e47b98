"""Trains the forest that says how likely a value is right for a slot, then those that depend on what it fills.

usage: python -m benchmarks.offline.train     (writes the four of nlapi/offline/forests; needs the group `train`)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.offline import learn
from benchmarks.offline.folds import FOLDS
from benchmarks.offline.gold import cases, is_right, scene_of, wanted
from benchmarks.offline.invented import invented
from nlapi.offline.options import options
from nlapi.offline.slots import Family
from nlapi.offline.weigh import FEATURES, rows

TREES = 350
GENERAL = 0.3
"""What an invented example weighs beside a public one."""
SETTINGS: Mapping[str, Any] = {"learning_rate": 0.08, "min_data_in_leaf": 15}


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One option of one slot: its features, whether it is right, and the fold of its question."""

    fold: int
    row: Sequence[float]
    right: bool
    weight: float = 1.0


def examples() -> list[Example]:
    """Every option that is offered for the slots of the operations wanted.

    A flag that may as well be left out teaches nothing: its No is right without a word of it.
    """
    found = []
    for case in cases():
        for option, row in rows(case.scene, options(case.scene)):
            if row is not None:
                values, empty = wanted(case.row, option.slot)
                right = is_right(option.value, values)
                if not (right and empty and option.slot.family is Family.BOOLEAN):
                    found.append(Example(fold=case.fold, row=row, right=right))
    return found


def general() -> list[Example]:
    """Every option of the sentences about invented APIs; they belong to no fold."""
    found = []
    for said in invented():
        scene = scene_of(said.document(), said.question)
        for option, row in rows(scene, options(scene)):
            if row is not None:
                meant = said.arguments.get(option.slot.path[0])
                found.append(
                    Example(
                        fold=-1, row=row, right=is_right(option.value, [] if meant is None else [meant]), weight=GENERAL
                    )
                )
    return found


def every() -> list[Example]:
    """The options of all questions, public and invented."""
    return [*examples(), *general()]


def by_fold(found: Sequence[Example]) -> list[dict[str, Any]]:
    """For each fold the forest that was trained without it."""
    return [fit(one for one in found if one.fold != fold) for fold in range(FOLDS)]


def fit(chosen: Iterable[Example], without: Sequence[str] = ()) -> dict[str, Any]:
    """A forest trained on `chosen`; the features in `without` are held at 0."""
    chosen = list(chosen)
    kept = [float(name not in without) for name in FEATURES]
    table = [[value * keep for value, keep in zip(one.row, kept, strict=True)] for one in chosen]
    return learn.train(
        FEATURES,
        table,
        [float(one.right) for one in chosen],
        weights=[one.weight for one in chosen],
        trees=TREES,
        settings=SETTINGS,
    )


def main() -> None:
    found = every()
    path = learn.ship("slots", fit(found))
    print(f"{len(found)} options, {sum(one.right for one in found)} right -> {path.name}, {path.stat().st_size} bytes")
    from benchmarks.offline import train_rank  # it is trained on what the forest just written fills

    train_rank.ship(by_fold(found))


if __name__ == "__main__":
    main()
