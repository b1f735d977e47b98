"""Plans 300 sealed sentences over 30 APIs that nothing else of the project names, and prints figures alone."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence

from benchmarks.changes.run import without_registrations
from benchmarks.descriptions import directory
from benchmarks.offline.sentences import TODAY
from benchmarks.sealed.measure import Measured, Outcome, measure
from benchmarks.sealed.sentences import digest, recorded_digest

_SHOWN = "print every sentence with its plan; whoever looks at them must write new ones, as these measure nothing then"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.sealed", description=__doc__)
    parser.add_argument("--show", action="store_true", help=_SHOWN)
    options = parser.parse_args()
    folder = directory()
    if folder is None:
        return 1
    with tempfile.TemporaryDirectory(prefix="nlapi-sealed-") as home:
        without_registrations(home)
        measured = measure(folder)
    if options.show:
        print("\n".join((*map(_details, measured.outcomes), *measured.faults)), end="\n\n")
    print(_figures(measured))
    is_sealed = digest() == recorded_digest()
    print(f"SHA-256 of the sentences: {digest()}{'' if is_sealed else ', which is not the one in SHA256'}")
    print(f"SHA-256 of the descriptions: {measured.descriptions}")
    return 0 if is_sealed and not measured.faults else 1


def _figures(measured: Measured) -> str:
    outcomes = measured.outcomes
    groups = {kind: [outcome for outcome in outcomes if outcome.kind == kind] for kind in ("read", "change", "hold")}
    changes = groups["change"]
    sent = sum(outcome.sends_right for outcome in changes)
    held = sum(outcome.is_right and not outcome.sends_right and not outcome.sends_wrong for outcome in changes)
    wrong = [sum(outcome.sends_wrong for outcome in group) for group in (outcomes, groups["hold"])]
    apis = len({outcome.row["description"] for outcome in outcomes})
    return "\n".join(
        (
            f"{len(outcomes)} sentences over {apis} APIs, planned as on {TODAY}; "
            f"{len(measured.faults)} right calls do not fit their description",
            "",
            "| sentences | number | operation right | right | refused |",
            "| --- | --- | --- | --- | --- |",
            *(_line(name, group) for name, group in {**groups, "all": outcomes}.items()),
            "",
            f"wrong changes sent under --yes: {wrong[0]} of {len(outcomes)}, {wrong[1]} of them of sentences to hold",
            f"right changes: {sent} of {len(changes)} sent under --yes, {held} planned right and held",
        )
    )


def _line(name: str, outcomes: Sequence[Outcome]) -> str:
    marks = ("has_operation", "is_right", "is_refused")
    return f"| {name} | {len(outcomes)} | {' | '.join(str(sum(getattr(o, m) for o in outcomes)) for m in marks)} |"


def _details(outcome: Outcome) -> str:
    marks = ("has_operation", "is_right", "is_refused", "sends_right", "sends_wrong")
    found = ", ".join(mark for mark in marks if getattr(outcome, mark)) or "nothing right"
    row = outcome.row
    wanted = "nothing" if row.get("hold") else f"{row['operation']} {row['arguments']}"
    return (
        f"{row['description']} {outcome.kind}: {row['question']}\n    {found}\n    wanted {wanted}"
        f"\n    got    {outcome.planned}"
    )


if __name__ == "__main__":
    sys.exit(main())
