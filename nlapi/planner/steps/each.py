"""A change of each of several items: pause every campaign that spent more than $100.

The sentence is read as two: one that lists the items, and one that changes a single one of them. The list is read whole
and narrowed by the words for its items as an answer is; then all changes are one question.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from nlapi.english import lexicon
from nlapi.english.words import plural, singular, split_words, stem
from nlapi.errors import UsageError
from nlapi.openapi.spec import Effect, Operation
from nlapi.planner.answering.list_question import ListQuestion, read_list_question
from nlapi.planner.answering.row_fields import count_phrase, field_stems
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.slots.preset_values import argument_name, pending_lookup
from nlapi.planner.slots.slot import Slot
from nlapi.planner.steps.clauses import EACH
from nlapi.planner.steps.goal_plan import DOUBTED, plan_goal
from nlapi.planner.steps.item_match import score_items
from nlapi.planner.steps.state import CallState, EachItem, Goal, LookupState
from nlapi.reading.question_intent import IntentKind
from nlapi.resources.identity import Item, is_empty
from nlapi.tools.plan import Plan, Step
from nlapi.tools.tool import Account, Call, Origin, ValueSource
from nlapi.tools.whole_list import MAX_CALLS, WholeList

_END = lexicon.pattern("planner/steps/words", "each_end", re.IGNORECASE)
_WORD = re.compile(r"[\w-]+")
# Words between the one for many and the noun of the items: all [active] campaigns.
_MAX_BEFORE_NOUN = 4
_MAX_WAYS = 6
# One item in place of all of them: an id, and a name that is none of another kind.
_STAND_INS = ("'Qzvx Alpha'", "918273645")

# The goal of a sentence, of an operation that is chosen if any; None where it has none that lacks no value.
GoalOf = Callable[[str, Operation | None], Goal | None]


@dataclass(frozen=True, slots=True)
class _Way:
    """A way to read a sentence: `words`, from `start` on, are for the items; `before` and `after` are the change."""

    before: str
    words: str
    start: int
    noun: str
    described: str
    after: str

    def change_of(self, item: str) -> str:
        """Return the sentence that changes one item."""
        return " ".join(filter(None, (self.before, f"the {self.noun}", item, self.after)))


def _ways(question: str, catalogue: Catalogue) -> Iterator[_Way]:
    """Yield the ways to read a sentence with a word for many, that with the longest words for its items first."""
    match = EACH.search(question)
    if match is None or not question[: match.start()].strip():
        return
    words = list(_WORD.finditer(question, match.end()))[: _MAX_BEFORE_NOUN + 1]
    nouns = [word for word in words if catalogue.index.is_entity(stem(singular(word.group().lower())))]
    if not nouns:
        return
    last = nouns[0]
    for word in nouns[1:]:  # ad sets
        if question[last.end() : word.start()].isspace():
            last = word
    first = nouns[0].start()
    noun = f"{question[first : last.start()]}{singular(last.group().lower())}"
    listed = f"{question[match.end() : last.start()]}{plural(singular(last.group().lower()))}"
    before, text = question[: match.start()].rstrip(), question.rstrip(" .!")
    ends = [len(text), *(found.start() for found in reversed(list(_END.finditer(text, last.end()))))]
    for end in ends[:_MAX_WAYS]:
        yield _Way(
            before=before,
            words=text[match.start() : end],
            start=match.start(),
            noun=noun,
            described=f"{listed}{text[last.end() : end]}",
            after=text[end:].strip(),
        )


def plan_each(question: str, catalogue: Catalogue, goal_of: GoalOf, known_values: Mapping[str, object]) -> Plan | None:
    """Return the first plan of a change of each of several items; None for any other sentence."""
    for way in _ways(" ".join(question.split()), catalogue):
        for stand_in in _STAND_INS:
            change = goal_of(way.change_of(stand_in), None)
            if change is None or change.unused or change.confidence <= DOUBTED or change.tool.effect is Effect.READ:
                continue
            goal = _goal_for_each(change, way, stand_in, catalogue, goal_of)
            if goal is not None:
                return plan_goal(goal, catalogue, known_values)
    return None


def _goal_for_each(change: Goal, way: _Way, stand_in: str, catalogue: Catalogue, goal_of: GoalOf) -> Goal | None:
    """Return the change of one item as that of all, where a list of the API has them."""
    slot = next(
        (slot for slot in catalogue.slots(change.tool) if _stands(change.values.get(slot.path), stand_in)), None
    )
    if slot is None or slot.is_array:
        return None
    for operation in catalogue.list_operations(change.tool, slot):
        listing = goal_of(f"list {way.described}", operation)
        if listing is None or listing.tool.operation is not operation:
            continue
        described = f"list {way.described}"
        target = EachItem(name=way.words, list_operation=operation.id, listing=listing, sentence=described)
        return _of_sentence(change, slot, way, target)
    return None


def _stands(value: object, stand_in: str) -> bool:
    pending = pending_lookup(value)
    return str(pending.name if pending is not None else value) == stand_in.strip("'")


def _of_sentence(change: Goal, slot: Slot, way: _Way, target: EachItem) -> Goal:
    """Return the goal of a change of one item as that of the whole sentence, with the places of its words there."""
    argument, end = argument_name(slot), way.start + len(way.words)
    behind = len(change.sentence) - len(way.after)
    sources = []
    for source in change.sources:
        if source.argument == argument:
            source = ValueSource(
                argument=argument,
                value=target.name,
                origin=Origin.LOOKUP,
                words=way.words,
                start=way.start,
                end=end,
                name=way.words,
            )
        elif source.start >= behind:
            moved = end + 1 - behind
            source = replace(source, start=source.start + moved, end=source.end + moved)
        sources.append(source)
    sentence = " ".join(filter(None, (way.before, way.words, way.after)))
    return replace(
        change,
        values={**change.values, slot.path: target},
        question=sentence,
        sentence=sentence,
        sources=tuple(sources),
        rivals=(),
    )


def plan_after_list(
    pages: Sequence[Step],
    state: LookupState,
    each: EachItem,
    goal: Goal,
    slot: Slot,
    catalogue: Catalogue,
    known_values: Mapping[str, object],
    today: date,
) -> Plan:
    """Return the plan after a page of the list: the next page, then all changes; nothing where it is not plain which.

    Whole or not at all: a page that cannot be read, a word that no field of the items tells, and more than MAX_CALLS
    items end the turn before any change.
    """
    try:
        whole = WholeList.of(pages)
        if whole.following is not None:
            call = replace(whole.following, id="lookup", reason="to have all of them")
            return Plan(calls=(call,), goal=goal.final_call, confidence=goal.confidence, raw=state)
        listed = _chosen(each, pages[-1].call, whole, today)
        return _changes(listed, state, goal, slot, catalogue, known_values)
    except UsageError as error:
        return Plan(text=f"Nothing was changed: {error}.", failure=str(error))


def _chosen(each: EachItem, call: Call, whole: WholeList, today: date) -> ListQuestion:
    """Return the list with the items that the sentence means. UsageError where not every word of it tells which."""
    used = [source.words for source in each.listing.sources if source.words]
    listed = read_list_question(each.sentence, call, whole.rows, None, more=False, applied=used, today=today)
    intent = listed.intent
    if unread := listed.filtered.unapplied:
        texts = ", ".join(map(repr, unread))
        raise UsageError(f"neither the request nor the entries of {call.operation_id} tell what {texts} means")
    if intent.kind is not IntentKind.SHOW or intent.is_superlative or intent.first or listed.groups or listed.order:
        raise UsageError(f"{each.name!r} is not plain; say it by fields of the items of {call.operation_id}")
    said = set(map(stem, split_words(each.sentence)))
    for condition in listed.filtered.conditions:
        is_guess = not condition.path or (
            listed.fields.is_temporal(condition.path) and not field_stems(condition.path) & said
        )
        if is_guess:
            raise UsageError(f"it is not said which field {condition.text!r} is about")
    _check_filters(call, listed.filtered.items)
    return listed


def _check_filters(call: Call, items: Sequence[Item]) -> None:
    """Refuse the answer of an API that ignores a filter of the request. UsageError."""
    for name, wanted in call.arguments.items():
        wire = call.tool.places.get(name, ("", name))[1]
        values = {str(value).lower() for value in (wanted if isinstance(wanted, list) else [wanted])}
        for item in items:
            cell = item.get(wire)
            if isinstance(cell, str | bool) and not is_empty(cell) and str(cell).lower() not in values:
                raise UsageError(f"{call.operation_id} was asked for {wire} {wanted}, and lists {cell!r} too")


def _from_list(call: Call, argument: str) -> Account | None:
    """Return the account of a call whose id an answer has: the user described its item, and did not name it."""
    account = call.account
    if account is None:
        return None
    sources = (
        replace(source, origin=Origin.ANSWER, name="") if source.argument == argument else source
        for source in account.sources
    )
    return replace(account, sources=tuple(sources))


def _changes(
    listed: ListQuestion,
    state: LookupState,
    goal: Goal,
    slot: Slot,
    catalogue: Catalogue,
    known_values: Mapping[str, object],
) -> Plan:
    """Return the plan of all changes, one for each id."""
    operation, items = listed.call.tool.operation, listed.filtered.items
    conditions = f" where {listed.filtered.text}" if listed.filtered.conditions else ""
    summary = f"{goal.tool.operation.id} for {len(items):,} of {count_phrase(listed.count, operation)}{conditions}"
    if not items:
        return Plan(text=f"Nothing was changed: none fits ({summary}).")
    calls: dict[str, Call] = {}
    for item in score_items(state, slot, items):
        if item.id is None:
            raise UsageError(f"an entry of {operation.id} has no {argument_name(slot)}")
        plan = plan_goal(goal.with_id(slot, item.id, item.name), catalogue, known_values)
        if plan.missing or len(plan.calls) != 1:
            return plan
        call = replace(plan.calls[0], id=f"each-{len(calls) + 1}", label=item.name)
        calls.setdefault(str(item.id), replace(call, account=_from_list(call, argument_name(slot))))
    if len(calls) > MAX_CALLS:
        raise UsageError(f"{summary}: {len(calls):,} calls, and {MAX_CALLS} are the most of one plan")
    return Plan(
        calls=tuple(calls.values()),
        understood=summary,
        confidence=goal.confidence,
        independent=True,
        raw=CallState(used=goal.used),
    )
