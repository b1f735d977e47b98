"""The rounds of a question with several requests: every name is looked up, then all changes are sent with one consent.

Each request is planned as if it were the whole question. Nothing of it is sent before all are planned, and one that
refers to what another makes is planned once more with that answer.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from nlapi.english.intents import STOPWORDS
from nlapi.english.words import split_words, stem, stems_of
from nlapi.openapi.spec import Effect, Operation
from nlapi.planner.slots.preset_values import pending_lookup
from nlapi.planner.steps.followup import References, UnresolvedReference, refers_back, resolve_references
from nlapi.planner.steps.goal_plan import DOUBTED
from nlapi.planner.steps.state import (
    CallState,
    Clause,
    ClauseState,
    Goal,
    account_of,
    clause_of,
    goal_of,
    state_of,
    with_clauses,
)
from nlapi.planner.steps.turn_end import end_of_turn
from nlapi.tools.answers.view import AnswerView
from nlapi.tools.plan import Conversation, FollowingCall, Plan, Round, Turn
from nlapi.tools.tool import Account, Call

# The least confidence of a request by itself: below it the question is planned as a whole. A read does no harm, so less
# is enough.
_MIN_CONFIDENCE = 0.35
_MIN_READ_CONFIDENCE = 0.2
# The confidence of a plan of all the words together, from which on it does not matter whether its parts have plans.
_PLAIN_CONFIDENCE = 0.6

# Ids in place of the one that an item will have, as a text and as a number.
_STAND_INS = ("ref_4f1e9a7c", 918273645)

# Plans a sentence by itself.
PlanSentence = Callable[[str], Plan]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    """A request with its first plan; None where only an answer can resolve its references."""

    clause: Clause
    plan: Plan | None = None

    @property
    def goal(self) -> Goal | None:
        """The call that look-ups of its plan are for; None where it has none."""
        return goal_of(self.plan) if self.plan is not None else None

    @property
    def operation(self) -> Operation | None:
        """The operation that the request leads to."""
        if self.plan is None:
            return None
        call = self.plan.goal or self.plan.calls[-1]
        return call.tool.operation

    @property
    def uses_all_words(self) -> bool:
        """Whether the plan has a use for every word that it should have one for."""
        account = account_of(self.plan) if self.plan is not None else None
        return account is not None and not account.unused

    @property
    def is_read(self) -> bool:
        return self.operation is None or self.operation.effect is Effect.READ

    @property
    def is_doubted(self) -> bool:
        """Whether the request is a change that has something against it."""
        return self.plan is not None and not self.is_read and self.plan.confidence <= DOUBTED

    @property
    def target(self) -> References | None:
        """The item that the request names, or makes with its own name."""
        if self.plan is None:
            return None
        goal = self.goal
        if goal is None:
            return References.named_by(self.plan.calls[-1].tool, self.plan.calls[-1].arguments)
        return References.named_by(goal.tool, {argument: value for (argument, *_), value in goal.values.items()})


def plan_requests(sentences: Sequence[str], plan: PlanSentence, *, is_plain: bool) -> Plan | None:
    """Return the first plan for several requests; None where one of them cannot be planned by itself.

    Where it is not `is_plain` that these are the requests, each has to use all of its words.
    """
    requests: list[_Request] = []
    for sentence in sentences:
        request = _request(sentence, requests, plan)
        if request is None:
            return None
        requests.append(request)
    # No guard holds a read, so beside a change it has to match the sentence exactly too.
    changes = not all(request.is_read for request in requests)
    exact = [request for request in requests if not is_plain or (changes and request.is_read and request.plan)]
    is_repeated = len({_identity(request) for request in requests}) < len(requests)
    if is_repeated or not all(request.uses_all_words for request in exact):
        return None
    if not is_plain and not all(_is_about_noun(request) and not request.is_doubted for request in requests):
        return None
    return _advance(ClauseState(clauses=tuple(_with_parts(requests))), plan)


def _is_about_noun(request: _Request) -> bool:
    """Return whether a noun of the path stands right behind the verb: delete [device] 14, and not: set [size] 3."""
    parts = request.operation.route.split("/") if request.operation is not None else ()
    nouns = stems_of(" ".join(part for part in parts if "{" not in part))
    words = [stem(word) for word in split_words(request.clause.sentence)[1:] if word not in STOPWORDS]
    return not nouns.isdisjoint(words[:2])


def unplanned_part(whole: Plan, sentences: Sequence[str], plan: PlanSentence) -> Plan | None:
    """Return the question for one of several requests that cannot be planned, before any change of another is sent.

    None where the plan of the `whole` question is sure and leaves nothing out, or none of the requests is a change.
    A clause with a value in that plan is a part of it, and not a separate request: play 'Dil Nu'. [Find it on Spotify.]
    """
    account = whole.calls[-1].account if whole.calls and not whole.missing else None
    if account is not None and not account.unused and whole.confidence >= _PLAIN_CONFIDENCE:
        return None
    requests = [_Request(clause=Clause(sentence=sentence), plan=plan(sentence)) for sentence in sentences]
    plans = [request.plan for request in requests if request.plan is not None and request.plan.calls]
    if not any((planned.goal or planned.calls[-1]).effect is not Effect.READ for planned in plans):
        return None
    for request in requests:
        planned = request.plan
        if account is not None and _has_value_in(request.clause.sentence, account):
            continue
        if planned is not None and not refers_back(request.clause.sentence) and (planned.missing or not planned.calls):
            text = f"{request.clause.sentence!r}: {planned.text.rstrip('.')}. Nothing of the question is sent."
            return replace(planned, text=text, alternatives=())
    return None


def _has_value_in(clause: str, account: Account) -> bool:
    """Return whether one of the values that an account quotes stands in a clause of its sentence."""
    start = account.sentence.find(" ".join(clause.split()))
    return start >= 0 and any(start <= source.start < start + len(clause) for source in account.sources)


def _identity(request: _Request) -> tuple[Operation | None, str]:
    """Return what tells a request from another: its operation, and its arguments with the names to look up."""
    if request.plan is None:
        return None, request.clause.sentence
    values = request.goal.values if request.goal is not None else request.plan.calls[-1].arguments
    return request.operation, str(values)


def _request(sentence: str, before: Sequence[_Request], plan: PlanSentence) -> _Request | None:
    """Return a request with its plan; None where it cannot be planned."""
    if not before or not refers_back(sentence):
        planned = plan(sentence)
        return _Request(clause=Clause(sentence=sentence), plan=planned) if _is_planned(planned) else None
    target, maker = before[-1].target, before[-1].operation
    if maker is not None and _makes(maker):
        return _request_of_made(sentence, target, maker, plan)
    if target is None:
        # What is read does no harm, so that its answer may tell later what is meant.
        waiting = _Request(clause=Clause(sentence=sentence, waits=True))
        return waiting if all(request.is_read for request in before) else None
    text = _resolved(sentence, target)
    planned = plan(text)
    return _Request(clause=Clause(sentence=text), plan=planned) if _is_planned(planned) else None


def _request_of_made(sentence: str, target: References | None, maker: Operation, plan: PlanSentence) -> _Request | None:
    """Return a request that refers to what another one makes: by its name, or else by the id that it will have."""
    ids = (References(operation=maker, items=({"id": id},)) for id in _STAND_INS)
    for referred in (target, *ids) if target is not None else ids:
        text = _resolved(sentence, referred)
        planned = plan(text)
        if _is_planned(planned):
            request = _waiting(_Request(clause=Clause(sentence=text), plan=planned), sentence, maker)
            # An id that nobody has may be in no call.
            has_stand_in = any(str(id) in str(call.arguments) for call in request.clause.calls for id in _STAND_INS)
            return request if (request.clause.waits and not has_stand_in) or referred is target else None
    return None


def _resolved(sentence: str, target: References) -> str:
    try:
        return target.resolve(sentence)
    except UnresolvedReference:
        return sentence


def _is_planned(plan: Plan) -> bool:
    call = plan.goal or (plan.calls[-1] if plan.calls else None)
    if call is None or plan.missing:
        return False
    least = _MIN_READ_CONFIDENCE if call.tool.effect is Effect.READ else _MIN_CONFIDENCE
    return plan.confidence >= least


def _makes(operation: Operation) -> bool:
    return operation.method == "POST" and not operation.path.rstrip("/").endswith("}")


def _waiting(request: _Request, sentence: str, maker: Operation) -> _Request:
    """Return a request that waits for the id of what another one makes; the same where the name is enough for it."""
    goal, plan = request.goal, request.plan
    if plan is None:
        return request
    call = replace(goal.final_call, account=goal.account) if goal is not None else plan.calls[-1]
    values = {".".join(path): value for path, value in goal.values.items()} if goal is not None else call.arguments
    unknown = [name for name, value in values.items() if value in _STAND_INS or pending_lookup(value) is not None]
    if not unknown:
        return request
    arguments = {name: value for name, value in call.arguments.items() if name not in unknown}
    call = replace(call, arguments=arguments)
    pending = tuple((name, f"the answer of {maker.id}") for name in unknown)
    return replace(request, clause=Clause(sentence=sentence, calls=(call,), waits=True, pending=pending))


def _with_parts(requests: Sequence[_Request]) -> Iterator[Clause]:
    """Yield the clauses of requests; those that are sent after an answer have an id, by which they are agreed to."""
    token, has_waiting = uuid.uuid4().hex, False
    for number, request in enumerate(requests):
        has_waiting = has_waiting or request.clause.waits
        yield replace(request.clause, part=f"{token}:{number}") if has_waiting else request.clause


def _advance(state: ClauseState, plan: PlanSentence) -> Plan:
    """Return the next look-up of the requests that wait for nothing; where all are known, the plan that sends them."""
    for index, clause in enumerate(state.clauses):
        if not (clause.calls or clause.waits):
            planned = plan(clause.sentence)
            if not _is_known(planned):
                return _on_the_way(planned, state, index)
            state = state.with_clause(index, _known(clause, planned, state.clauses[:index]))
    return _send(state)


def _is_known(plan: Plan) -> bool:
    return bool(plan.calls) and not plan.missing and isinstance(plan.raw, CallState)


def _known(clause: Clause, plan: Plan, before: Sequence[Clause]) -> Clause:
    """Return a clause with the calls of its plan; of several, those that a clause before it has are left out."""
    state, earlier = state_of(plan), [(call.operation_id, call.arguments) for entry in before for call in entry.calls]
    new = [call for call in plan.calls if (call.operation_id, call.arguments) not in earlier]
    calls = tuple(replace(call, id=clause.part or call.id) for call in (new or plan.calls))
    return replace(
        clause,
        calls=calls,
        used=state.used if isinstance(state, CallState) else (),
        understood=plan.understood,
        confidence=plan.confidence,
        waits=False,
    )


def _on_the_way(plan: Plan, state: ClauseState, index: int) -> Plan:
    """Return a look-up of one of the requests, or the end of the turn where it finds nothing, before any change."""
    if plan.calls and not plan.missing:
        others = "; then ".join(clause.understood or clause.sentence for clause in state.clauses[index + 1 :])
        understood = f"{plan.understood}; then {others}" if others else plan.understood
        return with_clauses(replace(plan, understood=understood), replace(state, current=index))
    if plan.missing or len(state.clauses) == 1:
        return replace(plan, alternatives=())
    unsent = "; ".join(clause.sentence for clause in state.clauses[state.sent :])
    return replace(plan, text=f"{plan.text} Not done: {unsent}.", alternatives=())


def _send(state: ClauseState) -> Plan:
    """Return the plan that sends all that is known up to the next request that waits, with those after it."""
    ends = (index for index, clause in enumerate(state.clauses) if index >= state.sent and not clause.is_ready)
    end = next(ends, len(state.clauses))
    group, later = state.clauses[state.sent : end], state.clauses[end:]
    known = [clause for clause in (*group, *later) if clause.is_ready]
    following = tuple(
        FollowingCall(call=replace(call, id=clause.part), pending=clause.pending)
        for clause in later
        for call in clause.calls
    )
    return Plan(
        calls=tuple(call for clause in group for call in clause.calls),
        confidence=min(DOUBTED if _mixes_deletions(known) else 1.0, *(clause.confidence for clause in known)),
        understood="; then ".join(clause.understood or clause.sentence for clause in (*group, *later)),
        following=following,
        raw=CallState(clause=replace(state, sent=end, current=None)),
    )


def _mixes_deletions(clauses: Sequence[Clause]) -> bool:
    """Return whether one of several requests deletes and another changes: consent in advance is for one of the two."""
    effects = {call.effect for clause in clauses for call in clause.calls} - {Effect.READ}
    return Effect.DESTROY in effects and len(effects) > 1


def requests_of(turn: Turn) -> ClauseState | None:
    """Return the requests of the question of a turn as of its last round; None where it is a single one."""
    states = (clause_of(round.plan) for round in reversed(turn.rounds))
    return next((state for state in states if state is not None), None)


def turn_of_request(turn: Turn, state: ClauseState, index: int) -> Turn:
    """Return the rounds of one of several requests as a separate turn."""
    rounds: list[Round] = []
    sent, current = 0, None
    for round in turn.rounds:
        clauses = clause_of(round.plan)
        if clauses is not None and clauses.current is None:
            calls = [len(clause.calls) for clause in clauses.clauses[sent : clauses.sent]]
            if sent <= index < clauses.sent:
                start = sum(calls[: index - sent])
                steps = round.steps[start : start + calls[index - sent]]
                clause = clauses.clauses[index]
                part = Plan(calls=clause.calls, confidence=clause.confidence, raw=CallState(used=clause.used))
                rounds.append(Round(plan=part, steps=steps))
            sent, current = clauses.sent, None
            continue
        current = clauses.current if clauses is not None else current
        if current == index:
            rounds.append(round)
    return Turn(question=state.clauses[index].sentence, rounds=tuple(rounds))


def next_request_plan(
    conversation: Conversation, state: ClauseState, plan: PlanSentence, next_plan: Callable[[Turn], Plan]
) -> Plan:
    """Return the plan after the last round of a question with several requests, each planned as a separate turn."""
    turn = conversation.current
    index = state.current
    if index is not None and index >= state.sent:
        planned = next_plan(turn_of_request(turn, state, index))
        if not _is_known(planned):
            return _on_the_way(planned, state, index)
        return _advance(state.with_clause(index, _known(state.clauses[index], planned, state.clauses[:index])), plan)
    ended: list[Plan] = []
    for number in range(state.sent):
        sub_turn = turn_of_request(turn, state, number)
        planned = next_plan(sub_turn) if sub_turn.steps else Plan()
        if planned.calls:
            return with_clauses(planned, replace(state, current=number))
        ended.append(planned)
    views = [view for planned in ended for view in planned.views or (AnswerView(text=planned.text),)]
    waiting = state.clauses[state.sent :]
    if not waiting:
        return end_of_turn(views)
    note = f" Not done: {'; '.join(clause.sentence for clause in waiting)}."
    if not turn.steps[-1].has_succeeded:
        return end_of_turn(views, note)
    try:
        planned = plan(resolve_references(waiting[0].sentence, conversation))
    except UnresolvedReference as unresolved:
        planned = Plan(text=str(unresolved))
    if not planned.calls:
        return end_of_turn([*views, AnswerView(text=planned.text)], note)
    if not _is_known(planned):
        return _on_the_way(planned, state, state.sent)
    return _send(state.with_clause(state.sent, _agreed(waiting[0], _known(waiting[0], planned, ()))))


def _agreed(foreseen: Clause, clause: Clause) -> Clause:
    """Return a clause without the id of what was agreed to, where its call is not the one that was foreseen."""
    foreseen_calls, calls = foreseen.calls, clause.calls
    is_same = len(foreseen_calls) == len(calls) == 1 and _agrees(foreseen_calls[0], calls[0])
    return clause if is_same else replace(clause, calls=tuple(replace(call, id="call") for call in calls))


def _agrees(foreseen: Call, call: Call) -> bool:
    """Return whether a call is the one that was foreseen, with its arguments and those that were not known yet."""
    operations = (foreseen.tool.operation, call.tool.operation)
    first, second = ((operation.spec.source, operation.id) for operation in operations)
    return first == second and all(call.arguments.get(name) == value for name, value in foreseen.arguments.items())
