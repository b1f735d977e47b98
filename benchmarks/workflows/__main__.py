"""nlapi on a folder of real Arazzo workflows: `python -m benchmarks.workflows --root DIR [--limit N] [--json FILE]`.

Each workflow is played against a sandbox of its API in this process: to the letter of the standard, read tolerantly,
with the repairs that `nlapi workflow repair` proposes and nothing asked, and with answers to what is asked for, sampled
from the schemas. A run that stops has a cause.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import nlapi
from benchmarks.workflows.causes import Cause, Explainer, Source
from benchmarks.workflows.collection import DESCRIPTION, WORKFLOWS, Api, Case, choose, read
from benchmarks.workflows.inputs import InputSource
from benchmarks.workflows.playing import Mode, Played, Player
from benchmarks.workflows.stage import Stage
from nlapi.errors import NlapiError
from nlapi.workflows.read import read_document
from nlapi.workflows.repair import repair
from nlapi.workflows.sources import LinkedDocument, link

# Causes of failures that are nlapi's to mend, of all workflows.
WANTED = {Mode.REPAIRED: 65, Mode.ANSWERED: 90}
# A mode whose runs are those of another one where these ended.
SAME: Mapping[Mode, Mode | None] = {
    Mode.LETTER: None,
    Mode.TOLERANT: Mode.LETTER,
    Mode.REPAIRED: None,
    Mode.ANSWERED: Mode.REPAIRED,
}
WANTED_WHOLE, WANTED_OURS, WANTED_STEPS = 75, 3, 99
EXAMPLES = 2


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A run with the cause of its failure, None where it ended."""

    played: Played
    cause: Cause | None

    def as_dict(self) -> dict[str, Any]:
        played, cause = self.played, self.cause
        lost = [str(one) for one in played.evidence.hand_overs if not one.is_carried] if played.evidence else []
        return {
            "api": played.case.api.name,
            "workflow": played.case.id,
            "mode": played.mode.value,
            "ended": played.is_ended,
            "whole": played.is_whole,
            "step": played.step,
            "cause": cause.source.value if cause else "",
            "kind": cause.kind if cause else "",
            "detail": cause.detail if cause else "",
            "lost": lost if played.is_ended else [],
        }


@dataclass(kw_only=True)
class Tally:
    """What became of the collection."""

    apis: int = 0
    documents: int = 0
    steps: int = 0
    found: int = 0
    unread: list[str] = field(default_factory=list)
    unresolved: list[str] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    repairs: Counter[str] = field(default_factory=Counter)

    def of(self, mode: Mode) -> list[Outcome]:
        return [outcome for outcome in self.outcomes if outcome.played.mode is mode]


def measure(api: Api, cases: Sequence[Case], tally: Tally) -> None:
    """Add to `tally` what became of the workflows of one API."""
    tally.apis += 1
    try:
        document = read_document(str(api.folder / WORKFLOWS))
        spec = nlapi.load(api.folder / DESCRIPTION)
    except NlapiError as error:
        tally.unread.append(f"{api.name}: {error}")
        return
    tally.documents += 1
    linked = link(document, sources={source.name: "" for source in document.sources}, loader=lambda _: spec)
    _count_steps(api, linked, cases, tally)
    repaired, repairs = repair(linked)
    tally.repairs.update(entry.kind.value for entry in repairs)
    source, explainer, stage = InputSource(spec), Explainer(spec), Stage(spec)
    players = {
        mode: Player(linked=repaired if mode.has_repairs else linked, stage=stage, source=source, mode=mode)
        for mode in Mode
    }
    for case in cases:
        if document.find(case.id) is None:
            tally.unread.append(f"{case.name}: not in the document that was read")
            continue
        for mode, other in SAME.items():
            earlier = next((one.played for one in tally.outcomes[-len(Mode) :] if _is_same(one, case, other)), None)
            # What ends to the letter ends the same when it is read tolerantly, and what asks nothing with answers.
            is_same = earlier is not None and earlier.is_ended
            played = replace(earlier, mode=mode) if earlier is not None and is_same else players[mode].play(case)
            cause = None if played.is_ended else explainer.cause(played)
            tally.outcomes.append(Outcome(played=played, cause=cause))
    source.close()
    stage.close()


def _is_same(outcome: Outcome, case: Case, mode: Mode | None) -> bool:
    return outcome.played.case is case and outcome.played.mode is mode


