"""Questions that depend on the turn before: the first one, pause it, and the paused ones?, next page, yes, 2."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from itertools import takewhile
from typing import Any

from nlapi.english import lexicon
from nlapi.english.intents import VERBS, Intent
from nlapi.english.words import singular, split_words, stem
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import Effect, Operation
from nlapi.planner.answering.answers import list_of_step, pages_of, question_about_list
from nlapi.planner.answering.row_fields import item_label, plural_name, singular_name
from nlapi.planner.operations.candidates import build_candidate
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.slots.entities import PendingLookup, id_like, operation_noun_stems, subject_of, takes_id
from nlapi.planner.slots.preset_values import Values, argument_name, coerce
from nlapi.planner.slots.slot import Slot
from nlapi.planner.steps.each import ListedItems
from nlapi.planner.steps.goal_plan import PlanFunction, plan_goal, plan_question
from nlapi.planner.steps.state import CallState, Goal, LookupState, state_of
from nlapi.planner.steps.steps import next_plan
from nlapi.reading.clauses import command_intent
from nlapi.reading.numbers import ORDINALS
from nlapi.reading.question_intent import read_intent
from nlapi.reading.reader import read_sentence
from nlapi.resources.answers import extract_item
from nlapi.resources.identity import Item, id_of, name_of
from nlapi.resources.nouns import singular_noun
from nlapi.tools.answers.view import next_call, page_arguments
from nlapi.tools.plan import Conversation, Outcome, Plan, Step, Turn
from nlapi.tools.tool import Call, Tool

_PLACES = {**ORDINALS, "last": -1}
_LISTED = lazy_pattern(
    rf"\b(?:the\s+)?(?:number\s+(?P<number>\d+)|(?P<word>{'|'.join(_PLACES)}))\b"
    r"(?P<noun>\s+(?:one|of\s+(?:them|these|those)|[a-z]+(?:\s+[a-z]+)?))?",
    re.IGNORECASE,
)
_PLACEHOLDER = lexicon.pattern("planner/steps/words", "placeholder")
_POSSESSIVE = lexicon.pattern("planner/steps/words", "possessive", re.IGNORECASE)
_PRONOUN = lexicon.pattern("planner/steps/words", "pronoun", re.IGNORECASE)
_PLURAL = lexicon.pattern("planner/steps/words", "plural", re.IGNORECASE)
_BACKWARD = lexicon.pattern("planner/steps/words", "backward", re.IGNORECASE)
_EXPLETIVE = lexicon.pattern("planner/steps/words", "expletive", re.IGNORECASE)
# Words after a noun that do not belong to it.
_AFTER_NOUN = lexicon.words("planner/steps/words", "after_noun")
_MAX_NAMES = 6


class UnresolvedReference(Exception):  # noqa: N818
    """A reference that no item answers to. The message is for the user; it never leaves the planner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """The items of an answered call, all of one kind, that a later question may refer to."""

    operation: Operation
    items: tuple[Item, ...]

    @classmethod
    def of(cls, before: Conversation, *, listed: bool = False) -> References | None:
        """Return the items of the last call whose answer has any; with `listed`, of the last that lists some."""
        for step in reversed(before.steps):
            if (items := _items(step)) and (not listed or _is_listing(step)):
                return cls(operation=step.call.tool.operation, items=tuple(items))
            is_named = not listed and (_is_unsent(step) or step.call.effect is not Effect.READ)
            if is_named and (named := cls.named_by(step.call.tool, step.call.arguments)) is not None:
                return named
        return None

    @classmethod
    def named_by(cls, tool: Tool, arguments: Mapping[str, object]) -> References | None:
        """Return the item that the arguments of a call name: its target, or the new item with its own name."""
        subject = subject_of(tool.operation.path)
        target = next((value for name, value in arguments.items() if tool.places.get(name) == ("path", subject)), None)
        item: dict[str, object]
        if isinstance(target, PendingLookup):
            item = {"name": target.name} if target.name and not (target.ordinal or target.field) else {}
        elif target is not None:
            item = {"id": target}
        else:
            body = {name: value for name, value in arguments.items() if tool.places.get(name, ("",))[0] == "body"}
            name = name_of(body, singular_noun(tool.operation)) if tool.effect is not Effect.READ else ""
            item = {"name": name} if name else {}
        return cls(operation=tool.operation, items=(item,)) if item else None

    def resolve(self, text: str) -> str:
        """Return a text with these items in place of its pronouns. UnresolvedReference where there are several."""
        return _resolve_pronoun(text, self)

    @property
    def noun(self) -> str:
        return singular_name(self.operation)

    def phrase(self, item: Item) -> str:
        """Return an item as a sentence names it: the campaign cmp_1."""
        id = id_of(item)
        text = name_of(item) if id is None else str(id)
        return f"the {self.noun} {text}" if id is not None and id_like(text) else f'the {self.noun} "{text}"'

    @property
    def single(self) -> str:
        """The phrase for the only item. UnresolvedReference where there are several."""
        if len(self.items) > 1:
            names = ", ".join(item_label(item, self.items) for item in self.items[:_MAX_NAMES])
            raise UnresolvedReference(f"Which one? There are {len(self.items)} {plural_name(self.operation)}: {names}.")
        return self.phrase(self.items[0])

    def at(self, index: int) -> str:
        """Return the phrase for the item at an index. UnresolvedReference where the list is shorter."""
        if index >= len(self.items):
            raise UnresolvedReference(f"Only {len(self.items)} {plural_name(self.operation)} were listed.")
        return self.phrase(self.items[index])


