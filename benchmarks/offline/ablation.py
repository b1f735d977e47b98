"""What each family of features is worth: the planner across the folds with that family held at nothing.

usage: python -m benchmarks.offline.ablation     (several minutes; prints the table of benchmarks/OFFLINE.md)
"""

from __future__ import annotations

from benchmarks.offline import train
from benchmarks.offline.crossval import evaluate
from nlapi.planner.slots.choices import EVIDENCE
from nlapi.planner.slots.features import MATCHES, SLOT_TRAITS, SPAN_TRAITS
from nlapi.planner.slots.scoring import FEATURES
from nlapi.planner.slots.values import HOW

FAMILIES = {
    "how span and slot fit": MATCHES,
    "rivals": tuple(name for name in FEATURES if name.endswith(("_over_slots", "_over_spans"))),
    "evidence for choices and flags": EVIDENCE,
    "what the slot is like": SLOT_TRAITS,
    "what the span is like": SPAN_TRAITS,
    "what was made of the span": tuple(f"how_{how}" for how in HOW),
}


def main() -> None:
    public, made_up = list(train.public()), list(train.general())
    print("| scorer | features | operation | exact | exact, operation given |\n| --- | --- | --- | --- | --- |")
    for name, family in FAMILIES.items():
        line(f"without {name}", [*public, *made_up], family)
    line("without the invented sentences", public, ())
    line("all", [*public, *made_up], ())


def line(name: str, found: list[train.Asked], without: tuple[str, ...]) -> None:
    forests = train.by_fold(found, without)
    answers, _ = evaluate(lambda fold: {"slots": forests[fold]})
    shares = [
        sum(getattr(one, what) for one in answers) / len(answers) for what in ("operation", "exact", "exact_if_given")
    ]
    print(
        f"| {name} | {len(FEATURES) - len(without)} | " + " | ".join(f"{share:.3f}" for share in shares) + " |",
        flush=True,
    )


if __name__ == "__main__":
    main()
