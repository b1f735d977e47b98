"""How often the embedded planner takes the right steps for questions that need several calls; printed, not asserted.

`python -m benchmarks.offline.steps [--questions DIR] [--show]`. Rows of the public sets whose gold names two operations
or more; their arguments are not given. There is no API behind them, so every read is answered with one thing that is
called what was looked for: whatever is looked up by its name is found.
"""

from __future__ import annotations

import argparse
import asyncio
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nlapi.client.message import Result
from nlapi.planner import OfflinePlanner
from nlapi.planner.steps.state import LookupStage, LookupState
from nlapi.tools.plan import Conversation, Outcome, Plan, Round, Step, ask
from nlapi.tools.tool import Call
from training.corpus import Corpus, add_questions

MOST_ROUNDS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A question, the operations that it takes, in order, and those that were called or, at the last, proposed."""

    dataset: str
    question: str
    gold: tuple[str, ...]
    called: tuple[str, ...]

    @property
    def marks(self) -> dict[str, bool]:
        at_least = iter(self.called)
        return {
            "first call": self.called[:1] == self.gold[:1],
            "right set": set(self.called) == set(self.gold),
            "right order": self.called == self.gold,
            "gold within": all(any(one == other for other in at_least) for one in self.gold),
            "no plan": not self.called,
        }


def steps(planner: OfflinePlanner, question: str) -> tuple[str, ...]:
    """The operations that the planner calls for a question, and the one that it would call if nothing were missing."""
    plans = rounds(planner, question)
    called = [call.operation_id for plan in plans for call in plan.calls]
    if called and plans[-1].missing and plans[-1].goal is not None and plans[-1].goal.operation_id != called[-1]:
        called.append(plans[-1].goal.operation_id)
    return tuple(called)


def rounds(planner: OfflinePlanner, question: str, known: Mapping[str, Any] | None = None) -> tuple[Plan, ...]:
    """The planner's plans for a question, one after the other, until one calls nothing or asks for something."""
    conversation, plans = ask(question, known), list[Plan]()
    for _ in range(MOST_ROUNDS):
        plan = asyncio.run(next_plan(planner, conversation))
        plans.append(plan)
        if not plan.calls or plan.missing:
            break
        steps = tuple(answered(call, plan) for call in plan.calls)
        conversation = conversation.with_round(Round(plan=plan, steps=steps))
    return tuple(plans)


async def next_plan(planner: OfflinePlanner, conversation: Conversation) -> Plan:
    """The planner's next Plan."""
    return [piece async for piece in planner.next(conversation) if isinstance(piece, Plan)][-1]


def answered(call: Call, plan: Plan) -> Step:
    """The step of a call answered with one thing, called what was looked for; with six to pick from by place."""
    lookup = plan.raw if isinstance(plan.raw, LookupState) else None
    named = {"name": (lookup and lookup.name) or "Sample", (lookup and lookup.field) or "kind": "1"}
    count = 6 if lookup is not None and lookup.place else 1
    things = [{"id": str(at), "uri": str(at), **named, **_figures(at)} for at in range(1, count + 1)]
    read_alone = lookup is not None and (lookup.stage is LookupStage.ITEM or not lookup.name)
    one = call.tool.operation.path.endswith("}") or read_alone
    data: Any = things[0] if one else things
    headers = (("content-type", "application/json"),)
    result = Result(status=200, headers=headers, content=json.dumps(data).encode())
    return Step(call=call, outcome=Outcome.ANSWERED, result=result)


def _figures(at: int) -> dict[str, Any]:
    """What things can be compared by."""
    return {"popularity": at, "price": at, "rating": at, "created_at": f"2026-01-0{at}"}


def rows(corpus: Corpus) -> Iterator[Row]:
    """Every public question that takes several operations, with what the planner does."""
    planners: dict[str, OfflinePlanner] = {}
    for row in corpus.public:
        gold = tuple(row.get("operations") or [call["operationId"] for call in row["calls"]])
        if len(gold) < 2:
            continue
        if row["spec"] not in planners:
            planners[row["spec"]] = OfflinePlanner((corpus.catalogue(row["spec"])[0],))
        called = steps(planners[row["spec"]], row["question"])
        yield Row(dataset=row["dataset"], question=row["question"], gold=gold, called=called)


def table(found: Sequence[Row]) -> str:
    """The shares, by data set and by how many calls the gold has."""
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in found:
        groups[f"{row.dataset}, {len(row.gold) if len(row.gold) < 4 else '4 or more'} calls"].append(row)
    names = list(found[0].marks)
    lines = [f"{'':40} cases  " + "  ".join(names)]
    for group, members in [*sorted(groups.items()), ("all", list(found))]:
        shares = (sum(row.marks[name] for row in members) / len(members) for name in names)
        cells = "  ".join(f"{share:{len(name)}.2f}" for name, share in zip(names, shares, strict=True))
        lines.append(f"{group:40} {len(members):5}  {cells}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_questions(parser)
    parser.add_argument("--show", action="store_true", help="print what was called for each question")
    options = parser.parse_args()
    found = list(rows(Corpus(options.questions)))
    for row in found if options.show else ():
        print(f"{'ok ' if row.marks['right order'] else '   '} {row.question}\n      {row.gold}\n      {row.called}")
    print(table(found))


if __name__ == "__main__":
    main()
