"""The embedded planner: from a question to a plan without a model, a key or a network."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from datetime import date, datetime, tzinfo
from functools import cache, partial
from typing import Any
from urllib.parse import urlsplit

from nlapi.changes.account import dropped_commands
from nlapi.changes.sentences import find_change_command
from nlapi.client.credential_texts import mask_credential_texts
from nlapi.english.intents import METHODS, STOPWORDS, VERBS, Intent
from nlapi.english.lexicon import stems, words
from nlapi.english.words import singular, split_words, stem
from nlapi.lazy_pattern import lazy_pattern
from nlapi.local_zone import local_zone
from nlapi.openapi.spec import Effect, Operation, Spec, read_hints
from nlapi.planner.commands import command_verb, normalize_command, operation_verbs
from nlapi.planner.forest import Forest
from nlapi.planner.operations.candidates import OperationCandidate
from nlapi.planner.operations.catalogue import Catalogue, is_hypothetical, simulates
from nlapi.planner.operations.id_resolution import with_breadth_flags, with_lookups, with_only_parents
from nlapi.planner.operations.operation_choice import (
    choose_candidates,
    choose_operation,
    is_about_caller,
    is_about_health,
    is_question,
)
from nlapi.planner.operations.sentence_coverage import (
    explains_all_words,
    explains_plainly,
    leaves_out_name,
    list_answers,
    other_goals,
    unused_words,
)
from nlapi.planner.operations.vetoes import (
    asks_about_change,
    commands_change,
    is_prohibition,
    refusal_reason,
    supposes_deletion,
    unexpressed_negations,
    unused_values,
)
from nlapi.planner.slots.assignment import Assignment
from nlapi.planner.slots.candidates import without_astray_credentials
from nlapi.planner.slots.entities import RENAMES, operation_noun_stems
from nlapi.planner.slots.features import NAMELIKE, QUERYLIKE
from nlapi.planner.slots.name_mentions import LiveNames, name_places
from nlapi.planner.slots.overrides import naming_slot
from nlapi.planner.slots.preset_values import Values, complete_arguments, pending_lookup
from nlapi.planner.slots.slot import Family, Slot, SlotCandidate
from nlapi.planner.slots.values import states_dot, value_for
from nlapi.planner.steps.clauses import request_sentences
from nlapi.planner.steps.goal_plan import asked_by_rival, call_plan, plan_goal, plan_question, rated_change
from nlapi.planner.steps.name_rounds import NamesState, is_name_round, without_name_rounds
from nlapi.planner.steps.state import CallState, Goal, rivals_of, sources_of
from nlapi.reading.clauses import opening_length
from nlapi.reading.question_intent import read_intent
from nlapi.reading.reader import read_sentence
from nlapi.reading.text import ALTERNATIVE_FORMS, MentionKind, Sentence, ValueMention, foreign_language
from nlapi.resources.collection_index import collection_index
from nlapi.resources.schemas import SchemaReader
from nlapi.tools.arguments import argument_schema
from nlapi.tools.index import correct_spelling
from nlapi.tools.plan import Conversation, Outcome, Plan, Round
from nlapi.tools.tool import Call, Tool

NEEDS_CLAUDE = "this needs Claude: "
ALTERNATIVES = 3
# The most that a plan is sure of which leaves out a condition, or makes a change that nobody commanded: below
# nlapi.cli.session.ASK_BELOW (0.4), so that the command line asks.
UNSURE = 0.35


def empty_plan(text: str, candidates: Sequence[OperationCandidate], sure: float) -> Plan:
    """Return a plan without calls, with the first candidates as alternatives."""
    return Plan(text=text, confidence=sure, alternatives=tuple(map(candidate_call, candidates[:ALTERNATIVES])))


def unsupported_plan(spec: Spec, command: str, candidates: Sequence[OperationCandidate]) -> Plan:
    """Return the plan of a command that no operation carries out, with the nearest changes."""
    others = (candidate for candidate in candidates if candidate.operation.spec is spec)
    changes = [candidate for candidate in others if candidate.tool.effect is not Effect.READ][:ALTERNATIVES]
    near = ", ".join(candidate.operation.id for candidate in changes)
    text = f"Nothing in {spec.title} does that: {command}.{f' The nearest: {near}.' if near else ''}"
    return empty_plan(text, changes, 0.05)


def valueless_plan(best: OperationCandidate, rivals: Sequence[OperationCandidate]) -> Plan:
    """Return the plan of an update of which the sentence does not say what it sets."""
    fields = [name for name, place in best.tool.places.items() if place[0] == "body"]
    text = f"{best.operation.id} needs a value, and the sentence does not say what is set: {', '.join(fields[:8])}"
    return empty_plan(text, rivals, 0.05)


def unmatched_plan(catalogue: Catalogue, candidates: Sequence[OperationCandidate], language: str) -> Plan:
    """Return the plan of a sentence that is not about the API, or not legible, with examples of what the API does."""
    title = ", ".join(spec.title for spec in catalogue.specs)
    can = abilities(catalogue)
    if language:
        text = f"{NEEDS_CLAUDE}the question is not in English but, it seems, in {language}. {can}"
    else:
        text = f"Nothing in {title or 'this API'} matches that. {can}"
    return empty_plan(text.strip(), candidates, 0.05)


def abilities(catalogue: Catalogue) -> str:
    """Return examples of what each of the APIs can do."""
    parts = [catalogue.api_catalogue(spec) for spec in catalogue.specs] if catalogue.several else [catalogue]
    return " ".join(
        operation_examples(part.operations, spec.title) for part, spec in zip(parts, catalogue.specs, strict=False)
    )


def unread_language_plan(plan: Plan, language: str) -> Plan:
    """Return a plan from a sentence in `language`, of which only values are read, with the confidence of a guess."""
    text = f"The question is not in English but, it seems, in {language}: see whether this is what it asks for."
    return replace(plan, text=f"{text} {plan.text}".strip(), confidence=min(UNSURE, plan.confidence))


def candidate_call(candidate: OperationCandidate) -> Call:
    """Return the call of a candidate with the arguments that need no look-up."""
    return Call(tool=candidate.tool, arguments=_without_names(candidate.assignment))


def _without_names(filling: Assignment) -> dict[str, object]:
    """Return the arguments that need no look-up."""
    plain = [option for option in filling.candidates if pending_lookup(option.value) is None]
    return replace(filling, candidates=tuple(plain)).arguments


def operation_examples(operations: tuple[Operation, ...], title: str) -> str:
    """Return up to five examples of what an API can do, one a tag."""
    examples: dict[str, str] = {}
    for operation in operations:
        tag = operation.tags[0] if operation.tags else operation.path.strip("/").partition("/")[0]
        if tag not in examples:
            examples[tag] = operation.summary.strip().rstrip(".") or operation.id
        if len(examples) == 5:
            break
    return f"{title or 'This API'} can, for example: {'; '.join(examples.values())}." if examples else ""


# The least confidence of a plan whose operation the user chose, or that the sentence says plainly.
PLAIN_CONFIDENCE = 0.6
# The most confidence of a plan that is hardly about the API: the user is offered a choice, as it is below
# nlapi.cli.session.OFFER_BELOW (0.2).
TOSS_UP_CONFIDENCE = 0.15
# The most confidence of a list with a name or a word that limits it and that no argument has: with a word, 5 of 15
# plans for the questions of ../shared/data/questions are exact. It is above nlapi.cli.session.ASK_BELOW (0.4), as the
# answer may be filtered by the word.
INCOMPLETE_CONFIDENCE = 0.5
_EQUAL = 0.01
# A rival that is this near in score may be meant as well (tests/cli/test_cli_chat.py: two lists of notes).
_TIE_MARGIN = 0.4
# The least share of the words of a sentence that an operation has to know.
_MIN_HEARD = 0.5
_ARTICLES = frozenset(("a", "an", "the", "new", "another"))


def unexpressed_words(best: OperationCandidate, settled: OperationCandidate, catalogue: Catalogue) -> tuple[str, ...]:
    """Return the words of a sentence that a read leaves out, and that the user must not believe it takes care of."""
    if catalogue.index.is_change(best.operation):
        return ()  # nlapi.changes names the words that a change leaves out
    is_code_left = any(span.kind in (MentionKind.LITERAL, MentionKind.QUOTED) for span in settled.assignment.unused)
    return (*unexpressed_negations(best), *(unused_values(best) if is_code_left else ()))


def correct_confidence(
    best: OperationCandidate,
    without_filters: OperationCandidate,
    rivals: Sequence[OperationCandidate],
    missing: Sequence[Slot],
    forest_confidence: float,
    question: str,
    *,
    changes: bool,
    leaves_out_words: bool,
    leaves_out_condition: bool,
) -> float:
    """Return the confidence of a plan: higher where the sentence says it plainly, lower where it leaves out words."""
    is_plain = list_answers(without_filters, missing) or explains_plainly(best, missing)
    is_plain = is_plain or is_about_caller(question) or is_about_health(question)
    is_plain = is_plain or (changes and not missing and (names_path_action(best) or _sets_commanded_state(best)))
    # Of two changes with one score the sentence does not say which: GitLab's description has the closing of a merge
    # request under two paths.
    is_tie = changes and any(abs(best.score - rival.score) < _EQUAL for rival in rivals)
    confidence = max(forest_confidence, PLAIN_CONFIDENCE) if is_plain and not is_tie else forest_confidence
    if not is_plain and _is_toss_up(best, rivals):
        confidence = min(confidence, TOSS_UP_CONFIDENCE)
    is_supposed = is_hypothetical(question) and simulates(best.operation) and not best.assignment.unused
    if not missing and (is_supposed or _takes_live_name(best)):
        # All 7 reads of 249 sentences that were offered as a choice in spite of such a name were right.
        confidence = max(confidence, UNSURE)
    if leaves_out_condition:
        confidence = min(confidence, INCOMPLETE_CONFIDENCE)
    return min(confidence, UNSURE) if best.is_uncommanded or leaves_out_words else confidence


def _is_toss_up(best: OperationCandidate, rivals: Sequence[OperationCandidate]) -> bool:
    """Return whether a rival is about as likely, no value speaks for the best, and most words are unknown to it."""
    is_vague = not best.assignment.candidates and best.row["heard"] < _MIN_HEARD
    return is_vague and any(best.score - rival.score < _TIE_MARGIN for rival in rivals)


def _takes_live_name(best: OperationCandidate) -> bool:
    """Return whether a read, or a change by a verb of its own, takes a name that the API has at the moment."""
    options = best.assignment.candidates
    if any(mention.kind is MentionKind.NUMBER for mention in best.assignment.unused):
        return False
    if not any(option.value in option.slot.names for option in options if option.slot.names):
        return False
    return best.tool.effect is Effect.READ or command_verb(best.context.sentence) in operation_verbs(best.operation)


def names_path_action(best: OperationCandidate) -> bool:
    """Return whether the command is what the path names behind its item: [pause], [run] of create_flow_run."""
    operation, sentence = best.operation, best.context.sentence
    action = operation.path.rstrip("/").rpartition("}/")[2] if "}/" in operation.path else ""
    action_words = split_words(action)
    if not action_words or "{" in action or operation.method == "GET":
        return False
    start = opening_length(sentence.text)
    tokens = [token for token in sentence.tokens if token.start >= start and token.word]
    if not tokens:
        return False
    command, *following = tokens
    intent = VERBS.get(stem(action_words[0]))
    if intent is Intent.DELETE and not any(option.slot.location == "body" for option in best.assignment.candidates):
        return False  # which part of the item is not said
    if len(action_words) > 1 and intent is Intent.CREATE:
        created = stem(action_words[-1])
        noun = next((token.stem for token in following if token.lower not in _ARTICLES), "")
        return command.stem == created or (VERBS.get(command.stem) is Intent.CREATE and noun == created)
    return command.stem == stem(action_words[0])


def _sets_commanded_state(best: OperationCandidate) -> bool:
    """Return whether a state was read from the command, as operation_choice does: cancel -> CANCELLING."""
    return any(
        option.mention is None and option.end == 0 and option.slot.choices for option in best.assignment.candidates
    )


def without_answer_filters(best: OperationCandidate) -> OperationCandidate:
    """Return a list candidate without unused names and codes, by which its answer is filtered.

    The N of `the latest N` is removed too, as the answer is cut to N.
    """
    listed = best.tool.effect is Effect.READ and collection_index(best.operation.spec).is_list(best.operation)
    if not listed or best.assignment.missing:
        return best
    cut = read_intent(best.context.sentence.text).spans
    unread = [
        span
        for span in best.assignment.unused
        if span.kind not in (MentionKind.NAME, MentionKind.LITERAL, MentionKind.QUOTED)
        and not any(start <= span.start < end for start, end in cut)
    ]
    row = {**best.row, "unused": float(len(unread)), "unused_names": 0.0}
    return replace(best, assignment=replace(best.assignment, unused=tuple(unread)), row=row)


_OPTIONAL = lazy_pattern(
    r"\b(?:defaults?|optional\w*|random\w*|generated|if (?:not|none|omitted|empty))\b", re.IGNORECASE
)
_NEW = frozenset(map(stem, ("new", "body")))
_VALUE = (stem("value"),)


def missing_values(best: OperationCandidate, known_values: Mapping[str, object]) -> tuple[Slot, ...]:
    """Return the fields of a body of which a change needs one, where the sentence and `known` have none.

    A created item needs a name too, where the description requires no field of it.
    """
    assigned = _assigned_slots(best, known_values)
    has_body = any(slot.location == "body" for slot in assigned)
    name_slot = naming_slot(best.context)
    requires_body = any(
        slot.required or slot.required_by_object for slot in best.context.slots if slot.location == "body"
    )
    if best.tool.effect is Effect.READ or (has_body and (requires_body or name_slot is None or name_slot in assigned)):
        return ()
    last = split_words(best.operation.path.rstrip("/").rpartition("/")[2])
    is_collection = bool(last) and singular(last[-1]) != last[-1]
    if name_slot is not None and is_collection and not _OPTIONAL.search(name_slot.description):
        return (name_slot,)
    if not lacks_new_value(best):
        return ()
    stems = best.context.sentence.stem_set
    fields = [slot for slot in best.context.slots if slot.location == "body" and len(slot.path) == 1 and slot.words]
    if not RENAMES.isdisjoint(stems):
        return tuple(slot for slot in fields if set(slot.words) <= NAMELIKE | _NEW)[:1]
    free = stems - set(operation_noun_stems(best.operation))
    mentioned = [slot for slot in fields if free.issuperset(slot.words)]
    return tuple(mentioned or (slot for slot in fields if slot.words == _VALUE))


def lacks_every_value(best: OperationCandidate, known_values: Mapping[str, object]) -> bool:
    """Return whether a change has a body that may not be empty, and no value for it."""
    assigned = _assigned_slots(best, known_values)
    rules = best.tool.body_rules
    is_refused = best.operation.body is not None and best.operation.body.required and bool(rules.get("minProperties"))
    return is_refused and best.tool.effect is not Effect.READ and all(slot.location != "body" for slot in assigned)


def lacks_new_value(best: OperationCandidate) -> bool:
    """Return whether an update has a target and no new value."""
    updates = best.operation.method in METHODS[Intent.UPDATE] and best.operation.body is not None
    return updates and all(option.slot.location == "path" for option in best.assignment.candidates)


def _assigned_slots(best: OperationCandidate, known_values: Mapping[str, object]) -> list[Slot]:
    """Return the slots with a value from the sentence or from `known`."""
    assigned = {option.slot for option in best.assignment.candidates}
    preset = {name.partition(".")[0] for name in known_values}
    return [slot for slot in best.context.slots if slot in assigned or slot.path[0] in preset]


# Words in the name of an argument that selects an action.
_ACTION_WORDS = stems("planner/operations/words", "action_arguments")


def refusal_plan(
    best: OperationCandidate, candidates: Sequence[OperationCandidate], catalogue: Catalogue
) -> Plan | None:
    """Return the plan that says why the likeliest operation is not planned; None where nothing is against it."""
    alternatives = tuple(map(candidate_call, candidates[:ALTERNATIVES]))
    if command := unmet_command(best, catalogue):
        return replace(unsupported_plan(best.operation.spec, command, candidates), alternatives=alternatives)
    is_change = catalogue.index.is_change(best.operation)
    reason = (refusal_reason(best, catalogue.index.is_entity) if is_change else "") or prohibition(best)
    return Plan(text=f"{NEEDS_CLAUDE}{reason}", confidence=0.1, alternatives=alternatives) if reason else None


def unmet_command(best: OperationCandidate, catalogue: Catalogue) -> str:
    """Return the command of a sentence for a change, where the operation only reads; "" for none."""
    if catalogue.index.is_change(best.operation):
        return ""
    command = find_change_command(best.context.sentence.text, best.operation, catalogue.index.is_entity)
    return command if command and not _is_choice(best, command) else ""


def _is_choice(best: OperationCandidate, command: str) -> bool:
    """Return whether a command is a choice of an argument that selects an action: add a todo, by `type: add`."""
    # Without this two of the 1,111 public questions are refused (benchmarks/OFFLINE.md).
    slots = (slot for slot in best.context.slots if not _ACTION_WORDS.isdisjoint(slot.words))
    return stem(command) in {stem(str(choice).lower()) for slot in slots for choice in slot.choices}


def prohibition(best: OperationCandidate) -> str:
    """Return the reason why a sentence that forbids or supposes a change calls for no operation; "" for none."""
    sentence = best.context.sentence
    if is_prohibition(sentence) and (best.tool.effect is not Effect.READ or commands_change(sentence)):
        return "the sentence forbids what it names"
    if is_hypothetical(sentence.text) and simulates(best.operation):
        return "the sentence supposes a deletion" if supposes_deletion(sentence) else ""
    return "the sentence asks about a change rather than for it" if asks_about_change(sentence) else ""


def is_certain(best: OperationCandidate) -> bool:
    """Return whether the words alone make an operation certain, however unlike its API the sentence is."""
    text = best.context.sentence.text
    return _names_everything(best) or explains_plainly(best, ()) or is_about_caller(text) or is_about_health(text)


def _names_everything(best: OperationCandidate) -> bool:
    """Return whether a sentence names the item, and nothing else but what becomes of it."""
    has_lookup = any(pending_lookup(option.value) is not None for option in best.assignment.candidates)
    return (
        has_lookup and not best.assignment.missing and (best.tool.effect is not Effect.READ or explains_all_words(best))
    )


# The forest of the probability that a plan is exactly right; its fact `curve` are rising points (output, frequency).
NAME = "confidence"
# The forest of the probability that a sentence is about the API. Its facts: under `least` the sentence is refused,
# under `plain` the plan is a toss-up. `least` refuses 0.95 % of the true questions and 79 % of those to other APIs
# (benchmarks/OFFLINE.md).
IN_DOMAIN = "meant"
# The likeliest operations, one of which has to be about the sentence: with three, 79 % of the strange questions are
# refused, with the likeliest alone 73 % (benchmarks/OFFLINE.md).
DOMAIN_CANDIDATES = 3
# An API with fewer operations is planned with where the script of the sentence is foreign, as only its values count.
FEW_OPERATIONS = 6
_LAST_LATIN = "\u02af"
ROW_FEATURES = tuple(
    """values said told_near heard heard_prose heard_near unheard words deed number required filled sum mean weakest
    clear extra guessed doubt unused unused_names slots index_ahead heard_ahead""".split()
)
FEATURES = (*ROW_FEATURES, "chance", "ahead", "missing", "rivals", "length")
IN_DOMAIN_FEATURES = tuple(
    """values said told said_near told_near heard heard_prose heard_name heard_near heard_told_near unheard words verb
    deed number required filled sum mean weakest missing clear guessed unused unused_names""".split()
)


def confidence_features(
    candidate: OperationCandidate, rivals: Sequence[OperationCandidate], missing: int
) -> list[float]:
    """Return the values of FEATURES; `missing` is the number of values that the user has to be asked for."""
    row = candidate.row
    ahead = min(8.0, candidate.score - max(rival.score for rival in rivals)) if rivals else 8.0
    length = float(len(candidate.context.sentence.tokens))
    return [*(row[name] for name in ROW_FEATURES), candidate.chance, ahead, float(missing), float(len(rivals)), length]


def confidence(row: Sequence[float]) -> float:
    """Return the probability that a plan with these features is exactly right."""
    forest = Forest.load(NAME)
    return interpolate(forest.metadata["curve"], forest.probability(row))


def interpolate(curve: Sequence[tuple[float, float]], at: float) -> float:
    """Return the height at `at` of the line through the points of a curve, which is flat beyond its ends."""
    after = bisect_right([x for x, _ in curve], at)
    if after == 0 or after == len(curve):
        return curve[min(after, len(curve) - 1)][1]
    (start, low), (end, high) = curve[after - 1], curve[after]
    return low + (high - low) * (at - start) / (end - start) if end > start else high


def domain_probability(candidate: OperationCandidate) -> float:
    """Return the probability that the sentence is about the API of an operation, as far as this operation shows it."""
    return Forest.load(IN_DOMAIN).probability([candidate.row[name] for name in IN_DOMAIN_FEATURES])


def is_in_domain(candidates: Sequence[OperationCandidate]) -> bool:
    """Return whether one of the likeliest operations, the best first, is about the sentence.

    Words in another script are not read, so that then only the number of operations counts.
    """
    best = candidates[0]
    if is_foreign_script(best.context.sentence.text):
        return best.row["rivals"] < FEW_OPERATIONS
    if not best.row["words"] and not best.assignment.candidates:
        return False
    return _max_domain_probability(candidates) >= _fact("least")


def is_domain_doubtful(candidates: Sequence[OperationCandidate]) -> bool:
    """Return whether the sentence is so hardly about the API that its plan is a toss-up."""
    return _max_domain_probability(candidates) < _fact("plain")


def _fact(name: str) -> float:
    value: float = Forest.load(IN_DOMAIN).metadata[name]
    return value


def _max_domain_probability(candidates: Sequence[OperationCandidate]) -> float:
    return max(map(domain_probability, candidates[:DOMAIN_CANDIDATES]))


def is_foreign_script(text: str) -> bool:
    """Return whether most letters of a text are in no English word."""
    letters = [letter for letter in text if letter.isalpha()]
    return sum(letter > _LAST_LATIN for letter in letters) * 2 > len(letters)


# Calls of a plan at most.
MAX_CALLS = 5
_KINDS = (MentionKind.NAME, MentionKind.LITERAL, MentionKind.QUOTED)
_JOINTS = frozenset((",", "and", "&", "or", "the", "both", "(", ")", "/"))
# Tokens that may stand between two of the values: John F. Kennedy (KJFK) and LaGuardia (KLGA).
_MAX_DISTANCE = 12


def with_fan_out(plan: Plan, best: OperationCandidate) -> Plan:
    """Return `plan` with a call for each value that the sentence has for a required argument.

    Only unused values count that are of the same kind as the first and joined to it.
    """
    for option in best.assignment.candidates:
        values = _further_values(option, best) if option.slot.required and not option.slot.is_array else []
        if values and len(plan.calls) == 1 and len(option.slot.path) == 1:
            call = plan.calls[0]
            calls = (call, *(_repeat(call, option, value, n) for n, value in enumerate(values, 2)))
            text = f"{plan.understood.partition('; not used')[0]}; the same for {', '.join(map(str, values))}"
            return replace(plan, calls=calls, understood=text)
    return plan


def _repeat(call: Call, option: SlotCandidate, value: object, number: int) -> Call:
    return replace(call, arguments={**call.arguments, option.slot.name: value}, id=f"{call.id} {number}")


def _further_values(option: SlotCandidate, best: OperationCandidate) -> list[object]:
    """Return the further values for the slot of `option` that are joined to its own value."""
    first = option.mentions[0] if len(option.mentions) == 1 else None
    if first is None or first.kind not in _KINDS or option.slot.family in (Family.CHOICE, Family.BOOLEAN):
        return []
    similar = [span for span in best.assignment.unused if span.kind is first.kind and _is_same_shape(span, first)]
    row = sorted([first, *similar], key=lambda span: span.first)
    run = [span for span in _run(row, row.index(first), best) if span is not first]
    values = (value_for(span, option.slot, best.context.sentence) for span in run)
    return [value for value in dict.fromkeys(values) if value is not None and value != option.value][: MAX_CALLS - 1]


def _run(row: list[ValueMention], at: int, best: OperationCandidate) -> list[ValueMention]:
    """Return the spans around the one at `at` that are joined to it, each to the next."""
    first = last = at
    while first > 0 and _are_joined(best, row[first - 1], row[first]):
        first -= 1
    while last + 1 < len(row) and _are_joined(best, row[last], row[last + 1]):
        last += 1
    return row[first : last + 1]


def _is_same_shape(span: ValueMention, first: ValueMention) -> bool:
    """Return whether both spans or none are in capitals, and neither is a longer reading of a shorter one."""
    return (
        span.text.isupper() == first.text.isupper() and span.form == first.form and span.form not in ALTERNATIVE_FORMS
    )


def _are_joined(best: OperationCandidate, first: ValueMention, second: ValueMention) -> bool:
    """Return whether only an `and` or a comma is between two spans."""
    between = best.context.sentence.tokens[first.last : second.first]
    near = all(token.lower in _JOINTS for token in between)
    bracketed = any(token.text == "(" for token in between) and any(token.lower == "and" for token in between)
    return bool(between) and ((near and len(between) <= 3) or (bracketed and len(between) <= _MAX_DISTANCE))


# A plan that is at least this sure, and that uses every name and number of the question, needs no further names.
SURE = 0.8


def name_reads(catalogue: Catalogue) -> tuple[Call, ...]:
    """Return the calls that read the names of the APIs of a catalogue; only reads that need no argument."""
    tools = (catalogue.hidden_tool(spec, id) for spec in catalogue.specs for id in name_places(spec))
    return tuple(
        Call(tool=tool, arguments={}, id="names", reason="for the names that there are")
        for tool in tools
        if tool is not None and tool.effect is Effect.READ and not tool.required
    )


def names_plan(plan: Plan, conversation: Conversation, catalogue: Catalogue) -> Plan | None:
    """Return the plan that reads the names before a question is planned again; None where `plan` stands without them.

    They are read once a question, and only for a plan that is unsure or leaves out words.
    """
    is_read = any(is_name_round(round) for round in conversation.current.rounds)
    if is_read or not (calls := name_reads(catalogue)) or _is_settled(plan):
        return None
    goal = plan.goal or (plan.calls[-1] if plan.calls else None)
    return Plan(calls=calls, goal=goal, confidence=1.0, understood="the names that there are", raw=NamesState())


def _is_settled(plan: Plan) -> bool:
    accounts = [call.account for call in plan.calls if call.account is not None]
    has_unused = any(account.unused for account in accounts)
    is_sure = bool(plan.calls) and not plan.missing and plan.confidence >= SURE and not has_unused
    return is_sure and not any(map(_changes_plain_word, plan.calls))


def _changes_plain_word(call: Call) -> bool:
    """Return whether a call changes what a plain word names, which only the names that there are tell from a verb or
    another noun: stop shadowing [search].
    """
    if call.effect is Effect.READ or call.account is None:
        return False
    words = (source for source in call.account.sources if source.words.isalpha())
    return any(read_hints(argument_schema(call.tool, *source.argument.split("."))).names for source in words)


def read_names(conversation: Conversation) -> LiveNames:
    """Return the names in the last answers to the calls of `names_plan`; none where there was no answer."""
    rounds = [round for turn in conversation.turns for round in turn.rounds if is_name_round(round)]
    steps = rounds[-1].steps if rounds else ()
    return LiveNames.of(
        [
            (step.call, step.result.data)
            for step in steps
            if step.outcome is Outcome.ANSWERED and step.result is not None and step.result.ok
        ]
    )


# Words of titles, files and hosts that tell no API from another.
_COMMON = words("planner/operations/words", "api_name_fillers")
_PREPOSITIONS = words("planner/operations/words", "before_api_name")
_API_NOUNS = words("planner/operations/words", "after_api_name")
# Shorter words are abbreviations that questions contain by chance: `in`, `io`.
_MIN_LETTERS = 3


def named_api(question: str, catalogue: Catalogue) -> Catalogue:
    """Return the part of `catalogue` that is the one API which the question names, else the whole.

    A name counts where it cannot be an item of another API: `in museum`, `on Slack`, `the ads API`.
    """
    if len(catalogue.specs) < 2:
        return catalogue
    question_words = split_words(question)
    names = {spec: _names(spec) for spec in catalogue.specs}
    shared = {
        name for name in set().union(*names.values()) if sum(name in spec_names for spec_names in names.values()) > 1
    }
    matches = [
        spec
        for spec, spec_names in names.items()
        if _is_named((spec_names - shared) & set(question_words), question_words, catalogue)
    ]
    return catalogue.api_catalogue(matches[0]) if len(matches) == 1 else catalogue


def _is_named(names: set[str], question_words: list[str], catalogue: Catalogue) -> bool:
    """Return whether a name stands where an API is named, or is no word of any operation."""
    for name in names:
        at = question_words.index(name)
        is_led = at > 0 and question_words[at - 1] in _PREPOSITIONS
        is_called = at + 1 < len(question_words) and question_words[at + 1] in _API_NOUNS
        if not catalogue.index.is_entity(stem(name)) or is_called or (is_led and at + 1 == len(question_words)):
            return True
    return False


def _names(spec: Spec) -> set[str]:
    """Return the words of the title, the servers' hosts and the file that tell an API from others."""
    hosts = (urlsplit(server.url).hostname or "" for server in spec.servers)
    stem_of_file = re.sub(r"\.\w+$", "", spec.source.rpartition("/")[2])
    texts = (spec.title, stem_of_file, *(re.sub(r"\.\w+$", "", host) for host in hosts))
    pieces = {word for text in texts for word in split_words(text)}
    return {word for word in pieces if len(word) >= _MIN_LETTERS and word not in _COMMON and word not in STOPWORDS}


