"""Questions with several clauses: each is planned by itself, and they run in order."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import TYPE_CHECKING

from nlapi.english.intents import METHODS, VERBS, Intent
from nlapi.english.words import singular, split_words, stem
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import Effect, Operation
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.slots.entities import operation_noun_stems
from nlapi.planner.steps.state import CallState, ClauseState, LookupState, clause_of, state_of, texts_used, with_clause
from nlapi.tools.plan import Conversation, Outcome, Plan, Round, Turn

if TYPE_CHECKING:
    from nlapi.tools.answer_view import AnswerView

# Pages that are read for a look-up or an aggregate; with the calls around them they fit into one turn of the loop.
MAX_PAGES = 8
# The confidence of an answer that leaves out a condition of the question.
_UNCERTAIN = 0.3


def end_of_turn(views: Sequence[AnswerView], note: str = "") -> Plan:
    """Return the plan that ends a turn with the views of its answers; `note` is about what was not done."""
    confidence = 1.0 if all(view.is_certain for view in views) else _UNCERTAIN
    text = "\n".join(filter(None, (view.text for view in views))) + note
    return Plan(text=text, views=tuple(views), confidence=confidence)


def clauses_of(turn: Turn) -> list[tuple[str, tuple[Round, ...]]]:
    """Return the clauses of a question that have rounds, with these; the question where it is a single clause."""
    clauses: list[tuple[str, tuple[Round, ...]]] = []
    current: ClauseState | None = None
    for round in turn.rounds:
        # The next page of a look-up has the clause of the first one in its state too.
        clause = clause_of(round.plan)
        if not clauses or (clause is not None and clause != current):
            clauses.append((clause.sentence if clause is not None else turn.question, ()))
        current = clause or current
        clauses[-1] = (clauses[-1][0], (*clauses[-1][1], round))
    return clauses or [(turn.question, ())]


def answer_views(question: str, rounds: Sequence[Round], *, several: bool, today: date | None) -> list[AnswerView]:
    """Return the answers of the rounds of a clause: one, or one for each call that was made together.

    With `several` APIs each begins with the title of its API.
    """
    from nlapi.planner.answering.answers import answer_question

    steps = next(round.steps for round in reversed(rounds) if round.steps)
    together = len(steps) > 1
    groups = [[step] for step in steps] if together else [[step for round in rounds for step in round.steps]]
    applied = list(texts_used(round.plan for round in rounds))
    if together:
        applied += [value for step in steps for value in step.call.arguments.values() if isinstance(value, str)]
    text = _without_ordinals(question, rounds)
    views = [answer_question(text, group, applied=applied, today=today) for group in groups]
    if not several:
        return views
    titles = [group[-1].call.tool.operation.spec.title for group in groups]
    return [replace(view, text=f"{title}: {view.text}") for view, title in zip(views, titles, strict=True)]


def _without_ordinals(question: str, rounds: Sequence[Round]) -> str:
    """Return the question without the words (oldest, second) that look-ups have selected items by."""
    for round in rounds:
        match state_of(round.plan):
            case LookupState(place=place) if place:
                question = re.sub(rf"\b{re.escape(place)}\b", "", question, flags=re.IGNORECASE)
    return question


def next_page_plan(turn: Turn, today: date | None) -> Plan | None:
    """Return the plan that reads the next page of a listing; None unless the question is about all of its items."""
    from nlapi.planner.answering.answers import list_of_step, pages_of, question_about_list
    from nlapi.tools.answer_view import next_arguments

    step = turn.steps[-1]
    listed = list_of_step(step)
    if listed is None or not listed.object_entries or not step.result or not step.result.ok:
        return None
    pages = pages_of(turn.steps)
    is_last = len(pages) >= MAX_PAGES or (len(pages) > 1 and repeats_page(turn))
    if step.call.effect is not Effect.READ or is_last:
        return None
    arguments = next_arguments(step.call, step.result)
    question, rounds = clauses_of(turn)[-1]
    applied = texts_used(round.plan for round in rounds)
    listing = question_about_list(_without_ordinals(question, rounds), pages, listed, applied, today or date.today())
    if not arguments or not listing.needs_all:
        return None
    call = replace(step.call, arguments=dict(arguments), reason="to have all of them")
    return Plan(calls=(call,), understood=f"read page {len(pages) + 1}, to have all of them", raw=CallState())


def repeats_page(turn: Turn) -> bool:
    """Return whether the last two answers list the same, as of an API that ignores the argument for the page."""
    from nlapi.planner.answering.answers import list_of_step

    answers = [step for step in turn.steps if step.result is not None][-2:]
    lists = [listed.entries for step in answers if (listed := list_of_step(step)) is not None]
    return len(lists) == 2 and bool(lists[1]) and lists[0] == lists[1]


# More clauses are prose rather than a list of commands.
_MAX_CLAUSES = 4
# The least confidence of a clause by itself: below it the question is planned as a whole. A read does no harm, so less
# is enough.
_MIN_CONFIDENCE = 0.35
_MIN_READ_CONFIDENCE = 0.2
_BOUNDARY = lazy_pattern(
    r"(?<=[.;!?])\s+|\s*,\s*(?:and\s+)?(?:then\s+|also\s+)?|\s+(?:and|then)\s+(?:then\s+|also\s+)?", re.IGNORECASE
)
# A noun phrase with an owner asks to be shown: and [the ads of Summer Sale].
_OWNED = lazy_pattern(r"^(?:all )?(?:the|my|its|their) [a-z]+(?: [a-z]+)? (?:of|for|in) \S", re.IGNORECASE)
# A clause that says why something is asked: [I have 5 euros.] How much is that in dollars?
_REASON = lazy_pattern(
    r"^\W*(?:hey|hi|hello|i(?:['’]m| am| have|['’]ve)|we(?:['’]re| are| have)?|my|our)\b", re.IGNORECASE
)
# A clause that commands nothing: [make sure I miss none].
_ASIDE = lazy_pattern(r"^(?:make|be) sure (?:i|we|you|it)\b", re.IGNORECASE)
_POLITE = lazy_pattern(
    r"^(?:(?:also|additionally|then|next|afterwards?|finally|please|kindly|and|after (?:that|this)"
    r"|i(?:['’]d| would)? (?:also )?(?:like|want|need) (?:you )?to|i(?:['’]ll| will) (?:also )?need (?:you )?to"
    r"|(?:can|could|would|will) you(?: please)?(?: also)?)\b[,\s]*)+",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClausePlan:
    """A clause of a question and its plan."""

    sentence: str
    plan: Plan

    @property
    def operation(self) -> Operation | None:
        """The operation that the clause leads to."""
        call = self.plan.goal or (self.plan.calls[-1] if self.plan.calls else None)
        return call.tool.operation if call is not None else None

    @property
    def is_read(self) -> bool:
        return self.operation is not None and self.operation.effect is Effect.READ


def plan_clauses(question: str, catalogue: Catalogue, plan: Callable[[str], Plan]) -> list[ClausePlan]:
    """Return the clauses of a question with their plans.

    Nothing unless there are several, each is clear by itself and no two lead to the same operation.
    """
    clauses = _with_reasons(command_clauses(question, _api_verbs(catalogue)))
    if not 1 < len(clauses) <= _MAX_CLAUSES:
        return []
    planned: list[ClausePlan] = []
    for clause in clauses:
        is_owned = bool(planned) and _OWNED.match(clause) is not None
        sentence = f"show {clause}" if is_owned else clause
        item = ClausePlan(sentence=sentence, plan=plan(sentence))
        least = _MIN_READ_CONFIDENCE if item.is_read else _MIN_CONFIDENCE
        if not item.plan.calls or item.plan.missing or item.plan.confidence < least:
            return []
        if is_owned and not (item.is_read and planned[0].is_read):
            return []
        planned.append(item)
    return planned if len({item.operation for item in planned}) == len(planned) else []


def command_clauses(question: str, verbs: frozenset[str]) -> list[str]:
    """Return the parts of a question that begin with a verb of their own (of the language, or in `verbs`), in order."""
    parts: list[str] = []
    start = 0
    for match in _BOUNDARY.finditer(question):
        is_quoted = question.count('"', 0, match.start()) % 2 == 1
        rest = _POLITE.sub("", question[match.end() :])
        begins_clause = not is_quoted and (_begins_with_verb(rest, verbs) or _OWNED.match(rest))
        if begins_clause and question[start : match.start()].strip():
            parts.append(question[start : match.start()])
            start = match.end()
    parts.append(question[start:])
    return [clause for part in parts if (clause := _POLITE.sub("", part.strip()).strip(" ,;"))]


def _api_verbs(catalogue: Catalogue) -> frozenset[str]:
    """Return the stems of the first words of the ids and summaries of the operations."""
    names = (name for operation in catalogue.operations for name in (operation.id, operation.summary))
    stems = {stem(words[0]) for words in map(split_words, names) if words}
    return frozenset(word for word in stems if not catalogue.index.is_entity(word))


def _begins_with_verb(text: str, verbs: frozenset[str]) -> bool:
    # Only the first word counts, and the text may be long.
    words = split_words(text[:80])
    if not words or singular(words[0]) != words[0] or words[0].endswith(("ed", "ing")):
        return False
    return stem(words[0]) in VERBS or stem(words[0]) in verbs


def _with_reasons(clauses: list[str]) -> list[str]:
    """Return the clauses that command or ask something, each with the reason that stands before it."""
    joined: list[str] = []
    reason = ""
    for index, clause in enumerate(clauses):
        if _ASIDE.match(clause):
            continue
        text = f"{reason} {clause}".strip()
        is_reason = _REASON.match(clause) and index < len(clauses) - 1
        reason = text if is_reason else ""
        joined += [] if is_reason else [text]
    return joined


def unrelated_changes(planned: Sequence[ClausePlan], catalogue: Catalogue) -> list[str]:
    """Return the operations of clauses with different kinds of changes (create this, delete that); else nothing."""
    operations = [item.operation for item in planned if item.operation is not None]
    changes = [operation for operation in operations if catalogue.index.is_change(operation)]
    return [operation.id for operation in changes] if len(set(map(_intent, changes))) > 1 else []


def _intent(operation: Operation) -> Intent:
    if operation.method != "POST":
        return Intent.DELETE if operation.method in METHODS[Intent.DELETE] else Intent.UPDATE
    # A POST to what is no collection (/player/next) changes the state of what is there.
    last = split_words(operation.path.rstrip("/").rpartition("/")[2])
    is_collection = bool(operation_noun_stems(operation)) and bool(last) and singular(last[-1]) != last[-1]
    return Intent.CREATE if is_collection else Intent.UPDATE


def first_clause_plan(planned: Sequence[ClausePlan]) -> Plan:
    """Return the plan of the first clause, with those that follow in its preview and its state."""
    first, *rest = planned
    previews = "; then ".join(item.plan.understood for item in rest)
    plan = replace(
        first.plan,
        understood=f"{first.plan.understood}; then {previews}",
        confidence=min(item.plan.confidence for item in planned),
    )
    return with_clause(plan, first.sentence, [item.sentence for item in rest])


def next_clause_plan(
    conversation: Conversation, ended: Plan, plan: Callable[[str], Plan], *, several: bool, today: date | None
) -> Plan:
    """Return the plan of the next clause, or the answers to all clauses; `ended`, of a clause, where it is the only."""
    turn = conversation.current
    clause = next((clause for round in reversed(turn.rounds) if (clause := clause_of(round.plan)) is not None), None)
    if clause is None or not turn.steps:
        return ended
    from nlapi.planner.steps.followup import UnresolvedReference, resolve_references
    from nlapi.tools.answer_view import AnswerView

    views = [
        view
        for sentence, rounds in clauses_of(turn)[:-1]
        for view in answer_views(sentence, rounds, several=several, today=today)
    ]
    views += ended.views or (AnswerView(text=ended.text),)
    last = turn.steps[-1]
    if last.outcome is not Outcome.ANSWERED or last.result is None or not last.result.ok:
        return end_of_turn(views, f" Not done: {'; '.join(clause.following)}." if clause.following else "")
    if not clause.following:
        return end_of_turn(views)
    sentence, *following = clause.following
    try:
        next_plan = plan(resolve_references(sentence, conversation))
    except UnresolvedReference as unresolved:
        return end_of_turn([*views, AnswerView(text=str(unresolved))])
    if not next_plan.calls:
        return end_of_turn([*views, AnswerView(text=next_plan.text)])
    return with_clause(next_plan, sentence, following)
