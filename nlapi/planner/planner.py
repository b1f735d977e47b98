"""The embedded planner: from a question to a plan without a model, a key or a network."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import date, datetime, tzinfo
from functools import cache, partial
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from nlapi.changes.account import dropped_commands
from nlapi.changes.sentences import QUANTIFIERS
from nlapi.client.credential_texts import mask_credential_texts
from nlapi.english import lexicon
from nlapi.english.intents import Intent
from nlapi.english.words import name_words, singular, split_words, stem
from nlapi.local_zone import local_zone
from nlapi.openapi.spec import Effect, Operation, Spec
from nlapi.planner.commands import read_command
from nlapi.planner.operations.candidates import OperationCandidate
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.operations.id_resolution import with_all_items, with_lookups
from nlapi.planner.operations.operation_choice import choose_candidates, choose_operation, is_question
from nlapi.planner.operations.plan_confidence import (
    FEW_OPERATIONS,
    PLAIN_CONFIDENCE,
    TOSS_UP_CONFIDENCE,
    UNSURE,
    confidence,
    confidence_features,
    correct_confidence,
    is_certain,
    is_domain_doubtful,
    is_in_domain,
    states_value,
    unexpressed_words,
    without_answer_filters,
)
from nlapi.planner.operations.sentence_coverage import unused_values, unused_words
from nlapi.planner.slots.assignment import assign_slots
from nlapi.planner.slots.candidates import without_astray_credentials
from nlapi.planner.slots.name_mentions import LiveNames
from nlapi.planner.slots.preset_values import Values, complete_arguments, pending_lookup
from nlapi.planner.slots.slot import Slot
from nlapi.planner.steps.clauses import request_sentences
from nlapi.planner.steps.goal_plan import DOUBTED, asked_by_rival, call_plan, plan_goal, plan_question, rated_change
from nlapi.planner.steps.name_reads import names_plan, read_names
from nlapi.planner.steps.name_rounds import without_name_rounds
from nlapi.planner.steps.state import Goal, account_of, other_readings, rivals_of, sources_of
from nlapi.planner.unplanned import (
    ALTERNATIVES,
    abilities,
    candidate_call,
    commanded_change,
    empty_plan,
    lacks_every_value,
    missing_values,
    several_text,
    sweeping_plan,
    unmatched_plan,
    unmet_command,
    unread_language_plan,
    unsupported_plan,
    valueless_plan,
)
from nlapi.reading.clauses import command_intent, opening_length
from nlapi.reading.reader import read_sentence
from nlapi.reading.text import Sentence, Token, foreign_language, parts_of_token
from nlapi.resources.paths import segments
from nlapi.tools.plan import Conversation, Plan, Round
from nlapi.tools.search.index import find_misspelt
from nlapi.tools.tool import Call, Tool

if TYPE_CHECKING:
    from nlapi.planner.steps.each import ListedItems

# Characters of a question that are read: a longer one is a pasted text, and time grows with the length.
_MAX_LENGTH = 2000
# The least confidence in a read that is planned from another language than English.
_MIN_FOREIGN_READ = 0.3
# A rival with a score this much lower is not offered beside a call that only lacks a value.
_RIVAL_MARGIN = 2.0
# A change with a score this much lower is a fourth as likely.
_NEAR_MARGIN = 1.4
_HELP = lexicon.pattern("planner/words", "help", re.I)


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

    def __init__(
        self, sources: Iterable[Spec | Tool], *, today: date | None = None, zone: tzinfo | None = None
    ) -> None:
        self.catalogue = Catalogue.of(sources)
        self.today = today
        self.zone = zone or local_zone()

    async def next(self, conversation: Conversation) -> AsyncIterator[str | Plan]:
        """Yield the next Plan of a conversation."""
        whole, conversation = conversation, without_name_rounds(conversation)
        names = read_names(whole).mentioned(conversation.question)
        planner = self._with_names(names)
        if any(round.steps for round in conversation.current.rounds):
            yield planner._next_plan(conversation)
            return
        today = self.today or date.today()
        plan = plan_question(conversation, planner.catalogue, planner.plan, today)
        yield names_plan(plan, whole, planner.catalogue) or plan

    def _next_plan(self, conversation: Conversation) -> Plan:
        """Return the plan after an answer; a look-up in a list that the turn has read already uses that."""
        from nlapi.planner.steps.lookup import stored_listing
        from nlapi.planner.steps.requests import next_request_plan, requests_of
        from nlapi.planner.steps.steps import next_plan

        turn, known_values = conversation.current, conversation.known_values
        plan_turn = partial(next_plan, catalogue=self.catalogue, known_values=known_values, today=self.today)
        if (requests := requests_of(turn)) is None:
            plan = plan_turn(turn)
        else:
            plan_clause = partial(self._plan_clause, known_values=known_values)
            plan = next_request_plan(conversation, requests, plan_clause, plan_turn)
        step = stored_listing(plan, turn)
        return plan if step is None else self._next_plan(conversation.with_round(Round(plan=plan, steps=(step,))))

    def first_plan(self, conversation: Conversation) -> Plan:
        """Return the first plan for the last question, as it is without any answer of the API."""
        today = self.today or date.today()
        return plan_question(conversation, self.catalogue, self.plan, today)

    def clause_plan(self, sentence: str, conversation: Conversation) -> Plan:
        """Return the first plan for one clause of the last question."""
        return self._plan_clause(sentence, conversation.known_values)

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
        listed: ListedItems | None = None,
    ) -> Plan:
        """Return the first plan for a question, of the operation that the user has `chosen`, if any.

        A pronoun for several items stands for those that were `listed` last.
        """
        known_values = known or {}
        if listed is not None:
            from nlapi.planner.steps.each import plan_listed

            # The sentence names what the list is of: the issues of a project.
            known_values = {**listed.parents, **known_values}
            goal_of = partial(self._goal_of, known_values=known_values)
            plan = plan_listed(question, listed, self.catalogue, goal_of, known_values)
            return plan or Plan(
                text="It is not plain which items that is. Describe them, or name them.", confidence=0.3
            )
        plan_clause = cache(partial(self._plan_clause, known_values=known_values))
        ways = list(request_sentences(question, self.catalogue)) if chosen is None else []
        if not ways:
            return self._plan_clause(question, known_values, chosen)
        from nlapi.planner.steps.requests import plan_requests, unplanned_part

        plan = self._plan_single(question, known_values)
        # `activate the card with the number X and the id Y` is one change, whatever its parts may mean.
        is_one_change = _is_plain_change(plan)
        for sentences, is_plain in ways:
            if not is_plain and is_one_change:
                continue
            if (several := plan_requests(sentences, plan_clause, is_plain=is_plain)) is not None:
                return several
        commands = next((sentences for sentences, is_plain in ways if is_plain), None)
        return (unplanned_part(plan, commands, plan_clause) if commands else None) or plan

    def _plan_clause(self, question: str, known_values: Mapping[str, object], chosen: Operation | None = None) -> Plan:
        """Return the first plan for a single request: that of one call, or of one for each of several items."""
        plan = self._plan_single(question, known_values, chosen)
        call = plan.goal or (plan.calls[-1] if plan.calls else None)
        if chosen is not None or (call is not None and call.effect is Effect.READ):
            return plan
        account = account_of(plan)
        is_whole = account is not None and not account.unused and not plan.missing
        if call is not None and is_whole and (plan.confidence > DOUBTED or _is_of_all(call)):
            return plan
        from nlapi.planner.steps.each import plan_each, words_for_many

        goal_of = partial(self._goal_of, known_values=known_values)
        each = plan_each(question, self.catalogue, goal_of, known_values, needs_quantifier=is_whole)
        if each is not None or call is None or not (many := words_for_many(question, account, self.catalogue)):
            return each or plan
        return replace(empty_plan(several_text(many, call.tool.operation), (), 0.05), alternatives=plan.alternatives)

    def _goal_of(self, sentence: str, chosen: Operation | None, known_values: Mapping[str, object]) -> Goal | None:
        catalogue = self.catalogue if chosen is None else self.catalogue.api_catalogue(chosen.spec)
        return self._clause(sentence, catalogue, known_values, chosen).goal()

    def _plan_single(self, question: str, known_values: Mapping[str, object], chosen: Operation | None = None) -> Plan:
        catalogue = self.catalogue if chosen is None else self.catalogue.api_catalogue(chosen.spec)
        if chosen is None and _HELP.match(question):
            return Plan(text=abilities(catalogue))
        return self._clause(question, catalogue, known_values, chosen).plan()

    def _clause(
        self, question: str, catalogue: Catalogue, known_values: Mapping[str, object], chosen: Operation | None
    ) -> _Clause:
        return _Clause(
            question=question,
            catalogue=catalogue,
            known_values=known_values,
            chosen=chosen,
            today=self.today or datetime.now(self.zone),
            zone=self.zone,
        )


def _is_of_all(call: Call) -> bool:
    """Return whether a change is of a whole collection, as its sentence commands: delete all messages."""
    operation, sentence = call.tool.operation, call.account.sentence if call.account is not None else ""
    deletes = command_intent(sentence) is Intent.DELETE
    # An action is of the item before it: /issues/{number}/close, and not /rooms/{id}/messages.
    *_, owner, last = ("", *operation.path.strip("/").split("/"))
    is_collection = "{" not in last and ("{" not in owner or singular(last) != last)
    says_all = not QUANTIFIERS.isdisjoint(split_words(f"{operation.id} {operation.summary}"))
    return (is_collection or says_all) and (not deletes or operation.effect is Effect.DESTROY)


def _is_plain_change(plan: Plan) -> bool:
    """Return whether a plan is that of a change which uses every word, as its sentence says it plainly."""
    call = plan.goal or (plan.calls[-1] if plan.calls else None)
    if call is None or plan.missing or call.effect is Effect.READ:
        return False
    return plan.confidence >= PLAIN_CONFIDENCE and call.account is not None and not call.account.unused


def _with_needed_values(best: OperationCandidate) -> OperationCandidate:
    """Return the candidate with values of what its body requires, though the body itself may be left out."""
    filled = {option.slot for option in best.assignment.candidates}
    if all(slot.required or slot in filled for slot in best.context.slots if slot.required_by_object):
        return best
    context = replace(best.context, is_chosen=True)
    return replace(best, context=context, assignment=assign_slots(context))


def _resource_stems(operation: Operation) -> set[str]:
    """Return the stems of the words in the path of an operation."""
    texts = (part.text for part in segments(operation.route) if part.parameter is None)
    return {stem(singular(word)) for text in texts for word in name_words(text)}


def read_question(question: str, catalogue: Catalogue, today: date, zone: tzinfo | None = None) -> Sentence:
    """Return a question as a Sentence; misspelt words and the command are read as words of the API."""
    text, index = " ".join(question[:_MAX_LENGTH].split()), catalogue.index

    def read(tokens: tuple[Token, ...]) -> tuple[Token, ...]:
        spellings = find_misspelt(text, index)
        spelt = tuple(
            replace(part, lower=word, stem=stem(word)) if (word := spellings.get(part.start)) else part
            for token in tokens
            for part in parts_of_token(token, partial(catalogue.name_parts, text))
        )
        is_choice = partial(catalogue.is_choice, text)
        return read_command(spelt, opening_length(text), lambda: catalogue.command_verbs, index.has_word, is_choice)

    return read_sentence(text, today, catalogue.names_in(text), zone, read)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    """The operation that is planned, before and after its slots are filled, with its `rivals`.

    `candidates` are all that were considered, the likeliest first. `explicit` says that the user chose it, `doubtful`
    that the sentence has little to do with the API; `language` is the language of a sentence that is not English, else
    "".
    """

    best: OperationCandidate
    rivals: Sequence[OperationCandidate] = ()
    candidates: Sequence[OperationCandidate] = ()
    explicit: bool = False
    doubtful: bool = False
    language: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clause:
    """A question with a single intent, and the parts that plan it. Its methods are the stages of planning."""

    question: str
    catalogue: Catalogue
    known_values: Mapping[str, Any]
    chosen: Operation | None
    today: date
    zone: tzinfo

    def plan(self) -> Plan:
        sentence = read_question(self.question, self.catalogue, self.today, self.zone)
        choice = self._choose_operation(sentence)
        if isinstance(choice, Plan):
            return choice
        choice, goal, missing = self._rate_best(choice)
        plan = self._plan_steps(goal, choice, missing)
        return self._with_doubts(plan, choice)

    def goal(self) -> Goal | None:
        """Return the goal of the question; None where no operation is meant, or a value is missing."""
        choice = self._choose_operation(read_question(self.question, self.catalogue, self.today, self.zone))
        if isinstance(choice, Plan):
            return None
        _, goal, missing = self._rate_best(choice)
        return None if missing else goal

    def _choose_operation(self, sentence: Sentence) -> _Choice | Plan:
        """Return the operation that a sentence asks for, or the plan that says why none is planned."""
        catalogue, is_free = self.catalogue, self.chosen is None
        candidates = choose_candidates(sentence, catalogue, self.known_values, self.chosen)
        language = foreign_language(sentence)
        is_known = any(mention.form == "name" for mention in sentence.mentions) or states_value(candidates)
        is_meant = candidates and (not is_free or is_known or is_in_domain(candidates) or is_certain(candidates[0]))
        if not is_meant:
            return unmatched_plan(catalogue, candidates, language)
        best, rivals = choose_operation(candidates, sentence, catalogue, self.known_values)
        # Without a value such a read fits any sentence: a greeting would list the items of an API with one list.
        is_unasked = best.is_uncommanded and (not best.assignment.candidates or is_question(sentence.text))
        if is_free and is_unasked:
            return unmatched_plan(catalogue, (), "")
        if command := unmet_command(best, catalogue):
            change = commanded_change(command, candidates, catalogue)
            if change is None:
                return unsupported_plan(best.operation.spec, command, candidates)
            best, rivals = change, [best, *rivals]
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
        best = _with_needed_values(best)
        best = with_lookups(best, self.catalogue, self.known_values, self.question)
        best = replace(best, assignment=with_all_items(best))
        plain = without_astray_credentials(best.context, best.assignment.candidates)
        return replace(best, assignment=replace(best.assignment, candidates=tuple(plain)))

    def _rate_best(self, choice: _Choice) -> tuple[_Choice, Goal, tuple[Slot, ...]]:
        """Return the choice with its slots filled, and its rated goal.

        Where something speaks against a change, it is the next that is nearly as likely and has nothing against it: to
        `delete the campaign 42` a folder of campaigns is as near as a campaign, until each is compared with the words.
        """
        first = replace(choice, best=self._fill_slots(choice.best))
        goal, missing = self._rate(first)
        if choice.explicit or missing or goal.confidence > DOUBTED:
            return first, goal, missing
        for rival in self._near_changes(choice):
            others = [first.best, *(entry for entry in choice.rivals if entry.operation is not rival.operation)]
            second = replace(choice, best=self._fill_slots(rival), rivals=others)
            second_goal, lacking = self._rate(second)
            if second_goal.confidence > DOUBTED and not lacking and not second_goal.unused:
                return second, second_goal, lacking
        return first, goal, missing

    def _near_changes(self, choice: _Choice) -> list[OperationCandidate]:
        """Return the changes that are nearly as likely as the one that was chosen, and of nothing else than it is or
        the sentence says.
        """
        best, is_change = choice.best, self.catalogue.index.is_change
        if not is_change(best.operation):
            return []
        sentence = best.context.sentence
        # The path of an invoice item is /invoiceitems.
        joined = (stem(singular(first.lower + second.lower)) for first, second in pairwise(sentence.tokens))
        spoken = {*sentence.stem_set, *joined, *_resource_stems(best.operation)}
        return [
            rival
            for rival in choice.candidates
            if rival.operation is not best.operation
            and rival.score >= best.score - _NEAR_MARGIN
            and is_change(rival.operation)
            and _resource_stems(rival.operation) <= spoken
        ]

    def _rate(self, choice: _Choice) -> tuple[Goal, tuple[Slot, ...]]:
        """Return the goal with the confidence in it, and the slots that nothing fills."""
        best, catalogue, is_change = choice.best, self.catalogue, self.catalogue.index.is_change(choice.best.operation)
        settled = without_answer_filters(best)
        values: Values = best.assignment.values
        _, missing = complete_arguments(best.tool, values, best.context.slots, self.known_values)
        probability = confidence(confidence_features(settled, choice.rivals, len(missing)))
        # The forest is trained on one API at a time, so it cannot know that another has an operation just like this.
        sure = min(probability, best.chance) if catalogue.several else probability
        sure = max(sure, PLAIN_CONFIDENCE) if choice.explicit else sure
        unsaid, plain_words = unexpressed_words(best, settled, catalogue), unused_words(best)
        unused_texts = (*unused_values(best), *plain_words)
        sure = correct_confidence(
            best,
            choice.rivals,
            missing,
            sure,
            self.question,
            changes=is_change,
            leaves_out_words=bool(unsaid),
            leaves_out_condition=bool(plain_words),
        )
        text, sentence = best.context.sentence.text, " ".join(self.question.split())
        sources = sources_of(best, sentence)
        if not is_change and (commands := dropped_commands(sentence, [(entry.start, entry.end) for entry in sources])):
            unused_texts, sure = (*commands, *unused_texts), min(sure, UNSURE)
        omitted = [*unsaid, *(text for text in unused_texts if not any(text in phrase for phrase in unsaid))]
        narrowing = (option for option in best.assignment.candidates if option.end > option.start and option.narrows)
        goal = Goal(
            tool=best.tool,
            values=values,
            confidence=round(sure, 3),
            question=self.question,
            note=mask_credential_texts(f"not used: {', '.join(omitted)}", self.question) if omitted else "",
            used=tuple(text[option.start : option.end] for option in narrowing),
            sentence=sentence,
            sources=sources,
            unused=tuple(
                mask_credential_texts(text, self.question) for text in dict.fromkeys((*unsaid, *unused_texts))
            ),
            rivals=rivals_of(best),
        )
        if is_change:
            goal = replace(goal, likelihood=max(probability, goal.confidence))
            readings = other_readings(choice.candidates, best, sentence)
            goal = asked_by_rival(rated_change(goal, catalogue, self.known_values, readings))
        return goal, missing

    def _plan_steps(self, goal: Goal, choice: _Choice, missing: tuple[Slot, ...]) -> Plan:
        """Return the first plan on the way to a goal, or the question that has to be answered before."""
        best, known_values = choice.best, self.known_values
        if (refusal := sweeping_plan(best, missing, choice.rivals)) is not None:
            return refusal
        # Without a value in its body an update changes nothing, so no look-up is worth a request before there is one.
        if unsaid := missing_values(best, known_values):
            resolved = {path: value for path, value in goal.values.items() if pending_lookup(value) is None}
            return call_plan(replace(goal, values=resolved), tuple(dict.fromkeys((*missing, *unsaid))))
        if lacks_every_value(best, known_values):
            return valueless_plan(best, choice.rivals)
        plan = plan_goal(goal, self.catalogue, known_values)
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
