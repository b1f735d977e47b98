"""A change of each of several items: pause every campaign that spent more than $100.

The sentence is read as two: one that lists the items, and one that changes a single one of them. The list is read whole
and narrowed by the words for its items as an answer is; then all changes are one question.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import product

from nlapi.changes.sentences import has_closed_values
from nlapi.english import lexicon
from nlapi.english.command_verbs import parse_command
from nlapi.english.intents import STOPWORDS, VERBS, Intent
from nlapi.english.words import singular, split_words, stem, stems_of
from nlapi.errors import UsageError
from nlapi.openapi.spec import Effect, Operation
from nlapi.planner.answering.list_question import ListQuestion, read_list_question
from nlapi.planner.answering.row_fields import (
    count_phrase,
    field_stems,
    field_words,
    join_words,
    plural_name,
    singular_name,
)
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.operations.id_resolution import all_flag
from nlapi.planner.slots.entities import ID_WORDS
from nlapi.planner.slots.preset_values import Values, argument_name, pending_lookup
from nlapi.planner.slots.slot import Slot
from nlapi.planner.steps.goal_plan import DOUBTED, describe_arguments, describe_value, plan_goal
from nlapi.planner.steps.item_match import nested_field, score_items
from nlapi.planner.steps.state import CallState, EachItem, Goal, LookupState
from nlapi.reading.clauses import opening_length
from nlapi.reading.question_intent import IntentKind
from nlapi.resources.identity import Item, id_of, is_empty
from nlapi.tools.answers.view import page_arguments
from nlapi.tools.answers.whole_list import MAX_CALLS, WholeList
from nlapi.tools.plan import Plan, Step
from nlapi.tools.tool import Account, Call, Origin, ValueSource

_EACH = lexicon.pattern("planner/steps/words", "each", re.IGNORECASE)
_THE = lexicon.pattern("planner/steps/words", "each_definite", re.IGNORECASE)
_LISTED = lexicon.pattern("planner/steps/words", "each_listed", re.IGNORECASE)
_OTHERS = lexicon.pattern("planner/steps/words", "each_other", re.IGNORECASE)
_REST = lexicon.pattern("planner/steps/words", "each_rest", re.IGNORECASE)
_CONDITION = lexicon.pattern("planner/steps/words", "each_condition", re.IGNORECASE)
_END = lexicon.pattern("planner/steps/words", "each_end", re.IGNORECASE)
_OR = lexicon.pattern("planner/steps/words", "each_or", re.IGNORECASE)
_WORD = re.compile(r"[\w-]+")
# Words between the one for many and the noun of the items: all [active] campaigns.
_MAX_BEFORE_NOUN = 4
_MAX_WAYS = 4
# The probability from which on words filter the list itself.
_SURE_FILTER = 0.5
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
    adjective: str
    rest: str
    after: str
    count: int = 0
    """the number of items that the sentence says; 0 without one"""

    def changes(self) -> Iterator[tuple[str, str]]:
        """Yield the ways to say the change of one item, each with what stands in for that."""
        for item in _STAND_INS:
            yield " ".join(filter(None, (self.before, f"the {self.noun}", item, self.after))), item

    def lists(self, kind: str) -> Iterator[str]:
        """Yield the sentences that may list the items, which the API calls `kind`."""
        yield " ".join(filter(None, ("list", self.adjective, kind, self.rest)))
        if self.after:  # close all issues [of the project X], which the list takes too
            yield " ".join(filter(None, ("list", self.adjective, kind, self.rest, self.after)))


def _ways(question: str, catalogue: Catalogue, *, needs_quantifier: bool) -> Iterator[_Way]:
    """Yield the ways to read a sentence that means several items, that with the longest words for them first."""
    start = opening_length(question)
    verb, length = parse_command(question[start:].lower().split())
    verbs = list(_WORD.finditer(question, start))[:length]
    if not verbs or VERBS.get(verb) is Intent.READ:
        return
    start = verbs[-1].end()
    each = list(_EACH.finditer(question, start))
    for first, after, is_plural in (
        *((match.start(), match.end(), False) for match in each),
        # Without a word for many a plural means all that it describes: pause [the active campaigns], pause [campaigns].
        *((match.start(), match.end(), True) for match in _THE.finditer(question, start)),
        (start + 1, start + 1, True),
    ):
        nouns = _nouns(question, after, catalogue)
        if nouns and (not is_plural or (_is_plural(nouns[-1].group()) and not needs_quantifier)):
            if not (_has_other_items(question, nouns[-1].end(), catalogue) or _REST.search(question, start)):
                count = next((int(match["count"]) for match in each if match.end() == after and match["count"]), 0)
                yield from (replace(way, count=count) for way in _ways_at(question, first, after, nouns))
            return


def words_for_many(question: str, account: Account | None, catalogue: Catalogue) -> str:
    """Return the words for all items of a kind that a sentence has, and no value of its plan; "" without any."""
    values = [(source.start, source.end) for source in account.sources] if account is not None else []
    for match in _EACH.finditer(question):
        nouns = _nouns(question, match.end(), catalogue)
        is_value = any(start <= match.start() < end for start, end in values)
        if nouns and match.start() and not is_value and question.count('"', 0, match.start()) % 2 == 0:
            return question[match.start() : nouns[-1].end()]
    return ""


def _nouns(question: str, start: int, catalogue: Catalogue) -> list[re.Match[str]]:
    """Return the first noun of the API in a noun phrase, of one or several words: active [ad sets]."""
    nouns: list[re.Match[str]] = []
    for word in list(_WORD.finditer(question, start))[: _MAX_BEFORE_NOUN + 1]:
        is_beside = not nouns or question[nouns[-1].end() : word.start()].isspace()
        if is_beside and catalogue.index.is_entity(stem(singular(word.group().lower()))):
            nouns.append(word)
        elif nouns or word.group().lower() in STOPWORDS:
            break
    return nouns


def _has_other_items(question: str, start: int, catalogue: Catalogue) -> bool:
    """Return whether a sentence goes on with items of another kind, which no list has: all campaigns [and ads]."""
    return any(_nouns(question, match.end(), catalogue) for match in _OTHERS.finditer(question, start))


def _is_plural(word: str) -> bool:
    return singular(word.lower()) != word.lower()


def _ways_at(question: str, start: int, after: int, nouns: Sequence[re.Match[str]]) -> Iterator[_Way]:
    last, text = nouns[-1], question.rstrip(" .!")
    ends = [len(text), *(boundary.start() for boundary in reversed(list(_END.finditer(text, last.end()))))]
    # What stands before a noun describes the items, or is a part of the noun: active campaigns, ssh keys.
    beginnings = dict.fromkeys((nouns[0].start(), after))
    for end, first in product(ends[:_MAX_WAYS], beginnings):
        yield _Way(
            before=question[:start].rstrip(),
            words=text[start:end],
            start=start,
            noun=f"{question[first : last.start()]}{singular(last.group().lower())}",
            adjective=question[after:first].strip(),
            rest=text[last.end() : end].strip(),
            after=text[end:].strip(),
        )


def plan_each(
    question: str, catalogue: Catalogue, goal_of: GoalOf, known_values: Mapping[str, object], *, needs_quantifier: bool
) -> Plan | None:
    """Return the first plan of a change of each of several items; None for any other sentence.

    With `needs_quantifier` a plural alone is not enough, as it may be a value.
    """
    for way in _ways(" ".join(question.split()), catalogue, needs_quantifier=needs_quantifier):
        for sentence, stand_in in way.changes():
            change = goal_of(sentence, None)
            slot = _changed_slot(change, stand_in, catalogue)
            if change is None or slot is None or _uses_noun(change, slot, way):
                continue
            if (goal := _goal_for_each(change, slot, way, catalogue, goal_of)) is not None:
                return plan_goal(goal, catalogue, known_values)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedItems:
    """The items that a conversation has listed last, which a pronoun stands for: the answer of `call` to `sentence`."""

    call: Call
    sentence: str
    ids: frozenset[str]

    @property
    def parents(self) -> dict[str, object]:
        """The arguments of the list in its path: the project that the issues are of."""
        places = self.call.tool.places
        return {name: value for name, value in self.call.arguments.items() if places.get(name, ("",))[0] == "path"}

    def pronoun_in(self, question: str) -> re.Match[str] | None:
        """Return the words of a command that are for all of them: pause [them], delete [all of these]."""
        match = _LISTED.search(question)
        is_object = match is not None and bool(question[: match.start()].strip())
        return match if match is not None and is_object and (not match["both"] or len(self.ids) == 2) else None


def plan_listed(
    question: str, listed: ListedItems, catalogue: Catalogue, goal_of: GoalOf, known_values: Mapping[str, object]
) -> Plan | None:
    """Return the first plan of a change of each item that was listed; None where no operation changes one of them."""
    question, operation = " ".join(question.split()), listed.call.tool.operation
    match = listed.pronoun_in(question)
    # What stands behind it may be a condition: archive those [with a spend under 100].
    if match is None or _CONDITION.match(question, match.end()):
        return None
    kind = plural_name(operation)
    named = re.compile(rf"\s+{re.escape(kind)}\b", re.IGNORECASE).match(question, match.end())
    end = named.end() if named is not None else match.end()
    way = _Way(
        before=question[: match.start()].rstrip(),
        words=f"the {kind}",
        start=match.start(),
        noun=singular_name(operation),
        adjective="",
        rest="",
        after=question[end:].strip(" .!"),
    )
    pages = page_arguments(listed.call.tool, sizes=True)
    values: Values = {(name,): value for name, value in listed.call.arguments.items() if name not in pages}
    listing = Goal(tool=listed.call.tool, values=values, confidence=1.0, question=listed.sentence)
    for sentence, stand_in in way.changes():
        change = goal_of(sentence, None)
        slot = _changed_slot(change, stand_in, catalogue)
        if change is None or slot is None or operation not in catalogue.list_operations(change.tool, slot):
            continue
        target = EachItem(
            name=way.words,
            list_operation=operation.id,
            listing=listing,
            sentence=listed.sentence,
            ids=tuple(sorted(listed.ids)),
        )
        return plan_goal(_of_sentence(change, slot, way, target), catalogue, known_values)
    return None


def _changed_slot(change: Goal | None, stand_in: str, catalogue: Catalogue) -> Slot | None:
    """Return the slot that takes the one item of a change; None where it is no plain change of one."""
    if change is None or change.unused or change.confidence <= DOUBTED or change.tool.effect is Effect.READ:
        return None
    slots = catalogue.slots(change.tool)
    return next((slot for slot in slots if _stands(change.values.get(slot.path), stand_in) and not slot.is_array), None)


def _uses_noun(change: Goal, slot: Slot, way: _Way) -> bool:
    """Return whether a change takes a value from the words for its items: mark all [open] invoices as paid."""
    start = len(way.before) + bool(way.before)
    end = start + len(f"the {way.noun}")
    others = (source for source in change.sources if source.argument != argument_name(slot))
    return any(start <= source.start < end for source in others)


def _goal_for_each(change: Goal, slot: Slot, way: _Way, catalogue: Catalogue, goal_of: GoalOf) -> Goal | None:
    """Return the change of one item as that of all, where a list of the API has them."""
    for operation in catalogue.list_operations(change.tool, slot):
        for described in way.lists(plural_name(operation)):
            listing = goal_of(described, operation)
            if listing is not None and listing.tool.operation is operation and _is_of_same(listing, change):
                filtered = _surely_filtered(listing, all_flag(catalogue.slots(listing.tool)))
                target = EachItem(
                    name=way.words,
                    list_operation=operation.id,
                    listing=filtered,
                    sentence=described,
                    count=way.count,
                )
                return _of_sentence(change, slot, way, target)
    return None


def _is_of_same(listing: Goal, change: Goal) -> bool:
    """Return whether what a list is of, is what the change is of too: the issues of one project."""
    shared = {argument for argument, place in listing.tool.places.items() if place[0] == "path"}
    return all(
        describe_value(value) == describe_value(change.values[path])
        for path, value in listing.values.items()
        if path[0] in shared and path in change.values
    )


def _surely_filtered(listing: Goal, every: Slot | None) -> Goal:
    """Return a list from its start and without unsure filters, whose words narrow its answer.

    `every` is its flag for all items, where it leaves some out by default: Docker lists running containers only.
    """
    pages = page_arguments(listing.tool, sizes=True)
    spoken = stems_of(listing.sentence)
    unsure = {
        source.argument
        for source in listing.sources
        if source.argument in pages or not _is_sure_filter(listing, source, spoken)
    } - set(listing.tool.required)
    values = {path: value for path, value in listing.values.items() if ".".join(path) not in unsure}
    values |= {every.path: True} if every is not None else {}
    sources = tuple(source for source in listing.sources if source.argument not in unsure)
    return replace(listing, values=values, sources=sources, note="", unused=())


def _is_sure_filter(listing: Goal, source: ValueSource, spoken: frozenset[str]) -> bool:
    """Return whether whole words of a list surely are a filter: one of its choices, or beside the filter's own noun."""
    text = f" {listing.sentence} "
    around = text[source.start], text[source.end + 1]
    is_whole = source.start < 0 or not any(mark.isalnum() or mark in "-_" for mark in around)
    is_closed = has_closed_values(Call(tool=listing.tool, arguments={}), source.argument)
    # A bare verb is no state: those with a [start] date are not all that are active.
    is_state = str(source.value).lower() == source.words.lower() or stem(source.words.lower()) not in VERBS
    is_state = is_state or source.words.lower().endswith(("ed", "ing"))
    is_named = not spoken.isdisjoint(set(map(stem, split_words(source.argument))) - ID_WORDS)
    return source.sure >= _SURE_FILTER and is_whole and ((is_closed and is_state) or is_named)


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
        assert state.each is not None
        listed = _chosen(state.each, pages[0].call, whole, today)
        return _changes(listed, state, goal, slot, catalogue, known_values)
    except UsageError as error:
        return Plan(text=f"Nothing was changed: {error}.", failure=str(error))


