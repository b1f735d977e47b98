"""The embedded planner: a sentence to a call without a model, a key or a network."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any

from nlapi.changes.sentences import find_change_command
from nlapi.openapi.spec import Effect, Operation, Spec
from nlapi.planner.language.commands import plainly_ordered
from nlapi.planner.language.english import foreign
from nlapi.planner.language.names import with_kinds
from nlapi.planner.language.reader import read_sentence
from nlapi.planner.language.text import Kind, Sentence
from nlapi.planner.operations.accounts import sources_of
from nlapi.planner.operations.api_selection import named_api
from nlapi.planner.operations.candidates import Candidate
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.operations.change_questions import unsaid_values
from nlapi.planner.operations.confidence import FEW, confidence, features, is_doubtful, is_meant
from nlapi.planner.operations.fallbacks import (
    ALTERNATIVES,
    CLAUDE,
    UNSURE,
    abilities,
    call_of,
    half_read,
    no_plan,
    nothing_does,
    too_much,
    unmatched,
)
from nlapi.planner.operations.fan_out import with_twins
from nlapi.planner.operations.field_question import field_read
from nlapi.planner.operations.id_resolution import completed, with_only_parents
from nlapi.planner.operations.intent_rewrites import as_command, other_goals, says_all, says_plainly
from nlapi.planner.operations.operation_choice import asks, asks_for_health, asks_who_i_am, best_of, likeliest
from nlapi.planner.operations.read_breadth import broadened
from nlapi.planner.operations.sureness import CHOSEN, TOSSED, settled_by_answer, surely, unsaid_words
from nlapi.planner.operations.vetoes import commands_change, forbids, refusal, supposes, unused
from nlapi.planner.operations.wire_forms import in_wire_form
from nlapi.planner.slots.known_values import Values, complete, wanted_in
from nlapi.planner.steps.change_confidence import sure_of_change
from nlapi.planner.steps.described import with_leftover_name
from nlapi.planner.steps.followup import follow
from nlapi.planner.steps.goal import Goal, final
from nlapi.planner.steps.multi_intent import begun, chained, next_clause, unrelated
from nlapi.planner.steps.steps import go_on, plan_for
from nlapi.resources.naming import stem
from nlapi.tools.plan import Conversation, Plan
from nlapi.tools.spelling import correct_spelling
from nlapi.tools.tool import Tool

LONGEST = 2000
"""Characters of a question that are read: nobody says one thing in more."""
LEGIBLE = 0.3
"""The least that a read is sure of which is planned from a sentence in another language than English."""
RIVAL = 2.0
"""How near another operation has to be to be offered beside one that only lacks a value."""
_HELP = re.compile(
    r"^\W*(?:help(?: me)?|what (?:can|could) (?:you|i|we|this|it)(?: api)? (?:do|ask)(?: here| with this)?)\W*$", re.I
)
_DOING = frozenset(map(stem, "type action operation mode method command op task".split()))
"""Words in the name of an argument that says what is done."""


def plan(
    question: str, tools: Iterable[Tool | Spec], known: Mapping[str, Any] | None = None, *, today: date | None = None
) -> Plan:
    """One decision: the call that `question` asks for, among `tools` (or the operations of whole Specs).

    `known` are values by argument name. What is required and not said is in `Plan.missing`; nothing is made up.
    """
    return OfflinePlanner(tools, today=today).plan(question, known=known)


class OfflinePlanner:
    """A Planner that needs nothing but the description. All it remembers between rounds is in the conversation."""

    name = "offline"

    def __init__(self, sources: Iterable[Spec | Tool], *, today: date | None = None) -> None:
        self.catalogue = Catalogue.of(sources)
        self.today = today

    async def next(self, conversation: Conversation) -> AsyncIterator[str | Plan]:
        """The next Plan, and no text before it."""
        turn, known = conversation.current, conversation.known_values
        if any(round.steps for round in turn.rounds):
            made = go_on(turn, self.catalogue, known, today=self.today)
            ended = not made.calls and not made.missing
            several = len(self.catalogue.specs) > 1
            if ended:
                plan = self._one_of(known, live=True)
                made = next_clause(conversation, made, plan, several=several, today=self.today)
            yield made
        else:
            yield follow(conversation, self.catalogue, partial(self.plan, live=True), self.today or date.today())

    def plan(
        self,
        question: str,
        *,
        known: Mapping[str, Any] | None = None,
        chosen: Operation | None = None,
        live: bool = False,
    ) -> Plan:
        """The first Plan for a question; for the operation that the user has `chosen`, if he did.

        A `live` one is carried out, so that it may first look whether there is but one of what it is to be told.
        """
        known = known or {}
        if chosen is None and len(question) < LONGEST:
            made = chained(question, self.catalogue, self._one_of(known, live=live))
            if wants := unrelated(made, self.catalogue):
                return too_much(wants, ())
            if made:
                return begun(made)
        return self._one(question, known, chosen, live=live)

    def _one_of(self, known: Mapping[str, Any], *, live: bool) -> Callable[[str], Plan]:
        return lambda question: self._one(question, known, live=live)

    def _one(
        self, question: str, known: Mapping[str, Any], chosen: Operation | None = None, *, live: bool = False
    ) -> Plan:
        """The first Plan for a question that asks for one thing."""
        catalogue = named_api(question, self.catalogue) if chosen is None else self.catalogue.part(chosen.spec)
        if chosen is None and _HELP.match(question):
            return Plan(text=abilities(catalogue))
        sentence = read_question(question, catalogue, self.today or date.today())
        if chosen is None and (field := field_read(sentence, catalogue, known)) is not None:
            if what := _uncarried(field, catalogue):
                return nothing_does(field.operation.spec, what, likeliest(sentence, catalogue, known, None))
            return _planned(field, (), catalogue, known, question, sure=CHOSEN, live=live)
        found = likeliest(sentence, catalogue, known, chosen)
        language = foreign(sentence)
        if not found or not (is_meant(found) or _is_certain(found[0])):
            return unmatched(catalogue, found, language)
        best, others = best_of(found, sentence, catalogue, known)
        strange = best.unasked and (not best.filling.options or asks(sentence.text))
        if chosen is None and strange and not _forbidden(best):
            return unmatched(catalogue, (), "")
        if (no := self._refused(best, found, catalogue)) is not None:
            return replace(no, alternatives=tuple(map(call_of, found[:ALTERNATIVES])))
        sure = CHOSEN if chosen is not None else 0.0
        made = _planned(best, others, catalogue, known, question, sure=sure, live=live)
        certain = chosen is not None or _is_certain(best)
        if not certain and not language and is_doubtful(found):
            made = replace(made, confidence=min(TOSSED, made.confidence))
        least = LEGIBLE if best.tool.effect is Effect.READ else CHOSEN
        if language and (made.confidence < least or made.missing):
            few = len(catalogue.operations) < FEW and not catalogue.index.is_change(best.operation)
            return half_read(made, language) if few else unmatched(catalogue, found, language)
        return made

    def _refused(self, best: Candidate, found: Sequence[Candidate], catalogue: Catalogue) -> Plan | None:
        """The Plan that says why the likeliest operation must not be planned, or what contradicts itself in it."""
        changes = catalogue.index.is_change(best.operation)
        if what := _uncarried(best, catalogue):
            return nothing_does(best.operation.spec, what, found)
        if (changes and (why := refusal(best, catalogue.index.is_entity))) or (why := _forbidden(best)):
            return no_plan(f"{CLAUDE}{why}", (), 0.1)
        return None


def read_question(question: str, catalogue: Catalogue, today: date) -> Sentence:
    """A question taken apart, its slips mended and its command in words that the API has."""
    said = correct_spelling(question[:LONGEST], catalogue.index)
    chooses = partial(catalogue.chooses, said)
    said = with_kinds(said, catalogue.kinds)
    said = plainly_ordered(said, lambda: catalogue.commanded, catalogue.index.has_word, chooses)
    return read_sentence(as_command(said, catalogue.index.is_entity, catalogue.operations), today)


def _uncarried(best: Candidate, catalogue: Catalogue) -> str:
    """The command of a sentence that surely is for a change, where the likeliest operation only reads."""
    if not catalogue.index.is_change(best.operation):
        text = best.scene.sentence.text
        command = find_change_command(text, best.operation, catalogue.index.is_entity)
        if command and not _is_choice(best, command):
            return command
    return ""


def _is_choice(best: Candidate, command: str) -> bool:
    """Whether a command is itself one of the values that the operation takes: add a todo, by `type: add`."""
    slots = [slot for slot in best.scene.slots if not _DOING.isdisjoint(slot.words)]
    choices = {stem(str(choice).lower()) for slot in slots for choice in slot.choices}
    return stem(command) in choices


def _planned(
    best: Candidate,
    others: Sequence[Candidate],
    catalogue: Catalogue,
    known: Mapping[str, Any],
    question: str,
    *,
    sure: float,
    live: bool,
) -> Plan:
    changes = catalogue.index.is_change(best.operation)
    best = completed(best, catalogue, known, question)
    best = replace(best, filling=in_wire_form(best))
    if live:
        best = replace(best, filling=with_leftover_name(best, catalogue, known))
        best = with_only_parents(best, catalogue, known)
    best = replace(best, filling=broadened(best))
    settled = settled_by_answer(best)
    values: Values = {option.slot.path: option.value for option in best.filling.options}
    _, missing = complete(values, best.scene.slots, known)
    ours = confidence(features(settled, others, len(missing)))
    # what it was trained on is one API at a time, where no other has an operation just like this
    sure = max(sure, min(ours, best.chance) if catalogue.several else ours)
    unsaid = unsaid_words(best, settled, catalogue)
    sure = surely(best, settled, others, missing, sure, question, changes=changes, unsaid=bool(unsaid))
    elsewhere = other_goals(best, values, catalogue, known)
    if elsewhere and (changes or says_all(best)):
        sure = UNSURE if changes else max(sure, CHOSEN)
    left = ", ".join((*unsaid, *(one for one in unused(best) if not any(one in said for said in unsaid))))
    note = f"not used: {left}" if left else ""
    text, typed = best.scene.sentence.text, " ".join(question.split())
    goal = Goal(
        tool=best.tool,
        values=values,
        confidence=round(sure, 3),
        question=question,
        note=note,
        used=tuple(text[one.start : one.end] for one in best.filling.options if one.end > one.start and one.narrows),
        others=elsewhere,
        sentence=typed,
        sources=sources_of(best, typed),
        unused=tuple(dict.fromkeys((*unsaid, *unused(best)))),
    )
    if changes:
        goal = sure_of_change(goal, catalogue, known, forest=ours)
    if unsaid_slots := unsaid_values(best, known):
        return final(_without_names(goal), (*missing, *(slot for slot in unsaid_slots if slot not in missing)))
    made = plan_for(goal, catalogue, known)
    if best.tool.effect is Effect.READ and made.raw["stage"] == "call":
        made = with_twins(made, best)
    rivals = _rivals(best, others, catalogue) if made.missing else others
    return replace(made, alternatives=tuple(map(call_of, rivals[:ALTERNATIVES])))


def _without_names(goal: Goal) -> Goal:
    return replace(goal, values={path: value for path, value in goal.values.items() if wanted_in(value) is None})


def _rivals(best: Candidate, others: Sequence[Candidate], catalogue: Catalogue) -> list[Candidate]:
    """What may be meant in place of a call that lacks a value: no listing of what the value is to be chosen from."""
    listings = {catalogue.lister(best.tool, slot) for slot in best.filling.missing}
    return [one for one in others if one.score > best.score - RIVAL and one.operation not in listings]


def _is_certain(best: Candidate) -> bool:
    """Is it plain by the words alone that an operation is meant, however unlike its API they are?"""
    return (
        _names_all(best)
        or says_plainly(best, ())
        or asks_who_i_am(best.scene.sentence.text)
        or asks_for_health(best.scene.sentence.text)
    )


def _names_all(best: Candidate) -> bool:
    """Is the thing called by its name, and is what shall become of it said, or nothing else said at all?"""
    literal = {span.text.lower() for span in best.scene.sentence.spans if span.kind is Kind.LITERAL}
    if not literal.isdisjoint(best.operation.path.lower().split("/")):
        return True  # show the robots.txt, of /robots.txt
    plain = best.tool.effect is not Effect.READ or says_all(best)
    return plain and not best.filling.missing and any(map(wanted_in, (one.value for one in best.filling.options)))


def _forbidden(best: Candidate) -> str:
    """A prohibition calls for nothing that may change something, and a question about a change for nothing at all."""
    sentence = best.scene.sentence
    if forbids(sentence) and (best.tool.effect is not Effect.READ or commands_change(sentence)):
        return "the sentence forbids what it names"
    return "the sentence asks about a change rather than for it" if supposes(sentence) else ""
