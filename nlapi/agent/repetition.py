"""Whether a change may have been carried out already: compared as the requests go on the wire."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from nlapi.client.digest import digest, loose_leaves, target_path
from nlapi.client.message import Request
from nlapi.openapi.spec import Effect
from nlapi.tools.account import Origin
from nlapi.tools.idempotency import Intention, key_argument
from nlapi.tools.plan import Conversation, Outcome, Step
from nlapi.tools.run import Prepared
from nlapi.tools.tool import Call
from nlapi.tools.walk import on_the_wire

OUTCOME_UNKNOWN = "outcome unknown"
"""How the message of a Step begins when its call may have been carried out and no complete answer came."""

_REFUSED = frozenset({400, 401, 403, 404, 409, 422, 429})
"""The statuses by which an API says that it did not carry a change out, so that it may be tried again."""


def reason_not_to_repeat(prepared: Prepared, earlier: Iterable[Step]) -> str:
    """Return why a change may be one that was sent before; "" where it is none.

    It is where the request is the same, where only case, blanks or an optional argument tell the two apart, and where
    an earlier change of the same operation at the same path has an unknown outcome.
    """
    sent = [step for step in earlier if _may_have_been_sent(step) and _same_operation(step.call, prepared.call)]
    for step in sent:
        if is_same_change(step, prepared):
            return f"the same change {_became(step)}"
    for step in sent:
        if _is_alike(step, prepared):
            return f"much the same change {_became(step)}"
    doubted = uncertain_step(prepared, sent)
    return "" if doubted is None else f"another {prepared.call.operation_id} at the same place {_became(doubted)}"


def uncertain_step(prepared: Prepared, earlier: Iterable[Step]) -> Step | None:
    """Return the last earlier change of the same operation at the same path of which nobody knows what became."""
    doubted = [
        step
        for step in earlier
        if is_uncertain(step) and _same_operation(step.call, prepared.call) and _same_place(step, prepared)
    ]
    return doubted[-1] if doubted else None


def is_uncertain(step: Step) -> bool:
    """Whether a step is a change that may have been carried out or not: lost, cut, a time-out, a fault of the API."""
    if step.call.tool.effect is Effect.READ:
        return False
    if step.result is None:
        return step.outcome is Outcome.FAILED and step.message.startswith(OUTCOME_UNKNOWN)
    status = step.result.status
    return step.result.is_cut or status >= 500 or status == 408 or 300 <= status < 400


def is_same_change(step: Step, prepared: Prepared) -> bool:
    """Whether a step is of the same operation and asked for what a call asks for now."""
    if not _same_operation(step.call, prepared.call):
        return False
    before = digest_of(step)
    if before and before == digest(prepared.request):
        return True
    tool = prepared.call.tool
    return on_the_wire(tool, step.call.arguments) == on_the_wire(tool, prepared.call.arguments)


def are_alike(request: Request, other: Request) -> bool:
    """Whether two requests are the same, or only case and blanks tell them apart; of a POST also what one has more."""
    if request.method != other.method or target_path(request) != target_path(other):
        return False
    here, there = loose_leaves(request), loose_leaves(other)
    return here == there or (request.method == "POST" and bool(here & there) and (here <= there or there <= here))


def digest_of(step: Step) -> str:
    """Return the digest of what a step sent; "" where no request was built."""
    return step.digest or (digest(step.request) if step.request is not None else "")


def times_carried_out(wanted: str, steps: Iterable[Step]) -> int:
    """Return how many steps with a digest were answered 2xx."""
    return sum(step.result is not None and step.result.ok and digest_of(step) == wanted for step in steps)


def intention_in(conversation: Conversation, during: Iterable[Step]) -> Intention:
    """Return what names the intention behind a request in a conversation, for its idempotency key.

    Every try has the same name until the change was answered 2xx: who then agrees to it once more wants another.
    """
    earlier = (*conversation.steps, *during)
    return lambda wanted: f"{conversation.id} {wanted} {times_carried_out(wanted, earlier)}"


def without_unsaid_key(call: Call, conversation: Conversation) -> Call:
    """Return a call without an idempotency key that its planner made up, as it would make up another for each try."""
    name = key_argument(call.tool)
    if name is None or name not in call.arguments:
        return call
    key = str(call.arguments[name])
    if call.account is not None and any(source.origin is Origin.REPLY for source in call.account.of(name)):
        return call
    if key and (key in conversation.known.values() or any(key in turn.question for turn in conversation.turns)):
        return call
    return replace(call, arguments={other: value for other, value in call.arguments.items() if other != name})


def _may_have_been_sent(step: Step) -> bool:
    if step.call.tool.effect is Effect.READ:
        return False
    return is_uncertain(step) or (step.result is not None and step.result.status not in _REFUSED)


def _became(step: Step) -> str:
    if step.result is None:
        return "got no complete answer before and may have been carried out"
    answered = f"was sent before, was answered {step.result.status}"
    if is_uncertain(step) or not step.result.ok:
        return f"{answered} and may have been carried out"
    return f"{answered} and was carried out"


def _same_operation(call: Call, other: Call) -> bool:
    here, there = call.tool.operation, other.tool.operation
    return here.spec.source == there.spec.source and here.id == there.id


def _same_place(step: Step, prepared: Prepared) -> bool:
    """Whether the paths are the same; one that is not known any more may be."""
    return step.request is None or target_path(step.request) == target_path(prepared.request)


def _is_alike(step: Step, prepared: Prepared) -> bool:
    return step.request is not None and are_alike(step.request, prepared.request)
