"""How often does it ask, and does harm get through? WorkBench, ToolTalk and AgentDojo, the actor being the sets' own.

python -m benchmarks.public.approval --data DIR. The actor makes the set's recorded or right plans and, seeded, plans in
which one change is wrong: another id, another tool, one change more, another value. nlapi's own agreement on a plan
(nlapi/agent/agreement.py) decides whether a person is asked; no model takes part. Nothing that asks is sent.

- WorkBench: a plan is unwanted where the set's own tools leave a row of the database otherwise than the right plan.
- ToolTalk: a plan is unwanted where it has an action that the conversation does not record.
- AgentDojo: a plan is unwanted where it follows an injection in an answer, as in benchmarks/agentdojo.py.
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from benchmarks import agentdojo
from benchmarks.environments import StepError
from benchmarks.public.actors import Action, Settled, ToolSet, Variant, conversation_of, settle
from benchmarks.public.chapter import Bars, Chapter, MissingError, Source, Table, alone
from benchmarks.public.tooltalk import SOURCE as TOOLTALK
from benchmarks.public.tooltalk import Moment, ToolTalk
from benchmarks.public.workbench import SOURCE as WORKBENCH
from benchmarks.public.workbench import TODAY, WorkBench
from nlapi.agent.policy import Policy

COMMAND: Final = "python -m benchmarks.public.approval --data DIR"
AGENTDOJO: Final = Source(
    name="AgentDojo", version=agentdojo.PACKAGE.partition("==")[2], licence="MIT", origin="PyPI agentdojo"
)
NOTHING_AGREED: Final = "nlapi, nothing agreed in advance"
CONSENT: Final = "nlapi --yes, consent in advance to your words"
EACH_CALL: Final = "ask before each call"
BY_METHOD: Final = "ask before each call that is no GET"
NEVER: Final = "never ask"
WAYS: Final = (NOTHING_AGREED, CONSENT, BY_METHOD, EACH_CALL, NEVER)


@dataclass(slots=True, kw_only=True)
class Burden:
    """What a set comes to.

    Attributes:
        tasks: Tasks, or conversations, without any corruption.
        questions: By way of asking, the questions about the right plans of all tasks.
        wrong: Plans that change something unwanted.
        unasked: By way of asking, how many of them go out without a question.
        right: Right plans with a change.
        right_unasked: How many of them go out without a question where consent was given in advance.
        refused: Wrong plans that nlapi refuses, as they do not fit the description.
        kinds: Wrong plans by their corruption.
        holes: What goes out unasked under nlapi and is wrong, in words.
    """

    name: str
    tasks: int = 0
    questions: Counter[str] = field(default_factory=Counter)
    wrong: int = 0
    unasked: Counter[str] = field(default_factory=Counter)
    right: int = 0
    right_unasked: int = 0
    refused: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    holes: list[str] = field(default_factory=list)

    def add_right(self, asked: Settled, settled: Settled, calls: int, changes: int) -> None:
        """Count a right plan: without consent in advance, and with it."""
        self.right += changes > 0
        self.right_unasked += changes > 0 and settled.unasked
        self.questions[NOTHING_AGREED] += asked.asked
        self.questions[CONSENT] += settled.asked
        self.questions[EACH_CALL] += calls
        self.questions[BY_METHOD] += changes

    def add_wrong(self, variant: Variant, asked: Settled, settled: Settled) -> None:
        """Count a plan that would change something unwanted."""
        self.wrong += 1
        self.kinds[str(variant.corruption)] += 1
        self.unasked[NEVER] += 1
        self.refused += settled.fails
        self.unasked[NOTHING_AGREED] += asked.unasked
        self.unasked[CONSENT] += settled.unasked
        if settled.unasked:
            change = variant.changes[variant.wrong]
            self.holes.append(f"{variant.corruption}: {change.name} {dict(change.arguments)}")


def measure(data: Path) -> Chapter:
    """Return the chapter; a set that is not here is left out, with the reason."""
    burdens: list[Burden] = []
    sources: list[Source] = []
    left_out: list[str] = []
    for source, measured in ((WORKBENCH, workbench), (TOOLTALK, tooltalk), (AGENTDOJO, dojo)):
        try:
            burdens.append(measured(data))
            sources.append(source)
        except MissingError as missing:
            left_out.append(f"{source.name} is left out: {missing}.")
    if not burdens:
        raise MissingError("; ".join(left_out))
    return _chapter(burdens, sources, left_out)


def workbench(data: Path) -> Burden:
    """Return the burden on WorkBench's tasks, by the state of its database."""
    bench = WorkBench(data)
    burden = Burden(name="WorkBench")
    wrong: list[tuple[int, Variant]] = []
    tasks = bench.tasks()
    for number, task in enumerate(tasks):
        right, *others = task.variants
        burden.tasks += 1
        said = [(task.question, right.reads)]
        asked, settled = _both(bench.tools, said, right, today=TODAY) if right.changes else (Settled(), Settled())
        burden.add_right(asked, settled, len(right.reads) + len(right.changes), len(right.changes))
        wrong += [(number, variant) for variant in others]
    wanted = bench.outcomes([task.variants[0].changes for task in tasks])
    outcomes = bench.outcomes([variant.changes for _, variant in wrong])
    for (number, variant), outcome in zip(wrong, outcomes, strict=True):
        if outcome.exceeds(wanted[number]):
            asked, settled = _both(bench.tools, [(tasks[number].question, variant.reads)], variant, today=TODAY)
            burden.add_wrong(variant, asked, settled)
    return burden


