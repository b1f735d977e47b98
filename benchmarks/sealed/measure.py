"""Plans the sealed sentences, and compares the plans with the calls that are right."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import nlapi
from benchmarks.accuracy.measure import standing, without_lookups
from benchmarks.offline.sentences import TODAY, Case, fits, is_operation
from benchmarks.offline.steps import rounds
from benchmarks.sealed.sentences import Row, any_of, faults, load, right_calls
from nlapi.cli.ask.session import ASK_BELOW
from nlapi.openapi.spec import Effect
from nlapi.planner import OfflinePlanner
from nlapi.tools.plan import Plan
from nlapi.tools.tool import Call, Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A sentence with what its plan came to."""

    row: Row
    has_operation: bool
    """whether the plan leads to a right operation; of a sentence to hold, whether nothing is sent unasked"""
    is_right: bool
    """whether it has exactly the right arguments too, and a look-up before it is one that finds the resource"""
    is_refused: bool
    """whether there is neither a call nor a question for a value"""
    sends_right: bool
    """whether a right change is sent under `--yes`"""
    sends_wrong: bool
    """whether another change is sent under `--yes`"""
    planned: str

    @property
    def kind(self) -> str:
        return "hold" if self.row.get("hold") else str(self.row["kind"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """All outcomes, what of the right calls does not fit a description, and the SHA-256 of the descriptions."""

    outcomes: tuple[Outcome, ...]
    faults: tuple[str, ...]
    descriptions: str


def measure(folder: Path) -> Measured:
    """Plan all sentences with the descriptions in `folder`."""
    outcomes: list[Outcome] = []
    problems: list[str] = []
    digest = hashlib.sha256()
    for name, rows in load().items():
        file = folder / name
        digest.update(file.read_bytes())
        spec = nlapi.load(str(file))
        problems += faults(rows, spec)
        planner = OfflinePlanner([spec], today=TODAY)
        outcomes += (_outcome(row, planner) for row in rows)
    return Measured(outcomes=tuple(outcomes), faults=tuple(problems), descriptions=digest.hexdigest())


def _outcome(row: Row, planner: OfflinePlanner) -> Outcome:
    plans = rounds(planner, row["question"], row.get("known"))
    sent = [change for plan in plans for change in _sent(plan, row)]
    right = () if row.get("hold") else right_calls(row)
    cases = [Case(row=call, plans=plans) for call in right]
    sends_wrong = not all(_is_right_change(change, right) for change in sent)
    return Outcome(
        row=row,
        has_operation=any(case.operation for case in cases) if right else not sends_wrong,
        is_right=any(case.exact and _begins_right(case) for case in cases) if right else not sends_wrong,
        is_refused=not plans[0].calls and not plans[0].missing,
        sends_right=bool(sent) and not sends_wrong,
        sends_wrong=sends_wrong,
        planned="; ".join(f"{call.operation_id} {dict(call.arguments)}" for plan in plans for call in plan.calls),
    )


def _sent(plan: Plan, row: Row) -> Iterator[Call]:
    """Yield the changes of a plan that are sent under `--yes`, those among them that a description has as reads."""
    yield from standing(plan, row["question"])
    if not plan.missing and plan.confidence >= ASK_BELOW:
        for call in plan.calls:
            if call.tool.effect is Effect.READ and call.operation_id in row.get("acts", ()):
                yield call


def _is_right_change(change: Call, right: Sequence[Row]) -> bool:
    return any(
        is_operation(row, change) and fits(call.arguments, row["arguments"])
        for row in right
        for call in (change, without_lookups(change), _with_words(change))
    )


def _with_words(change: Call) -> Call:
    """Return the change with the words that its ids were looked up by: the stand-in answer made the ids up."""
    sources = change.account.sources if change.account is not None else ()
    words = {source.argument: source.words for source in sources if source.origin is Origin.LOOKUP}
    return replace(change, arguments={name: words.get(name, value) for name, value in change.arguments.items()})


def _begins_right(case: Case) -> bool:
    """Return whether a plan for a resource that is named begins with a look-up that finds it, or with the call."""
    if not case.row.get("lookup") or not case.called:
        return True
    return case.called[0].operation_id in {*case.row["first"], *any_of(case.row["operation"])}
