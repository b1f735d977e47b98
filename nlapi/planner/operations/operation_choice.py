"""Chooses the operation of a sentence: the likeliest one, or the one that the description has in its place."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

from nlapi.changes.checks import commands_deletion
from nlapi.english import lexicon
from nlapi.english.command_verbs import DELETE_VERBS, is_participle, is_verb, parse_command
from nlapi.english.intents import ARTICLES, VERBS, Intent
from nlapi.english.lexicon import stems
from nlapi.english.words import name_words, singular, stem
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import Effect, Operation
from nlapi.planner.commands import command_verb, command_words, is_imperative, names_items, operation_verbs
from nlapi.planner.operations.candidates import OperationCandidate, build_candidate, rank_candidates
from nlapi.planner.operations.catalogue import Catalogue, asks_why, explains, is_hypothetical, simulates
from nlapi.planner.slots.entities import is_subject
from nlapi.planner.slots.preset_values import pending_lookup
from nlapi.planner.slots.slot import Slot, SlotCandidate
from nlapi.reading.clauses import opening_length
from nlapi.reading.numbers import LAST_ORDINAL, ORDINALS
from nlapi.reading.question_intent import IntentKind, read_intent
from nlapi.reading.text import MentionKind, Sentence
from nlapi.resources.command_verbs import leading_verbs

_LEADING = lexicon.words("planner/operations/words", "choice_leading")

# The index score from which a part of a sentence names an operation by itself; an operation that the user has chosen
# has it too.
CLEAR_SCORE = 6.0
# Words of a question whether an item exists, which is all that HEAD tells: it shows nothing.
_EXISTENCE = stems("planner/operations/words", "existence")
_REPLACING = stems("planner/operations/words", "replacing")
_WHO_AM_I = lexicon.pattern("planner/operations/words", "who_am_i", re.IGNORECASE)
_IS_UP = lexicon.pattern("planner/operations/words", "is_up", re.IGNORECASE)
# Last segments of the paths of health checks, the most specific first.
_HEALTH = lexicon.ordered("planner/operations/words", "health")
_QUESTION = lexicon.pattern("planner/operations/words", "question", re.IGNORECASE)
# A read that is less sure than this of its item does not say which of them is compared.
_SURE_OF_ITEM = 0.5
_MAX_LISTS = 4
# Particles by which a verb takes something away: log the user out of session 5, turn it off.
_AWAY = lazy_pattern(r"\b(?:out of|off|away)\b", re.IGNORECASE)
_STATE_SLOTS = stems("planner/operations/words", "state_slots")
# The probability of a state that is read from the verb.
_STATE_PROBABILITY = 0.9
# How much less likely an operation may be that takes all names of the sentence: of who owns checkout-fraud the list
# has a score of 4.7, and the read of the objective one of 1.3. An id may be of the answer as well.
_NAMES_MARGIN, _IDS_MARGIN = 4.0, 1.5
# And one whose noun alone the sentence has.
_NOUN_MARGIN = 0.7
# Letters of a verb that the name of a state begins with: paus of PAUSED.
_MIN_VERB = 4


def choose_candidates(
    sentence: Sentence, catalogue: Catalogue, known_values: Mapping[str, object], chosen_operation: Operation | None
) -> list[OperationCandidate]:
    """Return the operations that a sentence may ask for, the likeliest first; only `chosen` where the user chose it."""
    certain = chosen_operation or _caller_or_health(sentence, catalogue)
    if certain is not None:
        candidate = build_candidate(sentence, catalogue, known_values, certain, CLEAR_SCORE)
        if candidate is not None or chosen_operation is not None:
            return [candidate] if candidate is not None else []
    ranked = rank_candidates(sentence, catalogue, known_values)
    if _EXISTENCE.isdisjoint(sentence.stem_set):
        ranked = [candidate for candidate in ranked if candidate.operation.method != "HEAD"] or ranked
    return _without_replacements(_without_deletions(ranked, sentence), sentence)


def _without_replacements(candidates: list[OperationCandidate], sentence: Sentence) -> list[OperationCandidate]:
    """Return the candidates without each PUT whose path has a PATCH that takes as many values.

    PATCH changes what a sentence says (RFC 5789 §2), and PUT the whole resource (RFC 9110 §9.3.4).
    """
    if not _REPLACING.isdisjoint(sentence.stem_set):
        return candidates
    patched = {
        candidate.operation.path: len(candidate.assignment.candidates)
        for candidate in candidates
        if candidate.operation.method == "PATCH"
    }
    return [
        candidate
        for candidate in candidates
        if candidate.operation.method != "PUT"
        or patched.get(candidate.operation.path, -1) < len(candidate.assignment.candidates)
    ]


def _without_deletions(candidates: list[OperationCandidate], sentence: Sentence) -> list[OperationCandidate]:
    """Return the candidates without the deletions that the command of a sentence does not mean: ship v2 to everyone.

    A sentence that begins with no verb stays as it is: the name of the item may stand before it.
    """
    command, _ = parse_command(token.lower for token in command_words(sentence))
    is_away = _AWAY.search(sentence.text, opening_length(sentence.text))
    if not command or is_away or not _opens_with_command(candidates, command):
        return candidates
    return [
        candidate
        for candidate in candidates
        if not _takes_away(candidate.operation) or commands_deletion(command, candidate.operation, destroy=True)
    ]


def _takes_away(operation: Operation) -> bool:
    return operation.method == "DELETE" or not DELETE_VERBS.isdisjoint(leading_verbs(operation))


def _opens_with_command(candidates: Sequence[OperationCandidate], command: str) -> bool:
    """Return whether the first word of a sentence is a verb, of the language or of one of the operations."""
    return is_verb(command) or any(command in leading_verbs(candidate.operation) for candidate in candidates)


def choose_operation(
    candidates: Sequence[OperationCandidate],
    sentence: Sentence,
    catalogue: Catalogue,
    known_values: Mapping[str, object],
) -> tuple[OperationCandidate, list[OperationCandidate]]:
    """Return the candidate to plan and its rivals."""
    allowed = _without_reads(_without_changes(candidates, sentence, catalogue), sentence, catalogue)
    allowed = _with_purpose(_with_said_noun(_with_all_names(allowed, catalogue), sentence), sentence)
    return rerank(allowed[0], allowed[1:], catalogue, known_values)


def _with_purpose(candidates: Sequence[OperationCandidate], sentence: Sentence) -> Sequence[OperationCandidate]:
    """Return the operations first that are made for a kind of question: what would be if, and why.

    Only those that take a value of the sentence, and lack none.
    """
    if is_hypothetical(sentence.text):
        serves = simulates
    elif asks_why(sentence.text):
        serves = explains
    else:
        return candidates
    first = [
        candidate
        for candidate in candidates
        if candidate.assignment.candidates and not candidate.assignment.missing and serves(candidate.operation)
    ]
    return _moved_first(candidates, first)


def _moved_first(
    candidates: Sequence[OperationCandidate], first: Sequence[OperationCandidate]
) -> Sequence[OperationCandidate]:
    return [*first, *(candidate for candidate in candidates if candidate not in first)]


def _with_all_names(candidates: Sequence[OperationCandidate], catalogue: Catalogue) -> Sequence[OperationCandidate]:
    """Return the candidates with one first that takes all names and ids of the sentence, where the first does not:
    who owns [delivery-eta] is not a list of all.

    It is as much a read or a change, lacks nothing, and is not much less likely.
    """
    best = candidates[0]
    margin = _margin_of_unused(best)
    if not margin:
        return candidates
    is_change = catalogue.index.is_change(best.operation)
    for rival in candidates[1:]:
        if rival.score < best.score - margin:
            break
        is_same_kind = catalogue.index.is_change(rival.operation) is is_change and not rival.is_uncommanded
        is_complete = set(rival.assignment.unused) < set(best.assignment.unused) and not _margin_of_unused(rival)
        if is_same_kind and not rival.assignment.missing and is_complete:
            return _moved_first(candidates, [rival])
    return candidates


def _with_said_noun(candidates: Sequence[OperationCandidate], sentence: Sentence) -> Sequence[OperationCandidate]:
    """Return the candidates with one first whose noun alone stands before the first value, where the first has another:
    delete [customer] 88, not its category. It is of the same method, and as likely.
    """
    best, values = candidates[0], sorted(sentence.value_positions)
    words = [token.stem for token in command_words(sentence)[1:] if token.lower not in ARTICLES]
    places = sentence.stems[: values[0]] if values else ()
    said = next((tuple(words[:length]) for length in range(1, 4) if places[-length:] == tuple(words[:length])), ())
    if not said or best.context.noun == said:
        return candidates
    near = (rival for rival in candidates[1:] if rival.score >= best.score - _NOUN_MARGIN)
    first = [rival for rival in near if rival.context.noun == said and rival.operation.method == best.operation.method]
    return _moved_first(candidates, first[:1])


def _margin_of_unused(candidate: OperationCandidate) -> float:
    """Return by how much an operation may be less likely that takes what a candidate leaves unused; 0.0 if nothing."""
    unused = candidate.assignment.unused
    if any(mention.form == "name" for mention in unused):
        return _NAMES_MARGIN
    is_answered = bool(candidate.context.preset)
    return _IDS_MARGIN if any(mention.kind is MentionKind.LITERAL for mention in unused) and not is_answered else 0.0


def _without_changes(
    candidates: Sequence[OperationCandidate], sentence: Sentence, catalogue: Catalogue
) -> Sequence[OperationCandidate]:
    """Return the reads alone where a question asks for a fact (is it paused, who created it) and commands nothing, as
    does a noun phrase.
    """
    intent = read_intent(sentence.text)
    is_fact = intent.kind is IntentKind.CHECK or intent.needs_all_items
    is_command = not names_items(sentence) and not is_question(sentence.text)
    if is_command and (not is_fact or any(map(is_imperative, sentence.tokens))):
        return candidates
    return [candidate for candidate in candidates if not catalogue.index.is_change(candidate.operation)] or candidates


def _without_reads(
    candidates: Sequence[OperationCandidate], sentence: Sentence, catalogue: Catalogue
) -> Sequence[OperationCandidate]:
    """Return the changes that the first word of a sentence names, where the likeliest operation is a read without it.

    `star acme/web` does not check whether acme/web is starred.
    """
    verb, opening = command_verb(sentence), command_words(sentence)[:1]
    # `canceled orders` commands nothing.
    is_command = (
        is_verb(verb)
        and VERBS.get(verb) is not Intent.READ
        and not any(is_participle(token.lower) for token in opening)
    )
    if not is_command or candidates[0].tool.effect is not Effect.READ or verb in leading_verbs(candidates[0].operation):
        return candidates
    changes = (candidate for candidate in candidates if catalogue.index.is_change(candidate.operation))
    return [
        change for change in changes if not change.is_uncommanded and verb in leading_verbs(change.operation)
    ] or candidates


def rerank(
    best: OperationCandidate,
    rivals: Sequence[OperationCandidate],
    catalogue: Catalogue,
    known_values: Mapping[str, object],
) -> tuple[OperationCandidate, list[OperationCandidate]]:
    """Return the candidate to plan and its rivals: `best`, or the one that the description has in its place.

    - the list for the read of one item, where a question compares items: which product is the most expensive;
    - the change of a state for a deletion that the command does not name: cancel the run.
    """
    # All that is left of thirteen re-rankings: without all of them the operation is right more often in every set
    # (benchmarks/OFFLINE.md, "Re-rankings"). Without them superlatives are not answered
    # (tests/planner/test_offline_wish.py), and to cancel a run deletes it with a confidence of 0.945
    # (test_offline_plain_names.py).
    replacement = _list_to_compare(best, catalogue, known_values) or _state_change(best, catalogue, known_values)
    if replacement is None:
        return best, list(rivals)
    return replacement, [best, *(rival for rival in rivals if rival.operation is not replacement.operation)]


def _list_to_compare(
    best: OperationCandidate, catalogue: Catalogue, known_values: Mapping[str, object]
) -> OperationCandidate | None:
    """Return the list of the items of which a read would show one, where a question compares them and names none."""
    subject = next((slot for slot in best.context.slots if is_subject(best.operation, slot)), None)
    is_read = best.tool.effect is Effect.READ
    compares = is_read and read_intent(best.context.sentence.text).needs_all_items
    compares = compares or (is_read and subject in best.assignment.missing and _names_all(best))
    if not compares or subject is None or (item_probability(best) >= _SURE_OF_ITEM and not _is_extreme(best, subject)):
        return None
    # A slot that takes a name has no list to look it up in, and the list of its items is right above it.
    lists = catalogue.list_operations(best.tool, subject)[:_MAX_LISTS] or _lists_above(best, catalogue)
    options = (
        build_candidate(best.context.sentence, catalogue, known_values, operation, best.score) for operation in lists
    )
    return min((option for option in options if option is not None), key=_misfit, default=None)


def _lists_above(best: OperationCandidate, catalogue: Catalogue) -> list[Operation]:
    """Return the list at the path above an item: /canaries of /canaries/{canary} and of /canaries/{canary}/status."""
    above = best.operation.route.rpartition("/{")[0]
    operations = catalogue.operations_of(best.operation.spec)
    return [entry for entry in operations if entry.method == "GET" and entry.route.rstrip("/") == above]


def _names_all(best: OperationCandidate) -> bool:
    """Return whether a sentence has the noun of an operation in the plural behind `all`, or behind its first word where
    that asks: status of all canaries, what objectives do we serve.
    """
    tokens, noun = best.context.sentence.tokens, best.context.noun[-1:]
    return any(
        (first.lower == "all" or (first is tokens[0] and first.lower in ("what", "which")))
        and (second.stem,) == noun
        and singular(second.lower) != second.lower
        for first, second in pairwise(token for token in tokens if token.lower not in _LEADING)
    )


def _is_extreme(best: OperationCandidate, subject: Slot) -> bool:
    """Return whether an item is named only as the most or the least of its kind: the newest product."""
    lookups = (pending_lookup(option.value) for option in best.assignment.candidates if option.slot is subject)
    return any(lookup is not None and lookup.ordinal not in ("", LAST_ORDINAL, *ORDINALS) for lookup in lookups)


def _state_change(
    best: OperationCandidate, catalogue: Catalogue, known_values: Mapping[str, object]
) -> OperationCandidate | None:
    """Return the change that sets the state of an item which the command names, in place of the item's deletion."""
    sentence, item = best.context.sentence, best.operation.route.rstrip("/")
    command = next(iter(command_words(sentence)), None)
    if best.operation.method != "DELETE" or command is None or command.stem in operation_verbs(best.operation):
        return None
    for operation in catalogue.operations_of(best.operation.spec):
        if operation.method == "GET" or operation.route.rstrip("/").rpartition("/")[0] != item:
            continue
        if (candidate := build_candidate(sentence, catalogue, known_values, operation, best.score)) is None:
            continue
        for slot in candidate.context.slots:
            if (state := _begun_state(slot, command.lower)) is not None:
                return _with_state(candidate, slot, state)
    return None


