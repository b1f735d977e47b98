"""Corrects the confidence of a plan: higher where the sentence says it plainly, lower where it leaves out words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from nlapi.changes.sentences import opening_length
from nlapi.openapi.spec import Effect
from nlapi.planner.language.question_intent import wish_of
from nlapi.planner.language.text import Kind
from nlapi.planner.operations.candidates import Candidate
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.operations.fallbacks import UNSURE
from nlapi.planner.operations.intent_rewrites import says_plainly, tells
from nlapi.planner.operations.operation_choice import asks_for_health, asks_who_i_am
from nlapi.planner.operations.vetoes import unexpressed, unused
from nlapi.planner.slots.slot import Slot
from nlapi.resources.collection_index import collection_index
from nlapi.resources.naming import VERBS, Intent, split_words, stem

# The least confidence of a plan whose operation the user chose, or that the sentence says plainly.
CHOSEN = 0.6
# The most confidence of a plan that is hardly about the API: the user is offered a choice, as it is below
# nlapi.cli.session.OFFER_BELOW (0.2).
TOSSED = 0.15
_EQUAL = 0.01
_ARTICLES = frozenset(("a", "an", "the", "new", "another"))


def unsaid_words(best: Candidate, settled: Candidate, catalogue: Catalogue) -> tuple[str, ...]:
    """Return the words of a sentence that a read leaves out, and that the user must not believe it takes care of."""
    if catalogue.index.is_change(best.operation):
        return ()  # nlapi.changes names the words that a change leaves out
    is_code_left = any(span.kind in (Kind.LITERAL, Kind.QUOTED) for span in settled.filling.unused)
    return (*unexpressed(best), *(unused(best) if is_code_left else ()))


def surely(
    best: Candidate,
    settled: Candidate,
    others: Sequence[Candidate],
    missing: Sequence[Slot],
    sure: float,
    question: str,
    *,
    changes: bool,
    unsaid: bool,
) -> float:
    """Return the confidence of a plan: higher where the sentence says it plainly, lower where it leaves out words."""
    is_plain = tells(settled, missing) or says_plainly(best, missing)
    is_plain = is_plain or asks_who_i_am(question) or asks_for_health(question)
    is_plain = is_plain or (changes and not missing and (says_act(best) or _sets_commanded_state(best)))
    # Of two changes with one score the sentence does not say which: GitLab's description has the closing of a merge
    # request under two paths.
    is_tie = changes and any(abs(best.score - other.score) < _EQUAL for other in others)
    confidence = max(sure, CHOSEN) if is_plain and not is_tie else sure
    return min(confidence, UNSURE) if best.unasked or unsaid else confidence


def says_act(best: Candidate) -> bool:
    """Return whether the command is what the path names behind its item: [pause], [run] of create_flow_run."""
    operation, sentence = best.operation, best.scene.sentence
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
    if intent is Intent.DELETE and not any(option.slot.where == "body" for option in best.filling.options):
        return False  # which part of the item is not said
    if len(action_words) > 1 and intent is Intent.CREATE:
        created = stem(action_words[-1])
        noun = next((token.stem for token in following if token.lower not in _ARTICLES), "")
        return command.stem == created or (VERBS.get(command.stem) is Intent.CREATE and noun == created)
    return command.stem == stem(action_words[0])


def _sets_commanded_state(best: Candidate) -> bool:
    """Return whether a state was read from the command, as operation_choice does: cancel -> CANCELLING."""
    return any(option.span is None and option.end == 0 and option.slot.choices for option in best.filling.options)


def settled_by_answer(best: Candidate) -> Candidate:
    """Return a list candidate without unused names and codes, by which its answer is filtered.

    The N of `the latest N` is removed too, as the answer is cut to N.
    """
    listed = best.tool.effect is Effect.READ and collection_index(best.operation.spec).is_list(best.operation)
    if not listed or best.filling.missing:
        return best
    cut = wish_of(best.scene.sentence.text).spans
    left = [
        span
        for span in best.filling.unused
        if span.kind not in (Kind.NAME, Kind.LITERAL, Kind.QUOTED)
        and not any(start <= span.start < end for start, end in cut)
    ]
    row = {**best.row, "unused": float(len(left)), "unused_names": 0.0}
    return replace(best, filling=replace(best.filling, unused=tuple(left)), row=row)
