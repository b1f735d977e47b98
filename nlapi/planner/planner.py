"""The embedded planner: from a question to a plan without a model, a key or a network."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from typing import Any

from nlapi.openapi.spec import Effect, Operation, Spec
from nlapi.planner.language.commands import normalize_command
from nlapi.planner.language.english import foreign_language
from nlapi.planner.language.names import with_nouns_of_slugs, with_whole_nouns
from nlapi.planner.language.reader import read_sentence
from nlapi.planner.language.text import Sentence
from nlapi.planner.operations.accounts import sources_of
from nlapi.planner.operations.api_selection import named_api
from nlapi.planner.operations.candidates import OperationCandidate
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.operations.change_questions import lacks_every_value, missing_values
from nlapi.planner.operations.choice_nouns import with_choice_nouns
from nlapi.planner.operations.confidence import (
    FEW_OPERATIONS,
    confidence,
    confidence_features,
    is_domain_doubtful,
    is_in_domain,
)
from nlapi.planner.operations.fallbacks import (
    ALTERNATIVES,
    UNSURE,
    abilities,
    candidate_call,
    several_requests_plan,
    unmatched_plan,
    unread_language_plan,
    unsupported_plan,
    valueless_plan,
)
from nlapi.planner.operations.fan_out import with_fan_out
from nlapi.planner.operations.field_question import read_of_field
from nlapi.planner.operations.filter_names import with_filter_names
from nlapi.planner.operations.id_resolution import with_lookups, with_only_parents
from nlapi.planner.operations.operation_choice import choose_candidates, choose_operation, is_question
from nlapi.planner.operations.plan_confidence import (
    PLAIN_CONFIDENCE,
    TOSS_UP_CONFIDENCE,
    correct_confidence,
    unexpressed_words,
    without_answer_filters,
)
from nlapi.planner.operations.read_breadth import with_breadth_flags
from nlapi.planner.operations.refusals import is_certain, prohibition, refusal_plan, separate_operations, unmet_command
from nlapi.planner.operations.sentence_coverage import explains_all_words, other_goals, rewrite_as_command
from nlapi.planner.operations.unused_words import leaves_out_name, unused_words
from nlapi.planner.operations.vetoes import unused_values
from nlapi.planner.operations.wire_forms import in_wire_form
from nlapi.planner.slots.live_names import LiveNames
from nlapi.planner.slots.preset_values import Values, complete_arguments, pending_lookup
from nlapi.planner.slots.slot import Slot
from nlapi.planner.steps.described import with_leftover_name
from nlapi.planner.steps.goal import call_plan
from nlapi.planner.steps.goal_plan import plan_goal
from nlapi.planner.steps.live_names import names_plan, read_names
from nlapi.planner.steps.multi_intent import first_clause_plan, next_clause_plan, plan_clauses, unrelated_changes
from nlapi.planner.steps.name_rounds import without_name_rounds
from nlapi.planner.steps.question_plan import plan_question
from nlapi.planner.steps.state import CallState, Goal
from nlapi.tools.plan import Conversation, Plan
from nlapi.tools.spelling import correct_spelling
from nlapi.tools.tool import Tool

# Characters of a question that are read: a longer one is a pasted text, and time grows with the length.
_MAX_LENGTH = 2000
# The least confidence in a read that is planned from another language than English.
_MIN_FOREIGN_READ = 0.3
# A rival with a score this much lower is not offered beside a call that only lacks a value.
_RIVAL_MARGIN = 2.0
_HELP = re.compile(
    r"^\W*(?:help(?: me)?|what (?:can|could) (?:you|i|we|this|it)(?: api)? (?:do|ask)(?: here| with this)?)\W*$", re.I
)


def plan(
    question: str, tools: Iterable[Tool | Spec], known: Mapping[str, object] | None = None, *, today: date | None = None
) -> Plan:
    """Return the plan for a question, with the tools or the operations of whole Specs.

    `known` are values by argument name. `Plan.missing` has what is required and not in the question; no value is
    invented.
    """
    return OfflinePlanner(tools, today=today).plan(question, known=known)


class OfflinePlanner:
    """A planner that needs nothing but descriptions. All that it needs between rounds is in the conversation."""

    name = "offline"

    def __init__(self, sources: Iterable[Spec | Tool], *, today: date | None = None) -> None:
        self.catalogue = Catalogue.of(sources)
        self.today = today

    async def next(self, conversation: Conversation) -> AsyncIterator[str | Plan]:
        """Yield the next Plan of a conversation."""
        whole, conversation = conversation, without_name_rounds(conversation)
        names = read_names(whole).mentioned(conversation.question)
        planner = self._with_names(names)
        turn, known_values, catalogue = conversation.current, conversation.known_values, planner.catalogue
        if not any(round.steps for round in turn.rounds):
            today = self.today or date.today()
            plan = plan_question(conversation, catalogue, partial(planner.plan, live=True), today)
            yield names_plan(plan, whole, catalogue) or plan
            return
        from nlapi.planner.steps.steps import next_plan

        plan = next_plan(turn, catalogue, known_values, today=self.today)
        if not plan.calls and not plan.missing:
            plan_clause = partial(planner._plan_clause, known_values=known_values, live=True)
            several = catalogue.several
            plan = next_clause_plan(conversation, plan, plan_clause, several=several, today=self.today)
        yield plan

    def first_plan(self, conversation: Conversation) -> Plan:
        """Return the first plan for the last question, as it is without any answer of the API."""
        today = self.today or date.today()
        return plan_question(conversation, self.catalogue, partial(self.plan, live=True), today)

    def clause_plan(self, sentence: str, conversation: Conversation) -> Plan:
        """Return the first plan for one clause of the last question."""
        return self._plan_clause(sentence, conversation.known_values, live=True)

    def _with_names(self, names: LiveNames) -> OfflinePlanner:
        planner = copy(self)
        planner.catalogue = self.catalogue.with_names(names)
        return planner

    def plan(
        self,
        question: str,
        *,
        known: Mapping[str, object] | None = None,
        chosen: Operation | None = None,
        live: bool = False,
    ) -> Plan:
        """Return the first plan for a question, of the operation that the user has `chosen`, if any.

        A `live` plan will be carried out, so it may begin with look-ups that find out how many items there are.
        """
        known_values = known or {}
        if chosen is None and len(question) < _MAX_LENGTH:
            plan_clause = partial(self._plan_clause, known_values=known_values, live=live)
            clauses = plan_clauses(question, self.catalogue, plan_clause)
            if operations := unrelated_changes(clauses, self.catalogue):
                return several_requests_plan(operations, ())
            if clauses:
                return first_clause_plan(clauses)
        return self._plan_clause(question, known_values, chosen, live=live)

    def _plan_clause(
        self, question: str, known_values: Mapping[str, object], chosen: Operation | None = None, *, live: bool
    ) -> Plan:
        catalogue = named_api(question, self.catalogue) if chosen is None else self.catalogue.api_catalogue(chosen.spec)
        if chosen is None and _HELP.match(question):
            return Plan(text=abilities(catalogue))
        clause = _Clause(
            question=question,
            catalogue=catalogue,
            known_values=known_values,
            chosen=chosen,
            live=live,
            today=self.today or datetime.now().astimezone(),
        )
        return clause.plan()


def read_question(question: str, catalogue: Catalogue, today: date) -> Sentence:
    """Return a question as a Sentence, with its spelling corrected and its command in words of the API."""
    text = correct_spelling(question[:_MAX_LENGTH], catalogue.index)
    is_choice = partial(catalogue.is_choice, text)
    text = with_whole_nouns(text, catalogue.index.has_word)
    text = with_nouns_of_slugs(text, catalogue.item_nouns)
    text = normalize_command(text, lambda: catalogue.command_verbs, catalogue.index.has_word, is_choice)
    text = rewrite_as_command(text, catalogue.index.is_entity, catalogue.operations)
    text = with_choice_nouns(text, lambda: catalogue.choice_nouns)
    return read_sentence(text, today, catalogue.names_in(text))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    """The operation that is planned, before and after its slots are filled, with its `rivals`.

    `candidates` are all that were considered, the likeliest first. `explicit` says that the user or a plain question
    for a field chose it, `doubtful` that the sentence has little to do with the API; `language` is the language of a
    sentence that is not English, else "".
    """

    best: OperationCandidate
    rivals: Sequence[OperationCandidate] = ()
    candidates: Sequence[OperationCandidate] = ()
    explicit: bool = False
    doubtful: bool = False
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clause:
    """A question with a single intent, and what it is planned with. Its methods are the stages of planning."""

    question: str
    catalogue: Catalogue
    known_values: Mapping[str, Any]
    chosen: Operation | None
    live: bool
    today: date

    def plan(self) -> Plan:
        sentence = read_question(self.question, self.catalogue, self.today)
        choice = self._choose_operation(sentence)
        if isinstance(choice, Plan):
            return choice
        choice = replace(choice, best=self._fill_slots(choice.best))
        goal, missing = self._rate(choice)
        plan = self._plan_steps(goal, choice, missing)
        return self._with_doubts(plan, choice)

    def _choose_operation(self, sentence: Sentence) -> _Choice | Plan:
        """Return the operation that a sentence asks for, or the plan that says why none is planned."""
        catalogue, is_free = self.catalogue, self.chosen is None
        if is_free and (field := read_of_field(sentence, catalogue, self.known_values)) is not None:
            if command := unmet_command(field, catalogue):
                candidates = choose_candidates(sentence, catalogue, self.known_values, None)
                return unsupported_plan(field.operation.spec, command, candidates)
            return _Choice(best=field, explicit=True)
        candidates = choose_candidates(sentence, catalogue, self.known_values, self.chosen)
        language = foreign_language(sentence)
        is_known = any(mention.form == "name" for mention in sentence.mentions)
        if not candidates or not (is_known or is_in_domain(candidates) or is_certain(candidates[0])):
            return unmatched_plan(catalogue, candidates, language)
        if operations := separate_operations(sentence, catalogue):
            return several_requests_plan(operations, candidates)
        best, rivals = choose_operation(candidates, sentence, catalogue, self.known_values)
        # Without a value such a read fits any sentence: a greeting would list the items of an API with one list.
        is_unasked = best.is_uncommanded and (not best.assignment.candidates or is_question(sentence.text))
        if is_free and is_unasked and not prohibition(best):
            return unmatched_plan(catalogue, (), "")
        if (refused := refusal_plan(best, candidates, catalogue)) is not None:
            return refused
        is_plain = is_known or bool(language) or is_certain(best)
        doubtful = is_free and not is_plain and is_domain_doubtful(candidates)
        return _Choice(
            best=best,
            rivals=rivals,
            candidates=candidates,
            explicit=not is_free,
            doubtful=doubtful,
            language=language,
        )

    def _fill_slots(self, best: OperationCandidate) -> OperationCandidate:
        """Return the candidate with the ids that its context determines, and its values as the API writes them."""
        best = with_lookups(best, self.catalogue, self.known_values, self.question)
        best = with_filter_names(best, self.known_values)
        best = replace(best, assignment=in_wire_form(best))
        # Whether a plain word is a name only an answer tells, and a plan that is not carried out gets none.
        if self.live:
            best = replace(best, assignment=with_leftover_name(best, self.catalogue, self.known_values))
            best = with_only_parents(best, self.catalogue, self.known_values)
        return replace(best, assignment=with_breadth_flags(best))

    def _rate(self, choice: _Choice) -> tuple[Goal, tuple[Slot, ...]]:
        """Return the goal with the confidence in it, and the slots that nothing fills."""
        best, catalogue, is_change = choice.best, self.catalogue, self.catalogue.index.is_change(choice.best.operation)
        settled = without_answer_filters(best)
        values: Values = {option.slot.path: option.value for option in best.assignment.candidates}
        _, missing = complete_arguments(best.tool, values, best.context.slots, self.known_values)
        probability = confidence(confidence_features(settled, choice.rivals, len(missing)))
        # The forest is trained on one API at a time, so it cannot know that another has an operation just like this.
        sure = min(probability, best.chance) if catalogue.several else probability
        sure = max(sure, PLAIN_CONFIDENCE) if choice.explicit else sure
        unsaid, plain_words = unexpressed_words(best, settled, catalogue), unused_words(best)
        unused_texts = (*unused_values(best), *plain_words)
        sure = correct_confidence(
            best,
            settled,
            choice.rivals,
            missing,
            sure,
            self.question,
            changes=is_change,
            leaves_out_words=bool(unsaid),
            leaves_out_condition=bool(plain_words) or leaves_out_name(best),
        )
        others = other_goals(best, values, catalogue, self.known_values)
        if others and (is_change or explains_all_words(best)):
            sure = UNSURE if is_change else max(sure, PLAIN_CONFIDENCE)
        omitted = [*unsaid, *(text for text in unused_texts if not any(text in phrase for phrase in unsaid))]
        text, sentence = best.context.sentence.text, " ".join(self.question.split())
        narrowing = (option for option in best.assignment.candidates if option.end > option.start and option.narrows)
        goal = Goal(
            tool=best.tool,
            values=values,
            confidence=round(sure, 3),
            question=self.question,
            note=f"not used: {', '.join(omitted)}" if omitted else "",
            used=tuple(text[option.start : option.end] for option in narrowing),
            others=others,
            sentence=sentence,
            sources=sources_of(best, sentence),
            unused=tuple(dict.fromkeys((*unsaid, *unused_texts))),
        )
        if is_change:
            from nlapi.planner.steps.change_confidence import rate_change

            goal = rate_change(goal, catalogue, self.known_values, probability=probability)
        return goal, missing

    def _plan_steps(self, goal: Goal, choice: _Choice, missing: tuple[Slot, ...]) -> Plan:
        """Return the first plan on the way to a goal, or the question that has to be answered before."""
        best, known_values = choice.best, self.known_values
        # Without a value in its body an update changes nothing, so no look-up is worth a request before there is one.
        if unsaid := missing_values(best, known_values):
            resolved = {path: value for path, value in goal.values.items() if pending_lookup(value) is None}
            return call_plan(replace(goal, values=resolved), tuple(dict.fromkeys((*missing, *unsaid))))
        if lacks_every_value(best, known_values):
            return valueless_plan(best, choice.rivals)
        plan = plan_goal(goal, self.catalogue, known_values)
        if best.tool.effect is Effect.READ and isinstance(plan.raw, CallState):
            plan = with_fan_out(plan, best)
        rivals = self._rivals(choice) if plan.missing else choice.rivals
        return replace(plan, alternatives=tuple(map(candidate_call, rivals[:ALTERNATIVES])))

    def _rivals(self, choice: _Choice) -> list[OperationCandidate]:
        """Return the rivals of a call that lacks a value, without the listing that the value is chosen from."""
        best = choice.best
        listings = {self.catalogue.list_operation(best.tool, slot) for slot in best.assignment.missing}
        return [
            rival
            for rival in choice.rivals
            if rival.score > best.score - _RIVAL_MARGIN and rival.operation not in listings
        ]

    def _with_doubts(self, plan: Plan, choice: _Choice) -> Plan:
        """Return the plan with the confidence lowered, or none, where the sentence may be about something else."""
        if choice.doubtful:
            plan = replace(plan, confidence=min(TOSS_UP_CONFIDENCE, plan.confidence))
        least = _MIN_FOREIGN_READ if choice.best.tool.effect is Effect.READ else PLAIN_CONFIDENCE
        if not choice.language or (plan.confidence >= least and not plan.missing):
            return plan
        is_small = len(self.catalogue.operations) < FEW_OPERATIONS and not self.catalogue.index.is_change(
            choice.best.operation
        )
        if is_small:
            return unread_language_plan(plan, choice.language)
        return unmatched_plan(self.catalogue, choice.candidates, choice.language)