def _begun_state(slot: Slot, verb: str) -> object:
    """Return the choice of a state slot that a verb begins, a running one first: cancel -> CANCELLING; or None."""
    if slot.location != "body" or _STATE_SLOTS.isdisjoint(slot.words) or len(verb) < _MIN_VERB:
        return None
    states = [choice for choice in slot.choices if str(choice).lower().startswith(verb)]
    return min(states, key=lambda state: (not str(state).lower().endswith("ing"), len(str(state))), default=None)


def _with_state(candidate: OperationCandidate, slot: Slot, state: object) -> OperationCandidate:
    assignment = candidate.assignment
    required = tuple(option for option in assignment.candidates if option.slot.required and option.slot is not slot)
    option = SlotCandidate(
        slot=slot, value=[state] if slot.is_array else state, probability=_STATE_PROBABILITY, start=0, end=0
    )
    missing = tuple(missing_slot for missing_slot in assignment.missing if missing_slot is not slot)
    assignment = replace(assignment, candidates=(*required, option), missing=missing)
    return replace(candidate, assignment=assignment, is_uncommanded=False)


def _misfit(listing: OperationCandidate) -> tuple[bool, int]:
    """Return whether a list lacks a value, and how many values of the sentence it leaves unused."""
    return bool(listing.assignment.missing), len(listing.assignment.unused)


