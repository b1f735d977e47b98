"""The reconstruction of a Conversation from its transcript."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from nlapi.agent.messages import ModelState
from nlapi.agent.transcripts import DAMAGED, Record, record_body
from nlapi.client.message import EndReason, Framing, Request, Result
from nlapi.errors import UsageError
from nlapi.openapi.spec import Effect
from nlapi.tools.ledger import OUTCOME_UNKNOWN
from nlapi.tools.plan import Conversation, Outcome, Plan, PlanState, Round, Step, StoredState, Turn
from nlapi.tools.tool import Account, Call, Tool, sources_from_json

# (source of the description, operation id) -> Tool; UsageError when the operation no longer exists.
FindTool = Callable[[str, str], Tool]


def resume(records: Iterable[Record], tool: FindTool) -> Conversation:
    """Return the Conversation in the records of a transcript, as far as it was stored: bodies may be cut.

    A change that was proposed and has no step, because the process was killed, becomes a FAILED step of unknown
    outcome, so that no planner takes it for untried. Where a record of the round is damaged, so does every change of
    the round that has no step.
    """
    # The proposal counts and not the plan: a plan has what the planner wrote (`"$50"`), a proposal the wire's form.
    # Compared by the plan, a change killed in its POST came back as "not run" (docs/design/025-once.md).
    reader = _RecordReader(tool)
    for record in records:
        try:
            reader.read(record)
        # What its form does not show: a state of a planner, an outcome or a body that is none.
        except (LookupError, TypeError, ValueError, AttributeError):
            reader.open_round.is_damaged = True
    return reader.close()


class _RecordReader:
    """Reads records into a conversation."""

    def __init__(self, tool: FindTool) -> None:
        self._tool = tool
        self._conversation = Conversation(turns=())
        self.open_round = _OpenRound()

    def read(self, record: Record) -> None:
        event = record.get("event")
        if event in ("asked", "planned", "answered"):
            self.close()
        if event == "asked":
            conversation = replace(self._conversation, id=record.get("conversation") or self._conversation.id)
            self._conversation = conversation.with_question(record["question"]).with_replies(record.get("known", {}))
        elif event == "planned":
            self.open_round = _OpenRound(plan=_plan(record, self._tool))
        elif event == "proposed":
            self.open_round.proposed.append(_read_proposal(record, self._tool))
        elif event == "stepped":
            self.open_round.add(record, self._tool)
        elif event in ("needed", "offered"):
            self.open_round = _OpenRound()
        elif event == DAMAGED:
            self.open_round.is_damaged = True

    def close(self) -> Conversation:
        """Return the conversation with the round that is open; the next one begins."""
        self._conversation = self.open_round.close(self._conversation)
        self.open_round = _OpenRound()
        return self._conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class _Proposal:
    """What a record says of a call that was about to be sent; `call` has its account."""

    call: Call
    request: Request
    digest: str


@dataclass(slots=True)
class _OpenRound:
    """A round during the reading of its records. `proposed` are the proposals without a step so far, in order.

    `is_damaged`: one of its records cannot be read, which may be its plan.
    """

    plan: Plan | None = None
    proposed: list[_Proposal] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    is_damaged: bool = False

    def add(self, record: Record, tool: FindTool) -> None:
        """Add the step in a record, with the request of its proposal."""
        call = _call(record["call"], tool)
        proposal = self._take_proposal(call, exact=True)
        if proposal is not None:
            call = replace(call, account=proposal.call.account)
        self.steps.append(_step(record, call, None if proposal is None else proposal.request))

    def close(self, conversation: Conversation) -> Conversation:
        """Return the conversation with this round, where it has a plan."""
        if self.plan is None and self.is_damaged:
            # What was sent must be known, though nobody knows why it was.
            calls = (*(step.call for step in self.steps), *(proposal.call for proposal in self.proposed))
            self.plan = Plan(calls=calls) if calls else None
        if self.plan is None:
            return conversation
        if not conversation.turns:
            conversation = replace(conversation, turns=(Turn(question=""),))
        remaining = self.plan.calls[len(self.steps) :]
        # Changes are sent one by one, so only the first without a step may have been sent.
        changes = [index for index, call in enumerate(remaining) if call.effect is not Effect.READ]
        uncertain = changes if self.is_damaged else changes[:1]
        steps = [self._missing_step(call, is_uncertain=index in uncertain) for index, call in enumerate(remaining)]
        return conversation.with_round(Round(plan=self.plan, steps=(*self.steps, *steps)))

    def _missing_step(self, call: Call, *, is_uncertain: bool) -> Step:
        """Return the step of a call that has none."""
        proposal = self._take_proposal(call) if is_uncertain else None
        if proposal is None and is_uncertain and self.is_damaged:
            message = f"{OUTCOME_UNKNOWN}: a record of the transcript is damaged; it may have been carried out"
            return Step(call=call, outcome=Outcome.FAILED, message=message)
        if proposal is None:
            return Step(call=call, outcome=Outcome.FAILED, message="not run: nlapi was stopped before")
        return Step(
            call=replace(call, arguments=proposal.call.arguments),
            outcome=Outcome.FAILED,
            message=f"{OUTCOME_UNKNOWN}: nlapi was stopped while it was being sent; it may have been carried out",
            request=proposal.request,
            digest=proposal.digest,
        )

    def _take_proposal(self, call: Call, *, exact: bool = False) -> _Proposal | None:
        """Remove and return the first proposal of a call that has no step yet; None where there is none.

        It has the operation and id of the call and, with `exact`, its very arguments.
        """
        for proposal in self.proposed:
            is_of_call = (proposal.call.id, proposal.call.operation_id) == (call.id, call.operation_id)
            if is_of_call and (not exact or proposal.call.arguments == call.arguments):
                self.proposed.remove(proposal)
                return proposal
        return None


def _account(record: Mapping[str, Any] | None) -> Account | None:
    """Return the account of a proposed call; None where its planner gave none, and in older transcripts."""
    if record is None:
        return None
    return Account(sources=sources_from_json(record["sources"]), unused=tuple(record["unused"]))


def _read_proposal(record: Record, tool: FindTool) -> _Proposal:
    call = replace(_call(record["call"], tool), account=_account(record.get("account")))
    return _Proposal(call=call, request=_request(record), digest=record.get("digest", ""))


def _request(record: Record) -> Request:
    """Return the request in a record of a proposal, as far as it was stored."""
    body = record_body(record) if "text" in record or "base64" in record else None
    headers = tuple(record.get("headers", {}).items())
    return Request(method=record["method"], url=record["url"], headers=headers, content=body)


def _plan(record: Record, tool: FindTool) -> Plan:
    return Plan(
        calls=tuple(_call(call, tool) for call in record["calls"]),
        text=record["text"],
        understood=record["understood"],
        confidence=record["confidence"],
        ended=record.get("ended", ""),
        raw=None if record["raw"] is None else _state(record["raw"], tool),
    )


def _state(data: Mapping[str, object], tool: FindTool) -> PlanState | None:
    """Return the state of a plan. UsageError where its planner cannot continue from it."""
    match data.get("planner"):
        case "claude":
            return ModelState.from_json(data)
        case "offline":
            # The embedded planner takes long to import, and a conversation with Claude does without it.
            from nlapi.planner.steps.state import decode_state

            return decode_state(data, tool)
        case "workflow":
            origin = data.get("origin")
            return StoredState(
                planner="workflow",
                data={name: value for name, value in data.items() if name not in ("planner", "origin")},
                origin=_state(origin, tool) if isinstance(origin, Mapping) else None,
            )
        case planner:
            raise UsageError(
                f"the transcript has a plan of the planner {planner!r}, which this version of nlapi does not know",
                hint="ask the question again in a new conversation",
            )


def _call(record: Mapping[str, Any], tool: FindTool) -> Call:
    resolved_tool = tool(record["source"], record["operation"])
    return Call(tool=resolved_tool, arguments=record["arguments"], id=record["id"], reason=record["reason"])


def _step(record: Record, call: Call, request: Request | None) -> Step:
    result = record["result"]
    return Step(
        call=call,
        request=request,
        digest=record.get("digest", ""),
        outcome=Outcome(record["outcome"]),
        message=record["message"],
        result=None if result is None else _result(result),
    )


def _result(record: Mapping[str, Any]) -> Result:
    return Result(
        status=record["status"],
        headers=tuple(record["headers"].items()),
        content=record_body(record),
        url=record["url"],
        method=record["method"],
        elapsed=record["elapsed"],
        **_stream(record),
    )


def _stream(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the further fields of a Result whose answer streamed."""
    if "items" not in record:
        return {}
    framing, ended = Framing(record["framing"]), EndReason(record["ended"])
    return {"items": tuple(record["items"]), "framing": framing, "ended": ended, "fault": record["fault"]}
