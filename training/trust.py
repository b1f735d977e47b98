"""Fits the confidence from which a plan of the embedded planner is right in 9 of 10, for reads and changes apart.

`python -m training.trust [--questions DIR] [--answers FILE]` answers every question by forests that have not seen its
API (training/crossval.py), or reads the answers that `python -m training.crossval --keep FILE` wrote, and prints how
many of the plans at each confidence are exactly right: the operation and every argument. Only plans that lack nothing
count: `auto` keeps no other. The two levels stand in nlapi/agent/auto.py as TRUST_LEVELS.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

RIGHT = 0.9
"""The part of the plans at a level that has to be right."""
LEAST_PLANS = 30
"""Plans from a level on, below which a level is chance."""
CONFIDENT = 1.96
"""Standard deviations of a 95 % interval."""
BINS = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.01)


@dataclass(frozen=True, slots=True, kw_only=True)
class RatedPlan:
    """A complete plan: its confidence, whether it changes something, and whether it is exactly right."""

    dataset: str
    confidence: float
    is_change: bool
    is_right: bool


def read_answers(path: Path) -> list[RatedPlan]:
    """The complete plans among the answers in a file of `training.crossval --keep`."""
    rows = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return [
        RatedPlan(
            dataset=row["id"].partition("/")[0],
            confidence=row["confidence"],
            is_change=row["is_change"],
            is_right=row["exact"],
        )
        for row in rows
        if row["operation"] and row["is_complete"]
    ]


def trust_level(plans: Sequence[RatedPlan], *, is_strict: bool = False) -> float | None:
    """The least confidence from which on plans are right in 9 of 10; None where they never are.

    What is right at a confidence is fitted by a curve that never falls (pooled adjacent violators), so that one lucky
    plan makes no level. A strict level also has the lower end of the 95 % interval of all plans from it on at 9 of 10.
    """
    ordered = sorted(plans, key=lambda plan: plan.confidence)
    for confidence, share in fitted_curve(ordered):
        kept = [plan for plan in ordered if plan.confidence >= confidence]
        right = sum(plan.is_right for plan in kept)
        is_sure = lower_bound(right, len(kept)) >= RIGHT if is_strict else right >= RIGHT * len(kept)
        if share >= RIGHT and len(kept) >= LEAST_PLANS and is_sure:
            return confidence
    return None


def fitted_curve(ordered: Sequence[RatedPlan]) -> list[tuple[float, float]]:
    """The least confidence of each block of the isotonic fit, with the part of its plans that is right."""
    by_confidence: dict[float, list[bool]] = {}
    for plan in ordered:
        by_confidence.setdefault(plan.confidence, []).append(plan.is_right)
    blocks: list[tuple[float, int, int]] = []
    for confidence, outcomes in by_confidence.items():
        block = (confidence, sum(outcomes), len(outcomes))
        # A block that is less often right than the one before it is pooled with it.
        while blocks and block[1] * blocks[-1][2] <= blocks[-1][1] * block[2]:
            least, right, count = blocks.pop()
            block = (least, right + block[1], count + block[2])
        blocks.append(block)
    return [(confidence, right / count) for confidence, right, count in blocks]


def lower_bound(right: int, count: int) -> float:
    """The lower end of Wilson's 95 % interval of a share."""
    if not count:
        return 0.0
    share, square = right / count, CONFIDENT * CONFIDENT / count
    spread = CONFIDENT * math.sqrt(share * (1 - share) / count + square / (4 * count))
    return (share + square / 2 - spread) / (1 + square)


def report(plans: Sequence[RatedPlan], *, is_strict: bool) -> Iterable[str]:
    """Lines with the part that is right at each confidence, and the level."""
    for least, below in itertools.pairwise(BINS):
        inside = [plan for plan in plans if least <= plan.confidence < below]
        if inside:
            right = sum(plan.is_right for plan in inside)
            yield f"  {least:.2f}-{min(below, 1):.2f}  {right:5} of {len(inside):5} right  {right / len(inside):6.1%}"
    level = trust_level(plans, is_strict=is_strict)
    if level is None:
        yield "  never right in 9 of 10"
        return
    kept = [plan for plan in plans if plan.confidence >= level]
    right = sum(plan.is_right for plan in kept)
    share = f"{right} of {len(kept)} ({right / len(kept):.1%}, at least {lower_bound(right, len(kept)):.1%})"
    yield f"  level {level:.3f}: {share} right, {len(kept) / len(plans):.0%} of the plans kept"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    from training.corpus import Corpus, add_questions
    from training.real import DATASET

    add_questions(parser)
    parser.add_argument("--answers", type=Path, metavar="FILE", help="what `training.crossval --keep FILE` wrote")
    options = parser.parse_args()
    if options.answers is None:
        from training.crossval import evaluate, everything, keep

        corpus = Corpus(options.questions)
        with tempfile.TemporaryDirectory() as folder:
            options.answers = Path(folder) / "answers.jsonl"
            keep(evaluate(corpus, everything(corpus).__getitem__)[0], options.answers)
            plans = read_answers(options.answers)
    else:
        plans = read_answers(options.answers)
    groups = {"all": plans, "real APIs": [plan for plan in plans if plan.dataset == DATASET]}
    groups["public sets"] = [plan for plan in plans if plan.dataset != DATASET]
    for name, group in groups.items():
        for kind, is_change in (("reads", False), ("changes", True)):
            chosen = [plan for plan in group if plan.is_change is is_change]
            print(f"{kind} of {name}: {len(chosen)} complete plans")
            print("\n".join(report(chosen, is_strict=is_change)))


if __name__ == "__main__":
    main()
