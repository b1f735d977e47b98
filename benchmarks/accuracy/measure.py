"""Plans the sample: which plans are exact, and which wrong changes stand."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import nlapi
from benchmarks.accuracy import sample
from benchmarks.changes.run import Rating, run
from benchmarks.offline.sentences import TODAY, case_of, fits, is_operation
from benchmarks.offline.steps import rounds
from nlapi.changes.checks import reasons_against
from nlapi.cli.ask.session import CHANGE_BELOW as SURE
from nlapi.openapi.spec import Effect, Spec
from nlapi.planner import OfflinePlanner
from nlapi.tools.plan import Plan
from nlapi.tools.tool import Account, Call, Origin
from training.scoring import Row, score

_EXACT = frozenset({Rating.HELD, Rating.READ})


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A sentence of the sample with what its plan came to."""

    group: str
    """the file that it is from: real, sentences or commands"""
    api: str
    sentence: str
    is_exact: bool
    has_wrong_change: bool
    """whether a change that is not the right one stands: is sent under `--yes`"""
    planned: str


def measure(names: Sequence[str]) -> Iterator[Result]:
    """Yield the results of all sentences about these descriptions."""
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            file = sample.unpack(name, Path(folder))
            spec = nlapi.load(str(file))
            yield from _training(name, spec)
            yield from _plain(name, spec)
            yield from _commands(name, file)


def _training(name: str, spec: Spec) -> Iterator[Result]:
    for row in sample.training_rows(name):
        yield training_result(row, OfflinePlanner([spec], today=date.fromisoformat(row["today"])))


def training_result(row: Row, planner: OfflinePlanner) -> Result:
    """Return what becomes of a sentence of `training/sentences`."""
    plans = rounds(planner, row["question"])
    call = plans[0].goal or (plans[0].calls[0] if plans[0].calls else None)
    changes = [change for plan in plans for change in standing(plan, row["question"])]
    return Result(
        group="real",
        api=row["api"],
        sentence=row["question"],
        is_exact=score(row, call, ())[1],
        has_wrong_change=not all(
            any(score(row, call, ())[1] for call in (change, without_lookups(change))) for change in changes
        ),
        planned=_planned(plans),
    )


def _plain(name: str, spec: Spec) -> Iterator[Result]:
    planner = OfflinePlanner([spec], today=TODAY)
    for row in sample.plain_rows(name):
        yield plain_result(row, planner)


def plain_result(row: Row, planner: OfflinePlanner) -> Result:
    """Return what becomes of a sentence of `benchmarks/offline`."""
    case = case_of(row, planner)
    changes = [change for plan in case.plans for change in standing(plan, row["question"])]
    return Result(
        group="sentences",
        api=row["description"],
        sentence=row["question"],
        is_exact=case.exact,
        has_wrong_change=not all(
            is_operation(row, change)
            and any(fits(call.arguments, row["arguments"]) for call in (change, without_lookups(change)))
            for change in changes
        ),
        planned=_planned(case.plans),
    )


def _commands(name: str, file: Path) -> Iterator[Result]:
    for api in sample.commands(name, file):
        for outcome in run(api).outcomes:
            yield Result(
                group="commands",
                api=name,
                sentence=outcome.sentence,
                is_exact=outcome.is_right or outcome.rating in _EXACT,
                has_wrong_change=outcome.rating is Rating.WRONG,
                planned=f"{outcome.rating}: {'; '.join(outcome.sent or outcome.proposed or outcome.planned)}",
            )


def _planned(plans: Sequence[Plan]) -> str:
    return "; ".join(f"{call.operation_id} {dict(call.arguments)}" for plan in plans for call in plan.calls)


def without_lookups(change: Call) -> Call:
    """The call without the ids that were looked up by a name: the stand-in answer made them up."""
    sources = change.account.sources if change.account is not None else ()
    looked_up = {source.argument for source in sources if source.origin is Origin.LOOKUP}
    return replace(change, arguments={k: v for k, v in change.arguments.items() if k not in looked_up})


def standing(plan: Plan, sentence: str) -> Iterator[Call]:
    """The changes of a plan that the policy would let run under `--yes`."""
    if plan.missing or plan.confidence < SURE:
        return
    for call in plan.calls:
        if call.tool.effect is not Effect.READ and not reasons_against(call, call.account or Account(), sentence):
            yield call


def figures(results: Sequence[Result]) -> dict[str, dict[str, int]]:
    """Return by group how many sentences there are, how many plans are exact and how many wrong changes stand."""
    groups = sorted({result.group for result in results})
    return {
        group: {
            "sentences": sum(result.group == group for result in results),
            "exact": sum(result.group == group and result.is_exact for result in results),
            "wrong_changes": sum(result.group == group and result.has_wrong_change for result in results),
        }
        for group in groups
    }


def regressions(measured: Mapping[str, Mapping[str, int]], recorded: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return what is worse than recorded, a line each; nothing where all is as good."""
    lines: list[str] = []
    if sizes(measured) != sizes(recorded):
        return [f"the sample is another one: {sizes(measured)} sentences, {sizes(recorded)} recorded"]
    exact, least = total(measured, "exact"), total(recorded, "exact")
    wrong, most = total(measured, "wrong_changes"), total(recorded, "wrong_changes")
    if exact < least:
        lines.append(f"{exact} plans are exact, {least} were")
    if wrong > most:
        lines.append(f"{wrong} wrong changes stand, {most} did")
    return lines


def sizes(table: Mapping[str, Mapping[str, int]]) -> dict[str, int]:
    return {group: row["sentences"] for group, row in table.items()}


def total(table: Mapping[str, Mapping[str, int]], column: str) -> int:
    return sum(row[column] for row in table.values())