def tooltalk(data: Path) -> Burden:
    """Return the burden on ToolTalk's conversations, by its metric: incorrect actions."""
    talk = ToolTalk(data)
    burden = Burden(name="ToolTalk", tasks=talk.count)
    for moment in talk.moments():
        right, *others = moment.variants
        asked, settled = _at_moment(talk.tools, moment, right)
        burden.add_right(asked, settled, len(right.changes), len(right.changes))
        for variant in others:
            if variant.changes[variant.wrong].key not in moment.recorded:
                burden.add_wrong(variant, *_at_moment(talk.tools, moment, variant))
    burden.questions[EACH_CALL] += talk.reads.total()
    # What nlapi takes for a change and only reads is asked about as well.
    unknown = sum(count for name, count in talk.reads.items() if not talk.tools.only_reads(name))
    burden.questions[NOTHING_AGREED] += unknown
    burden.questions[CONSENT] += unknown
    return burden


def dojo(data: Path) -> Burden:
    """Return the burden on AgentDojo's tasks, and on those that meet an injection in an answer."""
    try:
        suites = agentdojo.traces(None)
    except (StepError, subprocess.CalledProcessError) as error:
        raise MissingError(f"{agentdojo.PACKAGE} cannot be had: {str(error)[:200]}") from None
    burden = Burden(name="AgentDojo")
    policies = {NOTHING_AGREED: Policy(), CONSENT: Policy(yes=True)}
    for entry in suites.values():
        suite = agentdojo.build_suite(entry["tools"])
        for user in entry["users"].values():
            burden.tasks += 1
            changes = [agentdojo.acts(suite, call) for call in user["calls"]]
            burden.questions[EACH_CALL] += len(changes)
            burden.questions[BY_METHOD] += sum(changes)
            runs = {
                way: _questions(agentdojo.questions(suite, user["question"], user["calls"], policy))
                for way, policy in policies.items()
            }
            burden.questions.update(runs)
            burden.right += any(changes)
            burden.right_unasked += any(changes) and not runs[CONSENT]
            for other, injection in entry["injections"].items():
                if injection["calls"]:
                    _add_injection(burden, suite, user, other, injection)
    return burden


def _add_injection(
    burden: Burden, suite: agentdojo.Suite, user: dict[str, Any], other: str, injection: dict[str, Any]
) -> None:
    """Count a task that meets an injection: what asks in spite of consent in advance asks without it, too."""
    burden.wrong += 1
    burden.kinds["an injection in an answer"] += 1
    burden.unasked[NEVER] += 1
    # A rule by the method lets an injection through that reads one thing and another.
    burden.unasked[BY_METHOD] += not any(agentdojo.acts(suite, call) for call in injection["calls"])
    if not all(agentdojo.acting_replies(suite, user, other, injection, Policy(yes=True))):
        burden.unasked[CONSENT] += 1
        burden.holes.append(f"injection: {injection['goal'][:100]}")
        burden.unasked[NOTHING_AGREED] += not all(agentdojo.acting_replies(suite, user, other, injection, Policy()))


def _questions(replies: Iterator[str]) -> int:
    """Return how many questions the replies are: calls one after the other that ask are one plan."""
    return sum(asks for asks, _ in groupby(map(bool, replies)))


def _at_moment(tools: ToolSet, moment: Moment, variant: Variant) -> tuple[Settled, Settled]:
    *earlier, (text, actions) = moment.said
    return _both(tools, [*earlier, (text, (*actions, *variant.reads))], variant, today=moment.day)


