"""The further tries of a question: the next reading of the same words, where one leads to nothing.

One more with other values, which may be a change, follows an answer that nothing was done (400, 404, 422), or an empty
list, and never another outcome. Where the answer names fields that the request lacks, it has these: values that are
known by then, the mask of an update, a value that was said and not used; the others are asked for, and so is a value
that the answer refuses. One further read follows such an answer to a read, and an item that is not found.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date

from nlapi.client.safe_text import single_line
from nlapi.english.intents import VERBS, Intent
from nlapi.english.words import name_key, split_words, stem
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import Effect, Operation
from nlapi.planner.answering.answers import list_of_step
from nlapi.planner.answering.client_filter import operation_words
from nlapi.planner.answering.row_fields import field_stems
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.slots.entities import accepts_name, is_subject
from nlapi.planner.slots.preset_values import argument_name, coerce, pending_lookup
from nlapi.planner.slots.slot import Slot
from nlapi.planner.steps.goal_plan import DOUBTED, call_plan, describe_value, find_tool, plan_goal
from nlapi.planner.steps.lookup import NOT_FOUND
from nlapi.planner.steps.state import (
    CallState,
    Goal,
    LookupStage,
    LookupState,
    Rival,
    account_of,
    state_of,
    texts_used,
    with_completed,
    with_second_try,
)
from nlapi.reading.names import is_code
from nlapi.reading.question_intent import is_yes_no_question
from nlapi.reading.reader import read_sentence
from nlapi.reading.text import FILLER_STEMS
from nlapi.resources.answers import answer_words, field_schema
from nlapi.resources.collection_index import collection_index
from nlapi.resources.error_reasons import error_reason
from nlapi.resources.identity import fields_of, name_of
from nlapi.resources.nouns import noun_of, singular_noun
from nlapi.resources.paths import segments
from nlapi.resources.refusals import is_refused, refused_fields
from nlapi.tools.answer_view import AnswerView
from nlapi.tools.plan import Outcome, Plan, Round, Step, Turn
from nlapi.tools.state_reads import item_reader, named_by_path
from nlapi.tools.tool import Account, Call, Origin, Tool, ValueSource

# Yields the plans of the reads that may answer a question, of which the stems that it asks for are given.
OtherReads = Callable[[str, frozenset[str]], Iterator[Plan]]
# The least probability of a value that its words surely mean, so that there may well be no items with it.
_SURE = 0.85

_DAY = lazy_pattern(r"\d{4}-\d\d-\d\d")
_NOT_FOUND = 404
# Statuses by which an API says that it did not take the request as it is.
_REFUSED = (400, _NOT_FOUND, 422)
# Statuses by which an API says that the credential is not for this operation.
_FORBIDDEN = (401, 403)
# Statuses of an answer that says what is wrong with a request.
_TEACHING = (400, 422)
# Names of the argument that says which fields an update has.
_MASKS = ("updatemask", "fieldmask")
# Characters of what an API says of a field.
_MAX_REASON = 200
# The least probability of a reading that is tried. Of two names, `patients named Smith` has 0.69 and 0.26, and the
# city 0.18.
_MIN_PROBABILITY = 0.2


def attempts_of(turn: Turn) -> list[Turn]:
    """Return the tries of a turn, each with its rounds as a separate turn, in order."""
    attempts: list[list[Round]] = [[]]
    text = ""
    for round in turn.rounds:
        if (new := _try_text(round)) and new != text:
            text = new
            attempts.append([])
        attempts[-1].append(round)
    return [replace(turn, rounds=tuple(rounds)) for rounds in attempts]


def tried(turn: Turn) -> str:
    """Return the results of the readings before that of a turn, and its number; "" for the first one."""
    return next(filter(None, map(_try_text, turn.rounds)), "")


def _try_text(round: Round) -> str:
    state = state_of(round.plan)
    goal = state.goal if isinstance(state, CallState | LookupState) else None
    return goal.second_try if goal is not None else ""


def other_read(turn: Turn, end: Plan, reads: OtherReads) -> Plan | None:
    """Return the plan of another read for a question that the first has not answered, or None.

    It has a use for all words that the first one used, or lists items that may have them, and means by none of them
    another argument. Where a list has the one item that was named, its own read may tell more.
    """
    first, account = _final_call(turn.rounds[-1].plan), account_of(turn.rounds[0].plan)
    if first is None or first.effect is not Effect.READ or account is None:
        return None
    # A person who has chosen the operation wants no other one, and what nobody understood wants none at all.
    if turn.chosen is not None or account.unused or (is_answered(turn, end) and not _is_excerpt(turn, end)):
        return None
    noun = tuple(map(stem, noun_of(turn.steps[0].call.tool.operation)))
    led = (account.sentence[: source.start].lower().split()[-1:] for source in account.sources if is_code(source.words))
    if any(before and stem(before[0]) in noun for before in led):
        return None  # the shelf sh_1 is nothing else
    # The list in which an item was found tells no more of what belongs to the item.
    is_last = turn.rounds[-1].plan.goal is None
    done = {step.call.operation_id for step in turn.steps if is_last} | {first.operation_id}
    failed = {step.call.operation_id for step in turn.steps if step.result is None or not step.result.ok}
    for plan in reads(turn.question, _asked_stems(account)):
        call = _final_call(plan)
        if call is None or plan.missing or call.operation_id in done:
            continue
        if failed.isdisjoint(entry.operation_id for entry in plan.calls) and _may_tell(plan, account):
            return with_second_try(plan, f"{first.operation_id} had no answer, {call.operation_id} was tried")
    return None


def _may_tell(plan: Plan, account: Account) -> bool:
    """Return whether a read uses the words of another one's account as that does, all of them unless it lists items."""
    other, call = account_of(plan), _final_call(plan)
    if other is None or call is None:
        return False
    arguments = {source.start: source.argument for source in account.sources if source.words}
    said = (source for source in other.sources if source.words)
    if any(arguments.get(source.start, source.argument) != source.argument for source in said):
        return False  # revision 9 is not a limit of 9
    noun = set(map(stem, noun_of(call.tool.operation)))
    uses_all = not other.unused and _stems_used(account) - noun <= _stems_used(other)
    return uses_all or collection_index(call.tool.operation.spec).is_list(call.tool.operation)