_WILDCARD = lazy_pattern(r"\*[^.]{0,60}\bwildcard|\bwildcard[^.]{0,60}\*", re.IGNORECASE)
_CONTAINING = stems("planner/operations/words", "containing")
# Arguments that take a name of the DNS; a `host` or a `server` is often a plain name (PowerDNS).
_DNS_ARGUMENTS = stems("planner/operations/words", "dns_arguments")


def in_wire_form(best: OperationCandidate) -> Assignment:
    """Return the assignment with its texts in the form of the API."""
    candidates, rivals = (
        tuple(replace(option, value=_wire_form(best, option)) for option in options)
        for options in (best.assignment.candidates, best.assignment.rivals)
    )
    return replace(best.assignment, candidates=candidates, rivals=rivals)


def _wire_form(best: OperationCandidate, option: SlotCandidate) -> object:
    slot, value, span = option.slot, option.value, option.mention
    if not isinstance(value, str) or slot.family is not Family.TEXT or span is None:
        return value
    if QUERYLIKE & set(slot.words) and best.tool.effect is Effect.READ and "*" not in value:
        prose = f"{slot.description} {best.operation.description}"
        is_part = _CONTAINING & set(best.context.sentence.stems[max(0, span.first - 2) : span.first])
        return f"*{value}*" if is_part and _WILDCARD.search(prose) else value
    is_host = span.form == "host" and not value.endswith(".") and set(slot.words) <= _DNS_ARGUMENTS
    return f"{value}." if is_host and best.operation.spec.derive(_DnsNames).end_in_dot else value


