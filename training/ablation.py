"""What each family of features is worth, or (`--rules`) each hand-made rule.

`python -m training.ablation [--questions DIR]` prints the table of benchmarks/OFFLINE.md: the planner across the folds
with a family of features held at nothing; many minutes. `python -m training.ablation --rules [NAME ...] [--all]` prints
what the rules of training/rules.py win and hold by today's forests, on a fixed sample or on every sentence.
"""

from __future__ import annotations

import argparse

from nlapi.planner.slots.choices import EVIDENCE
from nlapi.planner.slots.features import FIT_FEATURES, MENTION_FEATURES, SLOT_FEATURES
from nlapi.planner.slots.scoring import FEATURES
from nlapi.planner.slots.values import CONVERSIONS
from training import rule_ablation, slots
from training.corpus import Corpus, add_questions
from training.crossval import evaluate

FAMILIES = {
    "how span and slot fit": FIT_FEATURES,
    "rivals": tuple(name for name in FEATURES if name.endswith(("_over_slots", "_over_spans"))),
    "evidence for choices and flags": EVIDENCE,
    "what the slot is like": SLOT_FEATURES,
    "what the span is like": MENTION_FEATURES,
    "what was made of the span": tuple(f"how_{how}" for how in CONVERSIONS),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_questions(parser)
    parser.add_argument(
        "--rules", nargs="*", metavar="NAME", help="the rules of training/rules.py, all where none is named"
    )
    parser.add_argument("--all", action="store_true", help="grade every sentence, not a sample")
    parser.add_argument("--jobs", type=int, default=2, help="processes (2)")
    options = parser.parse_args()
    if options.rules is not None:
        print(rule_ablation.report(options.rules, every=options.all, jobs=options.jobs))
        return
    corpus = Corpus(options.questions)
    public, made_up = list(slots.public(corpus)), list(slots.general())
    print("| scorer | features | operation | exact | exact, operation given |\n| --- | --- | --- | --- | --- |")
    for name, family in FAMILIES.items():
        line(corpus, f"without {name}", [*public, *made_up], family)
    line(corpus, "without the invented sentences", public, ())
    line(corpus, "all", [*public, *made_up], ())


def line(corpus: Corpus, name: str, questions: list[slots.Asked], without: tuple[str, ...]) -> None:
    folded = slots.by_fold(questions, without)
    answers, _ = evaluate(corpus, lambda fold: {"slots": folded[fold]})
    shares = [
        sum(getattr(one, what) for one in answers) / len(answers) for what in ("operation", "exact", "exact_if_given")
    ]
    print(
        f"| {name} | {len(FEATURES) - len(without)} | " + " | ".join(f"{share:.3f}" for share in shares) + " |",
        flush=True,
    )


if __name__ == "__main__":
    main()