def is_answered(attempt: Turn, end: Plan) -> bool:
    """Return whether the `end` of a try is an answer to its question, and not that nothing was found or tells it."""
    step, account = attempt.rounds[-1].steps[-1], account_of(attempt.rounds[0].plan)
    if step.effect is Effect.READ and step.result is not None and step.result.status in _FORBIDDEN:
        return False  # of two reads one may want another credential
    if failure := _failure(step):
        # An empty list is an answer, unless a word of the question that may mean something else limits them.
        sources = step.call.account.sources if step.call.account is not None else ()
        unsure = (source for source in sources if source.words and not source.name and source.sure < _SURE)
        is_doubtful = any(not _DAY.match(str(source.value)) for source in unsure)  # a day means a day
        return failure == "nothing" and not tried(attempt) and not is_doubtful
    if not end.views:
        return end.confidence > NOT_FOUND
    (view, *others) = end.views
    # That another list has no such item says nothing.
    if tried(attempt) and not view.rows:
        return False
    # The answer names the parts that it leaves open: another read answered 7 of 80 questions of operators worse.
    if not tried(attempt):
        return bool(others or view.rows) or view.is_certain
    if is_yes_no_question(attempt.question):
        return view.text.startswith(("Yes", "No"))
    if others or not view.is_single or not view.is_certain or account is None:
        return view.is_certain
    shown = {word for row in view.rows for path in fields_of(row) for word in field_stems(path)}
    shown |= {stem(word) for text in texts_used(round.plan for round in attempt.rounds) for word in split_words(text)}
    operation = step.call.tool.operation
    return _asked_stems(account) <= shown | _answer_stems(operation) | operation_words(operation)


def _is_excerpt(attempt: Turn, end: Plan) -> bool:
    """Return whether a list has the one item that a question names in the singular, whose read may tell more."""
    view = end.views[0] if end.views else AnswerView()
    noun = singular_noun(view.operation) if view.operation is not None else ()
    if len(view.rows) != 1 or view.is_single or not noun:
        return False
    sentence = read_sentence(attempt.question, date.min)
    name = name_of(view.rows[0], noun).lower().rstrip(".")
    is_named = bool(name) and name in sentence.text.lower()
    return is_named and any(token.lower == noun[-1] for token in sentence.tokens)