def has_ordinal(question: str) -> bool:
    """Return whether a question refers to an item by its position."""
    return _LISTED.search(question) is not None


def refers_back(clause: str) -> bool:
    """Return whether a clause of a question refers to what another one is about, by a pronoun or a position."""
    text = _EXPLETIVE.sub("", clause)
    return bool(_BACKWARD.search(text) or ((match := _LISTED.search(text)) and _PLACEHOLDER.fullmatch(_noun(match))))


def _noun(match: re.Match[str]) -> str:
    return " ".join((match["noun"] or "").lower().split())


def _items(step: Step) -> list[Item]:
    """Return the items in the answer of a step."""
    if step.result is None or not step.result.ok:
        return []
    if (listed := list_of_step(step)) is not None:
        return listed.object_entries
    item = extract_item(step.result.data, step.call.tool.operation)
    return [item] if item is not None and (id_of(item) is not None or name_of(item)) else []


def _is_unsent(step: Step) -> bool:
    """Return whether a call was shown and not sent."""
    return step.outcome in (Outcome.REFUSED, Outcome.PREVIEWED)


def _is_listing(step: Step) -> bool:
    return step.result is not None and step.result.ok and list_of_step(step) is not None


def resolve_references(question: str, before: Conversation) -> str:
    """Return the question with the items that it refers to by name. UnresolvedReference where the item is not clear.

    An ordinal is a position in the last listing, a pronoun the item of the last answer.
    """
    text = question
    last = next((turn for turn in reversed(before.turns) if turn.steps), Turn(question=""))
    changes = [step for step in last.steps if step.effect is not Effect.READ]
    if len(changes) > 1 and _PLURAL.search(question) and command_intent(question) is not Intent.READ:
        raise UnresolvedReference("Which ones? List them first, or describe them.")
    if (listed := References.of(before, listed=True)) is not None:
        text = _resolve_ordinal(question, listed)
    if text == question and (references := References.of(before)) is not None:
        text = _resolve_pronoun(question, references)
    bare = text.strip().rstrip(".?!")
    # `the ads of it` has no verb, and the sentence reader takes a noun phrase for no command.
    is_phrase = text != question and not any(stem(word) in VERBS for word in split_words(bare)[:3])
    return f"show {bare}" if is_phrase and bare.lower().startswith("the ") else text


def _resolve_ordinal(question: str, listed: References) -> str:
    match = _LISTED.search(question)
    if match is None:
        return question
    words = _noun(match).split()
    tail, after = question[match.end() :], ""
    if not words and tail.strip(" .?!'s"):
        return question
    if words and not _PLACEHOLDER.fullmatch(" ".join(words)):
        noun_words = listed.noun.split()
        if [singular(word) for word in words[: len(noun_words)]] == noun_words:
            after = " ".join(words[len(noun_words) :])
        elif words[0] == "one":
            after = " ".join(words[1:])
        else:
            return question
    index = int(match["number"]) - 1 if match["number"] else _PLACES[match["word"].lower()]
    return " ".join(f"{question[: match.start()]}{listed.at(index)} {after}{tail}".split())