def _count_steps(api: Api, linked: LinkedDocument, cases: Sequence[Case], tally: Tally) -> None:
    """Count the steps whose operation is the one that the description has."""
    for case in cases:
        workflow = linked.document.find(case.id)
        steps = {step.id: linked.target(step) for step in workflow.steps} if workflow is not None else {}
        for step in case.steps:
            target = steps.get(step.id)
            operation = target.operation if target is not None else None
            tally.steps += 1
            if operation is not None and (operation.method, operation.path) == (step.method, step.path):
                tally.found += 1
                continue
            other = f"found {operation.method} {operation.path}" if operation is not None else "not found"
            expected = f"{step.method} {step.path}" if step.is_resolved else "in no description"
            tally.unresolved.append(f"{api.name} {case.id} {step.id}: {other}, is {expected}")


def report(tally: Tally, *, show: bool) -> Iterator[str]:
    """Yield the lines of the report, as Markdown."""
    yield f"{tally.documents} of {tally.apis} documents read with their descriptions;"
    share = 100 * tally.found / max(1, tally.steps)
    yield f"{tally.found:,} of {tally.steps:,} steps found ({share:.1f} %, wanted {WANTED_STEPS} %)."
    yield from (f"- {line}" for line in (*tally.unread[:20], *tally.unresolved[:20]))
    yield ""
    yield "| read | workflows | ended | wanted | every hand-over carried | ours and the sandbox's causes |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for mode in Mode:
        outcomes = tally.of(mode)
        ended = sum(outcome.played.is_ended for outcome in outcomes)
        whole = sum(outcome.played.is_whole for outcome in outcomes)
        ours = sum(outcome.cause.source in (Source.OURS, Source.SANDBOX) for outcome in outcomes if outcome.cause)
        wanted = f"{WANTED[mode]} %" if mode in WANTED else ""
        cells = (f"{count} ({100 * count / max(1, len(outcomes)):.1f} %)" for count in (ended, whole, ours))
        first, *rest = cells
        yield f"| {mode} | {len(outcomes)} | {first} | {wanted} | {' | '.join(rest)} |"
    yield ""
    yield f"Wanted: every hand-over carried in {WANTED_WHOLE} %, ours and the sandbox's causes under {WANTED_OURS} %."
    yield f"Repairs: {', '.join(f'{kind} {count:,}' for kind, count in tally.repairs.most_common())}."
    for mode in Mode:
        yield from ("", f"## {mode}: why runs stopped", "", "| cause | kind | runs |", "| --- | --- | --- |")
        outcomes = [outcome for outcome in tally.of(mode) if outcome.cause is not None]
        counts = Counter((outcome.cause.source, outcome.cause.kind) for outcome in outcomes if outcome.cause)
        for (source, kind), count in sorted(counts.items(), key=lambda item: (item[0][0], -item[1])):
            yield f"| {source} | {kind} | {count} |"
        if show:
            yield from _examples(outcomes, counts)


def _examples(outcomes: Sequence[Outcome], counts: Counter[tuple[Source, str]]) -> Iterator[str]:
    for key in counts:
        yield from ("", f"{key[0]}, {key[1]}:")
        same = [outcome for outcome in outcomes if outcome.cause and (outcome.cause.source, outcome.cause.kind) == key]
        for outcome in same[:EXAMPLES] if key[0] in (Source.DOCUMENT, Source.DESCRIPTION) else same:
            detail = " ".join(outcome.cause.detail.split()) if outcome.cause else ""
            yield f"- {outcome.played.case.name} {detail[:400]}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workflows", description=__doc__)
    parser.add_argument("--root", type=Path, required=True, metavar="DIR", help="the folder of APIs")
    parser.add_argument("--limit", type=int, metavar="N", help="N of the workflows, always the same ones")
    parser.add_argument("--only", metavar="TEXT", help="APIs with this in their name")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write a line of JSON for each run")
    parser.add_argument("--show", action="store_true", help="print examples of each cause")
    options = parser.parse_args()
    apis = [api for api in read(options.root) if (options.only or "") in api.name]
    chosen = choose(apis, options.limit) if options.limit else tuple(case for api in apis for case in api.cases)
    cases: dict[str, list[Case]] = {}
    for case in chosen:
        cases.setdefault(case.api.name, []).append(case)
    tally, start = Tally(), time.process_time()
    for api in apis:
        if api.name in cases:
            measure(api, cases[api.name], tally)
    print("\n".join(report(tally, show=options.show)))
    print(f"\n{time.process_time() - start:.0f} s of CPU.")
    if options.json:
        lines = (json.dumps(outcome.as_dict()) for outcome in tally.outcomes)
        options.json.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
