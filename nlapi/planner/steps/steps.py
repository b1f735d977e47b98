"""The plan after an answer: the next step of a look-up, the next page, a second try, or the end of the turn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from nlapi.openapi.spec import Effect, Operation
from nlapi.planner.answering.aggregates import items_at_ordinal
from nlapi.planner.answering.answers import failure_reason, pages_of
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.slots.assignment import nest_values
from nlapi.planner.slots.entities import ONLY_RESOURCE, accepts_name, is_subject, takes_name_or_id
from nlapi.planner.slots.preset_values import argument_name, complete_values
from nlapi.planner.slots.slot import Family, Slot
from nlapi.planner.steps.goal_plan import DOUBTED, find_tool, gone_plan, plan_goal, rated_again
from nlapi.planner.steps.item_match import (
    DOT_SCORE,
    best_matches,
    chosen_id,
    items_of,
    longest_name,
    name_similarity,
    score_items,
)
from nlapi.planner.steps.lookup import MAX_CHOICES, NOT_FOUND, choice_plan, page_plan
from nlapi.planner.steps.second_try import attempts_of, is_answered, second_try, tried
from nlapi.planner.steps.state import Goal, LookupStage, LookupState, ScoredItem, state_of
from nlapi.planner.steps.turn_end import MAX_PAGES, answer_views, end_of_turn, next_page_plan, repeats_page
from nlapi.reading.numbers import ORDINALS
from nlapi.resources.answers import extract_item
from nlapi.resources.identity import Item, field_at, id_of, name_of
from nlapi.tools.answers.view import next_call
from nlapi.tools.plan import Outcome, Plan, Step, Turn
from nlapi.tools.tool import Call


def next_plan(
    turn: Turn, catalogue: Catalogue, known_values: Mapping[str, object], *, today: date | None = None
) -> Plan:
    """Return the plan after the last round of a turn: a step of a look-up, a page, another try, or the answer."""
    attempts = attempts_of(turn)
    plan = _plan_after(attempts[-1], catalogue, known_values, today)
    if plan.calls:
        return plan
    if len(attempts) == 1:
        if (other := second_try(turn, catalogue, known_values)) is not None:
            return other
    elif not is_answered(attempts[-1], plan) and turn.steps[-1].effect is Effect.READ:
        attempt = attempts[0]
        attempts, plan = [attempt], _plan_after(attempt, catalogue, known_values, today)
        # The calls after it may have been answered, and the exit code has to say that the question was not.
        result = attempt.steps[-1].result
        plan = replace(plan, failure="" if result is not None and result.ok else plan.text)
    if not (note := tried(attempts[-1])) or not plan.views:
        return plan
    first, *views = plan.views
    return replace(end_of_turn([replace(first, text=f"{first.text} ({note})"), *views]), failure=plan.failure)


# Statuses of a list that cannot be filtered as it was asked for.
_FILTER_FAULTS = (400, 422, 500, 501)


def _plan_after(turn: Turn, catalogue: Catalogue, known_values: Mapping[str, object], today: date | None) -> Plan:
    """Return the plan after the last round of one try."""
    last = next(round for round in reversed(turn.rounds) if round.steps)
    step, state = last.steps[-1], state_of(last.plan)
    if isinstance(state, LookupState) and step.outcome is Outcome.ANSWERED and step.result is not None:
        return _continue_lookup(turn, step, state, catalogue, known_values, today)
    if (page := next_page_plan(turn, today)) is not None:
        return page
    return end_of_turn(answer_views(turn.question, turn.rounds, several=catalogue.several, today=today))


def _slot_accepts_name(operation: Operation, slot: Slot) -> bool:
    """Return whether the description of an operation says that it takes its item by name."""
    is_coded = slot.family is Family.NUMBER or slot.item.get("format") == "uuid"
    return not is_coded and is_subject(operation, slot) and accepts_name(operation)


def _continue_lookup(
    turn: Turn,
    step: Step,
    state: LookupState,
    catalogue: Catalogue,
    known_values: Mapping[str, object],
    today: date | None,
) -> Plan:
    """Return the plan after an answered call of a look-up."""
    reason = failure_reason(step.call, step.result) if step.result is not None else ""
    # Some servers cannot filter by the name of what they list, and fail at it.
    is_filter_refused = state.filtered and step.result is not None and step.result.status in _FILTER_FAULTS
    if reason and not is_filter_refused:
        subject = f"Looking up {state.name!r}" if state.name else "Finding out who you are"
        return Plan(text=f"{subject} failed. {reason}", confidence=NOT_FOUND)
    # The state may be from a transcript, and the description have changed since.
    operation = state.goal.tool.operation
    tool = find_tool(catalogue, operation.id, catalogue.spec(operation.spec.source))
    slots = catalogue.slots(tool) if tool is not None else ()
    slot = next((slot for slot in slots if slot.path == state.slot), None)
    if tool is None or slot is None:
        return gone_plan(operation.id)
    goal = replace(state.goal, tool=tool)
    if reason:
        return plan_goal(goal, catalogue, known_values, filtered=False)
    lookup = _Lookup(
        turn=turn,
        step=step,
        state=state,
        goal=goal,
        slot=slot,
        catalogue=catalogue,
        known_values=known_values,
        today=today,
    )
    return lookup.next_plan()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lookup:
    """A look-up whose last call, `step`, was answered; `slot` of the goal takes the id that it is for."""

    turn: Turn
    step: Step
    state: LookupState
    goal: Goal
    slot: Slot
    catalogue: Catalogue
    known_values: Mapping[str, Any]
    today: date | None

    def next_plan(self) -> Plan:
        if self.state.each is not None:
            return self._plan_each()
        if self.state.stage is LookupStage.ITEM or not self.state.name:
            return self._plan_from_item()
        return self._plan_by_order() if self.state.place else self._plan_by_name()

    @property
    def _reads(self) -> bool:
        return self.goal.final_call.effect is Effect.READ

    def _next_page(self, pages: int) -> Call | None:
        """Return the call of the page after `pages`; None without one, that of before where none asks for it."""
        if self.step.result is None or (pages > 1 and repeats_page(self.turn)):
            return None
        return next_call(self.step.call, self.step.result)

    def _reply_plan(self, items: list[ScoredItem]) -> Plan | None:
        """Return the plan with the item that the user has chosen; None where he has not."""
        reply = self.known_values.get(argument_name(self.slot))
        id = None if reply is None else chosen_id(reply, items)
        # A sentence that is typed where an item is asked for is not an id: make it red.
        is_sentence = isinstance(id, str) and len(id.split()) > 1 and id not in (item.id for item in items)
        return None if id is None or is_sentence else self._plan_with(self.goal.with_id(self.slot, id))

    def _plan_with(self, goal: Goal, *, filtered: bool = True) -> Plan:
        return plan_goal(goal, self.catalogue, self.known_values, filtered=filtered)

    def _plan_each(self) -> Plan:
        from nlapi.planner.steps.each import plan_after_list

        pages, today = pages_of(self.turn.steps), self.today or date.today()
        return plan_after_list(pages, self.state, self.goal, self.slot, self.catalogue, self.known_values, today)

    def _plan_by_name(self) -> Plan:
        """Return the plan after a page of a listing: with the match, for the next page, or a question."""
        page = items_of(self.step, self.state.kind)
        names = [*map(name_of, page), *(item.name for item in self.state.scored)]
        if not self.state.field and (longer := longest_name(self.turn.question, self.state.name, names)):
            return self._with_name(longer)._plan_by_name()
        state, goal = self.state, self.goal
        items = [*state.scored, *score_items(state, self.slot, page, self.turn.question)]
        if (plan := self._reply_plan(items)) is not None:
            return plan
        matches, next_page = best_matches(items), self._next_page(state.pages)
        is_exact, unread = bool(matches) and matches[0].score == 1.0, next_page is not None
        # Where something speaks against the change, a later page may have a longer name that uses all words.
        is_whole = is_exact and (self._reads or goal.confidence > DOUBTED)
        if not is_whole and next_page is not None and next_page != self.step.call and state.pages < MAX_PAGES:
            stored = matches[:MAX_CHOICES] + items[:MAX_CHOICES]
            after = replace(state, pages=state.pages + 1, scored=tuple(dict.fromkeys(stored)))
            return page_plan(next_page, after, goal)
        if len(matches) == 1 and (is_exact or (not unread and (self._reads or not state.exact))):
            return self._plan_with_item(matches[0])
        if not matches and state.filtered:
            # Some APIs filter by the whole name only, and the question may have a part of it.
            return self._plan_with(goal, filtered=False)
        matched = bool(matches)
        return choice_plan(
            goal.tool, self.slot, state, matches or items, matched=matched, unread=state.pages if unread else 0
        )

    def _with_name(self, name: str) -> _Lookup:
        """Return the look-up of a longer name in the sentence, in which the words of the first one are."""
        goal = rated_again(self.goal.with_whole_name(self.slot, name), self.catalogue, self.known_values)
        stored = (replace(item, score=name_similarity(name, item.name)) for item in self.state.scored)
        return replace(self, goal=goal, state=replace(self.state, goal=goal, name=name, scored=tuple(stored)))

    def _plan_by_order(self) -> Plan:
        """Return the plan after a page of a listing from which an item is selected by order or description."""
        state, goal, place = self.state, self.goal, self.state.place
        pages = pages_of(self.turn.steps)
        items = [item for page in pages for item in items_of(page, state.kind)]
        if (plan := self._reply_plan(score_items(state, self.slot, items))) is not None:
            return plan
        next_page = None if place == ONLY_RESOURCE else self._next_page(len(pages))
        is_on_page = place in ORDINALS and ORDINALS[place] < len(items)
        has_way = next_page is not None and next_page != self.step.call
        if next_page is not None and has_way and len(pages) < MAX_PAGES and not is_on_page:
            return page_plan(next_page, replace(state, pages=state.pages + 1), goal)
        matches = items_at_ordinal(place, self.step.call.tool.operation, items)
        # A list may be in any order, so for a change the user has to confirm an item selected by order.
        if len(matches) == 1 and (place == ONLY_RESOURCE or self._reads):
            return self._plan_with_item(*score_items(state, self.slot, matches))
        if not items:
            return Plan(text=f"There is no {state.kind}.", confidence=NOT_FOUND)
        choices = score_items(state, self.slot, matches or items)
        return choice_plan(goal.tool, self.slot, state, choices, matched=bool(matches))

    def _plan_with_item(self, item: ScoredItem) -> Plan:
        """Return the plan with the id of an item, or first the read of the item where only that has the field."""
        state, goal, operation = self.state, self.goal, self.goal.tool.operation
        if item.id is None:
            text = f"{item.name} was found, but the answer gives no {state.field or 'id'} for it."
            return Plan(text=text, confidence=0.2)
        id = item.id
        if item.score == 1.0 and takes_name_or_id(self.slot) and not (state.field or state.place):
            # An item may have several names, and the user has chosen one of them.
            id = state.name
        elif item.name and not state.field and _slot_accepts_name(operation, self.slot):
            id = item.name
        tool = find_tool(self.catalogue, state.via, operation.spec) if state.via else None
        if tool is None:
            name = state.name if item.score >= DOT_SCORE or state.place else item.name
            goal = rated_again(goal.with_id(self.slot, id, name), self.catalogue, self.known_values)
            return self._plan_with(goal)
        id_slot = next((slot for slot in reversed(self.catalogue.slots(tool)) if slot.location == "path"), None)
        if id_slot is None:
            return Plan(text=f"{tool.operation.id} takes no id.", confidence=0.2)
        values, _ = complete_values({id_slot.path: id}, self.catalogue.slots(tool), self.known_values)
        text = f"read the {state.field} of {item.name!r}"
        return Plan(
            calls=(Call(tool=tool, arguments=nest_values(values), id="lookup", reason=f"to {text}"),),
            goal=goal.final_call,
            confidence=goal.confidence,
            understood=text,
            raw=replace(state, stage=LookupStage.ITEM),
        )

    def _plan_from_item(self) -> Plan:
        """Return the plan with the id, or the field, of the item that was read."""
        data = self.step.result.data if self.step.result is not None else None
        item: Item = extract_item(data, self.step.call.tool.operation) or {}
        field = self.state.field
        value = field_at(item, field) if field else id_of(item, self.slot.name)
        if isinstance(value, list) and not self.slot.is_array:
            if len(value) > 1 and all(isinstance(entry, str | int) for entry in value):
                choices = [ScoredItem(score=1.0, id=entry, name="") for entry in value]
                state = replace(self.state, place=ONLY_RESOURCE, field="")
                return choice_plan(self.goal.tool, self.slot, state, choices, matched=True)
            value = value[0] if value else None
        if value is None:
            return Plan(text=f"The answer gives no {field or 'id'}.", confidence=0.2)
        return self._plan_with(self.goal.with_id(self.slot, value))