def _resolve_pronoun(question: str, references: References) -> str:
    if match := _POSSESSIVE.search(question):
        return f"{question[: match.start()]}the {match['rest'].strip()} of {references.single}"
    for match in _PRONOUN.finditer(question):
        pronoun, noun_phrase = match.group().lower(), (match["noun"] or "").lower()
        tail = question[match.end() :]
        if noun_phrase:
            # `the campaign` refers back at the end of a sentence only: `the campaign Summer` names its item.
            names_item = pronoun.startswith("the ") and tail.strip(" .?!")
            if names_item or not _is_noun(noun_phrase, references.noun):
                continue
        elif pronoun == "it" and _EXPLETIVE.search(question):
            continue
        return f"{question[: match.start()]}{references.single}{noun_phrase.removeprefix(references.noun)}{tail}"
    if _PLURAL.search(question) is None:
        return question
    kind = plural_name(references.operation)
    if command_intent(question) is Intent.READ:
        return _PLURAL.sub(f"the {kind}", question, count=1)
    # A plural means all of its kind, and not those that were shown.
    if len(references.items) == 1:
        return _PLURAL.sub(references.single, question, count=1)
    raise UnresolvedReference(f"Which {kind}? List them first, or describe them: all active {kind}.")


def _is_noun(phrase: str, noun: str) -> bool:
    return phrase == noun or (phrase.startswith(f"{noun} ") and phrase.removeprefix(f"{noun} ") in _AFTER_NOUN)


# The confidence of a call that repeats the last one with something changed.
_REPEATED = 0.75
# A plan that is less sure was shown with its alternatives, so that a number may choose among them.
_MENU = 0.4
_YES = lexicon.pattern("planner/steps/words", "yes", re.IGNORECASE)
_NO = lexicon.pattern("planner/steps/words", "no", re.IGNORECASE)
_NEXT_PAGE = lexicon.pattern("planner/steps/words", "next_page", re.IGNORECASE)
_GO_ON = lexicon.pattern("planner/steps/words", "go_on", re.IGNORECASE)
_ALSO = lexicon.pattern("planner/steps/words", "also", re.IGNORECASE)
_ABOUT = lazy_pattern(r"^\W*(?:and )?(?:what|how) about\b", re.IGNORECASE)
_ONES = lexicon.pattern("planner/steps/words", "ones", re.IGNORECASE)
_NUMBER = lazy_pattern(r"\W*(?:number |no\.? |#)?(\d)\W*", re.IGNORECASE)
_ORDINAL = lexicon.pattern("planner/steps/words", "ordinal", re.IGNORECASE)
_ORDINALS = lexicon.ordered("planner/steps/words", "ordinals")
# Words of a reply that is a value; a longer one is a new question.
_MAX_REPLY = 6


def plan_follow_up(conversation: Conversation, catalogue: Catalogue, plan: PlanFunction, today: date) -> Plan:
    """Return the first plan for the last question, which may refer to the turns before it."""
    before = replace(conversation, turns=conversation.turns[:-1])
    question = conversation.current.question
    return _FollowUp(before=before, question=question, catalogue=catalogue, plan=plan, today=today).first_plan()