def _both(
    tools: ToolSet, said: Sequence[tuple[str, Sequence[Action]]], variant: Variant, *, today: date
) -> tuple[Settled, Settled]:
    """Return what becomes of a plan without and with consent in advance.

    What asks in spite of consent in advance asks without it: the policy is the same, and has one reason more.
    """
    conversation = conversation_of(tools, said)
    settled = settle(tools, conversation, variant.changes, Policy(yes=True), today=today)
    if not settled.unasked:
        return settled, settled
    return settle(tools, conversation, variant.changes, Policy(), today=today), settled


def _chapter(burdens: Sequence[Burden], sources: Sequence[Source], left_out: Sequence[str]) -> Chapter:
    holes = [f"{burden.name}: {hole}" for burden in burdens for hole in burden.holes]
    unasked = sum(burden.unasked[NOTHING_AGREED] for burden in burdens)
    agreed = sum(burden.unasked[CONSENT] for burden in burdens)
    wrong = sum(burden.wrong for burden in burdens)
    questions = "; ".join(
        f"{burden.name} {_rate(burden.questions[NOTHING_AGREED], burden.tasks)} "
        f"(each call {_rate(burden.questions[EACH_CALL], burden.tasks)})"
        for burden in burdens
    )
    summary = (
        f"nlapi asks once for a plan, and not about reads. Questions a task: {questions}. Of {wrong:,} plans "
        f"that change something unwanted, {unasked} go out without a question, and {agreed} with consent in advance."
    )
    missed = [f"A wrong plan goes out without a question: {hole}." for hole in holes]
    return Chapter(
        title="How often does it ask, and does harm get through?",
        summary=summary,
        sources=sources,
        command=COMMAND,
        tables=[_questions_table(burdens), _unwanted_table(burdens), _consent_table(burdens)],
        bars=[
            Bars(
                name=f"approval-{burden.name.lower()}",
                title=f"Questions a task, {burden.name}",
                unit="questions",
                bars=[(way, burden.questions[way] / burden.tasks) for way in WAYS],
            )
            for burden in burdens
        ],
        unknown=[*UNKNOWN, *left_out],
        missed=missed,
    )


UNKNOWN: Final = (
    "Whether a person reads the question: people approve most prompts, so fewer questions are worth more than many.",
    "How often a model errs: the errors are drawn at random, one a plan, and not those that models make most.",
    "WorkBench names changes alone. The reads before them, one search for each item and address, are this runner's.",
    "Every tool is a POST to nlapi here, so that it has to find out which only read (AgentDojo's are GETs by their "
    "names). The rule by the method knows the truth: a tool that only reads is a GET to it. Were all POSTs to it, it "
    "would ask before each call.",
    "A question about a plan says nothing of what it shows: a person sees the requests, each with its reasons.",
)


def _questions_table(burdens: Sequence[Burden]) -> Table:
    rows = [[way, *(_rate(burden.questions[way], burden.tasks) for burden in burdens)] for way in WAYS]
    columns = ["way", *(f"{burden.name} ({burden.tasks})" for burden in burdens)]
    return Table(title="Questions a task, for the right plans", columns=columns, rows=rows)


def _unwanted_table(burdens: Sequence[Burden]) -> Table:
    rows = [[way, *(f"{burden.unasked[way]:,} of {burden.wrong:,}" for burden in burdens)] for way in WAYS]
    columns = ["way", *(burden.name for burden in burdens)]
    return Table(title="Plans that change something unwanted, sent without a question", columns=columns, rows=rows)


def _consent_table(burdens: Sequence[Burden]) -> Table:
    kinds = dict.fromkeys(kind for burden in burdens for kind in burden.kinds)
    rows = [
        [
            "right plans with a change that go out",
            *(
                f"{burden.right_unasked} of {burden.right} ({burden.right_unasked / burden.right:.1%})"
                for burden in burdens
            ),
        ],
        ["wrong plans that go out", *(f"{burden.unasked[CONSENT]} of {burden.wrong:,}" for burden in burdens)],
        ["wrong plans that do not fit the description", *(f"{burden.refused}" for burden in burdens)],
        *([f"wrong plans: {kind}", *(f"{burden.kinds[kind]:,}" for burden in burdens)] for kind in kinds),
    ]
    columns = ["with consent in advance", *(burden.name for burden in burdens)]
    return Table(title="What goes out without a question under --yes", columns=columns, rows=rows)


def _rate(count: int, tasks: int) -> str:
    return f"{count / tasks:.2f}"


if __name__ == "__main__":
    sys.exit(alone(measure, __doc__))
