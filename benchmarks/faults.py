"""Changes through `ask` with faults at every moment: whether any of them is carried out twice.

    python -m benchmarks.faults [--count 10000] [--kills 300] [--seed 1] [--jobs 4]

A scripted Claude (the Messages API on loopback) is asked for a change under `--yes`, meets a fault, and wants the
change again and again: in the same words, with the amount in another form, with a blank more, in another case, with an
optional argument more, reworded, twice in one plan; then the user asks once more, in a conversation that comes back
from its transcript. An API on loopback counts what it carries out by what it means. `--count` run in this process, in
the same Session as the command line; `--kills` are real `nlapi ask` processes that are killed with -9 at a moment of
their change, and a real `nlapi log resume` after them. Exits with 1 when a change was carried out twice, had another
amount than was said, or when less than nine in ten of the first tries were sent at all.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import redirect_stderr, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nlapi
from benchmarks.faults_api import FAULTS, CountingApi, Fault, described
from benchmarks.faults_intentions import Arguments, Intention, intention_of
from nlapi.agent.events import CallProposed, Event, PlanCreated
from nlapi.agent.models.connections import ModelConnection, connect
from nlapi.agent.models.endpoints import ModelEndpoint, find_endpoint
from nlapi.agent.models.planner import ModelPlanner
from nlapi.agent.models.spending import DEFAULT
from nlapi.agent.policy import Policy
from nlapi.agent.records.log import Log
from nlapi.agent.records.transcripts import read_records, resume
from nlapi.cli.ask.session import ASK_BELOW, CHANGE_BELOW, OFFER_BELOW, Session
from nlapi.client.message import Limits
from nlapi.errors import NlapiError
from nlapi.openapi.spec import Effect, Spec
from nlapi.tools.compile import compile_tool
from nlapi.tools.plan import Conversation, ask
from nlapi.tools.sending.run import Target
from tests.messages_server import MessagesServer, Step, broken, message, say, tool_use

NLAPI = str(Path(sys.executable).with_name("nlapi"))
DEADLINE = 0.15
"""Seconds until a time-out; other trials have ten."""
DOUBLED = 0.2
"""The share of first plans that have the change twice."""
BREAKS = 0.1
"""The share of trials in which the model's stream breaks after the first try."""
KILLED, SECOND = 50_000, 25_000
"""Where the numbers of the changes begin whose process is killed, and how far from each the second of its plan is."""
PATIENCE = 60