@dataclass(frozen=True, slots=True, kw_only=True)
class _FollowUp:
    """A question and the conversation `before` it."""

    before: Conversation
    question: str
    catalogue: Catalogue
    plan: PlanFunction
    today: date

    def first_plan(self) -> Plan:
        if (plan := self._reply_plan() or self._go_on() or self._next_page()) is not None:
            return plan
        is_about_all = self._is_about_all(self.question) and not has_ordinal(self.question)
        if is_about_all and (plan := self._repeat()) is not None:
            return plan
        listed = self._listed_items()
        if listed is not None and listed.pronoun_in(self.question) is not None:
            return self.plan(self.question, known=self.before.known_values, listed=listed)
        try:
            question = resolve_references(self.question, self.before)
        except UnresolvedReference as unresolved:
            return Plan(text=str(unresolved), confidence=0.3)
        if question == self.question and (plan := self._repeat()) is not None:
            return plan
        return self.plan(question, known=self.before.known_values)

    def _listed_items(self) -> ListedItems | None:
        """Return the items of the last answer, where it is a list and a change is commanded now."""
        step = _last_read(self.before, listed=True)
        if step is None or step is not self.before.steps[-1] or command_intent(self.question) is Intent.READ:
            return None
        turn = next(turn for turn in reversed(self.before.turns) if turn.steps)
        pages, listed = pages_of(turn.steps), list_of_step(step)
        shown = question_about_list(turn.question, pages, listed, (), self.today) if listed is not None else None
        items = shown.filtered.items if shown is not None else ()
        ids = frozenset(str(id_of(item)) for item in items)
        return ListedItems(call=pages[0].call, sentence=turn.question, ids=ids) if items else None

    def _reply_plan(self) -> Plan | None:
        """Return the plan for a reply to the question of the turn before; None where this is not a reply."""
        last, known_values = self.before.current, self.before.known_values
        is_yes = bool(_YES.match(self.question))
        if is_yes and (step := _unsent_step(last)) is not None:
            return Plan(calls=(step.call,), confidence=1.0, raw=CallState())
        pending = self._pending_plan()
        if pending is not None and pending.missing and (value := _reply_value(self.question, pending)) is not None:
            return self.plan(last.question, known={**known_values, pending.missing[0].argument: value})
        offered = _offered_calls(pending)
        if offered and (number := _reply_number(self.question)) is not None and number <= len(offered):
            return self.plan(last.question, known=known_values, chosen=offered[number - 1].tool.operation)
        if _NO.match(self.question):
            return Plan(text="Nothing was done.")
        return Plan(text="There is nothing to say yes to.", confidence=0.3) if is_yes else None

    def _pending_plan(self) -> Plan | None:
        """Return the plan that the turn before stopped at."""
        # A turn stores no plan that was not carried out, so it is planned again.
        last = self.before.current
        if not last.steps:
            return plan_question(self.before, self.catalogue, self.plan, self.today)
        plan = last.rounds[-1].plan
        is_lookup = isinstance(state_of(plan), LookupState) and bool(plan.calls)
        return next_plan(last, self.catalogue, self.before.known_values) if is_lookup else None

    def _go_on(self) -> Plan | None:
        """Return the plan of a question that stopped at a change; None where all of its changes were made.

        What was made, or may have been, is known to the ledger, and asked about.
        """
        if not _GO_ON.match(self.question):
            return None
        turns = self.before.turns
        start = next((at for at in reversed(range(len(turns))) if not _GO_ON.match(turns[at].question)), len(turns))
        steps = [step for turn in turns[start:] for step in turn.steps if step.call.effect is not Effect.READ]
        done = [(step.call.operation_id, step.call.arguments) for step in steps if step.result and step.result.ok]
        if len(done) == len(steps):
            return None
        conversation = replace(self.before, turns=turns[: start + 1])
        plan = plan_question(conversation, self.catalogue, self.plan, self.today)
        calls = tuple(call for call in plan.calls if (call.operation_id, call.arguments) not in done)
        return replace(plan, calls=calls)

    def _next_page(self) -> Plan | None:
        """Return the plan for the next page of the last listing; None where the question is another one."""
        if not _NEXT_PAGE.match(self.question):
            return None
        step = _last_read(self.before)
        if step is None or step.result is None or References.of(self.before) is None:
            return Plan(text="There is nothing yet to see more of.", confidence=0.3)
        following, listed = next_call(step.call, step.result), list_of_step(step)
        total = listed.total if listed is not None else None
        if following is None or (total is not None and _items_listed(self.before, step) >= total):
            return Plan(text="That was all of them.")
        if following == step.call:
            return Plan(text="There are more, but the API has no way to ask for them.", confidence=0.5)
        call = replace(following, id="call", reason="for the next page")
        text = f"the next page of: {step.call.tool.operation.summary.strip() or step.call.operation_id}"
        return Plan(calls=(call,), understood=text, raw=CallState())

    def _repeat(self) -> Plan | None:
        """Return the plan of the last read with the question's changes in it; None where it changes nothing."""
        start = _ALSO.match(self.question)
        is_about_all, figures = self._is_about_all(self.question), read_intent(self.question).needs_all_items
        if start is None and not is_about_all:
            return None
        step = _last_read(self.before, listed=is_about_all and figures) or _last_read(self.before)
        if step is None:
            return None
        text = self.question[start.end() :] if start else self.question
        known_values, is_entity = self.before.known_values, self.catalogue.index.is_entity
        tool, operation = step.call.tool, step.call.tool.operation
        stems = [stem(word) for word in split_words(text)]
        if stems and stems[0] in VERBS and not is_about_all:
            return self.plan(text, known=known_values)
        arguments = _arguments(step, self.catalogue)
        paging = page_arguments(tool, sizes=figures)
        candidate = build_candidate(read_sentence(text, self.today), self.catalogue, {}, operation, 0.0)
        options = candidate.assignment.candidates if candidate is not None else ()
        options = tuple(option for option in options if not figures or option.slot.path[0] not in paging)
        if not options and any(is_entity(word) and word not in operation_noun_stems(operation) for word in stems):
            ids = {argument_name(slot): value for slot, value in arguments.items() if takes_id(slot)}
            return self.plan(f"show {text}", known={**ids, **known_values})
        if not options and not (is_about_all and figures) and not self._narrows(text, step):
            is_question = is_about_all or (_ABOUT.match(self.question) and not any(map(is_entity, stems)))
            summary = operation.summary.strip().rstrip(".") or operation.id
            return Plan(text=f"{summary!r} has no argument for that.", confidence=0.3) if is_question else None
        values: Values = {slot.path: value for slot, value in arguments.items() if slot.path[0] not in paging}
        values |= {option.slot.path: option.value for option in options}
        used = tuple(text[option.start : option.end] for option in options)
        goal = Goal(tool=tool, values=values, confidence=_REPEATED, question=self.question, used=used)
        return plan_goal(goal, self.catalogue, known_values)

    def _narrows(self, text: str, step: Step) -> bool:
        """Return whether the fields of the last listing's items can answer a text (`and the pending ones`)."""
        listed = list_of_step(step)
        return listed is not None and question_about_list(text, [step], listed, (), self.today).is_narrower

    def _is_about_all(self, text: str) -> bool:
        """Return whether a question is about all items of a list: `which has the highest budget`."""
        words = split_words(text)
        # A change needs the item named: one word such as `ones` must not stand for many.
        if words and VERBS.get(stem(words[0]), Intent.READ) is not Intent.READ:
            return False
        has_entity = any(self.catalogue.index.is_entity(stem(word)) for word in words)
        return (read_intent(text).needs_all_items and not has_entity) or _ONES.search(text) is not None


