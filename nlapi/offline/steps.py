"""Turns a chosen operation into Plans: at once, or by way of a look-up of what the sentence only names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nlapi.offline.answer import answer, failure
from nlapi.offline.catalogue import Catalogue
from nlapi.offline.entities import Wanted, entity_of, thing_of
from nlapi.offline.fill import nest
from nlapi.offline.given import Values, argument_name, complete, missing_of, wanted_in
from nlapi.offline.items import Item, Rated, alike, answers_to, id_of, items_in, name_of, pick
from nlapi.offline.pages import MOST, next_page
from nlapi.offline.slots import Family, Slot
from nlapi.openapi.spec import Operation
from nlapi.tools.plan import Outcome, Plan, Step, Turn
from nlapi.tools.tool import Call, Missing, Tool

_FILTERS = ("name", "q", "query", "search", "title", "keyword", "filter_name", "name_contains", "search_term", "text")
_MOST_CHOICES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """The call to be made in the end, with names in it that are still to be looked up."""

    tool: Tool
    values: Values
    confidence: float
    question: str
    note: str = ""
    """what of the sentence is in none of the values"""


def plan_for(goal: Goal, catalogue: Catalogue, known: Mapping[str, Any], *, filtered: bool = True) -> Plan:
    """The next Plan on the way to `goal`: a look-up when a name is left in it, else the call itself."""
    slots = catalogue.slots(goal.tool)
    values, missing = complete(goal.values, slots, known)
    goal = replace(goal, values=values)
    for slot in slots:
        wanted = wanted_in(values.get(slot.path))
        listing = catalogue.find(wanted.lister) if wanted is not None else None
        tool = catalogue.tool(listing) if listing is not None else None
        if wanted is not None and tool is not None:
            return _look_up(goal, slot, wanted, tool, catalogue, known, filtered=filtered)
    return _final(goal, missing)


def _final(goal: Goal, missing: tuple[Slot, ...]) -> Plan:
    call = Call(tool=goal.tool, arguments=nest(goal.values), id="call")
    needs = missing_of(goal.tool, missing)
    return Plan(
        calls=(call,),
        confidence=goal.confidence,
        missing=needs,
        understood=_noted(understood(call), goal),
        text=_asking(needs),
        raw={"planner": "offline", "stage": "call"},
    )


def _look_up(
    goal: Goal,
    slot: Slot,
    wanted: Wanted,
    tool: Tool,
    catalogue: Catalogue,
    known: Mapping[str, Any],
    *,
    filtered: bool,
) -> Plan:
    """List the things of the kind that `slot` wants, so that the next round can pick the one called `wanted.name`."""
    listings = (tool, *catalogue.other_listers(goal.tool, slot, tool))
    tries = [(one, *_listing(goal, catalogue.slots(one), known)) for one in listings]
    tool, values, missing = next((one for one in tries if not one[2]), tries[0])
    by_name = _name_filter(catalogue.slots(tool))
    if filtered and by_name is not None:
        values[by_name.path] = wanted.name
    call = Call(tool=tool, arguments=nest(values), id="lookup", reason=f"to find the id of {wanted.name!r}")
    needs = missing_of(tool, missing)
    what = thing_of(slot)
    final = Call(tool=goal.tool, arguments={".".join(path): _said(value) for path, value in goal.values.items()})
    raw = {
        "planner": "offline",
        "stage": "lookup",
        "operation": goal.tool.operation.id,
        "values": [[list(path), _plain(value)] for path, value in goal.values.items()],
        "slot": list(slot.path),
        "name": wanted.name,
        "filtered": filtered and by_name is not None,
        "confidence": goal.confidence,
        "note": goal.note,
        "pages": 1,
        "rated": [],
    }
    return Plan(
        calls=(call,),
        confidence=goal.confidence,
        missing=needs,
        understood=_noted(f"find the {what} called {wanted.name!r}, then {understood(final)}", goal),
        text=_asking(needs),
        raw=raw,
    )


def _listing(goal: Goal, slots: Sequence[Slot], known: Mapping[str, Any]) -> tuple[Values, tuple[Slot, ...]]:
    """What a listing must be told, from the goal and what is known, and what of it neither says."""
    must = [one for one in slots if one.required]
    shared = {one.path: goal.values[one.path] for one in must if one.path in goal.values}
    names = set(map(argument_name, must))
    hints = {name: value for name, value in known.items() if name in names}
    return complete({path: value for path, value in shared.items() if wanted_in(value) is None}, slots, hints)


def _name_filter(slots: tuple[Slot, ...]) -> Slot | None:
    """The query parameter of a listing that keeps only what is called so."""
    free = {
        slot.name.lower(): slot
        for slot in slots
        if slot.where == "query" and slot.family is Family.TEXT and not slot.many
    }
    return next((free[name] for name in _FILTERS if name in free), None)


def go_on(turn: Turn, catalogue: Catalogue, known: Mapping[str, Any]) -> Plan:
    """The Plan after the last round of `turn`: the call that a look-up was for, or the answer."""
    last = next(round for round in reversed(turn.rounds) if round.steps)
    step, raw = last.steps[-1], last.plan.raw
    if not (isinstance(raw, Mapping) and raw.get("stage") == "lookup"):
        return Plan(text=answer(turn.question, last.steps), raw={"planner": "offline", "stage": "answer"})
    if step.outcome is not Outcome.DONE or step.result is None:
        return Plan(text=answer(turn.question, last.steps), raw={"planner": "offline", "stage": "answer"})
    if not step.result.ok:
        return Plan(text=f"Looking up {raw['name']!r} failed. {failure(step.result)}")
    return _picked(turn, step, raw, catalogue, known)


def _picked(turn: Turn, step: Step, raw: Mapping[str, Any], catalogue: Catalogue, known: Mapping[str, Any]) -> Plan:
    operation = catalogue.find(raw["operation"])
    tool = catalogue.tool(operation) if operation is not None else None
    if tool is None or step.result is None:
        return Plan(text=f"{raw['operation']} is not among the operations any more.", confidence=0.0)
    goal = Goal(
        tool=tool,
        values=_values(raw["values"]),
        confidence=raw["confidence"],
        question=turn.question,
        note=raw["note"],
    )
    slot = next(one for one in catalogue.slots(tool) if list(one.path) == raw["slot"])
    things = items_in(step.result.data) or []
    rated = [*map(_rated, raw["rated"]), *_rate(raw["name"], slot, things)]
    given = known.get(argument_name(slot))
    if given is not None:
        return plan_for(_with(goal, slot, _chosen(given, rated)), catalogue, known)
    found, pages = pick(rated), raw["pages"]
    exact = bool(found) and found[0][0] == 1.0
    arguments = next_page(catalogue.slots(step.call.tool), step.call.arguments, step.result, things)
    unread = arguments is not None and not (pages > 1 and _repeats(turn, things))
    if not exact and unread and arguments and pages < MOST:
        kept = [one for one in rated if one in found][:_MOST_CHOICES] + rated[:_MOST_CHOICES]
        return _page_on(
            step.call, arguments, {**raw, "pages": pages + 1, "rated": list(map(list, dict.fromkeys(kept)))}
        )
    if len(found) == 1 and (exact or not unread):
        if found[0][1] is not None:
            return plan_for(_with(goal, slot, found[0][1]), catalogue, known)
        return Plan(text=f"{found[0][2]} was found, but the answer gives no id for it.", confidence=0.2)
    if not found and raw["filtered"]:
        return plan_for(goal, catalogue, known, filtered=False)
    return _ask_which(tool, slot, raw["name"], found or rated, found=bool(found), unread=pages if unread else 0)


def _chosen(given: Any, rated: Sequence[Rated]) -> Any:
    """The id that a user's choice is, or the id of what he called by its name."""
    same = [id for _, id, title in rated if id is not None and given in (id, str(id), title)]
    near = pick([(alike(str(given), title), id, title) for _, id, title in rated if id is not None])
    return same[0] if same else near[0][1] if len(near) == 1 else given


