"""Chooses the operation of a sentence: the likeliest one, after the vetoes on what the sentence cannot ask for."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from nlapi.openapi.spec import Effect, Operation
from nlapi.planner.language.commands import commands
from nlapi.planner.language.question_intent import Want, wish_of
from nlapi.planner.language.text import Sentence
from nlapi.planner.language.words import stems
from nlapi.planner.operations.candidates import Candidate, candidate_of, candidates
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.slots.entities import is_subject
from nlapi.resources.naming import name_words

# The index score from which a part of a sentence names an operation by itself; an operation that the user has chosen
# has it too.
CLEAR = 6.0
# Words of a question whether an item exists, which is all that HEAD tells: it shows nothing.
_EXISTENCE = stems("operations", "existence")
_WHO_AM_I = re.compile(
    r"^\W*(?:show (?:me )?)?(?:who ?am ?i(?: (?:logg?ed|signed) in(?: as)?)?|my (?:user )?(?:profile|account|user)"
    r"|wh(?:o|ich user|at user|at account) (?:am i|is) (?:logg?ed|signed) in(?: as)?)\W*$",
    re.IGNORECASE,
)
_IS_UP = re.compile(
    r"^\W*(?:is|are) (?:(?:(?:the |this |your |my |our )?(?:\w+ )?(?:server|api|service|system|backend|instance)|it)"
    r"(?: (?:still|currently|now))? (?:healthy|alive|up|ok|okay|ready|online|reachable|live|responding|working|running)"
    r"|\w+(?: (?:still|currently|now))? (?:healthy|alive|up|online|reachable|responding))"
    r"(?: and running)?(?: right now| now)?\W*$",
    re.IGNORECASE,
)
# Last segments of the paths of health checks, the most specific first.
_HEALTH = tuple(
    "health healthz healthcheck status heartbeat liveness livez live alive ping ready readyz readiness".split()
)
_QUESTION = re.compile(r"^\W*(?:what|which|who|whose|where|when|how many|how much)\b", re.IGNORECASE)
# A read that is less sure than this of its item does not say which of them is compared.
_SURE_OF_ITEM = 0.5
_MAX_LISTS = 4


def likeliest(
    sentence: Sentence, catalogue: Catalogue, known: Mapping[str, Any], chosen: Operation | None
) -> list[Candidate]:
    """Return the operations that a sentence may ask for, the likeliest first; only `chosen` where the user chose it."""
    certain = chosen or _caller_or_health(sentence, catalogue)
    if certain is not None:
        candidate = candidate_of(sentence, catalogue, known, certain, CLEAR)
        if candidate is not None or chosen is not None:
            return [candidate] if candidate is not None else []
    ranked = candidates(sentence, catalogue, known)
    if _EXISTENCE.isdisjoint(sentence.stem_set):
        ranked = [candidate for candidate in ranked if candidate.operation.method != "HEAD"] or ranked
    return ranked


def best_of(
    found: Sequence[Candidate], sentence: Sentence, catalogue: Catalogue, known: Mapping[str, Any]
) -> tuple[Candidate, list[Candidate]]:
    """Return the candidate to plan and its rivals."""
    allowed = _without_changes(found, sentence)
    return rerank(allowed[0], allowed[1:], catalogue, known)


def _without_changes(found: Sequence[Candidate], sentence: Sentence) -> Sequence[Candidate]:
    """Return the reads alone where a question asks for a fact (is it paused, who created it) and commands nothing."""
    intent = wish_of(sentence.text)
    is_fact = intent.want is Want.CHECK or intent.figures
    if not asks(sentence.text) and (not is_fact or any(map(commands, sentence.tokens))):
        return found
    return [candidate for candidate in found if candidate.tool.effect is Effect.READ] or found


def rerank(
    best: Candidate, others: Sequence[Candidate], catalogue: Catalogue, known: Mapping[str, Any]
) -> tuple[Candidate, list[Candidate]]:
    """Return the list in place of the read of one item, where a question compares items and names none.

    `which product is the most expensive` takes the whole list, although the ranking finds the read of a product.
    """
    # The only one left of thirteen re-rankings: without all of them the operation is right more often in every set
    # (benchmarks/OFFLINE.md, "Re-rankings"). It changes 2 plans of 849 and none for the worse, and superlatives
    # (tests/planner/test_offline_wish.py) are answered by it alone.
    subject = next((slot for slot in best.scene.slots if is_subject(best.operation, slot)), None)
    compares = best.tool.effect is Effect.READ and wish_of(best.scene.sentence.text).figures
    if not compares or subject is None or surety(best) >= _SURE_OF_ITEM:
        return best, list(others)
    lists = catalogue.listers(best.tool, subject)[:_MAX_LISTS]
    options = (candidate_of(best.scene.sentence, catalogue, known, operation, best.score) for operation in lists)
    listing = min((option for option in options if option is not None), key=_misfit, default=None)
    if listing is None:
        return best, list(others)
    return listing, [best, *(other for other in others if other.operation is not listing.operation)]


def _misfit(listing: Candidate) -> tuple[bool, int]:
    """Return whether a list lacks a value, and how many values of the sentence it leaves unused."""
    return bool(listing.filling.missing), len(listing.filling.unused)


def surety(candidate: Candidate) -> float:
    """Return the probability of the value that names the item of an operation; 0 where there is none."""
    options = candidate.filling.options
    return max((option.sure for option in options if is_subject(candidate.operation, option.slot)), default=0.0)


def asks(question: str) -> bool:
    """Return whether a sentence begins with a question word for a fact."""
    return _QUESTION.match(question) is not None


def asks_who_i_am(question: str) -> bool:
    """Return whether a question is only about the caller."""
    return _WHO_AM_I.match(question) is not None


def asks_for_health(question: str) -> bool:
    """Return whether a question is only about whether the server is up."""
    return _IS_UP.match(question) is not None


def _caller_or_health(sentence: Sentence, catalogue: Catalogue) -> Operation | None:
    """Return the read that answers `who am I` or `is the server up`; None for other sentences, or without a read."""
    if asks_who_i_am(sentence.text):
        return next((read for read in map(catalogue.caller, catalogue.specs) if read is not None), None)
    return _health_check(catalogue.operations) if asks_for_health(sentence.text) else None


def _health_check(operations: Sequence[Operation]) -> Operation | None:
    """Return the operation that tells whether the server is up; None where there is none."""
    reads = [read for read in operations if read.method == "GET" and "{" not in read.path]
    by_end = {"".join(name_words(read.path.rstrip("/").rpartition("/")[2])): read for read in reversed(reads)}
    checks = (by_end[word] for word in _HEALTH if word in by_end)
    return next((check for check in checks if not any(entry.required for entry in check.parameters)), None)