def _unsent_step(turn: Turn) -> Step | None:
    """Return the last call of a turn where it was shown and not sent."""
    step = turn.steps[-1] if turn.steps else None
    return step if step is not None and _is_unsent(step) else None


def _reply_value(text: str, pending: Plan) -> str | None:
    """Return the value that a reply has for the missing slot; None where it is a new question."""
    choices = pending.missing[0].choices
    bare = text.strip().rstrip(".!")
    if choices:
        same = next((choice for choice in choices if choice.lower() == bare.lower()), None)
        number = _reply_number(bare)
        return choices[number - 1] if same is None and number is not None and number <= len(choices) else same
    words = split_words(bare)
    is_question = text.strip().endswith("?") or (len(words) > 1 and stem(words[0]) in VERBS)
    return bare if 0 < len(words) <= _MAX_REPLY and not is_question else None


def _reply_number(text: str) -> int | None:
    """Return the number of a choice that a reply has: 2, no. 2, the second one; 1 for yes."""
    if match := _NUMBER.fullmatch(text):
        return int(match[1]) or None
    if _YES.match(text):
        return 1
    match = _ORDINAL.fullmatch(text)
    return _ORDINALS.index(match[1].lower()) + 1 if match else None


def _offered_calls(pending: Plan | None) -> list[Call]:
    """Return the calls of the menu that an unsure plan is shown as."""
    if pending is None or not pending.calls or pending.confidence >= _MENU:
        return []
    calls = (pending.goal or pending.calls[-1], *pending.alternatives)
    return list({call.tool.operation: call for call in calls}.values())


def _items_listed(before: Conversation, last: Step) -> int:
    """Return the number of items in the pages that were read one after the other, up to the last."""
    pages = takewhile(lambda step: step.call.operation_id == last.call.operation_id, reversed(before.steps))
    return sum(len(listed.object_entries) for step in pages if (listed := list_of_step(step)) is not None)


def _last_read(before: Conversation, *, listed: bool = False) -> Step | None:
    """Return the last read that was answered; with `listed`, the last that lists items."""
    for step in reversed(before.steps):
        is_read = step.result is not None and step.result.ok and step.call.effect is Effect.READ
        if is_read and (not listed or list_of_step(step) is not None):
            return step
    return None


def _arguments(step: Step, catalogue: Catalogue) -> dict[Slot, object]:
    """Return the values of a call by slot."""
    values: dict[Slot, Any] = {}
    for slot in catalogue.slots(step.call.tool):
        value: Any = step.call.arguments
        for name in slot.path:
            value = value.get(name) if isinstance(value, Mapping) else None
        if value is not None:
            values[slot] = coerce(value, slot)
    return values