class _DnsNames:
    """The form of DNS names in an API: with a final dot where the schema of a body says so."""

    def __init__(self, spec: Spec) -> None:
        reader = SchemaReader(spec)
        bodies = (operation.body.schema for operation in spec.operations if operation.body is not None)
        name_schemas = (
            schema for body in bodies for name, schema in reader.properties(body).items() if "name" in split_words(name)
        )
        self.end_in_dot = any(states_dot(str(reader.flat(schema).get("description", ""))) for schema in name_schemas)


# Characters of a question that are read: a longer one is a pasted text, and time grows with the length.
_MAX_LENGTH = 2000
# The least confidence in a read that is planned from another language than English.
_MIN_FOREIGN_READ = 0.3
# A rival with a score this much lower is not offered beside a call that only lacks a value.
_RIVAL_MARGIN = 2.0
_HELP = lazy_pattern(
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
        plan = plan_question(conversation, planner.catalogue, partial(planner.plan, live=True), today)
        yield names_plan(plan, whole, planner.catalogue) or plan

    def _next_plan(self, conversation: Conversation) -> Plan:
        """Return the plan after an answer; a look-up in a list that the turn has read already goes on with that."""
        from nlapi.planner.steps.lookup import stored_listing
        from nlapi.planner.steps.requests import next_request_plan, requests_of
        from nlapi.planner.steps.steps import next_plan

        turn, known_values = conversation.current, conversation.known_values
        if (requests := requests_of(turn)) is None:
            plan = next_plan(turn, self.catalogue, known_values, today=self.today)
        else:
            plan_clause = partial(self._plan_clause, known_values=known_values, live=True)
            plan = next_request_plan(conversation, requests, self.catalogue, plan_clause, self.today)
        step = stored_listing(plan, turn)
        return plan if step is None else self._next_plan(conversation.with_round(Round(plan=plan, steps=(step,))))

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
        plan_clause = cache(partial(self._plan_clause, known_values=known_values, live=live))
        ways = list(request_sentences(question, self.catalogue)) if chosen is None else []
        if not ways:
            return self._plan_clause(question, known_values, chosen, live=live)
        from nlapi.planner.steps.requests import plan_requests, unplanned_part

        plan = plan_clause(question)
        # `activate the card with the number X and the id Y` is one change, whatever its parts may mean.
        is_one_change = _is_plain_change(plan)
        for sentences, is_plain in ways:
            if not is_plain and is_one_change:
                continue
            if (several := plan_requests(sentences, plan_clause, is_plain=is_plain)) is not None:
                return several
        commands = next((sentences for sentences, is_plain in ways if is_plain), None)
        return (unplanned_part(plan, commands, plan_clause) if commands else None) or plan

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
            today=self.today or datetime.now(self.zone),
            zone=self.zone,
        )
        return clause.plan()