def may_answer(operation: Operation, asked: frozenset[str]) -> bool:
    """Return whether the answer of an operation has a field or a choice for all stems that are asked, or it lists what
    they name: no description tells the states that items have.
    """
    noun = tuple(map(stem, noun_of(operation)))
    is_list = collection_index(operation.spec).is_list(operation)
    return asked <= _answer_stems(operation) or (is_list and not asked.isdisjoint(noun[-1:]))


def _answer_stems(operation: Operation) -> frozenset[str]:
    """Return the stems of the noun of an operation, and of the fields and the choices that its answer may have."""
    return answer_words(operation).all | frozenset(map(stem, noun_of(operation)))


def _asked_stems(account: Account) -> frozenset[str]:
    """Return the stems of the words of a sentence that say what is asked, without those that its values come from."""
    sentence = read_sentence(account.sentence, date.min)
    spans = [(source.start, source.end) for source in account.sources]
    free = (token for token in sentence.tokens if not any(start <= token.start < end for start, end in spans))
    stems = {token.stem for token in free if token.word} & sentence.content_stems
    return frozenset(word for word in stems - FILLER_STEMS if VERBS.get(word) is not Intent.READ)


def _stems_used(account: Account) -> frozenset[str]:
    """Return the stems of the words of the sentence that the values of a call come from."""
    return frozenset(stem(word) for source in account.sources for word in split_words(source.words))


def _final_call(plan: Plan) -> Call | None:
    return plan.goal or (plan.calls[-1] if plan.calls else None)


def second_try(turn: Turn, catalogue: Catalogue, known_values: Mapping[str, object]) -> Plan | None:
    """Return the plan of another value of a turn whose call led to nothing; None where it did, or was tried."""
    step = turn.rounds[-1].steps[-1] if turn.rounds and turn.rounds[-1].steps else None
    failure = _failure(step) if step is not None else ""
    if step is None or not failure or tried(turn):
        return None
    tool = find_tool(catalogue, step.call.operation_id, step.call.tool.operation.spec)
    if tool is None:
        return None
    refused = _named_slots(catalogue.slots(tool), step)
    if lacking := {slot: reason for slot, reason in refused.items() if slot.path[0] not in step.call.arguments}:
        return _taught_try(step, lacking, tool, catalogue, known_values)
    plan = _rival_try(turn, tool, catalogue, step, failure, known_values)
    return _taught_try(step, refused, tool, catalogue, known_values) if plan is None and refused else plan


def _rival_try(
    turn: Turn, tool: Tool, catalogue: Catalogue, step: Step, failure: str, known_values: Mapping[str, object]
) -> Plan | None:
    """Return the plan with another reading of the words of one value; None where no other may be meant."""
    goal = _goal(turn)
    if goal is None or goal.tool.operation.id != step.call.operation_id:
        return None
    goal = replace(goal, tool=tool)
    others = (rival for rival in goal.rivals if _may_be_meant(rival, goal, step))
    if (rival := _by_name(turn, goal, catalogue, step) or next(others, None)) is None:
        return None
    plan = plan_goal(_with_rival(goal, rival, failure, step), catalogue, known_values)
    return plan if plan.calls and not plan.missing else None


