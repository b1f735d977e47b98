"""Turns a goal into Plans: at once, or by way of look-ups of what the sentence only names; and ends in the answer."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from nlapi.openapi.spec import Effect
from nlapi.planner.answering.aggregates import at_place
from nlapi.planner.answering.answers import answer, list_question, listed_in, pages_of, unanswered
from nlapi.planner.answering.client_filter import texts_applied
from nlapi.planner.language.ordinals import ORDINALS
from nlapi.planner.operations.accounts import from_json, moved, with_completed
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.slots.assignment import nest
from nlapi.planner.slots.entities import DESCRIBED, ONLY, takes_name_too
from nlapi.planner.slots.known_values import argument_name, coerce, complete, wanted_in
from nlapi.planner.slots.slot import Slot
from nlapi.planner.steps.described import described
from nlapi.planner.steps.goal import CALL, Goal, by_name_instead, final, is_told_by_name, values_of
from nlapi.planner.steps.lookup import (
    BUT_FOR_A_DOT,
    MOST_CHOICES,
    Rated,
    ask_which,
    chosen,
    look_up,
    page_on,
    pick,
    rate,
    things_of,
)
from nlapi.resources.answers import extract_item
from nlapi.resources.identity import Item, field_at, id_of
from nlapi.resources.naming import split_words, stem
from nlapi.tools.answer_view import AnswerView, next_arguments
from nlapi.tools.plan import Outcome, Plan, Round, Step, Turn
from nlapi.tools.tool import Call, Tool

_READS = re.compile(
    r"\W*(?:please )?(?:show|get|list|find|view|display|describe|look|tell|give|what|which|who|whose|when|where|how"
    r"|is|are|was|were|does|do|did|has|have)\b",
    re.IGNORECASE,
)
"""How a question begins that surely wants to be told something: that there is no such thing answers it."""

MOST = 8
"""Pages that are read to find a thing by its name; with the calls around them they fit into one turn."""

UNCERTAIN = 0.3
"""How sure an answer is that leaves out a condition of the question."""

CLEARLY = 0.8
"""How well a thing has to answer to a name when the same name is looked for among things of other kinds too."""


def plan_for(goal: Goal, catalogue: Catalogue, known: Mapping[str, Any], *, filtered: bool = True) -> Plan:
    """The next Plan on the way to `goal`: a look-up when a name is left in it, else the call itself."""
    slots = catalogue.slots(goal.tool)
    values, missing = complete(goal.values, slots, known)
    goal = replace(goal, values=values, sources=with_completed(goal.sources, values, slots, known))
    spec = goal.tool.operation.spec
    for slot in slots:
        wanted = wanted_in(values.get(slot.path))
        listing = catalogue.find(wanted.lister, spec) if wanted is not None else None
        tool = catalogue.tool(listing) if listing is not None else None
        if wanted is not None and tool is not None:
            made = look_up(goal, slot, wanted, tool, catalogue, known, filtered=filtered)
            return plan_for(made, catalogue, known) if isinstance(made, Goal) else made
    secrets = catalogue.secrets(goal.tool)
    given = {slot.path: coerce(known[argument_name(slot)], slot) for slot in secrets if argument_name(slot) in known}
    values = {**goal.values, **given}
    goal = replace(goal, values=values, sources=with_completed(goal.sources, values, (*slots, *secrets), known))
    return final(goal, (*missing, *(slot for slot in secrets if slot.required and slot.path not in given)))


def go_on(turn: Turn, catalogue: Catalogue, known: Mapping[str, Any], *, today: date | None = None) -> Plan:
    """The Plan after the last round of `turn`: the call that a look-up was for, more of a listing, or the answer."""
    last = next(round for round in reversed(turn.rounds) if round.steps)
    step, raw = last.steps[-1], last.plan.raw
    stage = raw.get("stage") if isinstance(raw, Mapping) else None
    if stage not in ("lookup", "via") or step.outcome is not Outcome.ANSWERED or step.result is None:
        if (named := by_name_instead(turn, catalogue)) is not None:
            return named
        return _more(turn, today) or _answered(turn, catalogue, today)
    if reason := unanswered(step.call, step.result):
        what = f"Looking up {raw['name']!r}" if raw["name"] else "Finding out who you are"
        return Plan(text=f"{what} failed. {reason}", confidence=0.3)
    operation = catalogue.find(raw["operation"], catalogue.spec(raw["source"]))
    tool = catalogue.tool(operation) if operation is not None else None
    if tool is None:
        return Plan(text=f"{raw['operation']} is not among the operations any more.", confidence=0.0)
    goal = _goal(turn, raw, tool, catalogue)
    slot = next(one for one in catalogue.slots(tool) if list(one.path) == raw["slot"])
    if stage == "via" or not raw["name"]:
        return _taken(goal, slot, step, raw, catalogue, known)
    return _picked(turn, goal, slot, step, raw, catalogue, known)


def _answered(turn: Turn, catalogue: Catalogue, today: date | None) -> Plan:
    question, rounds = clauses_of(turn)[-1]
    return final_answer(answers_to_rounds(question, rounds, several=len(catalogue.specs) > 1, today=today))


def final_answer(views: Sequence[AnswerView], left: str = "") -> Plan:
    """Return the end of a turn with what it shows; `left` says what was not done."""
    sure = 1.0 if all(view.is_certain for view in views) else UNCERTAIN
    text = "\n".join(filter(None, (view.text for view in views))) + left
    return Plan(text=text, views=tuple(views), confidence=sure, raw={"planner": "offline", "stage": "answer"})


def clauses_of(turn: Turn) -> list[tuple[str, tuple[Round, ...]]]:
    """Return the clauses of a question that have rounds, each with its own: the whole where it is of one."""
    clauses: list[tuple[str, tuple[Round, ...]]] = []
    before: Any = None
    for round in turn.rounds:
        chain = round.plan.raw.get("chain") if isinstance(round.plan.raw, Mapping) else None
        if not clauses or (chain is not None and chain != before):
            clauses.append((chain["asked"] if chain is not None else turn.question, ()))
        before = chain or before
        clauses[-1] = (clauses[-1][0], (*clauses[-1][1], round))
    return clauses or [(turn.question, ())]


def answers_to_rounds(question: str, rounds: Sequence[Round], *, several: bool, today: date | None) -> list[AnswerView]:
    """Return what the rounds of a question, or of a clause of it, answer: one view, or one for each call made together.

    With `several` APIs each says which one it is of.
    """
    together = next(round.steps for round in reversed(rounds) if round.steps)
    groups = (
        [[step] for step in together] if len(together) > 1 else [[step for round in rounds for step in round.steps]]
    )
    applied = [*texts_applied(round.plan.raw for round in rounds)]
    if len(together) > 1:
        applied += [value for step in together for value in step.call.arguments.values() if isinstance(value, str)]
    asked = _left_to_answer(question, rounds)
    views = [answer(asked, group, applied=applied, today=today) for group in groups]
    if not several:
        return views
    titles = [group[-1].call.tool.operation.spec.title for group in groups]
    return [replace(view, text=f"{title}: {view.text}") for view, title in zip(views, titles, strict=True)]


def _left_to_answer(question: str, rounds: Sequence[Round]) -> str:
    """The question without the places (oldest, second) that look-ups have picked things by."""
    for round in rounds:
        place = round.plan.raw.get("place") if isinstance(round.plan.raw, Mapping) else ""
        question = re.sub(rf"\b{re.escape(place)}\b", "", question, flags=re.IGNORECASE) if place else question
    return question


def _goal(turn: Turn, raw: Mapping[str, Any], tool: Tool, catalogue: Catalogue) -> Goal:
    return Goal(
        tool=tool,
        values=values_of(raw["values"]),
        confidence=raw["confidence"],
        question=turn.question,
        note=raw["note"],
        used=tuple(raw.get("used", ())),
        others=tuple((id, values_of(rows)) for id, rows in raw["others"]),
        tried=tuple(raw["tried"]),
        outer=raw.get("outer"),
        sentence=raw["sentence"],
        sources=from_json(raw["sources"]),
        unused=tuple(raw["unused"]),
        leads_to=_leads_to(raw, catalogue),
    )


def _leads_to(raw: Mapping[str, Any], catalogue: Catalogue) -> Call | None:
    """The call that a question leads to in the end, where what is going on is a step on the way of a step."""
    outer = raw.get("outer")
    if outer is None:
        return None
    operation = catalogue.find(outer["operation"], catalogue.spec(outer["source"]))
    tool = catalogue.tool(operation) if operation is not None else None
    if tool is None:
        return None
    return Goal(tool=tool, values=values_of(outer["values"]), confidence=outer["confidence"], question="").known


def _more(turn: Turn, today: date | None) -> Plan | None:
    """The next page of a listing whose every thing a question needs (how many, the most, a condition); else None."""
    step = turn.steps[-1]
    listed = listed_in(step)
    if listed is None or not listed.object_entries or not step.result or not step.result.ok:
        return None
    pages = pages_of(turn.steps)
    if step.call.tool.effect is not Effect.READ or len(pages) >= MOST or (len(pages) > 1 and _repeats(turn)):
        return None
    arguments = next_arguments(step.call, step.result)
    question, rounds = clauses_of(turn)[-1]
    applied = texts_applied(round.plan.raw for round in rounds)
    asked = list_question(_left_to_answer(question, rounds), pages, listed, applied, today or date.today())
    if not arguments or not asked.needs_all:
        return None
    call = replace(step.call, arguments=dict(arguments), reason="to have all of them")
    text = f"read page {len(pages) + 1}, to have all of them"
    return Plan(calls=(call,), understood=text, raw=CALL)


def _picked(
    turn: Turn,
    goal: Goal,
    slot: Slot,
    step: Step,
    raw: Mapping[str, Any],
    catalogue: Catalogue,
    known: Mapping[str, Any],
) -> Plan:
    """What a page of a look-up says: the thing is found, is on another page, or the user has to say which it is."""
    assert step.result is not None
    things = things_of(step, raw["kind"])
    if raw.get("place"):
        return _placed(turn, goal, slot, step, raw, catalogue, known)
    fresh = rate(raw, slot, things, turn.question)
    rated = [*map(_rated, raw["rated"]), *fresh]
    given = known.get(argument_name(slot))
    if given is not None:
        return plan_for(goal.with_id(slot, chosen(given, rated)), catalogue, known)
    found, pages = pick(rated), raw["pages"]
    exact = bool(found) and found[0][0] == 1.0
    arguments = next_arguments(step.call, step.result)
    unread = arguments is not None and not (pages > 1 and _repeats(turn))
    if not exact and unread and arguments and pages < MOST:
        kept = [one for one in rated if one in found][:MOST_CHOICES] + rated[:MOST_CHOICES]
        again = {**raw, "pages": pages + 1, "rated": list(map(list, dict.fromkeys(kept)))}
        return page_on(step.call, arguments, again, goal)
    clear = exact or (not unread and (not goal.others or (bool(found) and found[0][0] >= CLEARLY)))
    near = raw.get("exact") and not exact and (goal.leads_to or goal.known).tool.effect is not Effect.READ
    if len(found) == 1 and clear and not near:
        return _used(goal, slot, found[0], raw, catalogue, known)
    tried = (*goal.tried, raw["kind"])
    if goal.others and not exact:
        return _elsewhere(replace(goal, tried=tried), catalogue, known)
    if goal.tried and not found:
        kinds = f"{', '.join(f'no {kind}' for kind in tried[:-1])} and no {tried[-1]}"
        return Plan(text=f"There is {kinds} called {raw['name']!r}.", confidence=0.3)
    if not found and raw["filtered"]:
        return plan_for(goal, catalogue, known, filtered=False)
    ends = goal.leads_to or goal.known
    said = set(map(stem, split_words(turn.question)))
    sought = not found and not unread and ends.tool.effect is Effect.READ and _READS.match(turn.question)
    if sought and said.issuperset(map(stem, split_words(raw["kind"]))):
        absent = f"There is no {raw['kind']} called {raw['name']!r}."
        return final_answer([AnswerView(text=absent, operation=step.call.tool.operation)])
    return ask_which(goal.tool, slot, raw, found or rated, found=bool(found), unread=pages if unread else 0)


def _placed(
    turn: Turn,
    goal: Goal,
    slot: Slot,
    step: Step,
    raw: Mapping[str, Any],
    catalogue: Catalogue,
    known: Mapping[str, Any],
) -> Plan:
    """The goal with the thing at a place. For a change the user says which it is: a list may be in any order."""
    pages = pages_of(turn.steps)
    things = [thing for page in pages for thing in things_of(page, raw["kind"])]
    place, operation = raw["place"], step.call.tool.operation
    rated = rate(raw, slot, things)
    if (given := known.get(argument_name(slot))) is not None:
        return plan_for(goal.with_id(slot, chosen(given, rated)), catalogue, known)
    assert step.result is not None
    more = next_arguments(step.call, step.result)
    unread = place != ONLY and bool(more) and not (len(pages) > 1 and _repeats(turn))
    if unread and more and len(pages) < MOST and (place not in ORDINALS or ORDINALS[place] >= len(things)):
        return page_on(step.call, more, {**raw, "pages": raw["pages"] + 1}, goal)
    if place == DESCRIBED:
        found = list(described(raw["name"], things, step.call, date.today()).things)
    else:
        found = at_place(place, operation, things)
    ends = goal.leads_to or goal.known
    sure = place == ONLY or (place == DESCRIBED and not unread)
    if len(found) == 1 and (sure or ends.tool.effect is Effect.READ):
        (one,) = rate(raw, slot, found)
        return _used(goal, slot, one, raw, catalogue, known)
    if not things:
        return Plan(text=f"There is no {raw['kind']}.", confidence=0.3)
    asked = rate(raw, slot, found or things)
    return ask_which(goal.tool, slot, raw, asked, found=bool(found), unread=0)


def _used(
    goal: Goal, slot: Slot, found: Rated, raw: Mapping[str, Any], catalogue: Catalogue, known: Mapping[str, Any]
) -> Plan:
    """The goal with what was found, or first the call that shows the field which is wanted of it."""
    worth, id, name = found
    if id is None:
        wanted = raw["field"] or "id"
        return Plan(text=f"{name} was found, but the answer gives no {wanted} for it.", confidence=0.2)
    if worth == 1.0 and takes_name_too(slot) and not (raw["field"] or raw.get("place")):
        id = raw["name"]  # of several names of a thing the one that was said
    elif name and not raw["field"] and is_told_by_name(goal.tool.operation, slot):
        id = name
    via = catalogue.find(raw["via"], goal.tool.operation.spec) if raw["via"] else None
    tool = catalogue.tool(via) if via is not None else None
    if tool is None:
        called = raw["name"] if worth >= BUT_FOR_A_DOT or raw.get("place") else name
        return plan_for(goal.with_id(slot, id, called), catalogue, known)
    target = next((one for one in reversed(catalogue.slots(tool)) if one.where == "path"), None)
    if target is None:
        return Plan(text=f"{tool.operation.id} takes no id.", confidence=0.2)
    values, _ = complete({target.path: id}, catalogue.slots(tool), known)
    call = Call(tool=tool, arguments=nest(values), id="lookup", reason=f"to read the {raw['field']} of {name!r}")
    text = f"read the {raw['field']} of {name!r}"
    return Plan(
        calls=(call,), goal=goal.known, confidence=goal.confidence, understood=text, raw={**raw, "stage": "via"}
    )


def _taken(
    goal: Goal, slot: Slot, step: Step, raw: Mapping[str, Any], catalogue: Catalogue, known: Mapping[str, Any]
) -> Plan:
    """The goal with what one thing, shown, says of itself."""
    data = step.result.data if step.result is not None else None
    thing: Item = extract_item(data, step.call.tool.operation) or {}
    value = field_at(thing, raw["field"]) if raw["field"] else id_of(thing, slot.name)
    if isinstance(value, list) and not slot.many:
        if len(value) > 1 and all(isinstance(entry, str | int) for entry in value):
            several = [(1.0, entry, "") for entry in value]
            return ask_which(goal.tool, slot, {**raw, "place": ONLY, "field": ""}, several, found=True, unread=0)
        value = value[0] if value else None
    if value is None:
        return Plan(text=f"The answer gives no {raw['field'] or 'id'}.", confidence=0.2)
    return plan_for(goal.with_id(slot, value), catalogue, known)


def _elsewhere(goal: Goal, catalogue: Catalogue, known: Mapping[str, Any]) -> Plan:
    """The same name among things of another kind."""
    (id, values), *rest = goal.others
    operation = catalogue.find(id, goal.tool.operation.spec)
    tool = catalogue.tool(operation) if operation is not None else None
    if tool is None:
        return Plan(text=f"{id} is not among the operations any more.", confidence=0.0)
    others = replace(goal, tool=tool, values=values, others=tuple(rest), sources=moved(goal.sources, values))
    return plan_for(others, catalogue, known)


def _rated(row: Sequence[Any]) -> Rated:
    worth, id, name = row
    return worth, id, name


def _repeats(turn: Turn) -> bool:
    """Whether the last two answers list the same: then the API pays no heed to the page that is asked for."""
    answers = [step for step in turn.steps if step.result is not None][-2:]
    lists = [listed.entries for step in answers if (listed := listed_in(step)) is not None]
    return len(lists) == 2 and bool(lists[1]) and lists[0] == lists[1]