def _chosen(each: EachItem, call: Call, whole: WholeList, today: date) -> ListQuestion:
    """Return the list with the items that the sentence means. UsageError where not every word of it tells which."""
    used = [source.words for source in each.listing.sources if source.words]
    listed = read_list_question(each.sentence, call, whole.rows, None, more=False, applied=used, today=today)
    if fault := next(_unclear(each, listed), "") if whole.rows else "":
        raise UsageError(fault)
    items = listed.filtered.items
    _check_filters(call, items)
    if each.ids and set(each.ids) != {str(id_of(item)) for item in items}:
        count = f"{len(each.ids)} were shown, and the list has {len(items)}"
        raise UsageError(f"{count} or others now; list all of them, or name them")
    if each.count and each.count != len(items):
        raise UsageError(f"{each.name!r} are {each.count}, and {len(items)} fit")
    return listed


def _unclear(each: EachItem, listed: ListQuestion) -> Iterator[str]:
    """Yield what of a sentence does not tell which of the listed items it means."""
    name, filtered, intent = listed.call.operation_id, listed.filtered, listed.intent
    if filtered.unapplied:
        texts = ", ".join(map(repr, filtered.unapplied))
        yield f"neither the request nor the entries of {name} tell what {texts} means"
    if intent.kind is not IntentKind.SHOW or intent.is_superlative or intent.first or listed.groups or listed.order:
        yield f"{each.name!r} is not plain; say it by fields of the items of {name}"
    if filtered.fields:
        yield f"what {join_words(map(field_words, filtered.fields))} has to be is not said"
    conditions = filtered.conditions
    spoken = set(map(stem, split_words(each.sentence)))
    for condition in conditions:
        if not condition.path or (
            listed.fields.is_temporal(condition.path) and not field_stems(condition.path) & spoken
        ):
            yield f"it is not said which field {condition.text!r} is about"
    paths = {condition.path for condition in conditions}
    if len(paths) > 1 and _OR.search(each.sentence):
        yield f"{each.name!r} may mean that both conditions hold, or one of them"
    # A word without a meaning of its own may be a value: the videos in us.
    little = {word for word in split_words(each.sentence) if word in STOPWORDS}
    for path in set(listed.fields.paths) - paths:
        if values := little & {text.lower() for texts in listed.fields.texts(path) for text in texts}:
            yield f"{join_words(sorted(values))} may be a {field_words(path)}"
    currencies = {text for path in listed.fields.paths if stem("currency") in field_stems(path) for texts in
                  listed.fields.texts(path) for text in texts}  # fmt: skip
    if len(currencies) > 1 and any(map(listed.fields.is_numeric, paths)):
        yield f"the entries of {name} are in {join_words(sorted(currencies))}"


