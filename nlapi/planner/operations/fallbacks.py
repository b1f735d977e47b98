"""Builds the plans that call nothing: a sentence that is not understood, too much at once, or not in English."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nlapi.changes.sentences import opening_length
from nlapi.english.words import split_words, stem
from nlapi.openapi.spec import Effect, Operation, Spec
from nlapi.planner.language.commands import command_verb, operation_verbs
from nlapi.planner.language.question_intent import read_intent
from nlapi.planner.language.text import MentionKind
from nlapi.planner.operations.candidates import OperationCandidate
from nlapi.planner.operations.catalogue import Catalogue, is_hypothetical, simulates
from nlapi.planner.operations.operation_choice import is_about_caller, is_about_health
from nlapi.planner.operations.sentence_coverage import explains_plainly, list_answers
from nlapi.planner.operations.vetoes import unexpressed_negations, unused_values
from nlapi.planner.slots.assignment import Assignment
from nlapi.planner.slots.preset_values import pending_lookup
from nlapi.planner.slots.slot import Slot
from nlapi.resources.collection_index import collection_index
from nlapi.resources.naming import VERBS, Intent
from nlapi.tools.plan import Plan
from nlapi.tools.tool import Call

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


def several_requests_plan(operation_ids: Sequence[str], candidates: Sequence[OperationCandidate]) -> Plan:
    """Return the plan of a sentence that asks for several unrelated operations."""
    ids = ", ".join(operation_ids)
    text = f"{NEEDS_CLAUDE}the sentence asks for {len(operation_ids)} things ({ids}); ask for one at a time"
    return empty_plan(text, candidates, 0.05)


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