def _rate(name: str, slot: Slot, things: Sequence[Item]) -> list[Rated]:
    entity = entity_of(slot)
    return [(answers_to(name, thing), id_of(thing, slot.name, entity), name_of(thing)) for thing in things]


def _rated(row: Sequence[Any]) -> Rated:
    worth, id, name = row
    return worth, id, name


def _repeats(turn: Turn, things: Sequence[Item]) -> bool:
    """Did the last two answers list the same? Then the API pays no heed to the page that is asked for."""
    answers = [step.result.data for step in turn.steps if step.result is not None][-2:]
    return len(answers) == 2 and bool(things) and items_in(answers[0]) == things


def _page_on(call: Call, arguments: Mapping[str, Any], raw: Mapping[str, Any]) -> Plan:
    """Read the next page of the same look-up."""
    call = replace(call, arguments=dict(arguments), reason=f"to look for {raw['name']!r} on the next page")
    text = f"look for {raw['name']!r} on page {raw['pages']}"
    return Plan(calls=(call,), confidence=raw["confidence"], understood=text, raw=dict(raw))


def _with(goal: Goal, slot: Slot, id: Any) -> Goal:
    """`goal` with an id in the place of a name."""
    value = goal.values[slot.path]
    if isinstance(value, list):
        filled: Any = [id if isinstance(one, Wanted) else one for one in value]
    else:
        filled = id
    return replace(goal, values={**goal.values, slot.path: filled})