def item_probability(candidate: OperationCandidate) -> float:
    """Return the probability of the value that names the item of an operation, or 0."""
    options = candidate.assignment.candidates
    return max((option.probability for option in options if is_subject(candidate.operation, option.slot)), default=0.0)


def is_question(question: str) -> bool:
    """Return whether a sentence begins with a question word for a fact."""
    return _QUESTION.match(question) is not None


def is_about_caller(question: str) -> bool:
    """Return whether a question is only about the caller."""
    return _WHO_AM_I.match(question) is not None


def is_about_health(question: str) -> bool:
    """Return whether a question is only about whether the server is up."""
    return _IS_UP.match(question) is not None


def _caller_or_health(sentence: Sentence, catalogue: Catalogue) -> Operation | None:
    """Return the read that answers `who am I` or `is the server up`; None for other sentences, or without a read."""
    if is_about_caller(sentence.text):
        return next((read for read in map(catalogue.caller, catalogue.specs) if read is not None), None)
    return _health_check(catalogue.operations, sentence) if is_about_health(sentence.text) else None


def _asks_ready(sentence: Sentence) -> bool:
    return stem("ready") in sentence.stem_set


def _health_check(operations: Sequence[Operation], sentence: Sentence) -> Operation | None:
    """Return the operation that tells whether the server is up, or ready where that is asked; None without one."""
    reads = [read for read in operations if read.method == "GET" and "{" not in read.path]
    by_end = {"".join(name_words(read.path.rstrip("/").rpartition("/")[2])): read for read in reversed(reads)}
    ends = sorted(_HEALTH, key=lambda word: not word.startswith("read")) if _asks_ready(sentence) else _HEALTH
    checks = (by_end[word] for word in ends if word in by_end)
    return next((check for check in checks if not any(entry.required for entry in check.parameters)), None)
