"""The detection of changes that may have been carried out already, by comparing requests as they go on the wire."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from nlapi.changes.lexicon import are_synonyms, leading_verbs
from nlapi.client.digest import Leaf, digest, normalized_leaves, target_path
from nlapi.client.message import Request
from nlapi.openapi.spec import Effect
from nlapi.tools.amounts import to_wire_units
from nlapi.tools.idempotency import Intention, key_argument
from nlapi.tools.plan import Conversation, Outcome, Step
from nlapi.tools.run import Prepared
from nlapi.tools.tool import Account, Call, Origin

# Beginning of the message of a Step whose call may have been carried out without a complete answer. Transcripts have
# it, and `is_uncertain` recognises such steps by it after a resume.
OUTCOME_UNKNOWN = "outcome unknown"

# Statuses by which an API reports that it did not carry a change out, so it may be tried again. 408 is absent: the
# server gave up waiting, which leaves the outcome open (docs/design/025-once.md).
REFUSAL_STATUSES = frozenset({400, 401, 403, 404, 409, 422, 429})


def repetition_reason(prepared: Prepared, earlier: Iterable[Step], *, by_place: bool = True) -> str:
    """Return the reason why a change may be one that was sent before; "" where it is none.

    It is one where the request is the same, where only case, blanks or an optional argument differ, and `by_place`
    where an earlier change of the same operation at the same path has an unknown outcome.
    """
    earlier_changes = [
        step for step in earlier if may_be_carried_out(step) and _is_same_operation(step.call, prepared.call)
    ]
    for step in earlier_changes:
        if is_same_change(step, prepared):
            return f"the same change {_outcome_text(step)}"
    for step in earlier_changes:
        if _is_alike(step, prepared):
            return f"much the same change {_outcome_text(step)}"
    uncertain = uncertain_step(prepared, earlier_changes) if by_place else None
    return (
        ""
        if uncertain is None
        else f"another {prepared.call.operation_id} at the same place {_outcome_text(uncertain)}"
    )


def same_values_reason(account: Account, call: Call, steps: Iterable[Step], beside: Iterable[Call] = ()) -> str:
    """Return the reason why a model's change may be one that another operation has made for the same words.

    `steps` are those of the question at hand, and `beside` are further calls of its plan. A sentence that is carried
    out by createPayment is not carried out by createPaymentV2 too: both have the verb, and all that was said.
    """
    traced_texts = {
        str(entry.value).casefold() for entry in account.sources if entry.origin in (Origin.WORDS, Origin.LOOKUP)
    }
    if not account.traced or not traced_texts:
        return ""
    verbs = leading_verbs(call.tool.operation)
    for other in (*(step.call for step in steps if may_be_carried_out(step)), *beside):
        if other.effect is Effect.READ or _is_same_operation(other, call):
            continue
        other_verbs = leading_verbs(other.tool.operation)
        is_same_verb = any(are_synonyms(verb, other_verb) for verb in verbs for other_verb in other_verbs)
        if is_same_verb and traced_texts <= set(_value_texts(other.arguments)):
            return f"{other.operation_id} does the same with the same values"
    return ""


def _value_texts(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for item in value.values():
            yield from _value_texts(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _value_texts(item)
    else:
        yield str(value).casefold()


def uncertain_step(prepared: Prepared, earlier: Iterable[Step]) -> Step | None:
    """Return the last earlier change of the operation at the same path whose outcome is unknown, if any."""
    uncertain = [
        step
        for step in earlier
        if is_uncertain(step) and _is_same_operation(step.call, prepared.call) and _is_same_path(step, prepared)
    ]
    return uncertain[-1] if uncertain else None


def is_uncertain(step: Step) -> bool:
    """Return whether a step is a change of unknown outcome: lost, cut, timed out, or a fault of the API."""
    if step.call.effect is Effect.READ:
        return False
    if step.result is None:
        return step.outcome is Outcome.FAILED and step.message.startswith(OUTCOME_UNKNOWN)
    status = step.result.status
    return step.result.is_cut or status >= 500 or status == 408 or 300 <= status < 400


def is_same_change(step: Step, prepared: Prepared) -> bool:
    """Return whether a step is of the same operation and made the same request as a call."""
    if not _is_same_operation(step.call, prepared.call):
        return False
    before = digest_of(step)
    if before and before == digest(prepared.request):
        return True
    # Arguments of transcripts before the digest was stored are compared in wire units: `"$50"` and 50000000 are the
    # same.
    tool = prepared.call.tool
    return to_wire_units(tool, step.call.arguments) == to_wire_units(tool, prepared.call.arguments)


def are_alike(request: Request, second_request: Request) -> bool:
    """Return whether two requests are equal but for case and blanks; for a POST, also where each has further values.

    The values that both have are then the same: a payment with a reference, and with a currency in its place.
    """
    if request.method != second_request.method or target_path(request) != target_path(second_request):
        return False
    values, second_values = normalized_leaves(request), normalized_leaves(second_request)
    return values == second_values or (
        request.method == "POST" and bool(values & second_values) and _agree(values, second_values)
    )


def _agree(values: frozenset[Leaf], second_values: frozenset[Leaf]) -> bool:
    """Return whether no place has other values in one request than in the other; a place may be there several times."""
    places, second_places = ({place for place, _ in leaves} for leaves in (values, second_values))
    return all(place not in places & second_places for place, _ in values ^ second_values)


def digest_of(step: Step) -> str:
    """Return the digest of a step's request; "" where none was built."""
    return step.digest or (digest(step.request) if step.request is not None else "")