def _check_filters(call: Call, items: Sequence[Item]) -> None:
    """Refuse the answer of an API that ignores a filter of the request, where its entries show it. UsageError."""
    for name, wanted in call.arguments.items():
        wire = call.tool.places.get(name, ("", name))[1]
        values = {str(value).lower() for value in (wanted if isinstance(wanted, list) else [wanted])}
        for item in items:
            cell = nested_field(item, wire)
            cell = nested_field(item, wire.replace("_", ".")) if cell is None else cell
            if isinstance(cell, str | bool | int) and not is_empty(cell) and str(cell).lower() not in values:
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
    filters = f" with {describe_arguments(listed.call)}" if listed.call.arguments else ""
    conditions = f" where {listed.filtered.text}" if listed.filtered.conditions else ""
    whole = f"{count_phrase(listed.count, operation)}{filters}{conditions}"
    summary = f"{goal.tool.operation.id} for {len(items):,} of {whole}"
    if not items:
        return Plan(text=f"Nothing was changed: none fits ({summary}).")
    if len(items) > MAX_CALLS:
        raise UsageError(f"{summary}: {MAX_CALLS} calls are the most of one plan")
    calls: dict[str, Call] = {}
    for item in score_items(state, slot, items):
        if item.id is None:
            raise UsageError(f"an entry of {operation.id} has no {argument_name(slot)}")
        plan = plan_goal(goal.with_id(slot, item.id, item.name), catalogue, known_values)
        if plan.missing or len(plan.calls) != 1:
            return plan
        if str(item.id) in calls:
            raise UsageError(f"two entries of {operation.id} have the {argument_name(slot)} {item.id}")
        call = replace(plan.calls[0], id=f"each-{len(calls) + 1}", label=item.name)
        calls[str(item.id)] = replace(call, account=_from_list(call, argument_name(slot)))
    return Plan(
        calls=tuple(calls.values()),
        understood=summary,
        confidence=goal.confidence,
        independent=True,
        raw=CallState(used=goal.used),
    )
