"""Rates a plan: how sure it is to be exactly right, and whether the sentence is about the API at all."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import replace

from nlapi.openapi.spec import Effect
from nlapi.planner.commands import command_verb, operation_verbs
from nlapi.planner.forest import Forest
from nlapi.planner.operations.candidates import OperationCandidate
from nlapi.planner.operations.catalogue import Catalogue, is_hypothetical, simulates
from nlapi.planner.operations.operation_choice import is_about_caller, is_about_health
from nlapi.planner.operations.sentence_coverage import (
    answer_bounds,
    explains_all_words,
    explains_plainly,
    unexpressed_negations,
    unused_values,
)
from nlapi.planner.slots.overrides import is_code_of
from nlapi.planner.slots.preset_values import pending_lookup
from nlapi.planner.slots.slot import Family, Slot
from nlapi.reading.question_intent import read_intent
from nlapi.reading.text import MentionKind
from nlapi.resources.collection_index import collection_index

# The most that a plan is sure of which leaves out a condition, or makes a change that nobody commanded: below
# nlapi.cli.ask.session.ASK_BELOW (0.4), so that the command line asks.
UNSURE = 0.35
# The least confidence of a plan whose operation the user chose, or that the sentence says plainly.
PLAIN_CONFIDENCE = 0.6
# The most confidence of a plan that is hardly about the API: the user is offered a choice, as it is below
# nlapi.cli.ask.session.OFFER_BELOW (0.2).
TOSS_UP_CONFIDENCE = 0.15
# The most confidence of a list with a name or a word that limits it and that no argument has: with a word, 5 of 15
# plans for the questions of ../shared/data/questions are exact. It is above ASK_BELOW (0.4) of the command line, as the
# answer may be filtered by the word.
INCOMPLETE_CONFIDENCE = 0.5
_EQUAL = 0.01
_SURE_CHOICE = 0.85


def unexpressed_words(best: OperationCandidate, settled: OperationCandidate, catalogue: Catalogue) -> tuple[str, ...]:
    """Return the words of a sentence that a read leaves out, and that the user must not believe it takes care of."""
    if catalogue.index.is_change(best.operation):
        return ()  # nlapi.changes names the words that a change leaves out
    is_code_left = any(span.kind in (MentionKind.LITERAL, MentionKind.QUOTED) for span in settled.assignment.unused)
    return (*unexpressed_negations(best), *(unused_values(best) if is_code_left else ()))


def correct_confidence(
    best: OperationCandidate,
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
    is_plain = explains_plainly(best, missing) or is_about_caller(question) or is_about_health(question)
    # Of two changes with one score the sentence does not say which: GitLab's description has the closing of a merge
    # request under two paths.
    is_tie = changes and any(abs(best.score - rival.score) < _EQUAL for rival in rivals)
    confidence = max(forest_confidence, PLAIN_CONFIDENCE) if is_plain and not is_tie else forest_confidence
    if not is_plain and _is_toss_up(best, rivals):
        confidence = min(confidence, TOSS_UP_CONFIDENCE)
    is_supposed = is_hypothetical(question) and simulates(best.operation) and not best.assignment.unused
    # Nor is a read that uses one of its choices, as the answer names its unused words: is the generator on hire?
    is_stated = best.tool.effect is Effect.READ and takes_choice(best)
    if not missing and (is_supposed or is_stated or _takes_live_name(best)):
        # All 7 reads of 249 sentences that were offered as a choice in spite of such a name were right.
        confidence = max(confidence, UNSURE)
    if leaves_out_condition:
        confidence = min(confidence, INCOMPLETE_CONFIDENCE)
    return min(confidence, UNSURE) if best.is_uncommanded or leaves_out_words else confidence


# The least share of the words of a sentence that an operation has to know.
_MIN_HEARD = 0.5
# A rival that is this near in score may be meant as well (tests/cli/test_cli_chat.py: two lists of notes).
_TIE_MARGIN = 0.4


def _is_toss_up(best: OperationCandidate, rivals: Sequence[OperationCandidate]) -> bool:
    """Return whether a rival is about as likely, no value speaks for the best, and most words are unknown to it."""
    is_vague = not best.assignment.candidates and best.row["heard"] < _MIN_HEARD
    return is_vague and any(best.score - rival.score < _TIE_MARGIN for rival in rivals)


def _takes_live_name(best: OperationCandidate) -> bool:
    """Return whether a read, or a change by its own verb, takes a name that the API has at the moment."""
    options = best.assignment.candidates
    if any(mention.kind is MentionKind.NUMBER for mention in best.assignment.unused):
        return False
    if not any(option.value in option.slot.names for option in options if option.slot.names):
        return False
    return best.tool.effect is Effect.READ or command_verb(best.context.sentence) in operation_verbs(best.operation)


def without_answer_filters(best: OperationCandidate) -> OperationCandidate:
    """Return a list candidate without unused names, codes and bounds, by which its answer is filtered.

    The N of `the latest N` is removed too, as the answer is cut to N.
    """
    listed = best.tool.effect is Effect.READ and collection_index(best.operation.spec).is_list(best.operation)
    if not listed or best.assignment.missing:
        return best
    cut, bounds = read_intent(best.context.sentence.text).spans, answer_bounds(best)
    unread = [
        span
        for span in best.assignment.unused
        if span.kind not in (MentionKind.NAME, MentionKind.LITERAL, MentionKind.QUOTED)
        and not any(start <= span.start < end for start, end in cut)
        and not any(bound.start <= span.start < bound.end for bound in bounds)
    ]
    row = {**best.row, "unused": float(len(unread)), "unused_names": 0.0}
    return replace(best, assignment=replace(best.assignment, unused=tuple(unread)), row=row)


def is_certain(best: OperationCandidate) -> bool:
    """Return whether the words alone make an operation certain, however unlike its API the sentence is."""
    text = best.context.sentence.text
    is_named = any(pending_lookup(option.value) is not None for option in best.assignment.candidates)
    is_plain = is_named and not best.assignment.missing and explains_all_words(best)
    return is_plain or explains_plainly(best, ()) or is_about_caller(text) or is_about_health(text)


def states_value(candidates: Sequence[OperationCandidate]) -> bool:
    """Return whether the likeliest operation has a use for every word of a sentence, and a value of that API among
    them: a choice, an id by its letters, or a word beside one of the operation.
    """
    if not candidates:
        return False
    (best, *_), options = candidates, candidates[0].assignment.candidates
    if any(is_code_of(best.context, option) for option in options):
        return True
    row = best.row
    return not row["unheard"] and bool(row["values"]) and (row["heard"] > row["values"] or takes_choice(best))


def takes_choice(best: OperationCandidate) -> bool:
    """Return whether an operation surely takes one of its choices from the words of a sentence."""
    options = (option for option in best.assignment.candidates if option.slot.family is Family.CHOICE)
    return any(option.end > option.start and option.probability >= _SURE_CHOICE for option in options)


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
    """values told_near heard heard_near unheard words deed number filled sum mean weakest guessed doubt unused
    unused_names slots index_ahead""".split()
)
FEATURES = (*ROW_FEATURES, "chance", "ahead", "missing", "rivals", "length")
IN_DOMAIN_FEATURES = tuple(
    """values said told said_near told_near heard heard_prose heard_name heard_near heard_told_near unheard words verb
    deed number required filled sum mean weakest clear guessed unused""".split()
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