def count_successes(request_digest: str, steps: Iterable[Step]) -> int:
    """Return the number of steps with a digest that were answered 2xx."""
    return sum(step.result is not None and step.result.ok and digest_of(step) == request_digest for step in steps)


def intention_in(conversation: Conversation, during: Iterable[Step]) -> Intention:
    """Return the function that names the intention behind a request in a conversation, for its idempotency key.

    Every try has the same name until the change was answered 2xx; consent to it after that is a new intention.
    """
    earlier = (*conversation.steps, *during)
    return lambda request_digest: f"{conversation.id} {request_digest} {count_successes(request_digest, earlier)}"


def without_invented_key(call: Call, conversation: Conversation) -> Call:
    """Return a call without an idempotency key that its planner invented."""
    name = key_argument(call.tool)
    if name is None or name not in call.arguments:
        return call
    # A model invents another key for each try, so the API would carry the change out twice.
    key = str(call.arguments[name])
    if call.account is not None and any(source.origin is Origin.REPLY for source in call.account.of(name)):
        return call
    if key and (key in conversation.known_values.values() or any(key in turn.question for turn in conversation.turns)):
        return call
    return replace(call, arguments={argument: value for argument, value in call.arguments.items() if argument != name})


def may_be_carried_out(step: Step) -> bool:
    """Return whether a step is a change that the API carried out, or may have."""
    if step.call.effect is Effect.READ:
        return False
    return is_uncertain(step) or (step.result is not None and step.result.status not in REFUSAL_STATUSES)


def _outcome_text(step: Step) -> str:
    if step.result is None:
        return "got no complete answer before and may have been carried out"
    beginning = f"was sent before, was answered {step.result.status}"
    if is_uncertain(step) or not step.result.ok:
        return f"{beginning} and may have been carried out"
    return f"{beginning} and was carried out"


def _is_same_operation(call: Call, second_call: Call) -> bool:
    operation, second_operation = call.tool.operation, second_call.tool.operation
    return operation.spec.source == second_operation.spec.source and operation.id == second_operation.id


def _is_same_path(step: Step, prepared: Prepared) -> bool:
    """Return whether the paths are the same; True where the earlier request is not stored any more."""
    return step.request is None or target_path(step.request) == target_path(prepared.request)


def _is_alike(step: Step, prepared: Prepared) -> bool:
    return step.request is not None and are_alike(step.request, prepared.request)
