"""The detection of changes that may have been carried out already, by comparing requests as they go on the wire."""

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

# Beginning of the message of a Step whose call may have been carried out without a complete answer. Transcripts have
# it, and `is_uncertain` recognises such steps by it after a resume.
OUTCOME_UNKNOWN = "outcome unknown"

# Statuses by which an API reports that it did not carry a change out, so it may be tried again. 408 is absent: the
# server gave up waiting, which leaves the outcome open (docs/design/025-once.md).
_REFUSED = frozenset({400, 401, 403, 404, 409, 422, 429})


def reason_not_to_repeat(prepared: Prepared, earlier: Iterable[Step]) -> str:
    """Return the reason why a change may be one that was sent before; "" where it is none.

    It is one where the request is the same, where only case, blanks or an optional argument differ, and where an
    earlier change of the same operation at the same path has an unknown outcome.
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
    """Return the last earlier change of the operation at the same path whose outcome is unknown, if any."""
    doubted = [
        step
        for step in earlier
        if is_uncertain(step) and _same_operation(step.call, prepared.call) and _same_place(step, prepared)
    ]
    return doubted[-1] if doubted else None


def is_uncertain(step: Step) -> bool:
    """Return whether a step is a change of unknown outcome: lost, cut, timed out, or a fault of the API."""
    if step.call.tool.effect is Effect.READ:
        return False
    if step.result is None:
        return step.outcome is Outcome.FAILED and step.message.startswith(OUTCOME_UNKNOWN)
    status = step.result.status
    return step.result.is_cut or status >= 500 or status == 408 or 300 <= status < 400


def is_same_change(step: Step, prepared: Prepared) -> bool:
    """Return whether a step is of the same operation and made the same request as a call."""
    if not _same_operation(step.call, prepared.call):
        return False
    before = digest_of(step)
    if before and before == digest(prepared.request):
        return True
    # Arguments of transcripts before the digest was stored are compared in wire units: `"$50"` and 50000000 are the
    # same.
    tool = prepared.call.tool
    return on_the_wire(tool, step.call.arguments) == on_the_wire(tool, prepared.call.arguments)


def are_alike(request: Request, other: Request) -> bool:
    """Return whether two requests are equal but for case and blanks; for a POST, also where one has further values."""
    if request.method != other.method or target_path(request) != target_path(other):
        return False
    here, there = loose_leaves(request), loose_leaves(other)
    return here == there or (request.method == "POST" and bool(here & there) and (here <= there or there <= here))


def digest_of(step: Step) -> str:
    """Return the digest of a step's request; "" where none was built."""
    return step.digest or (digest(step.request) if step.request is not None else "")


def times_carried_out(wanted: str, steps: Iterable[Step]) -> int:
    """Return the number of steps with a digest that were answered 2xx."""
    return sum(step.result is not None and step.result.ok and digest_of(step) == wanted for step in steps)


def intention_in(conversation: Conversation, during: Iterable[Step]) -> Intention:
    """Return the function that names the intention behind a request in a conversation, for its idempotency key.

    Every try has the same name until the change was answered 2xx; consent to it after that is a new intention.
    """
    earlier = (*conversation.steps, *during)
    return lambda wanted: f"{conversation.id} {wanted} {times_carried_out(wanted, earlier)}"


def without_unsaid_key(call: Call, conversation: Conversation) -> Call:
    """Return a call without an idempotency key that its planner invented."""
    name = key_argument(call.tool)
    if name is None or name not in call.arguments:
        return call
    # A model invents another key for each try, so the API would carry the change out twice.
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
    """Return whether the paths are the same; True where the earlier request is not stored any more."""
    return step.request is None or target_path(step.request) == target_path(prepared.request)


def _is_alike(step: Step, prepared: Prepared) -> bool:
    return step.request is not None and are_alike(step.request, prepared.request)