def _ask_which(tool: Tool, slot: Slot, name: str, rated: Sequence[Rated], *, found: bool, unread: int) -> Plan:
    """One question: which of these is meant? `unread` is the number of pages read when there are more of them."""
    choices = {str(id): title for _, id, title in rated[:_MOST_CHOICES] if id is not None}
    what = thing_of(slot)
    shown = ", ".join(f"{title} ({id})" if title else id for id, title in choices.items())
    start = f"There is no {what} called {name!r}"
    if unread:
        read = "the first page" if unread == 1 else f"the first {unread} pages"
        start = f"No {what} called {name!r} is on {read}, and there are more that were not read"
    if found:
        start = f"Several answer to {name!r}" if len(choices) > 1 else f"{start}; near to it"
    text = f"{start}{f': {shown}' if shown else ''}."
    if not choices:
        return Plan(text=text, confidence=0.3)
    missing = Missing(
        tool=tool, argument=argument_name(slot), description=text, choices=tuple(choices), schema=slot.schema
    )
    return Plan(text=text, confidence=0.3, missing=(missing,), raw={"planner": "offline", "stage": "ask"})


def understood(call: Call) -> str:
    """What a call means, on one line: Update a campaign: status=PAUSED."""
    operation = call.tool.operation
    head = operation.summary.strip().rstrip(".") or operation.id
    said = ", ".join(f"{name}={_said(value)}" for name, value in call.arguments.items())
    return f"{head} ({said})" if said else head


def _noted(text: str, goal: Goal) -> str:
    return f"{text}; {goal.note}" if goal.note else text


def _said(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(_said, value))
    return f"the id of {value.name!r}" if isinstance(value, Wanted) else str(value)


def _asking(missing: tuple[Missing, ...]) -> str:
    if not missing:
        return ""
    names = ", ".join(
        f"{one.argument} ({one.description.rstrip('.')})" if one.description else one.argument for one in missing
    )
    return f"Still needed: {names}."


def _plain(value: Any) -> Any:
    """A value with its Wanteds as JSON."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return {"$wanted": value.name, "lister": value.lister} if isinstance(value, Wanted) else value


def _values(rows: list[Any]) -> Values:
    return {tuple(path): _wanting(value) for path, value in rows}


def _wanting(value: Any) -> Any:
    if isinstance(value, list):
        return [_wanting(one) for one in value]
    if isinstance(value, Mapping) and "$wanted" in value:
        return Wanted(name=value["$wanted"], lister=value["lister"])
    return value


def can_do(operations: tuple[Operation, ...], title: str) -> str:
    """A few examples of what an API can do, one a tag."""
    shown: dict[str, str] = {}
    for operation in operations:
        tag = operation.tags[0] if operation.tags else operation.path.strip("/").partition("/")[0]
        if operation.summary and tag not in shown:
            shown[tag] = operation.summary.strip().rstrip(".")
        if len(shown) == 5:
            break
    return f"{title or 'This API'} can, for example: {'; '.join(shown.values())}." if shown else ""
