"""A transcript back into the Conversation it tells of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from nlapi.agent.log import Record, content
from nlapi.agent.policy import OUTCOME_UNKNOWN
from nlapi.client.message import Ended, Framing, Result
from nlapi.openapi.spec import Effect
from nlapi.tools.plan import Conversation, Outcome, Plan, Round, Step, Turn
from nlapi.tools.tool import Call, Tool

FindTool = Callable[[str, str], Tool]
"""(source of the description, operation id) -> Tool; a UsageError when there is no such operation any more."""


def resume(records: Iterable[Record], tool: FindTool) -> Conversation:
    """The Conversation in the records of a log, as far as it was kept: bodies may have been cut.

    A change that was proposed and has no step, because the process was killed, becomes a FAILED step whose outcome is
    unknown, so that no planner takes it for never tried.
    """
    conversation = Conversation(turns=())
    open_round = _Open()
    for record in records:
        event = record.get("event")
        if event in ("asked", "planned", "answered"):
            conversation = open_round.closed(conversation)
            open_round = _Open()
        if event == "asked":
            conversation = conversation.asked(record["question"]).with_known(record.get("known", {}))
        elif event == "planned":
            open_round = _Open(plan=_plan(record, tool), calls=record["calls"])
        elif event == "proposed":
            open_round.proposed.append(record["call"])
        elif event == "stepped":
            open_round.steps.append(_step(record, tool))
        elif event in ("needed", "offered"):
            open_round = _Open()
    return open_round.closed(conversation)


@dataclass(slots=True)
class _Open:
    """A round whose records are being read."""

    plan: Plan | None = None
    calls: list[Record] = field(default_factory=list)
    proposed: list[Record] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)

    def closed(self, conversation: Conversation) -> Conversation:
        if self.plan is None:
            return conversation
        if not conversation.turns:
            conversation = Conversation(turns=(Turn(question=""),), known=conversation.known)
        left = zip(self.plan.calls[len(self.steps) :], self.calls[len(self.steps) :], strict=True)
        steps = (*self.steps, *(self._unfinished(call, record) for call, record in left))
        return conversation.with_round(Round(plan=self.plan, steps=steps))

    def _unfinished(self, call: Call, record: Record) -> Step:
        message = "not run: nlapi was stopped before"
        if record in self.proposed and call.tool.effect is not Effect.READ:
            message = f"{OUTCOME_UNKNOWN}: nlapi was stopped while it was being sent; it may have been carried out"
        return Step(call=call, outcome=Outcome.FAILED, message=message)


def _plan(record: Record, tool: FindTool) -> Plan:
    return Plan(
        calls=tuple(_call(call, tool) for call in record["calls"]),
        text=record["text"],
        understood=record["understood"],
        confidence=record["confidence"],
        raw=record["raw"],
    )


def _call(record: Mapping[str, Any], tool: FindTool) -> Call:
    found = tool(record["source"], record["operation"])
    return Call(tool=found, arguments=record["arguments"], id=record["id"], reason=record["reason"])


def _step(record: Record, tool: FindTool) -> Step:
    result = record["result"]
    return Step(
        call=_call(record["call"], tool),
        outcome=Outcome(record["outcome"]),
        message=record["message"],
        result=None if result is None else _result(result),
    )


def _result(record: Mapping[str, Any]) -> Result:
    return Result(
        status=record["status"],
        headers=tuple(record["headers"].items()),
        content=content(record),
        url=record["url"],
        method=record["method"],
        elapsed=record["elapsed"],
        **_stream(record),
    )


def _stream(record: Mapping[str, Any]) -> dict[str, Any]:
    """What a Result has more when its answer streamed."""
    if "items" not in record:
        return {}
    framing, ended = Framing(record["framing"]), Ended(record["ended"])
    return {"items": tuple(record["items"]), "framing": framing, "ended": ended, "fault": record["fault"]}