@dataclass(slots=True)
class Tally:
    """What became of the trials of one fault."""

    trials: int = 0
    unsent: int = 0
    held: int = 0
    """where each first plan has the change twice, so that nothing is sent at all"""
    sent: int = 0
    repeats: int = 0
    asked: int = 0
    never: int = 0
    once: int = 0
    twice: int = 0
    wrong: int = 0
    unnamed: int = 0

    def add(self, api: CountingApi, intention: Intention) -> None:
        sent, carried = api.sent[intention.id], api.carried[intention.id]
        self.trials += 1
        self.unsent += not sent
        self.sent += sent
        self.never += carried == 0
        self.once += carried == 1
        self.twice += carried > 1
        self.wrong += bool(intention.amount and sent and api.amounts[intention.id] != {intention.amount})

    def include(self, other: Tally) -> None:
        """Add the counts of another."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(kw_only=True)
class Stage:
    """The two servers, and what the trials have in common."""

    api: CountingApi
    claude: MessagesServer
    spec: Spec
    folder: Path
    chance: random.Random
    connection: ModelConnection | None = None
    tallies: dict[str, Tally] = field(default_factory=lambda: defaultdict(Tally))

    @property
    def endpoint(self) -> ModelEndpoint:
        return find_endpoint(DEFAULT, {"ANTHROPIC_API_KEY": "sk-test", "ANTHROPIC_BASE_URL": self.claude.url})

    def session(self, log: Log, fault: Fault, see: Callable[[Event], None]) -> Session:
        """What `nlapi ask --yes --planner claude` works with where nobody can be asked."""
        timed = fault.silent and not fault.cancels
        return Session(
            planner=ModelPlanner([self.spec], self.endpoint, connection=self.connection),
            targets={self.spec: Target(spec=self.spec, base_url=self.api.url)},
            render=see,
            policy=Policy(
                yes=True, interactive=False, ask_below=ASK_BELOW, change_below=CHANGE_BELOW, offer_below=OFFER_BELOW
            ),
            consent=_nobody,
            limits=Limits(deadline=DEADLINE if timed else 10.0),
            log=log,
        )

    def script(self, intention: Intention, fault: Fault, *, doubled: bool) -> list[Step]:
        """What the model wants: the change (twice in its first plan, if `doubled`), then the change again and again."""
        tries = intention.tries(self.chance, doubtful=not (fault.reply and fault.reply.status < 300))
        first = [intention.arguments, *([next(intention.tries(self.chance, doubtful=False))] if doubled else [])]
        plans = [first, *([next(tries)] * self.chance.choice((1, 1, 2)) for _ in range(2))]
        steps: list[Step] = [self._plan(intention, plan) for plan in plans]
        if self.chance.random() < BREAKS:
            steps[1] = broken(say("It seems that it was done."), after=self.chance.randint(1, 4))
        return [*steps, say("I leave it at that.")]

    def _plan(self, intention: Intention, plan: list[Arguments]) -> Step:
        ids = (f"toolu_{self.chance.getrandbits(64):016x}" for _ in plan)
        return message(*(tool_use(intention.operation, arguments, id) for arguments, id in zip(plan, ids, strict=True)))


async def _nobody(proposed: CallProposed) -> Any:
    raise AssertionError(f"{proposed.call.operation_id} was asked about, and nobody is there")


async def trial(stage: Stage, number: int, fault: Fault) -> None:
    """One intention, in this process: asked for, and asked for again in the conversation that its transcript tells."""
    intention, api = intention_of(number, stage.chance), stage.api
    api.faults[intention.id], api.blind = fault, stage.chance.random() < 0.3
    tally = stage.tallies[fault.name]
    log = Log.open(stage.folder / f"{intention.id}.jsonl")

    proposed, first_tries = 0, 0

    def see(event: Event) -> None:
        nonlocal proposed
        if isinstance(event, PlanCreated):
            proposed = 0
        if isinstance(event, CallProposed) and event.effect is not Effect.READ:
            proposed += 1
            if proposed == 1 and not api.sent[intention.id]:
                return
            tally.repeats += 1
            tally.asked += event.asks
            named = "carried out" in event.reason or "twice" in event.reason
            tally.unnamed += event.asks and not fault.may_be_tried_again and not named

    conversation = ask(intention.question)
    for turn in range(stage.chance.choice((2, 3) if fault.cancels else (1, 2, 3))):
        doubled = stage.chance.random() < DOUBLED
        first_tries += not doubled
        stage.claude.script[:] = stage.script(intention, fault, doubled=doubled)
        stage.claude.requests.clear()
        if turn:
            conversation = resume(read_records(log.path), lambda _, id: compile_tool(stage.spec.operation(id)))
            conversation = conversation.with_question(intention.question)
        await answered(stage.session(log, fault, see), conversation, intention, fault, api)
    log.close()
    log.path.unlink()
    tally.add(api, intention)
    tally.held += not first_tries


async def answered(
    session: Session, conversation: Conversation, intention: Intention, fault: Fault, api: CountingApi
) -> None:
    task = asyncio.create_task(session.answer(conversation))
    if fault.cancels:
        loop = asyncio.get_running_loop()
        api.hooks[intention.id] = lambda: loop.call_soon_threadsafe(task.cancel) and None
    with suppress(NlapiError, asyncio.CancelledError):
        await task
    api.hooks.pop(intention.id, None)


MOMENTS = ("killed on arrival", "killed when carried out", "killed when answered", "killed while a second is sent")


def killed(stage: Stage, number: int, moment: str) -> None:
    """One intention in processes of its own: `ask`, killed at a moment of its change, and `log resume` after it."""
    both = moment == MOMENTS[3]
    intention, api = intention_of(number, stage.chance, "createBudget" if both else ""), stage.api
    question, carries = intention.question, moment != "killed on arrival"
    silent = Fault(name=moment, carries=carries, silent=True)
    api.faults[intention.id] = silent if moment in MOMENTS[:2] else FAULTS[0]
    home = stage.folder / intention.id
    environment = {**os.environ, "NLAPI_STATE_DIR": str(home), "NLAPI_CONFIG_DIR": str(home / "config")}
    environment |= {"ANTHROPIC_BASE_URL": stage.claude.url, "ANTHROPIC_API_KEY": "sk-test", "NO_COLOR": "1"}
    words = ("--yes", "--planner", "claude")
    running: list[subprocess.Popen[bytes]] = []

    def kill() -> None:
        running[0].kill()

    def killing(step: Step) -> Step:
        return lambda request: (kill(), step(request) if callable(step) else step)[1]

    steps = stage.script(intention, silent, doubled=False)
    if moment == MOMENTS[2]:
        steps[1] = killing(steps[1])
    elif both:
        other = intention_of(number + SECOND, stage.chance, "sendMessage")
        question = f"{question} and {other.question}"
        uses = [tool_use(one.operation, one.arguments, f"toolu_{at}") for at, one in enumerate((intention, other))]
        steps[0] = message(*uses)
        api.faults[other.id], api.hooks[other.id] = Fault(name=moment, carries=True, silent=True), kill
    else:
        api.hooks[intention.id] = kill
    stage.claude.script[:] = steps
    command = [NLAPI, "ask", question, "-a", str(stage.folder / "ledger.json"), *words]
    running.append(subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
    running[0].wait(PATIENCE)
    tally = stage.tallies[moment]
    if not api.sent[intention.id]:
        tally.add(api, intention)
        return
    stage.claude.script[:] = stage.script(intention, silent, doubled=False)
    again = [NLAPI, "log", "resume", "last", question, *words]
    ended = subprocess.run(again, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    tally.repeats += 1
    tally.asked += ended.returncode == 6
    tally.unnamed += ended.returncode == 6 and "carried out" not in ended.stderr
    tally.add(api, intention)
    if both:
        tally.add(api, other)


def table(tallies: dict[str, Tally]) -> str:
    """The tallies as lines, with their sum."""
    head = ("fault", "changes", "requests", "wanted again", "asked", "never", "once", "twice", "other amount")
    rows = [
        (name, one.trials, one.sent, one.repeats, one.asked, one.never, one.once, one.twice, one.wrong)
        for name, one in tallies.items()
    ]
    rows.append(("all", *(sum(int(row[column]) for row in rows) for column in range(1, len(head)))))
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in (head, ("---", *("---:",) * 8), *rows)]
    return "\n".join(lines)


def wrongs(tallies: dict[str, Tally]) -> list[str]:
    """What must not be, in words."""
    total: Counter[str] = Counter()
    for one in tallies.values():
        total.update({name: getattr(one, name) for name in one.__slots__})
    found = [f"{total['twice']} changes were carried out twice"] if total["twice"] else []
    found += [f"{total['wrong']} changes had another amount than was said"] if total["wrong"] else []
    found += [f"{total['unnamed']} repetitions were asked about for another reason"] if total["unnamed"] else []
    if total["unsent"] - total["held"] > total["trials"] / 10:
        found.append(f"{total['unsent'] - total['held']} of {total['trials']} changes were never sent")
    return found


async def trials(stage: Stage, count: int) -> None:
    async with connect(stage.endpoint, max_retries=0) as connection:
        stage.connection = connection
        for number in range(count):
            await trial(stage, number, FAULTS[number % len(FAULTS)])


def measure(count: int, kills: int, seed: int) -> dict[str, Tally]:
    """Run the trials; the tallies by fault."""
    with tempfile.TemporaryDirectory() as folder, CountingApi() as api, MessagesServer() as claude:
        file = Path(folder) / "ledger.json"
        file.write_text(described(api.url))
        stage = Stage(
            api=api, claude=claude, spec=nlapi.load(str(file)), folder=Path(folder), chance=random.Random(seed)
        )
        with redirect_stderr(io.StringIO()):
            asyncio.run(trials(stage, count))
        for number in range(kills):
            killed(stage, KILLED + number, MOMENTS[number % len(MOMENTS)])
        if claude.refused:
            raise SystemExit(f"the Messages API would refuse: {claude.refused[0]}")
        return stage.tallies


def measure_beside(count: int, kills: int, seed: int, jobs: int) -> dict[str, Tally]:
    """Run the trials in several processes side by side, each with its own servers and seed; the sums of the tallies."""
    shares = [(len(range(job, count, jobs)), len(range(job, kills, jobs)), seed * 1_000 + job) for job in range(jobs)]
    sums: dict[str, Tally] = defaultdict(Tally)
    with ProcessPoolExecutor(jobs) as pool:
        for tallies in pool.map(measure, *zip(*shares, strict=True)):
            for name, tally in tallies.items():
                sums[name].include(tally)
    return sums


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=10_000, help="changes in this process")
    parser.add_argument("--kills", type=int, default=300, help="changes whose process is killed with -9")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=4, help="processes side by side; most of the time is waited")
    given = parser.parse_args()
    began = time.monotonic()
    tallies = measure_beside(given.count, given.kills, given.seed, given.jobs)
    print(table(tallies))
    took = time.monotonic() - began
    print(f"{given.count:,} in process, {given.kills:,} killed with -9, seed {given.seed}, {took:.0f} s")
    for wrong in (found := wrongs(tallies)):
        print(f"WRONG: {wrong}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
