"""An actor over the tools of a public set: its plans, right and corrupted, and whether nlapi asks about them.

The tools are described as an OpenAPI document in which every operation is a POST, as servers of remote procedures
describe them: which of them only read is for nlapi to find out.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from functools import cached_property
from random import Random
from typing import Any
from unittest.mock import patch

from nlapi.agent.agreement import Agreement
from nlapi.agent.events import CallProposed, ConsentReply
from nlapi.agent.policy import Policy
from nlapi.agent.sending import CallTerms
from nlapi.client.message import Result
from nlapi.openapi.document import read_document
from nlapi.openapi.parse import parse_document
from nlapi.openapi.spec import Effect, Spec
from nlapi.resources.effect import effect_of
from nlapi.tools.compile import compile_tool
from nlapi.tools.plan import Conversation, Outcome, Plan, Round, Step, Turn
from nlapi.tools.sending.run import Target, prepare
from nlapi.tools.tool import Call, Tool

SEED = 38


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """A call of a set's tool; `answer` is what the tool answered where that is known."""

    name: str
    arguments: Mapping[str, Any]
    answer: Any = None

    @property
    def key(self) -> str:
        return json.dumps([self.name, self.arguments], sort_keys=True)


class Corruption(StrEnum):
    """What an actor gets wrong in a plan that was right."""

    ITEM = "a wrong id"
    TOOL = "another tool that changes"
    EXTRA = "an extra change"
    VALUE = "a changed value"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A plan of an actor: the reads before it, and its changes. `corruption` is None for the set's own plan."""

    reads: tuple[Action, ...]
    changes: tuple[Action, ...]
    corruption: Corruption | None = None
    wrong: int = -1
    """which of the changes is corrupted"""


@dataclass(frozen=True, kw_only=True)
class ToolSet:
    """The tools of a set as one API."""

    spec: Spec

    @cached_property
    def _compiled(self) -> Mapping[str, Tool]:
        return {operation.id: compile_tool(operation) for operation in self.spec.operations}

    def call(self, action: Action, number: int) -> Call:
        tool = self._compiled[action.name]
        arguments = {name: value for name, value in action.arguments.items() if value is not None}
        return Call(tool=tool, arguments=arguments, id=f"call_{number}")

    def only_reads(self, name: str) -> bool:
        """Return whether nlapi takes a tool for one that only reads."""
        return self.spec.operation(name).effect is Effect.READ

    @property
    def target(self) -> Target:
        return Target(spec=self.spec, base_url=self.spec.servers[0].url)

    def step(self, action: Action, number: int) -> Step:
        """Return an action as a step that was sent and answered."""
        call = self.call(action, number)
        prepared = prepare(call, self.target)
        content = json.dumps(action.answer).encode()
        result = Result(status=200, content=content, headers=(("content-type", "application/json"),))
        return Step(call=prepared.call, outcome=Outcome.ANSWERED, request=prepared.request, result=result)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolText:
    """A tool as its set describes it: the properties of its arguments and of its answer, and what is required."""

    name: str
    description: str
    properties: Mapping[str, Any]
    required: Sequence[str] = ()
    answer: Mapping[str, Any] = field(default_factory=dict)


def tool_set(title: str, tools: Sequence[ToolText]) -> ToolSet:
    """Return the tools of a set as one description, each a POST with its arguments as the body."""
    paths = {}
    for tool in tools:
        schema = {"type": "object", "properties": tool.properties, "required": list(tool.required)}
        body = {"required": True, "content": {"application/json": {"schema": schema}}}
        result = {"type": "object", "properties": tool.answer} if tool.answer else {}
        answers = {"200": {"description": "the answer", "content": {"application/json": {"schema": result}}}}
        operation = {"operationId": tool.name, "summary": tool.description, "responses": answers}
        operation |= {"requestBody": body} if tool.properties else {}
        paths[f"/{tool.name.replace('.', '/')}"] = {"post": operation}
    document = {
        "openapi": "3.1.0",
        "info": {"title": title, "version": "1"},
        "servers": [{"url": "https://tools.example"}],
        "paths": paths,
    }
    return ToolSet(
        spec=parse_document(read_document(json.dumps(document).encode(), f"{title}.json"), classify=effect_of)
    )


@dataclass(slots=True, kw_only=True)
class Settled:
    """What became of a plan: whether a person was asked, why, and whether it can be sent at all."""

    asked: bool = False
    fails: bool = False
    reasons: list[str] = field(default_factory=list)

    @property
    def unasked(self) -> bool:
        return not self.asked and not self.fails


def settle(
    tools: ToolSet, conversation: Conversation, changes: Sequence[Action], policy: Policy, *, today: date
) -> Settled:
    """Return what nlapi does with the changes of a plan before any is sent; nothing is sent."""
    with _on_day(today):
        return asyncio.run(_settle(tools, conversation, changes, policy))


