"""The end of a turn: further pages of a listing that the question is about, and the answers of its calls."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from nlapi.openapi.spec import Effect
from nlapi.planner.answering.answers import answer_question, list_of_step, pages_of, question_about_list
from nlapi.planner.steps.state import CallState, LookupState, state_of, texts_used
from nlapi.tools.answers.view import AnswerView, next_call
from nlapi.tools.plan import Outcome, Plan, Round, Step, Turn

# Pages that are read for a look-up or an aggregate; with the calls around them they fit into one turn of the loop.
MAX_PAGES = 8
_MAX_FAILURES = 10
# The confidence of an answer that leaves out a condition of the question.
_UNCERTAIN = 0.3


def end_of_turn(views: Sequence[AnswerView], note: str = "") -> Plan:
    """Return the plan that ends a turn with the views of its answers; `note` is about what was not done."""
    confidence = 1.0 if all(view.is_certain for view in views) else _UNCERTAIN
    text = "\n".join(filter(None, (view.text for view in views))) + note
    return Plan(text=text, views=tuple(views), confidence=confidence)


def answer_views(question: str, rounds: Sequence[Round], *, several: bool, today: date | None) -> list[AnswerView]:
    """Return the answers of the rounds of a clause: one, or one for each call that was made together.

    With `several` APIs each begins with the title of its API.
    """
    last = next(round for round in reversed(rounds) if round.steps)
    steps = last.steps
    together = len(steps) > 1
    groups = [[step] for step in steps] if together else [[step for round in rounds for step in round.steps]]
    applied = list(texts_used(round.plan for round in rounds))
    if together:
        applied += [value for step in steps for value in step.call.arguments.values() if isinstance(value, str)]
    text = _without_ordinals(question, rounds)
    views = [answer_question(text, group, applied=applied, today=today) for group in groups]
    if together and last.plan.independent:
        views, groups = [_view_of_each(steps, views)], groups[:1]
    if not several:
        return views
    titles = [group[-1].call.tool.operation.spec.title for group in groups]
    return [replace(view, text=f"{title}: {view.text}") for view, title in zip(views, titles, strict=True)]


def _view_of_each(steps: Sequence[Step], views: Sequence[AnswerView]) -> AnswerView:
    """Return the answers to a change of each of several items as one: the items as they are now, and what failed."""
    pairs = list(zip(steps, views, strict=True))
    done = [view for step, view in pairs if step.result is not None and step.result.ok]
    operation = steps[0].call.tool.operation
    failures = dict.fromkeys(
        f"{step.call.label}: {view.text}" if step.outcome is Outcome.ANSWERED and step.call.label else view.text
        for step, view in pairs
        if view not in done
    )
    counted = f"{operation.summary.strip().rstrip('.') or operation.id}: {len(done)} of {len(steps)} done."
    lines = [counted, *list(failures)[:_MAX_FAILURES]] if done or len(failures) > 1 else list(failures)
    rows = tuple(row for view in done for row in view.rows)
    columns = done[0].columns if done else ()
    return AnswerView(text="\n".join(lines), rows=rows, columns=columns, operation=operation)


def _without_ordinals(question: str, rounds: Sequence[Round]) -> str:
    """Return the question without the words (oldest, second) that look-ups have selected items by."""
    for round in rounds:
        match state_of(round.plan):
            case LookupState(place=place) if place:
                question = re.sub(rf"\b{re.escape(place)}\b", "", question, flags=re.IGNORECASE)
    return question


def next_page_plan(turn: Turn, today: date | None) -> Plan | None:
    """Return the plan that reads the next page of a listing; None unless the question is about all of its items."""
    step = turn.steps[-1]
    listed = list_of_step(step)
    if listed is None or not listed.object_entries or not step.result or not step.result.ok:
        return None
    pages = pages_of(turn.steps)
    is_last = len(pages) >= MAX_PAGES or (len(pages) > 1 and repeats_page(turn))
    if step.call.effect is not Effect.READ or is_last:
        return None
    following = next_call(step.call, step.result)
    applied = texts_used(round.plan for round in turn.rounds)
    listing = question_about_list(
        _without_ordinals(turn.question, turn.rounds), pages, listed, applied, today or date.today()
    )
    if following is None or following == step.call or not listing.needs_all:
        return None
    call = replace(following, reason="to have all of them")
    return Plan(calls=(call,), understood=f"read page {len(pages) + 1}, to have all of them", raw=CallState())


def repeats_page(turn: Turn) -> bool:
    """Return whether the last two answers list the same, as of an API that ignores the argument for the page."""
    answers = [step for step in turn.steps if step.result is not None][-2:]
    lists = [listed.entries for step in answers if (listed := list_of_step(step)) is not None]
    return len(lists) == 2 and bool(lists[1]) and lists[0] == lists[1]
