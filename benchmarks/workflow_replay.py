"""Conversations saved as workflows, and replayed against a fresh sandbox with other inputs: is the effect the same?

`python -m benchmarks.workflow_replay [--show] [--only NAME]` holds each of the 30 conversations with its first values,
saves its transcript as a workflow, and runs that with the second values. The effect has to be that of the conversation
itself with the second values: the same items in the sandbox, and the same last answer. It fails unless all are. The
workflow of a plan (`nlapi ask --plan`) is run the same way, for the questions of one turn of the embedded planner.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sqlite3
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.__main__ import line
from benchmarks.measure import Figure
from benchmarks.workflow_conversations import CONVERSATIONS, ScriptedConversation, described
from nlapi.agent.events import CallProposed, ConsentReply, TurnAnswered
from nlapi.agent.loop import converse
from nlapi.agent.models.messages import ModelState
from nlapi.agent.policy import Policy
from nlapi.agent.records.log import Log
from nlapi.agent.records.transcripts import read_records, resume
from nlapi.errors import NlapiError
from nlapi.openapi import yaml
from nlapi.openapi.spec import Spec
from nlapi.planner.planner import OfflinePlanner
from nlapi.sandbox import running
from nlapi.tools.compile import compile_tool
from nlapi.tools.plan import Conversation, Plan, ask
from nlapi.tools.sending.run import Target
from nlapi.tools.tool import Call
from nlapi.workflows.answer_values import CONSTANT
from nlapi.workflows.check import check
from nlapi.workflows.engine import RunState, WorkflowRun
from nlapi.workflows.from_plan import workflow_of, workflow_of_plan
from nlapi.workflows.model import ArazzoWorkflow
from nlapi.workflows.planner import WorkflowPlanner
from nlapi.workflows.read import parse_document
from nlapi.workflows.sources import link
from nlapi.workflows.write import render

# Times differ between two runs of the same calls.
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.workflow_replay", description=__doc__)
    parser.add_argument("--show", action="store_true", help="print each workflow")
    parser.add_argument("--only", help="only the conversation of this name")
    options = parser.parse_args()
    chosen = [entry for entry in CONVERSATIONS if options.only in (None, entry.name)]
    failed = 0
    for conversation in chosen:
        spec = described(conversation.api)
        if spec is None:
            print(f"left out: {conversation.name}, as {conversation.api} is not here", file=sys.stderr)
            failed += 1
            continue
        outcome = replay(conversation, spec)
        failed += bool(outcome.fault)
        print(f"{'FAIL' if outcome.fault else 'ok  '} {conversation.name}{outcome.fault and f': {outcome.fault}'}")
        if options.show:
            print(outcome.document)
    figure = Figure(name="conversations replayed with another effect", value=failed, unit="", limit=0)
    print(f"{len(chosen) - failed} of {len(chosen)} have the same effect", flush=True)
    print(line(figure))
    return 0 if figure.kept else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """The outcome of a replay; `fault` is "" where its effect is the same."""

    fault: str
    document: str = ""


@dataclass(slots=True, kw_only=True)
class _Stage:
    """A fresh sandbox, and what was done to it."""

    spec: Spec
    url: str
    database: Path
    folder: Path
    last_answer: Any = None
    calls: list[str] = field(default_factory=list)

    def state(self) -> list[tuple[str, ...]]:
        """Return all items, without times."""
        with sqlite3.connect(self.database) as database:
            rows = database.execute("SELECT entity, key, scope, data FROM thing ORDER BY entity, key, scope").fetchall()
        return [tuple(_without_times(str(value)) for value in row) for row in rows]


def _without_times(text: str) -> str:
    return _TIME.sub("TIME", text)


@contextmanager
def _stage(spec: Spec) -> Iterator[_Stage]:
    with tempfile.TemporaryDirectory() as folder:
        database = Path(folder) / "sandbox.db"
        with running(spec, database=str(database)) as server:
            yield _Stage(spec=spec, url=server.url, database=database, folder=Path(folder))


def replay(conversation: ScriptedConversation, spec: Spec) -> Replay:
    """Return the outcome of one conversation."""
    with _stage(spec) as stage:
        records = converse_turns(conversation, conversation.first, stage)
        before = len(stage.calls)
    if not 2 <= before <= 5:
        return Replay(fault=f"{before} calls: {', '.join(stage.calls)}")
    try:
        saved = workflow_of(resume(records, lambda source, id: compile_tool(spec.operation(id))))
    except NlapiError as error:
        return Replay(fault=str(error))
    text = render(saved.document.tree)
    document = parse_document(yaml.load(text)[0])
    linked = link(document, loader=lambda source: spec)
    problems = [*document.issues, *check(linked)]
    if problems:
        return Replay(fault=f"the document is at fault: {problems[0]}", document=text)
    with _stage(spec) as stage:
        converse_turns(conversation, conversation.second, stage)
        wanted, wanted_answer = stage.state(), stage.last_answer
    workflow = document.workflow()
    inputs = _inputs(workflow, conversation)
    with _stage(spec) as stage:
        run = WorkflowRun(linked=linked, workflow=workflow, inputs=inputs)
        asyncio.run(_turn(WorkflowPlanner(run=run), ask("run it"), stage, None))
        reached, reached_answer = stage.state(), stage.last_answer
    if run.state is not RunState.DONE:
        return Replay(fault=f"{run.failure} (inputs {inputs})", document=text)
    if reached != wanted:
        rows = [f"- {row}" for row in wanted if row not in reached] + [
            f"+ {row}" for row in reached if row not in wanted
        ]
        return Replay(fault="another state: " + " ".join(rows)[:900], document=text)
    if _without_times(json.dumps(reached_answer)) != _without_times(json.dumps(wanted_answer)):
        return Replay(fault=f"another answer: {json.dumps(reached_answer)[:200]}", document=text)
    # A constant that an answer held as well is told of, and need not be wrong: `IMAGE` is a format and a kind.
    left = [str(issue) for issue in saved.issues if issue.rule != CONSTANT]
    if not conversation.script and len(conversation.turns) == 1:
        left += _plan_faults(conversation, spec, wanted)
    return Replay(fault="; ".join(left), document=text)


def _plan_faults(conversation: ScriptedConversation, spec: Spec, wanted: list[tuple[str, ...]]) -> list[str]:
    """Return what is wrong with the workflow of the plan for the first values, run with the second ones."""
    planner = OfflinePlanner((spec,))
    asked = ask(conversation.turns[0].format(**{name: said_value(value) for name, value in conversation.first.items()}))
    linked = workflow_of_plan(planner, asked, planner.first_plan(asked)).linked
    workflow = linked.document.workflow()
    with _stage(spec) as stage:
        run = WorkflowRun(linked=linked, workflow=workflow, inputs=_inputs(workflow, conversation))
        asyncio.run(_turn(WorkflowPlanner(run=run), ask("run it"), stage, None))
        is_same = stage.state() == wanted
    return (
        []
        if is_same and run.state is RunState.DONE
        else [f"the workflow of its plan: {run.failure or 'another state'}"]
    )


def _inputs(workflow: ArazzoWorkflow, conversation: ScriptedConversation) -> dict[str, Any]:
    """Return the second values for the inputs of a workflow, which are known by their first ones."""
    values = {}
    for name, schema in workflow.input_schemas.items():
        example = schema["x-nlapi"]["example"]
        second = {
            str(wire_value(value)): wire_value(conversation.second[key]) for key, value in conversation.first.items()
        }
        known = [second.get(str(entry), entry) for entry in (example if isinstance(example, list) else [example])]
        values[name] = known if isinstance(example, list) else known[0]
    return values


def wire_value(value: Any) -> Any:
    """Return the value that goes on the wire, of one that is said in other words."""
    return value[1] if isinstance(value, tuple) else value


def said_value(value: Any) -> str:
    return str(value[0] if isinstance(value, tuple) else value)


def converse_turns(
    conversation: ScriptedConversation, values: Mapping[str, Any], stage: _Stage
) -> list[dict[str, Any]]:
    """Hold a conversation with these values, and return the records of its transcript."""
    said = {name: said_value(value) for name, value in values.items()}
    meant = {name: wire_value(value) for name, value in values.items()}
    planner: Any = OfflinePlanner((stage.spec,))
    held = Conversation(turns=())
    with Log.create(stage.folder) as log:
        for turn in conversation.turns:
            if conversation.script:
                planner = _Model(spec=stage.spec, script=conversation.script[len(held.turns)], values=meant)
            held = held.with_question(turn.format(**said))
            log.write_question(held.question, conversation=held.id)
            held = asyncio.run(_turn(planner, held, stage, log))
        return read_records(log.path)


async def _agree(_: tuple[CallProposed, ...]) -> ConsentReply:
    return ConsentReply(is_agreed=True)


async def _turn(planner: Any, conversation: Conversation, stage: _Stage, log: Log | None) -> Conversation:
    schemes = dict.fromkeys(stage.spec.security_schemes, "any:any")
    targets = {stage.spec: Target(spec=stage.spec, base_url=stage.url, credentials=schemes)}
    policy = Policy(interactive=True)
    async for event in converse(planner, conversation, targets, policy=policy, consent=_agree, max_rounds=100):
        if log is not None:
            log.write(event)
        if isinstance(event, TurnAnswered):
            conversation = event.conversation
    for step in conversation.current.steps:
        stage.calls.append(f"{step.call.operation_id} {step.result.status if step.result else step.message}")
        if step.result is not None:
            stage.last_answer = step.result.data
    return conversation


@dataclass(slots=True, kw_only=True)
class _Model:
    """A planner that plans as a model would: the calls of a round at once, and each with what the answers gave."""

    spec: Spec
    script: Sequence[Any]
    values: Mapping[str, Any]
    name: str = "claude"

    async def next(self, conversation: Conversation) -> AsyncIterator[Plan]:
        """Yield the calls of the next round of the script, or the end of the turn."""
        rounds = conversation.current.rounds
        state = ModelState(model="scripted")
        if len(rounds) >= len(self.script):
            yield Plan(text="Done.", raw=state)
            return
        answers = [step.result.data for step in conversation.steps if step.result is not None]
        planned = self.script[len(rounds)](self.values, answers)
        calls = tuple(
            Call(
                tool=compile_tool(self.spec.operation(operation)),
                arguments=arguments,
                id=f"toolu_{len(rounds)}_{index}",
            )
            for index, (operation, arguments) in enumerate(planned)
        )
        yield Plan(calls=calls, raw=state)


if __name__ == "__main__":
    sys.exit(main())