async def _settle(tools: ToolSet, conversation: Conversation, changes: Sequence[Action], policy: Policy) -> Settled:
    settled = Settled()

    async def consent(proposals: tuple[CallProposed, ...]) -> ConsentReply:
        settled.asked = True
        settled.reasons += [f"{proposed.call.operation_id}: {proposed.reason}" for proposed in proposals]
        return ConsentReply(is_agreed=False)

    calls = tuple(tools.call(action, number) for number, action in enumerate(changes, 1000))
    terms = CallTerms(
        targets={tools.spec: tools.target}, policy=policy, consent=consent, dry_run=False, limits=None, client=None
    )
    agreement = Agreement(calls=calls, plan=Plan(calls=calls), conversation=conversation, steps=(), terms=terms)
    async for _ in agreement.settle():
        pass
    faults = [item.message for item in agreement.items if isinstance(item, Step)]
    if faults and not settled.asked:
        settled.fails, settled.reasons = True, faults
    return settled


def conversation_of(tools: ToolSet, turns: Sequence[tuple[str, Sequence[Action]]]) -> Conversation:
    """Return a conversation: what the user said, and what was called for it, sent and answered."""
    built: list[Turn] = []
    number = 0
    for text, actions in turns:
        steps = tuple(tools.step(action, number + index) for index, action in enumerate(actions))
        number += len(steps)
        rounds = (Round(plan=Plan(calls=tuple(step.call for step in steps)), steps=steps),) if steps else ()
        built.append(Turn(question=text, rounds=rounds))
    return Conversation(turns=tuple(built), known_values={})


@contextmanager
def _on_day(day: date) -> Iterator[None]:
    """Have `tomorrow` mean the day after the set's own day."""

    class Day(date):
        @classmethod
        def today(cls) -> date:  # type: ignore[override]
            return day

    with patch("nlapi.changes.tracing.date", Day):
        yield


def corrupted(
    changes: Sequence[Action],
    *,
    pool: Sequence[Action],
    items: Mapping[str, Sequence[Any]],
    groups: Mapping[str, str],
    random: Random,
) -> Iterator[tuple[Corruption, int, tuple[Action, ...]]]:
    """Yield the corruptions of a plan: which one, the index of the change that is wrong, and all changes.

    Args:
        changes: The right plan; without any, only an extra change can be had.
        pool: Right changes of all tasks, from which other values and changes are drawn.
        items: By the name of an argument, the ids that exist.
        groups: By the name of a tool that changes, the group of tools to which it belongs.
    """
    if changes:
        index = random.randrange(len(changes))
        for corruption, make in ((Corruption.ITEM, _wrong_item), (Corruption.VALUE, _wrong_value)):
            if (wrong := make(changes[index], pool, items, random)) is not None:
                yield corruption, index, (*changes[:index], wrong, *changes[index + 1 :])
        if (wrong := _other_tool(changes[index], pool, groups, random)) is not None:
            yield Corruption.TOOL, index, (*changes[:index], wrong, *changes[index + 1 :])
    right = {action.key for action in changes}
    others = [action for action in pool if action.key not in right]
    yield Corruption.EXTRA, len(changes), (*changes, random.choice(others))


def _wrong_item(
    action: Action, pool: Sequence[Action], items: Mapping[str, Sequence[Any]], random: Random
) -> Action | None:
    names = [name for name in action.arguments if name in items]
    if not names:
        return None
    others = [id for id in items[names[0]] if id != action.arguments[names[0]]]
    return replace(action, arguments={**action.arguments, names[0]: random.choice(others)}) if others else None


def _wrong_value(
    action: Action, pool: Sequence[Action], items: Mapping[str, Sequence[Any]], random: Random
) -> Action | None:
    """Return the change with another value of the same argument, from a change by the same tool."""
    choices = [
        (name, other.arguments[name])
        for other in pool
        if other.name == action.name
        for name, value in action.arguments.items()
        if name not in items and name in other.arguments and other.arguments[name] != value
    ]
    if not choices:
        return None
    # Each argument is as likely as the other ones, however many values it has.
    name = random.choice(sorted({entry[0] for entry in choices}))
    value = random.choice([entry[1] for entry in choices if entry[0] == name])
    return replace(action, arguments={**action.arguments, name: value})


def _other_tool(action: Action, pool: Sequence[Action], groups: Mapping[str, str], random: Random) -> Action | None:
    """Return a change by another tool on the same item, with what it needs more from a change of another task."""
    near = sorted(
        {other.name for other in pool if other.name != action.name and groups[other.name] == groups[action.name]}
    )
    names = near or sorted({other.name for other in pool if other.name != action.name})
    if not names:
        return None
    name = random.choice(names)
    other = random.choice([entry for entry in pool if entry.name == name])
    shared = {key: value for key, value in action.arguments.items() if key in other.arguments}
    return replace(other, arguments={**other.arguments, **shared}, answer=None)