def _taught_try(
    step: Step, refused: Mapping[Slot, str], tool: Tool, catalogue: Catalogue, known_values: Mapping[str, object]
) -> Plan:
    """Return the plan with what an API says that a request lacks, or asks for in place of what it has."""
    slots, account = catalogue.slots(tool), step.call.account or Account()
    lacking = [slot for slot in refused if slot.path[0] not in step.call.arguments]
    # An update of what was said lacks what its item has besides, and the mask that says so.
    rest = [slot for slot in lacking if slot.location == "body" and _has_field(step.call, slot)]
    mask = next((slot for slot in slots if lacking and _update_mask(slot, step.call)), None)
    refused = {mask: ""} if mask is not None else {slot: refused[slot] for slot in refused if slot not in rest}
    values: dict[tuple[str, ...], object] = {(name,): value for name, value in step.call.arguments.items()}
    sources, unset, confidence = list(account.sources), [], 1.0
    unused = account.unused if len(refused) == 1 else ()
    for slot, reason in refused.items():
        name = argument_name(slot)
        refused_value = values.pop(slot.path, None)
        if name in known_values and (value := coerce(known_values[name], slot)) != refused_value:
            values[slot.path] = value
            # The words of the value that was refused are not left over.
            sources = [
                replace(source, value=value, origin=Origin.REPLY, name="") if source.argument == name else source
                for source in sources
            ]
        elif slot is mask:
            values[slot.path] = _update_mask(slot, step.call)
            sources.append(ValueSource(argument=name, value=values[slot.path], origin=Origin.DESCRIPTION))
        elif refused_value is None and (named := _named_by_path(step.call, slot)) is not None:
            values[slot.path] = coerce(named, slot)
            sources.append(ValueSource(argument=name, value=values[slot.path], origin=Origin.CURRENT))
        elif len(unused) == 1 and refused_value is None:
            values[slot.path], confidence = coerce(unused[0], slot), DOUBTED
            sources.append(ValueSource(argument=name, value=values[slot.path], origin=Origin.WORDS, words=unused[0]))
        else:
            unset.append(replace(slot, description=reason or slot.description))
    names = ", ".join(".".join(slot.path) for slot in (*rest, *refused))
    status = step.result.status if step.result is not None else ""
    goal = Goal(
        tool=tool,
        values=values,
        confidence=confidence,
        question=account.sentence,
        sentence=account.sentence,
        sources=with_completed(sources, values, slots, known_values),
        unused=() if confidence < 1 else account.unused,
        second_try=f"{status} for want of {names}",
    )
    plan = call_plan(goal, tuple(unset))
    return replace(plan, calls=tuple(replace(call, keeps_rest=call.keeps_rest or bool(rest)) for call in plan.calls))


def _has_field(call: Call, slot: Slot) -> bool:
    """Return whether the item of an update has the field of a slot, as the GET that shows it says."""
    reader = item_reader(call.tool)
    return reader is not None and field_schema(reader, slot.name) is not None


def _named_by_path(call: Call, slot: Slot) -> object:
    """Return the name of an update's item, which its path has under another name: `pool` in /pools/{pool_name}."""
    is_field = slot.location == "body" and len(slot.path) == 1 and item_reader(call.tool) is not None
    return named_by_path(call, slot.name) if is_field else None


def _named_slots(slots: Sequence[Slot], step: Step) -> dict[Slot, str]:
    """Return the slots that the answer to a call names as missing or wrong, with what it says of each."""
    result = step.result
    if result is None or result.status not in _TEACHING:
        return {}
    by_path = {tuple(map(name_key, slot.path)): slot for slot in slots}
    refused: dict[Slot, str] = {}
    for field in refused_fields(result.data):
        path = tuple(map(name_key, field.path))
        ends = [entry for key, entry in by_path.items() if path and key[-1] == path[-1]]
        slot = by_path.get(path) or (ends[0] if len(ends) == 1 else None)
        if slot is not None:
            refused.setdefault(slot, single_line(field.reason)[:_MAX_REASON])
    text = error_reason(result.data if result.data is not None else result.text)
    return refused or {
        slot: text for slot in slots if is_refused(text, slot.name, step.call.arguments.get(argument_name(slot)))
    }


def _update_mask(slot: Slot, call: Call) -> object:
    """Return the mask of an update: the names of the fields that its body has (AIP-134); None for another slot."""
    if name_key(slot.path[-1]) not in _MASKS or slot.path[0] in call.arguments:
        return None
    names = list(call.body_fields)
    return (names if slot.is_array else ",".join(names)) if names else None


def _goal(turn: Turn) -> Goal | None:
    """Return the goal of the call of a turn, of which the values are known; None where nothing else was meant."""
    state = state_of(turn.rounds[-1].plan)
    if isinstance(state, CallState) and state.goal is not None:
        return state.goal
    lookups = (state_of(round.plan) for round in reversed(turn.rounds[:-1]))
    return next((state.goal for state in lookups if isinstance(state, LookupState)), None)