def _is_plain_change(plan: Plan) -> bool:
    """Return whether a plan is that of a change which uses every word, as its sentence says it plainly."""
    call = plan.goal or (plan.calls[-1] if plan.calls else None)
    if call is None or plan.missing or call.effect is Effect.READ:
        return False
    return plan.confidence >= PLAIN_CONFIDENCE and call.account is not None and not call.account.unused


def read_question(question: str, catalogue: Catalogue, today: date, zone: tzinfo | None = None) -> Sentence:
    """Return a question as a Sentence, with its spelling corrected and its command in words of the API."""
    text = " ".join(question[:_MAX_LENGTH].split())
    # A question that is quoted as a whole is the question, not a value.
    if len(text) > 2 and text[0] == text[-1] and text[0] in "'\"" and text.count(text[0]) == 2:
        text = text[1:-1].strip()
    text = correct_spelling(text, catalogue.index)
    is_choice = partial(catalogue.is_choice, text)
    text = normalize_command(text, lambda: catalogue.command_verbs, catalogue.index.has_word, is_choice)
    return read_sentence(text, today, catalogue.names_in(text), zone)


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
    """A question with a single intent, and what it is planned with. Its methods are the stages of planning."""

    question: str
    catalogue: Catalogue
    known_values: Mapping[str, Any]
    chosen: Operation | None
    live: bool
    today: date
    zone: tzinfo

    def plan(self) -> Plan:
        sentence = read_question(self.question, self.catalogue, self.today, self.zone)
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
        candidates = choose_candidates(sentence, catalogue, self.known_values, self.chosen)
        language = foreign_language(sentence)
        is_known = any(mention.form == "name" for mention in sentence.mentions)
        if not candidates or not (is_known or is_in_domain(candidates) or is_certain(candidates[0])):
            return unmatched_plan(catalogue, candidates, language)
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
        best = replace(best, assignment=in_wire_form(best))
        # Whether a plain word is a name only an answer tells, and a plan that is not carried out gets none.
        if self.live:
            if any(slot.location == "path" for slot in best.context.slots):
                from nlapi.planner.steps.described import with_leftover_name

                best = replace(best, assignment=with_leftover_name(best, self.catalogue, self.known_values))
            best = with_only_parents(best, self.catalogue, self.known_values)
        best = replace(best, assignment=with_breadth_flags(best))
        plain = without_astray_credentials(best.context, best.assignment.candidates)
        return replace(best, assignment=replace(best.assignment, candidates=tuple(plain)))

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
        text, sentence = best.context.sentence.text, " ".join(self.question.split())
        sources = sources_of(best, sentence)
        if not is_change and (commands := dropped_commands(sentence, [(entry.start, entry.end) for entry in sources])):
            unused_texts, sure = (*commands, *unused_texts), min(sure, UNSURE)
        others = other_goals(best, values, catalogue, self.known_values)
        if others and (is_change or explains_all_words(best)):
            sure = UNSURE if is_change else max(sure, PLAIN_CONFIDENCE)
        omitted = [*unsaid, *(text for text in unused_texts if not any(text in phrase for phrase in unsaid))]
        narrowing = (option for option in best.assignment.candidates if option.end > option.start and option.narrows)
        goal = Goal(
            tool=best.tool,
            values=values,
            confidence=round(sure, 3),
            question=self.question,
            note=mask_credential_texts(f"not used: {', '.join(omitted)}", self.question) if omitted else "",
            used=tuple(text[option.start : option.end] for option in narrowing),
            others=others,
            sentence=sentence,
            sources=sources,
            unused=tuple(
                mask_credential_texts(text, self.question) for text in dict.fromkeys((*unsaid, *unused_texts))
            ),
            rivals=rivals_of(best),
        )
        if is_change:
            goal = replace(goal, likelihood=max(probability, goal.confidence))
            goal = asked_by_rival(rated_change(goal, catalogue, self.known_values))
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