def _failure(step: Step) -> str:
    """Return how the answer to a call says that nothing was done or found; "" for any other outcome."""
    if step.outcome is not Outcome.ANSWERED or step.result is None or step.result.is_cut:
        return ""
    if step.result.status in _REFUSED:
        return f"{step.result.status}"
    listed = list_of_step(step) if step.result.ok and step.effect is Effect.READ else None
    return "nothing" if listed is not None and not listed.entries and not listed.total else ""


def _may_be_meant(rival: Rival, goal: Goal, step: Step) -> bool:
    """Return whether a reading may have an answer where the first one of its words has none."""
    is_listed = step.result is not None and step.result.ok
    first = goal.values.get(rival.replaced)
    if rival.sure < _MIN_PROBABILITY or rival.replaced not in goal.values:
        return False
    if rival.path != rival.replaced and rival.path in goal.values:
        return False
    # A code that the API does not know is the name of nothing either.
    if pending_lookup(rival.value) is not None and re.fullmatch(r"\S*\d\S*", str(first)):
        return False
    # An empty list is not a doubt about an item that was found, or a value that is what its words mean.
    sources = (source for source in goal.sources if source.argument == ".".join(rival.replaced))
    if is_listed:
        is_plain = any(source.name or source.sure >= _SURE for source in sources)
        return rival.path != rival.replaced and isinstance(first, str) and not is_plain
    return rival.path != rival.replaced or rival.value != first


def _by_name(turn: Turn, goal: Goal, catalogue: Catalogue, step: Step) -> Rival | None:
    """Return the name that was looked up in place of its id, where the API answers that it does not know the id.

    Only where the read of the item says that it takes a name, and the id comes from a look-up alone.
    """
    states = [state_of(round.plan) for round in turn.rounds if round.steps]
    lookups = [state for state in states if isinstance(state, LookupState) and state.stage is LookupStage.LISTING]
    if not lookups or not lookups[-1].name or lookups[-1].place or step.result is None:
        return None
    state, operation = lookups[-1], goal.tool.operation
    slot = next((slot for slot in catalogue.slots(goal.tool) if slot.path == state.slot), None)
    path = segments(operation.route)
    read = collection_index(operation.spec).item_read_at(path[:-1]) if path and path[-1].parameter else None
    is_unknown = step.result.status == _NOT_FOUND and slot is not None and is_subject(operation, slot)
    if not is_unknown or not accepts_name(read) or step.call.arguments.get(state.slot[0]) == state.name:
        return None
    return Rival(words=state.name, replaced=state.slot, path=state.slot, value=state.name, sure=1.0)


def _with_rival(goal: Goal, rival: Rival, failure: str, step: Step) -> Goal:
    """Return the goal with another reading of the words of one value; a change is one that nobody agreed to yet."""
    values = {path: value for path, value in goal.values.items() if path != rival.replaced}
    old, new = ".".join(rival.replaced), ".".join(rival.path)
    first = describe_value(step.call.arguments.get(old, goal.values.get(rival.replaced)))
    sources = tuple(_read_again(source, rival) if source.argument == old else source for source in goal.sources)
    is_read = goal.tool.effect is Effect.READ
    return replace(
        goal,
        values={**values, rival.path: rival.value},
        sources=sources,
        rivals=(),
        confidence=goal.confidence if is_read or rival.sure == 1.0 else min(DOUBTED, goal.confidence),
        second_try=f"{failure} with {old}={first}; tried {new}={describe_value(rival.value)}",
    )


def _read_again(source: ValueSource, rival: Rival) -> ValueSource:
    if rival.path == rival.replaced and source.name:
        return replace(source, value=rival.value)  # the item that was looked up, by its name in place of its id
    is_pending = pending_lookup(rival.value) is not None
    origin = Origin.LOOKUP if is_pending else Origin.WORDS
    value = describe_value(rival.value) if is_pending else rival.value
    return replace(source, argument=".".join(rival.path), value=value, origin=origin, name="", sure=rival.sure)
